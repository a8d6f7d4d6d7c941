"""Tools of the host: limits of time and output, input, answers, and no descriptor left open."""

import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import proscribe
import pytest
from patience import LONGEST, alive, until
from proscribe.host.system import ControlError, ToolResult, User, run_tool, tool_scope, tool_termination, tools
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
USERS = [None, pytest.param(User("nobody", 65534, 65534, "/nonexistent"), marks=ROOT)]


def python(code: str, *arguments: str) -> list[str]:
    program = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    return [program, "-I", "-S", "-c", code, *arguments]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("stream", [1, 2])
def test_tool_that_prints_without_end_is_ended(user, stream, monkeypatch):
    monkeypatch.setattr(tools, "MAX_OUTPUT_BYTES", 1 << 20)
    most = 1 << 20 if user is None else 262_144
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
    def monotonic():
        """Let the time be over once the tool has started all."""
        noted = pids.read_bytes().count(b"\n") if pids.exists() else 0
        return time.monotonic() + (LONGEST if noted == 3 else 0)

    pids = Path(tempfile.mkdtemp()) / "pids"  # pytest's own directories are closed to others
    pids.parent.chmod(0o777)
    monkeypatch.setattr(tools, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    with pytest.raises(ControlError, match=f"did not end within {LONGEST} s"):
        run_tool(python(ESCAPE, str(pids)), user=user, timeout=LONGEST)
    numbers = [int(line) for line in pids.read_text().split()]
    shutil.rmtree(pids.parent)
    assert len(numbers) == 3
    until(lambda: not any(map(alive, numbers)))  # killed they are, and the kernel has yet to say so


def test_tool_reads_its_input_and_its_output_is_decoded():
    code = "import sys\ntext = sys.stdin.read()\nsys.stderr.write('e\\r\\nf')\nprint(len(text))\nsys.exit(3)"
    assert run_tool(python(code), stdin="x" * 1_000_000) == ToolResult(3, "1000000\n", "e\nf")
    assert run_tool(python("print(1)"), stdin="x" * 1_000_000) == ToolResult(0, "1\n", "")  # it does not read it


def test_tool_that_closes_its_output_and_works_on_is_waited_for():
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(4)"
    assert run_tool(python(code)).rc == 4
    with pytest.raises(ControlError, match="did not end within 0.2 s"):
        run_tool(python(code.replace("0.3", "30")), timeout=0.2)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (ToolResult(3, "out", " no\n such  thing "), "3: no such thing"),
        (ToolResult(3, " out\n", " \n"), "3: out"),
        (ToolResult(-9, "", ""), "-9: "),
        (ToolResult(1, "", f"begun\nError: no\n{'a' * 500}"), "1: Error: no ... " + "a" * 400),
    ],
)
def test_failure_of_a_required_tool_has_its_message(result, message):
    with pytest.raises(ControlError) as wrong:
        tools.Tools("/", lambda argv, **options: result).read_command_output(["x", "y"])
    assert str(wrong.value) == f"x y ended with {message}"


def test_caller_without_standard_files_starts_tools():
    code = (
        "import os, sys\nsys.path.insert(0, sys.argv[1])\nfrom proscribe.host.system import run_tool\n"
        "answer = os.dup(1)\nos.closerange(0, 3)\n"
        "os.write(answer, run_tool(['cat'], stdin='given').out.encode() + run_tool(['echo', 'said']).out.encode())"
    )
    argv = [sys.executable, "-I", "-c", code, str(Path(proscribe.__file__).parents[1])]
    assert subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout == b"givensaid\n"


@pytest.mark.parametrize("name", ["no-such-tool", "/no/such/tool", "/etc/passwd"])
def test_tool_that_cannot_be_run_is_an_error(name):
    with pytest.raises(ControlError, match="is not installed|cannot be run: Permission denied"):
        run_tool([name], stdin="x")


def test_tool_is_found_in_the_first_directory_of_the_system(tmp_path):
    host = tools.Tools(str(tmp_path))
    for directory in reversed(tools.TOOL_PATH.split(":")):
        place = tmp_path / directory[1:]
        place.mkdir(parents=True)
        (place / "nft").write_text("")
        assert host.find_tool("nft") != f"{directory}/nft", "a file that is not executable is no tool"
        (place / "nft").chmod(0o755)
        assert host.find_tool("nft") == f"{directory}/nft"
    assert host.find_tool("nf") is None


def test_c_library_that_begins_no_session_is_left_to_subprocess(monkeypatch):
    monkeypatch.setattr(os, "posix_spawn", make_refusal(NotImplementedError("setsid")))
    assert run_tool(["sh", "-c", "cat; exit 3"], stdin="x") == ToolResult(3, "x", "")


