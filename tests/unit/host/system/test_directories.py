"""Sums and copies of users' files: any difference changes the sum, and no link is followed.

A copy takes the place of the original where their sums are equal, so a sum of less than the whole loses data.
"""

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, directories, file_attributes
from refusals import make_refusal


@pytest.fixture
def here(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def make_tree(place: Path) -> Path:
    (place / "deep/er").mkdir(parents=True)
    (place / "one").write_bytes(b"one")
    (place / "deep/two").write_bytes(b"two" * 1000)
    (place / "deep/er/empty").touch()
    (place / "link").symlink_to("deep/two")
    os.mkfifo(place / "pipe")
    return place


@pytest.mark.slow
def test_copy_has_all_content_and_attributes(tmp_path, here):
    top = make_tree(tmp_path / "a")
    os.link(top / "one", top / "deep/same")
    if os.geteuid() == 0:
        os.chown(top / "deep/two", 1234, 4321)
        os.chown(top / "link", 1235, 4322, follow_symlinks=False)
        os.chown(top / "pipe", 1236, 4323)
        os.chown(top / "one", 1234, 4321)
    (top / "one").chmod(0o4750)
    (top / "deep").chmod(0o2711)
    for path in (top / "one", top / "link", top / "deep", top):
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321), follow_symlinks=False)

    directories.copy_entry(here, "a", here, "b")
    assert directories.sum_content(here, "b") == directories.sum_content(here, "a")
    for path in [top, *top.rglob("*")]:
        was, now = path.lstat(), (tmp_path / "b" / path.relative_to(top)).lstat()
        compared = ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")
        assert [getattr(now, name) for name in compared] == [getattr(was, name) for name in compared], path
    assert (tmp_path / "b/one").stat().st_ino == (tmp_path / "b/deep/same").stat().st_ino
    assert (tmp_path / "b/one").stat().st_ino != (top / "one").stat().st_ino


