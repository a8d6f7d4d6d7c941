"""The end of a run on disk: its report, whether it stands for the whole, and the fleet state with what it saw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from ....model.types.history import PastRun
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from .. import exports, sending
from ..evaluation.fleet_state import FleetState
from ..evaluation.scope import reached
from ..history import History, HistoryError, Since, Transitions, open_history
from ..page import document
from ..page.days import DAYS
from ..storage import corrected, fleet_state_file, latest, requests_file
from ..storage.complete import LATEST, NoSuchRun, find_run
from ..storage.files import ReportDirectory


class Past(TypedDict, total=False):
    """What the history has for the page."""

    trend: Sequence[PastRun]
    days: Sequence[PastRun]
    since: Since


def past_of(history: History, run: ReportRun) -> Past:
    """What a history has for the page of a run. Raises HistoryError."""
    return {
        "trend": history.trend(like_run=run["id"]),
        "days": history.days(run["finished"], DAYS, run["id"]),
        "since": history.first_seen(),
    }


class Beyond(NamedTuple):
    """What is published beside a report itself."""

    left_out: Sequence[str] = ()  # the hosts that the run left out
    stale_after: Mapping[str, int] = {}  # seconds that an observation of a host is valid, where that is not as usual
    past: Past = {}
    lists: Mapping[str, Iterable[str]] = {}  # the lists of hosts, by the names of their files


def remembered(reports: Path, report: FleetReport, records: Sequence[HostRecord], keep: int = 0) -> Past:
    """Write a run into the history of a directory of reports, which forgets what ended more than `keep` seconds ago
    (0: nothing). Returns what the page needs from the history.

    If it cannot be written, the report gets a warning, and the run loses nothing else.
    """
    try:
        history = open_history(report["run"].get("history") or "off", reports)
        if history is None:
            return {}
        history.record(report, records, keep)
        return past_of(history, report["run"])
    except Exception as error:
        failure = error if isinstance(error, HistoryError) else f"{type(error).__name__}: {error}"
        report["warnings"].append(f"this run is not in the history, or not shown with it: {failure}")
        return {}


def publish(directory: ReportDirectory, report: FleetReport, records: Sequence[HostRecord], beyond: Beyond) -> Path:
    """Write the report of a run and bring the fleet state up to date; returns the directory of the report.

    Failures beside the report itself become its warnings. Raises OSError where the report cannot be written.
    """
    reports, where = directory.partial.parent, directory.complete
    with contextlib.ExitStack() as stack:
        fleet_state = stack.enter_context(_brought_up(reports, report, records, beyond))
        run = report["run"]
        stays = latest.stays(reports, run, {record["host"] for record in records})
        if stays and run["whole"]:
            report["warnings"].append(stays)

        def export(into: Path) -> None:
            changes = None
            try:
                changes = changes_of(reports, run) if wants_changes(run) else None
            except HistoryError as error:
                report["warnings"].append(f"what this run changed is not known: {error}")
            if events := run.get("events"):  # now, so that the report has what became of them
                with _warned(report, "the events of this run could not be sent"):
                    report["warnings"] += sending.send(report, records, changes, events, str(where))
            with _warned(report, "an export could not be written"):
                names = run.get("exports") or ()
                if fleet_state is None:  # metrics of this run alone would omit the rest
                    names = [name for name in names if name not in exports.of_all_known()]
                exports.write(into, report, records, names, fleet_state, changes)

        page = document.page(report, records, directory=str(where), **beyond.past)
        directory.finish(records, report, page, beyond.lists, export, latest=not stays)
        if stays and fleet_state is not None:
            with contextlib.suppress(NoSuchRun, OSError):  # they say how old they are
                exports.refresh(find_run(reports, LATEST), report, fleet_state)
    return where


def wants_changes(run: ReportRun) -> bool:
    """Whether a run sends events or writes an export that lists what changed."""
    return bool(run.get("events")) or exports.of_history(run.get("exports") or ())


def changes_of(reports: Path, run: ReportRun, history: str = "") -> Transitions | None:
    """What a run changed, by the history that it was written into; None where that does not have it. Raises
    HistoryError.
    """
    opened = open_history(history or run.get("history") or "off", reports)
    return opened.transitions(run["id"]) if opened else None


@contextlib.contextmanager
def _warned(report: FleetReport, failure: str) -> Iterator[None]:
    """A block whose failure is a warning of the report, which stands."""
    try:
        yield
    except Exception as error:
        report["warnings"].append(f"{failure}: {type(error).__name__}: {error}")


def _take_requests(reports: Path, report: FleetReport, records: Sequence[HostRecord]) -> None:
    """Bring the users' requests up to date; a failure becomes a warning of the report."""
    try:
        wrong = requests_file.take(reports, report, records)
    except OSError as error:
        wrong = f"the requests of this run are not stored: {error}"
    report["warnings"] += [wrong] if wrong else []


@contextlib.contextmanager
def _brought_up(
    reports: Path, report: FleetReport, records: Sequence[HostRecord], beyond: Beyond
) -> Iterator[FleetState | None]:
    """The fleet state with this run in it, locked for this run.

    Where it cannot be locked or written, it is None, and the report gets a warning.
    """
    with contextlib.ExitStack() as stack:
        fleet_state: FleetState | None = None
        try:
            stack.enter_context(fleet_state_file.turn(reports))
            fleet_state, wrong = fleet_state_file.read(reports)
            if wrong:
                report["warnings"].append(wrong)
            fleet_state.take(report, reached(records), beyond.left_out, beyond.stale_after)
            fleet_state_file.write(reports, fleet_state)
            corrected.take(reports, report["run"], records)
            interrupted = report["run"].get("interrupted")
            if not (interrupted and interrupted["closed_by"]):  # the run that closes it knows better
                _take_requests(reports, report, records)
        except OSError as error:
            report["warnings"].append(f"this run is not in the fleet state: {error}")
            fleet_state = None
        yield fleet_state
