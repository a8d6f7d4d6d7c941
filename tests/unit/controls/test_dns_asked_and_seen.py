"""Whom a question goes to, and whose view of the files is the host's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_users import tree
from proscribe.controls.dns import private_view
from proscribe.controls.dns.question import NS, TXT, WAITS, Answer, ask
from proscribe.finding import COMPLIANT, NONCOMPLIANT
from proscribe.host import Host, Unseen
from test_dns_private_view import FUSE, ROOT, SECTION, Machine, more, root_only


class Noting(Host):
    """A host that notes what is sent where."""

    def __init__(self, *replies: bytes | None) -> None:
        super().__init__("/nonexistent")
        self.replies, self.requests = list(replies), []  # type: ignore[var-annotated]

    def exchange(self, *what: Any) -> bytes | None:
        self.requests.append(what)
        return self.replies.pop(0)


def test_a_question_goes_to_that_address_and_port_with_growing_patience() -> None:
    refused = b"PR\x81\x85\0\0\0\0\0\0\0\0"
    host = Noting(None, refused)
    assert ask(host, "127.0.0.53", 5353, "a.bc", TXT) == Answer(5, ())
    message = b"PR\x01\0\0\1\0\0\0\0\0\0" + b"\1a\2bc\0\0\x10\0\x01"
    assert host.requests == [("127.0.0.53", 5353, message, 1.0), ("127.0.0.53", 5353, message, 2.0)]
    silent = Noting(None, None, None)
    with pytest.raises(Unseen, match=r"no answer from ::1 port 53 \(asked 3 times in 6 s\)"):
        ask(silent, "::1", 53, "", NS)
    assert [what[3] for what in silent.requests] == list(WAITS) == [1.0, 2.0, 3.0]
    assert silent.requests[0][2] == b"PR\x01\0\0\1\0\0\0\0\0\0" + b"\0\0\x02\0\x01", "the root"


@root_only
@pytest.mark.parametrize(("namespace", "state"), [(1, COMPLIANT), (2, COMPLIANT), (3, NONCOMPLIANT)])
def test_what_proscribe_itself_sees_is_the_hosts_view_as_what_the_first_process_sees(
    tmp_path: Path, namespace: int, state: str
) -> None:
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    machine.link("proc/1/ns/mnt", "mnt:[2]")
    for name in ("ns/mnt",):
        os.unlink(tmp_path / "proc/77" / name)
    machine.link("proc/77/ns/mnt", f"mnt:[{namespace}]")
    assert machine.state()[0] == state


@root_only
def test_so_many_views_of_one_user_are_looked_at_and_those_of_others_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user makes as many as he likes; the limit is told once."""
    monkeypatch.setattr(private_view, "MOST", 2)
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    for pid in (78, 79, 80):
        more(machine, pid, pid)
    more(machine, 81, 81, uid=1001)
    unseen: list[str] = []
    host = Host(str(tmp_path))
    found = [(user, process.pid) for user, process in private_view._views(host, unseen)]
    assert found == [("alice", 77), ("alice", 78), ("bob", 81)]
    assert unseen == ["alice has more than 2 views of the file system: not all were checked"]
    assert private_view.observe(host, SECTION).state == NONCOMPLIANT


@root_only
def test_a_view_with_another_root_is_another_one(tmp_path: Path) -> None:
    """In one namespace a program may have gone into a directory (chroot) that others have not."""
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    more(machine, 78, 2)
    more(machine, 79, 2)
    os.unlink(tmp_path / "proc/79/root")
    machine.link("proc/79/root", "/elsewhere")
    found = [process.pid for _, process in private_view._views(Host(str(tmp_path)), [])]
    assert found == [77, 79]


@root_only
def test_a_process_that_has_just_ended_has_no_view(tmp_path: Path) -> None:
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    machine.link("proc/1/ns/mnt", "mnt:[1]")
    os.unlink(tmp_path / "proc/77/ns/mnt")
    assert machine.state() == (COMPLIANT, "")
