"""Earlier runs that never ended: they were killed, or their machine went down.

The next run closes each of them, and writes its report from its journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.timestamps import format_timestamp
from ....wire.answers.value_readers import UnusableAnswer
from ..collection.journal_replay import rebuild_collector
from ..evaluation.advice import list_unfinished_hosts
from ..evaluation.unobserved_corrections import UNOBSERVED_KEY
from ..storage import journal
from ..storage.report_directory import ReportDirectory
from ..text.wording import format_count, summarise_names
from .verdict_and_report import EndedRun, end_run

KILLED_REASON = "it was killed, or its machine went down"
UNWRITTEN_REASON = "its journal or its report could not be written"


class ClosedRun(NamedTuple):
    """A run that a later run closed: a description in sentences, and the closed run's end."""

    text: str
    run: EndedRun


def close_unfinished_runs(
    reports: Path, closing_run_id: str, report_problem: Callable[[str], None]
) -> Iterator[ClosedRun]:
    """Close the runs without a report in a directory of reports, and yield each closed run.

    `closing_run_id` is the run that closes them. `report_problem` takes a message about each run that cannot be closed.
    Such a run stays as it is.
    """
    for abandoned_run in journal.list_abandoned_runs(reports):
        try:
            yield _close_run(abandoned_run, closing_run_id, report_problem)
        except (OSError, UnusableAnswer, ValueError, KeyError, TypeError, AttributeError) as error:
            report_problem(
                f"the run in {abandoned_run.directory} was left without a report, and cannot be closed"
                f" ({type(error).__name__}: {error}); delete it if nobody needs it"
            )


def _close_run(
    abandoned_run: journal.AbandonedRun, closing_run_id: str, report_problem: Callable[[str], None]
) -> ClosedRun:
    """Close a run that was killed: replay its journal, and write its report.

    `closing_run_id` is the run that closes it. `report_problem` takes a message if the report cannot be written. Raises
    UnusableAnswer if the journal was not written or belongs to another run.
    """
    if abandoned_run.run is None:
        raise UnusableAnswer("its journal could not be written, so nobody knows what it did")
    collector = rebuild_collector(abandoned_run.run, abandoned_run.iterate_events())
    if collector.run["id"] != abandoned_run.directory.with_suffix("").name:
        raise UnusableAnswer(f"it is the journal of {collector.run['id']}")
    collector.interruption_reason = reason = UNWRITTEN_REASON if abandoned_run.is_unwritten else KILLED_REASON
    collector.lacks_events = abandoned_run.is_unwritten
    directory = ReportDirectory(abandoned_run.directory, is_abandoned=True)
    ended_run = end_run(
        collector,
        directory,
        format_timestamp(abandoned_run.ended_at),
        ansible_failed=True,
        report_failure=report_problem,
        closed_by=closing_run_id,
    )
    description = describe_ended_run(ended_run, knows_all=not abandoned_run.is_unwritten)
    return ClosedRun(f"the run {collector.run['id']} came to no end: {reason}. {description}", ended_run)


def describe_ended_run(run: EndedRun, knows_all: bool = True) -> str:
    """Describe what an interrupted run did and did not do, in sentences.

    `knows_all` is true if the run's journal is complete. Otherwise nobody knows that the run did something on no host.
    """
    heading = "Not done:" if knows_all else "Not known whether done:"
    sentences = [
        _format_hosts_sentence(
            "corrected" * knows_all, "It corrected", [record["host"] for record in run.records if record.get("actions")]
        ),
        _format_hosts_sentence(
            "", "Not observed again:", [record["host"] for record in run.records if record.get(UNOBSERVED_KEY)]
        ),
        _format_hosts_sentence("", heading, list_unfinished_hosts(run.report["run"], run.records)),
    ]
    return " ".join(filter(None, [*sentences, f"Its report is {run.directory}" if run.directory else ""]))


def _format_hosts_sentence(missing_verb: str, heading: str, hosts: Sequence[str]) -> str:
    """Format a sentence with some hosts after the heading, such as `It corrected 1 host (web1)`.

    Without hosts, the sentence is `It corrected no host.` with the verb `missing_verb`; "" if `missing_verb` is "".
    """
    if hosts:
        return f"{heading} {format_count(len(hosts), 'host')} ({summarise_names(hosts, 5)})."
    return f"It {missing_verb} no host." if missing_verb else ""
