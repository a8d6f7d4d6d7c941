"""What a move into the quarantine or out of it leaves when it is cut short, twice, or by a full disk."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
    restored,
)
from proscribe.host.controls.apps.quarantine import completing, manifest, moving, restoring
from proscribe.host.system import ControlError, Host
from proscribe.host.system.file_attributes import Attributes


def item_of(host: Host, path: str) -> manifest.Item:
    (item,) = [item for item in manifest.items(host) if item.path == path]
    return item


class Killed(BaseException):
    """What ends a run in place of a signal: nothing of it is completed."""


def cut_short(monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[], object], count: int = 1) -> None:
    """Do the work until it comes to a step of that name for the `count`th time."""
    left = [count]

    def reached(step: str) -> None:
        left[0] -= step == name
        if not left[0]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "reached", reached)
        with pytest.raises(Killed):
            work()


def steps(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> list[str]:
    found: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "reached", found.append)
        work()
    return found


def test_each_change_of_the_disk_is_a_step_at_which_a_run_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a step without a name, no test shows that a run which ends there loses nothing."""
    host = made_host(tmp_path)
    taking = ["folder made", "written", "moved", "sealed", "written", "kept"]
    gone = ["content gone", "manifest gone", "dropped"]
    assert (
        steps(monkeypatch, lambda: enforced(host, TREE)) == taking == steps(monkeypatch, lambda: enforced(host, FILE))
    )
    tree, file = item_of(host, TREE), item_of(host, FILE)
    placing = ["opened", "written", "unsealed", "written"]
    assert steps(monkeypatch, lambda: restoring.restore(host, tree)) == [*placing, "placed", *gone]
    assert steps(monkeypatch, lambda: restoring.restore(host, file)) == [*placing, "linked", "placed", *gone]


def test_so_it_is_between_two_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
    in_two_file_systems(monkeypatch, tmp_path)
    found = steps(monkeypatch, lambda: enforced(host, FILE))
    tail = ["sealed", "copied", "compared", "original gone", "hold gone", "sealed", "written", "kept"]
    assert found[-len(tail) :] == tail
    found = steps(monkeypatch, lambda: lifted(host))
    middle = ["hold made", "copied", "compared", "unsealed", "written", "linked", "placed", "content gone", "hold gone"]
    assert [name for name in found if name in middle and name != "written"] == [
        "unsealed", *(name for name in middle if name != "written")
    ]  # fmt: skip


@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
def test_no_descriptor_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool) -> None:
    """A run goes over all that is in the quarantine, and a process may have a thousand."""
    host = made_host(tmp_path)
    if two:
        in_two_file_systems(monkeypatch, tmp_path)
    before = sorted(os.listdir("/proc/self/fd"))
    enforced(host, TREE, FILE)
    lifted(host)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
def test_nothing_of_the_directory_that_it_runs_in_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool
) -> None:
    """The names of what is moved are those in an item's folder; an operator may stand in a directory that has them."""
    (tmp_path / "host").mkdir()
    host = made_host(tmp_path / "host")
    here = tmp_path / "here"
    here.mkdir()
    for name in (manifest.CONTENT, completing.COPYING, manifest.MANIFEST):
        (here / name).write_text("an operator's")
    before = picture(here)
    monkeypatch.chdir(here)
    if two:
        in_two_file_systems(monkeypatch, tmp_path / "host")
    enforced(host, TREE, FILE)
    (tmp_path / "host" / TREE[1:]).mkdir()
    lifted(host)
    assert picture(here) == before


# -- killed twice ------------------------------------------------------------------------------------------------------


