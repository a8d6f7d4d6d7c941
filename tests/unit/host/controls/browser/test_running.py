"""Browsers that run: who goes by an old policy, or by none. Real processes, with a view of the disk of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.host.controls.browser import running
from proscribe.host.controls.browser.places import Place
from proscribe.host.system import Host

SLEEP = os.path.realpath(shutil.which("sleep") or "/bin/sleep")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is called firefox-esr."""
    program = tmp_path / "firefox-esr"
    shutil.copy(SLEEP, program)
    process = subprocess.Popen([program, "60"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """When files were last changed, by path: nobody can set that time."""
    times: dict[str, float] = {}
    real = Host.stat

    def stat(self: Host, path: str) -> os.stat_result | None:
        seen = real(self, path)
        return os.stat_result(seen[:10], {"st_ctime": times[path]}) if seen and path in times else seen

    monkeypatch.setattr(Host, "stat", stat)
    return times


def policy(path: Path, age: float, written: dict[str, float]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    os.utime(path, (1, 1))  # the time of writing is anybody's word
    written[str(path)] = time.time() - age
    return path


def found(path: Path, family: str = "firefox", *others: Place) -> list[str]:
    place = Place("firefox", family, str(path), browsers=("firefox",), programs=("firefox-esr",))
    findings = running.check_running(Host(), [*others, place]).findings
    # A real Firefox that somebody runs meanwhile is not the one of the test.
    return [
        f"{finding.id} {finding.detail}" for finding in findings if str(finding.path).startswith(tempfile.gettempdir())
    ]


def test_a_browser_that_started_before_its_policy_needs_a_restart(
    tmp_path: Path, browser: subprocess.Popen[bytes], written: dict[str, float]
) -> None:
    assert found(policy(tmp_path / "policies.json", 60, written)) == []
    (finding,) = found(policy(tmp_path / "policies.json", -60, written))
    assert finding.startswith(f"firefox-esr pid {browser.pid}, started 20") and "restart it" in finding


def test_chromium_reads_its_folder_again_by_itself(
    tmp_path: Path, browser: subprocess.Popen[bytes], written: dict[str, float]
) -> None:
    assert found(policy(tmp_path / "policies.json", -60, written), "chromium") == []


def test_chromium_may_miss_what_was_written_in_the_moment_of_its_start(
    tmp_path: Path, browser: subprocess.Popen[bytes], written: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (process,) = [one for one in Host().processes()[0] if one.pid == browser.pid]
    started = Host().start_time(process)
    assert started is not None

    def reported(after: float) -> list[str]:
        path = policy(tmp_path / "policies.json", time.time() - started - after, written)
        return found(path, "chromium")

    assert [bool(reported(after)) for after in (-1, 0.5, 3, 5)] == [False, True, True, False]
    assert reported(2)[0].endswith("it may see that only 15 minutes later: restart it")
    monkeypatch.setattr(running, "RECHECK_AFTER", -60)  # as if that were over
    assert reported(2) == []


def test_a_missing_policy_is_reported_by_its_place_alone(tmp_path: Path, browser: subprocess.Popen[bytes]) -> None:
    assert found(tmp_path / "not-there.json") == []
