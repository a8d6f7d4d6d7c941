"""The quarantine: what is taken, what stays, what comes back, on one file system and on two."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
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
    killed_at,
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


def test_a_directory_that_is_gone_is_not_made_up(host: Host, tmp_path: Path) -> None:
    enforced(host, FILE)
    (tmp_path / "home/alice/bin/notes").unlink()
    (tmp_path / "home/alice/bin").rmdir()
    (refusal,) = lifted(host).refused
    assert "/home/alice/bin is not there any more" in refusal.reason


@pytest.mark.parametrize("path", ["/home/alice", "/home/alice/Documents", "/etc/shadow", "/usr/bin/sudo"])
def test_protected_path_is_never_taken(host: Host, path: str) -> None:
    with pytest.raises(ControlError, match="never taken: "):
        moving.take(host, moving.Taking(path, ["wechat"], "tree")).apply()
    assert host.list(ITEMS) == []


@pytest.mark.parametrize("manifest_text", ["", "{", "[]", '{"taken_at": 3}', None])
def test_a_broken_manifest_is_reported_and_blocks_no_other_item(
    host: Host, tmp_path: Path, manifest_text: str | None
) -> None:
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


def test_missing_file_is_not_taken(host: Host, tmp_path: Path) -> None:
    action: Any = moving.take(host, moving.Taking(FILE, ["wechat"], "appimage"))
    (tmp_path / FILE[1:]).unlink()
    action.apply()
    assert host.list(ITEMS) == []


@pytest.mark.parametrize(
    ("lose", "remaining"),
    [
        (
            lambda place: shutil.rmtree(place / "content"),
            f"cannot restore {TREE}: its content is gone from the quarantine",
        ),
        (lambda place: (place.parent / "new").mkdir(), f"{ITEMS} is left: new in it"),
    ],
    ids=["its content is gone", "something else has come"],
)
def test_changed_quarantine_is_left(host: Host, tmp_path: Path, lose: Callable[[Path], None], remaining: str) -> None:
    enforced(host, TREE)
    (name,) = folders(host)
    actions = restoring.given_back(host).actions
    lose(tmp_path / ITEMS[1:] / name)
    with pytest.raises(ControlError, match=f"^{remaining}$"):
        for action in actions:
            action.apply()
    assert host.stat(moving.README)


@examples(40)
@given(st.binary(min_size=1, max_size=60).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47}))
def test_any_name_there_and_back(name: bytes) -> None:
    with tempfile.TemporaryDirectory() as result:
        root = Path(result)
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


def test_only_what_was_seen_is_taken_and_what_was_seen_is(host: Host, tmp_path: Path, two: bool) -> None:
    seen = os.stat(tmp_path / FILE[1:])
    for wrong in ((seen.st_dev + 1, seen.st_ino), (seen.st_dev, seen.st_ino + 1)):
        with pytest.raises(ControlError, match="something else is there by now; the next run checks again"):
            moving.take(host, moving.Taking(FILE, ["wechat"], "appimage", identity=wrong)).apply()
    right = (seen.st_dev, seen.st_ino)
    moving.take(host, moving.Taking(FILE, [], "appimage", identity=right)).apply()
    (name,) = folders(host)
    assert name.startswith("appimage-"), "what belongs to no service is called by its kind"


@pytest.mark.parametrize("answer", ["it is a thesis", Unseen("closed"), ControlError("odd")])
def test_file_that_fails_its_second_check_is_restored(
    host: Host, tmp_path: Path, two: bool, answer: str | Exception
) -> None:
    """Its user may have filled the file with something else after the look. Root asks once more what it has moved,
    where he cannot reach it; no answer is no permission to keep it.
    """
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


def test_file_that_cannot_move_leaves_no_folder(
    host: Host, tmp_path: Path, two: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@pytest.mark.parametrize("links", [True, False], ids=["a file system with hard links", "one without"])
class TestPut:
    """What goes back to its place: users write to the directory meanwhile, and nothing of theirs is replaced."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> Path:
        def refused(*case: Any, **how: Any) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        if not links:
            monkeypatch.setattr(os, "link", refused)
        (tmp_path / "ours").write_text("ours")
        return tmp_path

    def test_put_moves_a_file_to_its_place(self, here: Path) -> None:
        put(here, "ours", "new")
        assert [(path.name, path.read_text()) for path in here.iterdir()] == [("new", "ours")]

    @pytest.mark.parametrize("theirs", ["file", "directory", "link to nothing"])
    def test_put_replaces_nothing(self, here: Path, theirs: str) -> None:
        make = {"file": Path.touch, "directory": Path.mkdir, "link to nothing": lambda at: at.symlink_to("nowhere")}
        make[theirs](here / "new")
        seen = (here / "new").lstat()
        (here / "tree").mkdir()
        for name in ("ours", "tree"):
            with pytest.raises(OSError, match="File exists|not permitted"):
                put(here, name, "new")
            assert os.path.samestat((here / "new").lstat(), seen) and (here / name).exists()


def test_only_what_is_seen_at_its_place_is_there(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is placed already goes from the quarantine: were it said of what nobody saw, nothing of it would be left."""
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
def test_exchanged_file_fails_no_run(
    host: Host, tmp_path: Path, two: bool, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user puts a link or a pipe there for the moment of the move, and something else at once after it."""
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
    assert path.read_text() == "a new one" and [element for element in folders(host) if element.path == FILE] == []


MOST = 100  # steps; a run has far fewer


def contents(root: Path) -> set[bytes]:
    return {fields[-1] for fields in picture(root).values()}


def killed_at_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, begin: Callable[[Host], Callable[[], object]]
) -> Iterator[tuple[Host, dict[str, Any], str]]:
    """Hosts on which what `begin` returns was killed at its first step, its second, and so on, until it came through;
    each with what was there before it began, and with the name of the step.
    """
    for step in range(1, MOST):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host = made_host(root)
            before = picture(root)
            name = killed_at(step, begin(host))
            assert contents(root) >= {fields[-1] for fields in before.values()}, name
            yield host, before, name
        if not name:
            return


def completed(host: Host, path: str, name: str) -> None:
    """The next run takes it, and leaves nothing else."""
    enforced(host, path)
    assert host.stat(path) is None, name
    assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
    assert not list((Path(host.root) / "home").glob("**/.proscribe*")), name


@pytest.mark.slow
@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
@pytest.mark.parametrize("path", [TREE, FILE], ids=["tree", "file"])
@pytest.mark.parametrize("then", ["lift", "enforce"])
def test_restoration_that_is_killed_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, path: str, then: str
) -> None:
    def begin(host: Host) -> Callable[[], object]:
        enforced(host, path)
        return lambda: lifted(host)

    steps = set()
    for host, before, name in killed_at_each_step(tmp_path, monkeypatch, two, begin):
        if then == "enforce":
            completed(host, path, name)
        lifted(host)
        assert picture(Path(host.root)) == before, name
        assert host.list(ITEMS) == []
        steps.add(name)
    assert {"opened", "unsealed", "placed", "dropped"} <= steps
