"""Types of the interface to the operating system: errors, tool results, accounts, processes, printable names."""

from __future__ import annotations

from typing import Callable, Sequence

from ...base.named_tuple import NamedTuple


class ControlError(Exception):
    """Error on the host that stops a control. The message has the attempted action and the host's answer."""

    def __init__(self, message: str, *, done: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.done = done  # actions that were carried out before the error, in a change of a host


class ObservationError(Exception):
    """Error of an observation, with its reason. The rules that need the observation are `unknown`."""


def escape_text(text: str) -> str:
    """Return a path or a name in printable form.

    Invalid bytes and unprintable characters become escapes.
    """

    def escape_character(character: str) -> str:
        code_point = ord(character)
        return (
            f"\\x{code_point & 0xFF:02x}"
            if 0xDC80 <= code_point <= 0xDCFF or code_point < 256
            else f"\\u{code_point:04x}"
        )

    return "".join(character if character.isprintable() else escape_character(character) for character in text)


def format_one_line(text: str) -> str:
    """Return a text as one printable line for a log, a comment or a message."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def summarise_reasons(reasons: Sequence[str]) -> str:
    """Return the first reason, and the number of the others; "" for none."""
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
    """Running program, identified by its executable and never by the name that it gives itself."""

    pid: int
    exe: str  # as /proc/PID/exe shows it, without " (deleted)"


class TerminationTarget(NamedTuple):
    """Processes of a program that are to be ended, in this order."""

    processes: Sequence[Process]
    # Returns whether a process is to be ended. It is called while a descriptor holds the process. So no signal reaches
    # another program with the same number: a new process, or a program that the process executed meanwhile.
    is_target: Callable[[Process], bool]
