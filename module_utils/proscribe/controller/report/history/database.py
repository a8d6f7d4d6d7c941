"""A database behind the history: SQLite by Python's own module, PostgreSQL by SQLAlchemy. The same SQL goes to both.

Whoever writes has the history to itself until it is done: two runs that end at once take their turns. What one of them
began and did not end (it was killed) never happened.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..storage.files import FILE_MODE
from .tables import TABLES, TABLES_VERSION

CACHE_KIB = 32 * 1024  # KiB of memory for SQLite's pages; with its usual two megabytes a great fleet's history crawls
LOCK_TIMEOUT_SECONDS = 60  # seconds for another writer to be done; writing 100,000 hosts takes a few


class HistoryError(Exception):
    """The history cannot be read or written; the text says why."""


class HistorySession(Protocol):
    """A transaction that is going on."""

    def execute_statement(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Carry out one statement."""

    def execute_for_rows(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Carry out one statement for each row of values."""

    def fetch_rows(self, query: str, parameters: Mapping[str, object] | None = None) -> Iterator[Sequence[Any]]:
        """What a query finds, row by row."""

    def has_table(self, table: str) -> bool:
        """Whether there is a table of that name: a history that an earlier version wrote does not have all."""


class HistoryDatabase(Protocol):
    """Where the history is kept. Both raise HistoryError for whatever the database does not do."""

    name: str  # for people

    def open_for_writing(self) -> AbstractContextManager[HistorySession]:
        """A context: a session that has the history to itself; its end commits, an exception in it rolls back."""

    def open_for_reading(self) -> AbstractContextManager[HistorySession]:
        """A context: a session that only reads. Raises HistoryError where there is no history yet."""


class SqliteDatabase:
    """A file of its own beside the reports.

    It has SQLite's ordinary journal. Write-ahead logging would let readers go on while a run is written. But it needs
    shared memory, which a file share does not have, and a folder that its readers may write to, which ours is not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    @contextmanager
    def open_for_writing(self) -> Iterator[HistorySession]:
        """See Database."""
        with _translate_errors(self.name):
            self._create_file()
            with closing(self._open_connection("rw")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    session = _SqliteSession(connection)
                    create_tables(session, self.name)
                    yield session
                except BaseException:
                    if connection.in_transaction:  # SQLite itself rolls back where the disk is full
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")

    @contextmanager
    def open_for_reading(self) -> Iterator[HistorySession]:
        """See Database."""
        if not self.path.is_file() or not self.path.stat().st_size:
            raise HistoryError(f"there is no history yet ({self.name}): it begins with the next audit or enforce")
        with _translate_errors(self.name), closing(self._open_connection("ro")) as connection:
            connection.execute("BEGIN")
            session = _SqliteSession(connection)
            check_version(session, self.name)
            yield session

    def _create_file(self) -> None:
        # Before SQLite does, which would let the umask decide who may read names of users. Its journal takes after it.
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if not self.path.is_file():  # a pipe would hold the run
                raise HistoryError(f"{self.name} is no file") from None
            return
        os.fchmod(descriptor, FILE_MODE)
        os.close(descriptor)

    def _open_connection(self, mode: str) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection


class _SqliteSession:
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
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise HistoryError(f"{name} was in use by another run for {LOCK_TIMEOUT_SECONDS} seconds") from error
        problem = _describe_disk_problem(Path(name)) if isinstance(error, sqlite3.OperationalError) else ""
        raise HistoryError(f"{name}: {error}{problem}") from error


def _describe_disk_problem(path: Path) -> str:
    """Describe what the file system of a file lacks; "" for nothing. SQLite does not say why it cannot make a file."""
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
    """Make the tables where they are not there yet. Raises HistoryError for those of a newer Proscribe."""
    for statement in TABLES:
        session.execute_statement(statement)
    if not list(session.fetch_rows("SELECT version FROM proscribe_history")):
        session.execute_statement(
            "INSERT INTO proscribe_history (version) VALUES (:version)", {"version": TABLES_VERSION}
        )
    check_version(session, name)


def check_version(session: HistorySession, name: str) -> None:
    """Raises HistoryError for tables that another version of Proscribe made."""
    versions = [row[0] for row in session.fetch_rows("SELECT version FROM proscribe_history")]
    if versions != [TABLES_VERSION]:
        raise HistoryError(
            f"{name} has tables of version {versions}, and this Proscribe knows version {TABLES_VERSION}"
        )
