"""On a host with systemd, no tool of a user's reaches root's terminal or outlives its call."""

import json
import os
import shutil
import textwrap
from pathlib import Path

import pytest
from machines import booted
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.controller.report.text.reinstall_commands import build_reinstall_command
from proscribe.model.removal_record import RemovedPackage

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for whole hosts")
HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "module_utils"
TOOL = "/home/alice/.local/bin/tool"
STORE = "/nix/store/" + 32 * "a"
SPELLED = {"flatpak": ("org.x.App", "app/org.x.App/x86_64/stable"), "nix": ("signal", f"{STORE}-signal-1.0")}
EVERY = [(manager, how, words) for manager, command in COMMANDS.items() for how, words in command[3].items()]
OF_USERS = [(manager, how) for manager, how, words in EVERY if "{tool}" in words or manager == "flatpak"]


@pytest.fixture(scope="module")
def machine():
    with booted("tools", root="trixie-host") as (host,):
        root = host.directory / "machine/root"
        for path in (root / TOOL[1:], root / "usr/local/bin/flatpak"):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / "hostile_tool.py", path)
            path.chmod(0o755)
        shutil.copy(HERE / "pasted_line.py", root / "root/pasted_line.py")
        shutil.copytree(MODULES / "proscribe", root / "root/modules/proscribe")
        host.run("chown", "-R", "alice:", "/home/alice")
        yield host


def paste(machine, line):
    return json.loads(machine.run("python3", "-I", "/root/pasted_line.py", line))


def processes_of_alice(machine):
    return machine.run("pgrep", "--list-full", "--euid", "alice", check=False)


def test_a_line_that_shares_the_terminal_gives_it_away(machine):
    """The control: by `runuser`, the same tool types, writes raw and stays."""
    shown = paste(machine, f"runuser -u alice -- {TOOL} </dev/null")
    can_type = Path("/proc/sys/dev/tty/legacy_tiocsti").read_text() == "1\n"
    assert machine.there("/root/typed") == can_type and ("TYPED" in shown) == can_type
    assert "\x1b]0;HOSTILE" in shown and TOOL in processes_of_alice(machine)
    machine.run("pkill", "--signal", "KILL", "--euid", "alice")
    machine.run("rm", "-f", "/root/typed")


@pytest.mark.parametrize(("manager", "how"), OF_USERS)
def test_no_printed_line_gives_a_user_roots_terminal(machine, manager, how):
    id_, name = SPELLED.get(manager, ("xy", "xy"))
    place = "" if manager == "flatpak" else "/home/alice/a $HOME place"
    line = build_reinstall_command(
        [RemovedPackage(manager, id_, "1.0", "user:alice", name, how, tool=TOOL, place=place)]
    )
    shown = paste(machine, line)
    assert "input '' [" in shown and name in shown, (line, shown)
    assert "{place}" not in COMMANDS[manager][3][how].partition("{tool}")[2] or "/home/alice/a $HOME place" in shown
    assert "screen ^[]0;HOSTILE^G" in shown and "errors ^[]0;HOSTILE^G" in shown
    assert "\x1b]0;HOSTILE" not in shown and "TYPED" not in shown and not machine.there("/root/typed")
    assert processes_of_alice(machine) == ""
    assert "proscribe" not in machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "run-*")


RUN = """
import json, sys
sys.path.insert(0, "/root/modules")
from proscribe.host.system import ControlError, Host, run_tool
alice = next(user for user in Host().list_users() if user.name == "alice")
try:
    print(json.dumps(run_tool(sys.argv[2:], user=alice, stdin="given", timeout=float(sys.argv[1]),
        environment={"MORE": "$HOME ${X} $$ %n"})))
except ControlError as error:
    print(json.dumps(str(error)))
"""
SEEN = """\
import json, os, sys
leads = os.getsid(0) == os.getpid()
print(json.dumps([dict(os.environ), os.getcwd(), os.getuid(), leads, sys.stdin.read(), sys.argv[1:],
    open("/proc/self/cgroup").read()]))
sys.exit(3)
"""


def run_tool_on(machine, *argv, seconds=60):
    return json.loads(machine.run("python3", "-I", "-c", textwrap.dedent(RUN), str(seconds), *argv))


def test_a_run_starts_a_users_tool_in_a_unit_of_its_own(machine):
    words = ["$HOME", "${X}", "a b", "%n", "'", ""]
    code, out, err = run_tool_on(machine, "/usr/bin/python3", "-I", "-c", SEEN, *words)
    environment, directory, uid, leads, stdin, argv, groups = json.loads(out)
    assert (code, err, directory, leads, stdin, argv) == (3, "", "/", True, "given", words)
    assert str(uid) == machine.run("id", "-u", "alice").strip()
    environment.pop("LC_CTYPE", None)
    own = {"HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice", "MORE": "$HOME ${X} $$ %n"}
    path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
    assert environment == {**own, "PATH": path, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    assert "/system.slice/proscribe-tool-" in groups


@pytest.mark.parametrize("hangs", [False, True])
def test_processes_of_a_users_tool_end_with_the_call_of_a_run(machine, hangs):
    line = f"{TOOL} x; sleep 600" if hangs else f"exec {TOOL} x"
    answer = run_tool_on(machine, "/bin/sh", "-c", line, seconds=5 if hangs else 60)
    if hangs:
        assert answer == f"/bin/sh -c {line} did not end within 5 s"
    else:
        assert answer[0] == 0 and "input 'given' ['x']" in answer[1]
    assert processes_of_alice(machine) == ""
    assert machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "proscribe-tool-*") == ""
