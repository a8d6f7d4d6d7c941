"""Parts of an install block, which stops a package manager from installing restricted packages.

The parts are Proscribe's files, its lines in files of other programs, and settings.
"""

from __future__ import annotations

import stat
from typing import Callable, Iterable, Protocol

from .....base.named_tuple import NamedTuple
from ....system import ControlError, Host

MISSING_PROBLEM = "missing"
LEFT_OVER_PROBLEM = "left over: there is nothing to refuse any more"
DIFFERENT_PROBLEM = "does not say what this plan calls for"


class BlockPart(Protocol):
    """Part of an install block. `find_problem`, `enforce` and `lift` are its three main functions.

    A part is installed after the parts before it in the list, and removed before them. `enforce` and `lift` import the
    modules that only they need.

    A part that would conflict with installed packages has `exclude_packages(packages)`. That method returns the part as
    it is after these packages are removed.
    """

    @property
    def path(self) -> str:
        """Name of the part in findings and actions: the path of its file, or a description."""

    def is_applicable(self, host: Host) -> bool:
        """Return whether the host has the software that the part configures."""

    def find_problem(self, host: Host, is_required: bool) -> str:
        """Describe the problem of the part in a few words, or return "". Raises ObservationError.

        `is_required` says whether the plan requires the part. A part that is present but not required is a problem too.
        """

    def is_in_place(self, host: Host) -> bool:
        """Return whether `lift` would remove something."""

    def read_current_text(self, host: Host) -> str:
        """Return the current text, for a diff."""

    def make_desired_text(self, host: Host) -> str:
        """Return the text after `enforce`, for a diff."""

    def make_lifted_text(self, host: Host) -> str:
        """Return the text after `lift`, for a diff."""

    def enforce(self, host: Host) -> None:
        """Install the part. Raises ControlError."""

    def lift(self, host: Host) -> None:
        """Remove the part, and leave the content of other programs unchanged. Raises ControlError."""


class BlockFile(NamedTuple):
    """File that Proscribe alone writes, as a part of an install block."""

    path: str
    content: str
    mode: int = 0o644
    trial_command: tuple[str, ...] = ()  # command that must succeed before the file is written; () for none
    trial_environment: tuple[tuple[str, str], ...] = ()  # environment of the trial command, as (name, value)
    needed_paths: tuple[str, ...] = ()  # the file is written if the host has one of these paths; () means always

    def is_applicable(self, host: Host) -> bool:
        return has_any_path(host, self.needed_paths)

    def find_problem(self, host: Host, is_required: bool) -> str:
        """Describe the problem in the file's presence, type, owner, mode or content, or return ""."""
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
        """Write the file, but only if the trial command succeeds.

        Raises ControlError.
        """
        if self.trial_command:
            host.read_command_output(self.trial_command, environment=dict(self.trial_environment), timeout=30)
        host.write_file(self.path, self.content, self.mode)

    def lift(self, host: Host) -> None:
        host.delete_file(self.path)


class SharedFile(NamedTuple):
    """File of another program to which the install block adds lines.

    `merge_text` and `strip_text` recognise Proscribe's lines by marks in them. Bytes that are not UTF-8 pass through
    both unchanged. If the path is a link that root made, its target is changed.
    """

    path: str
    # argument: the current text, "" if there is no file; result: the text with Proscribe's lines
    merge_text: Callable[[str], str]
    strip_text: Callable[[str], str]  # returns the text without Proscribe's lines, otherwise byte for byte the same
    needed_paths: tuple[str, ...] = ()  # as in BlockFile

    def is_applicable(self, host: Host) -> bool:
        return has_any_path(host, self.needed_paths)

    def find_problem(self, host: Host, is_required: bool) -> str:
        """Describe the problem of the file or of Proscribe's lines in it, or return "".

        If the text has no line of Proscribe at all, the problem is "missing".
        """
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
        """Remove Proscribe's lines.

        If nothing else is in the file, delete the file.
        """
        path = host.resolve_link(self.path)
        if remaining_text := self.strip_text(read_file_text(host, path)):
            _rewrite_file(host, path, remaining_text)
        else:
            host.delete_file(path)


class PartWithoutText:
    """Part without a text for a diff. A lift (removal of all that Proscribe did) leaves the part in place."""

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
    """Directory with files of the block, which only root may change: another user could replace these files."""

    def __init__(self, path: str) -> None:
        self.path = path

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, is_required: bool) -> str:
        return explain_foreign_access(host, self.path) if is_required else ""

    def enforce(self, host: Host) -> None:
        host.take_ownership(self.path)


class BlockTrial(PartWithoutText):
    """Trial of an install block: it tests that the block refuses a restricted package.

    A trial runs only if the other parts of that package system's block have no problem. If the block then refuses
    nothing, something else on the host keeps it from working, such as an administrator's setting. Only that
    administrator can correct it, so no run changes anything.

    `list_dependencies` returns the paths of all files and directories that the result depends on. `run_trial` describes
    in a few words how a restricted package can still be installed, or returns "". `run_trial` raises ObservationError
    and ControlError.
    """

    def __init__(
        self, path: str, list_dependencies: Callable[[Host], Iterable[str]], run_trial: Callable[[Host], str]
    ) -> None:
        self.path, self.list_dependencies, self.run_trial = path, list_dependencies, run_trial

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, is_required: bool) -> str:
        return ""  # no run can correct the result of a trial

    def enforce(self, host: Host) -> None:
        pass


def explain_foreign_access(host: Host, path: str) -> str:
    """Explain why users other than root can change the content of a directory, or return "".

    A missing directory gives "" too, because nobody can change it.
    """
    status = host.find_entry(path)
    changed_by = host.describe_write_access(path, status) if status else ""
    return f"it can be changed by others ({changed_by})" if changed_by else ""


def has_any_path(host: Host, paths: tuple[str, ...]) -> bool:
    """Return whether the host has one of the paths. An empty tuple of paths gives True."""
    return not paths or any(host.find_entry(path) for path in paths)


def explain_unsafe_file(host: Host, path: str) -> str:
    """Explain why the entry at a path is no regular file of root, or return ""."""
    status, root = host.find_entry(path), host.find_entry("/")
    if status is None or not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if root is None or status.st_uid != root.st_uid:
        return f"belongs to uid {status.st_uid}, so it can be changed by others than root"
    return ""


def read_file_mode(host: Host, path: str) -> int:
    """Return the permission bits of the file at a path.

    If it is missing, return those of a new file: 0644.
    """
    status = host.find_entry(path)
    return stat.S_IMODE(status.st_mode) if status else 0o644


def read_file_text(host: Host, path: str) -> str:
    """Return the content of a file.

    Return "" if the file is missing, no regular file, or too large. Raises ObservationError. Bytes that are not UTF-8
    become surrogates, so that they can be written again unchanged.
    """
    try:
        return (host.read_file(path) or b"").decode("utf-8", "surrogateescape")
    except ControlError:
        return ""


def make_printable(text: str) -> str:
    """Return a text for a diff, in which bytes that are not UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rewrite_file(host: Host, path: str, text: str) -> None:
    """Write a new text into a file of another program, and keep the file's permissions.

    Raises ControlError for an unsafe file: a link, for example, or a file that does not belong to root.
    """
    if (problem := explain_unsafe_file(host, path)) and host.find_entry(path):
        raise ControlError(f"{path} is left alone: {problem}")
    host.write_file(path, text.encode("utf-8", "surrogateescape"), read_file_mode(host, path))
