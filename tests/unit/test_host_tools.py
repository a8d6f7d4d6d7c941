"""Tools of the host: bounded in time and output, and nothing of a user's tool goes on after it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
from proscribe.host import ControlError, Result, User, run_tool, tools

NOBODY = User("nobody", 65534, 65534, "/nonexistent")
USERS = [None, pytest.param(NOBODY, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))]
PRINT = "import os\nwhile True: os.write(1, b'x' * 65536)"
ERRORS = "import os\nwhile True: os.write(2, b'x' * 65536)"


def python(code: str, *arguments: str) -> list[str]:
    program = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    return [program, "-I", "-S", "-c", code, *arguments]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("code", [PRINT, ERRORS])
def test_a_tool_that_prints_without_end_is_ended(user, code, monkeypatch):
    monkeypatch.setattr(tools, "MOST", 1 << 20)
    most = 1 << 20 if user is None else tools.MOST_OF_USER
    with pytest.raises(ControlError, match=f"printed more than {most} bytes"):
        run_tool(python(code), user=user, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
def test_a_tool_that_does_not_end_is_ended_with_all_that_it_started(user):
    pids = Path(tempfile.mkdtemp()) / "pids"  # pytest's own directories are closed to others
    pids.parent.chmod(0o777)
    code = (
        "import os, sys, time\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)\n"
        "note = lambda: os.write(file, b'%d\\n' % os.getpid())\n"
        "note()\n"
        "if not os.fork():\n"
        "    os.setsid()\n"  # out of its session, still its child
        "    note()\n"
        "    if not os.fork(): note()\n"
        "    time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(ControlError, match="did not end within 6 s"):
        run_tool(python(code, str(pids)), user=user, timeout=6)
    numbers = [int(line) for line in pids.read_text().split()]
    shutil.rmtree(pids.parent)
    assert len(numbers) == 3
    assert not [pid for pid in numbers if alive(pid)]


def alive(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state in "ZX":
            return False
        time.sleep(0.05)
    return True


def test_nobody_waits_for_what_a_tool_has_left_behind():
    started = time.monotonic()
    code = "import os, time\nprint('done', flush=True)\nif not os.fork():\n    time.sleep(30)"
    assert run_tool(python(code), timeout=25) == Result(0, "done\n", "")
    assert time.monotonic() - started < 20


def test_what_a_tool_is_given_and_what_it_answers():
    code = "import sys\ntext = sys.stdin.read()\nsys.stderr.write('e\\r\\nf')\nprint(len(text))\nsys.exit(3)"
    assert run_tool(python(code), stdin="x" * 1_000_000) == Result(3, "1000000\n", "e\nf")
    assert run_tool(python("print(1)"), stdin="x" * 1_000_000) == Result(0, "1\n", "")  # it does not want it
    assert run_tool(python("import os\nos.write(1, b'\\xff')")).out == "\ufffd"
    with pytest.raises(ControlError, match="is not installed"):
        run_tool(["/nowhere/tool"])


def test_a_tool_that_closes_its_output_and_works_on_is_waited_for():
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(4)"
    assert run_tool(python(code)).rc == 4
    with pytest.raises(ControlError, match="did not end within 0.2 s"):
        run_tool(python(code.replace("0.3", "30")), timeout=0.2)
