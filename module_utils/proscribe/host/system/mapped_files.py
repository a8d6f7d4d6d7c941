"""Files that a process runs: its executable and its mapped files, read by the kernel's links in /proc.

The path of such a file may lead to another file by now, or to none. The kernel's links always lead to the file that
runs. A user may have mounted a file system that never answers. So Proscribe opens a file only on file systems of this
machine, and in a separate process (system/forked_work.py).
"""

from __future__ import annotations

import contextlib
import os
import stat
from functools import partial
from typing import Callable, Iterator

from ...base.named_tuple import NamedTuple
from ...base.program_paths import DELETED_SUFFIX
from .mounts import find_remote_type, is_remote_type, read_mount_id, read_mounts
from .processes import Processes
from .types import ControlError, ObservationError, Process

# most bytes of /proc/PID/maps that are read; large programs have a hundred thousand mappings
MAX_MAPS_BYTES = 32 * 1024 * 1024
MAX_MOUNTS_BYTES = 4 * 1024 * 1024  # most bytes of a mountinfo file that are read
MAX_FILES = 256  # most mapped files of a process; usual programs have some dozens
PIECE_BYTES = 256 * 1024
PLACE_FLAGS = os.O_PATH | os.O_CLOEXEC
READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class MappedFile(NamedTuple):
    """File that a process runs: its executable or a mapped file."""

    link: str  # the kernel's link in /proc, which leads to the file itself, whatever is at its path now
    path: str  # the path as the kernel shows it, without " (deleted)"
    is_deleted: bool
    inode: int = 0  # of a mapped file; 0 for the executable of a process


class OpenMappedFile(NamedTuple):
    """Open file of a process, with a function that reads from the file."""

    identity: tuple[int, ...]  # device, inode, last change and size
    read_content: Callable[[int, int], bytes]  # parameters: offset, size


