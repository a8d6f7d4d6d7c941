"""The history of earlier runs: the begin of incidents, the duration of repairs, repeated drift, and the trend.

`open_history(location, reports)` returns a History, which opens its database anew for each question. Its methods raise
HistoryError. Both databases use the same SQL (tables.py, recording.py, queries.py). database.py and postgres.py connect
to SQLite and PostgreSQL.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

from ....base.duration import format_moment
from ....model.types.history import PastRun
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ....wire.plan_store import PLANS_DIRECTORY
from ..evaluation.lifts import LiftResult
from ..evaluation.scope import AnyRun
from . import lifts, queries, recording
from .database import HistoryDatabase, HistoryError, SqliteDatabase
from .plans import PlanServices
from .queries import IncidentStarts, QueryScope
from .record_evidence import make_storable_name, rename_record_host
from .recording import IncidentCounts
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
    """The history of the runs in a database: beside the reports, or on a server for several controllers."""

    def __init__(self, database: HistoryDatabase, plans: Path) -> None:
        self.database = database
        self._plans = plans

    @property
    def plans(self) -> PlanServices:
        """The stored plans, to find out which services the plan of a host had."""
        return PlanServices(self._plans)

    def record_run(
        self,
        report: FleetReport,
        records: Iterable[HostRecord],
        keep_seconds: int = 0,
        now: datetime.datetime | None = None,
    ) -> IncidentCounts:
        """Store a run: its fleet report and its reconciled host records, which are read once.

        Either everything is stored or nothing. A run that is already stored stays as it is. Incidents that ended more
        than `keep_seconds` before `now` are deleted (0: none). `now` is the present time if it is None.
        """
        with self.database.open_for_writing() as session:
            incident_counts = recording.record_run(session, report, map(rename_record_host, records), self.plans)
            if keep_seconds:
                now = now or datetime.datetime.now(datetime.timezone.utc)
                recording.prune_history(session, format_moment(now - datetime.timedelta(seconds=keep_seconds)))
            return incident_counts

    def record_lift(self, run: AnyRun, lifted_at: str, results: Mapping[str, LiftResult]) -> None:
        """Store that a run removed the ban from hosts (a lift) at `lifted_at` (UTC): all lifts or none."""
        with self.database.open_for_writing() as session:
            lifts.record_lift(
                session, run, lifted_at, {make_storable_name(host): result for host, result in results.items()}
            )

    def read_incident_starts(self) -> IncidentStarts:
        """Read when each present incident began: a mapping of (host, rule) to a UTC time."""
        with self.database.open_for_reading() as session:
            return IncidentStarts(session)

    def read_last_expected(self, host: str) -> str | None:
        """Return when a run last expected a host; see queries.find_last_expected."""
        with self.database.open_for_reading() as session:
            return queries.find_last_expected(session, host)

    def read_trend(self, limit: int = 60, since: str = "", like_run: str = "") -> list[PastRun]:
        """Return a run and comparable earlier runs, oldest first; see queries.list_trend_runs."""
        with self.database.open_for_reading() as session:
            return queries.list_trend_runs(session, since, limit, like_run)

    def read_days(self, until: str, day_count: int, like_run: str = "") -> list[PastRun]:
        """Return the last comparable run of each day, oldest first; see queries.list_daily_runs."""
        with self.database.open_for_reading() as session:
            return queries.list_daily_runs(session, until, day_count, like_run)

    def read_transitions(self, run_id: str) -> RunTransitions | None:
        """Read what a run changed, by host; None for a run that the history does not have."""
        with self.database.open_for_reading() as session:
            return read_transitions(session, run_id)


def open_history(location: str, reports: Path) -> History | None:
    """Return the history that `proscribe_history` names: `sqlite`, a postgresql:// URL, or `off` (None).

    `reports` is the directory of the reports. No connection is opened yet. Raises HistoryError for a URL without a
    driver.
    """
    if location == OFF:
        return None
    plans = reports / PLANS_DIRECTORY
    if location == SQLITE:
        return History(SqliteDatabase(reports / DATABASE_FILE), plans)
    from .postgres import PostgresDatabase  # imported only here, because its dependency SQLAlchemy is optional

    return History(PostgresDatabase(location), plans)
