"""The journal of a run: `journal.jsonl` in the directory of its unfinished report, with the events so far.

The next run uses it to close a run that was killed, or whose machine went down. The first line is the run, with its
machine. Then comes a line for each event of its hosts. The run locks the file while the run, or a worker of it, lives.

A free lock shows that a run is over in two cases: it ran under this kernel, or on this machine before its last start.
Some shared directories do not pass locks to other machines. So a run of another machine is over only after a day
without a write.
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
from ...file_lock import lock_file
from ...files import name_file_in_errors, open_named_file, sync_directory
from .report_directory import FILE_MODE, PARTIAL_SUFFIX, open_report_file
from .report_directory import JOURNAL_FILE as FILE

MAX_SILENT_SECONDS = 86_400  # seconds without a write after which a run of another machine counts as over
# The file mode that marks a journal without all events, or a run without its report. A mode needs no space on a full
# disk.
UNWRITTEN_MODE = FILE_MODE | stat.S_ISVTX
# seconds to wait for a lock: another run may hold it briefly to check whether this run lives
LOCK_TIMEOUT_SECONDS = 5.0
SYNC_INTERVAL_SECONDS = 1.0  # least seconds between two synchronisations of the file
ENFORCE_MODE = "enforce"  # a run in this mode should lose few events if its machine goes down
SYNCED_EVENTS = ("changed", "decided", "stopped")  # events after which the file is synchronised to the disk
# Most characters of the first line. The line of a run over 100,000 hosts has about 20 million.
MAX_RUN_CHARACTERS = 512 * 1024 * 1024
MAX_EVENT_CHARACTERS = 64 * 1024 * 1024  # most characters of each other line; the answer of a host has at most 16 MiB
# Keys of a run that only its tasks need. A report made from the journal does not need them.
UNSTORED_KEYS = ("given", "packed", "selected", "task", "play")
BOOT_ID_PATH, MACHINE_ID_PATH = Path("/proc/sys/kernel/random/boot_id"), Path("/etc/machine-id")


class RunJournal:
    """The journal to which the run in this process writes its events. Raises OSError."""

    def __init__(self, directory: Path, run: CompiledRun) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(directory / FILE, flags, FILE_MODE)
        os.fchmod(descriptor, FILE_MODE)
        self._path = directory / FILE
        self._stream = open_named_file(descriptor, self._path)
        self._synced_at = time.monotonic()
        try:
            self._write_header(run, descriptor)
        except OSError:
            self.mark_unwritten()
            with contextlib.suppress(OSError):
                self.close()
            raise

    def _write_header(self, run: CompiledRun, descriptor: int) -> None:
        """Write the first line: the run, and the machine.

        The key `locked` is true if this run has locked the file. A run that corrects also synchronises the file and its
        directories to the disk.
        """
        run_facts = {key: content for key, content in run.items() if key not in UNSTORED_KEYS}
        self._write_line(run_facts, {**identify_machine(), "locked": _try_lock(descriptor, LOCK_TIMEOUT_SECONDS)})
        if run.get("mode") == ENFORCE_MODE:
            with name_file_in_errors(self._path):
                os.fsync(descriptor)
            sync_directory(self._path.parent)
            sync_directory(self._path.parent.parent)

    def write_event(self, event: str, *event_values: Any) -> None:
        """Write an event, and pass the line to the system before returning. Raises OSError.

        Important events of a run are also synchronised to the disk, at most once in SYNC_INTERVAL_SECONDS.
        """
        if self._stream.closed:
            return
        try:
            self._write_line(event, *event_values)
            if event in SYNCED_EVENTS and time.monotonic() - self._synced_at >= SYNC_INTERVAL_SECONDS:
                with name_file_in_errors(self._path):
                    os.fdatasync(self._stream.fileno())
                self._synced_at = time.monotonic()
        except OSError:
            self.mark_unwritten()
            raise

    def mark_unwritten(self) -> None:
        """Mark that the journal lacks events, or that the report of the run could not be written."""
        with contextlib.suppress(OSError):
            os.fchmod(self._stream.fileno(), UNWRITTEN_MODE)

    def close(self) -> None:
        """Close the file, which releases its lock. The content stays."""
        self._stream.close()

    def _write_line(self, *line_values: Any) -> None:
        self._stream.write(json.dumps(line_values, separators=(",", ":")) + "\n")
        self._stream.flush()


def identify_machine() -> dict[str, str]:
    """Return the identity of this machine (key `machine`), and of its last start (key `kernel`).

    The host name replaces a missing id of the start. The host name is also a part of the machine's identity, because
    cloned machines may have the same id. `machine` is "" if the machine has no id.
    """
    name, machine_id = os.uname().nodename, _read_text(MACHINE_ID_PATH)
    return {"kernel": _read_text(BOOT_ID_PATH) or name, "machine": machine_id and f"{machine_id} {name}"}


def _read_text(path: Path) -> str:
    """Read a short file of the system; "" if it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip()[:100]
    return ""


