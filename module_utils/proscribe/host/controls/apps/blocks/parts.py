"""The parts of an install block: its own files, lines in files of others, and settings that only a tool can change."""

from __future__ import annotations

import stat
from typing import Callable, Iterable, Protocol

from .....base.tuples import NamedTuple
from ....system import ControlError, Host

MISSING_PROBLEM = "missing"
LEFT_OVER_PROBLEM = "left over: there is nothing to refuse any more"
DIFFERENT_PROBLEM = "does not say what this plan calls for"


class BlockPart(Protocol):
    """A part of an install block, with the three verbs of a control. It is put up after those before it, and taken down
    before them. What only `enforce` and `lift` need is imported inside them, as everywhere.

    One that must coexist with what is still installed has `without(packages)`: the part as it has to be once these
    packages have been removed.
    """

    @property
    def path(self) -> str:
        """What it is, in findings and actions: the path of its file, or words for what has none."""

    def is_applicable(self, host: Host) -> bool:
        """Whether this host has what the part works in."""

    def find_problem(self, host: Host, is_required: bool) -> str:
        """What keeps it from working, or that it is there though nothing calls for it, in a few words; "" if all is
        well. Raises Unseen.
        """

    def is_in_place(self, host: Host) -> bool:
        """Whether `lift` would find something to take away."""

    def read_current_text(self, host: Host) -> str:
        """What is there now, for a diff."""

    def make_desired_text(self, host: Host) -> str:
        """What `enforce` would make of it, for a diff."""

    def make_lifted_text(self, host: Host) -> str:
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
    trial_command: tuple[str, ...] = ()  # a command that has to succeed before this file may be written
    trial_environment: tuple[tuple[str, str], ...] = ()  # of the trial
    needed_paths: tuple[
        str, ...
    ] = ()  # paths, of which a host has one if the file is any use to it; none: it always is

    def is_applicable(self, host: Host) -> bool:
        return has_any_path(host, self.needed_paths)

    def find_problem(self, host: Host, is_required: bool) -> str:
        if host.find_entry(self.path) is None:
            return MISSING_PROBLEM if is_required else ""
        if not is_required:
            return LEFT_OVER_PROBLEM
        if problem := explain_unsafe_file(host, self.path):
            return problem
        if read_file_mode(host, self.path) != self.mode:
            return f"has mode {read_file_mode(host, self.path):04o} instead of {self.mode:04o}"
        return "" if read_file_text(host, self.path) == self.content else DIFFERENT_PROBLEM

    def is_in_place(self, host: Host) -> bool:
        return host.has_traces(self.path)

    def read_current_text(self, host: Host) -> str:
        return make_printable(read_file_text(host, self.path))

    def make_desired_text(self, host: Host) -> str:
        return self.content

    def make_lifted_text(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        if self.trial_command:
            host.read_command_output(self.trial_command, environment=dict(self.trial_environment), timeout=30)
        host.write_file(self.path, self.content, self.mode)

    def lift(self, host: Host) -> None:
        host.delete_file(self.path)


class SharedFile(NamedTuple):
    """A file of others in which the install block has a part, which `merge_text` and `strip_text` know by marks of their own.

    Text that is not UTF-8 passes through both unharmed. A link that root made counts as the file that it leads to.
    """

    path: str
    merge_text: Callable[[str], str]  # the file as it should be, from what it says now ("" for no file)
    strip_text: Callable[[str], str]  # the file without the block's part: byte for byte what others have in it
    needed_paths: tuple[str, ...] = ()  # as in GateFile

    def is_applicable(self, host: Host) -> bool:
        return has_any_path(host, self.needed_paths)

    def find_problem(self, host: Host, is_required: bool) -> str:
        if not is_required:
            return LEFT_OVER_PROBLEM if self.is_in_place(host) else ""
        path = host.resolve_link(self.path)
        if problem := explain_unsafe_file(host, path) if host.find_entry(path) else "":
            return problem
        current_text = read_file_text(host, path)
        if current_text == self.merge_text(current_text):
            return ""
        return MISSING_PROBLEM if current_text == self.strip_text(current_text) else DIFFERENT_PROBLEM

    def is_in_place(self, host: Host) -> bool:
        current_text = read_file_text(host, host.resolve_link(self.path))
        return self.strip_text(current_text) != current_text

    def read_current_text(self, host: Host) -> str:
        return make_printable(read_file_text(host, host.resolve_link(self.path)))

    def make_desired_text(self, host: Host) -> str:
        return make_printable(self.merge_text(read_file_text(host, host.resolve_link(self.path))))

    def make_lifted_text(self, host: Host) -> str:
        return make_printable(self.strip_text(read_file_text(host, host.resolve_link(self.path))))

    def enforce(self, host: Host) -> None:
        path = host.resolve_link(self.path)
        _rewrite_file(host, path, self.merge_text(read_file_text(host, path)))

    def lift(self, host: Host) -> None:
        path = host.resolve_link(self.path)
        if remaining_text := self.strip_text(read_file_text(host, path)):
            _rewrite_file(host, path, remaining_text)
        else:
            host.delete_file(path)


class PartWithoutText:
    """A part that has no text to show, and of which a lift takes nothing away."""

    def is_in_place(self, host: Host) -> bool:
        return False

    def read_current_text(self, host: Host) -> str:
        return ""

    def make_desired_text(self, host: Host) -> str:
        return ""

    def make_lifted_text(self, host: Host) -> str:
        return ""

    def lift(self, host: Host) -> None:
        pass


class OwnDirectory(PartWithoutText):
    """A directory that is Proscribe's alone: whoever can change it can put another file there."""

    def __init__(self, path: str) -> None:
        self.path = path

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, is_required: bool) -> str:
        return explain_foreign_access(host, self.path) if is_required else ""

    def enforce(self, host: Host) -> None:
        host.take_ownership(self.path)


