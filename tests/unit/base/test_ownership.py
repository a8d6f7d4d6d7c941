"""Who else can change a file: by owner and mode, by what lies on the way to it, by links, by what is below it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.base import run_files
from proscribe.base.others import acl_of, acl_rights, others, rights
from proscribe.base.ownership import exposed, who_else
from proscribe.host.schedule.reach import require_own
from proscribe.host.system import ControlError, Host
from proscribe.host.system.roots_own import changeable

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that only root can reach: who may write to /tmp is the machine's own business."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        yield Path(directory)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout out of others' reach, and a file in it."""
    (tmp_path / "checkout" / "roles").mkdir(parents=True, mode=0o755)
    (tmp_path / "checkout" / "roles" / "main.yml").touch()
    return tmp_path / "checkout"


def in_reach(path: str) -> str:
    """The first thing that others can change, or nothing."""
    found = exposed(path, ())
    return found.path if found else ""


def seen(uid: int, gid: int, mode: int) -> os.stat_result:
    return os.stat_result((mode | 0o100000, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "trusted", "who"),
    [
        (0, 0, 0o644, set(), ""),
        (0, 0, 0o664, set(), ""),  # root's own group
        (0, NOBODY, 0o644, set(), ""),
        (0, NOBODY, 0o664, set(), f"the group {grp.getgrgid(NOBODY).gr_name}"),
        (0, 99999, 0o664, set(), "the group 99999"),
        (0, 0, 0o646, set(), "everybody"),
        (0, 0, 0o002, set(), "everybody"),
        (NOBODY, 0, 0o400, set(), "nobody"),
        (NOBODY, 0, 0o400, {NOBODY}, ""),
        (99999, 0, 0o400, {NOBODY}, "99999"),
    ],
)
def test_by_owner_and_mode(uid: int, gid: int, mode: int, trusted: set[int], who: str) -> None:
    assert who_else(seen(uid, gid, mode), trusted) == who


