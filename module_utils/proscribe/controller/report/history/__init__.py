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
from ..evaluation.scope import AnyRun
from . import lifts, queries, recording
from .database import HistoryDatabase, HistoryError, SqliteDatabase
from .plans import PlanServices
from .queries import IncidentStarts, QueryScope
from .recording import IncidentCounts
from .said import make_storable_name, rename_record_host
from .transitions import RunTransitions, read_transitions

__all__ = [
    "History",
    "HistoryError",
    "QueryScope",
    "IncidentStarts",
    "RunTransitions",
    "IncidentCounts",
    "open_history",
]

DATABASE_FILE = "history.db"
OFF, SQLITE = "off", "sqlite"


class History:
    """The history of the runs whose reports stand in one directory, or of all that write to one server."""

    def __init__(self, database: HistoryDatabase, plans: Path) -> None:
        self.database = database
        self._plans = plans

    @property
    def plans(self) -> PlanServices:
        """The plans that hosts answered for, as far as they stand beside the reports."""
        return PlanServices(self._plans)

    def record_run(
        self,
        report: FleetReport,
        records: Iterable[HostRecord],
        keep_seconds: int = 0,
        now: datetime.datetime | None = None,
    ) -> IncidentCounts:
        """Remember a run: its fleet report and its reconciled host records, which are gone through once. All of it or
        nothing; a run that is known already stays as it is. What ended more than `keep_seconds` seconds ago is forgotten (0:
        nothing is).
        """
        with self.database.open_for_writing() as session:
            incident_counts = recording.record_run(session, report, map(rename_record_host, records), self.plans)
            if keep_seconds:
                now = now or datetime.datetime.now(datetime.timezone.utc)
                recording.prune_history(session, format_moment(now - datetime.timedelta(seconds=keep_seconds)))
            return incident_counts

    def record_lift(self, run: AnyRun, lifted_at: str, results: Mapping[str, LiftResult]) -> None:
        """Remember what a run has lifted by then (UTC); all of it or nothing."""
        with self.database.open_for_writing() as session:
            lifts.record_lift(
                session, run, lifted_at, {make_storable_name(host): result for host, result in results.items()}
            )

    def read_incident_starts(self) -> IncidentStarts:
        """Since when what is wrong now has been wrong: a mapping of (host, rule) to a UTC time."""
        with self.database.open_for_reading() as session:
            return IncidentStarts(session)

    def read_last_expected(self, host: str) -> str | None:
        """See queries.read_last_expected."""
        with self.database.open_for_reading() as session:
            return queries.find_last_expected(session, host)

    def read_trend(self, limit: int = 60, since: str = "", like_run: str = "") -> list[PastRun]:
        """See queries.trend."""
        with self.database.open_for_reading() as session:
            return queries.list_trend_runs(session, since, limit, like_run)

    def read_days(self, until: str, day_count: int, like_run: str = "") -> list[PastRun]:
        """See queries.days."""
        with self.database.open_for_reading() as session:
            return queries.list_daily_runs(session, until, day_count, like_run)

    def read_transitions(self, run_id: str) -> RunTransitions | None:
        """What a run changed, host by host; None for a run that is not in the history."""
        with self.database.open_for_reading() as session:
            return read_transitions(session, run_id)


def open_history(location: str, reports: Path) -> History | None:
    """The history that `proscribe_history` names: `sqlite`, a postgresql:// URL, or `off`, which gives None. `reports`
    is the directory in which reports stand. Connects to nothing yet. Raises HistoryError for a URL without a driver.
    """
    if location == OFF:
        return None
    plans = reports / PLANS_DIRECTORY
    if location == SQLITE:
        return History(SqliteDatabase(reports / DATABASE_FILE), plans)
    from .server import PostgresDatabase  # the optional part

    return History(PostgresDatabase(location), plans)
