"""Command `./proscribe catalog refresh`: the update of catalogue files from publishers' lists.

A person reviews and commits the changed files before a run uses them. A list is accepted as a whole or refused
(list_checks.py). The first list of a publisher may change any number of values, because its usual amount of change is
unknown. Later lists may change no more than a single review can cover (`--max-change`).
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.catalogue_loader import read_catalogue
from ...policy_errors import PolicyErrors, propose_similar_names
from .. import CommandError, print_message
from .agreement import make_agreement_change
from .catalogue_changes import CatalogueChange, make_domain_change, make_list_change, make_network_change
from .catalogue_files import require_own_catalogue, write_catalogue_file
from .download import FetchError
from .file_editor import EditError
from .list_checks import CheckedList, check_list, require_bounded_change, require_no_guarded_values
from .list_formats import ListFormatError
from .list_sources import FetchPublisher, cache_fetches, fetch_published_list, read_list_from_folder
from .loaded_catalogue import LoadedCatalogue
from .publishers import Publisher, read_publishers

WRONG_LIST_CODE = 1  # exit code if a list was refused or could not be fetched
MAX_SHOWN_VALUES = 10  # most added values on the screen for each job, and most removed values


class RefreshJob(NamedTuple):
    """Publishers' lists that together determine one change of the catalogue.

    A job has a single list, all lists of an agreement feed, or all lists that cover an entry's networks.
    """

    id: str  # for messages: the id of an agreement feed, or the ids of the publishers
    publishers: list[Publisher]
    directory: Path  # the directory whose files the job changes


class RefreshOutcome(NamedTuple):
    """The outcome of a refresh job: the change, or None with the reason why there is none.

    An outcome has a change and an error if only some lists of an agreement feed could be fetched.
    """

    job: RefreshJob
    change: CatalogueChange | None
    error: str = ""  # as text; "" for none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe catalog refresh` to its parser."""
    parser.epilog = (
        "Lists are those of publishers.yml of the catalogue and of each --dir. Each is fetched over https, with the\n"
        "proxy of the environment (https_proxy), or read from a folder with a file named for each id (--from), where\n"
        "no publisher can be reached; the folder of `recall` will do for the lists of recall.yml. What changed, the\n"
        "day and the digest of each list are written into the files of the directory whose publishers.yml names it:\n"
        "review them (git diff, and the command diff), then commit them. A list that is wrong changes nothing. Exit\n"
        "code 1 where one is."
    )
    parser.add_argument(
        "id", nargs="*", metavar="LIST", help="ids of publishers, or of feeds that are an agreement (default: all)"
    )
    parser.add_argument(
        "--from", dest="folder", metavar="DIR", help="read the lists from this folder; nothing is fetched"
    )
    parser.add_argument("--ca-file", default="", metavar="FILE", help="certificates to trust (default: the system's)")
    parser.add_argument(
        "--max-change",
        type=_parse_percent,
        default=25,
        metavar="PERCENT",
        help="the share of a list that may change after its first use (default: 25)",
    )
    parser.add_argument(
        "--into", metavar="DIR", help="one of --dir: write there what is of another directory, as amendments"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and write nothing")


def _parse_percent(text: str) -> int:
    """Parse the value of `--max-change`, a number of percent without a sign.

    The value may exceed 100, because a list can grow to many times its size. Raises ArgumentTypeError for other text.
    """
    if not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected a number of percent, 0 to 999999")
    return int(text)


def run_refresh(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Refresh the selected lists one after the other, print the outcomes, and return the exit code.

    A faulty list does not affect the others, but makes the exit code WRONG_LIST_CODE. Raises CommandError for wrong
    arguments and for a catalogue in the installed collection.
    """
    jobs = select_jobs(arguments.id, loaded, _find_target_directory(arguments.into, loaded))
    if not arguments.dry_run:
        for job in jobs:
            require_own_catalogue(job.directory)
    folder = Path(arguments.folder) if arguments.folder else None

    fetch_publisher = (
        partial(read_list_from_folder, folder=folder)
        if folder
        else cache_fetches(partial(fetch_published_list, ca_file=arguments.ca_file))
    )
    error_count = 0
    for outcome in run_jobs(jobs, loaded, fetch_publisher, arguments.max_change, arguments.dry_run):
        error_count += bool(outcome.error)
        for line in describe_outcome(outcome):
            print_message(line)
    return WRONG_LIST_CODE if error_count else 0


def _find_target_directory(directory: str | None, loaded: LoadedCatalogue) -> Path | None:
    """Return the directory of the option `--into`; None if the option is not given.

    Raises CommandError for a directory that is none of the catalogue's directories.
    """
    if directory is None:
        return None
    if Path(directory) not in loaded.directories:
        raise CommandError(f"--into {directory}: expected one of {', '.join(map(str, loaded.directories))}")
    return Path(directory)


def select_jobs(
    list_ids: Sequence[str], loaded: LoadedCatalogue, target_directory: Path | None = None
) -> list[RefreshJob]:
    """Return the refresh jobs of some lists; all jobs if `list_ids`, the ids of publishers or feeds, is empty.

    A job changes the files of `target_directory`; by default, of the directory whose publishers.yml has its list.
    Raises CommandError for an unknown id, and PolicyErrors for mistakes in publishers.yml.
    """
    publishers_by_job: dict[object, list[Publisher]] = {}
    agreement_ids = {feed.id for feed in loaded.catalogue.feeds.values() if feed.agreement}
    for publisher in read_publishers(loaded.directories):
        is_agreement = publisher.into == "feed" and publisher.of in agreement_ids
        # All lists of an agreement feed are one job. So are all lists that only cover networks of an entry (`adds` is
        # false). Any other list is a job alone.
        key = (publisher.into, publisher.of) if is_agreement or not publisher.adds else publisher.id
        publishers_by_job.setdefault(key, []).append(publisher)
    jobs = [_make_job(publishers, agreement_ids, target_directory) for publishers in publishers_by_job.values()]
    # In the order of `jobs`: the ids by which a user can select the job.
    ids_by_job = [{job.id, *(publisher.id for publisher in job.publishers)} for job in jobs]
    for list_id in list_ids:
        if not any(list_id in job_ids for job_ids in ids_by_job):
            raise CommandError(
                f"publishers.yml has no list {list_id!r}{propose_similar_names(list_id, set().union(*ids_by_job))}"
            )
    return [
        job for job, job_ids in zip(jobs, ids_by_job, strict=True) if not list_ids or not job_ids.isdisjoint(list_ids)
    ]


def _make_job(publishers: list[Publisher], agreement_ids: set[str], target_directory: Path | None) -> RefreshJob:
    """Return the refresh job of publishers whose lists determine one change together.

    `agreement_ids` are the ids of all agreement feeds. Without a `target_directory`, the job changes the directory
    whose publishers.yml has the last of the publishers.
    """
    first = publishers[0]
    is_agreement = first.into == "feed" and first.of in agreement_ids
    job_id = first.of if is_agreement else ", ".join(publisher.id for publisher in publishers)
    return RefreshJob(job_id, publishers, target_directory or publishers[-1].directory)


def run_jobs(
    jobs: Iterable[RefreshJob],
    loaded: LoadedCatalogue,
    fetch_publisher: FetchPublisher,
    max_change_percent: int,
    dry_run: bool = False,
) -> Iterator[RefreshOutcome]:
    """Run refresh jobs in order: compute each change, write it unless `dry_run` is true, and yield the outcome.

    A list that is refused or cannot be fetched gives an outcome with an error. Raises CommandError if a file cannot be
    written, or if new dates of checking make the catalogue fail to load.
    """
    files = _CatalogueFiles(loaded)
    for job in jobs:
        try:
            # files.loaded has the changes of earlier jobs, which may concern the same entry.
            change, absence_note = compute_change(job, files.loaded, fetch_publisher, max_change_percent)
            if not dry_run:
                files.apply_change(change)
        except (FetchError, ListFormatError, EditError) as error:
            yield RefreshOutcome(job, None, str(error))
            continue
        yield RefreshOutcome(job, change, absence_note)
    try:
        files.load_dated_files()
    except ListFormatError as error:
        raise CommandError(f"the days of checking were not written: {error}") from None


def compute_change(
    job: RefreshJob, loaded: LoadedCatalogue, fetch_publisher: FetchPublisher, max_change_percent: int
) -> tuple[CatalogueChange, str]:
    """Return the change of a refresh job, and a note about lists that could not be fetched.

    Only the job of an agreement feed may lack lists. The note is "" if all lists were fetched. Raises FetchError for a
    list that is needed and cannot be fetched. Raises ListFormatError for a refused list, and EditError for a catalogue
    file that no program can edit.
    """
    first = job.publishers[0]
    feeds, services = loaded.catalogue.feeds, loaded.catalogue.services
    known_targets = feeds if first.into == "feed" else services
    if first.of not in known_targets:
        target_kind = "feed" if first.into == "feed" else "service"
        raise ListFormatError(
            f"the catalogue has no {target_kind} {first.of!r}{propose_similar_names(first.of, known_targets)}"
        )
    feed = feeds[first.of] if first.into == "feed" else None
    # Key: id of a publisher. Value: the day of its list at the last comparison. A publisher without a day is new.
    days_by_publisher = {
        publisher["with"]: publisher["day"] for publisher in (feed.compared if feed else services[first.of].compared)
    }
    lists: list[CheckedList] = []
    absence_errors: list[FetchError] = []
    for publisher in job.publishers:
        try:
            lists.append(
                _obtain_checked_list(publisher, job, loaded, fetch_publisher, days_by_publisher.get(publisher.id, ""))
            )
        except FetchError as error:
            if not (feed and feed.agreement):
                raise
            absence_errors.append(error)
    if feed and feed.agreement:
        # With fewer lists than must agree, no name could be in the feed.
        if len(job.publishers) - len(absence_errors) < feed.agreement:
            raise absence_errors[0]
        change = make_agreement_change(
            feed, lists, loaded, job.directory, max_change_percent, has_all_lists=not absence_errors
        )
        return change, "; ".join(map(str, absence_errors))
    if feed:
        change = make_list_change(feed, lists[0], job.directory)
    elif first.into == "networks":
        change = make_network_change(lists, loaded, job.directory)
    else:
        change = make_domain_change(lists[0], loaded, job.directory)
    # The first list of a publisher may change any number of values, because its usual amount of change is unknown.
    if all(publisher.id in days_by_publisher for publisher in job.publishers):
        require_bounded_change(change.earlier_count, len(change.added), len(change.removed), max_change_percent)
    return change, ""


def _obtain_checked_list(
    publisher: Publisher, job: RefreshJob, loaded: LoadedCatalogue, fetch_publisher: FetchPublisher, newest_day: str
) -> CheckedList:
    """Fetch the list of a publisher, check it, and return it with its values.

    `newest_day` is the day (ISO 8601) of this publisher's list in the last comparison; "" for none. Raises FetchError,
    or ListFormatError for a list that is older than this day or fails a check. The error's text names the list if the
    job has several.
    """
    feed = loaded.catalogue.feeds[publisher.of] if publisher.into == "feed" else None
    kind = feed.kind if feed else publisher.into
    is_agreement = bool(feed and feed.agreement)
    try:
        fetched_list = fetch_publisher(publisher)
        if fetched_list.day.isoformat() < newest_day:
            raise ListFormatError(
                f"it is of {fetched_list.day}, expected one that is not older than that of {newest_day}"
            )
        checked_list = check_list(publisher, fetched_list, kind, is_agreement)
        if not is_agreement and publisher.adds:
            require_no_guarded_values(checked_list, kind, feed.service if feed else publisher.of, loaded)
    except (FetchError, ListFormatError) as error:
        raise type(error)(f"{publisher.id}: {error}" if len(job.publishers) > 1 else str(error)) from None
    return checked_list


class _CatalogueFiles:
    """The writer of a catalogue's files. It restores the earlier files if the catalogue does not load with new ones.

    `loaded` is the catalogue with all changes that were written.
    """

    def __init__(self, loaded: LoadedCatalogue) -> None:
        self.loaded = loaded
        self._dated_files: dict[Path, str | None] = {}  # earlier texts of files in which only dates changed

    def apply_change(self, change: CatalogueChange) -> None:
        """Write the files of a change, load the catalogue, and restore the files if it does not load.

        Loading takes longer than everything else. So a change that only has new dates in existing files is written
        without loading. After all jobs, load_dated_files() loads the catalogue once for all these files. Raises
        ListFormatError if the catalogue does not load, CommandError if a file cannot be written.
        """
        earlier_texts = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in change.new_texts}
        try:
            for path, text in change.new_texts.items():
                write_catalogue_file(path, text)
        except CommandError:
            with contextlib.suppress(CommandError, OSError):  # the error of writing is raised, not that of restoring
                _restore_files(earlier_texts)
            raise
        if change.added or change.removed or None in earlier_texts.values():
            self._reload_catalogue(earlier_texts)
        else:  # of a file that was written twice, the first of its earlier texts is the one to restore
            self._dated_files = {**earlier_texts, **self._dated_files}

    def load_dated_files(self) -> None:
        """Load the catalogue with the files in which only dates changed, and restore them if it does not load.

        Raises ListFormatError if the catalogue does not load.
        """
        if self._dated_files:
            self._reload_catalogue(self._dated_files)

    def _reload_catalogue(self, earlier_texts: Mapping[Path, str | None]) -> None:
        """Load the catalogue from its written files, and restore the earlier texts if it does not load.

        `earlier_texts` has the text of each file before the change, None for a new file. Raises ListFormatError if the
        catalogue does not load.
        """
        try:
            self.loaded = self.loaded._replace(catalogue=read_catalogue(self.loaded.directories))
        except PolicyErrors as policy_errors:
            _restore_files(earlier_texts)
            raise ListFormatError(f"the catalogue would not load: {policy_errors.errors[0]}") from None


def _restore_files(earlier_texts: Mapping[Path, str | None]) -> None:
    """Write the earlier text of each changed file again.

    `earlier_texts` has the texts by path. The text None means that the file did not exist earlier, so it is deleted.
    Raises CommandError, OSError.
    """
    for path, earlier_text in earlier_texts.items():
        if earlier_text is None:
            path.unlink(missing_ok=True)
        elif path.read_text(encoding="utf-8") != earlier_text:
            write_catalogue_file(path, earlier_text)


def describe_outcome(outcome: RefreshOutcome) -> Iterator[str]:
    """Yield the lines for the screen that describe the outcome of a refresh job.

    They show at most MAX_SHOWN_VALUES of the added values, and as many of the removed values.
    """
    job_id, change = outcome.job.id, outcome.change
    if change is None:
        yield f"{job_id}: refused, nothing is changed: {outcome.error}"
        return
    left_out_note = f"; {change.left_out_note}" if change.left_out_note else ""
    if outcome.error:
        yield f"{job_id}: no name is taken away, since not every list could be had: {outcome.error}"
    if not change.added and not change.removed:
        yield f"{job_id}: unchanged{left_out_note}"
        return
    yield f"{job_id}: {len(change.added):,} new, {len(change.removed):,} gone in {change.path}{left_out_note}"
    for sign, values in (("+", change.added), ("-", change.removed)):
        yield from (f"  {sign} {changed_value}" for changed_value in values[:MAX_SHOWN_VALUES])
        if len(values) > MAX_SHOWN_VALUES:
            yield f"  {sign} and {len(values) - MAX_SHOWN_VALUES:,} more"
