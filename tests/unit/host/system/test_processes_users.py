"""The accounts of a host: whose each home is, also where no list of accounts names it or nobody may be asked."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest
from proscribe.host.system import Host, User, processes

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes directories of other users")
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
    ("passwd", "users"),
    [
        (None, []),
        ("", []),
        ("alice:x:1000:1001:,,,:/home/alice:/bin/sh\n", [ALICE]),
        ("alice:x:1000:1001::/home/./alice//:/bin/sh\n", [ALICE]),
        ("a:x:1:2::/home/a:/bin/sh\nb:x:3:4::/home/a:/bin/sh\n", [User("a", 1, 2, "/home/a")]),  # the first one's
        ("broken:x:1\nalice:x:1000:1001::/home/alice:/bin/sh:more\nalice:x:1000:1001::/home/alice:/bin/sh", [ALICE]),
        # None of these is a place where somebody keeps something of his own.
        *((f"a:x:1:2::{home}:/bin/sh\n", []) for home in ("", "/", "/.", "/nonexistent", "/dev/null", "home/a", ".")),
    ],
)
def test_a_list_of_accounts_has_these_homes(tmp_path: Path, passwd: str | None, users: list[User]) -> None:
    """A home that is missing here is never scanned. A root that is no home, but is listed, would be scanned whole."""
    assert made(tmp_path, passwd).users() == users


@ROOT
@pytest.mark.parametrize(
    ("homes", "users"),
    [
        ({"alice": 1000}, [ALICE]),  # which the list has
        ({"alice": 5001}, [ALICE]),  # whoever owns it
        ({"old": 1000}, [ALICE, ALICE._replace(home="/home/old")]),
        ({"bin": 1}, [ALICE, User("1", 1, 1, "/home/bin")]),
        ({"carol": 5001}, [ALICE, User("5001", 5001, 5001, "/home/carol")]),
        ({"work": 0, "work/dave": 5002}, [ALICE, User("5002", 5002, 5002, "/home/work/dave")]),
        ({"work": 0, "work/empty": 0, "work/empty/eve": 5003}, [ALICE]),  # /home/<domain>/<name>, and no deeper
        ({"carol": 5001, "carol/x": 5002}, [ALICE, User("5001", 5001, 5001, "/home/carol")]),  # what is hers is hers
    ],
)
def test_a_directory_below_home_is_its_owners_home(tmp_path: Path, homes: dict[str, int], users: list[User]) -> None:
    """A directory service lists nobody, so a home that no list names would otherwise never be scanned."""
    host = made(tmp_path, "alice:x:1000:1001::/home/alice:/bin/sh\n", homes)
    (tmp_path / "home/file").touch()
    (tmp_path / "home/link").symlink_to("/")
    for name in ("file", "link"):
        os.lchown(tmp_path / "home" / name, 5009, 5009)
    assert host.users() == users


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


@pytest.mark.parametrize(("uid", "name"), [(1000, "alice"), (1002, "bob"), (0, "0"), (4711, "4711")])
def test_the_account_of_a_number(tmp_path: Path, uid: int, name: str) -> None:
    host = made(tmp_path, "alice:x:1000:1001::/home/alice:/bin/sh\nbob:x:1002:1003::/home/bob:/bin/sh\n")
    known = {"alice": ALICE, "bob": User("bob", 1002, 1003, "/home/bob")}
    assert host.account(uid) == known.get(name, User(name, uid, uid, "/nonexistent"))
    assert host.user_id(name) == (uid if name in known else None)


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