@pytest.mark.slow
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
    assert run_tool(["/bin/sh", "-c", "sleep 0.4; echo done"]) == ToolResult(0, "done\n", "")
    assert waits[0] == 50.0 and len(waits) < 40
    # The kernel answers at once, and again and again, for an end that nobody holds any more.
    for code, result in (("exec 1>&-", ""), ("exec 2>&-", ""), ("cat", "given")):
        waits.clear()
        assert run_tool(["/bin/sh", "-c", f"{code}; sleep 0.3; exit 3"], stdin="given") == ToolResult(3, result, "")
        assert len(waits) < 40
    waits.clear()
    with pytest.raises(ControlError, match=r"did not end within 0\.02 s"):
        run_tool(["/bin/sh", "-c", "sleep 60"], timeout=0.02)
    assert all(0 < wait <= 20 for wait in waits)


@ROOT
def test_tool_that_cannot_become_its_user_is_an_error(monkeypatch):
    monkeypatch.setattr(tool_scope, "is_systemd_in_charge", lambda: False)
    with pytest.raises(ControlError, match="^/bin/x cannot be run: Invalid argument$"):
        run_tool(["/bin/x", "y"], user=User("x", 1 << 40, 1 << 40, "/"))


PRINT_SELF = """\
import json, os
who = os.getcwd(), os.getuid(), os.getgid(), os.getgroups()
print(json.dumps([dict(os.environ), *who, os.getsid(0) == os.getpid()]))
"""


@pytest.mark.parametrize("user", USERS)
def test_tool_has_nothing_of_the_environment_of_the_run(user, monkeypatch):
    """No variable of a caller's steers it; a user's tool has this user's name and home, and none of root's groups."""
    monkeypatch.setenv("LD_PRELOAD_OF_A_CALLER", "x")
    result = run_tool(python(PRINT_SELF), user=user, environment={"MORE": "1"})
    environment, where, uid, gid, groups, leads = json.loads(result.out)
    environment.pop("__CF_USER_TEXT_ENCODING", None)
    path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
    expected = {"PATH": path, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "MORE": "1"}
    if user:
        expected |= {"HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody"}
        assert (where, uid, gid, groups) == ("/", 65534, 65534, [65534])
    assert environment == expected and leads, "it leads a session of its own, which can be ended whole"
    assert run_tool(["sh", "-c", 'echo "$LC_ALL $A"'], environment={"LC_ALL": "C", "A": "b"}).out == "C b\n"


@pytest.mark.parametrize("stream", [1, 2])
def test_output_is_taken_up_to_its_limit(stream, monkeypatch):
    monkeypatch.setattr(tools, "MAX_OUTPUT_BYTES", 200_000)
    code = f"import os\nleft = 200_000 + %d\nwhile left: left -= os.write({stream}, b'x' * left)"
    assert len(run_tool(python(code % 0))[stream]) == 200_000
    with pytest.raises(ControlError, match="printed more than 200000 bytes"):
        run_tool(python(code % 1))


@pytest.mark.parametrize(("out", "text"), [(b"a\r\nb\rc\n", "a\nb\nc\n"), (b"\xffx", "\ufffdx"), ("微".encode(), "微")])
def test_output_of_any_bytes_is_text_with_lines_of_one_kind(out, text):
    assert run_tool(python(f"import os\nos.write(1, {out!r})\nos.write(2, {out!r})")) == ToolResult(0, text, text)


def test_tool_that_is_ended_leaves_no_descriptor_while_the_error_is_held():
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlError) as wrong:
        run_tool(python("import time\ntime.sleep(60)"), stdin="x" * 1_000_000, timeout=0.3)
    assert wrong.tb and sorted(os.listdir("/proc/self/fd")) == before


def test_tool_that_no_signal_ends_is_left_to_the_kernel_after_a_while(monkeypatch):
    def sleep(length):
        now[0] += length

    now = [0.0]
    monkeypatch.setattr(tools, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    tools._wait_for_tool(SimpleNamespace(poll=lambda: None))
    assert 5 <= now[0] < 5.1


SEEN = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Sig"))
names = sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}"))
print(json.dumps([os.getsid(0) == os.getpid(), status["SigIgn"], status["SigBlk"], names, os.getcwd(), dict(os.environ),
    os.path.realpath("/proc/self/fd/0") == "/dev/null", os.read(0, 9).decode(), os.stat("/proc/self/fd/1").st_mode]))
