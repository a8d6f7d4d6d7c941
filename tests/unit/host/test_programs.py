"""The programs that hosts get as files or on command lines, each run by itself on made input."""

import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from derived import programs as derived
from patience import LONGEST
from proscribe.host import programs
from proscribe.host.controls.apps.systems import dpkg, pacman
from proscribe.host.controls.apps.systems.package import InstallBlock
from proscribe.host.controls.firewall import boot_units

DELETED, ADDED = 0xA02, 0xA00
# What /bin/sh is on Debian, on the rpm family and Arch, and on Alpine.
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])] or [["sh"]]
shells = pytest.mark.parametrize("shell", SHELLS, ids=" ".join)


def pacman_script(contact: str = "it@example.org", messages: Sequence[str] = ()) -> str:
    parts = pacman.make_block_parts(InstallBlock({"wechat"}, contact, messages=messages))
    return next(part.content for part in parts if part.path == pacman.BLOCK_SCRIPT_PATH)


@shells
@pytest.mark.parametrize(
    "text",
    [dpkg.BLOCK_SCRIPT_TEXT, pacman_script(), boot_units.render_firewall_program()],
    ids=["dpkg", "pacman", "firewall"],
)
def test_script_of_a_host_is_read_by_every_sh(shell, text):
    done = subprocess.run([*shell, "-n"], input=text, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not derived.NAME.search(text) and text.startswith("#!/bin/sh\n# Written by Proscribe")


def event(kind: int, rest: bytes) -> bytes:
    """A message as netlink has it, filled up to four bytes."""
    length = 16 + len(rest)
    return struct.pack("=IHHII", length, kind, 0, 0, 0) + rest + b"\0" * (-length % 4)


@pytest.mark.parametrize(
    ("heard", "printed"),
    [
        (event(ADDED, b"....filter\0") + event(DELETED, b"....proscribe\0"), ["delete table inet proscribe"]),
        (event(DELETED, b"....proscribe2\0") + event(ADDED, b"....proscribe\0"), []),
        (event(DELETED, b"....x\0") + event(ADDED, b"proscribe\0"), []),  # names of one event are none of another's
        (b"\0" * 16 + event(DELETED, b"....proscribe\0"), ["delete table inet proscribe"]),
        (b"\0" * 64, []),  # a length of 0 would never get on
        (OSError(errno.ENOBUFS, "full"), ["events were lost"]),
    ],
)
def test_listener_reports_only_its_own_table(monkeypatch, heard, printed):
    def recv(most):
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer[:most]

    def open_socket(*words):
        opened.append(words)
        return SimpleNamespace(bind=opened.append, recv=recv)

    answers, opened, lines = [heard, OSError(errno.EBADF, "the end of the test")], [], []
    monkeypatch.setitem(sys.modules, "socket", SimpleNamespace(AF_NETLINK=16, SOCK_RAW=3, socket=open_socket))
    text = programs.TABLE_EVENTS.format(table="proscribe")
    with pytest.raises(OSError, match="end of the test"):
        exec(text, {"print": lambda line, flush: lines.append((line, flush))})  # noqa: S102 - the program under test
    assert lines == [(line, True) for line in printed], "at once: whoever reads it waits"
    assert opened == [(16, 3, 12), (0, 64)], "the kernel's own socket, for what is done to tables"


NETWORK = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft: makes a network")
# Starts the listener, and adds and deletes tables until it has printed something.
LISTENED = """
import select, subprocess, sys
listener = subprocess.Popen([sys.executable, "-I", "-S", "-c", sys.argv[1]], stdout=-1)
while not select.select([listener.stdout], [], [], 0.05)[0] and listener.poll() is None:
    for change in ("add", "delete"):
        for name in ("other", "made"):
            subprocess.run(["nft", f"{change} table inet {name}"], check=True)
print(listener.stdout.readline().decode())
listener.kill()
"""


RULES = """table inet made {
    chain out {
        type filter hook output priority 0; policy drop
        meta skuid 0 udp dport 9 accept
        meta skuid 65534 udp dport 53 accept
    }
}"""


def run_program(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@NETWORK
def test_kernel_reports_a_deleted_table():
    text = programs.TABLE_EVENTS.format(table="made")
    lines = run_program("unshare", "--net", sys.executable, "-c", LISTENED, text)
    assert lines[0] == "delete table inet made"


@NETWORK
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_route_is_tried_as_the_named_user_or_as_root(address):
    """The kernel lets root send to one port, and a user to another one."""
    routes = [f"{address} {route}" for route in ("9", "53", "9 65534", "53 65534", "9", "53")]
    script = 'ip link set lo up && printf %s "$1" | nft -f - && shift && exec "$@"'
    command = ["unshare", "--net", "sh", "-c", script, "sh", RULES, sys.executable, "-I", "-S", "-c", programs.SEND]
    assert run_program(*command, *routes) == [routes[0], routes[3], routes[4]]


@pytest.mark.skipif(os.geteuid() != 0, reason="it sends as other users")
def test_routes_that_the_kernel_takes_are_printed():
    """The address of a broadcast is refused to whoever has not asked for it."""
    targets = ["127.0.0.1 9", "255.255.255.255 9", "127.0.0.1 9 65534"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        targets.append(f"127.0.0.1 {receiver.getsockname()[1]} 65534")
        lines = run_program(sys.executable, "-I", "-S", "-c", programs.SEND, *targets)
        receiver.settimeout(LONGEST)
        assert receiver.recv(1) == b""
    assert lines == [targets[0], *targets[2:]]


@pytest.mark.parametrize(("ends", "called"), [(0, ["-f -", "-s list table inet made"]), (3, ["-f -"])])
def test_ruleset_is_listed_after_it_is_loaded(tmp_path, ends, called):
    nft, loads = tmp_path / "nft", f"cat >{tmp_path}/loaded; exit {ends};"
    nft.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/called\n[ "$1" = -s ] || {{ {loads} }}\n')
    nft.chmod(0o755)
    argv = [sys.executable, "-I", "-S", "-c", programs.LOAD_AND_LIST, str(nft), "made"]
    assert subprocess.run(argv, input=b"table inet made {}").returncode == ends
    assert (tmp_path / "called").read_text().splitlines() == called
    assert (tmp_path / "loaded").read_text() == "table inet made {}"


@shells
def test_pacman_is_stopped_with_a_message_that_the_shell_does_not_interpret(shell, tmp_path):
    (tmp_path / "logger").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n')
    (tmp_path / "logger").chmod(0o755)
    script = pacman_script("o'neil {x} @HOOK@ $HOME", ["it's {over} @WHOM@", "$(reboot) \\n"])
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([*shell, "-c", script], input="wechat\nqq\n", env=environment, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line.removeprefix("proscribe: ") for line in done.stdout.splitlines()]
    assert ["wechat" in lines[0], "qq" in lines[1]] == [True, True]
    assert lines[2].endswith("ask o'neil {x} @HOOK@ $HOME") and lines[3:] == ["it's {over} @WHOM@", "$(reboot) \\n"]
    assert [line.rpartition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()] == ["wechat", "qq"]
