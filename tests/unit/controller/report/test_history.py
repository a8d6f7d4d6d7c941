"""The history. Tests with `past` and without `tmp_path` run in integration too: test_history_postgres.py."""

import argparse
import datetime
import json
import os
import sqlite3
import string
from pathlib import Path
from typing import Any

import pytest
import writers
from fleets import SERVICES, answer, no_policy, wechat
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from made_records import make_record, make_rule
from pasts import Past, bad, good, made_plan, repaired, unseen, waived
from properties import examples
from proscribe.base.duration import format_moment
from proscribe.controller import cli
from proscribe.controller.cli import command_line
from proscribe.controller.cli import report as command
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.report.evaluation.control_rules import list_own_rules
from proscribe.controller.report.history import HistoryError, QueryScope, database, incident_entries, open_history
from proscribe.controller.report.history.database import SqliteDatabase
from proscribe.controller.report.history.plans import PlanServices
from proscribe.controller.report.history.record_evidence import EvidenceReader
from proscribe.controller.report.history.recording import prune_history
from proscribe.controller.report.history.waiver_history import list_waiver_periods
from proscribe.controller.report.terminal import exception_history as shown
from proscribe.controller.report.terminal import history_summary, summary
from proscribe.model.finding import Finding, RuleVerdict
from proscribe.model.plan import CONTROLS, add_digest
from proscribe.wire.answers.record import read_record
from watched_hosts import INCIDENT, POLICY, REQUEST, watched

DAY = 86400
SQL = [
    "x'); DROP TABLE proscribe_host; --", 'x" OR "1"="1', "x' UNION SELECT name FROM sqlite_master --", ":host",
    "%(host)s %s ?1 $1", "x; ATTACH 'other' AS o", "\\'; --",
]  # fmt: skip
STATES = st.sampled_from([good, bad, waived, unseen, repaired, None])
NOW = datetime.datetime(2026, 11, 26, tzinfo=datetime.timezone.utc)
PRESS = {
    "id": "press", "status": "active", "waives": True, "expires": "2026-11-25T09:30:00Z",
    "valid_from": "2026-11-24T12:00:00Z", "hosts": ["web01"], "services": ["wechat"], "controls": ["apps"], "users": [],
    "reason": "answers readers", "requested_by": "alice", "requested_on": "2026-11-24T10:00:00Z",
    "request": REQUEST["id"], "approved_by": "mei.chan", "approved_on": "2026-11-24T11:00:00Z",
    "signed_with": "SHA256:abc", "revoked": None,
}  # fmt: skip
APPS = {"apps": {"mode": "enforce", "services": {"wechat": {}, "line": {}}}}


@pytest.mark.parametrize("text", SQL)
def test_no_text_is_sql(past, text):
    """As the name of a host, and as all that a host says of what it found."""
    result = wechat(Finding("path", text, path=f"/home/{text}", version=text))
    past.run({"web01": bad(), text: answer(result, evaluated=["dns/x"])})
    past.run({"web01": bad(), text: good()})
    assert past.story(host=text) == [("noncompliant", "25T01", "25T02", "compliant")]
    assert past.story() == [("noncompliant", "25T01", "", "")], "of another host nothing has changed"
    (incident,) = [item for item in past.ask("list_incidents", host=text) if item.rule == "apps/wechat"]
    assert text in str(incident)


def test_wrong_clock_and_missing_probe_of_a_run_move_nothing(past):
    past.run({"web01": bad()}, change=lambda record: {**record, "checked_at": "2099-01-01T00:00:00Z"})
    assert past.story() == [("noncompliant", "25T01", "", "")]

    def probed(state):
        return answer(RuleVerdict("browser/probe", state, (Finding("browser", "chromium"),)), evaluated=["dns/x"])

    past.run({"web01": probed("noncompliant")})
    past.run({"web01": good()})  # which does not start the browsers
    assert past.story(rule="browser/probe") == [("noncompliant", "25T02", "", "")]
    past.run({"web01": probed("compliant")})
    assert past.story(rule="browser/probe") == [("noncompliant", "25T02", "25T04", "compliant")]


