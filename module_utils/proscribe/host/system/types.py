"""What the door to the operating system speaks of: two errors, tools' answers, accounts, processes, names in print."""

from __future__ import annotations

from typing import Callable, Sequence

from ...base.tuples import NamedTuple


class ControlError(Exception):
    """Something on the host that a control cannot go on with: what was tried, and what the host answered."""

    def __init__(self, message: str, *, done: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.done = done  # the actions that were carried out all the same, when changing a host


class ObservationError(Exception):
    """Something that could not be observed, and why: the rules that need it are `unknown`."""


def escape_text(text: str) -> str:
    """A path or a name as it can be printed: bytes that are no text, and what does not print, as escapes."""

    def escape_character(character: str) -> str:
        code_point = ord(character)
        return (
            f"\\x{code_point & 0xFF:02x}"
            if 0xDC80 <= code_point <= 0xDCFF or code_point < 256
            else f"\\u{code_point:04x}"
        )

    return "".join(character if character.isprintable() else escape_character(character) for character in text)


def format_one_line(text: str) -> str:
    """A text as one printable line, fit for a log, a comment or a message."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def summarise_reasons(reasons: Sequence[str]) -> str:
    """The first reason, and how many there are beside it; "" for none."""
    suffix = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return reasons[0] + suffix if reasons else ""


class ToolResult(NamedTuple):
    """What a tool answered."""

    rc: int
    out: str
    err: str


class User(NamedTuple):
    """An account with a home directory."""

    name: str
    uid: int
    gid: int
    home: str


class Process(NamedTuple):
    """A running program, known by its executable and never by the name it gives itself."""

    pid: int
    exe: str  # as /proc/PID/exe shows it, without " (deleted)"


class TerminationTarget(NamedTuple):
    """Processes of one program that are to be ended, in this order."""

    processes: Sequence[Process]
    # Whether a process is to be ended. It is asked while a descriptor holds the process. So no signal reaches another
    # program that has the number by now, or that the process has turned into.
    is_target: Callable[[Process], bool]
