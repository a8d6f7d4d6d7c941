"""The scheduled refresh of the catalogue: publishers' lists -> a commit on a branch, and a notification.

Nothing reaches a host without a person: the branch is merged by one, or it is not. The lists are read into a copy of
the newest commit, so what is checked out, committed or not, stays as it is.
"""

from __future__ import annotations

import datetime
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...compile.catalogue.loading import read_catalogue
from ...compile.inventory.policy_folders import find_catalogue_folders
from ...compile.plans.policy import read_all_restrictions
from ...report.notification import Notification, QuotedLines, build_notification
from ...report.text.wording import counted
from .. import Refused, inventory
from ..catalog.chosen import Chosen
from ..catalog.obtaining import Fetch, once, published
from ..catalog.refreshing import Outcome, chosen_jobs, described, refreshed
from ..diff.revision import Repository, repository_of
from . import proposing
from .sending import inventory_arguments

BRANCH = "proscribe/catalogue-"
MOST_CHANGE = 25  # percent of a list, as `catalog refresh` has it


def refresh(options: Sequence[str], fetched: Fetch = published) -> tuple[Notification | None, bool]:
    """Refresh the catalogue of an inventory; what there is to report (None: nothing), and if all lists were taken.
    Raises Refused, PolicyErrors.
    """
    fetched = once(fetched)
    repository, folders = _folders(options)
    base = proposing.newest(repository.top)
    with tempfile.TemporaryDirectory(prefix="proscribe-catalogue-") as place:
        copy = Path(place).resolve()
        before = _copied(repository, base, folders, copy)
        outcomes = [one for listed in folders for one in _refreshed(listed, repository.top, copy, fetched)]
        files = _changed(before, copy)
    branch = ""
    if files:
        day = datetime.datetime.now(datetime.timezone.utc).date()
        message = "\n".join([f"Catalogue: lists of {day}", "", *_lines(outcomes), ""])
        branch = proposing.commit(repository.top, base, files, message, f"{BRANCH}{day}")
    return _notification(outcomes, repository.top, branch, sorted(files)), not any(one.refused for one in outcomes)


def _folders(options: Sequence[str]) -> tuple[Repository, list[tuple[Path, ...]]]:
    """The repository of an inventory, and the catalogues of its hosts that have a directory in it."""
    question = inventory.question(inventory_arguments(options))
    restrictions = read_all_restrictions(question.hosts)
    source = Path(question.inventory[0]) if question.inventory else question.project
    repository = repository_of(source if source.is_dir() else source.parent)
    if repository is None:
        raise Refused(f"{source} lies in no git repository; expected one, for the branch that a person merges")
    listed = {
        tuple(one.resolve() for one in find_catalogue_folders(question, host, restrictions[host.name])): None
        for host in question.hosts
    }
    own = [folders for folders in listed if any(_inside(one, repository.top) for one in folders)]
    if not own:
        raise Refused(
            f"no directory of the catalogue lies in {repository.top}; expected one of proscribe_catalog_dirs, which the"
            " lists can be written into"
        )
    return repository, own


def _inside(folder: Path, top: Path) -> bool:
    return folder.is_relative_to(top.resolve())


def _copied(repository: Repository, base: str, folders: Iterable[Sequence[Path]], copy: Path) -> dict[Path, bytes]:
    """Bring the catalogue's directories of a commit into a folder; what its files hold. Raises Refused."""
    top = repository.top.resolve()
    paths = list(dict.fromkeys(one.relative_to(top) for listed in folders for one in listed if _inside(one, top)))
    there = repository.extract(base, paths, copy).there
    if missing := [path for path in paths if path not in there]:
        raise Refused(f"{top / missing[0]} is not in the newest commit of {top}; commit it first")
    return _content(copy)


def _content(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def _changed(before: dict[Path, bytes], copy: Path) -> dict[str, bytes]:
    return {path.as_posix(): text for path, text in _content(copy).items() if before.get(path) != text}


def _refreshed(folders: Sequence[Path], top: Path, copy: Path, fetched: Fetch) -> list[Outcome]:
    """Refresh a catalogue, with the copy in the place of the repository. What belongs into a directory elsewhere goes
    into the last one that is in the repository, as amendments.
    """
    moved = [copy / one.relative_to(top.resolve()) if _inside(one, top) else one for one in folders]
    own = [one for one in moved if one.is_relative_to(copy)]
    chosen = Chosen(moved, read_catalogue(moved))
    jobs = [
        job if job.directory.is_relative_to(copy) else job._replace(directory=own[-1])
        for job in chosen_jobs((), chosen)
    ]
    return [_placed(one, copy) for one in refreshed(jobs, chosen, fetched, MOST_CHANGE)]


def _placed(outcome: Outcome, copy: Path) -> Outcome:
    """An outcome with the paths of the repository, and not of the copy."""
    change = outcome.change and outcome.change._replace(path=outcome.change.path.relative_to(copy))
    return outcome._replace(change=change, refused=outcome.refused.replace(f"{copy}/", ""))


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What came of the lists: what changed and was refused line by line, of the rest the number."""
    news = [one for one in outcomes if one.change is None or one.change.added or one.change.removed]
    rest = len(outcomes) - len(news)
    lines = [line for one in news for line in described(one)]
    return [*lines, f"{counted(rest, 'list')} unchanged: only the days of checking are new"] if rest else lines


def _notification(outcomes: list[Outcome], top: Path, branch: str, files: Sequence[str]) -> Notification | None:
    refused = [one.job.id for one in outcomes if one.refused]
    changed = [one.job.id for one in outcomes if one.change and (one.change.added or one.change.removed)]
    if not branch and not refused:
        return None
    said = [f"{counted(len(changed), 'list')} changed", *([f"{len(refused)} refused"] if refused else [])]
    lines: list[str | QuotedLines] = [QuotedLines(_lines(outcomes), "Publishers list:")]
    if branch:
        lines += ["", f"The branch {branch} of {top} has the change; nothing is in effect before somebody merges it:"]
        here = f"git -C {shlex.quote(str(top))}"
        lines += [f"  {here} diff HEAD...{branch}", f"  {here} push origin {branch}"]
    facts = {"branch": branch or None, "files": [*files], "changed": changed, "refused": refused}
    return build_notification(f"Proscribe: catalogue, {', '.join(said)}", lines, **facts)
