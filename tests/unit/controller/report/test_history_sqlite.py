"""The history in a file: who may read it, what is no history, runs that end at once, a run that is killed."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest
import writers
from pasts import bad, good
from proscribe.controller.report.history import HistoryError, database, open_history


def test_the_history_is_for_the_owner_and_the_group_whatever_the_umask(past, tmp_path):
    before = os.umask(0)
    try:
        past.run({"web01": bad()})
    finally:
        os.umask(before)
    assert oct(stat.S_IMODE((tmp_path / "history.db").stat().st_mode)) == "0o640"


def test_the_directory_of_a_history_is_made_for_owner_and_group(tmp_path):
    before = os.umask(0)
    try:
        with open_history("sqlite", tmp_path / "new" / "reports").database.writing() as session:
            assert session.has("proscribe_run") and not session.has("nosuch")
    finally:
        os.umask(before)
    assert oct(stat.S_IMODE((tmp_path / "new" / "reports").stat().st_mode)) == "0o750"


def test_a_session_waits_for_others_and_has_some_memory(tmp_path):
    history = open_history("sqlite", tmp_path)
    for session_of in (history.database.writing, history.database.reading):
        with session_of() as session:
            assert next(session.rows("PRAGMA busy_timeout"))[0] == 60_000
            assert next(session.rows("PRAGMA cache_size"))[0] < -2_000  # KiB: more than its usual two megabytes
    with pytest.raises(HistoryError, match="readonly"), history.database.reading() as session:
        session.run("DELETE FROM proscribe_run")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_what_is_in_the_place_of_a_history_and_no_file_is_named(past, tmp_path, make):
    make(tmp_path / "history.db")
    with pytest.raises(HistoryError, match=r"history\.db is no file"):
        past.run({"web01": bad()})
    with pytest.raises(HistoryError, match="no history yet"):
        past.history.trend()


def test_an_empty_file_is_no_history_yet_and_becomes_one(past, tmp_path):
    (tmp_path / "history.db").touch()
    with pytest.raises(HistoryError, match="no history yet"):
        past.history.trend()
    past.run({"web01": bad()})
    assert len(past.history.trend()) == 1


def test_a_history_that_is_off_is_none_and_one_that_is_not_there_says_so(tmp_path):
    assert open_history("off", tmp_path) is None
    with pytest.raises(HistoryError, match="no history yet"):
        open_history("sqlite", tmp_path).trend()


def test_a_file_that_is_no_history_is_named(past, tmp_path):
    (tmp_path / "history.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(HistoryError, match=r"history\.db: file is not a database"):
        past.run({"web01": bad()})
    with pytest.raises(HistoryError, match=r"history\.db: file is not a database"):
        past.history.trend()


def test_tables_of_a_newer_version_are_left_alone(past, tmp_path):
    past.run({"web01": bad()})
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("UPDATE proscribe_history SET version = 2")
    for ask in (past.history.trend, lambda: past.run({"web01": good()})):
        with pytest.raises(HistoryError, match="version"):
            ask()


def test_several_writers(tmp_path):
    writers.several_writers(open_history("sqlite", tmp_path), "sqlite", tmp_path)


@pytest.mark.slow
def test_a_killed_writer(tmp_path):
    writers.a_killed_writer(open_history("sqlite", tmp_path), "sqlite", tmp_path)


def test_a_writer_that_never_ends_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT", 0.2)
    history = open_history("sqlite", tmp_path)
    second = history.database.writing()
    with history.database.writing(), pytest.raises(HistoryError, match="in use by another run"), second:
        pass


def test_a_failed_record_leaves_the_history_as_it_was(tmp_path):
    history = open_history("sqlite", tmp_path)
    with history.database.writing() as session:
        session.run("DELETE FROM proscribe_run")
    with pytest.raises(ZeroDivisionError), history.database.writing() as session:
        session.run("INSERT INTO proscribe_history (version) VALUES (7)")
        raise ZeroDivisionError
    with sqlite3.connect(tmp_path / "history.db") as connection:
        assert connection.execute("SELECT version FROM proscribe_history").fetchall() == [(1,)]
