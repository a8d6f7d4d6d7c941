"""Filters on flatpak's remotes: a denied app can neither be installed from a remote nor be listed there.

A remote is a repository of apps. It has at most one filter file, and an administrator may have set one already. So
Proscribe writes a filter file for each remote of the host, which repeats the lines of the administrator's filter. Its
header names the administrator's file, so that the lift (removal of all that Proscribe did) can restore that filter.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from .....base.named_tuple import NamedTuple
from ....system import WRITTEN_BY, Host
from ..blocks.parts import DIFFERENT_PROBLEM, LEFT_OVER_PROBLEM, MISSING_PROBLEM, read_file_text
from .flatpak_remotes import (
    FILTER_DIRECTORY,
    ODD_NAME_PROBLEM,
    REPLACED_FILTER_PREFIX,
    FlatpakRemote,
    find_former_filter,
    has_odd_name,
    is_own_filter,
    list_remotes,
    make_filter_path,
)


class RemoteFilters(NamedTuple):
    """Part of the install block that consists of the filters of all remotes (see blocks/parts.BlockPart)."""

    ids: tuple[str, ...]  # ids of the apps that the filters deny

    @property
    def path(self) -> str:
        return "filters of flatpak remotes"

    def is_applicable(self, host: Host) -> bool:
        return bool(list_remotes(host))

    def find_problem(self, host: Host, called_for: bool) -> str:
        """Describe what is wrong with the filters, by remote, or return "".

        `called_for` says whether the plan requires filters. If not, a filter that Proscribe left is the problem.
        """
        if not called_for:
            return LEFT_OVER_PROBLEM if self.is_in_place(host) else ""
        states = {remote.name: self._find_remote_problem(host, remote) for remote in list_remotes(host)}
        if set(states.values()) == {MISSING_PROBLEM}:
            return MISSING_PROBLEM
        return "; ".join(f"{name}: {problem}" for name, problem in states.items() if problem)

    def _find_remote_problem(self, host: Host, remote: FlatpakRemote) -> str:
        """Describe what is wrong with the filter of one remote, or return ""."""
        file = make_filter_path(remote)
        if has_odd_name(remote):
            return ODD_NAME_PROBLEM
        if remote.filter_path != file:
            return MISSING_PROBLEM
        if host.read_text(file) != self.make_filter_text(host, remote):
            return DIFFERENT_PROBLEM
        return (
            f"the administrator's own filter lets it in: {line}"
            if (line := self.find_foreign_opening(host, remote))
            else ""
        )

    def make_filter_text(self, host: Host, remote: FlatpakRemote) -> str:
        """Return the text that Proscribe's filter file for a remote must have.

        The text repeats the administrator's filter and then denies the restricted apps.
        """
        former_path = find_former_filter(host, remote)
        header_lines = [f"# {WRITTEN_BY}", *([REPLACED_FILTER_PREFIX + former_path] if former_path else [])]
        deny_lines = [f"deny app/{id_}/*" for id_ in self.ids]
        return "".join(f"{line}\n" for line in [*header_lines, *_read_foreign_filter(host, former_path), *deny_lines])

    def find_foreign_opening(self, host: Host, remote: FlatpakRemote) -> str:
        """Return the first line of the administrator's filter for a remote that allows a restricted app, or "".

        In a filter, an allowed name takes precedence over a denied name (flatpak-remote(5)). Proscribe's filter repeats
        that line, so it cannot deny the app. Only the administrator can change the line.
        """
        lines = _read_foreign_filter(host, find_former_filter(host, remote))
        if not lines:
            return ""
        # loaded only here, because `fnmatch` also loads the regular expressions, which takes time
        from fnmatch import fnmatchcase

        for line in lines:
            if any(fnmatchcase(id_, name) for name in _list_allowed_apps(line) for id_ in self.ids):
                return line.strip()
        return ""

    def is_in_place(self, host: Host) -> bool:
        """Return whether a filter file of Proscribe exists, or a remote uses one."""
        return bool(host.list_directory(FILTER_DIRECTORY)) or any(
            is_own_filter(remote.filter_path) for remote in list_remotes(host)
        )

    def read_current_text(self, host: Host) -> str:
        """Return the current filter of each remote and the text of Proscribe's filter files, for a diff."""
        shown = "".join(
            f"{remote.installation} {remote.name}: {remote.filter_path or 'no filter'}\n"
            for remote in list_remotes(host)
        )
        return shown + "".join(read_file_text(host, make_filter_path(remote)) for remote in list_remotes(host))

    def make_desired_text(self, host: Host) -> str:
        """Return the text that `read_current_text` will return after `enforce`, for a diff."""
        shown = "".join(
            f"{remote.installation} {remote.name}: {make_filter_path(remote)}\n" for remote in list_remotes(host)
        )
        return shown + "".join(self.make_filter_text(host, remote) for remote in list_remotes(host))

    def make_lifted_text(self, host: Host) -> str:
        """Return the filter that each remote will have after `lift`, for a diff."""
        return "".join(
            f"{remote.installation} {remote.name}: {find_former_filter(host, remote) or 'no filter'}\n"
            for remote in list_remotes(host)
        )

    def enforce(self, host: Host) -> None:
        from . import flatpak_removal

        flatpak_removal.set_filters(host, self.make_filter_text, self.find_foreign_opening)

    def lift(self, host: Host) -> None:
        from . import flatpak_removal

        flatpak_removal.remove_filters(host)


def _read_foreign_filter(host: Host, path: str) -> Sequence[str]:
    """Return the lines of the administrator's filter file at `path`, or [] if `path` is "".

    If the file is missing, flatpak denies every app, so the result is the line "deny *".
    """
    if not path:
        return []
    if host.find_entry(path) is None:
        return ["deny *"]
    return read_file_text(host, path).splitlines()


def _list_allowed_apps(line: str) -> Iterator[str]:
    """Yield the pattern of the app ids that a line of a filter allows, such as `org.example.*`.

    The line is `allow REF`; REF is a pattern of an id, or `app/ID/...`, or `runtime/...`. Yield nothing for a line that
    allows no app.
    """
    words = line.split("#")[0].split()
    if len(words) == 2 and words[0] == "allow":
        kind, _, name_path = words[1].partition("/")
        if kind not in ("app", "runtime"):
            yield kind
        elif kind == "app":
            yield name_path.partition("/")[0] or "*"
