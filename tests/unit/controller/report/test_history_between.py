"""What hosts did between two runs, in the history: a journal that is read again counts once; and all exceptions with
their chain.

What takes `past` is run with PostgreSQL too, by tests/integration/test_history_postgres.py.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import json
import sqlite3

import pytest
from event_runs import EventRuns, reported
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pasts import Past, bad, good, made_plan, waived
from properties import examples
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report.history import Scope, exceptions, open_history, since_last_run
from proscribe.controller.report.history.recording import prune
from proscribe.controller.report.terminal import exceptions as shown
from proscribe.controller.report.terminal import past_runs
from proscribe.controller.report.terminal.summary import Screen
from watched_hosts import ENDED, FROZEN, INCIDENT, POLICY, REQUEST, asking, watched

from unit.controller.report.test_notification import NotifiedRuns, without_history

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


def spans(past):
    return [(one.first[8:10], one.last[8:10], one.times, one.corrected) for one in reversed(entries(past))]


@pytest.mark.parametrize(
    ("journals", "expected"),
    [
        pytest.param([(23, 24, 3)], [("23", "24", 3, 3)], id="what happened is there"),
        pytest.param([(23, 24, 3)] * 3, [("23", "24", 3, 3)], id="the same journal three times counts once"),
        pytest.param([(20, 21, 3), (20, 22, 4)], [("20", "22", 4, 4)], id="a journal that has grown"),
        pytest.param([(20, 20, 1), (22, 22, 1)], [("20", "20", 1, 1), ("22", "22", 1, 1)], id="another time"),
        pytest.param([(10, 20, 9), (15, 20, 4)], [("10", "20", 9, 9)], id="a journal that lost its oldest lines"),
        pytest.param(
            [(10, 20, 9), (15, 22, 5)], [("10", "22", 10, 9)], id="which brings something new: one more, at the least"
        ),
        pytest.param([(1, 2, 3), (8, 9, 2), (1, 10, 7)], [("01", "10", 7, 7)], id="one that spans what was two"),
    ],
)
def test_an_incident_counts_once_whatever_a_journal_still_has(past, journals, expected):
    for one in journals:
        past.run({"web01": watched(incident(*one))})
    assert spans(past) == expected


def test_hosts_rules_programs_and_users_are_apart(past):
    ended = [ENDED, {**ENDED, "user": "bob"}, {**ENDED, "program": "/x"}]
    past.run({"a": watched(INCIDENT, ended=ended), "b": watched({**INCIDENT, "rules": ["dns/wechat"]})})
    found = [(one.host, one.kind, one.rule, one.who) for one in entries(past)]
    assert sorted(found) == [
        ("a", "ended", "apps/telegram", "alice"), ("a", "ended", "apps/telegram", "alice"),
        ("a", "ended", "apps/telegram", "bob"), ("a", "incident", "apps/wechat", ""),
        ("b", "incident", "dns/wechat", ""),
    ]  # fmt: skip
    assert [one.host for one in entries(past, rule="dns/wechat")] == ["b"]
    assert len(entries(past, host="a")) == 4
    assert entries(past, since="2026-11-25T00:00:00Z") == []


def test_what_many_rules_were_open_by_is_found_by_each_of_them(past):
    other = {**POLICY, "cause": "policy /etc/firefox/policies/policies.json"}
    past.run({"a": watched(POLICY, other)})
    assert {one.detail for one in entries(past, rule="browser/gmail")} == {POLICY["cause"], other["cause"]}
    assert {(one.rule, one.times) for one in entries(past, rule="browser/gmail")} == {("browser", 3)}
    assert entries(past, rule="dns/gmail") == []


def test_users_of_both_times_are_there(past):
    past.run({"a": watched(incident(20, 20, 1, users=["alice"]))})
    past.run({"a": watched(incident(20, 21, 2, users=["bob", "alice"]))})
    (one,) = entries(past)
    assert one.shown() == {
        "host": "a",
        "first": "2026-11-20T08:00:00Z",
        "last": "2026-11-21T08:00:00Z",
        "kind": "incident",
        "rule": "apps/wechat",
        "program": "",
        "who": "",
        "times": 2,
        "corrected": 2,
        "detail": "",
        "users": ["alice", "bob"],
    }


def test_a_run_knows_what_it_brought(past):
    past.run({"a": watched(incident(20, 20, 1)), "b": watched(incident(20, 20, 1))})
    past.run({"a": watched(incident(20, 20, 1)), "b": watched(incident(20, 21, 2))})
    first, second = (past.history.transitions(f"run{number}") for number in (1, 2))
    assert first.between("a") and not second.between("a")
    assert second.between("b")


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


def test_what_is_old_is_forgotten(past):
    past.run({"a": watched(incident(1, 2, 1), incident(20, 21, 1, rule="dns/x"))})
    with past.history.database.writing() as session:
        prune(session, "2026-11-10T00:00:00Z")
    assert [one.rule for one in entries(past)] == ["dns/x"]


def test_the_rule_of_the_watcher_is_an_incident_that_ends(past, tmp_path):
    rule = {"rule": "watch/watcher", "state": "noncompliant", "waiver": None, "reason": "stopped", "findings": []}
    counts = {"watch": {"evaluated": 2, "not_applicable": 0}}

    def host(rules=()):
        answer = watched(answer=good())
        controls = {**answer["controls"], **counts}
        return {**answer, "rules": list(rules), "rules_evaluated": 4, "controls": controls}

    past.run({"web01": host([rule])})
    past.run({"web01": host([rule])})
    past.run({"web01": host()})
    assert past.story(rule="watch/watcher") == [("noncompliant", "25T01", "25T03", "compliant")]
    # Without the watch in the plan it is withdrawn, and not corrected.
    past.run({"web01": host([rule])})
    past.run({"web01": good(digest=made_plan(tmp_path, apps=["wechat"]))})
    assert [end for *_, end in past.story(rule="watch/watcher")] in (
        ["compliant", "withdrawn"], ["compliant", "compliant"],
    )  # fmt: skip


# -- shown -------------------------------------------------------------------------------------------------------------


def test_the_history_shows_it_to_people_and_programs(past):
    past.run({"web01": asking(REQUEST, answer=watched(INCIDENT, ended=[ENDED], frozen=FROZEN))})
    found = past_runs.gather(past.history, Scope(), NOW, 86400)
    text = past_runs.render(found, Screen(200, 80))
    assert (
        """
