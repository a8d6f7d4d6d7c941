"""What hosts did between two runs, in the history: a journal that is read again counts once; and all exceptions with
their chain.

What takes `past` is run with PostgreSQL too, by tests/integration/test_history_postgres.py.
"""

from __future__ import annotations

import argparse
import datetime
import sqlite3

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pasts import Past, good, waived
from properties import examples
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report.history import Scope, open_history, since_last_run
from proscribe.controller.report.terminal import exceptions as shown
from proscribe.controller.report.terminal import past_runs
from proscribe.controller.report.terminal.summary import Screen
from watched_hosts import INCIDENT, REQUEST, watched

NOW = datetime.datetime(2026, 11, 26, tzinfo=datetime.timezone.utc)


def entries(past, **scope):
    with past.history.database.reading() as session:
        return since_last_run.since(session, scope.pop("since", ""), **scope)


def incident(first, last, times, corrected=None, users=(), rule="apps/wechat"):
    """An incident of some days of November: (23, 24) is from the 23rd to the 24th."""
    return {
        "control": rule.partition("/")[0],
        "cause": "",
        "rules": [rule],
        "rules_left_out": 0,
        "first": f"2026-11-{first:02}T08:00:00Z",
        "last": f"2026-11-{last:02}T08:00:00Z",
        "times": times,
        "corrected": times if corrected is None else corrected,
        "users": list(users),
    }


def test_no_sum_of_what_a_host_claims_ends_the_history(past):
    """Neither database takes a number of 64 bits or more. Each run of the fleet would fail for it, for ever."""
    greatest = 2**53
    for day in range(1, 7):
        times = [f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z" for hour in range(20) for minute in range(0, 60, 6)]
        claims = [
            {**INCIDENT, "cause": at, "first": at, "last": at, "times": greatest, "corrected": greatest} for at in times
        ]
        past.run({"a": watched(*claims)}, day=25)
    whole = {**INCIDENT, "first": "2026-11-01T00:00:00Z", "last": "2026-11-06T23:00:00Z"}
    past.run({"a": watched(whole), "b": watched(incident(20, 20, 1))})
    assert {one.host: one.times for one in entries(past)} == {"a": greatest, "b": 1}


# -- shown -------------------------------------------------------------------------------------------------------------


def test_a_history_of_an_earlier_version_has_none_of_it_until_the_next_run(tmp_path):
    past = Past(open_history("sqlite", tmp_path))
    past.run({"web01": waived()})
    with sqlite3.connect(tmp_path / "history.db") as database:
        for table in ("proscribe_between", "proscribe_waiver", "proscribe_use"):
            database.execute(f"DROP TABLE {table}")
    assert past_runs.gather(past.history, Scope(), NOW, 86400).between == []
    assert shown.gather(past.history, "", NOW).exceptions == []
    assert past.history.transitions("run1").between("web01") == frozenset()
    past.run({"web01": watched(INCIDENT)})
    assert len(entries(past)) == 1


# -- exceptions --------------------------------------------------------------------------------------------------------

PRESS = {
    "id": "press",
    "status": "active",
    "waives": True,
    "expires": "2026-11-25T09:30:00Z",
    "valid_from": "2026-11-24T12:00:00Z",
    "hosts": ["web01"],
    "services": ["wechat"],
    "controls": ["apps"],
    "users": [],
    "reason": "answers readers",
    "requested_by": "alice",
    "requested_on": "2026-11-24T10:00:00Z",
    "request": REQUEST["id"],
    "approved_by": "mei.chan",
    "approved_on": "2026-11-24T11:00:00Z",
    "signed_with": "SHA256:abc",
    "revoked": None,
}


def chain(past, now=NOW, since=""):
    return shown.gather(past.history, since, now).as_dict()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--exceptions"], "press  expired"),
        (["--exceptions", "--since", "2026-11-01", "--format", "csv"], "waiver,inventory,status"),
        (["--exceptions", "--json"], '"schema": "proscribe/exceptions/1"'),
        (["--exceptions", "--format", "sarif"], "--exceptions has the formats table, json and csv"),
        (["--exceptions", "--host", "web01"], "--host does not go with it"),
    ],
)
def test_the_command_prints_it(tmp_path, options, found):
    past = Past(open_history("sqlite", tmp_path))
    past.run({"web01": waived()}, waivers=[{**PRESS, "hours": ["weekdays 09:00-18:00"]}])
    parser = argparse.ArgumentParser()
    word.add_arguments(parser)
    try:
        text = word.answer(parser.parse_args(options), Screen(), Place(tmp_path, "the test"))
    except Refused as refused:
        text = str(refused)
    assert found in text
    assert found[:1] == "-" or "weekdays 09:00-18:00" in text


# -- for any journal ---------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 28), min_size=1, max_size=12).map(sorted),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), min_size=1, max_size=6),
)
@examples(40, HealthCheck.function_scoped_fixture)
def test_never_more_than_happened_is_counted(tmp_path_factory, happened, journals):
    """A host where something is open on some days, and journals that reach over any part of them, in order."""
    past = Past(open_history("sqlite", tmp_path_factory.mktemp("history")))
    ends = sorted(end for _, end in journals)
    past.run({"web01": good()})
    known = 0
    for (lost, _), end in zip(journals, ends):
        days = happened[:end][min(lost, end - 1) :]
        if days:
            past.run({"web01": watched(incident(days[0], days[-1], len(days)))}, hour=0)
            known = max(known, len(days))
    total = sum(one.times for one in entries(past))
    assert known <= total <= len(happened)
