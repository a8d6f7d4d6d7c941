"""The history on a PostgreSQL server, for several controllers. Only this file needs SQLAlchemy.

SQLAlchemy comes with the extra `history`. PostgreSQL's client library reads passwords from its own sources (~/.pgpass,
PGPASSFILE, PGPASSWORD). Passwords are never taken from the URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .database import LOCK_TIMEOUT_SECONDS, HistoryError, HistorySession, check_version, create_tables

# The key of the writer's lock in the database. All controllers must use the same number; any number will do.
LOCK_KEY = 0x70726F73  # the letters "pros"

CONNECT_TIMEOUT_SECONDS = 10
ROWS_PER_INSERT = 100  # most rows in an INSERT statement


class PostgresDatabase:
    """The database of a PostgreSQL server with the history's tables `proscribe_*`."""

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy
        except ImportError:
            requirement = "needs SQLAlchemy and psycopg beside Ansible; docs/history.md says how to install them"
            raise HistoryError(f"a history at a URL {requirement}") from None
        self._sql = sqlalchemy
        # Use psycopg 3 unless the URL names a driver. SQLAlchemy itself would use psycopg 2.
        address = url.replace("postgresql://", "postgresql+psycopg://", 1)
        try:
            has_timeout = "+psycopg" in address.partition(":")[0]
            # A run connects once or twice, so a pool has no use.
            self._engine = sqlalchemy.create_engine(
                address,
                poolclass=sqlalchemy.pool.NullPool,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS} if has_timeout else {},
            )
        except (ImportError, sqlalchemy.exc.ArgumentError) as error:
            raise HistoryError(f"{url}: {error}") from None
        self.name = self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def open_for_writing(self) -> Iterator[HistorySession]:
        """Open a transaction to write, as HistoryDatabase declares. Tables are created if needed."""
        with self._translate_errors(), self._engine.begin() as connection:
            session = _PostgresSession(connection, self._sql.text)
            session.execute_statement(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            # PostgreSQL releases this lock at the end of the transaction
            session.execute_statement("SELECT pg_advisory_xact_lock(:key)", {"key": LOCK_KEY})
            create_tables(session, self.name)
            yield session

    @contextmanager
    def open_for_reading(self) -> Iterator[HistorySession]:
        """Open a transaction to read, as HistoryDatabase declares. Raises HistoryError without tables."""
        with self._translate_errors(), self._engine.connect() as connection:
            session = _PostgresSession(connection, self._sql.text)
            session.execute_statement("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.execute_statement(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            if not list(session.fetch_rows("SELECT 1 WHERE to_regclass('proscribe_history') IS NOT NULL")):
                raise HistoryError(f"there is no history yet ({self.name}): it begins with the next audit or enforce")
            check_version(session, self.name)
            yield session

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise HistoryError for errors of SQLAlchemy within the `with` body."""
        try:
            yield
        except self._sql.exc.SQLAlchemyError as error:
            # Use the driver's message. SQLAlchemy's own message also has the statement and its parameters.
            error_lines = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise HistoryError(f"{self.name}: {error_lines[0] if error_lines else type(error).__name__}") from error


class _PostgresSession:
    """A transaction in progress on a PostgreSQL server, as HistorySession declares."""

    def __init__(self, connection: Any, text: Any) -> None:
        self._connection, self._text = connection, text
        self._insert_statements: dict[tuple[str, int], Any] = {}

    def execute_statement(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        self._connection.execute(self._text(statement), dict(parameters or {}))

    def execute_for_rows(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute a statement for all rows. For an INSERT, a statement takes up to ROWS_PER_INSERT rows.

        The names of the placeholders of such an INSERT get the number of their row: `:host_0`, `:host_1`.
        """
        placeholders = re.search(r"(?<=VALUES )\([^)]+\)", statement)
        if placeholders is None:
            if rows:
                self._connection.execute(self._text(statement), [dict(row_values) for row_values in rows])
            return
        # Several rows in a statement take a third of the time of a statement for each row.
        for first in range(0, len(rows), ROWS_PER_INSERT):
            batch_rows = rows[first : first + ROWS_PER_INSERT]
            key = (statement, len(batch_rows))
            if key not in self._insert_statements:
                batch_placeholders = ", ".join(
                    re.sub(r":(\w+)", rf":\g<1>_{index}", placeholders[0]) for index in range(len(batch_rows))
                )
                self._insert_statements[key] = self._text(
                    statement[: placeholders.start()] + batch_placeholders + statement[placeholders.end() :]
                )
            parameters = {
                f"{name}_{index}": parameter
                for index, row_values in enumerate(batch_rows)
                for name, parameter in row_values.items()
            }
            self._connection.execute(self._insert_statements[key], parameters)

    def fetch_rows(self, query: str, parameters: Mapping[str, object] | None = None) -> Iterator[Sequence[Any]]:
        statement = self._text(query).execution_options(yield_per=2000)
        yield from self._connection.execute(statement, dict(parameters or {}))

    def has_table(self, table: str) -> bool:
        return bool(list(self.fetch_rows("SELECT 1 WHERE to_regclass(:table) IS NOT NULL", {"table": table})))
