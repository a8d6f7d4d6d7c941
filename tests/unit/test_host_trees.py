"""What moves other people's files: sums that tell any two apart, copies that have everything, and no link followed.

Before a copy on another file system takes the place of the original, the two are compared by their sums. So a sum that
says less than the whole (nothing of the content, not the names, not the kinds) is how data is lost.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proscribe.host import ControlError, trees

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a directory to work in."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def tree(place: Path) -> Path:
    """A directory with one of each kind of thing."""
    (place / "deep/er").mkdir(parents=True)
    (place / "one").write_bytes(b"one")
    (place / "deep/two").write_bytes(b"two" * 1000)
    (place / "deep/er/empty").touch()
    (place / "link").symlink_to("deep/two")
    os.mkfifo(place / "pipe")
    return place


def test_the_sum_of_a_file_is_that_of_its_content(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 500_000)
    told = trees.sum_up(here, "file")
    assert told == trees.Sum(hashlib.sha256(b"abc" * 500_000).hexdigest(), 1, 1_500_000, 0)


def test_the_sum_of_a_tree_counts_files_and_bytes(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    told = trees.sum_up(here, "a")
    assert (len(told.sha256), told.files, told.size, told.shared) == (64, 3, 3003, 0)


Change = Callable[[Path], object]
CHANGES: dict[str, Change] = {
    "a byte of a file": lambda top: (top / "deep/two").write_bytes(b"two" * 999 + b"twO"),
    "a file is cut short": lambda top: (top / "deep/two").write_bytes(b"two" * 999),
    "an empty file more": lambda top: (top / "deep/er/more").touch(),
    "an empty file less": lambda top: (top / "deep/er/empty").unlink(),
    "another name": lambda top: (top / "one").rename(top / "One"),
    "another place": lambda top: (top / "one").rename(top / "deep/one"),
    "a directory more": lambda top: (top / "deep/empty").mkdir(),
    "a link that leads elsewhere": lambda top: [(top / "link").unlink(), (top / "link").symlink_to("one")],
    "a file in the place of a link": lambda top: [(top / "link").unlink(), (top / "link").write_text("deep/two")],
    "a pipe less": lambda top: (top / "pipe").unlink(),
    "a directory in the place of a pipe": lambda top: [(top / "pipe").unlink(), (top / "pipe").mkdir()],
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_tree_is_another_sum(tmp_path: Path, here: int, change: str) -> None:
    tree(tmp_path / "a")
    before = trees.sum_up(here, "a")
    assert trees.sum_up(here, "a") == before
    CHANGES[change](tmp_path / "a")
    assert trees.sum_up(here, "a").sha256 != before.sha256


def test_equal_trees_have_equal_sums_wherever_they_stand(tmp_path: Path, here: int) -> None:
    assert trees.sum_up(here, tree(tmp_path / "a").name) == trees.sum_up(here, tree(tmp_path / "b").name)


@pytest.mark.parametrize(
    ("links", "shared"),
    [
        pytest.param([("a/one", "a/same")], 0, id="two names in the tree"),
        pytest.param([("a/one", "outside")], 1, id="a name outside"),
        pytest.param([("a/one", "outside"), ("a/one", "a/same")], 1, id="of a file that has two in it as well"),
        pytest.param([("a/one", "outside"), ("a/deep/two", "other")], 2, id="two files"),
    ],
)
def test_files_that_have_names_elsewhere_are_counted(
    tmp_path: Path, here: int, links: list[tuple[str, str]], shared: int
) -> None:
    tree(tmp_path / "a")
    for of, name in links:
        os.link(tmp_path / of, tmp_path / name)
    assert trees.sum_up(here, "a").shared == shared


def test_a_copy_has_everything(tmp_path: Path, here: int) -> None:
    top = tree(tmp_path / "a")
    os.link(top / "one", top / "deep/same")
    (top / "one").chmod(0o4750)
    (top / "deep").chmod(0o2711)
    for path in (top / "one", top / "link", top / "deep", top):
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321), follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(top / "deep/two", 1234, 4321)
        os.chown(top / "link", 1235, 4322, follow_symlinks=False)
        os.chown(top / "pipe", 1236, 4323)
    trees.copy(here, "a", here, "b")
    assert trees.sum_up(here, "b") == trees.sum_up(here, "a")
    for path in [top, *top.rglob("*")]:
        was, now = path.lstat(), (tmp_path / "b" / path.relative_to(top)).lstat()
        kept = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")
        assert [getattr(now, name) for name in kept] == [getattr(was, name) for name in kept], path
    assert (tmp_path / "b/one").stat().st_ino == (tmp_path / "b/deep/same").stat().st_ino
    assert (tmp_path / "b/one").stat().st_ino != (top / "one").stat().st_ino


def test_a_copy_of_one_file(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    os.setxattr(tmp_path / "file", "user.note", b"\0\xff") if hasattr(os, "setxattr") else None
    trees.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 3_000_000
    assert os.getxattr(tmp_path / "copy", "user.note") == b"\0\xff"


def test_nothing_that_is_there_is_written_over(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(FileExistsError):
        trees.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_text() == "mine"


def test_no_link_is_followed(tmp_path: Path, here: int) -> None:
    """Between the look at a name and its opening a user may put a link there: it is an error, and never the target."""
    outside = tree(tmp_path / "outside")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file-link").symlink_to(outside / "one")
    for name in ("link", "file-link"):
        with pytest.raises(ControlError, match="neither a file nor a directory"):
            trees.open_entry(here, name)
        trees.copy(here, name, here, f"copy-of-{name}")
        assert (tmp_path / f"copy-of-{name}").is_symlink()
        trees.remove(here, f"copy-of-{name}")
        assert trees.sum_up(here, name).files == 0
    assert (outside / "one").read_text() == "one"
    trees.remove(here, "link")
    assert outside.is_dir() and not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("act", ["open", "sum", "copy"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_link_that_takes_the_place_of_what_was_looked_at_gives_nothing_away(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch, act: str, kind: str, looks: int
) -> None:
    """It is an error, or the link itself is what is summed up and copied; after whichever look it comes."""
    secret = tree(tmp_path / "secret")
    (tmp_path / "place").touch() if kind == "file" else (tmp_path / "place").mkdir()
    real = os.stat
    seen: list[object] = []

    def swapped(name: object, **options: object) -> os.stat_result:
        result = real(name, **options)  # type: ignore[arg-type]
        seen.append(name)
        if name == "place" and seen.count("place") == looks:
            (tmp_path / "place").rename(tmp_path / "away")
            (tmp_path / "place").symlink_to(secret / "one" if kind == "file" else secret)
        return result

    monkeypatch.setattr(os, "stat", swapped)
    try:
        if act == "open":
            descriptor = trees.open_entry(here, "place")
            assert os.path.samestat(os.fstat(descriptor), real(tmp_path / ("away" if looks == 1 else "place")))
            os.close(descriptor)
        elif act == "sum":
            assert trees.sum_up(here, "place").size == 0
        else:
            trees.copy(here, "place", here, "copy")
            copy = tmp_path / "copy"
            assert copy.is_symlink() or (copy.stat().st_size == 0 if kind == "file" else os.listdir(copy) == [])
    except OSError:
        pass  # it was noticed
    assert (secret / "one").read_text() == "one"


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "place").touch()
    real = os.stat

    def swapped(name: object, **options: object) -> os.stat_result:
        seen = real(name, **options)  # type: ignore[arg-type]
        if name == "place" and stat.S_ISREG(seen.st_mode):
            (tmp_path / "place").unlink()
            os.mkfifo(tmp_path / "place")
        return seen

    monkeypatch.setattr(os, "stat", swapped)
    os.close(trees.open_entry(here, "place"))


@pytest.mark.parametrize(("levels", "fine"), [(trees.DEEPEST - 2, True), (trees.DEEPEST + 1, False)])
def test_what_is_too_deep_is_said(tmp_path: Path, here: int, levels: int, fine: bool) -> None:
    (tmp_path / "a" / "/".join("d" * levels)).mkdir(parents=True)
    for act in (lambda: trees.sum_up(here, "a"), lambda: trees.copy(here, "a", here, "b")):
        if fine:
            act()
        else:
            with pytest.raises(ControlError, match=f"more than {trees.DEEPEST} deep"):
                act()


def test_no_descriptor_stays_open(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    before = os.listdir("/proc/self/fd")
    trees.sum_up(here, "a")
    trees.copy(here, "a", here, "b")
    trees.remove(here, "b")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_gone_is_no_error_to_take_away(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    trees.remove(here, "a")
    assert os.listdir(tmp_path) == []
    trees.remove(here, "a")


@ROOT
def test_set_user_id_and_attributes_outlive_a_change_of_the_owner(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "copy").touch()
    os.chown(tmp_path / "file", 1234, 4321)
    (tmp_path / "file").chmod(0o6755)
    opened = [trees.open_entry(here, name) for name in ("file", "copy")]
    trees.give_attributes(opened[1], trees.attributes(opened[0]))
    assert trees.attributes(opened[1]) == trees.attributes(opened[0])
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o6755
    for descriptor in opened:
        os.close(descriptor)
