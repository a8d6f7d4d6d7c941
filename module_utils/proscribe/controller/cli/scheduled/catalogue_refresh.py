"""Scheduled refresh of the catalogue: changes of publishers' lists become a commit on a branch, and a notification.

No change reaches a host unless a person merges the branch. The lists are written into a copy of the newest commit, so
the working tree of the repository stays unchanged. Its uncommitted files are not in the commit.
"""

from __future__ import annotations

import datetime
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...compile.catalogue.catalogue_loader import read_catalogue
from ...compile.inventory.policy_folders import find_catalogue_folders
from ...compile.plans.host_policies import read_all_restrictions
from ...report.notification import Notification, QuotedLines, build_notification
from ...report.text.wording import format_count
from .. import CommandError, inventory
from ..catalog.list_sources import FetchPublisher, cache_fetches, fetch_published_list
from ..catalog.loaded_catalogue import LoadedCatalogue
from ..catalog.refreshing import RefreshOutcome, describe_outcome, run_jobs, select_jobs
from ..diff.revision import Repository, find_repository
from . import branch_commit
from .notification_transport import parse_inventory_arguments

BRANCH_PREFIX = "proscribe/catalogue-"
MAX_CHANGE_PERCENT = 25  # share of a list that may change, the same as the default of `catalog refresh`


def refresh_on_branch(
    options: Sequence[str], fetch_publisher: FetchPublisher = fetch_published_list
) -> tuple[Notification | None, bool]:
    """Fetch the publishers' lists of an inventory's catalogue, and commit the changed files on a new branch.

    Returns the notification (None if no list changed and none was refused), and True if all lists were accepted.
    `options` are those of the scheduled command. Raises CommandError, PolicyErrors.
    """
    fetch_publisher = cache_fetches(fetch_publisher)
    repository, folders = _find_catalogue_folders(options)
    base_commit = branch_commit.find_head_commit(repository.top)
    with tempfile.TemporaryDirectory(prefix="proscribe-catalogue-") as temporary_directory:
        copy_directory = Path(temporary_directory).resolve()
        earlier_files = _copy_catalogue(repository, base_commit, folders, copy_directory)
        outcomes = [
            outcome
            for catalogue_directories in folders
            for outcome in _refresh_copy(catalogue_directories, repository.top, copy_directory, fetch_publisher)
        ]
        changed_files = _select_changed_files(earlier_files, copy_directory)
    branch = ""
    if changed_files:
        day = datetime.datetime.now(datetime.timezone.utc).date()
        message = "\n".join([f"Catalogue: lists of {day}", "", *_format_outcomes(outcomes), ""])
        branch = branch_commit.create_commit(
            repository.top, base_commit, changed_files, message, f"{BRANCH_PREFIX}{day}"
        )
    return _make_notification(outcomes, repository.top, branch, sorted(changed_files)), not any(
        outcome.error for outcome in outcomes
    )


def _find_catalogue_folders(options: Sequence[str]) -> tuple[Repository, list[tuple[Path, ...]]]:
    """Return the git repository of an inventory, and the catalogues of its hosts that the repository can change.

    A catalogue is a tuple of directories. At least one of them lies in the repository. Raises CommandError if there is
    no repository, or no such catalogue.
    """
    compile_input = inventory.read_compile_input(parse_inventory_arguments(options))
    restrictions = read_all_restrictions(compile_input.hosts)
    source = Path(compile_input.inventory[0]) if compile_input.inventory else compile_input.project
    repository = find_repository(source if source.is_dir() else source.parent)
    if repository is None:
        raise CommandError(f"{source} lies in no git repository; expected one, for the branch that a person merges")
    catalogues = {
        tuple(folder.resolve() for folder in find_catalogue_folders(compile_input, host, restrictions[host.name])): None
        for host in compile_input.hosts
    }
    own_catalogues = [
        folders for folders in catalogues if any(_is_inside(folder, repository.top) for folder in folders)
    ]
    if not own_catalogues:
        raise CommandError(
            f"no directory of the catalogue lies in {repository.top}; expected one of proscribe_catalog_dirs, which the"
            " lists can be written into"
        )
    return repository, own_catalogues


def _is_inside(folder: Path, top: Path) -> bool:
    return folder.is_relative_to(top.resolve())


