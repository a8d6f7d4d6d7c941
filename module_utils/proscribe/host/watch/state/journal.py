"""What happened on a host between two runs: an append-only file of JSON lines, bounded, root's alone.

Several processes append (the timer's observation, the launches daemon, a run), so each takes the file's lock, and
writes one line with one call. A line that a kill or a full disk left half is ended by the next one, and is then only
counted. What is read is data again: typed, known keys, texts of one line.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ....base.json_text import dump_json, parse_json
from ....base.moments import format_timestamp, is_timestamp, parse_timestamp
from ...system import STATE_DIRECTORY, ControlError, Host, Unseen
from ...system.locking import deadline, locked
from .turns import in_turns

if TYPE_CHECKING:
    from ....model.types.watch import JournalLine

NAME = "journal.jsonl"
OLDER = NAME + ".1"
JOURNAL = f"{STATE_DIRECTORY}/{NAME}"
OLDER_JOURNAL = f"{STATE_DIRECTORY}/{OLDER}"

LARGEST_LINE = 4096  # bytes, with its end
LARGEST = 512 * 1024  # bytes of the file; then it becomes the older one
MOST_NAMES = 20  # rules or users of one line; more rules are more lines
LONGEST = 300  # characters of a text
LONGEST_NAME = 100  # characters of the name of a rule or a user
MOST_COUNT = 1 << 53  # of a number: what every reader of JSON has exactly

TEXT, NAMES, COUNT, WHEN = "text", "names", "count", "moment"
# The events, and the type of each of their fields.
EVENTS: Mapping[str, Mapping[str, str]] = {
    "drift": {"rules": NAMES, "users": NAMES, "cause": TEXT},  # found wrong; who was logged in; what was found
    "corrected": {"rules": NAMES},
    "failed": {"control": TEXT, "message": TEXT},
    "ended": {"rule": TEXT, "program": TEXT, "user": TEXT, "times": COUNT},  # a program that was ended at its start
    "frozen": {"until": WHEN, "reason": TEXT, "by": TEXT},
    "thawed": {},
    "stale": {"renewed": WHEN},  # since when no run has renewed the plan
    "renewed": {},
    "clock": {"back": COUNT},  # seconds
    "plan": {"plan": TEXT},  # another one took effect
    "hours": {"opened": NAMES, "closed": NAMES},  # rules that the hours of a waiver, or their end, have changed
    "damaged": {"file": TEXT},
    "notified": {"user": TEXT, "waiver": TEXT, "about": TEXT},
}


def append(host: Host, event: str, **fields: object) -> None:
    """Write one event down, now. `fields` are those of EVENTS; texts that are too long are cut, and many rules become
    several lines. Raises ControlError where nothing can be written, ValueError for an event that there is not.
    """
    write_down(host, event, fields)


def write_down(host: Host, event: str, fields: Mapping[str, Any], at: str = "") -> None:
    """As `append`, of a moment. No stream has it: an audit reads the journal, and writes nothing."""
    at = at or format_timestamp(time.time())
    if not is_timestamp(at) or event not in EVENTS or fields.keys() != EVENTS[event].keys():
        raise ValueError(f"no event of the journal: {event} with {', '.join(sorted(fields)) or 'nothing'}")
    lists = {name: list(fields[name]) for name in ("rules", "opened", "closed") if name in fields}
    for first in range(0, max(map(len, lists.values()), default=0) or 1, MOST_NAMES):
        part = {name: names[first : first + MOST_NAMES] for name, names in lists.items()}
        _write(host, _line({"at": at, "event": event, **_cut(event, {**fields, **part})}))


def read(host: Host) -> tuple[list[JournalLine], int]:
    """The journal's lines, the newest last, and how many were left out because they are none. What is no file is left
    out as one. Raises Unseen where the files cannot be read.
    """
    lines: list[JournalLine] = []
    left_out = 0
    for path in (OLDER_JOURNAL, JOURNAL):
        seen = host.stat(path)
        if seen is None:
            continue
        begin = max(0, seen.st_size - LARGEST)  # of a file that somebody else has let grow, the end
        try:
            content = host.piece(path, begin, LARGEST)
        except ControlError:
            left_out += 1
            continue
        for number, text in enumerate(content.split(b"\n")):
            if begin and not number or not text:
                continue
            line = parsed(text)
            if line is None:
                left_out += 1
            else:
                lines.append(line)
    return lines, left_out


def extent(host: Host) -> list[int]:
    """What names the journal as it is now: [inode, size]; [] where there is none. For `has_lost_lines`."""
    try:
        found = host.stat(JOURNAL)
    except (ControlError, Unseen):
        return []
    return [found.st_ino, found.st_size] if found else []


def has_lost_lines(host: Host, before: Sequence[int], since: str) -> bool:
    """Whether the journal has fewer lines than it had (`extent`) at a moment. One that became the older one has not."""
    if not before:
        return False
    try:
        now, older = host.stat(JOURNAL), host.stat(OLDER_JOURNAL)
    except (ControlError, Unseen):
        return False
    if now and now.st_ino == before[0]:
        return now.st_size < before[1]
    return not (older and older.st_mtime >= parse_timestamp(since))


def parsed(text: bytes) -> JournalLine | None:
    """A line of the journal; None for what is none."""
    if len(text) >= LARGEST_LINE:
        return None
    try:
        given = parse_json(text.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    if type(given) is not dict:
        return None
    event = given.get("event")
    if type(event) is not str or event not in EVENTS or not is_timestamp(given.get("at")):
        return None
    found: Any = {"at": given["at"], "event": event}
    for name, kind in EVENTS[event].items():
        value = given.get(name)
        if not _is(kind, value):
            return None
        found[name] = value
    line: JournalLine = found
    return line


def _is(kind: str, value: Any) -> bool:
    if kind == NAMES:
        return type(value) is list and len(value) <= MOST_NAMES and all(_is_text(one, LONGEST_NAME) for one in value)
    if kind == COUNT:
        return type(value) is int and 0 <= value <= MOST_COUNT
    if kind == WHEN:
        return is_timestamp(value)
    return _is_text(value, LONGEST)


def _is_text(value: Any, longest: int) -> bool:
    return type(value) is str and len(value) <= longest and value.isprintable()


def _cut(event: str, fields: Mapping[str, Any]) -> dict[str, object]:
    """The fields as a line may have them. Raises ValueError for one of another type."""
    found: dict[str, object] = {}
    for name, kind in EVENTS[event].items():
        value = fields[name]
        if kind == TEXT:
            value = _printable(str(value), LONGEST)
        elif kind == NAMES:
            value = [_printable(str(one), LONGEST_NAME) for one in list(value)[:MOST_NAMES]]
        if not _is(kind, value):
            raise ValueError(f"no field of the journal: {name} of {event}")
        found[name] = value
    return found


def _printable(text: str, longest: int) -> str:
    """One line that a reader can print, and no half of a pair that is no character."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:longest])


