"""Filters on flatpak's remotes: a denied app can neither be installed from a remote nor be listed there.

Every remote of the system gets a file of its own, because an administrator may have set a filter already. A remote has
only one filter. So our file also contains the lines of the administrator's filter, and its header names the replaced
file.
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
    """Filters of all remotes as one part of the install block."""

    ids: tuple[str, ...]

    @property
    def path(self) -> str:
        return "filters of flatpak remotes"

    def is_applicable(self, host: Host) -> bool:
        return bool(list_remotes(host))

    def find_problem(self, host: Host, called_for: bool) -> str:
        if not called_for:
            return LEFT_OVER_PROBLEM if self.is_in_place(host) else ""
        states = {remote.name: self._find_remote_problem(host, remote) for remote in list_remotes(host)}
        if set(states.values()) == {MISSING_PROBLEM}:
            return MISSING_PROBLEM
        return "; ".join(f"{name}: {problem}" for name, problem in states.items() if problem)

    def _find_remote_problem(self, host: Host, remote: FlatpakRemote) -> str:
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
        """Return the required text of a remote's filter."""
        former_path = find_former_filter(host, remote)
        header_lines = [f"# {WRITTEN_BY}", *([REPLACED_FILTER_PREFIX + former_path] if former_path else [])]
        deny_lines = [f"deny app/{id_}/*" for id_ in self.ids]
        return "".join(f"{line}\n" for line in [*header_lines, *_read_foreign_filter(host, former_path), *deny_lines])

    def find_foreign_opening(self, host: Host, remote: FlatpakRemote) -> str:
        """Return the first line of a foreign filter that allows an app that ours denies, or "".

        An allowed name takes precedence (flatpak-remote(5)).
        """
        lines = _read_foreign_filter(host, find_former_filter(host, remote))
        if not lines:
            return ""
        from fnmatch import fnmatchcase  # loaded on demand, because it loads the regular expressions

        for line in lines:
            if any(fnmatchcase(id_, name) for name in _list_allowed_apps(line) for id_ in self.ids):
                return line.strip()
        return ""

    def is_in_place(self, host: Host) -> bool:
        return bool(host.list_directory(FILTER_DIRECTORY)) or any(
            is_own_filter(remote.filter_path) for remote in list_remotes(host)
        )

    def read_current_text(self, host: Host) -> str:
        shown = "".join(
            f"{remote.installation} {remote.name}: {remote.filter_path or 'no filter'}\n"
            for remote in list_remotes(host)
        )
        return shown + "".join(read_file_text(host, make_filter_path(remote)) for remote in list_remotes(host))

    def make_desired_text(self, host: Host) -> str:
        shown = "".join(
            f"{remote.installation} {remote.name}: {make_filter_path(remote)}\n" for remote in list_remotes(host)
        )
        return shown + "".join(self.make_filter_text(host, remote) for remote in list_remotes(host))

    def make_lifted_text(self, host: Host) -> str:
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
    """Return the lines of a foreign filter, which our filter repeats."""
    if not path:
        return []
    if host.find_entry(path) is None:
        return ["deny *"]  # if the file of a filter is missing, flatpak denies everything
    return read_file_text(host, path).splitlines()


def _list_allowed_apps(line: str) -> Iterator[str]:
    """Yield the pattern of the apps that a line of a filter allows, if it allows any."""
    words = line.split("#")[0].split()
    if len(words) == 2 and words[0] == "allow":
        kind, _, name_path = words[1].partition("/")
        if kind not in ("app", "runtime"):
            yield kind
        elif kind == "app":
            yield name_path.partition("/")[0] or "*"