def acl(place: Path, named: int, mask: int, group: int = 4) -> None:
    """Give a file an ACL in which an account and a group are named."""
    nobody = 2**32 - 1
    entries = [(1, 6, nobody), (2, named, NOBODY), (4, group, nobody), (8, named, NOBODY), (16, mask, nobody)]
    packed = b"".join(struct.pack("<HHI", *entry) for entry in [*entries, (32, 4, nobody)])
    try:
        os.setxattr(place, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError as error:
        pytest.skip(f"the file system has no ACLs: {error}")


# Each place that asks forgives something else, and none of them anything more. `strict` is what most findings go by;
# `tool`: what root runs may be of root's own group; `trusted`: what the controller's account has may be its own.
CASES = {
    # owner, group, mode; ACL: what it lets those do that it names, its mask; strict, tool, trusted
    "root's alone": ((0, 0, 0o644), None, ("", "", "")),
    "root's, and its group only reads": ((0, NOBODY, 0o644), None, ("", "", "")),
    "of root's group": ((0, 0, 0o664), None, ("uid 0, mode 664", "", "")),
    "of another group": (
        (0, NOBODY, 0o664),
        None,
        ("uid 0, mode 664", "it", f"the group {grp.getgrgid(NOBODY).gr_name}"),
    ),
    "everybody's": ((0, 0, 0o646), None, ("uid 0, mode 646", "it", "everybody")),
    "everybody's, sticky": ((0, 0, 0o1646), None, ("uid 0, mode 1646", "it", "everybody")),
    "a user's": ((NOBODY, 0, 0o400), None, (f"uid {NOBODY}, mode 400", "it", "nobody")),
    "the account's own": ((4321, 0, 0o644), None, ("uid 4321, mode 644", "it", "")),
    "an ACL lets somebody write": ((0, 0, 0o644), (6, 6), ("uid 0, mode 664", "it", "an ACL")),
    "an ACL lets somebody write, and the group is another": (
        (0, NOBODY, 0o644),
        (6, 6),
        ("uid 0, mode 664", "it", f"the group {grp.getgrgid(NOBODY).gr_name}"),
    ),
    "an ACL would let somebody write, and its mask does not": ((0, 0, 0o644), (6, 4), ("", "", "")),
    "an ACL lets root's group write": ((0, 0, 0o644), (4, 6), ("uid 0, mode 664", "", "")),
}


@pytest.mark.parametrize(("rights_", "listed", "expected"), CASES.values(), ids=CASES.keys())
def test_who_else_changes_a_file_is_one_answer_for_all_who_ask(
    place: Path, rights_: tuple[int, int, int], listed: tuple[int, int] | None, expected: tuple[str, str, str]
) -> None:
    file = place / "roles/main.yml"
    uid, gid, mode = rights_
    os.chown(file, uid, gid)
    file.chmod(mode)
    if listed:
        acl(file, *listed, group=listed[1])
    host, inside = Host(str(place)), "/roles/main.yml"
    seen = file.lstat()
    strict, tool, trusted = expected
    assert host.others(inside, seen) == strict
    assert changeable(str(file)) == (str(file) if tool else "")
    found = exposed(str(file), {4321})
    assert (found.who if found else "") == trusted
    assert not (strict == "" and (tool or trusted)), "what most go by forgives least"


def packed(*entries: tuple[int, int]) -> bytes:
    """An ACL as the kernel has it, of tags and what each may do."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, may, 7) for tag, may in entries)


@pytest.mark.parametrize(
    ("entries", "tags", "found"),
    [
        ([], (2, 8), []),
        ([(1, 6), (2, 5), (4, 4), (8, 2), (32, 4)], (2, 8), [5, 2]),
        ([(1, 6), (2, 5), (4, 4), (8, 2), (16, 4), (32, 4)], (2, 8), [4, 0]),
        ([(2, 7), (2, 6), (16, 3)], (2,), [3, 2]),
        ([(2, 7), (4, 6), (16, 4)], (4,), [4]),
        ([(0x102, 7)], (2,), []),
    ],
)
def test_what_an_acl_lets_somebody_do_is_no_more_than_its_mask(
    entries: list[tuple[int, int]], tags: tuple[int, ...], found: list[int]
) -> None:
    assert acl_rights(packed(*entries), tags) == found
    assert acl_rights(packed(*entries, (2, 7))[:-1], tags) == found, "half an entry is none"


@pytest.mark.parametrize(
    ("mode", "listed", "passed", "who"),
    [
        (0o664, [(2, 6), (8, 4)], False, "an ACL"),
        (0o664, [(2, 4), (8, 6)], False, "an ACL"),
        (0o664, [(2, 5), (8, 5), (4, 6)], False, ""),
        (0o664, [(2, 6), (8, 6), (16, 5)], False, ""),
        (0o1777, [(2, 6)], True, ""),
        (0o1777, [], False, "everybody"),
        (0o777, [], True, "everybody"),
        (0o664, [(2, 6)], True, "an ACL"),
    ],
)
def test_what_lets_others_change_a_file(mode: int, listed: list[tuple[int, int]], passed: bool, who: str) -> None:
    assert others(seen(0, 5, mode), {0}, {5}, packed(*listed), passed) == who
    assert others(seen(4321, 5, mode), {0}, {5}, packed(*listed), passed) == "its owner"
    in_group = others(seen(0, 6, mode), {0}, {5}, packed(*listed), passed)
    assert in_group == (who if mode & 0o1002 else "a group")


def test_the_acl_of_a_link_is_its_own_and_that_of_an_open_file_the_files(place: Path) -> None:
    file = place / "roles/main.yml"
    assert acl_of(str(file)) == acl_of(str(place / "nosuch")) == b""
    acl(file, 6, 6)
    (place / "link").symlink_to(file)
    with file.open("rb") as opened:
        assert acl_of(opened.fileno()) == acl_of(file) == os.getxattr(file, "system.posix_acl_access") != b""
    assert acl_of(place / "link") == b""


def test_an_acl_counts_wherever_a_group_is_forgiven(place: Path) -> None:
    """Its mask stands in the group's bits of the mode, which say nothing of those whom the ACL names."""
    file = place / "roles/main.yml"
    acl(file, 6, 6)
    assert stat.S_IMODE(file.lstat().st_mode) == 0o664
    assert others(file.lstat(), {0}, {0}) == "", "by the mode alone, root's group may write"
    assert in_reach(str(file)) == changeable(str(file)) == str(file)


@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_link_counts_as_open_to_all_where_nobody_asks_what_it_leads_to(place: Path, mode: int) -> None:
    (place / "link").symlink_to("roles")
    (place / "roles").chmod(mode)
    assert Host(str(place)).others("/link", (place / "link").lstat()) == "uid 0, mode 777"


def test_root_owns_a_host_and_whoever_made_it_a_fixture(place: Path) -> None:
    os.chown(place, 4321, 0)
    os.chown(place / "roles", 4321, 0)
    seen = (place / "roles").lstat()
    assert Host(str(place)).others("/roles", seen) == ""
    assert Host().others(str(place / "roles"), seen) == rights(seen) == "uid 4321, mode 755"
    assert Host().others(str(place / "roles"), seen, trusted=(4321,)) == ""


@pytest.mark.parametrize(
    ("name", "members", "who"),
    [
        ("ops", [], ""),  # the private group of the account
        ("ops", ["ops", "root"], ""),
        ("ops", ["ops", "mallory"], "the group ops"),
        ("domain users", [], "the group domain users"),  # whose members nobody lists
    ],
)
def test_a_group_is_nobody_elses_only_if_it_is_the_accounts_private_one(
    monkeypatch: pytest.MonkeyPatch, name: str, members: list[str], who: str
) -> None:
    account = pwd.struct_passwd(("ops", "x", 4321, 4321, "", "/home/ops", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: account)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((name, "x", gid, members)))
    assert who_else(seen(4321, 4321, 0o775), {4321}) == who
    assert who_else(seen(4321, 4322, 0o775), {4321}) != ""


def test_an_account_that_is_gone_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwuid(uid: int) -> pwd.struct_passwd:
        if uid != 4321:
            raise KeyError(uid)
        return pwd.struct_passwd(("ops", "x", 4321, 4321, "", "/home/ops", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("ops", "x", gid, [])))
    assert who_else(seen(4321, 4321, 0o775), [99999, 4321]) == ""
    assert who_else(seen(99999, 4321, 0o775), [99999]) == "the group ops"


def test_out_of_reach(place: Path) -> None:
    assert exposed(str(place), ()) is None
    assert exposed(str(place / "roles" / "main.yml"), ()) is None
    assert exposed(f"{place}/roles/../roles/./main.yml", ()) is None
    assert exposed(str(place / "not there"), ()) is None


@pytest.mark.parametrize("which", [".", "..", "roles", "roles/main.yml"])
@pytest.mark.parametrize("how", ["owner", "everybody", "group"])
def test_the_first_thing_in_others_reach_is_named(place: Path, which: str, how: str) -> None:
    there = (place / which).resolve()
    if how == "owner":
        os.chown(there, NOBODY, 0)
    else:
        os.chown(there, 0, NOBODY)
        there.chmod(0o757 if how == "everybody" else 0o775)
    assert in_reach(str(place)) == str(there)
    assert how != "owner" or exposed(str(place), {NOBODY}) is None


def test_in_a_sticky_directory_only_the_owner_replaces_what_is_there(place: Path) -> None:
    place.parent.chmod(0o1777)
    assert exposed(str(place), ()) is None
    assert in_reach(str(place.parent / "not there")) == str(place.parent), "anybody could make it"
    (place.parent / "link").symlink_to(place)
    assert exposed(str(place.parent / "link"), ()) is None
    os.lchown(place.parent / "link", NOBODY, NOBODY)
    assert in_reach(str(place.parent / "link")) == str(place.parent / "link")
    (place / "roles").chmod(0o1777)  # but there anybody can add something
    assert exposed(str(place), ()) is not None


@pytest.mark.parametrize("error", [NotADirectoryError, FileNotFoundError])
def test_a_directory_that_is_gone_meanwhile_hides_no_other(
    place: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """A user who can create and delete a directory must not prevent the check of the rest."""
    (place / "a").mkdir()
    (place / "z").mkdir()
    (place / "z" / "open").touch()
    os.chown(place / "z" / "open", NOBODY, 0)
    real = os.listdir

    def listdir(path: str) -> list[str]:
        if path.endswith("/a"):
            raise error(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert in_reach(str(place)) == str(place / "z" / "open")


def test_a_file_that_is_gone_meanwhile_hides_no_other_and_refuses_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each scheduled run checks the reports of its checkout, too, and other runs write there."""
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: ["gone", *real(path)])
    assert exposed(str(place), ()) is None
    (place / "roles" / "main.yml").chmod(0o666)
    assert in_reach(str(place)) == str(place / "roles" / "main.yml")


def test_a_sticky_directory_of_a_trusted_account_is_as_good_as_roots(place: Path) -> None:
    place.parent.chmod(0o1777)
    os.chown(place.parent, NOBODY, 0)
    assert exposed(str(place), {NOBODY}) is None
    assert exposed(str(place), ()) is not None


def test_the_owner_of_a_sticky_directory_replaces_what_is_in_it(place: Path) -> None:
    place.parent.chmod(0o1755)
    os.chown(place.parent, NOBODY, 0)
    found = exposed(str(place), ())
    assert found is not None and (found.path, found.who) == (str(place.parent), "nobody")


def test_a_link_in_a_directory_of_roots_is_roots_whoever_owns_it(place: Path) -> None:
    """To replace it takes the right to write to its directory."""
    (place.parent / "link").symlink_to(place)
    os.lchown(place.parent / "link", NOBODY, NOBODY)
    assert exposed(str(place.parent / "link"), ()) is None


@pytest.mark.parametrize("target", ["open", "open/", "open/."])
def test_what_a_link_leads_to_is_open_however_the_link_spells_it(place: Path, target: str) -> None:
    (place / "open").mkdir()
    (place / "open").chmod(0o1777)  # where anybody can add a file that is read, too
    (place.parent / "link").symlink_to(f"{place}/{target}")
    assert in_reach(str(place.parent / "link")) == str(place / "open")


@pytest.mark.parametrize("target", ["./open/./sub", "open//sub", "roles/../open/sub/", "open/sub/."])
def test_what_a_link_leads_to_is_named_as_it_is(place: Path, target: str) -> None:
    """The command that closes it is made of that path."""
    (place / "open" / "sub").mkdir(parents=True)
    os.chown(place / "open" / "sub", NOBODY, 0)
    (place.parent / "link").symlink_to(f"checkout/{target}")
    assert in_reach(str(place.parent / "link")) == str(place / "open" / "sub")


def test_a_link_to_a_file_that_is_spelled_as_a_directory_is_seen_all_the_same(place: Path) -> None:
    (place / "link").symlink_to("roles/main.yml/")
    assert exposed(str(place / "link"), ()) is None
    os.chown(place / "roles" / "main.yml", NOBODY, 0)
    assert in_reach(str(place / "link")) == str(place / "roles" / "main.yml")


@pytest.mark.parametrize(("mode", "open_"), [(0o41777, False), (0o40777, True), (0o40755, False)])
def test_the_root_itself_is_a_directory_on_the_way(
    place: Path, monkeypatch: pytest.MonkeyPatch, mode: int, open_: bool
) -> None:
    real = os.lstat
    monkeypatch.setattr(
        os, "lstat", lambda path: os.stat_result((mode, *real(path)[1:])) if path == "/" else real(path)
    )
    assert in_reach(str(place)) == ("/" if open_ else "")


def test_a_directory_with_as_many_files_as_are_checked_is_checked_and_a_larger_one_is_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proscribe.base.ownership.ENTRIES", 2)  # roles, and the file in it
    assert exposed(str(place), ()) is None
    (place / "roles" / "tasks.yml").touch()
    with pytest.raises(OSError, match="more than 2 files"):
        exposed(str(place), ())


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("where", ["on the way", "below"])
def test_links_are_followed(place: Path, tmp_path: Path, where: str, absolute: bool) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    target = str(theirs) if absolute else os.path.relpath(theirs, place)
    (place / "link").symlink_to(target)
    path = str(place / "link" / "file") if where == "on the way" else str(place)
    assert exposed(path, ()) is None
    os.chown(theirs, NOBODY, NOBODY)
    assert in_reach(path) == str(theirs)


def test_links_in_a_circle_end(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        exposed(str(place / "a" / "x"), ())
    with pytest.raises(OSError, match="too many links"):
        exposed(str(place), ())


@pytest.mark.parametrize("links", [40, 41])
def test_so_many_links_are_followed_as_the_kernel_follows(place: Path, links: int) -> None:
    """With one less, a file that the run does open would be an error; with one more, none that it does not."""
    for number in range(links):
        (place / f"link{number + 1}").symlink_to(f"link{number}" if number else "roles")
    if links == 40:
        assert exposed(str(place / f"link{links}" / "main.yml"), ()) is None
        (place / f"link{links}" / "main.yml").read_text()
    else:
        with pytest.raises(OSError, match="too many links"):
            exposed(str(place / f"link{links}" / "main.yml"), ())
        with pytest.raises(OSError, match="Too many levels"):
            (place / f"link{links}" / "main.yml").read_text()


def test_a_link_to_what_others_could_make_is_in_their_reach(place: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    (place / "link").symlink_to(tmp_path / "open" / "later")
    assert in_reach(str(place)) == str(tmp_path / "open")


# -- a schedule --------------------------------------------------------------------------------------------------------


def test_a_schedule_of_an_account_may_be_made_of_its_own_files(place: Path) -> None:
    os.chown(place / "roles", NOBODY, 0)
    require_own("nobody", [str(place)])
    with pytest.raises(
        ControlError, match=r"roles \(of nobody, mode 0755\) can be changed by nobody, and scheduled runs"
    ):
        require_own("root", [str(place)])
    os.chown(place / "roles", 0, 0)
    (place / "roles").chmod(0o777)
    with pytest.raises(ControlError, match=rf"run: chmod -R go-w {place}/roles$"):
        require_own("root", [str(place)])


def test_a_missing_account_is_reported(place: Path) -> None:
    with pytest.raises(ControlError, match="there is no account nosuch"):
        require_own("nosuch", [str(place)])


def test_a_program_goes_with_its_environment_and_what_runs_it(place: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib").mkdir()
    (environment / "pyvenv.cfg").touch()
    python = tmp_path / "python"
    python.touch()
    program = environment / "bin" / "ansible-playbook"
    program.write_text(f"#!{python} -I\n")
    link = place / "ansible-playbook"
    link.symlink_to(program)
    require_own("root", [str(link)])
    for theirs in (python, environment / "lib", environment):
        os.chown(theirs, NOBODY, 0)
        with pytest.raises(ControlError, match=f"{theirs} "):
            require_own("root", [str(link)])
        os.chown(theirs, 0, 0)


@pytest.mark.parametrize(
    ("first", "also"),
    [
        (b"#!/opt/python -I\n", ["/opt/python"]),
        (b"#! /opt/python\n", ["/opt/python"]),
        (b"#!/usr/bin/env python\n", ["/usr/bin/env"]),  # which looks in the system's own directories
        (b"#!/usr/bin/env /opt/python\n", ["/usr/bin/env"]),
        (b"#!python\n", []),
        (b"#!\n", []),
        (b"# /opt/python\n", []),
        (b"", []),
        (b"\n#!/opt/python\n", []),
        (b"#!/" + b"x" * 2000, ["/" + "x" * 997]),  # more than any system reads
        (b"#!/opt/\xff\n", ["/opt/\udcff"]),
    ],
)
def test_what_runs_a_program_is_named_in_its_first_line(tmp_path: Path, first: bytes, also: list[str]) -> None:
    (tmp_path / "program").write_bytes(first)
    assert list(run_files._list_with_interpreters(str(tmp_path / "program"))) == [str(tmp_path / "program"), *also]
    assert list(run_files._list_with_interpreters(str(tmp_path))) == [str(tmp_path)]
    assert list(run_files._list_with_interpreters(str(tmp_path / "gone"))) == [str(tmp_path / "gone")]


@pytest.mark.parametrize("mark", ["venv/pyvenv.cfg", "pyvenv.cfg", "venv/bin/pyvenv.cfg"])
def test_an_environment_is_one_by_its_mark(tmp_path: Path, mark: str) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/program").write_text("#!/opt/python\n")
    (tmp_path / mark).touch()
    environment = [str(tmp_path / "venv")] if mark == "venv/pyvenv.cfg" else []
    program = str(tmp_path / "venv/bin/program")
    assert list(run_files._list_with_interpreters(program)) == [program, *environment, "/opt/python"]


def test_what_cannot_be_checked_is_not_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(run_files, "exposed", closed)
        with pytest.raises(ControlError) as wrong:
            require_own("root", [str(place)])
    assert str(wrong.value) == f"it cannot be seen who can change {place}: [Errno 5] Input/output error"
    monkeypatch.setattr(run_files, "open", closed, raising=False)  # its first line: the file itself is checked anyhow
    assert list(run_files._list_with_interpreters(str(place / "roles/main.yml"))) == [str(place / "roles/main.yml")]


def closed_by_its_command(path: Path, trusted: set[int]) -> bool:
    """Whether the command that a refusal names closes what it names."""
    found = exposed(str(path), trusted)
    assert found is not None
    subprocess.run(["sh", "-euc", found.remedy.partition("run: ")[2]], check=True)
    return exposed(str(path), trusted) is None


@pytest.mark.parametrize(
    ("change", "trusted"),
    [
        ("chmod 1777 roles", set()),
        ("chmod 0777 .", {NOBODY}),
        ("chmod 0777 ..", set()),
        (f"chown {NOBODY} roles/main.yml && chmod 0666 roles/main.yml", set()),
        (f"chown -R {NOBODY} . && chmod -R 0777 .", {0}),
        (f"chgrp {NOBODY} roles && chmod g+w roles", set()),
        ("touch 'roles/a $HOME' && chmod 0666 'roles/a $HOME'", set()),
    ],
)
def test_the_command_of_a_refusal_closes_what_it_names(place: Path, change: str, trusted: set[int]) -> None:
    subprocess.run(["sh", "-euc", change], check=True, cwd=place)
    assert closed_by_its_command(place, trusted)


def test_a_clone_that_shares_files_with_another_place_is_to_be_cloned_anew(place: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.touch()
    os.chown(theirs, NOBODY, NOBODY)
    os.link(theirs, place / "object")
    found = exposed(str(place), ())
    assert found is not None and "--no-hardlinks" in found.remedy and "chown" not in found.remedy


def test_no_command_takes_a_home_away_from_its_user(place: Path) -> None:
    os.chown(place.parent, NOBODY, NOBODY)
    found = exposed(str(place), ())
    assert found is not None and (found.path, found.remedy) == (str(place.parent), "")