def test_changes_of_a_run_stay_as_they_are_whatever_later_runs_do(past):
    past.run({"web01": bad(), "web02": bad(), "web03": bad()})
    past.run({"web01": unseen(), "web02": good(), "web03": bad()})
    before = {host: past.history.read_transitions("run2").list_spans(host) for host in ("web01", "web02")}
    assert [(span.state, span.has_begun) for span in before["web01"]] == [("noncompliant", False), ("unknown", True)]
    (span,) = before["web02"]
    assert (span.state, span.has_begun, span.end_state) == ("noncompliant", False, "compliant")
    past.run({"web01": good(), "web02": bad(), "web03": good()})
    changes = past.history.read_transitions("run2")
    assert {host: changes.list_spans(host) for host in changes.iterate_hosts()} == before


def test_a_host_that_left_the_inventory_is_remembered_until_the_history_forgets_it(past):
    past.run({"web01": good(), "web02": good()})
    past.run({"web01": good()})
    past.run({"web01": good()})
    expected = [past.history.read_last_expected(name) for name in ("web01", "web02", "web03")]
    assert expected == ["2026-11-25T03:01:00Z", "2026-11-25T01:01:00Z", None]
    past.run({"web01": good(), "web02": good()})
    assert past.history.read_last_expected("web02") == "2026-11-25T04:01:00Z"
    past.run({"web01": good()})
    with past.history.database.open_for_writing() as session:
        prune_history(session, "2026-11-25T04:30:00Z")
    assert past.history.read_last_expected("web02") is None


def test_incidents_of_many_hosts_are_kept_once_and_end_by_rule(past):
    everything = answer(*no_policy())
    half = answer(*no_policy(services=SERVICES[:50]), evaluated=[f"browser/{id_}" for id_ in SERVICES[50:]])
    hosts = [f"host{number}" for number in range(20)]

    def rows(table):
        with past.history.database.open_for_reading() as session:
            return next(session.fetch_rows(f"SELECT COUNT(*) FROM proscribe_{table}"))[0]

    assert past.run(dict.fromkeys(hosts, everything)) == (20 * 118, 0)
    assert (rows("bundle"), rows("episode")) == (118, 20)
    assert past.run({**dict.fromkeys(hosts, everything), "host7": half}) == (0, 68)
    assert (rows("bundle"), rows("episode")) == (118 + 50 + 68, 21)
    assert past.story("host7", "browser/service007") == [("noncompliant", "25T01", "", "")]
    assert past.story("host7", "browser/service099") == [("noncompliant", "25T01", "25T02", "compliant")]
    result = {item.rule: (item.hosts, item.host) for item in past.ask("list_open_rules")}
    assert (result["browser/service007"], result["browser/service099"]) == ((20, "host0"), (19, "host0"))
    since = past.history.read_incident_starts()
    assert (len(since), len(set(since))) == (20 * 118 - 68, 20 * 118 - 68)
    assert ("host7", "browser/service099") not in since
    assert since["host7", "browser/service007"] == "2026-11-25T01:00:30Z"
    assert past.run(dict.fromkeys(hosts, answer(evaluated=["browser/x"]))) == (0, 20 * 118 - 68)
    repairs = past.ask("measure_repairs")
    # host7 in two goes: what came back into line together is one time, however many rules it is
    assert (repairs.number, repairs.rules, repairs.hosts) == (21, 20 * 118, 20)


def test_pruning_forgets_what_ended_and_hosts_that_nobody_asks_and_keeps_what_goes_on(past):
    past.run({"a": bad(), "b": bad(), "c": bad()}, day=1, hour=8)
    past.run({"a": good(), "b": bad()}, day=2, hour=8, limit="a,b")
    now = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
    with past.history.database.open_for_writing() as session:
        prune_history(session, format_moment(now - datetime.timedelta(days=23, hours=2)))  # after the 2nd, 8 o'clock
    assert past.ask("list_open_rules") == []  # nobody asked any of them since
    past.run({"b": bad()}, day=25, hour=9, limit="b", keep=400 * DAY)
    assert [item.host for item in past.ask("list_open_rules")] == ["b"]


hostile = st.text(max_size=40)