between two runs
web01 frozen until 2026-11-25 06:00 UTC by root: a demonstration
web01 apps/telegram: /home/alice/Telegram/Telegram of alice ended 7 times, 2026-11-24 09:00 UTC to 2026-11-24 11:00 UTC
web01 request 0123456789abcdef of alice for whatsapp, 2026-11-24 10:00 UTC
web01 apps/wechat: closed again 3 times, 2026-11-23 08:00 UTC to 2026-11-24 03:00 UTC; logged in: alice, bob"""
        in text
    )
    assert len(found.between) == 4 and json.dumps(found.as_dict())


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


# -- events and notifications ------------------------------------------------------------------------------------------


def test_events_are_sent_once(tmp_path):
    past = EventRuns(open_history("sqlite", tmp_path))
    answer = asking(REQUEST, answer=watched(INCIDENT, ended=[ENDED], frozen=FROZEN))

    def sent(host):
        return [(one["kind"], one.get("what"), one["changed"]) for one in past.events({"web01": host})][:-1]

    assert sent(answer) == [
        ("between", "frozen", True), ("between", "incident", True), ("between", "ended", True), ("request", None, True),
    ]  # fmt: skip
    assert sent(answer) == []
    more = watched({**INCIDENT, "times": 4, "corrected": 4, "last": "2026-11-25T01:00:00Z"}, ended=[ENDED])
    assert sent(more) == [("between", "incident", True)]
    assert len(past.events({"web01": answer}, only_changed=False)) > 4


def test_the_state_before_of_a_host_counts_the_rule_of_its_watcher(tmp_path):
    past = EventRuns(open_history("sqlite", tmp_path))
    rule = {"rule": "watch/watcher", "state": "noncompliant", "waiver": None, "reason": "stopped", "findings": []}
    counts = {"watch": {"evaluated": 2, "not_applicable": 0}}
    answer = watched(answer=good())
    wrong = {**answer, "rules": [rule], "rules_evaluated": 4, "controls": {**answer["controls"], **counts}}
    assert reported(past.events({"web01": wrong})) == [
        ("web01", "", None, "noncompliant"), ("web01", "watch/watcher", None, "noncompliant"),
    ]  # fmt: skip
    assert reported(past.events({"web01": {**wrong, "rules": []}})) == [
        ("web01", "", "noncompliant", "compliant"), ("web01", "watch/watcher", "noncompliant", "compliant"),
    ]  # fmt: skip


def test_what_was_closed_again_is_notified_once(tmp_path):
    past = NotifiedRuns(open_history("sqlite", tmp_path))
    past.run({"web01": good()})
    sent = past.notification_of({"web01": watched(INCIDENT, ended=[ENDED], answer=good())})
    assert sent.subject == "Proscribe: 1 host open in between and closed again, programs ended on 1 host"
    assert "  apps/wechat: closed again 3 times since Monday 2026-11-23 08:00 UTC; logged in: alice, bob" in sent.lines
    (host,) = sent.facts["hosts"]
    assert [one["kind"] for one in host["between_runs"]] == ["incident", "ended"]
    assert past.notification_of({"web01": watched(INCIDENT, ended=[ENDED], answer=good())}) is None


def test_without_a_history_all_of_it_is_notified():
    sent = without_history(watched(INCIDENT))
    assert sent.subject == "Proscribe: 1 host open in between and closed again"


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
WHOLE = {"left_out": 0}


def chain(past, now=NOW, since=""):
    return shown.gather(past.history, since, now).as_dict()


def test_an_exception_has_its_whole_chain(past):
    past.run({"web01": asking(REQUEST, answer=bad())})
    past.run({"web01": waived() | {"attempts": {"apps/wechat": 4}}}, waivers=[PRESS])
    past.run({"web01": waived()}, waivers=[PRESS])
    before = {**ENDED, "rule": "apps/wechat", "user": "bob"}  # over before the waiver began
    meanwhile = {**before, "user": "carol", "first": "2026-11-25T02:00:00Z", "last": "2026-11-25T03:00:00Z"}
    past.run({"web01": watched(answer=bad(), ended=[before, meanwhile])}, waivers=[
        {**PRESS, "status": "expired", "waives": False}
    ])  # fmt: skip
    (one,) = chain(past)["exceptions"]
    assert one["requested"] == {
        "by": "alice", "on": "2026-11-24T10:00:00Z", "request": REQUEST["id"], "host": "web01", "user": "alice",
        "reason": REQUEST["reason"], "at": REQUEST["at"],
    }  # fmt: skip
    assert one["approved"] == {"by": "mei.chan", "on": "2026-11-24T11:00:00Z", "signed_with": "SHA256:abc"}
    assert one["opened"] == {"from": "2026-11-24T12:00:00Z", "observed": "2026-11-25T02:01:00Z"}
    assert one["used"] == {
        "hosts": ["web01"],
        "first": "2026-11-25T02:00:30Z",
        "last": "2026-11-25T03:00:30Z",
        "found": ["dpkg wechat 4.0"],
        "attempts_refused": 4,
        "starts_ended": 7,
    }
    assert one["ended"] == {"on": "2026-11-25T09:30:00Z", "how": "expired"}
    assert [step["status"] for step in one["changes"]] == ["active", "expired"]
    assert chain(past)["requests"] == []


@pytest.mark.parametrize(
    ("changes", "now", "ended"),
    [
        ({}, "2026-11-25T08:00:00Z", ("", "")),
        ({}, "2026-11-26T00:00:00Z", ("2026-11-25T09:30:00Z", "expired")),
        (
            {"revoked": {"on": "2026-11-25T04:00:00Z", "by": "mei.chan", "why": "done"}},
            "2026-11-26T00:00:00Z",
            ("2026-11-25T04:00:00Z", "revoked"),
        ),
    ],
)
def test_how_an_exception_ends(past, changes, now, ended):
    past.run({"web01": waived()}, waivers=[{**PRESS, **changes}])
    (one,) = chain(past, datetime.datetime.fromisoformat(now))["exceptions"]
    assert (one["ended"]["on"], one["ended"]["how"]) == ended


def test_a_waiver_that_is_taken_out_of_the_inventory_ends_then(past):
    past.run({"web01": waived()}, waivers=[PRESS], **WHOLE)
    past.run({"web01": bad()}, limit="web01", left_out=3)  # a run over a part says nothing of it
    past.run({"web01": bad()}, **WHOLE)
    past.run({"web01": bad()}, **WHOLE)
    (one,) = chain(past)["exceptions"]
    assert one["ended"] == {"on": "2026-11-25T03:01:00Z", "how": "removed"}
    assert [step["status"] for step in one["changes"]] == ["active", "removed"]


def test_a_waiver_is_stored_again_only_where_its_terms_change(past):
    passing = [{"hosts": ["web01"]}, {"why": "x"}, {"waives": True, "review_overdue": True, "days_left": 3}]
    for more in passing:
        past.run({"web01": waived()}, waivers=[{**PRESS, **more}])
    past.run({"web01": waived()}, waivers=[{**PRESS, "expires": "2027-01-01T00:00:00Z"}])
    with past.history.database.reading() as session:
        stored = [(one.opened, one.seen) for one in exceptions.stretches(session, "")]
    assert [(opened[11:13], seen[11:13]) for opened, seen in stored] == [("01", "03"), ("04", "04")]


def test_a_period_has_what_some_run_had_in_it_and_requests_without_an_answer(past):
    past.run({"web01": asking(REQUEST, answer=waived())}, day=3, waivers=[{**PRESS, "id": "old", "request": ""}])
    past.run({"web01": bad()}, day=4)  # which does not have it any more
    past.run({"web01": waived()}, day=20, waivers=[{**PRESS, "request": ""}])
    found = chain(past, since="2026-11-10T00:00:00Z")
    assert [one["waiver"] for one in found["exceptions"]] == ["press"]
    assert [one["id"] for one in found["requests"]] == [REQUEST["id"]]
    assert len(chain(past)["exceptions"]) == 2


def test_an_auditor_reads_it_as_text_and_as_a_table(past):
    past.run({"web01": asking(REQUEST, {**REQUEST, "id": "e" * 16, "reason": "=1+1"}, answer=bad())})
    past.run({"web01": waived()}, waivers=[PRESS])
    found = shown.gather(past.history, "", NOW)
    assert shown.render(found, Screen(120, 60)) == (
        """
1 exception since the history began, 1 request without one

press  expired
  for         wechat (apps) on web01: answers readers
  requested   alice on 2026-11-24 10:00 UTC; request 0123456789abcdef of alice on web01, 2026-11-24 10:00 UTC: answers
              readers there
  approved    mei.chan on 2026-11-24 11:00 UTC, signed with SHA256:abc
  opened      2026-11-24 12:00 UTC; in effect in the run of 2026-11-25 02:01 UTC
  used        2026-11-25 02:00 UTC to 2026-11-25 02:00 UTC on web01: dpkg wechat 4.0
  ended       2026-11-25 09:30 UTC (expired)

requests without an exception
eeeeeeeeeeeeeeee, 2026-11-24 10:00 UTC, alice on web01: whatsapp; =1+1"""
    )
    (row,) = csv.DictReader(io.StringIO(shown.table(found), newline=""))
    assert (row["waiver"], row["status"], row["approved_by"], row["request_user"], row["found"]) == (
        "press", "expired", "mei.chan", "alice", "dpkg wechat 4.0",
    )  # fmt: skip
    assert json.dumps(found.as_dict())


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
