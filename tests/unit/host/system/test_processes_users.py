"""The accounts of a host: whose each home is, also where no list of accounts names it or nobody may be asked."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest
from proscribe.host.system import Host, User, processes

ALICE = User("alice", 1000, 1001, "/home/alice")  # group and user differ, so that neither is taken for the other


def made(root: Path, passwd: str | None, homes: Mapping[str, int] | None = None) -> Host:
    """A host with this list of accounts, and directories below /home by their owner's number."""
    for directory in ("etc", "home"):
        (root / directory).mkdir(exist_ok=True)
    if passwd is not None:
        (root / "etc/passwd").write_text(passwd)
    for home, uid in (homes or {}).items():
        (root / "home" / home).mkdir(parents=True)
        os.chown(root / "home" / home, uid, uid)
    return Host(str(root))


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("bob", User("bob", 1002, 1003, "/home/bob")),
        ("carol", User("carol", 65534, 65534, "/home/carol")),  # whom the host does not know: nobody
        ("root", User("root", 65534, 65534, "/home/root")),  # and root has its own
    ],
)
def test_a_home_that_something_is_mounted_on_is_whose_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, user: User
) -> None:
    """Who owns it is not asked: another machine or a user's program would answer, and might say that root does."""
    host = made(tmp_path, "root:x:0:0::/root:/bin/sh\nbob:x:1002:1003::/srv/bob:/bin/sh\n")
    (tmp_path / "home" / name).mkdir()
    monkeypatch.setattr(processes, "here", lambda directory, of: None)
    assert host.users()[2:] == [user]


def test_the_accounts_are_asked_for_once(tmp_path: Path) -> None:
    host = made(tmp_path, "alice:x:1000:1001::/home/alice:/bin/sh\n")
    assert host.users() == [ALICE]
    (tmp_path / "etc/passwd").write_text("")
    assert host.users() == [ALICE]


def test_on_this_machine_the_name_service_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows more accounts than /etc/passwd has, and single ones that it does not list."""

    def entry(name: str, uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", uid, uid + 1, "", f"/srv/{name}", "/bin/sh"))

    def missing(_: object) -> pwd.struct_passwd:
        raise KeyError

    listed = entry("listed", 7001)
    monkeypatch.setattr(pwd, "getpwall", lambda: [listed])
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry("single", uid) if uid == 7002 else missing(uid))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry(name, 7002) if name == "single" else missing(name))
    host = processes.Processes()
    assert host.users()[0] == User("listed", 7001, 7002, "/srv/listed")
    assert host.account(7002) == User("single", 7002, 7003, "/srv/single")
    assert host.account(7001) == User("listed", 7001, 7002, "/srv/listed")
    assert host.account(7009) == User("7009", 7009, 7009, "/nonexistent")
    assert (host.user_id("single"), host.user_id("listed")) == (7002, None)
