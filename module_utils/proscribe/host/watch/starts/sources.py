"""What starts of programs are seen by: fanotify for the files that are run, and the proc connector for processes."""

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

    from .mounts import Mounted

    Read = TypeVar("Read")

# Limits that somebody has set, where the kernel has what was refused.
LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EAGAIN)
MOST_READS = 256  # of a bundle; what is left comes with the next one


class Sources:
    """The two, as far as the kernel permits them."""

    def __init__(self) -> None:
        self.mountinfo = os.open(mounts.MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        self.fanotify: Fanotify | None = None
        self.proc_events: ProcEvents | None = None
        self.refused: list[str] = []
        self.limited = False  # whether that is for want of something that the kernel has
        self.marked = 0  # file systems
        self.remote: list[str] = []  # the types of those that are not marked

    def open(self, poll: select.poll) -> None:
        """Begin, and have a poll wait for what they report."""
        try:
            self.fanotify = Fanotify()
        except OSError as error:
            self._refuse("fanotify", error)
        try:
            self.proc_events = ProcEvents()
            poll.register(self.proc_events, select.POLLIN)
        except OSError as error:
            self._refuse("the proc connector", error)
        self.mark()
        if self.fanotify:
            poll.register(self.fanotify, select.POLLIN)
            poll.register(self.mountinfo, select.POLLPRI)

    def _refuse(self, what: str, error: OSError) -> None:
        self.refused.append(f"{what}: {error.strerror}")
        self.limited = self.limited or error.errno in LIMITS

    def mark(self) -> None:
        """Mark the file systems that are mounted now; those that are marked already stay so."""
        os.lseek(self.mountinfo, 0, os.SEEK_SET)
        content = b""
        while piece := os.read(self.mountinfo, 65536):
            content += piece
        local, remote = mounts.seen_on(mounts.parsed(content))
        marked: set[str] = set()
        why = ""
        for one in local if self.fanotify else ():
            if one.device not in marked:
                try:
                    self._mark_one(one)
                    marked.add(one.device)
                except OSError as error:
                    why = error.strerror or str(error)
        if self.fanotify and not (marked or self.marked):
            self.refused.append(f"fanotify: {why}")
            os.close(self.fanotify.descriptor)
            self.fanotify = None
        self.marked = len(marked) or self.marked  # what is marked stays so, even where it cannot be opened again
        self.remote = sorted({one.type for one in remote})

    def _mark_one(self, one: Mounted) -> None:
        descriptor = mounts.opened(one)
        try:
            if self.fanotify:
                self.fanotify.mark(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def leave_out(self, descriptor: int) -> None:
        """Have an open file no more reported, where the kernel permits that."""
        try:
            if self.fanotify:
                self.fanotify.leave_out(f"/proc/self/fd/{descriptor}")
        except OSError:
            pass

    def files(self) -> Iterator[tuple[list[tuple[int, int]], bool]]:
        """The files that were run, open, each with its process; and whether something was lost."""
        yield from _read(self.fanotify.read, MOST_READS) if self.fanotify else ()

    def processes(self) -> Iterator[tuple[list[int], bool]]:
        """The processes that have run something; and whether something was lost."""
        yield from _read(self.proc_events.read, MOST_READS * 16) if self.proc_events else ()

    def fields(self) -> dict[str, str]:
        """What is reported of them (reported.py)."""
        by = [f"fanotify on {self.marked} file systems"] if self.fanotify else []
        by += ["the proc connector"] if self.proc_events else []
        return {
            "by": ", ".join(by),
            "unseen": "" if self.proc_events else ", ".join(self.remote),
            "refused": "; ".join(self.refused),
            "limited": "yes" if self.limited else "",
            "fanotify": str(self.fanotify.descriptor) if self.fanotify else "",
            "marked": str(self.marked) if self.fanotify else "",
        }


def _read(read: Callable[[], Read | None], most: int) -> Iterator[Read]:
    """What there is to read, at most so many times."""
    for _ in range(most):
        try:
            found = read()
        except OSError:  # of one file, which is gone or cannot be opened
            continue
        if found is None:
            return
        yield found