"""


@pytest.mark.parametrize("stdin", [None, "words"])
def test_tool_of_root_is_started_as_subprocess_would_start_it(stdin):
    """Beside a descriptor that this process got from its caller, and passes on to nobody."""
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)
    options = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin.encode()}
    options |= {"env": tools.TOOL_ENVIRONMENT, "start_new_session": True, "stdout": -1}
    try:
        plain = subprocess.run(python(SEEN), check=True, **options)
        assert json.loads(run_tool(python(SEEN), stdin=stdin).out) == json.loads(plain.stdout)
    finally:
        os.close(inherited)


@pytest.mark.parametrize(("end", "code"), [("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_tool_has_the_exit_code_or_the_signal_that_ended_it(end, code):
    assert run_tool(python(f"import os\n{end}")).rc == code


@pytest.mark.parametrize(
    ("alive", "killed"),
    [
        ([[11, 12], [13], []], ["stop 10", "kill 11", "kill 12", "session", "kill 13", "session", "session"]),
        ([[]], ["stop 10", "session"]),
        ([[11]] * 9, ["stop 10", *["kill 11", "session"] * 5]),  # five times, where it starts more and more
    ],
)
def test_processes_that_a_tool_starts_while_it_is_ended_are_ended_too(monkeypatch, alive, killed):
    def kill(pid, number):
        done.append(f"stop {pid}")
        assert number == 19
        raise ProcessLookupError

    def killpg(pid, number):
        done.append("session")
        assert (pid, number) == (10, 9)
        raise PermissionError

    done, rounds = [], iter(alive)
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(os, "killpg", killpg)
    monkeypatch.setattr(tool_termination, "kill_process", lambda pid, of, seen: done.append(f"kill {pid}"))
    monkeypatch.setattr(tool_termination, "find_descendants", lambda leader: dict.fromkeys(next(rounds), "0"))
    tool_termination.end_session(10)
    assert done == killed


def test_descendants_are_found_whatever_session_and_name_they_have(monkeypatch):
    def open_stat(path, *mode, **how):
        if (name := path.split("/")[2]) not in stats:
            raise FileNotFoundError
        return io.StringIO(stats[name].decode(errors="replace"))

    stats = {
        "10": b"10 (tool) S 1 10 10 0", "11": b"11 (a) S) 9 (b) S 10 11 11 0", "12": b"12 (\xff\xfe) R 11 12 12 0",
        "13": b"13 (gone) Z 12 13 13 0", "14": b"14 (gone) X 10 10 10 0", "15": b"15 (other) S 1 15 15 0",
        "16": b"16 (same session) S 1 10 10 0", "17": b"17 (short)", "self": b"10 (self) S 10 10 10 0",
    }  # fmt: skip
    stats = {name: line + b" 0" * 14 + b" 1%s" % name.encode() for name, line in stats.items()}
    monkeypatch.setattr(os, "listdir", lambda path: [*stats, "18", "version"])
    monkeypatch.setattr(tool_termination, "open", open_stat, raising=False)
    assert tool_termination.find_descendants(10) == {10: "110", 11: "111", 12: "112", 16: "116"}
    assert list(tool_termination.find_descendants(15)) == [15]


def test_last_output_is_taken_although_a_child_holds_it_open():
    code = "sleep 1000 & echo $!; i=0; while [ $i -lt 300 ]; do echo 123456789; i=$((i + 1)); done; echo end >&2"
    out, err = run_tool(["/bin/sh", "-c", code], timeout=LONGEST)[1:]
    holder, _, out = out.partition("\n")
    os.kill(int(holder), signal.SIGKILL)  # it is there
    assert (out, err) == ("123456789\n" * 300, "end\n")


def test_tool_has_all_of_its_time(monkeypatch):
    """By a clock that stands still, so that a busy machine takes none of it."""
    monkeypatch.setattr(tools, "time", SimpleNamespace(monotonic=lambda: 100.0, sleep=time.sleep))
    argv = ["/bin/sh", "-c", "echo x; exec >&- 2>&-; sleep 0.1; exit 5"]
    assert run_tool(argv, timeout=0.001) == ToolResult(5, "x\n", "")


@pytest.mark.parametrize("user", USERS)
def test_child_of_a_hosts_tool_goes_on_and_of_a_users_tool_does_not(user):
    """A service manager starts services; a user's tool has no business after it has answered."""
    child = int(run_tool(["/bin/sh", "-c", "sleep 3600 >&- 2>&- & echo $!"], user=user).out)
    if user is not None:
        until(lambda: not alive(child), LONGEST)
    else:
        time.sleep(0.3)  # a signal would take its time
        os.kill(child, signal.SIGKILL)


def test_tool_of_a_caller_that_ignores_the_ends_of_its_children_is_answered():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run_tool(["/bin/sh", "-c", "echo x; exit 3"])[1:] == ("x\n", "")
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("taken", [1, 70_000])
def test_tool_that_takes_its_input_in_parts_gets_all_of_it(taken):
    code = f"import os, time\nsize = 0\nwhile piece := os.read(0, {taken}):\n    size += len(piece)\nprint(size)"
    assert run_tool(python(code), stdin="x" * 200_000) == ToolResult(0, "200000\n", "")