@examples(60)
@given(id_=hostile.filter(bool), path=hostile, rule=st.text(min_size=1, max_size=40), reason=hostile)
def test_whatever_a_host_says_can_be_kept(tmp_path_factory, id_, path, rule, reason):
    wrong = RuleVerdict(f"apps/{rule}", "noncompliant", (Finding("package", id_, path=path),))
    verdicts = [wrong, RuleVerdict(f"dns/{rule}", "unknown", reason=reason)]
    past = Past(open_history("sqlite", Path(tmp_path_factory.mktemp("h"))))
    past.run({"web01": answer(*verdicts)})
    incidents = list(past.ask("list_incidents"))
    assert sorted(incident.state for incident in incidents) == ["noncompliant", "unknown"]
    assert all(text.isprintable() for incident in incidents for text in incident)


@examples(40)
@given(runs=st.lists(st.tuples(STATES, STATES), min_size=1, max_size=8))
def test_after_any_runs_what_is_open_is_what_the_last_run_found(tmp_path_factory, runs):
    past = Past(open_history("sqlite", Path(tmp_path_factory.mktemp("h"))))
    for first, second in runs:
        past.run({"a": first and first(), "b": second and second()})
    open_incidents = {(e.host, e.rule, e.state) for e in past.ask("list_incidents") if not e.closed}
    for host, make_answer in zip("ab", runs[-1]):
        mine = {(rule, state) for name, rule, state in open_incidents if name == host}
        if make_answer is None:
            assert ("", "unknown") in mine
            continue
        assert ("", "unknown") not in mine
        state = next((rule["state"] for rule in read_record(host, make_answer())["rules"]), None)
        if state in ("noncompliant", "waived"):
            assert mine == {("apps/wechat", state)}
        elif state == "unknown":
            assert ("apps/wechat", "unknown") in mine
        else:
            assert not mine
    for incident in past.ask("list_incidents"):
        assert not incident.closed or incident.opened <= incident.closed


def read_entries(past, **scope):
    with past.history.database.open_for_reading() as session:
        return incident_entries.list_entries(session, scope.pop("since", ""), **scope)


def make_incident(first, last, times, corrected=None, users=(), rule="apps/wechat"):
    return {
        "control": rule.partition("/")[0], "cause": "", "rules": [rule], "rules_left_out": 0,
        "first": f"2026-11-{first:02}T08:00:00Z", "last": f"2026-11-{last:02}T08:00:00Z", "times": times,
        "corrected": times if corrected is None else corrected, "users": list(users),
    }  # fmt: skip


