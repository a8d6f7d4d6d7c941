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


# In mounts of its own: the folder of policies hidden; a folder of its own with our very file in it, and others beside
# that; a root of its own in which Firefox takes itself for one in a flatpak.
HIDE = "mount -t tmpfs none {folder} && exec {program} 60"
BESIDE = """
mkdir {folder}/../real && mount --bind {folder} {folder}/../real && mount -t tmpfs none {folder}
touch {folder}/proscribe.json && mount --bind {folder}/../real/proscribe.json {folder}/proscribe.json
echo '{{}}' >{folder}/zz.json && exec {program} 60
"""
FLATPAK = """
root={folder}/../root && mkdir $root && mount -t tmpfs none $root && touch $root/.flatpak-info
echo '[Application]' >$root/.flatpak-info
for each in /*; do
    [ -d "$each" ] && [ ! -h "$each" ] && mkdir $root$each && mount --rbind $each $root$each || cp -P $each $root
done 2>/dev/null
exec chroot $root {program} 60
"""
ANOTHER = "it sees another {path} than the host has"
BELOW_APP = "its user has given it a .flatpak-info, so that it reads its policies below /app instead of {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
@pytest.mark.parametrize(
    ("family", "script", "said"),
    [
        ("firefox", HIDE, ANOTHER),
        ("chromium", HIDE, ANOTHER),
        ("chromium", BESIDE, ANOTHER),
        ("firefox", BESIDE, ""),  # which reads this one file
        ("firefox", FLATPAK, BELOW_APP),
    ],
)
def test_a_browser_with_another_view_of_the_disk_is_reported(
    tmp_path: Path, written: dict[str, float], family: str, script: str, said: str
) -> None:
    path = policy(tmp_path / "policies" / "proscribe.json", 60, written)
    # Another place of that program, which it sees as the host has it: nobody knows which of the two it reads.
    other = Place("snap", "chromium", str(policy(tmp_path / "other.json", 60, written)), programs=("firefox-esr",))
    program = tmp_path / "firefox-esr"
    shutil.copy(SLEEP, program)
    inside = script.format(folder=path.parent, program=program)
    process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", inside])
    try:
        until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("/firefox-esr"))
        detail = said.format(path=path)
        assert found(path, family, other) == ([f"firefox-esr pid {process.pid}, {detail}"] if said else [])
    finally:
        process.kill()
        process.wait()
