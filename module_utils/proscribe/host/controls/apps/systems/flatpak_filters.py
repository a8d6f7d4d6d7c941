"""Filters on flatpak's remotes: what a filter denies cannot be installed from there, nor seen.

Every remote of the system gets a file of its own, because an administrator may have a filter on it already: a remote
has only one, so ours holds the lines of theirs too, and says in its head which it stands for.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from .....base.tuples import NamedTuple
from ....system import WRITTEN_BY, Host
from ..blocks.parts import DIFFERENT_PROBLEM, LEFT_OVER_PROBLEM, MISSING_PROBLEM, read_file_text
from .flatpak_remotes import DIRECTORY, INSTEAD, ODD, Remote, former, odd, ours, own_file, remotes


class RemoteFilters(NamedTuple):
    """The filters as one part of the install block."""

    ids: tuple[str, ...]

    @property
    def path(self) -> str:
        return "filters of flatpak remotes"

    def is_applicable(self, host: Host) -> bool:
        return bool(remotes(host))

    def find_problem(self, host: Host, called_for: bool) -> str:
        if not called_for:
            return LEFT_OVER_PROBLEM if self.is_in_place(host) else ""
        states = {remote.name: self._wrong(host, remote) for remote in remotes(host)}
        if set(states.values()) == {MISSING_PROBLEM}:
            return MISSING_PROBLEM
        return "; ".join(f"{name}: {problem}" for name, problem in states.items() if problem)

    def _wrong(self, host: Host, remote: Remote) -> str:
        file = own_file(remote)
        if odd(remote):
            return ODD
        if remote.filter != file:
            return MISSING_PROBLEM
        if host.read_text(file) != self.content(host, remote):
            return DIFFERENT_PROBLEM
        return f"the administrator's own filter lets it in: {line}" if (line := self.undone(host, remote)) else ""

    def content(self, host: Host, remote: Remote) -> str:
        """What a remote's filter has to be."""
        before = former(host, remote)
        head = [f"# {WRITTEN_BY}", *([INSTEAD + before] if before else [])]
        denied = [f"deny app/{id_}/*" for id_ in self.ids]
        return "".join(f"{line}\n" for line in [*head, *_foreign(host, before), *denied])

    def undone(self, host: Host, remote: Remote) -> str:
        """The first line of a foreign filter that allows what ours denies: allowing goes first (flatpak-remote(5))."""
        lines = _foreign(host, former(host, remote))
        if not lines:
            return ""
        from fnmatch import fnmatchcase  # it loads the regular expressions

        for line in lines:
            if any(fnmatchcase(id_, name) for name in _allowed(line) for id_ in self.ids):
                return line.strip()
        return ""

    def is_in_place(self, host: Host) -> bool:
        return bool(host.list_directory(DIRECTORY)) or any(ours(remote.filter) for remote in remotes(host))

    def read_current_text(self, host: Host) -> str:
        shown = "".join(
            f"{remote.installation} {remote.name}: {remote.filter or 'no filter'}\n" for remote in remotes(host)
        )
        return shown + "".join(read_file_text(host, own_file(remote)) for remote in remotes(host))

    def make_desired_text(self, host: Host) -> str:
        shown = "".join(f"{remote.installation} {remote.name}: {own_file(remote)}\n" for remote in remotes(host))
        return shown + "".join(self.content(host, remote) for remote in remotes(host))

    def make_lifted_text(self, host: Host) -> str:
        return "".join(
            f"{remote.installation} {remote.name}: {former(host, remote) or 'no filter'}\n" for remote in remotes(host)
        )

    def enforce(self, host: Host) -> None:
        from . import flatpak_removal

        flatpak_removal.put_up(host, self.content, self.undone)

    def lift(self, host: Host) -> None:
        from . import flatpak_removal

        flatpak_removal.take_down(host)


def _foreign(host: Host, path: str) -> Sequence[str]:
    """The lines of a filter, which all stay in ours."""
    if not path:
        return []
    if host.find_entry(path) is None:
        return ["deny *"]  # without its filter's file, flatpak lets nothing in
    return read_file_text(host, path).splitlines()


def _allowed(line: str) -> Iterator[str]:
    """The pattern of names of apps that a line of a filter allows, if it does."""
    words = line.split("#")[0].split()
    if len(words) == 2 and words[0] == "allow":
        kind, _, rest = words[1].partition("/")
        if kind not in ("app", "runtime"):
            yield kind
        elif kind == "app":
            yield rest.partition("/")[0] or "*"
