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
from pasts import Past, bad, good, made_plan, repaired, unseen, waived
from properties import examples
from proscribe.base.duration import spelled
from proscribe.controller.report.history import Scope, open_history
from proscribe.controller.report.history import queries as answers
from proscribe.controller.report.history.plans import Plans
from proscribe.controller.report.history.recording import prune
from proscribe.model.finding import Finding, Verdict
from proscribe.wire.replies.record import read

DAY = 86400


@pytest.mark.parametrize(
    ("answers", "story"),
    [
        pytest.param([good], [], id="what holds leaves no trace"),
        pytest.param([bad], [("noncompliant", "25T01", "", "")], id="what is wrong opens an episode"),
        pytest.param([bad, bad, bad], [("noncompliant", "25T01", "", "")], id="which goes on while it is seen"),
        pytest.param([bad, good], [("noncompliant", "25T01", "25T02", "compliant")], id="until it holds"),
        pytest.param([bad, repaired], [("noncompliant", "25T01", "25T02", "repaired")], id="or was corrected"),
        pytest.param(
            [good, repaired],
            [("noncompliant", "25T02", "25T02", "repaired")],
            id="what began and was corrected between two runs was wrong all the same",
        ),
        pytest.param(
            [bad, good, bad],
            [("noncompliant", "25T01", "25T02", "compliant"), ("noncompliant", "25T03", "", "")],
            id="what comes back is a second episode",
        ),
        pytest.param(
            [bad, None, bad], [("noncompliant", "25T01", "", "")], id="a host that does not answer ends nothing"
        ),
        pytest.param(
            [bad, unseen, bad],
            [("noncompliant", "25T01", "", ""), ("unknown", "25T02", "25T03", "noncompliant")],
            id="what cannot be seen does not end what was seen",
        ),
        pytest.param(
            [bad, unseen, good],
            [("noncompliant", "25T01", "25T03", "compliant"), ("unknown", "25T02", "25T03", "compliant")],
            id="and both end when it holds",
        ),
        pytest.param(
            [bad, waived, bad],
            [
                ("noncompliant", "25T01", "25T02", "waived"),
                ("waived", "25T02", "25T03", "noncompliant"),
                ("noncompliant", "25T03", "", ""),
            ],
            id="a waiver ends it, and the end of the waiver begins it anew",
        ),
    ],
)
def test_a_story(past, answers, story):
    for made in answers:
        past.run({"web01": made and made()})
    assert sorted(past.story()) == sorted(story)


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


@pytest.mark.parametrize(
    ("answers", "story"),
    [
        ([None, good], [("unknown", "25T01", "25T02", "compliant")]),
        ([good, None, None], [("unknown", "25T02", "", "")]),
    ],
)
def test_the_host_itself_has_a_story_of_silence(past, answers, story):
    for made in answers:
        past.run({"web01": made and made()})
    assert past.story(rule="") == story


def test_a_run_of_one_control_says_nothing_of_the_others(past):
    past.run({"web01": bad()})
    past.run({"web01": good()}, controls=["dns"])
    assert past.story() == [("noncompliant", "25T01", "", "")]
    past.run({"web01": good()}, controls=["apps"])
    assert past.story() == [("noncompliant", "25T01", "25T03", "compliant")]


def test_a_run_that_does_not_start_the_browsers_says_nothing_of_what_they_did(past):
    def probed(state):
        return answer(Verdict("browser/probe", state, (Finding("browser", "chromium"),)), evaluated=["dns/x"])

    past.run({"web01": probed("noncompliant")})
    past.run({"web01": good()})
    assert past.story(rule="browser/probe") == [("noncompliant", "25T01", "", "")]
    past.run({"web01": probed("compliant")})
    assert past.story(rule="browser/probe") == [("noncompliant", "25T01", "25T03", "compliant")]


