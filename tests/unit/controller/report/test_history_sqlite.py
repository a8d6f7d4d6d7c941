"""The history in a file: who may read it, what is no history, runs that end at once, a run that is killed."""

from __future__ import annotations

import os
import sqlite3

import pytest
from pasts import bad, good
from proscribe.controller.report.history import HistoryError, database, open_history


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


def test_tables_of_a_newer_version_are_left_alone(past, tmp_path):
    past.run({"web01": bad()})
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("UPDATE proscribe_history SET version = 2")
    for ask in (past.history.trend, lambda: past.run({"web01": good()})):
        with pytest.raises(HistoryError, match="version"):
            ask()


def test_a_writer_that_never_ends_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT", 0.2)
    history = open_history("sqlite", tmp_path)
    second = history.database.writing()
    with history.database.writing(), pytest.raises(HistoryError, match="in use by another run"), second:
        pass
