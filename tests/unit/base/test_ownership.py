"""Accounts that can change a file: by owner and mode, on the way to it, by links, below it."""

import grp
import os
import pwd
import struct
import tempfile
from pathlib import Path

import pytest
from proscribe.base import run_files
from proscribe.base.foreign_access import list_acl_rights, read_acl
from proscribe.base.ownership import describe_others, find_exposed_below
from proscribe.host.schedule.timers import require_exclusive_access
from proscribe.host.system import ControlError, Host
from proscribe.host.system.root_only_paths import find_changeable_part
from refusals import make_refusal

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def tmp_path():
    """A directory that only root can reach: who may write to /tmp is the machine's own business."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        yield Path(directory)


@pytest.fixture
def place(tmp_path):
    """A checkout out of others' reach, and a file in it."""
    (tmp_path / "checkout" / "roles").mkdir(parents=True, mode=0o755)
    (tmp_path / "checkout" / "roles" / "main.yml").touch()
    return tmp_path / "checkout"


def find_exposed(path: str) -> str:
    exposure = find_exposed_below(path, ())
    return exposure.path if exposure else ""


def make_stat(uid: int, gid: int, mode: int) -> os.stat_result:
    return os.stat_result((mode | 0o100000, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "trusted", "who"),
    [
        (0, 0, 0o664, set(), ""),  # root's own group
        (0, NOBODY, 0o644, set(), ""),
        (0, NOBODY, 0o664, set(), f"the group {grp.getgrgid(NOBODY).gr_name}"),
        (0, 99999, 0o664, set(), "the group 99999"),
        (0, 0, 0o646, set(), "everybody"),
        (NOBODY, 0, 0o400, set(), "nobody"),
        (NOBODY, 0, 0o400, {NOBODY}, ""),
        (99999, 0, 0o400, {NOBODY}, "99999"),
    ],
)
def test_account_that_can_change_a_file_is_named_by_owner_and_mode(uid, gid, mode, trusted, who):
    assert describe_others(make_stat(uid, gid, mode), trusted) == who


def pack(*entries: tuple[int, int]) -> bytes:
    """Return an ACL as the kernel has it, of tags and what each may do."""
    nobody = {2: NOBODY, 8: NOBODY}
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry, nobody.get(entry[0], -1 % 2**32)) for entry in entries
    )


@pytest.mark.parametrize(
    ("entries", "tags", "rights"),
    [
        ([], (2, 8), []),
        ([(1, 6), (2, 5), (4, 4), (8, 2), (32, 4)], (2, 8), [5, 2]),
        ([(1, 6), (2, 5), (4, 4), (8, 2), (16, 4), (32, 4)], (2, 8), [4, 0]),
        ([(2, 7), (4, 6), (16, 4)], (4,), [4]),
        ([(0x102, 7)], (2,), []),
    ],
)
def test_rights_of_an_acl_are_no_more_than_its_mask(entries, tags, rights):
    assert list_acl_rights(pack(*entries), tags) == rights
    assert list_acl_rights(pack(*entries, (2, 7))[:-1], tags) == rights, "half an entry is none"


# Each place that asks forgives something else, and none of them anything more. `strict` is what most findings go by;
# `tool`: what root runs may be of root's own group; `trusted`: what the controller's account has may be its own.
CASES = [
    # owner, group, mode; ACL: what it lets those do that it names, its mask; strict, tool, trusted
    ((0, NOBODY, 0o644), None, ("", False, False)),
    ((0, 0, 0o664), None, ("uid 0, mode 664", False, False)),
    ((0, NOBODY, 0o664), None, ("uid 0, mode 664", True, True)),
    ((0, 0, 0o1646), None, ("uid 0, mode 1646", True, True)),
    ((NOBODY, 0, 0o400), None, (f"uid {NOBODY}, mode 400", True, True)),
    ((4321, 0, 0o644), None, ("uid 4321, mode 644", True, False)),
    ((0, 0, 0o644), (6, 6), ("uid 0, mode 664", True, True)),
    ((0, 0, 0o644), (6, 4), ("", False, False)),
    ((0, 0, 0o644), (4, 6), ("uid 0, mode 664", False, False)),
    ((0, NOBODY, 0o644), (4, 6), ("uid 0, mode 664", True, True)),
]


