"""What moves other people's files: sums that tell any two apart, copies that have everything, and no link followed.

Before a copy on another file system takes the place of the original, the two are compared by their sums. So a sum that
says less than the whole (nothing of the content, not the names, not the kinds) is how data is lost.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, directories, file_attributes

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
    summary = directories.sum_up(here, "file")
    assert summary == directories.Sum(hashlib.sha256(b"abc" * 500_000).hexdigest(), 1, 1_500_000, 0)


def test_the_sum_of_a_tree_counts_files_and_bytes(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    summary = directories.sum_up(here, "a")
    assert (len(summary.sha256), summary.files, summary.size, summary.shared) == (64, 3, 3003, 0)


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
    before = directories.sum_up(here, "a")
    assert directories.sum_up(here, "a") == before
    CHANGES[change](tmp_path / "a")
    assert directories.sum_up(here, "a").sha256 != before.sha256


def test_equal_trees_have_equal_sums_wherever_they_stand(tmp_path: Path, here: int) -> None:
    assert directories.sum_up(here, tree(tmp_path / "a").name) == directories.sum_up(here, tree(tmp_path / "b").name)


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
    assert directories.sum_up(here, "a").shared == shared


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
    directories.copy(here, "a", here, "b")
    assert directories.sum_up(here, "b") == directories.sum_up(here, "a")
    for path in [top, *top.rglob("*")]:
        was, now = path.lstat(), (tmp_path / "b" / path.relative_to(top)).lstat()
        compared = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")
        assert [getattr(now, name) for name in compared] == [getattr(was, name) for name in compared], path
    assert (tmp_path / "b/one").stat().st_ino == (tmp_path / "b/deep/same").stat().st_ino
    assert (tmp_path / "b/one").stat().st_ino != (top / "one").stat().st_ino


def test_a_copy_of_one_file(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    os.setxattr(tmp_path / "file", "user.note", b"\0\xff") if hasattr(os, "setxattr") else None
    directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 3_000_000
    assert os.getxattr(tmp_path / "copy", "user.note") == b"\0\xff"


@pytest.mark.parametrize("end", ["a hole", "zeros"])
def test_a_copy_is_as_long_as_the_file_whatever_that_ends_with(tmp_path: Path, here: int, end: str) -> None:
    with (tmp_path / "file").open("wb") as stream:
        stream.write(b"x" * 5000 + (bytes(10_000) if end == "zeros" else b""))
        stream.truncate(15_000)
    directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 5000 + bytes(10_000)


def test_what_a_disk_cannot_read_is_no_end_of_the_file(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, at: int, how: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "file").write_bytes(b"x" * 5000)
    monkeypatch.setattr(os, "lseek", broken)
    with pytest.raises(OSError, match="Input/output error"):
        directories.copy(here, "file", here, "copy")


def test_where_a_name_ends_is_part_of_the_sum(tmp_path: Path, here: int) -> None:
    """A link's name and what it says are both its maker's words, of which one could be made to run into the other."""
    for top, name, target in (("a", "x", "120000y"), ("b", "x120000", "y")):
        (tmp_path / top).mkdir()
        (tmp_path / top / name).symlink_to(target)
    assert directories.sum_up(here, "a").sha256 != directories.sum_up(here, "b").sha256


def test_only_data_is_read_and_counted_and_no_hole_beside_it(tmp_path: Path, here: int) -> None:
    """A disk image is taken for what it has; counted with its holes, many would be too large to be copied."""
    with (tmp_path / "file").open("wb") as stream:
        for number in range(3):
            stream.seek(number * 1_048_576)
            stream.write(b"x" * 4096)
    allowance = directories.Allowance((tmp_path / "file").stat().st_blocks * 512)
    directories.sum_up(here, "file", allowance)
    assert allowance.left == 0


def test_a_large_file_is_read_in_large_pieces(tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is, no other run can change the host; piece by piece of a block, 4 GiB take a million reads."""
    (tmp_path / "file").write_bytes(b"x" * 8_000_000)
    sizes: list[int] = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *what: sizes.append(what[1]) or real(*what))
    directories.sum_up(here, "file")
    assert sum(sizes) == 8_000_000 and len(sizes) < 20


