"""The parts of an install block: its own files, lines in files of others, and settings that only a tool can change."""

from __future__ import annotations

import stat
from typing import Callable, Iterable, Protocol

from .....base.tuples import NamedTuple
from ....system import ControlError, Host

MISSING = "missing"
LEFT_OVER = "left over: there is nothing to refuse any more"
DIFFERS = "does not say what this plan calls for"


class BlockPart(Protocol):
    """A part of an install block, with the three verbs of a control. It is put up after those before it, and taken down
    before them. What only `enforce` and `lift` need is imported inside them, as everywhere.

    One that must coexist with what is still installed has `without(packages)`: the part as it has to be once these
    packages have been removed.
    """

    @property
    def path(self) -> str:
        """What it is, in findings and actions: the path of its file, or words for what has none."""

    def concerns(self, host: Host) -> bool:
        """Whether this host has what the part works in."""

    def wrong(self, host: Host, called_for: bool) -> str:
        """What keeps it from working, or that it is there though nothing calls for it, in a few words; "" if all is
        well. Raises Unseen.
        """

    def in_place(self, host: Host) -> bool:
        """Whether `lift` would find something to take away."""

    def text(self, host: Host) -> str:
        """What is there now, for a diff."""

    def desired(self, host: Host) -> str:
        """What `enforce` would make of it, for a diff."""

    def left(self, host: Host) -> str:
        """What `lift` would leave of it, for a diff."""

    def enforce(self, host: Host) -> None:
        """Put it up. Raises ControlError."""

    def lift(self, host: Host) -> None:
        """Take it away, and leave what others have there as it is. Raises ControlError."""


