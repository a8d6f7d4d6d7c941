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
from patience import until
from proscribe.controls.browser import running
from proscribe.controls.browser.places import Place
from proscribe.host import Host

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


def policy(path: Path, age: float) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    os.utime(path, (time.time() - age,) * 2)
    return path


def found(path: Path, family: str = "firefox") -> list[str]:
    place = Place("firefox", family, str(path), browsers=("firefox",), programs=("firefox-esr",))
    findings = running.check_running(Host(), [place]).findings
    # A real Firefox that somebody runs meanwhile is not the one of the test.
    return [
        f"{finding.id} {finding.detail}" for finding in findings if str(finding.path).startswith(tempfile.gettempdir())
    ]


def test_a_browser_that_started_before_its_policy_needs_a_restart(
    tmp_path: Path, browser: subprocess.Popen[bytes]
) -> None:
    assert found(policy(tmp_path / "policies.json", age=60)) == []
    (finding,) = found(policy(tmp_path / "policies.json", age=-60))
    assert finding.startswith(f"firefox-esr pid {browser.pid}, started 20") and "restart it" in finding


def test_chromium_looks_at_its_folder_again_by_itself(tmp_path: Path, browser: subprocess.Popen[bytes]) -> None:
    assert found(policy(tmp_path / "policies.json", age=-60), "chromium") == []


def test_chromium_may_miss_what_was_written_in_the_moment_of_its_start(
    tmp_path: Path, browser: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (process,) = [one for one in Host().processes()[0] if one.pid == browser.pid]
    started = Host().start_time(process)
    assert started is not None

    def reported(after: float) -> list[str]:
        path = policy(tmp_path / "policies.json", age=time.time() - started - after)
        return found(path, "chromium")

    assert [bool(reported(after)) for after in (-1, 0.5, 3, 5)] == [False, True, True, False]
    assert reported(2)[0].endswith("it may see that only 15 minutes later: restart it")
    monkeypatch.setattr(running, "RECHECK_AFTER", -60)  # as if that were over
    assert reported(2) == []


def test_a_policy_that_is_missing_is_told_by_its_place_alone(tmp_path: Path, browser: subprocess.Popen[bytes]) -> None:
    assert found(tmp_path / "not-there.json") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_browser_with_another_view_of_the_disk_is_told(tmp_path: Path) -> None:
    path = policy(tmp_path / "policies" / "policies.json", age=60)
    program = tmp_path / "firefox-esr"
    shutil.copy(SLEEP, program)
    hide = f"mount -t tmpfs none {path.parent} && exec {program} 60"
    process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", hide])
    try:
        until(lambda: found(path))
        assert found(path) == [f"firefox-esr pid {process.pid}, it sees another {path} than the host has"]
    finally:
        process.kill()
        process.wait()
