"""The files that a process runs: which the kernel lists, and which of them are opened."""

import errno
import io
import mmap
import os
import sys
from pathlib import Path

import pytest
from proscribe.host.system import Host, ObservationError, Process, mapped_files
from proscribe.host.system.mapped_files import MappedFile, MappedFiles

MAPS = b"""\
00400000-00452000 r-xp 00000000 08:02 173521 /opt/notes
00651000-00652000 r--p 00051000 08:02 173521 /opt/notes
00652000-00655000 rw-p 00052000 08:02 173522 /opt/data file
00e03000-00e24000 rw-p 00000000 00:00 0 [heap]
35b1800000-35b1820000 r-xp 00000000 00:2b 7 /lib/a b\\012c.so (deleted)
35b1a21000-35b1a22000 rwxp 00000000 00:00 0
7f5580000000-7f5580001000 r-xp 00000000 08:03 7 /lib/other.so
7f5580002000-7f5580003000 r-xp 00000000 08:02 173521 /opt/another-name
7fff1b2ff000-7fff1b300000 r-xp 00000000 00:00 0 [vdso]
"""
NOTES = MappedFile("/proc/7/map_files/400000-452000", "/opt/notes", False, 173521)
DATA = MappedFile("/proc/7/map_files/652000-655000", "/opt/data file", False, 173522)
GONE = MappedFile("/proc/7/map_files/35b1800000-35b1820000", "/lib/a b\nc.so", True, 7)
OTHER = MappedFile("/proc/7/map_files/7f5580000000-7f5580001000", "/lib/other.so", False, 7)
SELF = Process(os.getpid(), "")


@pytest.fixture
def fixture(tmp_path):
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/maps").write_bytes(MAPS)
    return MappedFiles(Host(str(tmp_path)))


@pytest.mark.slow
def test_files_of_a_process_are_listed_from_the_last_one(tmp_path, fixture, monkeypatch):
    monkeypatch.setattr(mapped_files, "PIECE_BYTES", 5)  # lines are read in pieces
    process = Process(7, "")
    assert fixture.list_mapped(process) == [OTHER, GONE, NOTES]
    assert fixture.list_mapped(process, includes_data=True) == [OTHER, GONE, DATA, NOTES]
    assert fixture.list_mapped(Process(8, "")) == [], "it has ended"
    (tmp_path / "proc/7/exe").symlink_to("/opt/notes (deleted)")
    assert fixture.find_executable(process) == ("/proc/7/exe", "/opt/notes", True, 0)
    with pytest.raises(FileNotFoundError):
        fixture.find_executable(Process(8, ""))


@pytest.mark.parametrize(
    ("name", "fits", "exceeded"),
    [("MAX_FILES", 3, "more than 2 files"), ("MAX_MAPS_BYTES", len(MAPS), "more than 0 MB")],
)
def test_more_mapped_files_than_are_read_are_unseen(fixture, monkeypatch, name, fits, exceeded):
    monkeypatch.setattr(mapped_files, name, fits)
    assert len(fixture.list_mapped(Process(7, ""))) == 3
    monkeypatch.setattr(mapped_files, name, fits - 1)
    with pytest.raises(ObservationError, match=exceeded):
        fixture.list_mapped(Process(7, ""))


def read_opened(files: MappedFiles, file: MappedFile) -> tuple[tuple[int, ...], list[bytes]] | None:
    """Return the identity of a file that is opened, and pieces of it."""
    with files.open_mapped(SELF, file) as opened:
        pieces = ((0, 1), (1, 3), (4, 100), (-1, 3), (1 << 62, 3), (0, 0))
        return opened and (opened.identity, [opened.read_content(*piece) for piece in pieces])


def identify(path: Path) -> tuple[tuple[int, ...], list[bytes]]:
    seen = path.stat()
    return (seen.st_dev, seen.st_ino, seen.st_ctime_ns, 6), [b"a", b"bcd", b"ef", b"", b"", b""]


