"""Tools of the host: limits of time and output, input, answers, and no descriptor left open."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import proscribe
import pytest
from patience import LONGEST, alive, until
from proscribe.host.system import ControlError, Result, User, run_tool, tool_scope, tools

NOBODY = User("nobody", 65534, 65534, "/nonexistent")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
USERS = [None, pytest.param(NOBODY, marks=ROOT)]


def python(code: str, *arguments: str) -> list[str]:
    program = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    return [program, "-I", "-S", "-c", code, *arguments]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("stream", [1, 2])
def test_tool_that_prints_without_end_is_ended(user, stream, monkeypatch):
    monkeypatch.setattr(tools, "MOST", 1 << 20)
    most = 1 << 20 if user is None else tools.MOST_OF_USER
    with pytest.raises(ControlError, match=f"printed more than {most} bytes"):
        run_tool(python(f"import os\nwhile True: os.write({stream}, b'x' * 65536)"), user=user, timeout=60)


ESCAPE = """\
import os, sys, time
open('/proc/self/comm', 'wb').write(b'\\xff) S 1')  # its name is its user's word, too
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
note = lambda: os.write(file, b'%d\\n' % os.getpid())
note()
if not os.fork():
    os.setsid()  # out of its session, still its child
    note()
    if not os.fork(): note()
    time.sleep(600)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
def test_tool_that_does_not_end_is_ended_with_all_that_it_started(monkeypatch, user):
    pids = Path(tempfile.mkdtemp()) / "pids"  # pytest's own directories are closed to others
    pids.parent.chmod(0o777)

    def monotonic():
        """Let the time be over once the tool has started all."""
        noted = pids.read_bytes().count(b"\n") if pids.exists() else 0
        return time.monotonic() + (LONGEST if noted == 3 else 0)

    monkeypatch.setattr(tools, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    with pytest.raises(ControlError, match=f"did not end within {LONGEST} s"):
        run_tool(python(ESCAPE, str(pids)), user=user, timeout=LONGEST)
    numbers = [int(line) for line in pids.read_text().split()]
    shutil.rmtree(pids.parent)
    assert len(numbers) == 3
    until(lambda: not any(map(alive, numbers)))  # killed they are, and the kernel has yet to say so


def test_tool_reads_its_input_and_its_output_is_decoded():
    code = "import sys\ntext = sys.stdin.read()\nsys.stderr.write('e\\r\\nf')\nprint(len(text))\nsys.exit(3)"
    assert run_tool(python(code), stdin="x" * 1_000_000) == Result(3, "1000000\n", "e\nf")
    assert run_tool(python("print(1)"), stdin="x" * 1_000_000) == Result(0, "1\n", "")  # it does not read it


def test_tool_that_closes_its_output_and_works_on_is_waited_for():
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(4)"
    assert run_tool(python(code)).rc == 4
    with pytest.raises(ControlError, match="did not end within 0.2 s"):
        run_tool(python(code.replace("0.3", "30")), timeout=0.2)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Result(3, "out", " no\n such  thing "), "3: no such thing"),
        (Result(3, " out\n", " \n"), "3: out"),
        (Result(-9, "", ""), "-9: "),
        (Result(1, "", "a" * 500), "1: " + "a" * 400),
        (Result(1, "", f"begun\nError: no\n{'a' * 500}"), "1: Error: no ... " + "a" * 400),
        (Result(1, "", "Error: no\nend"), "1: Error: no end"),
    ],
)
def test_failure_of_a_required_tool_has_its_message(result, message):
    with pytest.raises(ControlError) as wrong:
        tools.Tools("/", lambda argv, **options: result).must(["x", "y"])
    assert str(wrong.value) == f"x y ended with {message}"


def test_options_reach_the_tool():
    calls = []
    host = tools.Tools("/", lambda argv, **options: calls.append((argv, options)) or Result(0, "out", "err"))
    assert host.must(["x"], user=NOBODY, timeout=3) == "out"
    assert host.run(["y"], stdin="z") == Result(0, "out", "err")
    assert calls == [(["x"], {"user": NOBODY, "timeout": 3}), (["y"], {"stdin": "z"})]


def test_caller_without_standard_files_starts_tools():
    code = (
        "import os, sys\nsys.path.insert(0, sys.argv[1])\nfrom proscribe.host.system import run_tool\n"
        "answer = os.dup(1)\nos.closerange(0, 3)\n"
        "os.write(answer, run_tool(['cat'], stdin='given').out.encode() + run_tool(['echo', 'said']).out.encode())"
    )
    argv = [sys.executable, "-I", "-c", code, str(Path(proscribe.__file__).parents[1])]
    assert subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout == b"givensaid\n"


@pytest.mark.parametrize("name", ["no-such-tool", "/no/such/tool", "/etc/passwd"])
def test_tool_that_cannot_be_run_leaves_no_descriptor(name):
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlError, match="is not installed|cannot be run: Permission denied"):
        run_tool([name], stdin="x")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_input_that_a_tool_does_not_take_now_is_given_later():
    """A byte too many that counts as given is lost: the tool would read something else than it was given."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    content = memoryview(b"x" * 10_000_000)
    taken = tools._give(writing, content)
    assert 0 < taken < len(content) and tools._give(writing, content) == 0
    os.close(reading)
    assert tools._give(writing, content) == len(content), "it wants no more"
    os.close(writing)


def test_tool_is_found_in_the_first_directory_of_the_system(tmp_path):
    host = tools.Tools(str(tmp_path))
    for directory in reversed(tools.TOOL_PATH.split(":")):
        place = tmp_path / directory[1:]
        place.mkdir(parents=True)
        (place / "nft").write_text("")
        assert host.tool("nft") != f"{directory}/nft", "a file that is not executable is no tool"
        (place / "nft").chmod(0o755)
        assert host.tool("nft") == f"{directory}/nft"
    assert host.tool("nf") is None


def test_c_library_that_begins_no_session_is_left_to_subprocess(monkeypatch):
    def refuse(*args, **named):
        raise NotImplementedError("setsid")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "posix_spawn", refuse)
    assert run_tool(["sh", "-c", "cat; exit 3"], stdin="x") == Result(3, "x", "")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_silent_tool_is_waited_for_without_work(monkeypatch):
    waits = []

    class Poll:
        def __init__(self):
            self.real = select.poll()
            self.register, self.unregister = self.real.register, self.real.unregister

        def poll(self, timeout):
            waits.append(timeout)
            return self.real.poll(timeout)

    monkeypatch.setattr(tools, "select", SimpleNamespace(poll=Poll, POLLIN=select.POLLIN, POLLOUT=select.POLLOUT))
    assert run_tool(["/bin/sh", "-c", "sleep 0.4; echo done"]) == Result(0, "done\n", "")
    assert waits[0] == 50.0 and len(waits) < 40
    waits.clear()
    with pytest.raises(ControlError, match=r"did not end within 0\.02 s"):
        run_tool(["/bin/sh", "-c", "sleep 60"], timeout=0.02)
    assert all(0 < wait <= 20 for wait in waits)


@ROOT
def test_tool_that_cannot_become_its_user_is_an_error(monkeypatch):
    monkeypatch.setattr(tool_scope, "is_systemd_here", lambda: False)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlError, match="^/bin/x cannot be run: Invalid argument$"):
        run_tool(["/bin/x", "y"], user=User("x", 1 << 40, 1 << 40, "/"))
    assert sorted(os.listdir("/proc/self/fd")) == before
