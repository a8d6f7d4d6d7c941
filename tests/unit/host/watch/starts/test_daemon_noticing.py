"""The daemon's arithmetic: who is verified next, how much that may cost, when it wakes up. The kernel and the verifier
are stood for here; on real hosts they are real (integration/test_launches.py).
"""

from __future__ import annotations

import errno
import marshal
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts import daemon as noticing
from proscribe.host.watch.starts import reported
from proscribe.host.watch.starts.daemon import Noticing
from proscribe.host.watch.starts.waiting import Start


class Quiet(Noticing):
    """A daemon to which no kernel reports anything, and whose verifier is a socket of the test's."""

    def _open(self) -> None:
        pass

    def _note(self) -> None:
        pass

    def of_process(self, pid: int, *more: Any, **named: Any) -> None:
        """Leave out what others run on this machine."""
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
            super().of_process(pid, *more, **named)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Quiet, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    class Verifier(noticing.Verifier):
        def __init__(self, command: Any) -> None:
            self.pid = subprocess.Popen(["sleep", "600"]).pid
            self._socket = theirs
            self._said = bytearray()
            self.busy_until = 0.0
            self.starts: list[Start] = []
            self.used = 0.0

        def end(self) -> None:
            self.busy_until = 1.0  # it is killed
            super().end()

    monkeypatch.setattr(noticing, "Verifier", Verifier)
    one = Quiet([])
    yield one, ours
    if one.verifier:
        one.verifier.end()
    ours.close()
    os.close(one.inotify.descriptor)


def requested(channel: socket.socket) -> Any:
    size = int.from_bytes(channel.recv(4), "little")
    return marshal.loads(channel.recv(size))


def answers(channel: socket.socket, **said: Any) -> None:
    content = marshal.dumps({"used": 0.0, **said})
    channel.sendall(len(content).to_bytes(4, "little") + content)


NAME = "a-start-of-this-test"
SETS = {"parts": [NAME], "exact": [], "stems": [], "store": [], "sandboxes": False}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of a name that matters."""
    shutil.copy("/usr/bin/sleep", tmp_path / NAME)
    process = subprocess.Popen([str(tmp_path / NAME), "600"])
    yield process
    process.kill()
    process.wait()


def read_sets(one: Quiet, channel: socket.socket, tmp_path: Path) -> None:
    """The daemon has what is restricted."""
    one.step(0)
    assert requested(channel) == ("sets",)
    answers(channel, sets={**SETS, "files": [str(tmp_path / "settings.json")]})
    one.step(1)
    assert one.prefilter is not None


def test_the_first_thing_is_to_read_what_is_restricted_and_the_next_to_scan(daemon, program, tmp_path: Path) -> None:
    one, channel = daemon
    read_sets(one, channel, tmp_path)
    one.step(0)
    path = str(tmp_path / NAME)
    assert requested(channel) == ("starts", [(program.pid, path[-noticing.LONGEST :], (path, os.getuid()))])


def test_what_verifying_took_is_taken_from_what_it_may_cost_once(daemon) -> None:
    one, _ = daemon
    starts = [Start(2**22 + number, "/x", ("/x", 1), 1, 0.0) for number in (1, 2)]
    verifier = SimpleNamespace(answer=lambda: {"used": 0.15}, used=0.05, starts=starts)
    left, each = one.budget.left, one.budget.each
    one._take_answer(verifier)
    assert one.budget.left == pytest.approx(left - 0.1) and one.budget.each == pytest.approx(each + (0.05 - each) / 4)
    assert (verifier.used, verifier.starts, one.lost) == (0.15, [], 0)
    one._take_answer(verifier)  # which has used nothing since
    assert one.budget.left == pytest.approx(left - 0.1)


def test_a_changed_file_is_read_again_and_others_beside_it_are_not(daemon, tmp_path: Path) -> None:
    one, channel = daemon
    read_sets(one, channel, tmp_path)
    one.read_due = None
    (tmp_path / "state.json").write_text("the timer's own")
    one._changed()
    assert one.read_due is None
    (tmp_path / "settings.json").write_text("another plan")
    one._changed()
    assert one.read_due is not None


def test_a_daemon_that_can_open_nothing_goes_on_and_says_why(
    daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, channel = daemon
    read_sets(one, channel, tmp_path)
    one.verifier.busy_until = 0.0
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", refusing(errno.EMFILE))
        one._scan(noticing.time.monotonic())
    assert one.failing == "no list of processes: Too many open files"
    assert one.scan_due is not None, "all that runs is looked through later"
    one.read_due = 0.0
    one.step(0)
    answers(channel, sets={**SETS, "files": []})
    one.step(1)
    assert one.failing == ""


def refusing(number: int) -> Any:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_a_verifier_that_hangs_is_killed(daemon, tmp_path: Path) -> None:
    one, channel = daemon
    one.step(0)
    verifier = one.verifier
    assert verifier is not None and verifier.busy_until
    one._do_what_is_due(verifier.busy_until + 1)
    assert one.verifier is None
    with pytest.raises(ProcessLookupError):
        os.kill(verifier.pid, 0)


def test_an_observation_that_does_not_come_is_missed_once_in_a_while(daemon, tmp_path: Path) -> None:
    one, channel = daemon
    read_sets(one, channel, tmp_path)
    now = noticing.time.monotonic()
    one._use({**SETS, "files": [], "every": 60.0, "read": "x"}, now)
    one.read_due = one.scan_due = None
    one.waiting.of.clear()
    due = 60.0 + noticing.MISSED
    assert one.missed_due == pytest.approx(now + due)
    one._do_what_is_due(now + due - 1)
    one._do_what_is_due(now + due)
    assert requested(channel) == ("timer",)
    answers(channel)
    one.step(1)
    assert one.missed_due == pytest.approx(now + due + noticing.MISSED_AGAIN)


def test_a_verifier_that_cannot_do_what_it_is_to_do_is_reported_until_one_can(daemon, tmp_path: Path) -> None:
    one, channel = daemon
    read_sets(one, channel, tmp_path)
    one._request(("sets",), [], noticing.time.monotonic())
    requested(channel)
    answers(channel, failed="/var/lib/proscribe/watch/plans/x.json: is missing")
    one.step(1)
    assert one.failing.endswith("is missing") and one.lost == 1
    assert one.read_due is not None and one.read_due <= noticing.time.monotonic() + noticing.RETRY
    one.verifier.busy_until = noticing.time.monotonic() + 5  # type: ignore[union-attr]
    answers(channel, sets={**SETS, "files": [], "read": "x"})
    one.step(1)
    assert (one.failing, one.read) == ("", "x")


@given(st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), st.text()))
def test_what_a_daemon_reports_is_read_as_it_was_meant(fields: dict[str, str]) -> None:
    assert reported.parsed(reported.report_of(fields)) == {
        name: " ".join(value.split()) for name, value in fields.items()
    }


@given(st.text(), st.integers(), st.integers())
def test_a_file_that_is_no_report_says_nothing(content: str, pid: int, since: int) -> None:
    fields = reported.parsed(content)
    assert reported.noted({"beats": content}, pid, since) in (True, False)
    assert 0 <= reported.number(fields, "pid") < 10**9
