"""The quarantine: what is taken, what stays, what comes back, on one file system and on two."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_quarantine import (
    FILE,
    ITEMS,
    TREE,
    enforced,
    folders,
    in_two_file_systems,
    lifted,
    made_host,
    picture,
)
from properties import examples
from proscribe.host.controls.apps.quarantine import completing, manifest, moving, restoring, unfinished
from proscribe.host.system import ControlError, Host, Unseen


@pytest.fixture(params=["one file system", "two file systems"])
def two(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    if request.param == "two file systems":
        in_two_file_systems(monkeypatch, tmp_path)
    return bool(request.param == "two file systems")


def test_a_directory_that_is_gone_is_not_made_up(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    enforced(host, FILE)
    (tmp_path / "home/alice/bin/notes").unlink()
    (tmp_path / "home/alice/bin").rmdir()
    (refusal,) = lifted(host).refused
    assert "/home/alice/bin is not there any more" in refusal.reason


@pytest.mark.parametrize("path", ["/home/alice", "/home/alice/Documents", "/etc/shadow", "/usr/bin/sudo"])
def test_what_is_guarded_is_never_taken(tmp_path: Path, path: str) -> None:
    host = made_host(tmp_path)
    with pytest.raises(ControlError, match="never taken: "):
        moving.take(host, moving.Taking(path, ["wechat"], "tree")).apply()
    assert host.list(ITEMS) == []


@pytest.mark.parametrize("manifest_text", ["", "{", "[]", '{"taken_at": 3}', None])
def test_a_broken_manifest_is_reported_and_blocks_no_other_item(tmp_path: Path, manifest_text: str | None) -> None:
    host = made_host(tmp_path)
    enforced(host, FILE)
    (name,) = folders(host)
    path = tmp_path / ITEMS[1:] / name / "manifest.json"
    path.unlink() if manifest_text is None else path.write_text(manifest_text)
    enforced(host, TREE)
    (verdict,) = unfinished.observe(host, "enforce")
    assert (verdict.state, verdict.drifted) == ("unknown", False)
    assert name in verdict.reason and "delete it by hand" in verdict.reason
    back = restoring.given_back(host)
    assert [(one.rule, one.subject) for one in back.refused] == [("apps/quarantine", name)]
    assert ITEMS in back.refused[0].reason and completing.unread(host) == back.refused
    assert [action.subject for action in back.actions] == [TREE]  # and what it holds stays
    back.actions[0].apply()
    assert list(folders(host)) == [name] and host.stat(TREE)


def test_what_is_gone_by_then(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    action: Any = moving.take(host, moving.Taking(FILE, ["wechat"], "appimage"))
    (tmp_path / FILE[1:]).unlink()
    action.apply()
    assert host.list(ITEMS) == []


@pytest.mark.parametrize(
    ("lose", "left"),
    [
        (
            lambda place: shutil.rmtree(place / "content"),
            f"cannot restore {TREE}: its content is gone from the quarantine",
        ),
        (lambda place: (place.parent / "new").mkdir(), f"{ITEMS} is left: new in it"),
    ],
    ids=["its content is gone", "something else has come"],
)
def test_what_changes_in_the_quarantine_before_it_is_given_back(
    tmp_path: Path, lose: Callable[[Path], None], left: str
) -> None:
    host = made_host(tmp_path)
    enforced(host, TREE)
    (name,) = folders(host)
    actions = restoring.given_back(host).actions
    lose(tmp_path / ITEMS[1:] / name)
    with pytest.raises(ControlError, match=f"^{left}$"):
        for action in actions:
            action.apply()
    assert host.stat(moving.README)


@examples(40)
@given(st.binary(min_size=1, max_size=60).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47}))
def test_any_name_there_and_back(name: bytes) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        host = made_host(root)
        path = "/home/alice/bin/" + os.fsdecode(name)
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


def test_only_what_was_seen_is_taken_and_what_was_seen_is(tmp_path: Path, two: bool) -> None:
    host = made_host(tmp_path)
    seen = os.stat(tmp_path / FILE[1:])
    for wrong in ((seen.st_dev + 1, seen.st_ino), (seen.st_dev, seen.st_ino + 1)):
        with pytest.raises(ControlError, match="something else is there by now; the next run checks again"):
            moving.take(host, moving.Taking(FILE, ["wechat"], "appimage", identity=wrong)).apply()
    right = (seen.st_dev, seen.st_ino)
    moving.take(host, moving.Taking(FILE, [], "appimage", identity=right)).apply()
    (name,) = folders(host)
    assert name.startswith("appimage-"), "what belongs to no service is called by its kind"


@pytest.mark.parametrize("answer", ["it is a thesis", Unseen("closed"), ControlError("odd")])
def test_a_file_that_has_changed_or_cannot_be_checked_again_is_restored(
    tmp_path: Path, two: bool, answer: str | Exception
) -> None:
    """Its user may have filled the file with something else after the look. Root asks once more what it has moved,
    where he cannot reach it; no answer is no permission to keep it.
    """
    host = made_host(tmp_path)
    content = (tmp_path / FILE[1:]).read_bytes()
    checked: list[tuple[bytes | None, str]] = []

    def doubt(door: Host, path: str, original: str) -> str:
        checked.append((door.read(path), original))
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ControlError, match=f"{answer}; the next run checks again"):
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage", doubt=doubt)).apply()
    assert checked == [(content, FILE)]
    assert (tmp_path / FILE[1:]).read_bytes() == content
    assert list(folders(host)) == [] and not list(tmp_path.glob("**/.proscribe-quarantine-*"))


def test_what_cannot_be_moved_stays_and_leaves_no_folder_behind(
    tmp_path: Path, two: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is immutable, say (chattr +i). A folder without content would look like a run that was killed."""
    host = made_host(tmp_path)
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