@pytest.mark.parametrize("zeros", [0, 10_000])
def test_copy_is_as_long_as_a_file_that_ends_with_a_hole_or_zeros(tmp_path, here, zeros):
    with (tmp_path / "file").open("wb") as stream:
        stream.write(b"x" * 5000 + bytes(zeros))
        stream.truncate(15_000)
    directories.copy_entry(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 5000 + bytes(10_000)


def test_read_error_of_a_disk_is_no_end_of_the_file(tmp_path, here, monkeypatch):
    (tmp_path / "file").write_bytes(b"x" * 5000)
    monkeypatch.setattr(os, "lseek", make_refusal(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        directories.copy_entry(here, "file", here, "copy")


def test_holes_of_a_file_system_with_small_blocks_are_read(tmp_path, here, monkeypatch):
    """With 1 KiB a block (ext4 can), what is asked from the beginning of our block on is a hole there already."""
    content = (bytes(1024) + b"x" * 1024 + bytes(2048)) * 2
    (tmp_path / "file").write_bytes(content)

    def lseek(descriptor, at, how):
        block = at // 1024
        if how == os.SEEK_DATA:
            return next(max(at, found * 1024) for found in (1, 5) if found >= block)
        return at if block not in (1, 5) else (block + 1) * 1024

    monkeypatch.setattr(os, "lseek", lseek)
    assert directories.sum_content(here, "file").sha256 == hashlib.sha256(content).hexdigest()
    directories.copy_entry(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_link_is_copied_and_not_followed(tmp_path, here):
    """A user may put a link at a name between its check and its opening. That is an error; its target is not used."""
    outside = make_tree(tmp_path / "outside")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file-link").symlink_to(outside / "one")
    (tmp_path / "dangling").symlink_to("none")
    for name in ("link", "file-link", "dangling"):
        with pytest.raises(ControlError, match="neither a file nor a directory"):
            directories.open_entry(here, name)
        directories.copy_entry(here, name, here, f"copy-of-{name}")
        assert (tmp_path / f"copy-of-{name}").is_symlink()
        directories.remove_entry(here, f"copy-of-{name}")
        assert directories.sum_content(here, name).files == 0
    assert (outside / "one").read_text() == "one"
    directories.remove_entry(here, "link")
    assert outside.is_dir() and not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(("levels", "fine"), [(199, True), (200, False)])
def test_tree_that_is_too_deep_is_an_error(tmp_path, here, levels, fine):
    """A tree that can be copied can be compared: both end at the same level."""
    (tmp_path / "a" / "/".join("d" * levels)).mkdir(parents=True)
    (tmp_path / "a" / "/".join("d" * levels) / "file").touch()
    for act in (lambda: directories.sum_content(here, "a"), lambda: directories.copy_entry(here, "a", here, "b")):
        with contextlib.nullcontext() if fine else pytest.raises(ControlError, match=f"more than {levels} deep"):
            act()


def test_sum_and_copy_read_up_to_the_allowance(tmp_path, here):
    (tmp_path / "file").write_bytes(b"x" * 5000)
    directories.sum_content(here, "file", directories.ReadAllowance(5000))
    directories.copy_entry(here, "file", here, "copy", directories.ReadAllowance(5000))
    for work in (directories.sum_content, lambda *words: directories.copy_entry(*words[:2], here, "other", words[2])):
        with pytest.raises(ControlError, match="more than 0 MiB of data"):
            work(here, "file", directories.ReadAllowance(4999))
    with pytest.raises(ControlError, match="more than 3 MiB"):
        directories.ReadAllowance(3 * 2**20 + 1).consume_bytes(4 * 2**20)


def test_many_zeros_are_counted_instead_of_hashed(tmp_path, here):
    """A sum is the plain SHA-256 up to as many zeros. Beyond them it still differs for any two lengths."""
    allowance, sums = directories.ReadAllowance(), {}
    for size in (8192, 12288, 16384):
        (tmp_path / "file").write_bytes(b"")
        os.truncate(tmp_path / "file", size)
        allowance.zeros_remaining = 12288
        sums[size] = directories.sum_content(here, "file", allowance).sha256
        assert allowance.zeros_remaining == (12288 - size if size <= 12288 else 12288)
    texts = {8192: bytes(8192), 12288: bytes(12288), 16384: b"16384 zeros"}
    assert sums == {size: hashlib.sha256(text).hexdigest() for size, text in texts.items()}


def test_extent_has_blocks_and_entries_of_a_tree(tmp_path, here):
    """Blocks on the disk, a file with two names once, no hole; and every name counts as an entry."""
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(b"x" * 10_000)
    os.link(tmp_path / "a/one", tmp_path / "a/deep/same")
    (tmp_path / "a/sparse").touch()
    os.truncate(tmp_path / "a/sparse", 2**40)
    paths = [tmp_path / "a", tmp_path / "a/deep", tmp_path / "a/one", tmp_path / "a/sparse"]
    found = directories.measure_disk_usage(here, "a")
    assert found == directories.DiskUsage(sum(path.lstat().st_blocks * 512 for path in paths), 5)
    assert directories.measure_disk_usage(here, "a", 5).entries == 5
    with pytest.raises(ControlError, match="more than 4 files"):
        directories.measure_disk_usage(here, "a", 4)


ACTS = {
    "sum": lambda here: directories.sum_content(here, "a"),
    "copy": lambda here: directories.copy_entry(here, "a", here, "b"),
    "remove": lambda here: directories.remove_entry(here, "a"),
}


@pytest.mark.parametrize("act", ACTS)
def test_mount_within_a_tree_is_not_entered(tmp_path, here, monkeypatch, act):
    """A user's own mount may have anything behind it, and what is on it is not the thing that was found."""
    make_tree(tmp_path / "a")
    real = os.stat

    def elsewhere(name, **options):
        seen = real(name, **options)
        return os.stat_result([*seen[:2], seen.st_dev + 1, *seen[3:]]) if name == "er" else seen

    monkeypatch.setattr(os, "stat", elsewhere)
    with pytest.raises(ControlError, match="another file system is mounted at .*er in it"):
        ACTS[act](here)
    assert (tmp_path / "a/deep/er/empty").exists()


@pytest.mark.parametrize("error", ["EPERM", "EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["chown", "chmod", "setxattr"])
def test_refused_attribute_is_an_error_only_on_a_broken_disk(tmp_path, here, monkeypatch, call, error):
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, call, make_refusal(OSError(getattr(errno, error), error)))
    descriptor = directories.open_entry(here, "file")
    desired = file_attributes.read_attributes(descriptor)._replace(xattrs={"user.note": "eA=="}, mtime_ns=10**18)
    # A user may have more attributes than fit.
    fails = error == "EIO" or (error == "ENOSPC" and call != "setxattr")
    with pytest.raises(OSError, match=error) if fails else contextlib.nullcontext():
        file_attributes.set_attributes(descriptor, desired)
    assert fails or (tmp_path / "file").stat().st_mtime_ns == 10**18
    os.close(descriptor)


CHANGES = {
    "a byte of a file": lambda top: (top / "deep/two").write_bytes(b"two" * 999 + b"twO"),
    "an empty file more": lambda top: (top / "deep/er/more").touch(),
    "another name": lambda top: (top / "one").rename(top / "One"),
    "a directory more": lambda top: (top / "deep/empty").mkdir(),
    "a link that leads elsewhere": lambda top: [(top / "link").unlink(), (top / "link").symlink_to("one")],
    "a file in the place of a link": lambda top: [(top / "link").unlink(), (top / "link").write_text("deep/two")],
    "a directory in the place of a pipe": lambda top: [(top / "pipe").unlink(), (top / "pipe").mkdir()],
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_tree_changes_its_sum(tmp_path, here, change):
    make_tree(tmp_path / "a")
    before = directories.sum_content(here, "a")
    assert (before.files, before.size, before.shared) == (3, 3003, 0)
    assert directories.sum_content(here, make_tree(tmp_path / "b").name) == before
    CHANGES[change](tmp_path / "a")
    assert directories.sum_content(here, "a").sha256 != before.sha256


def test_end_of_a_name_is_part_of_the_sum(tmp_path, here):
    """The name and the target of a link are its maker's words, of which one could be made to run into the other."""
    for top, name, target in (("a", "x", "120000y"), ("b", "x120000", "y")):
        (tmp_path / top).mkdir()
        (tmp_path / top / name).symlink_to(target)
    assert directories.sum_content(here, "a").sha256 != directories.sum_content(here, "b").sha256


@pytest.mark.parametrize(
    ("links", "shared"),
    [([("one", "a/same")], 0), ([("one", "outside"), ("one", "a/same")], 1), ([("one", "x"), ("deep/two", "y")], 2)],
)
def test_files_with_names_outside_of_the_tree_are_counted(tmp_path, here, links, shared):
    make_tree(tmp_path / "a")
    for file, name in links:
        os.link(tmp_path / "a" / file, tmp_path / name)
    assert directories.sum_content(here, "a").shared == shared


@pytest.mark.parametrize("lookups", [1, 2])
@pytest.mark.parametrize("act", ["open", "sum", "copy"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_link_that_replaces_a_checked_entry_reveals_nothing(tmp_path, here, monkeypatch, act, kind, lookups):
    """It is an error, or the link itself is summed up and copied."""
    secret, place, real, seen = make_tree(tmp_path / "secret"), tmp_path / "place", os.stat, []
    place.touch() if kind == "file" else place.mkdir()

    def swap(name, **options):
        result = real(name, **options)
        seen.append(name)
        if name == "place" and seen.count("place") == lookups:
            place.rename(tmp_path / "away")
            place.symlink_to(secret / "one" if kind == "file" else secret)
        return result

    monkeypatch.setattr(os, "stat", swap)
    with contextlib.suppress(OSError):  # it was noticed
        if act == "open":
            descriptor = directories.open_entry(here, "place")
            assert os.path.samestat(os.fstat(descriptor), real(tmp_path / ("away" if lookups == 1 else "place")))
            os.close(descriptor)
        elif act == "sum":
            assert directories.sum_content(here, "place").size == 0
        else:
            directories.copy_entry(here, "place", here, "copy")
            copy = tmp_path / "copy"
            assert copy.is_symlink() or (copy.stat().st_size == 0 if kind == "file" else os.listdir(copy) == [])
    assert (secret / "one").read_text() == "one"


def test_pipe_that_replaces_a_checked_file_blocks_nobody(tmp_path, here, monkeypatch):
    def swap(name, **options):
        seen = real(name, **options)
        if name == "place" and stat.S_ISREG(seen.st_mode):
            place.unlink()
            os.mkfifo(place)
        return seen

    place, real = tmp_path / "place", os.stat
    place.touch()
    monkeypatch.setattr(os, "stat", swap)
    os.close(directories.open_entry(here, "place"))


def test_unfinished_copy_can_be_opened_by_root_alone_and_a_finished_one_is_on_the_disk(tmp_path, here, monkeypatch):
    def note_mode(descriptor, desired):
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        give(descriptor, desired)

    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    modes, synced, give, fsync = [], [], file_attributes.set_attributes, os.fsync
    for path in (tmp_path / "a/file", tmp_path / "a"):
        path.chmod(0o777)
    monkeypatch.setattr(directories, "set_attributes", note_mode)
    monkeypatch.setattr(os, "umask", lambda mask: mask)
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")) or fsync(fd))
    directories.copy_entry(here, "a", here, "b")
    assert modes == [0o600, 0o700] and synced == [f"{tmp_path}/b/file", f"{tmp_path}/b"]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("b", "b/file")] == [0o777, 0o777]


def test_copy_writes_over_nothing_and_goes_on_after_a_write_of_a_part(tmp_path, here, monkeypatch):
    (tmp_path / "file").write_bytes(os.urandom(20_000))
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        directories.copy_entry(here, "file", here, "mine")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, piece, at: real(descriptor, piece[:3_000], at))
    directories.copy_entry(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "file").read_bytes()
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 4097])
@pytest.mark.parametrize("hole", [False, True])
def test_copy_is_whole_around_the_size_of_a_piece_and_keeps_holes(tmp_path, here, size, hole):
    content = bytearray(os.urandom(size))
    content[4096:12288] = bytes(8192)
    with (tmp_path / "file").open("wb") as stream:
        stream.write(content[: 4096 if hole else size])
        if hole:
            stream.seek(12288)
            stream.write(content[12288:])
    assert directories.sum_content(here, "file").sha256 == hashlib.sha256(content).hexdigest()
    directories.copy_entry(here, "file", here, "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert (tmp_path / "copy").stat().st_blocks * 512 <= size // 4096 * 4096


def test_allowance_is_for_the_data_of_all_files_and_not_for_holes(tmp_path, here):
    """A disk image is taken for what it has; counted with its holes, it would be too large to be copied."""
    (tmp_path / "a").mkdir()
    for number in range(3):
        with (tmp_path / f"a/{number}").open("wb") as stream:
            stream.seek(1_048_576)
            stream.write(b"x" * 4096)
    allowance = directories.ReadAllowance(3 * 4096)
    directories.sum_content(here, "a", allowance)
    assert allowance.remaining == 0
    with pytest.raises(ControlError):
        directories.copy_entry(here, "a", here, "b", directories.ReadAllowance(3 * 4096 - 1))


def test_tree_is_removed_with_entries_of_any_kind_and_links_lead_nowhere(tmp_path, here):
    outside, top = make_tree(tmp_path / "outside"), make_tree(tmp_path / "a")
    (top / "deep/away").symlink_to(outside)
    for _ in range(2):  # a tree that is gone is no error
        directories.remove_entry(here, "a")
    assert os.listdir(tmp_path) == ["outside"] and (outside / "deep/two").exists()


@pytest.mark.parametrize("levels", [200, 401])
def test_tree_of_any_depth_is_removed(tmp_path, here, levels):
    """A user makes one with a line of shell, and a run that fails for it would leave what is restricted."""
    (tmp_path / "a" / "/".join("d" * levels)).mkdir(parents=True)
    (tmp_path / "a" / "/".join("d" * levels) / "file").touch()
    (tmp_path / "a/beside").touch()
    directories.remove_entry(here, "a")
    assert os.listdir(tmp_path) == []