@pytest.mark.parametrize(("rights", "listed", "expected"), CASES)
def test_file_that_others_can_change_is_so_for_all_who_ask(place, rights, listed, expected):
    file, host = place / "roles/main.yml", Host(str(place))
    os.chown(file, *rights[:2])
    file.chmod(rights[2])
    if listed:
        (place / "link").symlink_to(file)
        named, mask = listed
        acl = pack((1, 6), (2, named), (4, mask), (8, named), (16, mask), (32, 4))
        try:
            os.setxattr(file, "system.posix_acl_access", acl)
        except OSError as error:
            pytest.skip(f"the file system has no ACLs: {error}")
        with file.open("rb") as opened:
            assert read_acl(opened.fileno()) == read_acl(file) == acl == host.read_acl("/roles/main.yml")
        assert read_acl(place / "link") == host.read_acl("/link") == b""
    strict, tool, trusted = expected
    assert host.describe_write_access("/roles/main.yml", file.lstat()) == strict
    assert (
        find_changeable_part(str(file)) == str(file) * tool
        and (find_exposed_below(str(file), {4321}) is not None) is trusted
    )


def test_root_and_the_account_that_made_a_fixture_own_its_files(place):
    for path in (place, place / "roles"):
        os.chown(path, 4321, 0)
    seen = (place / "roles").lstat()
    assert Host(str(place)).describe_write_access("/roles", seen) == ""
    assert Host().describe_write_access(str(place / "roles"), seen) == "uid 4321, mode 755"
    assert Host().describe_write_access(str(place / "roles"), seen, trusted_uids=(4321,)) == ""