def _try_lock(descriptor: int, timeout: float) -> bool:
    """Lock a file, and return whether that succeeded within `timeout` seconds."""
    try:
        return lock_file(descriptor, timeout)
    except OSError:  # the file system of some shared directories has no locks
        return False


class AbandonedRun:
    """The journal of a run that ended without a report, locked for this process.

    `run` is the stored run from the first line (None if that line could not be written). `ended_at` is the time of the
    last write, in seconds since the epoch. `is_unwritten` is true if the journal lacks events, or if the report could
    not be written.
    """

    def __init__(self, directory: Path, stream: TextIO, run: CompiledRun | None) -> None:
        self.directory, self.run = directory, run
        file_status = os.fstat(stream.fileno())
        self.ended_at = file_status.st_mtime
        self.is_unwritten = _is_unwritten(file_status.st_mode)
        self._stream = stream

    def iterate_events(self) -> Iterator[list[Any]]:
        """Yield each event of the journal. Reading stops at the first incomplete line."""
        while (line := _read_line(self._stream, MAX_EVENT_CHARACTERS)) is not None:
            yield line

    def close(self) -> None:
        """Close the journal, so that other processes can lock it."""
        self._stream.close()


def list_abandoned_runs(reports: Path) -> Iterator[AbandonedRun]:
    """Yield the runs in a directory of reports that ended without a report, oldest first.

    Each run stays locked until the caller requests the next run. A run without a readable first line changed no host,
    and is left out. But the run is yielded if the mark of `mark_unwritten` shows that its journal could not be written.
    """
    for name in _list_partial_reports(reports):
        if abandoned_run := _open_abandoned_run(reports / name):
            with contextlib.closing(abandoned_run):
                yield abandoned_run


def _list_partial_reports(reports: Path) -> list[str]:
    """Return the directory names of unfinished reports, oldest first; [] if nothing can be read."""
    with contextlib.suppress(OSError), os.scandir(reports) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(PARTIAL_SUFFIX) and entry.is_dir(follow_symlinks=False)
        )
    return []


def _open_abandoned_run(directory: Path) -> AbandonedRun | None:
    """Open and lock the journal of a run that is over; None for a running run, and for other directories."""
    try:
        # NFS locks only files that are open for writing
        stream = open_report_file(directory / FILE, os.O_RDWR, "replace")
    except OSError:
        return None
    descriptor = stream.fileno()
    with contextlib.ExitStack() as stack:
        stack.callback(stream.close)
        if not _is_lock_free(descriptor) or not _is_in_place(directory, descriptor):
            return None
        first_line = _read_line(stream, MAX_RUN_CHARACTERS)
        if (
            first_line is None
            or len(first_line) != 2
            or not all(isinstance(line_part, dict) for line_part in first_line)
        ):
            if not _is_unwritten(os.fstat(descriptor).st_mode):
                return None
            first_line = [None, {**identify_machine(), "locked": True}]  # so that a free lock shows that it is over
        run, machine_facts = first_line
        if not _is_run_over(machine_facts, time.time() - os.fstat(descriptor).st_mtime):
            return None
        stack.pop_all()
        return AbandonedRun(directory, stream, run)
    return None


def _is_unwritten(mode: int) -> bool:
    """Return whether the file mode has the mark of `mark_unwritten`."""
    return bool(mode & UNWRITTEN_MODE & ~FILE_MODE)


def _is_lock_free(descriptor: int) -> bool:
    """Return whether no process has locked the file, and lock the file for this process.

    On a file system without locks, the result is True.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_in_place(directory: Path, descriptor: int) -> bool:
    """Return whether the locked file is still at its path.

    Another run may just have closed and deleted it.
    """
    try:
        return os.path.samestat(os.stat(directory / FILE, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        return False


def _is_run_over(machine_facts: Mapping[str, object], silent_seconds: float) -> bool:
    """Return whether the run of an unlocked journal is over, and not running on another machine.

    `machine_facts` are from the first line of the journal. `silent_seconds` are the seconds since the last write to the
    journal.
    """
    present_machine = identify_machine()
    # The run began under this kernel. If it had no lock, the free lock shows nothing, so only the time decides.
    if machine_facts.get("kernel") == present_machine["kernel"]:
        return machine_facts.get("locked") is True or silent_seconds > MAX_SILENT_SECONDS
    return (
        bool(present_machine["machine"] and machine_facts.get("machine") == present_machine["machine"])
        or silent_seconds > MAX_SILENT_SECONDS
    )


def _read_line(stream: TextIO, max_characters: int) -> list[Any] | None:
    """Read the next line of a journal as a list; None at the end, or for an incomplete or malformed line."""
    text = stream.readline(max_characters + 1)
    if not text.endswith("\n"):
        return None
    try:
        line_values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line_values if isinstance(line_values, list) else None
