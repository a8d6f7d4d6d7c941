"""The session of a history on a server: what it makes of statements, tried on a database in memory."""

import contextlib
import sys
from typing import Any

import pytest
from proscribe.controller.report.history import HistoryError, postgres
from proscribe.controller.report.history.tables import TABLES_VERSION

sqlalchemy = pytest.importorskip("sqlalchemy", reason="needs SQLAlchemy: the extra `history` of pyproject.toml")
pytest.importorskip("psycopg", reason="needs psycopg: the extra `history` of pyproject.toml")
NOBODY = "postgresql://ann:secret@127.0.0.1:9/history"  # nobody listens there


@pytest.fixture
def session():
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.begin() as connection:
        result = postgres._PostgresSession(connection, sqlalchemy.text)
        result.execute_statement("CREATE TABLE t (host TEXT, host_name TEXT, number INTEGER)")
        yield result


def test_a_statement_that_inserts_nothing_is_run_for_each_row(session):
    rows = [{"host": "a", "number": item} for item in (1, 2, 3)]
    session.execute_for_rows("INSERT INTO t VALUES (:host, :host, :number)", rows)
    change = "UPDATE t SET host = :host WHERE number = :number"
    session.execute_for_rows(change, [{"host": "b", "number": 1}, {"host": "c", "number": 3}])
    session.execute_for_rows(change, [])
    rows = session.fetch_rows("SELECT host FROM t WHERE number > :least ORDER BY number", {"least": 1})
    assert [row[0] for row in rows] == ["a", "c"]


class RecordingEngine:
    """A server that records statements and has some tables."""

    def __init__(self, *tables: str) -> None:
        self.tables, self.said = tables, list[Any]()

    @contextlib.contextmanager
    def begin(self) -> Any:
        yield self
        self.said.append("COMMIT")

    @contextlib.contextmanager
    def connect(self) -> Any:
        yield self

    def execute(self, text: Any, values: Any) -> list[Any]:
        statement = str(text)
        self.said.append((statement, values) if values else statement)
        if "to_regclass" in statement:
            named = values.get("table", "proscribe_history")
            return [(1,)] if named in self.tables else []
        return [(TABLES_VERSION,)] if statement.startswith("SELECT version") else []


def make_server(monkeypatch: pytest.MonkeyPatch, *tables: str) -> tuple[postgres.PostgresDatabase, RecordingEngine]:
    server, engine = postgres.PostgresDatabase(NOBODY), RecordingEngine(*tables)
    monkeypatch.setattr(server, "_engine", engine)
    return server, engine


def test_a_writer_waits_for_its_turn_by_a_lock_that_all_controllers_know(monkeypatch):
    server, engine = make_server(monkeypatch)
    with server.open_for_writing() as session:
        session.execute_statement("DELETE")
    wait, lock, *_, delete, commit = engine.said
    assert wait == "SET LOCAL lock_timeout = '60s'"
    assert lock == ("SELECT pg_advisory_xact_lock(:key)", {"key": 0x70726F73})
    assert [item for item in engine.said if "CREATE TABLE" in item], "they are made where they are not there yet"
    assert (delete, commit) == ("DELETE", "COMMIT")


def test_a_reader_sees_one_moment_and_changes_nothing(monkeypatch):
    server, engine = make_server(monkeypatch, "proscribe_history", "proscribe_run")
    with server.open_for_reading() as session:
        assert session.has_table("proscribe_run") and not session.has_table("proscribe_use")
    assert engine.said[0] == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
    assert not [item for item in engine.said if "CREATE" in str(item)] and "COMMIT" not in engine.said
    server, engine = make_server(monkeypatch)
    with pytest.raises(HistoryError, match="there is no history yet"), server.open_for_reading():
        pass


@pytest.mark.parametrize("access", ["open_for_reading", "open_for_writing"])
def test_a_server_that_is_not_there_is_named_without_the_password(access):
    server = postgres.PostgresDatabase(NOBODY)
    with pytest.raises(HistoryError) as error, getattr(server, access)():
        pass
    text = str(error.value)
    assert text.startswith(server.name) and "127.0.0.1" in text and "secret" not in text and "\n" not in text
    assert "refused" in text


@pytest.mark.parametrize("url", ["postgresql+nosuchdriver://h/x", "history"])
def test_a_url_that_is_none_is_named(url):
    with pytest.raises(HistoryError):
        postgres.PostgresDatabase(url)


def test_without_sqlalchemy_it_says_what_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(HistoryError, match="SQLAlchemy"):
        postgres.PostgresDatabase(NOBODY)