def test_no_sum_of_what_a_host_claims_ends_the_history(past):
    """Neither database takes a number of 64 bits or more. Each run of the fleet would fail for it, for ever."""
    greatest = 2**53
    for day in range(1, 7):
        times = [f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z" for hour in range(20) for minute in range(0, 60, 6)]
        most = {**INCIDENT, "times": greatest, "corrected": greatest}
        claims = [{**most, "cause": at, "first": at, "last": at} for at in times]
        past.run({"a": watched(*claims)}, day=25)
    whole = {**INCIDENT, "first": "2026-11-01T00:00:00Z", "last": "2026-11-06T23:00:00Z"}
    past.run({"a": watched(whole), "b": watched(make_incident(20, 20, 1))})
    assert {item.host: item.times for item in read_entries(past)} == {"a": greatest, "b": 1}


def test_incident_of_many_rules_is_an_entry_of_each(past):
    other = {**POLICY, "cause": "policy /etc/firefox/policies/policies.json"}
    past.run({"a": watched(POLICY, other)})
    entries = read_entries(past, rule="browser/gmail")
    assert {(item.detail, item.rule, item.times) for item in entries} == {
        (POLICY["cause"], "browser", 3), (other["cause"], "browser", 3)
    }  # fmt: skip
    assert read_entries(past, rule="dns/gmail") == [] and len(read_entries(past)) == 2


def test_a_history_of_an_earlier_version_has_none_of_it_until_the_next_run(tmp_path):
    past = Past(open_history("sqlite", tmp_path))
    past.run({"web01": waived()})
    with sqlite3.connect(tmp_path / "history.db") as database:
        for table in ("proscribe_between", "proscribe_waiver", "proscribe_use"):
            database.execute(f"DROP TABLE {table}")
    assert history_summary.gather_history_summary(past.history, QueryScope(), NOW, 86400).between_entries == []
    assert shown.gather_exceptions(past.history, "", NOW).exceptions == []
    assert past.history.read_transitions("run1").list_new_remark_ids("web01") == frozenset()
    past.run({"web01": watched(INCIDENT)})
    assert len(read_entries(past)) == 1


@pytest.mark.parametrize(("options", "result"), [
    (["--exceptions"], "press  expired"),
    (["--exceptions", "--since", "2026-11-01", "--format", "csv"], "waiver,inventory,status"),
    (["--exceptions", "--json"], '"schema": "proscribe/exceptions/1"'),
])  # fmt: skip
def test_the_command_prints_it(tmp_path, options, result):
    past = Past(open_history("sqlite", tmp_path))
    past.run({"web01": waived()}, waivers=[{**PRESS, "hours": ["weekdays 09:00-18:00"]}])
    arguments = command_line.parse_command("report", options)[1]
    text = command.compose_answer(arguments, summary.TerminalScreen(), ReportsPlace(tmp_path, "the test"))
    assert result in text and "weekdays 09:00-18:00" in text


def test_waiver_is_stored_again_only_where_its_terms_change(past):
    for more in ({"hosts": ["web01"]}, {"why": "x"}, {"waives": True, "review_overdue": True, "days_left": 3},
                 {"expires": "2027-01-01T00:00:00Z"}):  # fmt: skip
        past.run({"web01": waived()}, waivers=[{**PRESS, **more}])
    with past.history.database.open_for_reading() as session:
        stored = [(item.opened[11:13], item.seen[11:13]) for item in list_waiver_periods(session, "")]
    assert stored == [("01", "03"), ("04", "04")]


@given(
    st.lists(st.integers(1, 28), min_size=1, max_size=12).map(sorted),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), min_size=1, max_size=6),
)
@examples(40, HealthCheck.function_scoped_fixture)
def test_never_more_than_happened_is_counted(tmp_path_factory, happened, journals):
    past = Past(open_history("sqlite", tmp_path_factory.mktemp("history")))
    ends = sorted(end for _, end in journals)
    past.run({"web01": good()})
    known_names = 0
    for (lost, _), end in zip(journals, ends):
        days = happened[:end][min(lost, end - 1) :]
        if days:
            past.run({"web01": watched(make_incident(days[0], days[-1], len(days)))}, hour=0)
            known_names = max(known_names, len(days))
    total = sum(item.times for item in read_entries(past))
    assert known_names <= total <= len(happened)


def test_session_waits_for_others_with_an_end_and_has_some_memory(tmp_path, monkeypatch):
    history = open_history("sqlite", tmp_path)
    for session_of in (history.database.open_for_writing, history.database.open_for_reading):
        with session_of() as session:
            assert next(session.fetch_rows("PRAGMA busy_timeout"))[0] == 60_000
            assert next(session.fetch_rows("PRAGMA cache_size"))[0] < -2_000  # KiB: more than its usual two megabytes
    with pytest.raises(HistoryError, match="readonly"), history.database.open_for_reading() as session:
        session.execute_statement("DELETE FROM proscribe_run")
    monkeypatch.setattr(database, "LOCK_TIMEOUT_SECONDS", 0.2)
    second = history.database.open_for_writing()
    with history.database.open_for_writing(), pytest.raises(HistoryError, match="in use by another run"), second:
        pass


@pytest.mark.parametrize(("seen", "lack"), [
    ({"f_flag": os.ST_RDONLY}, " (Read-only file system)"),
    ({"f_favail": 0}, " (No space left on device: no inodes)"),
    ({"f_favail": 0, "f_files": 0}, ""),  # a file system that counts none
    ({"f_bavail": 0}, " (No space left on device)"),
])  # fmt: skip
def test_history_says_what_its_file_system_lacks(tmp_path, monkeypatch, seen, lack):
    usual = {"f_flag": 0, "f_files": 9, "f_favail": 9, "f_bavail": 9}
    monkeypatch.setattr(os, "statvfs", lambda _: argparse.Namespace(**{**usual, **seen}))
    with pytest.raises(HistoryError) as wrong, SqliteDatabase(tmp_path / "history.db").open_for_writing() as session:
        session.execute_statement("SELECT nosuch")
    assert str(wrong.value) == f"{tmp_path}/history.db: no such column: nosuch{lack}"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_history_that_is_no_file_is_refused(past, tmp_path, make):
    make(tmp_path / "history.db")
    with pytest.raises(HistoryError, match=r"history\.db is no file"):
        past.run({"web01": bad()})
    with pytest.raises(HistoryError, match="no history yet"):
        past.history.read_trend()


