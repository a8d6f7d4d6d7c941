"""Basic types of the interface to the operating system: errors, tool results, accounts and processes.

The functions make texts printable.
"""

from __future__ import annotations

from typing import Callable, Sequence

from ...base.named_tuple import NamedTuple


class ControlError(Exception):
    """Error on the host that stops a control.

    The message says what was attempted, and what the system answered.
    """

    def __init__(self, message: str, *, done: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.done = done  # texts of the actions that were carried out before the error


class ObservationError(Exception):
    """Error of an observation, with the reason.

    Rules that depend on the observation get the state `unknown`.
    """


def escape_text(text: str) -> str:
    """Return a path or a name with escapes for invalid bytes and unprintable characters."""

    def escape_character(character: str) -> str:
        code_point = ord(character)
        # 0xDC80 to 0xDCFF: Python decodes each invalid byte of a file name to such a character (surrogateescape).
        return (
            f"\\x{code_point & 0xFF:02x}"
            if 0xDC80 <= code_point <= 0xDCFF or code_point < 256
            else f"\\u{code_point:04x}"
        )

    return "".join(character if character.isprintable() else escape_character(character) for character in text)


def format_one_line(text: str) -> str:
    """Return a text as one line: unprintable characters and line ends become single blanks."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def summarise_reasons(reasons: Sequence[str]) -> str:
    """Return the first reason, followed by the number of further reasons; "" for no reasons."""
    suffix = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return reasons[0] + suffix if reasons else ""


class ToolResult(NamedTuple):
    """Result of a tool: exit code, standard output and standard error."""

    rc: int
    out: str
    err: str


class User(NamedTuple):
    """Account with a home directory."""

    name: str
    uid: int
    gid: int
    home: str


class Process(NamedTuple):
    """Running program.

    It is identified by its executable, never by the process name, which a program can choose.
    """

    pid: int
    exe: str  # path from /proc/PID/exe, without the suffix " (deleted)"


class TerminationTarget(NamedTuple):
    """Program to be ended: its processes, in the order in which they are ended, and a check of a process."""

    processes: Sequence[Process]
    # Returns whether a process is still to be ended. The caller has an open descriptor of the process meanwhile. So no
    # signal reaches a new process with the same id, or a program that the process executed since.
    is_target: Callable[[Process], bool]
