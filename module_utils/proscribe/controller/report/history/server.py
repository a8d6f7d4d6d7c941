"""The history on a PostgreSQL server, for several controllers. The only file that needs SQLAlchemy (extra `history`).

Passwords come from where libpq looks for them (~/.pgpass, PGPASSFILE, PGPASSWORD), never from the URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .database import WAIT, HistoryError, Session, check_version, prepare

# Any two numbers will do, if all controllers agree: the key of the lock that a writer holds.
LOCK = 0x70726F73  # "pros"

CONNECT = 10  # seconds
TOGETHER = 100  # rows in one INSERT


class Server:
    """The tables `proscribe_*` in a database of a server."""

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy
        except ImportError:
            needs = "needs SQLAlchemy and psycopg beside Ansible; docs/history.md says how to install them"
            raise HistoryError(f"a history at a URL {needs}") from None
        self._sql = sqlalchemy
        # psycopg 3 unless the URL names a driver; SQLAlchemy itself would look for psycopg 2.
        address = url.replace("postgresql://", "postgresql+psycopg://", 1)
        try:
            timed = "+psycopg" in address.partition(":")[0]
            # A run connects once or twice, so there is no pool to keep.
            self._engine = sqlalchemy.create_engine(
                address, poolclass=sqlalchemy.pool.NullPool, connect_args={"connect_timeout": CONNECT} if timed else {}
            )
        except (ImportError, sqlalchemy.exc.ArgumentError) as error:
            raise HistoryError(f"{url}: {error}") from None
        self.name = self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """See Database."""
        with self._translated(), self._engine.begin() as connection:
            session = _ServerSession(connection, self._sql.text)
            session.run(f"SET LOCAL lock_timeout = '{WAIT}s'")
            session.run("SELECT pg_advisory_xact_lock(:key)", {"key": LOCK})
            prepare(session, self.name)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See Database."""
        with self._translated(), self._engine.connect() as connection:
            session = _ServerSession(connection, self._sql.text)
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.run(f"SET LOCAL lock_timeout = '{WAIT}s'")
            if not list(session.rows("SELECT 1 WHERE to_regclass('proscribe_history') IS NOT NULL")):
                raise HistoryError(f"there is no history yet ({self.name}): it begins with the next audit or enforce")
            check_version(session, self.name)
            yield session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._sql.exc.SQLAlchemyError as error:
            # The driver's own words, without SQLAlchemy's statement and parameters.
            first = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise HistoryError(f"{self.name}: {first[0] if first else type(error).__name__}") from error


class _ServerSession:
    def __init__(self, connection: Any, text: Any) -> None:
        self._connection, self._text = connection, text
        self._together: dict[tuple[str, int], Any] = {}

    def run(self, statement: str, values: Mapping[str, object] | None = None) -> None:
        self._connection.execute(self._text(statement), dict(values or {}))

    def many(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        row = re.search(r"(?<=VALUES )\([^)]+\)", statement)
        if row is None:
            if rows:
                self._connection.execute(self._text(statement), [dict(one) for one in rows])
            return
        # Rows in one statement are written in a third of the time that a statement for each takes.
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            key = (statement, len(some))
            if key not in self._together:
                each = ", ".join(re.sub(r":(\w+)", rf":\g<1>_{index}", row[0]) for index in range(len(some)))
                self._together[key] = self._text(statement[: row.start()] + each + statement[row.end() :])
            values = {f"{name}_{index}": value for index, one in enumerate(some) for name, value in one.items()}
            self._connection.execute(self._together[key], values)

    def rows(self, query: str, values: Mapping[str, object] | None = None) -> Iterator[Sequence[Any]]:
        statement = self._text(query).execution_options(yield_per=2000)
        yield from self._connection.execute(statement, dict(values or {}))

    def has(self, table: str) -> bool:
        return bool(list(self.rows("SELECT 1 WHERE to_regclass(:table) IS NOT NULL", {"table": table})))