class BlockFile(NamedTuple):
    """A file that belongs to the install block alone."""

    path: str
    content: str
    mode: int = 0o644
    trial: tuple[str, ...] = ()  # a command that has to succeed before this file may be written
    environment: tuple[tuple[str, str], ...] = ()  # of the trial
    needs: tuple[str, ...] = ()  # paths, of which a host has one if the file is any use to it; none: it always is

    def concerns(self, host: Host) -> bool:
        return has_one(host, self.needs)

    def wrong(self, host: Host, called_for: bool) -> str:
        if host.find_entry(self.path) is None:
            return MISSING if called_for else ""
        if not called_for:
            return LEFT_OVER
        if problem := unsafe(host, self.path):
            return problem
        if mode_of(host, self.path) != self.mode:
            return f"has mode {mode_of(host, self.path):04o} instead of {self.mode:04o}"
        return "" if text_of(host, self.path) == self.content else DIFFERS

    def in_place(self, host: Host) -> bool:
        return host.has_traces(self.path)

    def text(self, host: Host) -> str:
        return printable(text_of(host, self.path))

    def desired(self, host: Host) -> str:
        return self.content

    def left(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        if self.trial:
            host.read_command_output(self.trial, environment=dict(self.environment), timeout=30)
        host.write_file(self.path, self.content, self.mode)

    def lift(self, host: Host) -> None:
        host.delete_file(self.path)


class SharedFile(NamedTuple):
    """A file of others in which the install block has a part, which `merge` and `strip` know by marks of their own.

    Text that is not UTF-8 passes through both unharmed. A link that root made counts as the file that it leads to.
    """

    path: str
    merge: Callable[[str], str]  # the file as it should be, from what it says now ("" for no file)
    strip: Callable[[str], str]  # the file without the block's part: byte for byte what others have in it
    needs: tuple[str, ...] = ()  # as in GateFile

    def concerns(self, host: Host) -> bool:
        return has_one(host, self.needs)

    def wrong(self, host: Host, called_for: bool) -> str:
        if not called_for:
            return LEFT_OVER if self.in_place(host) else ""
        path = host.resolve_link(self.path)
        if problem := unsafe(host, path) if host.find_entry(path) else "":
            return problem
        now = text_of(host, path)
        if now == self.merge(now):
            return ""
        return MISSING if now == self.strip(now) else DIFFERS

    def in_place(self, host: Host) -> bool:
        now = text_of(host, host.resolve_link(self.path))
        return self.strip(now) != now

    def text(self, host: Host) -> str:
        return printable(text_of(host, host.resolve_link(self.path)))

    def desired(self, host: Host) -> str:
        return printable(self.merge(text_of(host, host.resolve_link(self.path))))

    def left(self, host: Host) -> str:
        return printable(self.strip(text_of(host, host.resolve_link(self.path))))

    def enforce(self, host: Host) -> None:
        path = host.resolve_link(self.path)
        _rewrite(host, path, self.merge(text_of(host, path)))

    def lift(self, host: Host) -> None:
        path = host.resolve_link(self.path)
        if rest := self.strip(text_of(host, path)):
            _rewrite(host, path, rest)
        else:
            host.delete_file(path)


class WithoutText:
    """A part that has no text to show, and of which a lift takes nothing away."""

    def in_place(self, host: Host) -> bool:
        return False

    def text(self, host: Host) -> str:
        return ""

    def desired(self, host: Host) -> str:
        return ""

    def left(self, host: Host) -> str:
        return ""

    def lift(self, host: Host) -> None:
        pass


class OwnDirectory(WithoutText):
    """A directory that is Proscribe's alone: whoever can change it can put another file there."""

    def __init__(self, path: str) -> None:
        self.path = path

    def concerns(self, host: Host) -> bool:
        return True

    def wrong(self, host: Host, called_for: bool) -> str:
        return others_change(host, self.path) if called_for else ""

    def enforce(self, host: Host) -> None:
        host.take_ownership(self.path)


class Trial(WithoutText):
    """What a block comes to. It is tried where the other parts of its package system are as they have to be: something
    else on the host may keep them from working. Only whoever put that there can correct it, so no run changes anything.

    `depends` are all files and directories of which one changes if the answer does. `trial` says what is open in a few
    words, "" for nothing; it raises Unseen and ControlError.
    """

    def __init__(self, path: str, depends: Callable[[Host], Iterable[str]], trial: Callable[[Host], str]) -> None:
        self.path, self.depends, self.trial = path, depends, trial

    def concerns(self, host: Host) -> bool:
        return True

    def wrong(self, host: Host, called_for: bool) -> str:
        return ""  # nothing that a run corrects

    def enforce(self, host: Host) -> None:
        pass


def others_change(host: Host, path: str) -> str:
    """Why others than root can change what is in a directory; "" if they cannot, or there is none."""
    seen = host.find_entry(path)
    by = host.describe_write_access(path, seen) if seen else ""
    return f"it can be changed by others ({by})" if by else ""


def has_one(host: Host, paths: tuple[str, ...]) -> bool:
    return not paths or any(host.find_entry(path) for path in paths)


def unsafe(host: Host, path: str) -> str:
    """Why the entry at a path is no file that root alone can change; "" if it is one."""
    seen, root = host.find_entry(path), host.find_entry("/")
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return "not a regular file"
    if root is None or seen.st_uid != root.st_uid:
        return f"belongs to uid {seen.st_uid}, so it can be changed by others than root"
    return ""


def mode_of(host: Host, path: str) -> int:
    """The permissions of the entry at a path; those of a new file if there is none."""
    seen = host.find_entry(path)
    return stat.S_IMODE(seen.st_mode) if seen else 0o644


def text_of(host: Host, path: str) -> str:
    """The content of a file, bytes that are no text preserved; "" if it is missing or no file. Raises Unseen."""
    try:
        return (host.read_file(path) or b"").decode("utf-8", "surrogateescape")
    except ControlError:
        return ""


def printable(text: str) -> str:
    """Text as a diff may show it: what is no UTF-8 in it is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rewrite(host: Host, path: str, text: str) -> None:
    if (problem := unsafe(host, path)) and host.find_entry(path):
        raise ControlError(f"{path} is left alone: {problem}")
    host.write_file(path, text.encode("utf-8", "surrogateescape"), mode_of(host, path))