def test_mapped_file_of_a_fixture_is_read_by_its_path(tmp_path, fixture):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/notes").write_bytes(b"abcdef")
    assert read_opened(fixture, NOTES) == identify(tmp_path / "opt/notes")
    assert read_opened(fixture, NOTES._replace(path="/opt")) is read_opened(fixture, OTHER) is None


@pytest.fixture
def mapped(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"abcdef")
    path.with_name("new").write_bytes(b"abcdef")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ):
        yield path


def find_mapped(path: Path) -> MappedFile:
    return next(file for file in MappedFiles(Host()).list_mapped(SELF, includes_data=True) if file.path == str(path))


def test_deleted_file_is_read_as_long_as_it_is_mapped(mapped):
    before = find_mapped(mapped)
    if not os.access(before.link, os.R_OK):
        pytest.skip("needs the right to follow the kernel's links")
    assert read_opened(MappedFiles(Host()), before) == identify(mapped)
    os.link(mapped, mapped.with_name("other"))
    mapped.unlink()
    mapped.write_bytes(b"another")
    after = find_mapped(mapped)
    assert after == before._replace(is_deleted=True)
    assert read_opened(MappedFiles(Host()), after) == identify(mapped.with_name("other"))
    executable = MappedFiles(Host()).find_executable(SELF)
    assert executable == (f"/proc/{os.getpid()}/exe", os.path.realpath(sys.executable), False, 0)


@pytest.mark.parametrize("kind", ["", "fuse.sshfs", "nfs4"])
@pytest.mark.parametrize("has_own_mounts", [False, True])
def test_file_is_not_opened_on_a_file_system_that_may_never_answer(mapped, monkeypatch, kind, has_own_mounts):
    tables = ["/proc/self/mountinfo", f"/proc/{os.getpid()}/mountinfo"]
    line = f"99 1 0:50 / /mnt rw shared:7 - {kind or 'ext4'} x rw\n98 1 0:51 / /n rw - nfs x rw\n99 no\n".encode()
    monkeypatch.setattr(mapped_files, "read_mount_id", lambda descriptor: b"mnt_id:\t99\n")
    read, content = [], {tables[has_own_mounts]: line}.get
    open_ = lambda path, *_, **__: read.append(path) or io.BytesIO(content(path, b""))  # noqa: E731
    monkeypatch.setattr(mapped_files, "open", open_, raising=False)
    files, file = MappedFiles(Host()), MappedFile(f"/proc/self/fd/{os.open(mapped, os.O_RDONLY)}", str(mapped), False)
    try:
        for _ in range(2):
            assert read_opened(files, file) == (None if kind else identify(mapped))
    finally:
        os.close(int(file.link.rpartition("/")[2]))
    assert read == tables[: 1 + has_own_mounts]


@pytest.mark.parametrize("place", ["/dev/zero", "/proc", "/none"])
def test_link_to_no_regular_file_is_none(tmp_path, place):
    assert read_opened(MappedFiles(Host()), MappedFile(place, place, False)) is None
    os.mkfifo(tmp_path / "pipe")
    assert read_opened(MappedFiles(Host()), MappedFile(str(tmp_path / "pipe"), "/pipe", False)) is None


CHANGES = [Path.unlink, lambda path: path.with_name("new").rename(path), lambda path: (path.unlink(), path.mkdir())]


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_file_is_opened_by_its_path_where_links_may_not_be_followed(mapped, monkeypatch, change):
    """In a container. There another file at the path is not what runs."""

    def open_(path, *rest, **options):
        if str(path).startswith("/proc/") and "map_files" in path:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(path, *rest, **options)

    file, real = find_mapped(mapped), os.open
    if change is not None:
        change(mapped)
    monkeypatch.setattr(os, "open", open_)
    assert read_opened(MappedFiles(Host()), file) == (None if change else identify(mapped))
    assert read_opened(MappedFiles(Host()), file._replace(is_deleted=True)) is None
    monkeypatch.setattr(mapped_files, "find_remote_type", lambda path, table: "nfs" if path == str(mapped) else "")
    assert read_opened(MappedFiles(Host()), file) is None
