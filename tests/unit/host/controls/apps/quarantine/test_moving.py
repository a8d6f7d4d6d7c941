"""The quarantine: what is taken, what stays, what comes back, on one file system and on two."""

import errno
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_host import carry_out
from made_quarantine import (
    FILE,
    ITEMS,
    TREE,
    enforced,
    folders,
    in_two_file_systems,
    killed_at,
    lifted,
    made_host,
    picture,
)
from properties import examples
from proscribe.host.controls.apps.quarantine import completing, manifest, moving, restoring, unfinished
from proscribe.host.system import ControlError, Host, Unseen


@pytest.fixture(params=["one file system", "two file systems"])
def two(request, monkeypatch, tmp_path):
    if request.param == "two file systems":
        in_two_file_systems(monkeypatch, tmp_path)
    return bool(request.param == "two file systems")


def test_a_directory_that_is_gone_is_not_made_up(host, tmp_path):
    enforced(host, FILE)
    (tmp_path / "home/alice/bin/notes").unlink()
    (tmp_path / "home/alice/bin").rmdir()
    (refusal,) = lifted(host).refused
    assert "/home/alice/bin is not there any more" in refusal.reason


@pytest.mark.parametrize("path", ["/home/alice", "/home/alice/Documents", "/etc/shadow", "/usr/bin/sudo"])
def test_protected_path_is_never_taken(host, path):
    with pytest.raises(ControlError, match="never taken: "):
        moving.take(host, moving.Taking(path, ["wechat"], "tree")).apply()
    assert host.list(ITEMS) == []


@pytest.mark.parametrize("manifest_text", ["", "{", "[]", '{"taken_at": 3}', None])
def test_a_broken_manifest_is_reported_and_blocks_no_other_item(host, tmp_path, manifest_text):
    enforced(host, FILE)
    (name,) = folders(host)
    path = tmp_path / ITEMS[1:] / name / "manifest.json"
    path.unlink() if manifest_text is None else path.write_text(manifest_text)
    enforced(host, TREE)
    (verdict,) = unfinished.observe(host, "enforce")
    assert (verdict.state, verdict.drifted) == ("unknown", False)
    assert name in verdict.reason and "delete it by hand" in verdict.reason
    back = restoring.given_back(host)
    assert [(element.rule, element.subject) for element in back.refused] == [("apps/quarantine", name)]
    assert ITEMS in back.refused[0].reason and completing.unread(host) == back.refused
    assert [action.subject for action in back.actions] == [TREE]  # and what it holds stays
    back.actions[0].apply()
    assert list(folders(host)) == [name] and host.stat(TREE)


def test_missing_file_is_not_taken(host, tmp_path):
    action = moving.take(host, moving.Taking(FILE, ["wechat"], "appimage"))
    (tmp_path / FILE[1:]).unlink()
    action.apply()
    assert host.list(ITEMS) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_kept_file_is_out_of_its_users_reach_until_it_comes_back(host, tmp_path, two):
    """Who owns a file may always open it again, by a descriptor that was kept."""
    for path in (TREE, FILE):
        os.chown(tmp_path / path[1:], 12345, 12345)
    before = picture(tmp_path)
    inside, held = (os.open(tmp_path / path[1:], os.O_RDONLY) for path in (TREE, FILE))
    enforced(host, TREE, FILE)
    assert [os.listdir(tmp_path / "home/alice" / name) for name in (".", "bin")] == [["Documents", "bin"], ["notes"]]
    contents = [(tmp_path / ITEMS[1:] / name / "content").stat() for name in folders(host)]
    assert sorted((seen.st_uid, stat.S_IMODE(seen.st_mode)) for seen in contents) == [(0, 0o600), (0, 0o700)]
    assert two or [stat.S_IMODE(os.fstat(opened).st_mode) for opened in (inside, held)] == [0o700, 0o600]
    for opened in (inside, held):
        os.close(opened)
    assert lifted(host).refused == [] and picture(tmp_path) == before


def test_file_that_came_meanwhile_is_not_replaced(host, tmp_path, two):
    path = tmp_path / FILE[1:]
    enforced(host, FILE)
    path.write_text("a new one")
    (refusal,) = lifted(host).refused
    assert refusal.rule == "apps/telegram" and "something is there now" in refusal.reason
    assert path.read_text() == "a new one"
    path.unlink()
    assert lifted(host).refused == [] and path.read_bytes().startswith(b"\x7fELF")
    assert not (tmp_path / "var/lib/proscribe").exists()


