"""The history: what opens an incident, what ends it, what it is called, and which answers the history gives.

What takes `past` is run with PostgreSQL too, by tests/integration/test_history_postgres.py.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from fleets import SERVICES, answer, no_policy, wechat
from hypothesis import given
from hypothesis import strategies as st
from pasts import Past, bad, good, repaired, unseen, waived
from properties import examples
from proscribe.base.duration import spelled
from proscribe.controller.report.history import open_history
from proscribe.controller.report.history.recording import prune
from proscribe.model.finding import Finding, Verdict
from proscribe.wire.replies.record import read

DAY = 86400


SQL = [
    "x'); DROP TABLE proscribe_host; --",
    'x" OR "1"="1',
    "x' UNION SELECT name FROM sqlite_master --",
    ":host",
    "%(host)s %s ?1 $1",
    "x; ATTACH 'other' AS o",
    "\\'; --",
]


@pytest.mark.parametrize("text", SQL)
def test_no_text_is_sql(past, text):
    """As the name of a host, and as all that a host says of what it found."""
    found = wechat(Finding("path", text, path=f"/home/{text}", version=text))
    past.run({"web01": bad(), text: answer(found, evaluated=["dns/x"])})
    past.run({"web01": bad(), text: good()})
    assert past.story(host=text) == [("noncompliant", "25T01", "25T02", "compliant")]
    assert past.story() == [("noncompliant", "25T01", "", "")], "of another host nothing has changed"
    (incident,) = [one for one in past.ask("incidents", host=text) if one.rule == "apps/wechat"]
    assert text in str(incident)


def test_a_run_that_does_not_start_the_browsers_says_nothing_of_what_they_did(past):
    def probed(state):
        return answer(Verdict("browser/probe", state, (Finding("browser", "chromium"),)), evaluated=["dns/x"])

    past.run({"web01": probed("noncompliant")})
    past.run({"web01": good()})
    assert past.story(rule="browser/probe") == [("noncompliant", "25T01", "", "")]
    past.run({"web01": probed("compliant")})
    assert past.story(rule="browser/probe") == [("noncompliant", "25T01", "25T03", "compliant")]


def test_a_host_that_left_the_inventory_is_remembered_until_the_history_forgets_it(past):
    past.run({"web01": good(), "web02": good()})
    past.run({"web01": good()})
    past.run({"web01": good()})
    expected = [past.history.last_expected(name) for name in ("web01", "web02", "web03")]
    assert expected == ["2026-11-25T03:01:00Z", "2026-11-25T01:01:00Z", None]
    past.run({"web01": good(), "web02": good()})
    assert past.history.last_expected("web02") == "2026-11-25T04:01:00Z"
    past.run({"web01": good()})
    with past.history.database.writing() as session:
        prune(session, "2026-11-25T04:30:00Z")
    assert past.history.last_expected("web02") is None


def test_what_begins_together_on_many_hosts_is_kept_once_and_ends_rule_by_rule(past):
    everything = answer(*no_policy())
    half = answer(*no_policy(services=SERVICES[:50]), evaluated=[f"browser/{id_}" for id_ in SERVICES[50:]])
    hosts = [f"host{number}" for number in range(20)]

    def rows(table):
        with past.history.database.reading() as session:
            return next(session.rows(f"SELECT COUNT(*) FROM proscribe_{table}"))[0]

    assert past.run(dict.fromkeys(hosts, everything)) == (20 * 118, 0)
    assert (rows("bundle"), rows("episode")) == (118, 20)
    assert past.run({**dict.fromkeys(hosts, everything), "host7": half}) == (0, 68)
    assert (rows("bundle"), rows("episode")) == (118 + 50 + 68, 21)
    assert past.story("host7", "browser/service007") == [("noncompliant", "25T01", "", "")]
    assert past.story("host7", "browser/service099") == [("noncompliant", "25T01", "25T02", "compliant")]
    found = {one.rule: (one.hosts, one.host) for one in past.ask("wrong")}
    assert (found["browser/service007"], found["browser/service099"]) == ((20, "host0"), (19, "host0"))
    since = past.history.first_seen()
    assert (len(since), len(set(since))) == (20 * 118 - 68, 20 * 118 - 68)
    assert ("host7", "browser/service099") not in since
    assert since["host7", "browser/service007"] == "2026-11-25T01:00:30Z"
    assert past.run(dict.fromkeys(hosts, answer(evaluated=["browser/x"]))) == (0, 20 * 118 - 68)
    repairs = past.ask("repairs")
    # host7 in two goes: what came back into line together is one time, however many rules it is
    assert (repairs.number, repairs.rules, repairs.hosts) == (21, 20 * 118, 20)


def test_since_when(past):
    past.run({"web01": bad(), "web02": good()})
    past.run({"web01": bad(), "web02": None})
    past.run({"web01": unseen(), "web02": None})
    assert past.history.first_seen() == {
        ("web01", "apps/wechat"): "2026-11-25T01:00:30Z",  # not the time since which nobody can look
        ("web02", ""): "2026-11-25T02:01:00Z",
    }


def test_pruning_forgets_what_ended_and_hosts_that_nobody_asks_and_keeps_what_goes_on(past):
    past.run({"a": bad(), "b": bad(), "c": bad()}, day=1, hour=8)
    past.run({"a": good(), "b": bad()}, day=2, hour=8, limit="a,b")
    now = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
    with past.history.database.writing() as session:
        prune(session, spelled(now - datetime.timedelta(days=23, hours=2)))  # after the 2nd, 8 o'clock
    assert past.ask("wrong") == []  # nobody asked any of them since
    past.run({"b": bad()}, day=25, hour=9, limit="b", keep=400 * DAY)
    assert [one.host for one in past.ask("wrong")] == ["b"]


hostile = st.text(max_size=40)


@examples(60)
@given(id_=hostile.filter(bool), path=hostile, rule=st.text(min_size=1, max_size=40), reason=hostile)
def test_whatever_a_host_says_can_be_kept(tmp_path_factory, id_, path, rule, reason):
    verdicts = [
        Verdict(f"apps/{rule}", "noncompliant", (Finding("package", id_, path=path),)),
        Verdict(f"dns/{rule}", "unknown", reason=reason),
    ]
    past = Past(open_history("sqlite", Path(tmp_path_factory.mktemp("h"))))
    past.run({"web01": answer(*verdicts)})
    incidents = list(past.ask("incidents"))
    assert sorted(incident.state for incident in incidents) == ["noncompliant", "unknown"]
    assert all(text.isprintable() for incident in incidents for text in incident)


STATES = st.sampled_from([good, bad, waived, unseen, repaired, None])


@examples(40)
@given(runs=st.lists(st.tuples(STATES, STATES), min_size=1, max_size=8))
def test_after_any_runs_what_is_open_is_what_the_last_run_found(tmp_path_factory, runs):
    past = Past(open_history("sqlite", Path(tmp_path_factory.mktemp("h"))))
    for one, two in runs:
        past.run({"a": one and one(), "b": two and two()})
    found = {(e.host, e.rule, e.state) for e in past.ask("incidents") if not e.closed}
    for host, made in zip("ab", runs[-1]):
        mine = {(rule, state) for name, rule, state in found if name == host}
        if made is None:
            assert ("", "unknown") in mine
            continue
        assert ("", "unknown") not in mine
        state = next((rule["state"] for rule in read(host, made())["rules"]), None)
        if state in ("noncompliant", "waived"):
            assert mine == {("apps/wechat", state)}
        elif state == "unknown":
            assert ("apps/wechat", "unknown") in mine
        else:
            assert not mine
    for incident in past.ask("incidents"):
        assert not incident.closed or incident.opened <= incident.closed
