"""Sources of program starts: fanotify reports executed files, and the proc connector reports processes."""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING

from . import mounts
from .fanotify import Fanotify
from .proc_events import ProcEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from .mounts import MountEntry

    Read = TypeVar("Read")

# Errors that mean a limit was reached: the kernel has the source, and a higher limit would permit it.
LIMIT_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EAGAIN)
MAX_READS = 256  # most reads from fanotify in one batch of events; further events wait for the next batch


class StartSources:
    """Sources of program starts. A source that the kernel refuses is None, and `refused` has the reason."""

    def __init__(self) -> None:
        self.mountinfo = os.open(mounts.MOUNTINFO_PATH, os.O_RDONLY | os.O_CLOEXEC)
        self.fanotify: Fanotify | None = None
        self.proc_events: ProcEvents | None = None
        self.refused: list[str] = []  # reasons why the kernel refused a source, each with the source's name
        self.is_limited = False  # whether a source was refused because a limit was reached (LIMIT_ERRORS)
        self.marked_count = 0  # number of marked file systems
        self.remote_types: list[str] = []  # types of the file systems that are not marked

    def open_sources(self, poll: select.poll) -> None:
        """Open the sources that the kernel permits, and register them in `poll`."""
        try:
            self.fanotify = Fanotify()
        except OSError as error:
            self._note_refusal("fanotify", error)
        try:
            self.proc_events = ProcEvents()
            poll.register(self.proc_events, select.POLLIN)
        except OSError as error:
            self._note_refusal("the proc connector", error)
        self.mark_file_systems()
        if self.fanotify:
            poll.register(self.fanotify, select.POLLIN)
            poll.register(self.mountinfo, select.POLLPRI)

    def _note_refusal(self, source: str, error: OSError) -> None:
        """Note why the kernel refused a source."""
        self.refused.append(f"{source}: {error.strerror}")
        self.is_limited = self.is_limited or error.errno in LIMIT_ERRORS

    def mark_file_systems(self) -> None:
        """Mark the local file systems that are mounted now, so that fanotify reports their starts.

        Earlier marks stay. If no file system could ever be marked, fanotify is closed.
        """
        os.lseek(self.mountinfo, 0, os.SEEK_SET)
        content = b""
        while piece := os.read(self.mountinfo, 65536):
            content += piece
        local, remote = mounts.split_by_origin(mounts.parse_mounts(content))
        marked: set[str] = set()  # devices: one mark covers all mounts of a file system
        reason = ""
        for entry in local if self.fanotify else ():
            if entry.device not in marked:
                try:
                    self._mark_file_system(entry)
                    marked.add(entry.device)
                except OSError as error:
                    reason = error.strerror or str(error)
        if self.fanotify and not (marked or self.marked_count):
            self.refused.append(f"fanotify: {reason}")
            os.close(self.fanotify.descriptor)
            self.fanotify = None
        # earlier marks still work, even if no file system could be opened this time
        self.marked_count = len(marked) or self.marked_count
        self.remote_types = sorted({entry.type for entry in remote})

    def _mark_file_system(self, entry: MountEntry) -> None:
        """Make fanotify report starts of programs on a mounted file system. Raises OSError."""
        descriptor = mounts.open_mount_point(entry)
        try:
            if self.fanotify:
                self.fanotify.mark_file_system(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def ignore_file(self, descriptor: int) -> None:
        """Ask the kernel not to report starts of an open file any more. A refusal is ignored."""
        try:
            if self.fanotify:
                self.fanotify.ignore_file(f"/proc/self/fd/{descriptor}")
        except OSError:
            pass

    def read_file_starts(self) -> Iterator[tuple[list[tuple[int, int]], bool]]:
        """Yield ([(open descriptor of an executed file, process id)], whether events were lost)."""
        yield from _read_repeatedly(self.fanotify.read_events, MAX_READS) if self.fanotify else ()

    def read_process_starts(self) -> Iterator[tuple[list[int], bool]]:
        """Yield (ids of processes that have executed a file, whether events were lost)."""
        yield from _read_repeatedly(self.proc_events.read_pids, MAX_READS * 16) if self.proc_events else ()

    def describe_sources(self) -> dict[str, str]:
        """Return the fields of the daemon's report (daemon_report.py) that describe the sources."""
        sources = [f"fanotify on {self.marked_count} file systems"] if self.fanotify else []
        sources += ["the proc connector"] if self.proc_events else []
        return {
            "by": ", ".join(sources),
            "unseen": "" if self.proc_events else ", ".join(self.remote_types),
            "refused": "; ".join(self.refused),
            "limited": "yes" if self.is_limited else "",
            "fanotify": str(self.fanotify.descriptor) if self.fanotify else "",
            "marked": str(self.marked_count) if self.fanotify else "",
        }


def _read_repeatedly(read: Callable[[], Read | None], limit: int) -> Iterator[Read]:
    """Yield the results of `read` until it returns None, in at most `limit` calls. Skip calls with an OSError."""
    for _ in range(limit):
        try:
            batch = read()
        except OSError:  # the kernel could not open the file of an event
            continue
        if batch is None:
            return
        yield batch