def test_full_disk_loses_nothing(host, tmp_path, monkeypatch):
    in_two_file_systems(monkeypatch, tmp_path)
    before = picture(tmp_path)

    def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full, pytest.raises(ControlError, match="No space left on device"):
        full.setattr(os, "pwrite", write)
        enforced(host, FILE)
    assert unfinished.observe(host, "enforce")[0].drifted and not host.stat(FILE)
    enforced(host)
    assert unfinished.observe(host, "enforce") == [] and not list((tmp_path / "home").glob("**/.proscribe*"))
    lifted(host)
    assert picture(tmp_path) == before


@pytest.mark.parametrize(
    ("lose", "error"),
    [
        (lambda place: shutil.rmtree(place / "content"), "its content is gone from the quarantine"),
        (lambda place: (place.parent / "new").mkdir(), "new in it"),
    ],
)
def test_changed_quarantine_is_left(host, tmp_path, lose, error):
    enforced(host, TREE)
    actions = restoring.given_back(host).actions
    lose(tmp_path / ITEMS[1:] / next(folders(host)))
    with pytest.raises(ControlError, match=error):
        carry_out(actions)
    assert host.stat(moving.README)


@examples(40)
@given(st.binary(min_size=1, max_size=60).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47}))
def test_any_name_there_and_back(name):
    with tempfile.TemporaryDirectory() as directory:
        root, path = Path(directory), "/home/alice/bin/" + os.fsdecode(name)
        host = made_host(root)
        if host.stat(path):
            return
        (root / path[1:]).write_text("program")
        before = picture(root)
        action = moving.take(host, moving.Taking(path, ["wechat"], "file"))
        assert str(action).isprintable() and json.dumps(action.before).isascii()
        action.apply()
        assert not host.stat(path)
        lifted(host)
        assert picture(root) == before


def test_only_the_file_that_was_seen_is_taken(host, tmp_path, two):
    seen = os.stat(tmp_path / FILE[1:])
    for wrong in ((seen.st_dev + 1, seen.st_ino), (seen.st_dev, seen.st_ino + 1)):
        with pytest.raises(ControlError, match="something else is there by now"):
            moving.take(host, moving.Taking(FILE, ["wechat"], "appimage", identity=wrong)).apply()
    moving.take(host, moving.Taking(FILE, [], "appimage", identity=(seen.st_dev, seen.st_ino))).apply()
    assert next(folders(host)).startswith("appimage-"), "what belongs to no service is called by its kind"


@pytest.mark.parametrize("answer", ["it is a thesis", Unseen("closed"), ControlError("odd")])
def test_file_that_fails_its_second_check_is_restored(host, tmp_path, two, answer):
    """Root checks what it has moved once more, out of reach of the user. No answer is no permission to keep it."""
    content = (tmp_path / FILE[1:]).read_bytes()
    checked: list[tuple[bytes | None, str]] = []

    def doubt(door: Host, path: str, original: str) -> str:
        checked.append((door.read(path), original))
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ControlError, match=f"{answer}; the next run checks again"):
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage", doubt=doubt)).apply()
    assert checked == [(content, FILE)] and (tmp_path / FILE[1:]).read_bytes() == content
    assert list(folders(host)) == [] and not list(tmp_path.glob("**/.proscribe-quarantine-*"))


def test_file_that_cannot_move_leaves_no_folder(host, tmp_path, two, monkeypatch):
    """A file that is immutable, say (chattr +i). A folder without content would look like a run that was killed."""
    content, real = (tmp_path / FILE[1:]).read_bytes(), os.rename

    def rename(src: str, dst: str, **options: Any) -> None:
        if src == Path(FILE).name:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        real(src, dst, **options)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ControlError, match=f"cannot take {FILE}: .*not permitted"):
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage")).apply()
    assert (tmp_path / FILE[1:]).read_bytes() == content and list(folders(host)) == []


def put(root: Path, name: str, new: str) -> None:
    directory = os.open(root, os.O_RDONLY)
    try:
        completing.put(directory, name, directory, new)
    finally:
        os.close(directory)


@pytest.fixture(params=[True, False], ids=["a file system with hard links", "one without"])
def place(request, tmp_path, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not request.param:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "ours").write_text("ours")
    return tmp_path


def test_put_moves_a_file_to_its_place(place):
    put(place, "ours", "new")
    assert [(path.name, path.read_text()) for path in place.iterdir()] == [("new", "ours")]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda at: at.symlink_to("nowhere")])
