"""A user's own mounts (`unshare -Urm`), by the kernel's word: what a start in them is, and that nobody else pays."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_host import plan
from patience import until
from proscribe.host.system import Ending, Host, Process
from proscribe.host.watch.restricted import Restricted, Verified

MALLORY = 12345
UNSHARE = ("setpriv", f"--reuid={MALLORY}", f"--regid={MALLORY}", "--clear-groups", "unshare", "-Urm", "sh", "-c")


def may() -> bool:
    tools = os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("unshare")
    return bool(tools) and not subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode


pytestmark = pytest.mark.skipif("not may()", reason="needs root, and user namespaces for users")


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the catalogue's program would be; the host has nothing there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        for folder in (Path(directory), Path(directory, "Telegram"), Path(directory, "root")):
            folder.mkdir(exist_ok=True)
            os.chown(folder, MALLORY, MALLORY)
        yield Path(directory)


def started(place: Path, script: str) -> subprocess.Popen[bytes]:
    """A program in namespaces of mallory's, once it is the one that it is to be."""
    sleep = shutil.which("sleep")
    copied = f"mount -t tmpfs none {place}/Telegram; cp {sleep} {place}/Telegram/Telegram"
    process = subprocess.Popen([*UNSHARE, f"set -e; {copied}; {script}"])
    shell = {os.path.realpath(shutil.which(name) or "") for name in ("sh", "unshare", "setpriv", "chroot")}
    until(lambda: os.readlink(f"/proc/{process.pid}/exe") not in shell and program(process).exe.startswith("/"))
    until(lambda: process.poll() is not None or b"600" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    return process


def program(process: subprocess.Popen[bytes]) -> Process:
    found = Host().process(process.pid)
    assert found is not None
    return found


def verified(place: Path, process: subprocess.Popen[bytes]) -> Verified:
    section = plan(telegram={"processes": ["Telegram"], "paths": [f"{place}/Telegram"]})["controls"]["apps"]
    parts = list(Restricted(Host(), section).verify([program(process)]))
    return Verified(*(sum((list(getattr(part, field)) for part in parts), []) for field in Verified._fields))


def test_a_restricted_program_on_a_file_system_that_only_it_has_is_ended(place: Path) -> None:
    process = started(place, f"exec {place}/Telegram/Telegram 600")
    try:
        found = verified(place, process)
        assert [one.pid for running in found.restricted for one in running.processes] == [process.pid]
        Host().end_program(Ending([program(process)], lambda one: True))
        assert process.wait() < 0
    finally:
        process.kill()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("mount --bind {0}/Telegram/Telegram /usr/bin/true; exec /usr/bin/true 600", id="over another one"),
        pytest.param("mount --rbind / {0}/root; exec chroot {0}/root {0}/Telegram/Telegram 600", id="in another root"),
    ],
)
def test_what_hides_there_is_not_remembered_as_innocent(place: Path, script: str) -> None:
    """Else the same path would be nothing for half a minute, wherever it is started."""
    process = started(place, script.format(place))
    try:
        found = verified(place, process)
        assert found.restricted == [] and found.innocent == [], program(process).exe
    finally:
        process.kill()
        process.wait()