def test_a_file_system_with_small_blocks_has_holes_within_ours(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 1 KiB a block (ext4 can), what is asked from the beginning of our block on is a hole there already."""
    content = (bytes(1024) + b"x" * 1024 + bytes(2048)) * 2
    (tmp_path / "file").write_bytes(content)

    def lseek(descriptor: int, at: int, how: int) -> int:
        block = at // 1024
        if how == os.SEEK_DATA:
            return next(max(at, found * 1024) for found in (1, 5) if found >= block)
        return at if block not in (1, 5) else (block + 1) * 1024

    monkeypatch.setattr(os, "lseek", lseek)
    assert directories.sum_up(here, "file").sha256 == hashlib.sha256(content).hexdigest()
    directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_what_is_written_in_part_is_written_on_where_it_ended(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(os.urandom(20_000))
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, piece, at: real(descriptor, piece[:3_000], at))
    directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()


def test_nothing_that_is_there_is_written_over(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(FileExistsError):
        directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_text() == "mine"


def test_no_link_is_followed(tmp_path: Path, here: int) -> None:
    """A user may put a link at a name between its check and its opening. That is an error; its target is not used."""
    outside = tree(tmp_path / "outside")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file-link").symlink_to(outside / "one")
    for name in ("link", "file-link"):
        with pytest.raises(ControlError, match="neither a file nor a directory"):
            directories.open_entry(here, name)
        directories.copy(here, name, here, f"copy-of-{name}")
        assert (tmp_path / f"copy-of-{name}").is_symlink()
        directories.remove(here, f"copy-of-{name}")
        assert directories.sum_up(here, name).files == 0
    assert (outside / "one").read_text() == "one"
    directories.remove(here, "link")
    assert outside.is_dir() and not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("lookups", [1, 2])
@pytest.mark.parametrize("act", ["open", "sum", "copy"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_link_that_replaces_what_was_checked_reveals_nothing(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch, act: str, kind: str, lookups: int
) -> None:
    """It is an error, or the link itself is what is summed up and copied; after whichever look it comes."""
    secret = tree(tmp_path / "secret")
    (tmp_path / "place").touch() if kind == "file" else (tmp_path / "place").mkdir()
    real = os.stat
    seen: list[object] = []

    def swapped(name: object, **options: object) -> os.stat_result:
        result = real(name, **options)  # type: ignore[arg-type]
        seen.append(name)
        if name == "place" and seen.count("place") == lookups:
            (tmp_path / "place").rename(tmp_path / "away")
            (tmp_path / "place").symlink_to(secret / "one" if kind == "file" else secret)
        return result

    monkeypatch.setattr(os, "stat", swapped)
    try:
        if act == "open":
            descriptor = directories.open_entry(here, "place")
            assert os.path.samestat(os.fstat(descriptor), real(tmp_path / ("away" if lookups == 1 else "place")))
            os.close(descriptor)
        elif act == "sum":
            assert directories.sum_up(here, "place").size == 0
        else:
            directories.copy(here, "place", here, "copy")
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
    os.close(directories.open_entry(here, "place"))


@pytest.mark.parametrize(("levels", "fine"), [(directories.DEEPEST - 1, True), (directories.DEEPEST, False)])
def test_what_is_too_deep_is_said(tmp_path: Path, here: int, levels: int, fine: bool) -> None:
    """What can be copied can be compared afterwards: both end at the same level."""
    (tmp_path / "a" / "/".join("d" * levels)).mkdir(parents=True)
    (tmp_path / "a" / "/".join("d" * levels) / "file").touch()
    for act in (lambda: directories.sum_up(here, "a"), lambda: directories.copy(here, "a", here, "b")):
        if fine:
            act()
        else:
            with pytest.raises(ControlError, match=f"more than {directories.DEEPEST} deep"):
                act()


def test_no_descriptor_stays_open(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    before = os.listdir("/proc/self/fd")
    directories.sum_up(here, "a")
    directories.copy(here, "a", here, "b")
    directories.remove(here, "b")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_is_gone_is_no_error_to_take_away(tmp_path: Path, here: int) -> None:
    tree(tmp_path / "a")
    directories.remove(here, "a")
    assert os.listdir(tmp_path) == []
    directories.remove(here, "a")


@ROOT
def test_set_user_id_and_attributes_outlive_a_change_of_the_owner(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "copy").touch()
    os.chown(tmp_path / "file", 1234, 4321)
    (tmp_path / "file").chmod(0o6755)
    opened = [directories.open_entry(here, name) for name in ("file", "copy")]
    file_attributes.give_attributes(opened[1], file_attributes.attributes(opened[0]))
    assert file_attributes.attributes(opened[1]) == file_attributes.attributes(opened[0])
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o6755
    for descriptor in opened:
        os.close(descriptor)


def test_a_sum_reads_as_much_as_is_allowed_and_no_byte_more(tmp_path: Path, here: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * 5000)
    directories.sum_up(here, "file", directories.Allowance(5000))
    directories.copy(here, "file", here, "copy", directories.Allowance(5000))
    for work in (directories.sum_up, lambda *what: directories.copy(*what[:2], here, "other", what[2])):
        with pytest.raises(ControlError, match="more than 0 MiB of data"):
            work(here, "file", directories.Allowance(4999))
    with pytest.raises(ControlError, match="more than 3 MiB"):
        directories.Allowance(3 * 2**20 + 1).take(4 * 2**20)


def test_an_allowance_is_for_all_files_together(tmp_path: Path, here: int) -> None:
    (tmp_path / "a").mkdir()
    for number in range(3):
        (tmp_path / f"a/{number}").write_bytes(b"x" * 1000)
    allowance = directories.Allowance(3000)
    directories.sum_up(here, "a", allowance)
    assert allowance.left == 0
    with pytest.raises(ControlError):
        directories.copy(here, "a", here, "b", directories.Allowance(2999))


def test_zeros_that_nobody_would_wait_for_are_counted_and_others_hashed(tmp_path: Path, here: int) -> None:
    """A sum is the plain SHA-256 up to as many zeros. Beyond them it still differs for any two lengths."""
    sums = {}
    for size in (8192, 12288, 16384):
        (tmp_path / "file").write_bytes(b"")
        os.truncate(tmp_path / "file", size)
        allowance = directories.Allowance()
        allowance.zeros = 12288
        sums[size] = directories.sum_up(here, "file", allowance).sha256
        assert allowance.zeros == (12288 - size if size <= 12288 else 12288)
    assert sums[8192] == hashlib.sha256(bytes(8192)).hexdigest()
    assert sums[12288] == hashlib.sha256(bytes(12288)).hexdigest()
    assert sums[16384] == hashlib.sha256(b"16384 zeros").hexdigest()


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 4097])
@pytest.mark.parametrize("hole", [False, True])
def test_pieces_end_where_they_end(tmp_path: Path, here: int, size: int, hole: bool) -> None:
    """Around the size of a piece: with a block of zeros in the middle that was written, or that is a hole."""
    content = bytearray(os.urandom(size))
    content[4096:12288] = bytes(8192)
    with (tmp_path / "file").open("wb") as stream:
        if hole:
            stream.write(content[:4096])
            stream.seek(12288)
            stream.write(content[12288:])
        else:
            stream.write(content)
    assert directories.sum_up(here, "file").sha256 == hashlib.sha256(content).hexdigest()
    directories.copy(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert (tmp_path / "copy").stat().st_blocks * 512 <= size // 4096 * 4096, "a copy keeps holes, and makes them"


def test_what_a_tree_takes(tmp_path: Path, here: int) -> None:
    """Blocks on the disk, a file with two names once, no hole; and every name counts as an entry."""
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(b"x" * 10_000)
    os.link(tmp_path / "a/one", tmp_path / "a/deep/same")
    (tmp_path / "a/sparse").touch()
    os.truncate(tmp_path / "a/sparse", 2**40)
    paths = [tmp_path / "a", tmp_path / "a/deep", tmp_path / "a/one", tmp_path / "a/sparse"]
    assert directories.extent(here, "a") == directories.Extent(sum(path.lstat().st_blocks * 512 for path in paths), 5)
    assert directories.extent(here, "a", 5).entries == 5
    with pytest.raises(ControlError, match="more than 4 files"):
        directories.extent(here, "a", 4)


def test_what_is_taken_away_may_have_any_kind_in_it(tmp_path: Path, here: int) -> None:
    outside = tree(tmp_path / "outside")
    top = tree(tmp_path / "a")
    (top / "deep/away").symlink_to(outside)
    directories.remove(here, "a")
    assert sorted(os.listdir(tmp_path)) == ["outside"] and (outside / "deep/two").exists()
    (tmp_path / "file").touch()
    directories.remove(here, "file")
    assert sorted(os.listdir(tmp_path)) == ["outside"]


@pytest.mark.parametrize("act", ["sum", "copy", "remove"])
def test_nothing_goes_into_a_file_system_that_is_mounted_in_it(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """A user's own mount may have anything behind it, and what is on it is not the thing that was found."""
    tree(tmp_path / "a")
    real = os.stat

    def elsewhere(name: object, **options: object) -> os.stat_result:
        seen = real(name, **options)  # type: ignore[arg-type]
        return os.stat_result([*seen[:2], seen.st_dev + 1, *seen[3:]]) if name == "er" else seen

    monkeypatch.setattr(os, "stat", elsewhere)
    with pytest.raises(ControlError, match="another file system is mounted at .*er in it"):
        if act == "sum":
            directories.sum_up(here, "a")
        elif act == "copy":
            directories.copy(here, "a", here, "b")
        else:
            directories.remove(here, "a")
    assert (tmp_path / "a/deep/er/empty").exists()


def test_while_it_is_copied_nobody_else_can_open_it(tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own mode comes when its content is there; until then a copy is its owner's, which is root."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    for path in (tmp_path / "a/file", tmp_path / "a"):
        path.chmod(0o777)
    modes: list[int] = []
    real = file_attributes.give_attributes

    def noted(descriptor: int, desired: file_attributes.Attributes) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor, desired)

    monkeypatch.setattr(directories, "give_attributes", noted)
    monkeypatch.setattr(os, "umask", lambda mask: mask)
    directories.copy(here, "a", here, "b")
    assert modes == [0o600, 0o700]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("b", "b/file")] == [0o777, 0o777]


