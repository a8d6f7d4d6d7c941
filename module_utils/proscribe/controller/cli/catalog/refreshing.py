"""`./proscribe catalog refresh`: publishers' lists -> changes of the catalogue's files, to be reviewed and committed.

Never straight to hosts. A list is believed as a whole or not at all (believing.py). The first list of a publisher is
taken as it is: nobody knows how much of it may change. Of later ones no more may change than one review can take in.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.loading import read_catalogue
from ...policy_errors import PolicyErrors, close_to
from .. import Refused, say
from .agreeing import of_agreement
from .believing import Believed, read, require_bounded, require_guarded
from .changing import Change, of_domains, of_list, of_networks
from .chosen import Chosen
from .editing import NotEdited
from .fetching import NotFetched
from .files import require_own, write
from .formats import Unreadable
from .obtaining import Fetch, from_folder, once, published
from .publishers import Publisher, all_publishers

FOUND_WRONG = 1
MOST_SHOWN = 10  # values of a change


class Job(NamedTuple):
    """Lists that are compared together: one list, those of an agreement, or those that cover an entry's networks."""

    id: str
    publishers: list[Publisher]
    directory: Path  # whose files it changes


class Outcome(NamedTuple):
    """What came of a job: a change, or why there is none; both where only some lists of an agreement could be had."""

    job: Job
    change: Change | None
    refused: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `refresh`."""
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
        type=_share,
        default=25,
        metavar="PERCENT",
        help="the share of a list that may change after its first use (default: 25)",
    )
    parser.add_argument(
        "--into", metavar="DIR", help="one of --dir: write there what is of another directory, as amendments"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and write nothing")


def _share(text: str) -> int:
    if not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected a number of percent, 0 to 999999")
    return int(text)


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Refresh some lists, one after the other; what is wrong with one keeps no other back."""
    jobs = chosen_jobs(arguments.id, chosen, _into(arguments.into, chosen))
    if not arguments.dry_run:
        for job in jobs:
            require_own(job.directory)
    folder = Path(arguments.folder) if arguments.folder else None

    fetched = partial(from_folder, folder=folder) if folder else once(partial(published, ca_file=arguments.ca_file))
    wrong = 0
    for outcome in refreshed(jobs, chosen, fetched, arguments.max_change, arguments.dry_run):
        wrong += bool(outcome.refused)
        for line in described(outcome):
            say(line)
    return FOUND_WRONG if wrong else 0


def _into(directory: str | None, chosen: Chosen) -> Path | None:
    if directory is None:
        return None
    if Path(directory) not in chosen.directories:
        raise Refused(f"--into {directory}: expected one of {', '.join(map(str, chosen.directories))}")
    return Path(directory)


def chosen_jobs(ids: Sequence[str], chosen: Chosen, into: Path | None = None) -> list[Job]:
    """The jobs that some ids of publishers or of feeds name; all for none. Raises Refused, PolicyErrors."""
    together: dict[object, list[Publisher]] = {}
    agreements = {feed.id for feed in chosen.catalogue.feeds.values() if feed.agreement}
    for one in all_publishers(chosen.directories):
        agreeing = one.into == "feed" and one.of in agreements
        key = (one.into, one.of) if agreeing or not one.adds else one.id
        together.setdefault(key, []).append(one)
    jobs = [_job(publishers, agreements, into) for publishers in together.values()]
    names = [{job.id, *(one.id for one in job.publishers)} for job in jobs]
    for id_ in ids:
        if not any(id_ in called for called in names):
            raise Refused(f"publishers.yml has no list {id_!r}{close_to(id_, set().union(*names))}")
    return [job for job, called in zip(jobs, names, strict=True) if not ids or not called.isdisjoint(ids)]


def _job(publishers: list[Publisher], agreements: set[str], into: Path | None) -> Job:
    first = publishers[0]
    together = first.into == "feed" and first.of in agreements
    id_ = first.of if together else ", ".join(one.id for one in publishers)
    return Job(id_, publishers, into or publishers[-1].directory)


def refreshed(
    jobs: Iterable[Job], chosen: Chosen, fetched: Fetch, most: int, dry_run: bool = False
) -> Iterator[Outcome]:
    """Do some jobs, and say what came of each."""
    files = _Files(chosen)
    for job in jobs:
        try:
            change, absent = changed(job, files.chosen, fetched, most)  # a list before it may be of the same entry
            if not dry_run:
                files.take(change)
        except (NotFetched, Unreadable, NotEdited) as error:
            yield Outcome(job, None, str(error))
            continue
        yield Outcome(job, change, absent)
    try:
        files.settle()
    except Unreadable as error:
        raise Refused(f"the days of checking were not written: {error}") from None


