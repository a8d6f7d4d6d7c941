"""What a move into the quarantine or out of it leaves when it is cut short, twice, or by a full disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

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
)
from proscribe.host.controls.apps.quarantine import manifest, moving, restoring
from proscribe.host.system import ControlError, Host


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


# -- names, and what they lead to --------------------------------------------------------------------------------------


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