@pytest.mark.parametrize(
    ("old", "new", "ended"),
    [
        pytest.param({"apps": ["wechat"]}, {"apps": ["signal"]}, "withdrawn", id="a rule that the plan has no more"),
        pytest.param({"apps": ["wechat"]}, {}, "withdrawn", id="a control that is switched off"),
        # wechat is no service of this plan, before and after: plans do not list settings
        pytest.param({"apps": ["signal"]}, {"apps": ["signal"]}, "compliant", id="a setting that holds again"),
    ],
)
def test_only_what_a_plan_still_requires_counts_as_corrected(past, tmp_path, old, new, ended):
    past.run({"web01": bad(digest=made_plan(tmp_path, **old, dns=["x"]))})
    past.run({"web01": good(digest=made_plan(tmp_path, **new, dns=["x"]))})
    assert past.story() == [("noncompliant", "25T01", "25T02", ended)]
    assert past.ask("repairs").number == (ended == "compliant")


def test_a_run_that_is_recorded_late_does_not_overwrite_what_is_known(past):
    past.run({"web01": good()}, number=5)
    past.run({"web01": bad()}, number=3)  # it looked before, and ended after
    assert past.story() == []
    past.run({"web01": bad()}, number=6)
    assert past.story() == [("noncompliant", "25T06", "", "")]


def test_a_run_is_recorded_once(past):
    assert past.run({"web01": bad()}, number=1).opened == 1
    assert past.run({"web01": good()}, number=1) == (0, 0)
    assert [one.rule for one in past.ask("wrong")] == ["apps/wechat"]


@pytest.mark.parametrize(("mode", "ended"), [("audit", "gone"), ("enforce", "")])
def test_the_first_audit_of_the_example_inventory_is_over_once_there_is_another_one(past, project, mode, ended):
    example = [str(project / "inventory")]
    past.run({"localhost": bad()}, inventory=example, mode=mode)
    past.run({"web01": good()}, limit="web01")  # of a part only: it says nothing of other hosts
    assert [row[3] for row in past.story("localhost")] == [""]
    past.run({"web01": good()})
    assert [row[3] for row in past.story("localhost")] == [ended]


def test_a_host_that_left_the_inventory_is_gone_after_a_run_of_all_of_it(past):
    past.run({"web01": bad(), "web02": bad()})
    past.run({"web01": bad()}, limit="web01")
    assert past.story("web02") == [("noncompliant", "25T01", "", "")]
    past.run({"web09": bad()}, inventory=["inventory/other"])
    assert past.story("web02") == [("noncompliant", "25T01", "", "")]
    past.run({"web01": bad()})
    assert past.story("web02") == [("noncompliant", "25T01", "25T04", "gone")]
    assert past.story("web09") == [("noncompliant", "25T03", "", "")]


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


def test_a_wrong_clock_of_a_host_moves_nothing_out_of_its_run(past):
    record = {**bad(), "checked_at": "2099-01-01T00:00:00Z"}
    past.run({"web01": record})
    assert past.story() == [("noncompliant", "25T01", "", "")]


def test_what_is_wrong_now_worst_first_with_its_oldest_host(past):
    past.run({"web01": bad(), "web02": good(), "web03": None})
    past.run({"web01": bad(), "web02": bad(), "web03": None})
    found = past.ask("wrong")
    assert [(one.rule, one.state, one.hosts, one.host) for one in found] == [
        ("apps/wechat", "noncompliant", 2, "web01"),
        ("", "unknown", 1, "web03"),
    ]
    assert (found[0].oldest, found[0].newest) == ("2026-11-25T01:00:30Z", "2026-11-25T02:00:30Z")
    assert found[0].evidence == "dpkg wechat 4.0"
    assert found[1].evidence == "unreachable: no route"
    assert [one.hosts for one in past.ask("wrong", host="web02")] == [1]


def test_time_to_repair(past):
    for day, (one, two, three) in {1: (bad, bad, bad), 2: (good, bad, bad), 5: (good, repaired, bad)}.items():
        past.run({"a": one(), "b": two(), "c": three()}, day=day, hour=8)
    assert past.ask("repairs") == (2, DAY, 4 * DAY, 2, 2)
    assert past.ask("repairs", since="2026-11-03T00:00:00Z") == (1, 4 * DAY, 4 * DAY, 1, 1)
    assert past.ask("repairs", host="a") == (1, DAY, DAY, 1, 1)