def _line(given: Mapping[str, object]) -> bytes:
    """A line that is short enough: users go first, then the ends of what is longest."""
    line: Any = dict(given)
    while True:
        text = dump_json(line, separators=(",", ":")).encode() + b"\n"
        if len(text) <= LARGEST_LINE:
            return text
        fields = (name for name in line if name not in ("at", "event"))
        longest = max(fields, key=lambda name: (name == "users" and bool(line[name]), len(dump_json(line[name]))))
        line[longest] = line[longest][: len(line[longest]) // 2]


def _write(host: Host, line: bytes) -> None:
    end = deadline()
    try:
        while True:
            descriptor = _opened(host)
            try:
                if locked(host, JOURNAL, descriptor, end) and _written(host, descriptor, line):
                    return
            finally:
                os.close(descriptor)
    except Unseen as unseen:
        raise ControlError(str(unseen)) from None
    except OSError as error:
        raise ControlError(f"cannot write {JOURNAL}: {error.strerror}") from None


def _opened(host: Host) -> int:
    """The journal, made where it is missing. What is no file there (root alone can have put it) is taken away."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(3):
        host.make_directories(STATE_DIRECTORY)
        with host.directory(STATE_DIRECTORY) as directory:
            try:
                descriptor = os.open(NAME, flags, 0o600, dir_fd=directory)
            except OSError:  # a link, a socket, a directory
                seen = os.stat(NAME, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode):
                    raise
            else:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fchmod(descriptor, 0o600)
                    return descriptor
                os.close(descriptor)
            _take_away(directory, NAME)
    raise ControlError(f"cannot write {JOURNAL}: it is no file")


def _take_away(directory: int, name: str) -> None:
    """Take away what is no file in place of a journal. A directory that is not empty stays, under another name."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):  # Linux says the first of a directory, POSIX_SHELLS the second
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError:
            os.rename(name, f"{name}.{time.time_ns()}", src_dir_fd=directory, dst_dir_fd=directory)


def _written(host: Host, descriptor: int, line: bytes) -> bool:
    """Whether the line is in the file; False where this has become the older one. All of the line, or nothing."""
    size = os.fstat(descriptor).st_size
    if size and size + len(line) + 1 > LARGEST:
        older = host.stat(OLDER_JOURNAL)
        if older and stat.S_ISDIR(older.st_mode):
            with host.directory(STATE_DIRECTORY) as directory:
                _take_away(directory, OLDER)
        _become_older(host)
        return False
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


def _become_older(host: Host) -> None:
    """Have the journal be the older one. Of both what is newest of each is kept, in turns: whoever fills the journal
    pushes out only what is his own.
    """
    raw: list[bytes] = []
    with contextlib.suppress(ControlError):
        for path in (OLDER_JOURNAL, JOURNAL):
            if host.stat(path):
                raw += host.piece(path, 0, LARGEST).split(b"\n")
    host.rename(JOURNAL, OLDER)
    lines = [(text, line) for text in raw if (line := parsed(text))]
    chosen = in_turns(lines, lambda one: _whose(one[1]), LARGEST, lambda one: len(one[0]) + 1)
    with contextlib.suppress(ControlError, Unseen):  # then only what was the older one is gone
        host.write(OLDER_JOURNAL, b"".join(text + b"\n" for text, _ in chosen), 0o600)


def _whose(line: JournalLine) -> tuple[str, str]:
    """What a line is about, of those that take turns: a user's programs, a control, an event."""
    if line["event"] == "ended":
        return "ended", line["user"]
    rules = line.get("rules") or line.get("opened") or line.get("closed")
    return (line["event"], rules[0].partition("/")[0]) if rules else (line["event"], "")