class MappedFiles:
    """Reader of the files that the host's processes run. The types of mounts are cached."""

    def __init__(self, host: Processes) -> None:
        self._host = host
        self._types: dict[bytes, str] = {}

    def find_executable(self, process: Process) -> MappedFile:
        """Return the executable of a process. Raises OSError if the process has ended."""
        link = f"/proc/{process.pid}/exe"
        return _make_mapped_file(link, os.readlink(self._host._make_real_path(link)))

    def list_mapped(self, process: Process, includes_data: bool = False) -> list[MappedFile]:
        """Return the files that a process has mapped as executable code, highest addresses first.

        With `includes_data`, all mapped files are returned. A loader maps the program above the libraries, so the
        program comes early in the list. Raises ObservationError for too many files.
        """
        mapped: dict[tuple[str, str], MappedFile] = {}  # by (device, inode): a file may be mapped several times
        for line in self._read_lines(f"/proc/{process.pid}/maps", MAX_MAPS_BYTES):
            # addresses, rights, offset, device, inode, path (proc_pid_maps(5))
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[5].startswith(b"/") and (includes_data or b"x" in fields[1]):
                start, _, end = fields[0].partition(b"-")
                link = f"/proc/{process.pid}/map_files/{int(start, 16):x}-{int(end, 16):x}"
                file = _make_mapped_file(link, _parse_mapped_path(fields[5]))._replace(inode=int(fields[4]))
                mapped.setdefault((os.fsdecode(fields[3]), os.fsdecode(fields[4])), file)
                if len(mapped) > MAX_FILES:
                    raise ObservationError(f"process {process.pid} has more than {MAX_FILES} files mapped")
        return list(mapped.values())[::-1]

    @contextlib.contextmanager
    def open_mapped(self, process: Process, file: MappedFile) -> Iterator[OpenMappedFile | None]:
        """Open a file of a process for the `with` body.

        Yields None if the file cannot be opened. Yields None too for a file that another machine or a user's program
        serves: a read might hang.
        """
        # in a test directory, the links in /proc would lead to files outside of that directory
        if self._host.root != "/":
            status = self._host.find_entry(file.path)
            is_file = status is not None and stat.S_ISREG(status.st_mode)
            yield (
                OpenMappedFile(_make_file_identity(status), partial(self._host.read_range, file.path))
                if status and is_file
                else None
            )
            return
        descriptor = self._open_descriptor(process, file)
        if descriptor is None:
            yield None
            return
        try:
            yield OpenMappedFile(
                _make_file_identity(os.fstat(descriptor)), lambda offset, size: _read_piece(descriptor, offset, size)
            )
        finally:
            os.close(descriptor)

    def _open_descriptor(self, process: Process, file: MappedFile) -> int | None:
        """Open a file of a process by the kernel's link.

        Return the descriptor; None if the file may not or cannot be opened.
        """
        try:
            # an open with O_PATH does not access the file system, so it cannot hang
            link_descriptor = os.open(file.link, PLACE_FLAGS)
        except PermissionError:  # in a container, the kernel forbids the links to mapped files
            return self._open_by_path(file)
        except OSError:
            return None
        try:
            if is_remote_type(self._find_mount_type(process, read_mount_id(link_descriptor))):
                return None
            return _require_regular(os.open(f"/proc/self/fd/{link_descriptor}", READ_FLAGS))
        except OSError:
            return None
        finally:
            os.close(link_descriptor)

    def _open_by_path(self, file: MappedFile) -> int | None:
        """Open a mapped file by its path.

        Return None unless the file at the path has the inode of the mapped file.
        """
        if file.is_deleted or find_remote_type(file.path, read_mounts(self._host)):
            return None
        try:
            descriptor = self._host._open_file(file.path)
        except (ObservationError, ControlError):
            return None
        if descriptor is not None and os.fstat(descriptor).st_ino != file.inode:
            os.close(descriptor)
            return None
        return descriptor

    def _find_mount_type(self, process: Process, mount: bytes) -> str:
        """Return the file system type of a mount.

        Returns "" for a mount that the kernel does not list, such as one for memory. `mount` is the line that
        `read_mount_id` returns.
        """
        mount_id = mount.partition(b"\t")[2].strip()
        for table in ("/proc/self/mountinfo", f"/proc/{process.pid}/mountinfo"):
            if mount_id not in self._types:
                for line in self._read_lines(table, MAX_MOUNTS_BYTES):
                    fields = line.split(b" ")
                    if b"-" in fields[6:-1]:
                        self._types[fields[0]] = os.fsdecode(fields[fields.index(b"-", 6) + 1])
        return self._types.setdefault(mount_id, "")

    def _read_lines(self, path: str, limit: int) -> Iterator[bytes]:
        """Yield the lines of a file of the kernel.

        Raises ObservationError if the file has more than `limit` bytes.
        """
        rest, size = b"", 0
        try:
            with open(self._host._make_real_path(path), "rb", buffering=0) as stream:
                while piece := stream.read(PIECE_BYTES):
                    size += len(piece)
                    if size > limit:
                        raise ObservationError(f"{path} has more than {limit // 1024 // 1024} MB")
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from lines
        except OSError:  # the process has ended meanwhile
            return


def _require_regular(descriptor: int) -> int | None:
    """Return the descriptor of a regular file. Close the descriptor of any other file, and return None."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _make_mapped_file(link: str, shown_path: str) -> MappedFile:
    is_deleted = shown_path.endswith(DELETED_SUFFIX)
    return MappedFile(link, shown_path[: -len(DELETED_SUFFIX)] if is_deleted else shown_path, is_deleted)


def _parse_mapped_path(field: bytes) -> str:
    """Return a path from a line of /proc/PID/maps, where only line ends are escaped (proc_pid_maps(5))."""
    return os.fsdecode(field.replace(b"\\012", b"\n"))


def _make_file_identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size)


def _read_piece(descriptor: int, offset: int, size: int) -> bytes:
    return os.pread(descriptor, size, offset) if 0 <= offset < 1 << 62 and size > 0 else b""
