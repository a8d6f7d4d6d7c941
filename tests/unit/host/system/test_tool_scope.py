"""A user's tool runs in a scope of its own, and nothing of it is there after it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import proscribe
import pytest
from patience import BUSY, LONGEST, until
from proscribe.host.system import ControlError, Result, User, run_tool, tool_scope

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: runs a tool as somebody else")
NOBODY = User("nobody", 65534, 65534, "/nonexistent")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
# Leaves the tool's session and its parents, and holds a fifo open as long as it lives. Then the tool goes on.
ESCAPE = """\
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reading, writing = os.pipe()
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.open(sys.argv[1], os.O_WRONLY)
    os.write(writing, b"x")
    os.closerange(0, 3)
    time.sleep(600)
os.read(reading, 1)
"""
ENDS = {"ends": "print('done')\nsys.exit(3)", "hangs": "time.sleep(600)", "is killed": "os.kill(os.getpid(), 9)"}


class Fifo:
    """A fifo that a user's processes may hold open."""

    def __init__(self, place: Path) -> None:
        self.path = place / "alive"
        os.mkfifo(self.path)
        self.path.chmod(0o622)
        self.reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def has_holder(self) -> bool:
        """Return whether a process has the fifo open. One that had it open must have had it by now."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))


@pytest.fixture
def fifo() -> Iterator[Fifo]:
    place = Path(tempfile.mkdtemp())  # pytest's own directories are closed to others
    place.chmod(0o711)
    made = Fifo(place)
    yield made
    os.close(made.reading)
    shutil.rmtree(place)


def python(code: str, *arguments: str) -> list[str]:
    return [PYTHON, "-I", "-S", "-c", code, *arguments]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("has_namespaces", [True, False])
def test_what_left_the_session_of_a_users_tool_ends_with_the_tool(
    monkeypatch: pytest.MonkeyPatch, fifo: Fifo, has_namespaces: bool, end: str
) -> None:
    if not has_namespaces:  # as in a container without the right to make one
        monkeypatch.setattr(tool_scope, "make_namespace", lambda libc: None)
    argv = python(ESCAPE + ENDS[end], str(fifo.path))
    if end == "hangs":
        with pytest.raises(ControlError, match="did not end within 2 s"):
            run_tool(argv, user=NOBODY, timeout=2)
    else:
        expected = Result(3, "done\n", "") if end == "ends" else Result(-9, "", "")
        assert run_tool(argv, user=NOBODY, timeout=LONGEST) == expected
    assert not fifo.has_holder()


def test_what_a_users_tool_left_ends_although_the_run_is_killed(fifo: Fifo) -> None:
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\nfrom proscribe.host.system import User, run_tool\n"
        "run_tool(sys.argv[2:], user=User('nobody', 65534, 65534, '/nonexistent'))"
    )
    place = str(Path(proscribe.__file__).parents[1])
    argv = python(ESCAPE + "open(sys.argv[1], 'w').write('x')\ntime.sleep(600)", str(fifo.path))
    run = subprocess.Popen([sys.executable, "-I", "-c", code, place, *argv])
    until(lambda: select.select([fifo.reading], [], [], 0)[0] and os.read(fifo.reading, 1) == b"x")
    run.kill()
    run.wait()
    until(lambda: not fifo.has_holder(), BUSY)


SEEN = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Sig"))
names = sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}"))
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    terminal = error.strerror
print(json.dumps([os.getsid(0) == os.getpid(), status["SigIgn"], status["SigBlk"], names, terminal,
    os.path.realpath("/proc/self/fd/0"), os.stat("/proc/self/fd/1").st_mode, os.stat("/proc/self/fd/2").st_mode]))
"""


def test_a_users_tool_has_no_terminal_and_nothing_that_root_has_open() -> None:
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)
    ignored = (signal.SIGHUP, signal.SIGQUIT)  # as nohup and a shell's background leave them
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        seen = json.loads(run_tool(python(SEEN), user=NOBODY).out)
    finally:
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
        os.close(inherited)
    assert seen[:5] == [
        True,
        "\t0000000001001000\n",  # SIGPIPE and SIGXFSZ, which Python ignores
        "\t0000000000000000\n",
        ["0", "1", "2"],
        "No such device or address",
    ]
    assert seen[5] == "/dev/null" and all(map(stat.S_ISFIFO, seen[6:]))
