"""Journal of the watch on a host: a file of JSON lines with a limited size, which only root can read and write.

The journal holds the events between two runs of the controller. Several processes append lines: the timer's
observation, the launches daemon, a run. So each process locks the file, and writes one line with one call. A killed
process or a full disk may leave an incomplete line. The next write ends this line, and readers only count it. Lines are
checked when they are read: types, known keys, texts of one line.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ....base.json_text import dump_json, parse_json
from ....base.timestamps import format_timestamp, is_timestamp, parse_timestamp
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError
from ...system.file_locks import lock_file, make_deadline
from .fair_selection import select_in_turns

if TYPE_CHECKING:
    from ....model.types.watch import JournalLine

FILE_NAME = "journal.jsonl"
OLDER_FILE_NAME = FILE_NAME + ".1"
JOURNAL = f"{STATE_DIRECTORY}/{FILE_NAME}"
OLDER_JOURNAL = f"{STATE_DIRECTORY}/{OLDER_FILE_NAME}"

MAX_LINE_BYTES = 4096  # including the line end
MAX_JOURNAL_BYTES = 512 * 1024  # of the journal file; a full file becomes the older journal
MAX_NAMES = 20  # most rules or users in one line; more rules are written as further lines
MAX_TEXT_LENGTH = 300  # characters of a text field
MAX_NAME_LENGTH = 100  # characters of a rule's name or a user's name
MAX_COUNT = 1 << 53  # the largest number that every JSON reader represents exactly

TEXT, NAMES, COUNT, MOMENT = "text", "names", "count", "moment"
# Key: an event. Value: its fields, each with its type.
EVENTS: Mapping[str, Mapping[str, str]] = {
    # The noncompliant rules; the users who were logged in; the findings as text.
    "drift": {"rules": NAMES, "users": NAMES, "cause": TEXT},
    "corrected": {"rules": NAMES},
    "failed": {"control": TEXT, "message": TEXT},
    "ended": {"rule": TEXT, "program": TEXT, "user": TEXT, "times": COUNT},  # a program that was ended at its start
    "frozen": {"until": MOMENT, "reason": TEXT, "by": TEXT},
    "thawed": {},
    "stale": {"renewed": MOMENT},  # last renewal of the plan by a run
    "renewed": {},
    "clock": {"back": COUNT},  # seconds that the system clock is behind
    "plan": {"plan": TEXT},  # another plan took effect
    # rules that became less strict, and rules that became stricter, when a waiver's hours began or ended
    "hours": {"opened": NAMES, "closed": NAMES},
    "damaged": {"file": TEXT},
    "notified": {"user": TEXT, "waiver": TEXT, "about": TEXT},
}


def append_event(host: Host, event: str, **fields: object) -> None:
    """Write one event to the journal, with the present time.

    `fields` are the fields of the event in EVENTS. Texts that are too long are cut, and many rules become several
    lines. Raises ControlError if the event cannot be written. Raises ValueError for an unknown event, or for other
    fields.
    """
    write_down(host, event, fields)


def write_down(host: Host, event: str, fields: Mapping[str, Any], moment: str = "") -> None:
    """Write one event to the journal, with the time `moment`; "" stands for the present time.

    Raises the errors of `append_event`. The program that an audit sends to a host omits this function: an audit only
    reads the journal.
    """
    moment = moment or format_timestamp(time.time())
    if not is_timestamp(moment) or event not in EVENTS or fields.keys() != EVENTS[event].keys():
        raise ValueError(f"no event of the journal: {event} with {', '.join(sorted(fields)) or 'nothing'}")
    lists = {name: list(fields[name]) for name in ("rules", "opened", "closed") if name in fields}
    for first in range(0, max(map(len, lists.values()), default=0) or 1, MAX_NAMES):
        shortened_lists = {name: names[first : first + MAX_NAMES] for name, names in lists.items()}
        _write_line(
            host, _format_line({"at": moment, "event": event, **_shorten_fields(event, {**fields, **shortened_lists})})
        )


def read_journal(host: Host) -> tuple[list[JournalLine], int]:
    """Return the lines of the journal, the newest last, and the number of omitted invalid lines.

    Anything at the journal's path that is no regular file counts as one omitted line. Raises ObservationError if the
    files cannot be read.
    """
    lines: list[JournalLine] = []
    left_out_count = 0
    for path in (OLDER_JOURNAL, JOURNAL):
        status = host.find_entry(path)
        if status is None:
            continue
        # If another program has made the file larger than its limit, only the end is read.
        start = max(0, status.st_size - MAX_JOURNAL_BYTES)
        try:
            content = host.read_range(path, start, MAX_JOURNAL_BYTES)
        except ControlError:
            left_out_count += 1
            continue
        for number, text in enumerate(content.split(b"\n")):
            # after a cut, the first line is incomplete
            if start and not number or not text:
                continue
            line = parse_line(text)
            if line is None:
                left_out_count += 1
            else:
                lines.append(line)
    return lines, left_out_count


def measure_journal(host: Host) -> list[int]:
    """Return the journal's [inode, size], which `has_lost_lines` compares later; [] if there is no journal."""
    try:
        status = host.find_entry(JOURNAL)
    except (ControlError, ObservationError):
        return []
    return [status.st_ino, status.st_size] if status else []


