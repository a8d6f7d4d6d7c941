"""What became of the runs before: since when something is wrong, how long repairs took, what comes back, the trend.

`open_history(where, reports)` gives a History, which opens its database for each question anew; all its methods raise
HistoryError. The SQL is one and the same for both databases (tables.py, recording.py, queries.py); database.py and
server.py say how SQLite and PostgreSQL are spoken to.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

from ....base.duration import format_moment
from ....model.types.history import PastRun
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ....wire.store import PLANS_DIRECTORY
from ..evaluation.lifts import LiftResult
from ..evaluation.scope import Run
from . import lifts, queries, recording
from .database import Database, HistoryError, SQLite
from .plans import Plans
from .queries import Scope, Since
from .recording import Written
from .said import storable_name, with_storable_name
from .transitions import Transitions, transitions

__all__ = ["History", "HistoryError", "Scope", "Since", "Transitions", "Written", "open_history"]

FILE = "history.db"
OFF, SQLITE = "off", "sqlite"


class History:
    """The history of the runs whose reports stand in one directory, or of all that write to one server."""

    def __init__(self, database: Database, plans: Path) -> None:
        self.database = database
        self._plans = plans

    @property
    def plans(self) -> Plans:
        """The plans that hosts answered for, as far as they stand beside the reports."""
        return Plans(self._plans)

    def record(
        self, report: FleetReport, records: Iterable[HostRecord], keep: int = 0, now: datetime.datetime | None = None
    ) -> Written:
        """Remember a run: its fleet report and its reconciled host records, which are gone through once. All of it or
        nothing; a run that is known already stays as it is. What ended more than `keep` seconds ago is forgotten (0:
        nothing is).
        """
        with self.database.writing() as session:
            written = recording.record(session, report, map(with_storable_name, records), self.plans)
            if keep:
                now = now or datetime.datetime.now(datetime.timezone.utc)
                recording.prune(session, format_moment(now - datetime.timedelta(seconds=keep)))
            return written

    def record_lift(self, run: Run, at: str, results: Mapping[str, LiftResult]) -> None:
        """Remember what a run has lifted by then (UTC); all of it or nothing."""
        with self.database.writing() as session:
            lifts.record(session, run, at, {storable_name(host): result for host, result in results.items()})

    def first_seen(self) -> Since:
        """Since when what is wrong now has been wrong: a mapping of (host, rule) to a UTC time."""
        with self.database.reading() as session:
            return Since(session)

    def last_expected(self, host: str) -> str | None:
        """See queries.last_expected."""
        with self.database.reading() as session:
            return queries.last_expected(session, host)

    def trend(self, limit: int = 60, since: str = "", like_run: str = "") -> list[PastRun]:
        """See queries.trend."""
        with self.database.reading() as session:
            return queries.trend(session, since, limit, like_run)

    def days(self, until: str, number: int, like_run: str = "") -> list[PastRun]:
        """See queries.days."""
        with self.database.reading() as session:
            return queries.days(session, until, number, like_run)

    def transitions(self, run: str) -> Transitions | None:
        """What a run changed, host by host; None for a run that is not in the history."""
        with self.database.reading() as session:
            return transitions(session, run)


def open_history(where: str, reports: Path) -> History | None:
    """The history that `proscribe_history` names: `sqlite`, a postgresql:// URL, or `off`, which gives None. `reports`
    is the directory in which reports stand. Connects to nothing yet. Raises HistoryError for a URL without a driver.
    """
    if where == OFF:
        return None
    plans = reports / PLANS_DIRECTORY
    if where == SQLITE:
        return History(SQLite(reports / FILE), plans)
    from .server import Server  # the optional part

    return History(Server(where), plans)