def changed(job: Job, chosen: Chosen, fetched: Fetch, most: int) -> tuple[Change, str]:
    """What the lists of a job change in the catalogue, and which of an agreement's could not be had. Raises NotFetched,
    Unreadable, NotEdited.
    """
    first = job.publishers[0]
    feeds, services = chosen.catalogue.feeds, chosen.catalogue.services
    known = feeds if first.into == "feed" else services
    if first.of not in known:
        what = "feed" if first.into == "feed" else "service"
        raise Unreadable(f"the catalogue has no {what} {first.of!r}{close_to(first.of, known)}")
    feed = feeds[first.of] if first.into == "feed" else None
    days = {one["with"]: one["day"] for one in (feed.compared if feed else services[first.of].compared)}
    lists: list[Believed] = []
    absent: list[NotFetched] = []
    for one in job.publishers:
        try:
            lists.append(_believed(one, job, chosen, fetched, days.get(one.id, "")))
        except NotFetched as error:
            if not (feed and feed.agreement):
                raise
            absent.append(error)
    if feed and feed.agreement:
        if len(job.publishers) - len(absent) < feed.agreement:
            raise absent[0]
        change = of_agreement(feed, lists, chosen, job.directory, most, whole=not absent)
        return change, "; ".join(map(str, absent))
    if feed:
        change = of_list(feed, lists[0], job.directory)
    elif first.into == "networks":
        change = of_networks(lists, chosen, job.directory)
    else:
        change = of_domains(lists[0], chosen, job.directory)
    if all(one.id in days for one in job.publishers):
        require_bounded(change.before, len(change.added), len(change.removed), most)
    return change, ""


def _believed(publisher: Publisher, job: Job, chosen: Chosen, fetched: Fetch, newest: str) -> Believed:
    """A list of a job; `newest` is the day of the last one. Raises NotFetched, Unreadable.

    An error names the list where the job has several.
    """
    feed = chosen.catalogue.feeds[publisher.of] if publisher.into == "feed" else None
    kind = feed.kind if feed else publisher.into
    agreeing = bool(feed and feed.agreement)
    try:
        found = fetched(publisher)
        if found.day.isoformat() < newest:
            raise Unreadable(f"it is of {found.day}, expected one that is not older than that of {newest}")
        believed = read(publisher, found, kind, agreeing)
        if not agreeing and publisher.adds:
            require_guarded(believed, kind, feed.service if feed else publisher.of, chosen)
    except (NotFetched, Unreadable) as error:
        raise type(error)(f"{publisher.id}: {error}" if len(job.publishers) > 1 else str(error)) from None
    return believed


class _Files:
    """Files of a catalogue that are written, and taken back where the catalogue does not load with them."""

    def __init__(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self._dated: dict[Path, str | None] = {}  # what they were, of files that have only new dates

    def take(self, change: Change) -> None:
        """Write a change. Raises Unreadable. To load takes longer than all the rest, so dates alone are loaded once."""
        before = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in change.text}
        try:
            for path, text in change.text.items():
                write(path, text)
        except Refused:
            with contextlib.suppress(Refused, OSError):  # the first error counts
                _take_back(before)
            raise
        if change.added or change.removed or None in before.values():
            self._load(before)
        else:
            self._dated = {**before, **self._dated}

    def settle(self) -> None:
        """Load what has only new dates. Raises Unreadable."""
        if self._dated:
            self._load(self._dated)

    def _load(self, before: Mapping[Path, str | None]) -> None:
        try:
            self.chosen = self.chosen._replace(catalogue=read_catalogue(self.chosen.directories))
        except PolicyErrors as wrong:
            _take_back(before)
            raise Unreadable(f"the catalogue would not load: {wrong.errors[0]}") from None


def _take_back(before: Mapping[Path, str | None]) -> None:
    """Write files as they were. Raises Refused, and OSError."""
    for path, old in before.items():
        if old is None:
            path.unlink(missing_ok=True)
        elif path.read_text(encoding="utf-8") != old:
            write(path, old)


def described(outcome: Outcome) -> Iterator[str]:
    """What came of a job, in lines."""
    id_, change = outcome.job.id, outcome.change
    if change is None:
        yield f"{id_}: refused, nothing is changed: {outcome.refused}"
        return
    left = f"; {change.left}" if change.left else ""
    if outcome.refused:
        yield f"{id_}: no name is taken away, since not every list could be had: {outcome.refused}"
    if not change.added and not change.removed:
        yield f"{id_}: unchanged{left}"
        return
    yield f"{id_}: {len(change.added):,} new, {len(change.removed):,} gone in {change.path}{left}"
    for sign, values in (("+", change.added), ("-", change.removed)):
        yield from (f"  {sign} {value}" for value in values[:MOST_SHOWN])
        if len(values) > MOST_SHOWN:
            yield f"  {sign} and {len(values) - MOST_SHOWN:,} more"