class BlockTrial(PartWithoutText):
    """What a block comes to. It is tried where the other parts of its package system are as they have to be: something
    else on the host may keep them from working. Only whoever put that there can correct it, so no run changes anything.

    `list_dependencies` are all files and directories of which one changes if the answer does. `run_trial` says what is open in a few
    words, "" for nothing; it raises Unseen and ControlError.
    """

    def __init__(
        self, path: str, list_dependencies: Callable[[Host], Iterable[str]], run_trial: Callable[[Host], str]
    ) -> None:
        self.path, self.list_dependencies, self.run_trial = path, list_dependencies, run_trial

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, is_required: bool) -> str:
        return ""  # nothing that a run corrects

    def enforce(self, host: Host) -> None:
        pass


def explain_foreign_access(host: Host, path: str) -> str:
    """Why others than root can change what is in a directory; "" if they cannot, or there is none."""
    status = host.find_entry(path)
    changed_by = host.describe_write_access(path, status) if status else ""
    return f"it can be changed by others ({changed_by})" if changed_by else ""


def has_any_path(host: Host, paths: tuple[str, ...]) -> bool:
    return not paths or any(host.find_entry(path) for path in paths)


def explain_unsafe_file(host: Host, path: str) -> str:
    """Why the entry at a path is no file that root alone can change; "" if it is one."""
    status, root = host.find_entry(path), host.find_entry("/")
    if status is None or not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if root is None or status.st_uid != root.st_uid:
        return f"belongs to uid {status.st_uid}, so it can be changed by others than root"
    return ""


def read_file_mode(host: Host, path: str) -> int:
    """The permissions of the entry at a path; those of a new file if there is none."""
    status = host.find_entry(path)
    return stat.S_IMODE(status.st_mode) if status else 0o644


def read_file_text(host: Host, path: str) -> str:
    """The content of a file, bytes that are no text preserved; "" if it is missing or no file. Raises Unseen."""
    try:
        return (host.read_file(path) or b"").decode("utf-8", "surrogateescape")
    except ControlError:
        return ""


def make_printable(text: str) -> str:
    """Text as a diff may show it: what is no UTF-8 in it is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rewrite_file(host: Host, path: str, text: str) -> None:
    if (problem := explain_unsafe_file(host, path)) and host.find_entry(path):
        raise ControlError(f"{path} is left alone: {problem}")
    host.write_file(path, text.encode("utf-8", "surrogateescape"), read_file_mode(host, path))
