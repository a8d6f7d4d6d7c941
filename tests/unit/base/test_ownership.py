"""Accounts that can change a file: by owner and mode, on the way to it, by links, below it."""

import grp
import os
import pwd
import tempfile
from pathlib import Path

import pytest
from proscribe.base import run_files
from proscribe.base.ownership import exposed, who_else
from proscribe.host.schedule.reach import require_own
from proscribe.host.system import ControlError

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
    """Return the first path that others can change, or nothing."""
    exposure = exposed(path, ())
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
    assert who_else(make_stat(uid, gid, mode), trusted) == who


def test_account_that_is_gone_hides_no_other(monkeypatch):
    def getpwuid(uid: int) -> pwd.struct_passwd:
        if uid != 4321:
            raise KeyError(uid)
        return pwd.struct_passwd(("ops", "x", 4321, 4321, "", "/home/ops", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("ops", "x", gid, [])))
    assert who_else(make_stat(4321, 4321, 0o775), [99999, 4321]) == ""
    assert who_else(make_stat(99999, 4321, 0o775), [99999]) == "the group ops"


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
    assert how != "owner" or exposed(str(place), {NOBODY}) is None


def test_path_in_a_sticky_directory_is_replaced_by_its_owner_alone(place):
    place.parent.chmod(0o1777)
    assert exposed(str(place), ()) is None
    assert find_exposed(str(place.parent / "not there")) == str(place.parent), "anybody could make it"
    (place.parent / "link").symlink_to(place)
    assert exposed(str(place.parent / "link"), ()) is None
    os.lchown(place.parent / "link", NOBODY, NOBODY)
    assert find_exposed(str(place.parent / "link")) == str(place.parent / "link")
    (place / "roles").chmod(0o1777)  # but there anybody can add something
    assert exposed(str(place), ()) is not None


def test_file_that_is_gone_meanwhile_hides_no_other(place, monkeypatch):
    # Each scheduled run checks the reports of its checkout, too, and other runs write there.
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: ["gone", *real(path)])
    assert exposed(str(place), ()) is None
    (place / "roles" / "main.yml").chmod(0o666)
    assert find_exposed(str(place)) == str(place / "roles" / "main.yml")


def test_directory_with_more_files_than_are_checked_is_an_error(place, monkeypatch):
    monkeypatch.setattr("proscribe.base.ownership.ENTRIES", 2)  # roles, and the file in it
    assert exposed(str(place), ()) is None
    (place / "roles" / "tasks.yml").touch()
    with pytest.raises(OSError, match="more than 2 files"):
        exposed(str(place), ())


def test_link_to_a_file_that_others_could_make_is_exposed(place, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    (place / "link").symlink_to(tmp_path / "open" / "later")
    assert find_exposed(str(place)) == str(tmp_path / "open")


# -- the files of a scheduled run
def test_schedule_of_an_account_may_run_its_own_files_and_the_account_exists(place):
    os.chown(place / "roles", NOBODY, 0)
    require_own("nobody", [str(place)])
    with pytest.raises(ControlError, match=r"roles \(of nobody, mode 0755\) can be changed by nobody"):
        require_own("root", [str(place)])
    os.chown(place / "roles", 0, 0)
    (place / "roles").chmod(0o777)
    with pytest.raises(ControlError, match=rf"run: chmod -R go-w {place}/roles$"):
        require_own("root", [str(place)])
    with pytest.raises(ControlError, match="nosuch"):
        require_own("nosuch", [str(place)])


def test_program_is_checked_with_its_environment_and_its_interpreter(place, tmp_path):
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


def test_path_that_cannot_be_checked_is_not_trusted(place, monkeypatch):
    def closed(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(run_files, "exposed", closed)
        with pytest.raises(ControlError) as wrong:
            require_own("root", [str(place)])
    assert f"{place}: [Errno 5]" in str(wrong.value)
    monkeypatch.setattr(run_files, "open", closed, raising=False)  # its first line: the file itself is checked anyhow
    assert list(run_files._list_with_interpreters(str(place / "roles/main.yml"))) == [str(place / "roles/main.yml")]


def test_clone_that_shares_files_by_hard_links_is_to_be_cloned_anew(place, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.touch()
    os.chown(theirs, NOBODY, NOBODY)
    os.link(theirs, place / "object")
    exposure = exposed(str(place), ())
    assert exposure is not None and "--no-hardlinks" in exposure.remedy and "chown" not in exposure.remedy