def test_account_that_is_gone_hides_no_other(monkeypatch):
    def getpwuid(uid: int) -> pwd.struct_passwd:
        if uid != 4321:
            raise KeyError(uid)
        return pwd.struct_passwd(("ops", "x", 4321, 4321, "", "/home/ops", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    # The private group of an account; one of the same name with others in it; one whose members nobody lists.
    for name, members, who in (
        ("ops", ["ops", "root"], ""),
        ("ops", ["x"], "the group ops"),
        ("all", [], "the group all"),
    ):
        monkeypatch.setattr(grp, "getgrgid", lambda gid, group=(name, "x", 4321, members): grp.struct_group(group))
        assert describe_others(make_stat(4321, 4321, 0o775), [99999, 4321]) == who
        assert describe_others(make_stat(4321, 4322, 0o775), {4321}) == f"the group {name}"
        assert describe_others(make_stat(99999, 4321, 0o775), [99999]) == f"the group {name}"


@pytest.mark.parametrize("which", [".", "..", "roles", "roles/main.yml"])
@pytest.mark.parametrize("how", ["owner", "everybody", "group"])
def test_first_path_in_others_reach_is_named(place, which, how):
    path = (place / which).resolve()
    if how == "owner":
        os.chown(path, NOBODY, 0)
    else:
        os.chown(path, 0, NOBODY)
        path.chmod(0o757 if how == "everybody" else 0o775)
    assert find_exposed(str(place)) == str(path)
    assert how != "owner" or find_exposed_below(str(place), {NOBODY}) is None


def test_path_in_a_sticky_directory_is_replaced_by_its_owner_alone(place):
    place.parent.chmod(0o1777)
    assert find_exposed_below(str(place), ()) is None
    assert find_exposed(str(place.parent / "not there")) == str(place.parent), "anybody could make it"
    (place.parent / "link").symlink_to(place)
    assert find_exposed_below(str(place.parent / "link"), ()) is None
    os.lchown(place.parent / "link", NOBODY, NOBODY)
    assert find_exposed(str(place.parent / "link")) == str(place.parent / "link")
    (place / "roles").chmod(0o1777)  # but there anybody can add something
    assert find_exposed_below(str(place), ()) is not None


@pytest.mark.parametrize("target", ["open", "./open/.", "roles/..//open/"])
def test_target_of_a_link_is_named_as_it_is_however_the_link_spells_it(place, target):
    """The command that closes it is made of that path."""
    (place / "open").mkdir()
    (place / "open").chmod(0o1777)  # where anybody can add a file that is read, too
    for number, prefix in enumerate(("checkout/", f"{place}/")):
        link = place.parent / f"link{number}"
        link.symlink_to(f"{prefix}{target}")
        os.lchown(link, NOBODY, NOBODY)  # in a directory of root's it is root's, whoever owns it
        assert find_exposed(str(link)) == str(place / "open")


def test_links_are_followed_as_far_as_the_kernel_follows(place):
    """With one less, a file that the run does open would be an error; with one more, none that it does not."""
    for number in range(41):
        (place / f"link{number + 1}").symlink_to(f"link{number}" if number else "roles")
    assert (
        find_exposed_below(str(place / "link40/main.yml"), ()) is None and (place / "link40/main.yml").read_text() == ""
    )
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    for path in (place / "link41/main.yml", place / "a/x", place):
        with pytest.raises(OSError, match="too many links"):
            find_exposed_below(str(path), ())


def test_owner_of_a_sticky_directory_replaces_what_is_in_it(place):
    place.parent.chmod(0o1755)
    os.chown(place.parent, NOBODY, 0)
    exposure = find_exposed_below(str(place), ())
    assert exposure is not None and exposure[:4] == (str(place.parent), "nobody", 0o1755, "nobody")
    assert find_exposed_below(str(place), {NOBODY}) is None


def test_directory_that_is_gone_meanwhile_hides_no_other(place, monkeypatch):
    """A user who can create and delete a directory must not prevent the check of the rest."""
    for name in ("a", "z"):
        (place / name).mkdir()
    os.chown(place / "z", NOBODY, 0)
    real = os.listdir
    for error in (NotADirectoryError, FileNotFoundError):
        gone = make_refusal(error)
        monkeypatch.setattr(os, "listdir", lambda path, gone=gone: (gone if path.endswith("/a") else real)(path))
        assert find_exposed(str(place)) == str(place / "z")


def test_file_that_is_gone_meanwhile_hides_no_other(place, monkeypatch):
    # Each scheduled run checks the reports of its checkout, too, and other runs write there.
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: ["gone", *real(path)])
    assert find_exposed_below(str(place), ()) is None
    (place / "roles" / "main.yml").chmod(0o666)
    assert find_exposed(str(place)) == str(place / "roles" / "main.yml")


def test_directory_with_more_files_than_are_checked_is_an_error(place, monkeypatch):
    monkeypatch.setattr("proscribe.base.ownership.MAX_ENTRIES", 2)  # roles, and the file in it
    assert find_exposed_below(str(place), ()) is None
    (place / "roles" / "tasks.yml").touch()
    with pytest.raises(OSError, match="more than 2 files"):
        find_exposed_below(str(place), ())


def test_link_to_a_file_that_others_could_make_is_exposed(place, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    (place / "link").symlink_to(tmp_path / "open" / "later")
    assert find_exposed(str(place)) == str(tmp_path / "open")


# -- the files of a scheduled run
def test_schedule_of_an_account_may_run_its_own_files_and_the_account_exists(place):
    os.chown(place / "roles", NOBODY, 0)
    require_exclusive_access("nobody", [str(place)])
    with pytest.raises(ControlError, match=r"roles \(of nobody, mode 0755\) can be changed by nobody"):
        require_exclusive_access("root", [str(place)])
    os.chown(place / "roles", 0, 0)
    (place / "roles").chmod(0o777)
    with pytest.raises(ControlError, match=rf"run: chmod -R go-w {place}/roles$"):
        require_exclusive_access("root", [str(place)])
    with pytest.raises(ControlError, match="nosuch"):
        require_exclusive_access("nosuch", [str(place)])


def test_program_is_checked_with_its_environment_and_its_interpreter(place, tmp_path):
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib").mkdir()
    (environment / "pyvenv.cfg").touch()
    python = tmp_path / "python"
    python.touch()
    program = environment / "bin" / "ansible-playbook"
    program.write_text(f"#! {python} -I\n")
    link = place / "ansible-playbook"
    link.symlink_to(program)
    require_exclusive_access("root", [str(link)])
    for theirs in (python, environment / "lib", environment):
        os.chown(theirs, NOBODY, 0)
        with pytest.raises(ControlError, match=f"{theirs} "):
            require_exclusive_access("root", [str(link)])
        os.chown(theirs, 0, 0)
    os.chown(python, NOBODY, 0)
    (environment / "pyvenv.cfg").unlink()
    for first in (f"# {python}", "#!python", f"x!{python}", ""):
        program.write_text(f"{first}\n{python}\n")
        require_exclusive_access("root", [str(link)])


def test_path_that_cannot_be_checked_is_not_trusted(place, monkeypatch):
    def closed(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(run_files, "find_exposed_below", closed)
        with pytest.raises(ControlError) as wrong:
            require_exclusive_access("root", [str(place)])
    assert f"{place}: [Errno 5]" in str(wrong.value)
    monkeypatch.setattr(run_files, "open", closed, raising=False)  # its first line: the file itself is checked anyhow
    assert list(run_files._list_interpreter_paths(str(place / "roles/main.yml"))) == [str(place / "roles/main.yml")]


def test_clone_that_shares_files_by_hard_links_is_to_be_cloned_anew(place, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.touch()
    os.chown(theirs, NOBODY, NOBODY)
    os.link(theirs, place / "object")
    exposure = find_exposed_below(str(place), ())
    assert exposure is not None and "--no-hardlinks" in exposure.remedy and "chown" not in exposure.remedy
