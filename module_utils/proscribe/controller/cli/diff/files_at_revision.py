"""Files as they were at a revision, each from the history of its own repository.

The project, an inventory, its waivers and an organisation's catalogue may be in separate repositories. A relative
revision (HEAD~1) or a day is resolved in each of them. A path without an earlier state is refused: its current state
would hide every change in it as "nothing changes".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...report.text.wording import clean_text
from .. import CommandError
from .revision import ExtractedFiles, Repository, find_repository

# Levels of a directory that are searched for inner repositories. A deeper repository is missing in the earlier state,
# and appears as a change.
MAX_SEARCH_DEPTH = 4
MAX_FOLLOWED_LINKS = 1_000


class FilesAtRevision:
    """Files in their state at the revision `name`, extracted below `target_directory`.

    Repositories of the `as_now` paths are used as they are now.
    """

    def __init__(self, name: str, target_directory: Path, as_now: Sequence[str] = ()) -> None:
        self.name = name
        self.target_directory = target_directory
        self.commits: dict[Path, str] = {}  # hash of the commit, by top directory of the repository
        self.current_paths: list[Path] = []  # paths used as they are now
        # Each of the `as_now` paths, with the top directory of its repository; None if it lies in no repository.
        self._current_repositories = [(path := _resolve_path(current_path), _find_top(path)) for current_path in as_now]
        self._places_by_top: dict[Path, Path] = {}  # directory of the extracted files, by top of the repository
        self._extracted_paths: set[tuple[Path, Path]] = set()  # top of the repository, and path relative to it

    def extract_path(self, current_path: Path, description: str) -> Path:
        """Extract the earlier state of a file or directory, and return its path. Raises CommandError if there is none.

        `description` says in messages what the path is. In an `as_now` repository, the present path is returned.
        """
        real_path = _resolve_path(current_path)
        if not real_path.exists():
            raise CommandError(f"{description} {current_path} is not there")
        if self._is_taken_as_now(real_path):
            self.current_paths.append(real_path)
            return real_path
        repository = find_repository(real_path if real_path.is_dir() else real_path.parent)
        if repository is None:
            raise CommandError(
                f"{description} {current_path} lies in no git checkout, so it has no state of {clean_text(self.name)}; "
                f"--as-now {current_path} takes it as it is now"
            )
        top = repository.top.resolve()
        relative_path = real_path.relative_to(top)
        earlier_path = self._extract_relative_path(repository, relative_path)
        if earlier_path is None:
            commit = self.commits[top][:12]
            raise CommandError(
                f"{description} {current_path} is not in {clean_text(self.name)} ({commit}) of {top}; --as-now "
                f"{current_path} takes it as it is now"
            )
        if real_path.is_dir():
            self._link_inner_repositories(real_path, earlier_path)
        return earlier_path

    def extract_optional_path(self, current_path: Path) -> None:
        """Extract the earlier state of a path, if it has one.

        Nothing is done for a path that did not exist then, or that is used as it is now.
        """
        real_path = _resolve_path(current_path)
        if not self._is_taken_as_now(real_path) and (
            repository := find_repository(_find_existing_directory(real_path))
        ):
            self._extract_relative_path(repository, real_path.relative_to(repository.top.resolve()))

    def convert_to_current_path(self, path: Path) -> Path:
        """Return the current path of a path in the extracted files; any other path is only normalised.

        A path may lead out of the extracted files: `<place>/../own` is a directory beside the repository.
        """
        current_path = next(
            (top / path.relative_to(place) for top, place in self._places_by_top.items() if place in path.parents), path
        )
        return Path(os.path.normpath(current_path))

    def translate_message(self, text: str) -> str:
        """Return a message with the paths of extracted files in git's notation: `HEAD~1:inventory/hosts.yml`.

        A path of any repository but the first has the repository's directory, too.
        """
        first_top = next(iter(self._places_by_top), None)
        for top, place in self._places_by_top.items():
            text = text.replace(f"{place}/", f"{self.name}:" if top == first_top else f"{self.name}:{top}/")
        return text

    def _is_taken_as_now(self, real_path: Path) -> bool:
        """Return whether a path lies at or below an `as_now` path, in the same repository.

        A repository inside of an `as_now` path has another history, so its earlier state is used.
        """
        return any(
            real_path.is_relative_to(path) and _find_top(real_path) == top for path, top in self._current_repositories
        )

    def _extract_relative_path(self, repository: Repository, relative_path: Path) -> Path | None:
        """Extract the earlier state of a path in a repository and return its path; None if it did not exist then."""
        top = repository.top.resolve()
        if top not in self.commits:
            try:
                self.commits[top] = repository.find_commit(self.name)
            except CommandError as error:
                raise CommandError(
                    f"{error}. A day such as 2026-11-01 is one in every repository; "
                    f"--as-now {top} takes that one as it is now"
                ) from None
            self._places_by_top[top] = self.target_directory / str(len(self._places_by_top))
            self._places_by_top[top].mkdir()
        place = self._places_by_top[top]
        if not any((top, parent) in self._extracted_paths for parent in (relative_path, *relative_path.parents)):
            extracted = repository.extract_files(self.commits[top], [relative_path], place)
            if not extracted.paths:
                return None
            self._extracted_paths.add((top, relative_path))
            self._follow_links(repository, relative_path, extracted)
        return place / relative_path if (place / relative_path).exists() else None

    def _follow_links(self, repository: Repository, relative_path: Path, extracted: ExtractedFiles) -> None:
        """Extract the targets of extracted links, too, because Ansible would ignore a link without its target."""
        top = repository.top.resolve()
        place = self._places_by_top[top]
        for link, target in extracted.outside_links:
            target_path = top / link.parent / target
            (place / link).symlink_to(self.extract_path(target_path, f"what the link {top / link} leads to,"))
        extracted_path = place / relative_path
        links = (
            [path for path in _list_contents(extracted_path) if path.is_symlink()]
            if extracted_path.is_dir()
            else [extracted_path]
        )
        # Links whose target does not exist: it was not among the extracted paths.
        for path in [path for path in links if path.is_symlink() and not path.exists()][:MAX_FOLLOWED_LINKS]:
            link_target = Path(os.path.normpath(path.parent / os.readlink(path)))
            if link_target.is_relative_to(place):
                self._extract_relative_path(repository, link_target.relative_to(place))

    def _link_inner_repositories(self, current_directory: Path, earlier_directory: Path) -> None:
        """Extract the repositories inside a current directory, such as its waivers, and link them into the earlier one.

        The commits of the outer repository do not have the files of inner repositories.
        """
        for path in _list_contents(current_directory, MAX_SEARCH_DEPTH):
            if path.name == ".git" and path.parent != current_directory:
                inner_repository = path.parent
                place = earlier_directory / inner_repository.relative_to(current_directory)
                if not place.exists() and not place.is_symlink():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(self.extract_path(inner_repository, "the repository"))


def _list_contents(directory: Path, max_depth: int = sys.maxsize) -> Iterator[Path]:
    """Yield the content of a directory up to a depth, without the content of .git. Links are not followed."""
    for folder, folders, files in os.walk(directory):
        yield from (Path(folder, name) for name in (*folders, *files))
        depth = len(Path(folder).relative_to(directory).parts) + 1
        folders[:] = [name for name in folders if name != ".git" and depth < max_depth]


def _find_existing_directory(path: Path) -> Path:
    """Return the first existing directory at or above a path."""
    return next(candidate for candidate in (path, *path.parents) if candidate.is_dir())


def _find_top(path: Path) -> Path | None:
    """Return the top directory of the repository that contains a path; None if there is none."""
    repository = find_repository(_find_existing_directory(path))
    return repository.top.resolve() if repository else None


def _resolve_path(path: Path | str) -> Path:
    """Return a path as absolute, with all links resolved."""
    return Path(path).absolute().resolve()
