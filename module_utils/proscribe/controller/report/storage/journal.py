"""What a run has heard so far, on disk: `journal.jsonl` in the directory of its report in the making. From it the next
run closes one that was killed, or whose machine went down.

The first line is the run, with the machine that it runs on. Then comes one line for each event of its hosts. The run
holds a lock on the file for as long as it, or a worker of its, lives. Where that lock can be had, the run is over if it
ran under this kernel, or on this machine before it was started again. Locks do not reach through every shared
directory, so a run of another machine is over only when it has written nothing for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from ....model.types.run import CompiledRun
from ...files import naming, open_named
from ...waiting import locked
from .files import FILE_MODE, SUFFIX, opened, sync
from .files import JOURNAL as FILE

SILENT = 86_400  # seconds
# The mode of a journal that lacks events, or whose report could not be written: a mark needs no room on a full disk.
UNWRITTEN_MODE = FILE_MODE | stat.S_ISVTX
PATIENCE = 5.0  # seconds that a new run waits for one that checks whether it is over
EVERY = 1.0  # seconds between two moments at which what was changed is made sure to be on the disk
CHANGING = "enforce"  # the mode of a run of which a machine that goes down should lose little
CHANGES = ("changed", "decided", "stopped")  # the events that it should not lose
MOST_RUN = 512 * 1024 * 1024  # characters of the first line; a run over 100,000 hosts has some 20 million
MOST_EVENT = 64 * 1024 * 1024  # of the others; an answer has at most 16 MiB
# What a run says of itself to its own tasks, and no report needs.
OWN = ("given", "packed", "selected", "task", "play")
KERNEL, MACHINE = Path("/proc/sys/kernel/random/boot_id"), Path("/etc/machine-id")


class Journal:
    """The journal of the run that goes on in this process. Raises OSError."""

    def __init__(self, directory: Path, run: CompiledRun) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(directory / FILE, flags, FILE_MODE)
        os.fchmod(descriptor, FILE_MODE)
        self._path = directory / FILE
        self._stream = open_named(descriptor, self._path)
        self._synced = time.monotonic()
        try:
            self._begin(run, descriptor)
        except OSError:
            self.mark_unwritten()
            with contextlib.suppress(OSError):
                self.close()
            raise

    def _begin(self, run: CompiledRun, descriptor: int) -> None:
        said = {key: value for key, value in run.items() if key not in OWN}
        self._write(said, {**here(), "locked": _lock(descriptor, PATIENCE)})
        if run.get("mode") == CHANGING:
            with naming(self._path):
                os.fsync(descriptor)
            sync(self._path.parent)
            sync(self._path.parent.parent)

    def note(self, event: str, *values: Any) -> None:
        """Write down an event; it is on its way to the disk when this returns. Raises OSError."""
        if self._stream.closed:
            return
        try:
            self._write(event, *values)
            if event in CHANGES and time.monotonic() - self._synced >= EVERY:
                with naming(self._path):
                    os.fdatasync(self._stream.fileno())
                self._synced = time.monotonic()
        except OSError:
            self.mark_unwritten()
            raise

    def mark_unwritten(self) -> None:
        """Mark the journal as one that lacks events, or whose report could not be written."""
        with contextlib.suppress(OSError):
            os.fchmod(self._stream.fileno(), UNWRITTEN_MODE)

    def close(self) -> None:
        """Let go of the file; what is written stays."""
        self._stream.close()

    def _write(self, *values: Any) -> None:
        self._stream.write(json.dumps(values, separators=(",", ":")) + "\n")
        self._stream.flush()


def here() -> dict[str, str]:
    """The identity of this machine, and of this start of it.

    Where the system has no id for the start, the host name replaces it. Copies of a machine may have its id.
    """
    name, id_ = os.uname().nodename, _text(MACHINE)
    return {"kernel": _text(KERNEL) or name, "machine": id_ and f"{id_} {name}"}


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip()[:100]
    return ""


def _lock(descriptor: int, patience: float) -> bool:
    try:
        return locked(descriptor, patience)
    except OSError:  # there are shared directories that know no locks
        return False


class Left:
    """The journal of a run that has ended and has closed no report, locked for this process. `run` is what its first
    line says (None where that could not be written), `ended` when it last wrote, in seconds since the epoch.
    `is_unwritten`: the journal lacks events, or the report could not be written.
    """

    def __init__(self, directory: Path, stream: TextIO, run: CompiledRun | None) -> None:
        self.directory, self.run = directory, run
        seen = os.fstat(stream.fileno())
        self.ended = seen.st_mtime
        self.is_unwritten = _is_unwritten(seen.st_mode)
        self._stream = stream

    def events(self) -> Iterator[list[Any]]:
        """Each event, up to the first line that was not written whole."""
        while (line := _line(self._stream, MOST_EVENT)) is not None:
            yield line

    def close(self) -> None:
        """Let go of the run."""
        self._stream.close()


def left(reports: Path) -> Iterator[Left]:
    """The runs in a directory of reports that have ended and closed no report, oldest first.

    Each is held until the next one is asked for. What has no journal that says which run it is touched no host, unless
    a mark says that the journal could not be written.
    """
    for name in _in_the_making(reports):
        if found := _left(reports / name):
            with contextlib.closing(found):
                yield found


def _in_the_making(reports: Path) -> list[str]:
    with contextlib.suppress(OSError), os.scandir(reports) as entries:
        return sorted(one.name for one in entries if one.name.endswith(SUFFIX) and one.is_dir(follow_symlinks=False))
    return []


def _left(directory: Path) -> Left | None:
    try:
        stream = opened(directory / FILE, os.O_RDWR, "replace")  # NFS locks only what can be written
    except OSError:
        return None
    descriptor = stream.fileno()
    with contextlib.ExitStack() as stack:
        stack.callback(stream.close)
        if not _free(descriptor) or not _is_still(directory, descriptor):
            return None
        first = _line(stream, MOST_RUN)
        if first is None or len(first) != 2 or not all(isinstance(part, dict) for part in first):
            if not _is_unwritten(os.fstat(descriptor).st_mode):
                return None
            first = [None, {**here(), "locked": True}]
        run, where = first
        if not _is_over(where, time.time() - os.fstat(descriptor).st_mtime):
            return None
        stack.pop_all()
        return Left(directory, stream, run)
    return None


def _is_unwritten(mode: int) -> bool:
    return bool(mode & UNWRITTEN_MODE & ~FILE_MODE)


def _free(descriptor: int) -> bool:
    """Whether nobody holds the file; it is then locked for this process, where that can be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_still(directory: Path, descriptor: int) -> bool:
    """Whether the file that was locked is still in its place: another run may just have closed it."""
    try:
        return os.path.samestat(os.stat(directory / FILE, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        return False


def _is_over(where: Mapping[str, object], silent: float) -> bool:
    """Whether the run that wrote that of itself, and nobody holds, is over. `silent`: seconds since it wrote."""
    now = here()
    if where.get("kernel") == now["kernel"]:
        return where.get("locked") is True or silent > SILENT
    return bool(now["machine"] and where.get("machine") == now["machine"]) or silent > SILENT


def _line(stream: TextIO, most: int) -> list[Any] | None:
    """The next line; None at the end, and for one that was not written whole."""
    text = stream.readline(most + 1)
    if not text.endswith("\n"):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None
