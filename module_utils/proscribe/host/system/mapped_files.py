"""The files that a process runs: its executable and what it has mapped, by the kernel's own links to them.

A path may lead elsewhere by now, or nowhere; these links lead to the file itself. Its user may have made a file system
that never answers. So a file is only opened on file systems of this machine, and in a process of its own
(system/forked.py).
"""

from __future__ import annotations

import contextlib
import os
import stat
from functools import partial
from typing import Callable, Iterator

from ...base.program_places import DELETED_SUFFIX
from ...base.tuples import NamedTuple
from .mounts import is_remote, mount_of, mounts, remote
from .processes import Processes
from .types import ControlError, Process, Unseen

LARGEST_MAPS = 32 * 1024 * 1024  # bytes of a list of mappings; large programs have a hundred thousand
LARGEST_MOUNTS = 4 * 1024 * 1024  # bytes of a list of mounts
MOST_FILES = 256  # that are mapped; programs have some dozens
PIECE = 256 * 1024
PLACE = os.O_PATH | os.O_CLOEXEC
READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Mapped(NamedTuple):
    """A file that a process runs."""

    link: str  # the kernel's link to it
    path: str  # as the kernel shows it, without " (deleted)"
    deleted: bool
    inode: int = 0  # its number, where it is mapped; 0 for an executable


class Opened(NamedTuple):
    """Such a file, open."""

    identity: tuple[int, ...]  # which file it is, and its last change
    content: Callable[[int, int], bytes]  # reads a piece: offset, size


class MappedFiles:
    """Reads what processes of a host run. It remembers the types of mounts."""

    def __init__(self, host: Processes) -> None:
        self._host = host
        self._types: dict[bytes, str] = {}

    def executable(self, process: Process) -> Mapped:
        """Return the executable of a process. Raises OSError where it has ended."""
        link = f"/proc/{process.pid}/exe"
        return _mapped(link, os.readlink(self._host._real(link)))

    def others(self, process: Process, as_data: bool = False) -> list[Mapped]:
        """Return the files that a process has mapped to be executed, or with `as_data` in any way, last ones first: a
        loader maps the program above the libraries. Raises Unseen where there are too many.
        """
        found: dict[tuple[str, str], Mapped] = {}
        for line in self._lines(f"/proc/{process.pid}/maps", LARGEST_MAPS):
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[5].startswith(b"/") and (as_data or b"x" in fields[1]):
                first, _, end = fields[0].partition(b"-")
                link = f"/proc/{process.pid}/map_files/{int(first, 16):x}-{int(end, 16):x}"
                file = _mapped(link, _path(fields[5]))._replace(inode=int(fields[4]))
                found.setdefault((os.fsdecode(fields[3]), os.fsdecode(fields[4])), file)
                if len(found) > MOST_FILES:
                    raise Unseen(f"process {process.pid} has more than {MOST_FILES} files mapped")
        return list(found.values())[::-1]

    @contextlib.contextmanager
    def opened(self, process: Process, file: Mapped) -> Iterator[Opened | None]:
        """Open such a file; None where it cannot be, or another machine or a user's program would answer for it."""
        if self._host.root != "/":  # on a fixture, the links of processes lead out of it
            seen = self._host.stat(file.path)
            is_file = seen is not None and stat.S_ISREG(seen.st_mode)
            yield Opened(_identity(seen), partial(self._host.piece, file.path)) if seen and is_file else None
            return
        descriptor = self._open(process, file)
        if descriptor is None:
            yield None
            return
        try:
            yield Opened(_identity(os.fstat(descriptor)), lambda offset, size: _piece(descriptor, offset, size))
        finally:
            os.close(descriptor)

    def _open(self, process: Process, file: Mapped) -> int | None:
        try:
            place = os.open(file.link, PLACE)  # which asks no file system anything
        except PermissionError:  # in a container, nobody may follow the links of what is mapped
            return self._by_path(file)
        except OSError:
            return None
        try:
            if is_remote(self._type(process, mount_of(place))):
                return None
            return _if_regular(os.open(f"/proc/self/fd/{place}", READING))
        except OSError:
            return None
        finally:
            os.close(place)

    def _by_path(self, file: Mapped) -> int | None:
        """Open what is mapped by its path, if the same file is still there."""
        if file.deleted or remote(file.path, mounts(self._host)):
            return None
        try:
            descriptor = self._host._open_file(file.path)
        except (Unseen, ControlError):
            return None
        if descriptor is not None and os.fstat(descriptor).st_ino != file.inode:
            os.close(descriptor)
            return None
        return descriptor

    def _type(self, process: Process, mount: bytes) -> str:
        """Return the type of a mount, by the kernel's own lists; "" for one that is in none, as those of memory are."""
        number = mount.partition(b"\t")[2].strip()
        for table in ("/proc/self/mountinfo", f"/proc/{process.pid}/mountinfo"):
            if number not in self._types:
                for line in self._lines(table, LARGEST_MOUNTS):
                    fields = line.split(b" ")
                    if b"-" in fields[6:-1]:
                        self._types[fields[0]] = os.fsdecode(fields[fields.index(b"-", 6) + 1])
        return self._types.setdefault(number, "")

    def _lines(self, path: str, most: int) -> Iterator[bytes]:
        """Read a list of the kernel's line by line. Raises Unseen where it is too long."""
        rest, size = b"", 0
        try:
            with open(self._host._real(path), "rb", buffering=0) as stream:
                while piece := stream.read(PIECE):
                    size += len(piece)
                    if size > most:
                        raise Unseen(f"{path} has more than {most // 1024 // 1024} MB")
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from lines
        except OSError:  # the process has ended
            return


def _if_regular(descriptor: int) -> int | None:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _mapped(link: str, shown: str) -> Mapped:
    deleted = shown.endswith(DELETED_SUFFIX)
    return Mapped(link, shown[: -len(DELETED_SUFFIX)] if deleted else shown, deleted)


def _path(field: bytes) -> str:
    """Return a path out of a list of mappings, where only the end of a line is escaped (proc_pid_maps(5))."""
    return os.fsdecode(field.replace(b"\\012", b"\n"))


def _identity(seen: os.stat_result) -> tuple[int, ...]:
    return (seen.st_dev, seen.st_ino, seen.st_ctime_ns, seen.st_size)


def _piece(descriptor: int, offset: int, size: int) -> bytes:
    return os.pread(descriptor, size, offset) if 0 <= offset < 1 << 62 and size > 0 else b""