@pytest.mark.parametrize("links", [True, False], ids=["a file system with hard links", "one without"])
class TestPut:
    """What goes back to its place: users write to the directory meanwhile, and nothing of theirs is replaced."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> Path:
        def refused(*what: Any, **how: Any) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        if not links:
            monkeypatch.setattr(os, "link", refused)
        (tmp_path / "ours").write_text("ours")
        return tmp_path

    def test_it_has_its_place_and_its_old_name_no_more(self, here: Path) -> None:
        put(here, "ours", "new")
        assert [(path.name, path.read_text()) for path in here.iterdir()] == [("new", "ours")]

    @pytest.mark.parametrize("theirs", ["file", "directory", "link to nothing"])
    def test_what_stands_there_stays(self, here: Path, theirs: str) -> None:
        make = {"file": Path.touch, "directory": Path.mkdir, "link to nothing": lambda at: at.symlink_to("nowhere")}
        make[theirs](here / "new")
        seen = (here / "new").lstat()
        (here / "tree").mkdir()
        for name in ("ours", "tree"):
            with pytest.raises(OSError, match="File exists|not permitted"):
                put(here, name, "new")
            assert os.path.samestat((here / "new").lstat(), seen) and (here / name).exists()


def test_only_what_is_seen_at_its_place_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is placed already goes from the quarantine: were it said of what nobody saw, nothing of it would be left."""
    host = made_host(tmp_path)
    seen = (tmp_path / FILE[1:]).stat()
    enforced(host, TREE)
    (item,) = manifest.items(host)
    item = item._replace(path=FILE, placed=[seen.st_dev, seen.st_ino])
    assert completing.is_placed(host, item)
    assert not completing.is_placed(host, item._replace(placed=[seen.st_dev, seen.st_ino + 1]))
    assert not completing.is_placed(host, item._replace(placed=[]))
    (tmp_path / "home/alice/bin").rename(tmp_path / "home/alice/moved")
    assert not completing.is_placed(host, item)
    (tmp_path / "home/alice/bin").symlink_to("moved")  # the same file, by way of a link
    if os.geteuid() == 0:  # of the user's
        os.lchown(tmp_path / "home/alice/bin", 65534, 65534)
        assert not completing.is_placed(host, item)
    for error in (Unseen("a dead mount"), ControlError("a link")):

        def refuse(path: str, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(host, "stat", refuse)
            assert not completing.is_placed(host, item)


@pytest.mark.parametrize("swapped", ["link", "pipe"])
def test_what_is_swapped_in_for_nothing_fails_no_later_run(
    tmp_path: Path, two: bool, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user puts a link or a pipe there for the moment of the move, and something else at once after it."""
    host = made_host(tmp_path)
    path = tmp_path / FILE[1:]

    def swap(step: str) -> None:
        if step == "written" and not path.with_suffix(".old").exists():
            path.rename(path.with_suffix(".old"))
            path.symlink_to("/etc/shadow") if swapped == "link" else os.mkfifo(path)
        elif step == "moved":
            path.write_text("a new one")

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "reached", swap)
        with pytest.raises(ControlError, match="exchanged while it was being taken"):
            moving.take(host, moving.Taking(FILE, ["wechat"], "appimage")).apply()
    assert len(completing.unfinished(host)) == 1
    enforced(host)
    assert completing.unfinished(host) == [] and not list((tmp_path / "home").glob("**/.proscribe*"))
    assert path.read_text() == "a new one" and [one for one in folders(host) if one.path == FILE] == []