def has_lost_lines(host: Host, earlier_extent: Sequence[int], since: str) -> bool:
    """Return whether the journal has lost lines since an earlier moment.

    `earlier_extent` is the result of `measure_journal` at that moment, and `since` is its time. A full journal that was
    renamed to the older journal has lost no lines.
    """
    if not earlier_extent:
        return False
    try:
        status, older_status = host.find_entry(JOURNAL), host.find_entry(OLDER_JOURNAL)
    except (ControlError, ObservationError):
        return False
    if status and status.st_ino == earlier_extent[0]:
        return status.st_size < earlier_extent[1]
    return not (older_status and older_status.st_mtime >= parse_timestamp(since))


def parse_line(text: bytes) -> JournalLine | None:
    """Return a line of the journal; None for an invalid line."""
    if len(text) >= MAX_LINE_BYTES:
        return None
    try:
        entries = parse_json(text.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    if type(entries) is not dict:
        return None
    event = entries.get("event")
    if type(event) is not str or event not in EVENTS or not is_timestamp(entries.get("at")):
        return None
    fields: Any = {"at": entries["at"], "event": event}
    for name, field_type in EVENTS[event].items():
        content = entries.get(name)
        if not _is_field(field_type, content):
            return None
        fields[name] = content
    line: JournalLine = fields
    return line


def _is_field(field_type: str, content: Any) -> bool:
    """Return whether a value is valid for a type of field: NAMES, COUNT, MOMENT or TEXT."""
    if field_type == NAMES:
        return (
            type(content) is list
            and len(content) <= MAX_NAMES
            and all(_is_text(name, MAX_NAME_LENGTH) for name in content)
        )
    if field_type == COUNT:
        return type(content) is int and 0 <= content <= MAX_COUNT
    if field_type == MOMENT:
        return is_timestamp(content)
    return _is_text(content, MAX_TEXT_LENGTH)


def _is_text(content: Any, max_length: int) -> bool:
    return type(content) is str and len(content) <= max_length and content.isprintable()


def _shorten_fields(event: str, fields: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields of an event, with texts and lists cut to the limits. Raises ValueError for a wrong type."""
    shortened: dict[str, object] = {}
    for name, field_type in EVENTS[event].items():
        content = fields[name]
        if field_type == TEXT:
            content = _make_printable(str(content), MAX_TEXT_LENGTH)
        elif field_type == NAMES:
            content = [_make_printable(str(text), MAX_NAME_LENGTH) for text in list(content)[:MAX_NAMES]]
        if not _is_field(field_type, content):
            raise ValueError(f"no field of the journal: {name} of {event}")
        shortened[name] = content
    return shortened


def _make_printable(text: str, max_length: int) -> str:
    """Return at most `max_length` characters of a text, as one printable line.

    Other characters are replaced by a replacement character, and so is half of a surrogate pair.
    """
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:max_length]
    )


def _format_line(fields: Mapping[str, object]) -> bytes:
    """Return the JSON line of an event, of at most MAX_LINE_BYTES.

    A longer line is shortened: first its list of users is halved until it is empty, then the longest field each time.
    """
    line: Any = dict(fields)
    while True:
        text = dump_json(line, separators=(",", ":")).encode() + b"\n"
        if len(text) <= MAX_LINE_BYTES:
            return text
        # `longest` is the list of users while it has entries, then the field with the longest JSON text
        names = (name for name in line if name not in ("at", "event"))
        longest = max(names, key=lambda name: (name == "users" and bool(line[name]), len(dump_json(line[name]))))
        line[longest] = line[longest][: len(line[longest]) // 2]


def _write_line(host: Host, line: bytes) -> None:
    """Append a line to the journal under the file's lock. Raises ControlError.

    The journal is opened again if another process has renamed it meanwhile.
    """
    lock_deadline = make_deadline()
    try:
        while True:
            descriptor = _open_journal(host)
            try:
                if lock_file(host, JOURNAL, descriptor, lock_deadline) and _try_write(host, descriptor, line):
                    return
            finally:
                os.close(descriptor)
    except ObservationError as unseen:
        raise ControlError(str(unseen)) from None
    except OSError as error:
        raise ControlError(f"cannot write {JOURNAL}: {error.strerror}") from None


def _open_journal(host: Host) -> int:
    """Open the journal, and create it if it is missing. Return the descriptor.

    Anything that is no regular file at the journal's path is removed: only root can have put it there.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(3):
        host.make_directories(STATE_DIRECTORY)
        with host.open_directory(STATE_DIRECTORY) as directory:
            try:
                descriptor = os.open(FILE_NAME, flags, 0o600, dir_fd=directory)
            except OSError:  # a link, a socket, a directory
                status = os.stat(FILE_NAME, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    raise
            else:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fchmod(descriptor, 0o600)
                    return descriptor
                os.close(descriptor)
            _remove_obstacle(directory, FILE_NAME)
    raise ControlError(f"cannot write {JOURNAL}: it is no file")


def _remove_obstacle(directory: int, name: str) -> None:
    """Remove a link, directory or other special file at the path of a journal. Rename a directory with content."""
    try:
        os.unlink(name, dir_fd=directory)
    # unlinking a directory fails with the first error on Linux, with the second by POSIX
    except (IsADirectoryError, PermissionError):
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError:
            os.rename(name, f"{name}.{time.time_ns()}", src_dir_fd=directory, dst_dir_fd=directory)


def _try_write(host: Host, descriptor: int, line: bytes) -> bool:
    """Write the whole line, or nothing.

    `descriptor` is the open and locked journal. Returns False if the journal was full: it has become the older journal,
    and nothing was written. Raises ControlError and OSError.
    """
    size = os.fstat(descriptor).st_size
    if size and size + len(line) + 1 > MAX_JOURNAL_BYTES:
        status = host.find_entry(OLDER_JOURNAL)
        if status and stat.S_ISDIR(status.st_mode):
            with host.open_directory(STATE_DIRECTORY) as directory:
                _remove_obstacle(directory, OLDER_FILE_NAME)
        _rotate_journal(host)
        return False
    # a killed process has left an incomplete last line, which ends here
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    try:
        if os.write(descriptor, line) < len(line):
            raise ControlError(f"cannot write {JOURNAL}: the disk is full")
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
    os.fdatasync(descriptor)
    return True


def _rotate_journal(host: Host) -> None:
    """Rename the full journal to the older journal, and keep the newest lines of both there.

    Owners of lines take turns (`_find_line_owner`). So an owner who fills the journal pushes out only his own lines.
    """
    raw: list[bytes] = []
    with contextlib.suppress(ControlError):
        for path in (OLDER_JOURNAL, JOURNAL):
            if host.find_entry(path):
                raw += host.read_range(path, 0, MAX_JOURNAL_BYTES).split(b"\n")
    host.rename_file(JOURNAL, OLDER_FILE_NAME)
    lines = [(text, line) for text in raw if (line := parse_line(text))]
    newest = select_in_turns(
        lines, lambda entry: _find_line_owner(entry[1]), MAX_JOURNAL_BYTES, lambda entry: len(entry[0]) + 1
    )
    # if this fails, the lines that only the older journal had are lost
    with contextlib.suppress(ControlError, ObservationError):
        host.write_file(OLDER_JOURNAL, b"".join(text + b"\n" for text, _ in newest), 0o600)


def _find_line_owner(line: JournalLine) -> tuple[str, str]:
    """Return the owner of a line, by which lines take turns when the journal is full.

    The owner is the user of an ended program. For other events, it is the event with its control, or the event alone.
    """
    if line["event"] == "ended":
        return "ended", line["user"]
    rules = line.get("rules") or line.get("opened") or line.get("closed")
    return (line["event"], rules[0].partition("/")[0]) if rules else (line["event"], "")