def test_all_of_a_copy_is_on_the_disk_before_the_original_goes(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/deep/file").write_text("x")
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")) or real(fd))
    directories.copy(here, "a", here, "b")
    assert synced == [f"{tmp_path}/b/deep/file", f"{tmp_path}/b/deep", f"{tmp_path}/b"]


@pytest.mark.parametrize("error", ["EPERM", "ENOTSUP", "ENODATA", "EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["chown", "chmod", "setxattr"])
def test_a_file_system_without_owners_is_no_error_and_a_broken_one_is(
    tmp_path: Path, here: int, monkeypatch: pytest.MonkeyPatch, call: str, error: str
) -> None:
    (tmp_path / "file").touch()

    def refused(*what: object, **how: object) -> None:
        raise OSError(getattr(errno, error), error)

    monkeypatch.setattr(os, call, refused)
    descriptor = directories.open_entry(here, "file")
    desired = file_attributes.attributes(descriptor)._replace(xattrs={"user.note": "eA=="}, mtime_ns=10**18)
    if error == "EIO" or (error == "ENOSPC" and call != "setxattr"):  # a user may have more of those than fit
        with pytest.raises(OSError, match=error):
            file_attributes.give_attributes(descriptor, desired)
    else:
        file_attributes.give_attributes(descriptor, desired)
        assert (tmp_path / "file").stat().st_mtime_ns == 10**18
    os.close(descriptor)