def test_put_replaces_nothing(place, make):
    make(place / "new")
    seen = (place / "new").lstat()
    (place / "tree").mkdir()
    for name in ("ours", "tree"):
        with pytest.raises(OSError, match="File exists|not permitted"):
            put(place, name, "new")
        assert os.path.samestat((place / "new").lstat(), seen) and (place / name).exists()


@pytest.mark.parametrize("target", ["nowhere", "folder", "ours"])
def test_link_is_put_as_itself_wherever_it_leads(place, target):
    (place / "folder").mkdir()
    (place / "link").symlink_to(target)
    put(place, "link", "new")
    assert os.readlink(place / "new") == target and sorted(os.listdir(place)) == ["folder", "new", "ours"]
    assert (place / "ours").stat().st_nlink == 1


def test_item_counts_as_placed_where_its_file_is_seen(host, tmp_path, monkeypatch):
    """A placed item goes from the quarantine: a mistake here would lose it."""
    seen = (tmp_path / FILE[1:]).stat()
    enforced(host, TREE)
    item = manifest.items(host)[0]._replace(path=FILE, placed=[seen.st_dev, seen.st_ino])
    assert completing.is_placed(host, item)
    for placed in ([seen.st_dev, seen.st_ino + 1], []):
        assert not completing.is_placed(host, item._replace(placed=placed))
    (tmp_path / "home/alice/bin").rename(tmp_path / "home/alice/moved")
    assert not completing.is_placed(host, item)
    (tmp_path / "home/alice/bin").symlink_to("moved")  # the same file, by way of a user's link
    if os.geteuid() == 0:
        os.lchown(tmp_path / "home/alice/bin", 65534, 65534)
        assert not completing.is_placed(host, item)
    for error in (Unseen("a dead mount"), ControlError("a link")):
        monkeypatch.setattr(host, "stat", mock.Mock(side_effect=error))
        assert not completing.is_placed(host, item)


@pytest.mark.parametrize("swapped", ["file", "link", "pipe"])
def test_exchanged_file_fails_no_run(host, tmp_path, two, swapped, monkeypatch):
    """Its user puts something else there for the moment of the move, and a new file in place of a link or pipe."""
    path = tmp_path / FILE[1:]
    make = {"file": lambda: path.write_text("a new one"), "link": lambda: path.symlink_to("/etc/shadow")}

    def swap(step: str) -> None:
        if step == "written" and not path.with_suffix(".old").exists():
            path.rename(path.with_suffix(".old"))
            make.get(swapped, lambda: os.mkfifo(path))()
        elif step == "moved" and swapped != "file":
            path.write_text("a new one")

    with monkeypatch.context() as patch, pytest.raises(ControlError, match="exchanged while it was being taken"):
        patch.setattr(manifest, "reached", swap)
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage")).apply()
    assert len(completing.unfinished(host)) == (swapped != "file")
    enforced(host)
    assert completing.unfinished(host) == [] and not list((tmp_path / "home").glob("**/.proscribe*"))
    assert path.read_text() == "a new one" and list(folders(host)) == []


@pytest.mark.slow
@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
@pytest.mark.parametrize(
    ("killed", "path", "then"),
    [
        ("move", TREE, "enforce"),
        ("move", FILE, "enforce"),
        ("restoration", TREE, "lift"),
        ("restoration", FILE, "enforce"),
    ],
)
def test_run_killed_at_any_step_loses_nothing_and_is_completed(tmp_path, monkeypatch, two, killed, path, then):
    expected = {"move": {"written", "moved", "sealed", "kept"}, "restoration": {"unsealed", "placed", "dropped"}}
    steps = set()
    for step in range(1, 100):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host = made_host(root)
            before = picture(root)
            if killed == "restoration":
                enforced(host, path)
            work = {"move": lambda host=host: enforced(host, path), "restoration": lambda host=host: lifted(host)}
            name = killed_at(step, work[killed])
            contents = [{fields[-1] for fields in of.values()} for of in (before, picture(root))]
            assert contents[0] <= contents[1], name
            if then == "enforce":  # the next run takes it, and leaves nothing else
                enforced(host, path)
                assert host.stat(path) is None and not list((root / "home").glob("**/.proscribe*")), name
                assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
            lifted(host)
            assert picture(root) == before and host.list(ITEMS) == [], name
        steps.add(name)
        if not name:
            break
    assert expected[killed] <= steps
    assert not two or killed != "move" or {"hold made", "copied", "compared", "original gone", "hold gone"} <= steps