def _copy_catalogue(
    repository: Repository, base_commit: str, folders: Iterable[Sequence[Path]], copy_directory: Path
) -> dict[Path, bytes]:
    """Copy the directories of catalogues from a commit, and return the content of their files by path in the copy.

    `folders` are the catalogues; their directories outside the repository are not copied. Raises CommandError if the
    commit lacks a directory.
    """
    top = repository.top.resolve()
    paths = list(
        dict.fromkeys(
            directory.relative_to(top)
            for catalogue_directories in folders
            for directory in catalogue_directories
            if _is_inside(directory, top)
        )
    )
    extracted_paths = repository.extract_files(base_commit, paths, copy_directory).paths
    if missing := [path for path in paths if path not in extracted_paths]:
        raise CommandError(f"{top / missing[0]} is not in the newest commit of {top}; commit it first")
    return _read_files(copy_directory)


def _read_files(folder: Path) -> dict[Path, bytes]:
    """Return the content of all files below a directory by relative path; links are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def _select_changed_files(earlier_files: dict[Path, bytes], copy_directory: Path) -> dict[str, bytes]:
    """Return the content of the files that are new or changed in the copy, by path in the repository."""
    return {
        path.as_posix(): content
        for path, content in _read_files(copy_directory).items()
        if earlier_files.get(path) != content
    }


def _refresh_copy(
    folders: Sequence[Path], top: Path, copy_directory: Path, fetch_publisher: FetchPublisher
) -> list[RefreshOutcome]:
    """Refresh the lists of a catalogue in the copy of the repository, and return the outcome for each list.

    `folders` are the directories of the catalogue. A directory outside the repository has no copy. Its changes go as
    amendments into the last directory inside the repository.
    """
    moved_folders = [
        copy_directory / folder.relative_to(top.resolve()) if _is_inside(folder, top) else folder for folder in folders
    ]
    own_folders = [folder for folder in moved_folders if folder.is_relative_to(copy_directory)]
    loaded = LoadedCatalogue(moved_folders, read_catalogue(moved_folders))
    jobs = [
        job if job.directory.is_relative_to(copy_directory) else job._replace(directory=own_folders[-1])
        for job in select_jobs((), loaded)
    ]
    return [
        _map_outcome_paths(outcome, copy_directory)
        for outcome in run_jobs(jobs, loaded, fetch_publisher, MAX_CHANGE_PERCENT)
    ]


def _map_outcome_paths(outcome: RefreshOutcome, copy_directory: Path) -> RefreshOutcome:
    """Return the outcome of a list's refresh with paths that are relative to the repository, not in the copy."""
    change = outcome.change and outcome.change._replace(path=outcome.change.path.relative_to(copy_directory))
    return outcome._replace(change=change, error=outcome.error.replace(f"{copy_directory}/", ""))


def _format_outcomes(outcomes: Sequence[RefreshOutcome]) -> list[str]:
    """Return lines of text about the refresh of lists: each change and refusal, and the number of unchanged lists."""
    notable_outcomes = [
        outcome for outcome in outcomes if outcome.change is None or outcome.change.added or outcome.change.removed
    ]
    unchanged_count = len(outcomes) - len(notable_outcomes)
    lines = [line for outcome in notable_outcomes for line in describe_outcome(outcome)]
    return (
        [*lines, f"{format_count(unchanged_count, 'list')} unchanged: only the days of checking are new"]
        if unchanged_count
        else lines
    )


def _make_notification(
    outcomes: list[RefreshOutcome], top: Path, branch: str, files: Sequence[str]
) -> Notification | None:
    """Return the notification of a refresh; None if no file changed and no list was refused.

    `branch` is the branch with the change, "" for none. `files` are the paths of the changed files.
    """
    refused_ids = [outcome.job.id for outcome in outcomes if outcome.error]
    changed_ids = [
        outcome.job.id for outcome in outcomes if outcome.change and (outcome.change.added or outcome.change.removed)
    ]
    if not branch and not refused_ids:
        return None
    subject_parts = [
        f"{format_count(len(changed_ids), 'list')} changed",
        *([f"{len(refused_ids)} refused"] if refused_ids else []),
    ]
    lines: list[str | QuotedLines] = [QuotedLines(_format_outcomes(outcomes), "Publishers list:")]
    if branch:
        lines += ["", f"The branch {branch} of {top} has the change; nothing is in effect before somebody merges it:"]
        git_command = f"git -C {shlex.quote(str(top))}"
        lines += [f"  {git_command} diff HEAD...{branch}", f"  {git_command} push origin {branch}"]
    facts = {"branch": branch or None, "files": [*files], "changed": changed_ids, "refused": refused_ids}
    return build_notification(f"Proscribe: catalogue, {', '.join(subject_parts)}", lines, **facts)