def test_what_is_sealed_before_a_second_kill_comes_back_as_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user exchanged it at the last moment: its manifest learns of it once, not again from what root has sealed."""
    host = made_host(tmp_path)
    (tmp_path / "other").write_text("a thesis")
    (tmp_path / "other").chmod(0o640)

    def take() -> None:
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage")).apply()

    def exchanged(name: str) -> None:
        if name == "written" and (tmp_path / "other").exists():
            os.replace(tmp_path / "other", tmp_path / FILE[1:])
        if name == "moved":
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(manifest, "reached", exchanged)
        take()
    cut_short(monkeypatch, "sealed", lambda: enforced(host))
    seen = (tmp_path / ITEMS[1:] / next(folders(host)) / manifest.CONTENT).stat()
    assert item_of(host, FILE).identity == [seen.st_dev, seen.st_ino] and stat.S_IMODE(seen.st_mode) == 0o600
    enforced(host)
    lifted(host)
    back = tmp_path / FILE[1:]
    assert (back.read_text(), stat.S_IMODE(back.stat().st_mode)) == ("a thesis", 0o640)


def test_a_restoring_that_is_cut_short_is_not_taken_for_done_by_what_an_earlier_one_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file may get the number of the old one: with it at the path, the only copy would be taken away."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    cut_short(monkeypatch, "written", lambda: lifted(host), 2)  # what is about to be placed
    placed = item_of(host, FILE).placed
    assert len(placed) == 2
    cut_short(monkeypatch, "written", lambda: lifted(host))
    assert item_of(host, FILE).placed == []
    lifted(host)
    assert list(folders(host)) == [] and host.stat(FILE)


def test_what_stands_at_its_place_already_is_completed_although_a_later_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content is there twice until then, and the folder in the quarantine would stay for ever."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    first = item_of(host, FILE).id
    (tmp_path / FILE[1:]).write_text("a later one")
    enforced(host, FILE)
    (later,) = [item for item in manifest.items(host) if item.id != first]
    (of_first,) = [item for item in manifest.items(host) if item.id == first]
    cut_short(monkeypatch, "placed", lambda: restoring.restore(host, of_first))
    place = tmp_path / ITEMS[1:] / f"{first}.unfinished"
    times = json.loads((place / manifest.MANIFEST).read_text())
    (place / manifest.MANIFEST).write_text(json.dumps({**times, "taken_at": "2020-01-01T00:00:00Z"}))
    changes = lifted(host)
    assert [refusal.reason for refusal in changes.refused] == [
        f"something is there now; it is kept as {later.id} in {ITEMS}"
    ]
    assert list(folders(host)) == [later.id] and (tmp_path / FILE[1:]).read_bytes().startswith(b"\x7fELF")


def test_of_several_things_that_one_is_restored_whose_move_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = made_host(tmp_path)
    enforced(host, TREE)
    cut_short(monkeypatch, "moved", lambda: enforced(host, FILE))
    file = item_of(host, FILE)
    assert restored(host, file.id) == {file.id: ""}
    assert host.stat(FILE) and not host.stat(TREE)


def test_what_had_not_moved_is_not_restored_and_its_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = made_host(tmp_path)
    before = picture(tmp_path, "home")
    cut_short(monkeypatch, "written", lambda: enforced(host, FILE))
    assert restoring.restore(host, item_of(host, FILE)) is None
    assert list(folders(host)) == [] and picture(tmp_path, "home") == before
    enforced(host, FILE)
    assert restoring.restore(host, item_of(host, FILE)) == ""


# -- rests of a copy ---------------------------------------------------------------------------------------------------


def test_the_rest_of_a_copy_does_not_keep_a_folder_in_which_nothing_is(tmp_path: Path) -> None:
    """Killed in the middle of it, while its file system is not mounted any more: every run would fail at it."""
    host = made_host(tmp_path)
    enforced(host, TREE)
    place = tmp_path / ITEMS[1:] / "x-0123abcd.unfinished"
    place.mkdir()
    (place / completing.COPYING).mkdir()
    (place / completing.COPYING / "half").write_text("half of it")
    descriptor = os.open(place, os.O_RDONLY)
    nothing = Attributes(0, 0, 0, 0, 0, {})
    item = manifest.Item("x-0123abcd", FILE, [], "", "", "", [], nothing, hold="/home/.proscribe-quarantine-x-0123abcd")
    manifest.write(descriptor, item)
    os.close(descriptor)
    enforced(host)
    assert list(folders(host)) == [item_of(host, TREE).id]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ControlError("too much")])
def test_a_copy_that_fails_leaves_no_rest_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The disk may be full: what is left of it would keep it so."""
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / manifest.CONTENT).write_text("content")
    descriptors = [os.open(tmp_path / name, os.O_RDONLY) for name in ("source", "target")]
    real = completing.copy

    def half(*what: Any) -> None:
        real(*what)
        raise error

    monkeypatch.setattr(completing, "copy", half)
    with pytest.raises(type(error)) as raised:
        completing.copy_over(*descriptors)
    assert raised.value is error and os.listdir(tmp_path / "target") == []

    def gone(*what: Any) -> None:
        raise type(error)(*error.args)

    calls = iter([lambda *_: None, gone])
    monkeypatch.setattr(completing, "remove", lambda *what: next(calls)(*what))
    with pytest.raises(type(error)) as raised:
        completing.copy_over(*descriptors)
    assert raised.value is error, "the first reason counts, also where what is left cannot be removed"
    for descriptor in descriptors:
        os.close(descriptor)