def test_a_missing_or_empty_file_is_no_history_yet_and_becomes_one(past, tmp_path):
    assert open_history("off", tmp_path) is None
    for make in (Path.exists, Path.touch):
        make(tmp_path / "history.db")
        with pytest.raises(HistoryError, match="no history yet"):
            past.history.read_trend()
    past.run({"web01": bad()})
    assert len(past.history.read_trend()) == 1


def test_tables_of_a_newer_version_are_left_alone(past, tmp_path):
    past.run({"web01": bad()})
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("UPDATE proscribe_history SET version = 2")
    for ask in (past.history.read_trend, lambda: past.run({"web01": good()})):
        with pytest.raises(HistoryError, match="version"):
            ask()


@pytest.mark.slow
@pytest.mark.parametrize("write", [writers.several_writers, writers.a_killed_writer])
def test_writers_lose_no_run_and_leave_none_half_written(tmp_path, write):
    write(open_history("sqlite", tmp_path), "sqlite", tmp_path)


def store_plan(place: Path, **more: Any) -> str:
    plan = add_digest({"schema": "proscribe/plan/1", "controls": APPS, **more})
    (place / f"{plan['digest'].removeprefix('sha256:')}.json").write_text(json.dumps(plan))
    return plan["digest"]


@pytest.mark.parametrize(("more", "result"), [
    ({}, {}),
    ({"watch": {}}, {"watch": {"watcher", "plan"}}),
    ({"group_policy": {"objects": [{"name": "Proscribe Desktops"}]}}, {"group_policy": {"proscribe-desktops"}}),
    ({"group_policy": {}, "watch": None}, {"watch": {"watcher", "plan"}}),
])  # fmt: skip
def test_plan_has_the_services_of_its_controls_and_what_is_beside_them(tmp_path, more, result):
    assert PlanServices(tmp_path).get_services(store_plan(tmp_path, **more)) == {"apps": {"wechat", "line"}, **result}


def test_a_plan_is_read_once_and_one_that_is_gone_or_broken_is_none(tmp_path):
    plans, digest = PlanServices(tmp_path), store_plan(tmp_path)
    path = tmp_path / f"{digest.removeprefix('sha256:')}.json"
    gone, broken = "sha256:" + "0" * 64, "sha256:" + "1" * 64
    (tmp_path / f"{'1' * 64}.json").write_text("{")
    assert (plans.get_services(gone), plans.get_services(broken), plans.get_services("rubbish")) == (None, None, None)
    assert plans.get_services(digest) is not None
    path.unlink()
    assert plans.get_services(digest) is not None
    assert PlanServices(tmp_path).get_services(digest) is None


A, B, C = (Finding("package", name, "dpkg", "4.0").convert_to_dict() for name in "abc")


@pytest.mark.parametrize(("item", "stored"), [
    (make_rule("apps/x", "noncompliant", None, A), "dpkg a 4.0"),
    (make_rule("apps/x", "noncompliant", None, A, B, C), "dpkg a 4.0 and 2 more"),
    (make_rule("apps/x", reason="w" * 301), "w" * 300),
    (make_rule("apps/x", reason="a\x1bb\n"), "a\N{REPLACEMENT CHARACTER}b "),
    (make_rule("apps/x"), ""),
    (make_rule("apps/x", "not_applicable", "no such program"), ""),
])  # fmt: skip
def test_stored_evidence_of_a_rule_is_short(item, stored):
    record = make_record("web01", "noncompliant", item, make_rule("dns/x"))
    evidence = EvidenceReader().read_evidence(record, ["apps"], True)
    assert evidence == {"apps/x": (item["state"], stored)}


@pytest.mark.parametrize(("said_of_host", "about_host", "stored"), [
    (make_record("web01", "unknown", reason="no answer"), True, ("unknown", "no answer")),
    (make_record("web01", "unknown"), True, ("unknown", "unknown")),
    (make_record("web01", "error", errors=[{"message": "a"}, {"message": "b"}]), True, ("error", "a; b")),
    (make_record("web01", "unknown", reason="no answer"), False, None),
    (make_record("web01", "noncompliant"), True, None),
    (make_record("web01", "error", make_rule("apps/x")), True, ("error", "error")),
    (make_record("web01", "error", make_rule("apps/x", "error")), True, None),
])  # fmt: skip
def test_a_host_is_kept_where_it_is_worse_than_its_rules(said_of_host, about_host, stored):
    evidence = EvidenceReader().read_evidence(said_of_host, ["dns"], about_host)
    assert evidence == ({"": stored} if stored else {})


