"""The users of processes, with the kernel's own namespaces of users."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import until
from proscribe.host.watch.starts.process_users import observes, owner_of, user_of
from watch_host import ROOT

pytestmark = ROOT

AS_FRIDA = ("setpriv", "--reuid", "2001", "--regid", "2001", "--clear-groups")
MADE = ("unshare", "--user", "--map-root-user")
MAPPED = ("unshare", "--user", "--map-users", "0:100000:1000", "--setuid", "5")


@contextmanager
def start_process(command: Sequence[str]) -> Iterator[int]:
    """The number of a process that a command has become."""
    process = subprocess.Popen([*command, "sleep", "600"])
    try:
        until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith(("/sleep", "/coreutils")))
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "user", "owner"),
    [
        ((), 0, 0),
        (AS_FRIDA, 2001, 2001),
        ((*AS_FRIDA, *MADE, *MADE, *MADE), 2001, 2001),
        (MAPPED, 100005, 0),  # a subordinate id, in a namespace that root has made
    ],
)
def test_owner_is_the_user_who_made_the_namespace(command, user, owner):
    with start_process(command) as pid:
        assert user_of(pid) == user and owner_of(pid, user) == owner


def test_ended_process_has_no_user():
    assert user_of(2**22 + 1) is None and owner_of(2**22 + 1, 2001) == 2001


@pytest.mark.parametrize(
    ("name", "verb", "own"), [("watch", "observe", True), ("watch", "launches", False), ("other", "observe", False)]
)
def test_observation_of_the_watch_is_known_by_its_command(name, verb, own):
    words = ["python3", f"/usr/libexec/proscribe/{name}", verb]
    with subprocess.Popen(["sh", "-c", "read x; exit", *words[1:]], stdin=subprocess.PIPE) as process:
        command = Path(f"/proc/{process.pid}/cmdline")
        until(lambda: verb.encode() in command.read_bytes())  # the kernel has it a moment after the program has begun
        assert observes(process.pid) is observes(str(process.pid)) is own
    assert not observes(2**22 + 1)