def test_the_rest_of_an_earlier_copy_is_no_part_of_the_next(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / manifest.CONTENT).mkdir()
    (tmp_path / "source" / manifest.CONTENT / "a").write_text("content")
    (tmp_path / "target" / completing.COPYING).mkdir()
    (tmp_path / "target" / completing.COPYING / "b").write_text("of an earlier one")
    descriptors = [os.open(tmp_path / name, os.O_RDONLY) for name in ("source", "target")]
    summed = completing.copy_over(*descriptors)
    assert os.listdir(tmp_path / "target") == [manifest.CONTENT]
    assert os.listdir(tmp_path / "target" / manifest.CONTENT) == ["a"]
    assert summed == completing.sum_up(descriptors[0], manifest.CONTENT)
    for descriptor in descriptors:
        os.close(descriptor)


# -- names, and what they lead to --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["nowhere", "folder", "file"])
@pytest.mark.parametrize("code", [0, errno.EPERM, errno.ENOTSUP])
def test_a_link_is_put_as_itself_wherever_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, code: int
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("root's")
    (tmp_path / "link").symlink_to(target)
    real = os.link

    def link(*what: Any, **how: Any) -> None:
        if code:
            raise OSError(code, os.strerror(code))
        real(*what, **how)

    monkeypatch.setattr(os, "link", link)
    directory = os.open(tmp_path, os.O_RDONLY)
    completing.put(directory, "link", directory, "new")
    assert os.readlink(tmp_path / "new") == target and sorted(os.listdir(tmp_path)) == ["file", "folder", "new"]
    assert (tmp_path / "file").stat().st_nlink == 1
    os.close(directory)


@pytest.mark.parametrize(
    ("code", "appears"), [(errno.EACCES, False), (errno.ENOSPC, False), (errno.EPERM, True), (errno.ENOTSUP, True)]
)
def test_where_a_name_cannot_be_made_nothing_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, appears: bool
) -> None:
    """A file system without hard links can only rename, which would replace what a user has just put there."""
    (tmp_path / "ours").write_text("ours")

    def link(*what: Any, **how: Any) -> None:
        if appears:
            (tmp_path / "new").write_text("theirs")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)
    directory = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match=os.strerror(code)):
        completing.put(directory, "ours", directory, "new")
    assert (tmp_path / "ours").read_text() == "ours"
    assert not appears or (tmp_path / "new").read_text() == "theirs"
    os.close(directory)


def test_what_goes_back_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a host that loses power has it with root's mode, or without its times, and nothing to correct it by."""
    host = made_host(tmp_path)
    seen = (tmp_path / FILE[1:]).stat()
    enforced(host, FILE)
    found: list[object] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(manifest, "reached", found.append)
    lifted(host)
    assert seen.st_ino in found[: found.index("unsealed")]


def test_a_quarantine_with_something_else_in_it_is_left(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    enforced(host, FILE)
    changes = restoring.given_back(host)
    (tmp_path / ITEMS[1:] / "notes").write_text("an operator's")
    (*moves, last) = changes.actions
    for action in moves:
        action.apply()
    with pytest.raises(ControlError, match=f"{ITEMS} is left: notes in it"):
        last.apply()
    assert sorted(host.list(ITEMS)) == ["README", "notes"] and host.stat(FILE)
    (tmp_path / ITEMS[1:] / "notes").unlink()
    last.apply()
    assert host.list(ITEMS) == []
    last.apply()  # also where it is gone already


def test_restoring_a_doubtful_file_is_a_step_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
    before = (tmp_path / FILE[1:]).read_bytes()

    def take() -> None:
        doubtful = moving.Taking(FILE, ["wechat"], "appimage", doubt=lambda *_: "it is a thesis")
        with pytest.raises(ControlError, match="it is a thesis; the next run checks again"):
            moving.take(host, doubtful).apply()

    names = ["folder made", "written", "moved", "linked", "returned", "manifest gone", "dropped"]
    assert steps(monkeypatch, take) == names
    assert (tmp_path / FILE[1:]).read_bytes() == before and list(folders(host)) == []
    assert moving.take(host, moving.Taking("/home/alice/gone", ["wechat"], "appimage")).apply() == ""