class ReportCommand:
    """`report` over a host with WeChat and a host whose plan has no apps."""

    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self.past = Past(open_history("sqlite", reports))
        self.plan = made_plan(reports, apps=["wechat", "signal"], dns=["x"])
        self.names_only = made_plan(reports, dns=["x"])
        self.run({"web01": {**bad(), "plan": self.plan}, "db01": {**good(), "plan": self.names_only}})

    def run(self, hosts, name="20261125T080000Z-audit-1a2b", **changes) -> None:
        self.past.stored(self.reports, hosts, name, **changes)

    def __call__(self, *options: str) -> str:
        arguments = command_line.parse_command("report", options)[1]
        return command.compose_answer(arguments, summary.TerminalScreen(100, 60), ReportsPlace(self.reports, "a test"))


@pytest.fixture
def ask(tmp_path):
    return ReportCommand(tmp_path)


@pytest.mark.parametrize(("options", "message"), [
    (("--host", "web1"), "did you mean 'web01'"),
    (("--rule", "apps/nothing-like-it"), "no plan .* has a rule 'apps/nothing-like-it'"),
    (("--rule", "apps/telegram"), "telegram is a service of the catalogue, but no plan"),
    (("--rule", "browser/dns-over-https"), "no plan .* has the control browser"),
    (("--rule", "apps/wechat", "--host", "db01"), "the plan of db01 does not have the control apps"),
    (("--run", "nosuch"), "no complete report nosuch"),
])  # fmt: skip
def test_a_name_that_no_run_knows_is_refused_and_not_answered_with_nothing_wrong(ask, options, message):
    with pytest.raises(cli.CommandError, match=f"(?s){message}"):
        ask(*options)


def test_a_rule_that_no_run_has_checked_is_not_reported_as_compliant(ask, tmp_path, monkeypatch):
    ask.run({"new01": {**good(), "plan": ask.plan}}, name="20261125T090000Z-audit-77c0", controls=["dns"])
    assert "not checked yet: apps on 1 host" in ask("--rule", "apps/signal", "--host", "new01")
    assert "not checked yet: apps on 1 host" in ask("--host", "new01")
    document = json.loads(ask("--rule", "apps/signal", "--json"))
    assert document["looked"]["never"] == {"apps": 1}
    assert "not checked yet" not in ask("--rule", "dns/x")


def test_host_of_no_run_and_rule_of_a_lost_plan_are_not_said_to_be_right(ask):
    ask.run({"db01": {**good(), "plan": ask.names_only}}, name="20261125T100000Z-audit-77c0")
    assert "wrong now\nnot known: no run covers this host any more" in ask("--host", "web01")
    for plan in (ask.reports / "plans").glob("*.json"):
        plan.unlink()
    with pytest.raises(cli.CommandError, match="not kept any more"):
        ask("--rule", "apps/signal")
    assert "noncompliant" in ask("--rule", "apps/wechat")  # the history knows it


@pytest.mark.slow
@examples(30)  # each one is a history of its own
@given(
    st.one_of(
        st.sampled_from(["apps/wechat", "apps/signal", "dns/x", "apps/x", "dns/wechat", "browser/wechat", "wechat"]),
        st.tuples(st.sampled_from(CONTROLS), st.text(string.ascii_lowercase + "-_/", max_size=9)).map("/".join),
    )
)
def test_only_rules_of_a_plan_are_answered(tmp_path_factory, rule):
    ask = ReportCommand(tmp_path_factory.mktemp("names"))
    control, _, about = rule.partition("/")
    in_a_plan = rule in ("apps/wechat", "apps/signal", "dns/x")
    a_setting = control in ("apps", "dns") and about in list_own_rules(control)
    try:
        answer = ask("--rule", rule)
    except cli.CommandError:
        assert not in_a_plan and not a_setting
    else:
        assert in_a_plan or a_setting
        assert answer
