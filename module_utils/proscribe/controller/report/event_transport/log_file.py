"""Events appended to a file, which logrotate may rotate, because each run opens it anew.

Lines are appended in batches, each whole or not at all, under a lock that other runs wait for. Other accounts must not
be able to change the file or a directory on its path: otherwise they could redirect it.
"""

from __future__ import annotations

import fcntl
import os
import stat

from ....base.ownership import find_exposed_below
from ....model.types.run import EventSettings
from ...file_lock import lock_file
from ...files import name_file_in_errors
from ..exports.event_kinds import EncodedEvent
from ..storage.report_directory import FILE_MODE
from .transport import SendingError

BATCH_BYTES = 1 << 20  # bytes of collected lines after which they are written
LOCK_TIMEOUT_SECONDS = 10.0  # seconds to wait while another run writes to the file


class LogFile:
    """The open file to which a run appends events.

    The constructor raises SendingError if another account could change the file or a directory on its path.
    """

    def __init__(self, path: str) -> None:
        exposure = find_exposed_below(path, {os.geteuid()})
        if exposure:
            raise SendingError(
                f"{exposure}; the file, and every directory on its way, has to be this account's or root's alone"
            )
        self._path = path
        self._descriptor = _open_descriptor(path)
        self._lines: list[bytes] = []
        self._size = 0
        self.sent_count = 0

    def send_event(self, event: EncodedEvent) -> None:
        """Store the line of an event, and write the stored lines when they reach BATCH_BYTES."""
        line = event.line.encode() + b"\n"
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BATCH_BYTES:
            self._write_batch()

    def close(self) -> None:
        """Write the remaining lines, wait until the disk has all lines, and close the file."""
        self._write_batch()
        with name_file_in_errors(self._path):
            os.fsync(self._descriptor)
        self.discard_unsent()

    def discard_unsent(self) -> None:
        os.close(self._descriptor)

    def _write_batch(self) -> None:
        """Append the collected lines to the file, all of them or none. Raises SendingError or OSError."""
        data = b"".join(self._lines)
        if not lock_file(self._descriptor, LOCK_TIMEOUT_SECONDS):
            raise SendingError(f"another process had the file locked for {LOCK_TIMEOUT_SECONDS:.0f} seconds")
        try:
            end = os.fstat(self._descriptor).st_size
            if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
                data = b"\n" + data  # a power failure has cut the last line of the file, so end that line first
            written_bytes = 0
            try:
                with name_file_in_errors(self._path):
                    while written_bytes < len(data):
                        written_bytes += os.write(self._descriptor, data[written_bytes:])
            except OSError:
                if written_bytes:  # remove the part that was written, such as before the disk was full
                    os.ftruncate(self._descriptor, end)
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.sent_count += len(self._lines)
        self._lines, self._size = [], 0


def open_log_file(settings: EventSettings) -> LogFile:
    """Open the log file of `proscribe_events` as a transport of events."""
    return LogFile(settings["file"])


def _open_descriptor(path: str) -> int:
    """Open or create a log file to append to. Raises SendingError for anything but an ordinary file."""
    # With O_NONBLOCK, opening a named pipe without a reader does not block.
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # Set the mode of a new file after its creation, because the umask would limit the mode before.
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, FILE_MODE)
    except FileExistsError:
        descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SendingError(f"{path} is no ordinary file")
    return descriptor
