"""The database of the history: SQLite by Python's own module, PostgreSQL by SQLAlchemy. Both get the same SQL.

A writer has the history to itself until it is done. So two runs that end at the same time write one after the other.
Unfinished changes of a killed writer are discarded.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..storage.report_directory import FILE_MODE
from .tables import TABLES, TABLES_VERSION

# SQLite's page cache in KiB. The default of two megabytes is very slow for the history of a great fleet.
CACHE_KIB = 32 * 1024
LOCK_TIMEOUT_SECONDS = 60  # seconds to wait for another writer; writing 100,000 hosts takes a few seconds


class HistoryError(Exception):
    """An error: the history cannot be read or written. Its text has the reason."""


class HistorySession(Protocol):
    """A transaction in progress in the database of the history."""

    def execute_statement(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Execute a statement."""

    def execute_for_rows(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute a statement once for each row of values."""

    def fetch_rows(self, query: str, parameters: Mapping[str, object] | None = None) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query."""

    def has_table(self, table: str) -> bool:
        """Return whether a table exists. A history of an earlier version lacks some tables."""


class HistoryDatabase(Protocol):
    """The interface of a database that stores the history.

    It raises HistoryError for every failure of the database.
    """

    name: str  # name of the database in messages

    def open_for_writing(self) -> AbstractContextManager[HistorySession]:
        """Open a session to write, with no other writer. Its end commits; an exception in it rolls back."""

    def open_for_reading(self) -> AbstractContextManager[HistorySession]:
        """Open a session that only reads. Raises HistoryError if there is no history yet."""


class SqliteDatabase:
    """A SQLite file beside the reports.

    It uses SQLite's ordinary journal. Write-ahead logging would let readers continue while a run is written. But it
    needs shared memory, which a file share does not have. It also needs a directory that its readers may write to.
    Readers may not write to the directory of the reports.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    @contextmanager
    def open_for_writing(self) -> Iterator[HistorySession]:
        """Open a transaction to write, as HistoryDatabase declares.

        The file and its tables are created if needed.
        """
        with _translate_errors(self.name):
            self._create_file()
            with closing(self._open_connection("rw")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    session = _SqliteSession(connection)
                    create_tables(session, self.name)
                    yield session
                except BaseException:
                    if connection.in_transaction:  # SQLite has already rolled back if the disk is full
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")

    @contextmanager
    def open_for_reading(self) -> Iterator[HistorySession]:
        """Open a transaction to read, as HistoryDatabase declares. Raises HistoryError without a file."""
        if not self.path.is_file() or not self.path.stat().st_size:
            raise HistoryError(f"there is no history yet ({self.name}): it begins with the next audit or enforce")
        with _translate_errors(self.name), closing(self._open_connection("ro")) as connection:
            connection.execute("BEGIN")
            session = _SqliteSession(connection)
            check_version(session, self.name)
            yield session

    def _create_file(self) -> None:
        """Create the file and its directory if they do not exist. Raises HistoryError if the path is no file."""
        # Create the file before SQLite does: SQLite would let the umask decide who may read names of users. SQLite
        # gives its journal the same mode as the file.
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if not self.path.is_file():  # opening a named pipe would block the run
                raise HistoryError(f"{self.name} is no file") from None
            return
        os.fchmod(descriptor, FILE_MODE)
        os.close(descriptor)

    def _open_connection(self, mode: str) -> sqlite3.Connection:
        """Open the file. `mode` is SQLite's: `rw` to write, `ro` to read.

        The isolation level None means that only the code of this module begins transactions.
        """
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # SQLite reads a negative number as KiB
        return connection


class _SqliteSession:
    """A transaction in progress in a SQLite file, as HistorySession declares."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute_statement(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        self._connection.execute(statement, parameters or {})

    def execute_for_rows(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        self._connection.executemany(statement, rows)

    def fetch_rows(self, query: str, parameters: Mapping[str, object] | None = None) -> Iterator[Sequence[Any]]:
        yield from self._connection.execute(query, parameters or {})

    def has_table(self, table: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table"
        return bool(list(self.fetch_rows(query, {"table": table})))


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Raise HistoryError for errors of SQLite and of the file within the `with` body. `name` is the file's path."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise HistoryError(f"{name} was in use by another run for {LOCK_TIMEOUT_SECONDS} seconds") from error
        problem = _describe_disk_problem(Path(name)) if isinstance(error, sqlite3.OperationalError) else ""
        raise HistoryError(f"{name}: {error}{problem}") from error


def _describe_disk_problem(path: Path) -> str:
    """Describe why a file system cannot take a new file; "" if no reason is found.

    SQLite does not report why it cannot make a file.
    """
    try:
        disk_status = os.statvfs(path.parent)
    except OSError:
        return ""
    if disk_status.f_flag & os.ST_RDONLY:
        return f" ({os.strerror(errno.EROFS)})"
    if disk_status.f_files and not disk_status.f_favail:
        return f" ({os.strerror(errno.ENOSPC)}: no inodes)"
    return "" if disk_status.f_bavail else f" ({os.strerror(errno.ENOSPC)})"


def create_tables(session: HistorySession, name: str) -> None:
    """Create missing tables. Raises HistoryError if another version of Proscribe made the tables."""
    for statement in TABLES:
        session.execute_statement(statement)
    if not list(session.fetch_rows("SELECT version FROM proscribe_history")):
        session.execute_statement(
            "INSERT INTO proscribe_history (version) VALUES (:version)", {"version": TABLES_VERSION}
        )
    check_version(session, name)


def check_version(session: HistorySession, name: str) -> None:
    """Raise HistoryError if another version of Proscribe made the tables.

    `name` is the database, for the message.
    """
    versions = [row[0] for row in session.fetch_rows("SELECT version FROM proscribe_history")]
    if versions != [TABLES_VERSION]:
        raise HistoryError(
            f"{name} has tables of version {versions}, and this Proscribe knows version {TABLES_VERSION}"
        )