def test_what_drifts_again_and_again_is_flapping(past):
    for day in range(1, 9):  # what the first run finds is no drift
        past.run({"web01": (bad if day % 2 else good)(), "web02": bad()}, day=day, hour=8)
    assert past.ask("flapping") == [("web01", "apps/wechat", 3, "2026-11-07T08:00:30Z")]
    assert past.ask("flapping", since="2026-11-04T00:00:00Z") == []


def test_a_host_that_no_run_sees_any_more(past):
    past.run({"web01": good(), "web02": good(), "web03": None}, day=1, hour=8)
    past.run({"web01": good()}, day=9, hour=8, limit="web01")
    with past.history.database.reading() as session:
        found = answers.unseen(session, Scope(), "2026-11-05T00:00:00Z")
    assert found == [("web03", ""), ("web02", "2026-11-01T08:00:30Z")]


def test_the_trend_compares_what_can_be_compared(past):
    past.run({"web01": bad(), "web02": good()})
    past.run({"web01": bad()}, limit="web01")
    past.run({"web01": bad(), "web02": good()}, controls=["apps"])
    past.run({"web01": good(), "web02": good()})
    trend = past.history.trend()
    assert [(one["run"], one["hosts"]["noncompliant"], one["compliance_strict"]["percent"]) for one in trend] == [
        ("run1", 1, 50.0),
        ("run4", 0, 100.0),
    ]
    assert trend[0].keys() == {
        "run", "finished", "mode", "hosts", "coverage", "compliance_strict", "compliance_with_waivers",
    }  # fmt: skip
    assert [one["run"] for one in past.history.trend(limit=1)] == ["run4"]


def test_pruning_forgets_what_ended_and_hosts_that_nobody_asks_and_keeps_what_goes_on(past):
    past.run({"a": bad(), "b": bad(), "c": bad()}, day=1, hour=8)
    past.run({"a": good(), "b": bad()}, day=2, hour=8, limit="a,b")
    now = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
    with past.history.database.writing() as session:
        prune(session, spelled(now - datetime.timedelta(days=23, hours=2)))  # after the 2nd, 8 o'clock
    assert past.ask("wrong") == []  # nobody asked any of them since
    past.run({"b": bad()}, day=25, hour=9, limit="b", keep=400 * DAY)
    assert [one.host for one in past.ask("wrong")] == ["b"]


def test_a_plan_is_read_by_its_digest_only(tmp_path):
    digest = made_plan(tmp_path, apps=["wechat"])
    plans = Plans(tmp_path / "plans")
    assert plans.services(digest) == {"apps": frozenset({"wechat"})}
    assert plans.services("sha256:" + "f" * 64) is None
    assert plans.services("sha256:../../etc/passwd") is None


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


def test_the_changes_of_a_run_are_those_of_its_hosts_and_what_went_on_beside_them(past):
    past.run({"web01": bad(), "web02": bad(), "web03": good()})
    past.run({"web01": unseen(), "web02": bad(), "web03": good()})
    changes = past.history.transitions("run2")
    assert list(changes.hosts()) == ["web01"]
    assert changes.of("web02") == ()
    assert changes.of("web01") == [
        (("apps/wechat",), "noncompliant", "2026-11-25T01:00:30Z", False, ""),
        (("apps/wechat",), "unknown", "2026-11-25T02:00:30Z", True, ""),
    ]


def test_what_later_runs_do_does_not_change_the_changes_of_a_run(past):
    past.run({"web01": bad(), "web02": bad()})
    past.run({"web01": unseen(), "web02": good()})
    before = {host: past.history.transitions("run2").of(host) for host in ("web01", "web02")}
    assert [(span.state, span.began, span.ended) for span in before["web02"]] == [("noncompliant", False, "compliant")]
    past.run({"web01": good(), "web02": bad()})
    changes = past.history.transitions("run2")
    assert {host: changes.of(host) for host in changes.hosts()} == before


def test_of_a_run_that_it_does_not_have_the_history_knows_no_changes(past):
    past.run({"web01": good()})
    assert past.history.transitions("run9") is None
    assert list(past.history.transitions("run1").hosts()) == []
