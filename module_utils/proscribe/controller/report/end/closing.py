"""The runs before that came to no end: killed, or on a machine that went down. Each is closed by the next run, with the
report that it would have written, from its journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.moments import format_timestamp
from ....wire.replies.shapes import UnusableAnswer
from ..collection.replay import replayed
from ..evaluation.advice import not_done
from ..evaluation.unobserved import KEY
from ..storage import journal
from ..storage.files import ReportDirectory
from ..text.wording import counted, some
from .ending import Ended, ended

KILLED = "it was killed, or its machine went down"
UNWRITTEN = "its journal or its report could not be written"


class Closed(NamedTuple):
    """A run that was closed: in words, and how it ended."""

    text: str
    run: Ended


def close(reports: Path, by: str, wrong: Callable[[str], None]) -> Iterator[Closed]:
    """Close the runs that were left without a report in a directory of reports; `by` is the run that does it.

    `wrong` takes a message about each run that cannot be closed; such a run stays as it is.
    """
    for left in journal.left(reports):
        try:
            yield _closed(left, by, wrong)
        except (OSError, UnusableAnswer, ValueError, KeyError, TypeError, AttributeError) as error:
            wrong(
                f"the run in {left.directory} was left without a report, and cannot be closed"
                f" ({type(error).__name__}: {error}); delete it if nobody needs it"
            )


def _closed(left: journal.Left, by: str, wrong: Callable[[str], None]) -> Closed:
    if left.run is None:
        raise UnusableAnswer("its journal could not be written, so nobody knows what it did")
    collector = replayed(left.run, left.events())
    if collector.run["id"] != left.directory.with_suffix("").name:
        raise UnusableAnswer(f"it is the journal of {collector.run['id']}")
    collector.interrupted = why = UNWRITTEN if left.is_unwritten else KILLED
    collector.lacks_events = left.is_unwritten
    directory = ReportDirectory(left.directory, left=True)
    run = ended(collector, directory, format_timestamp(left.ended), failed=True, broken=wrong, closed_by=by)
    did = described(run, knows_all=not left.is_unwritten)
    return Closed(f"the run {collector.run['id']} came to no end: {why}. {did}", run)


def described(run: Ended, knows_all: bool = True) -> str:
    """Describe in sentences what an interrupted run did. `knows_all`: its journal has all of it."""
    begins = "Not done:" if knows_all else "Not known whether done:"
    sentences = [
        _sentence("corrected" * knows_all, "It corrected", [one["host"] for one in run.records if one.get("actions")]),
        _sentence("", "Not observed again:", [one["host"] for one in run.records if one.get(KEY)]),
        _sentence("", begins, not_done(run.report["run"], run.records)),
    ]
    return " ".join(filter(None, [*sentences, f"Its report is {run.where}" if run.where else ""]))


def _sentence(nothing: str, begins: str, hosts: Sequence[str]) -> str:
    if hosts:
        return f"{begins} {counted(len(hosts), 'host')} ({some(hosts, 5)})."
    return f"It {nothing} no host." if nothing else ""
