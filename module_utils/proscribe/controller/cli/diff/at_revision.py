"""Files of now -> the same files as they were at a revision, each in the history of the repository that it lies in.

The project, an inventory, its waivers and an organisation's catalogue may lie in repositories of their own. A relative
revision (HEAD~1) or a day is one in each of them. What has no earlier state is refused: taking it as it is now would
make "nothing changes" of whatever changed in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...report.text.wording import clean
from .. import Refused
from .revision import Extracted, Repository, repository_of

# Levels of a directory that are searched for repositories in it. One that lies deeper is missing in the state of then,
# and shows as a change.
DEEPEST = 4
MOST_LINKS = 1_000


class FilesAtRevision:
    """The state of then, below a directory. `as_now` are paths whose repositories are taken as they are now."""

    def __init__(self, name: str, into: Path, as_now: Sequence[str] = ()) -> None:
        self.name = name
        self.into = into
        self.commits: dict[Path, str] = {}  # by the top of a repository
        self.same: list[Path] = []  # what was taken as it is now
        self._as_now = [(path := _real(one), _top(path)) for one in as_now]
        self._places: dict[Path, Path] = {}
        self._brought: set[tuple[Path, Path]] = set()

    def path(self, now: Path, what: str) -> Path:
        """Where the file or directory of now stands as it was then; `what` it is, for a message. Raises Refused."""
        real = _real(now)
        if not real.exists():
            raise Refused(f"{what} {now} is not there")
        if self._taken_as_now(real):
            self.same.append(real)
            return real
        repository = repository_of(real if real.is_dir() else real.parent)
        if repository is None:
            raise Refused(
                f"{what} {now} lies in no git checkout, so it has no state of {clean(self.name)}; "
                f"--as-now {now} takes it as it is now"
            )
        top = repository.top.resolve()
        inside = real.relative_to(top)
        found = self._bring(repository, inside)
        if found is None:
            commit = self.commits[top][:12]
            raise Refused(
                f"{what} {now} is not in {clean(self.name)} ({commit}) of {top}; --as-now {now} takes it as it is now"
            )
        if real.is_dir():
            self._repositories_in(real, found)
        return found

    def optional(self, now: Path) -> None:
        """Bring back what may not have been there."""
        real = _real(now)
        if not self._taken_as_now(real) and (repository := repository_of(_there(real))):
            self._bring(repository, real.relative_to(repository.top.resolve()))

    def now(self, path: Path) -> Path:
        """The path of now of a path that may be one of then, or lead out of it: `<place>/../own`."""
        found = next(
            (top / path.relative_to(place) for top, place in self._places.items() if place in path.parents), path
        )
        return Path(os.path.normpath(found))

    def located(self, text: str) -> str:
        """A message about files of then, with the paths that they have in their repositories."""
        first = next(iter(self._places), None)
        for top, place in self._places.items():
            text = text.replace(f"{place}/", f"{self.name}:" if top == first else f"{self.name}:{top}/")
        return text

    def _taken_as_now(self, real: Path) -> bool:
        return any(real.is_relative_to(path) and _top(real) == top for path, top in self._as_now)

    def _bring(self, repository: Repository, inside: Path) -> Path | None:
        """A path inside a repository as it was then; None if it was not there."""
        top = repository.top.resolve()
        if top not in self.commits:
            try:
                self.commits[top] = repository.revision(self.name)
            except Refused as wrong:
                raise Refused(
                    f"{wrong}. A day such as 2026-11-01 is one in every repository; "
                    f"--as-now {top} takes that one as it is now"
                ) from None
            self._places[top] = self.into / str(len(self._places))
            self._places[top].mkdir()
        place = self._places[top]
        if not any((top, above) in self._brought for above in (inside, *inside.parents)):
            brought = repository.extract(self.commits[top], [inside], place)
            if not brought.there:
                return None
            self._brought.add((top, inside))
            self._follow(repository, inside, brought)
        return place / inside if (place / inside).exists() else None

    def _follow(self, repository: Repository, inside: Path, brought: Extracted) -> None:
        """Bring what the links lead to as well: without it Ansible would take what stands there for nothing."""
        top = repository.top.resolve()
        place = self._places[top]
        for link, target in brought.leads_out:
            where = top / link.parent / target
            (place / link).symlink_to(self.path(where, f"what the link {top / link} leads to,"))
        below = place / inside
        links = [path for path in _contents(below) if path.is_symlink()] if below.is_dir() else [below]
        for path in [path for path in links if path.is_symlink() and not path.exists()][:MOST_LINKS]:
            leads_to = Path(os.path.normpath(path.parent / os.readlink(path)))
            if leads_to.is_relative_to(place):
                self._bring(repository, leads_to.relative_to(place))

    def _repositories_in(self, now: Path, then: Path) -> None:
        """Put the repositories that lie inside a directory of now (its waivers, say) into the one of then."""
        for path in _contents(now, DEEPEST):
            if path.name == ".git" and path.parent != now:
                own = path.parent
                place = then / own.relative_to(now)
                if not place.exists() and not place.is_symlink():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(self.path(own, "the repository"))


def _contents(directory: Path, deepest: int = sys.maxsize) -> Iterator[Path]:
    """What is in a directory, so deep, without what is in the .git of a repository; links are not followed."""
    for above, folders, files in os.walk(directory):
        yield from (Path(above, name) for name in (*folders, *files))
        deep = len(Path(above).relative_to(directory).parts) + 1
        folders[:] = [name for name in folders if name != ".git" and deep < deepest]


def _there(path: Path) -> Path:
    """The first directory at or above a path that is there."""
    return next(one for one in (path, *path.parents) if one.is_dir())


def _top(path: Path) -> Path | None:
    repository = repository_of(_there(path))
    return repository.top.resolve() if repository else None


def _real(path: Path | str) -> Path:
    return Path(path).absolute().resolve()
