"""The end of a run and of a lift: baseline, history, old reports that go, hosts that stay lifted until observed."""

import argparse
import calendar
import csv
import io
import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleets import DIGEST, WECHAT, answer, clean_answer, run, wechat
from proscribe.base.duration import parse_moment
from proscribe.controller.cli import command_line
from proscribe.controller.cli import report as command
from proscribe.controller.cli.diff import earlier_plans
from proscribe.controller.cli.explain import collected_facts
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.history import QueryScope, open_history
from proscribe.controller.report.run_end import publication
from proscribe.controller.report.run_end.publication import ReportExtras, publish_report, record_history
from proscribe.controller.report.run_end.verdict_and_report import EndedRun, end_run
from proscribe.controller.report.storage import corrections_file, report_directory
from proscribe.controller.report.terminal import history_summary, summary
from proscribe.model.plan import CONTROLS
from proscribe_ansible import reported_run
from proscribe_ansible.exit_code import EXIT_FILE_VARIABLE, PlaybookExitCode
from proscribe_ansible.reported_run import ReportedPlaybookRun
from proscribe_ansible.terminal import RunTerminal

DRIFTED = answer(wechat(WECHAT), evaluated=["apps/x"])
GATED = {"gate": {"web01": "noncompliant", "web02": "noncompliant"}}
MODULES = {
    "apps": "restricted_apps", "browser": "browser_policy", "firewall": "host_firewall", "dns": "dns_filter",
    "watch": "host_watch", "group_policy": "group_policy",
}  # fmt: skip
RULES = [f"{control}/wechat" for control in CONTROLS]
ENFORCED = {control: {"mode": "enforce", "policy": "p1"} for control in CONTROLS}
LIFT_ID = "20261125T050000Z-lift-0005"
LIFTED_AT = "2026-11-25T05:01:00Z"
MEETS = answer(evaluated=RULES)
BREAKS = answer(wechat(WECHAT), evaluated=RULES[1:])


class Reports:
    """A directory of reports of runs over web01 and web02."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.broken: list[str] = []

    def ended(self, *answers: dict[str, Any], name: str = "r1", failed: bool = False, **changes: Any) -> EndedRun:
        collector = Collector(run(["web01", "web02"], **{"id": name, **changes}))
        for host, item in zip(("web01", "web02"), answers, strict=False):
            collector.answered(host, item)
        directory = report_directory.ReportDirectory(self.place / f"{name}.partial")
        return end_run(collector, directory, "2026-11-25T01:00:00Z", failed, self.broken.append)


@pytest.fixture
def reports(tmp_path):
    return Reports(tmp_path)


def test_with_a_baseline_what_was_there_fails_nothing_and_what_is_new_does(reports):
    first = reports.ended(DRIFTED, clean_answer(), name="r1", **GATED)
    again = reports.ended(DRIFTED, clean_answer(), name="r2", baseline=first.directory, **GATED)
    more = reports.ended(DRIFTED, DRIFTED, name="r3", baseline=first.directory, **GATED)
    assert first.verdict.exit_code == more.verdict.exit_code != again.verdict.exit_code == "ansible"
    assert reports.broken == []


@pytest.mark.parametrize("content", [None, "nonsense\n"])
def test_a_baseline_that_cannot_be_read_proves_nothing(reports, content):
    old = reports.place / "old"
    old.mkdir()
    if content is not None:
        (old / "hosts.jsonl").write_text(content)
    done = reports.ended(DRIFTED, clean_answer(), baseline=str(old), **GATED)
    assert len(reports.broken) == 1 and "the baseline cannot be read" in reports.broken[0]
    assert done.directory


@pytest.mark.parametrize(("keep", "is_stored"), [(0, True), (1, False)])
def test_old_reports_go_but_not_the_baseline(reports, keep, is_stored):
    names = [f"2020010{day}T000000Z-audit-aaaa" for day in (1, 2, 3)]
    for name in names:
        reports.ended(clean_answer(), clean_answer(), name=name)
    baseline, other, newest = (reports.place / name for name in names)
    last = {"name": "20261125T003000Z-audit-cccc", "baseline": str(baseline), "reports_keep": keep}
    reports.ended(clean_answer(), clean_answer(), **last)
    assert (baseline.exists(), other.exists(), newest.exists()) == (True, is_stored, True)


def test_report_that_cannot_be_written_leaves_the_verdict(reports, monkeypatch):
    def fail(*_: Any) -> Any:
        raise RuntimeError("no room")

    monkeypatch.setattr(publication, "publish_report", fail)
    done = reports.ended(DRIFTED, clean_answer(), **GATED)
    assert (done.directory, reports.broken) == ("", ["the report cannot be written: RuntimeError: no room"])
    assert done.verdict.exit_code != "ansible"


class Fleet:
    """Audits of web01 and web02, and lifts, one at each hour of a day."""

    def __init__(self, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reports, self.monkeypatch = reports, monkeypatch

    def audit(self, hour: int, answers: dict[str, Any], mode: str = "audit", **facts_: Any) -> Path:
        """Publish a run with these answers (None: no answer)."""
        began, ended = f"2026-11-25T{hour:02}:00:00Z", f"2026-11-25T{hour:02}:02:00Z"
        at = facts_.pop("checked_at", f"2026-11-25T{hour:02}:00:30Z")
        result = self._run(f"20261125T{hour:02}0000Z-{mode}-{hour:04x}", began, answers, mode, **facts_)
        collector = Collector(result)
        for host, text in answers.items():
            if text:
                collector.answered(host, {**text, "checked_at": at})
        records = collector.reconcile_hosts(ended).records
        report = make_run_report(result, collector.reconcile_hosts(ended), ended)
        past = record_history(self.reports, report, records)
        directory = report_directory.ReportDirectory(self.reports / f"{result['id']}.partial")
        return publish_report(directory, report, records, ReportExtras(page_history=past))

    def lift(self, *events: Any, hosts: Any = ("web01", "web02"), **facts_: Any) -> list[str]:
        """End a lift with these events; return its output."""
        self.monkeypatch.delenv(EXIT_FILE_VARIABLE, raising=False)
        self.monkeypatch.setattr(reported_run.context, "CLIARGS", {"check": False})
        clock = SimpleNamespace(time=lambda: calendar.timegm((2026, 11, 25, 5, 1, 0)), monotonic=time.monotonic)
        self.monkeypatch.setattr(reported_run, "time", clock)
        terminal, message = RunTerminal(), []
        take = {"display": lambda text, **_: message.append(text), "warning": message.append, "error": message.append}
        terminal.display = SimpleNamespace(verbosity=0, **take)
        result = self._run(LIFT_ID, "2026-11-25T05:00:00Z", dict.fromkeys(hosts), "lift", **facts_)
        goes_on = ReportedPlaybookRun(result, terminal, PlaybookExitCode(terminal))
        for event in events:
            event(goes_on)
        goes_on.end_run(failed=False)
        return message

    def _run(self, id_: str, began: str, hosts: Any, mode: str, **facts_: Any) -> Any:
        about = {"policies": {DIGEST: ENFORCED}, "history": "sqlite", "exports": ["csv", "prometheus"], **facts_}
        place = {"id": id_, "started": began, "directory": str(self.reports / f"{id_}.partial")}
        return run(tuple(hosts), mode, left_out=[], services=["wechat"], **place, **about)

    def metrics(self, name: str = "latest") -> dict[str, str]:
        text = (self.reports / name / "metrics.prom").read_text()
        return dict(re.findall(r'^proscribe_host_state\{host="(.*)",state="(.*)"\} 1$', text, re.M))

    def history(self) -> dict[str, Any]:
        history = open_history("sqlite", self.reports)
        assert history is not None
        now = parse_moment("2026-11-25T09:00:00Z")
        summary_ = history_summary.gather_history_summary(history, QueryScope(), now, 86400)
        return json.loads(json.dumps(summary_.make_document()))

    def shown(self, *options: str) -> str:
        arguments, place = command_line.parse_command("report", options)[1], ReportsPlace(self.reports, "made")
        return command.compose_answer(arguments, summary.TerminalScreen(100, 200, False, "/"), place)

    def notes_of_diff(self) -> tuple[str, ...]:
        self.monkeypatch.setattr(earlier_plans, "_read_plan", lambda reports, digest: {})
        arguments = argparse.Namespace(old_inventory=[], as_now=False)
        now = parse_moment("2026-11-25T09:00:00Z")
        return earlier_plans.read_earlier_plans("latest", arguments, now, self.reports).notes

    def csv_states(self) -> dict[str, str]:
        return {row["host"]: row["host_state"] for row in csv.DictReader(io.StringIO(self.shown("--format", "csv")))}


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    return Fleet(tmp_path / "reports", monkeypatch)


def lift_controls(host: str, *controls: str) -> Any:
    """Return the event that controls of a host were lifted."""

    def happen(goes_on: ReportedPlaybookRun) -> None:
        for control in controls or CONTROLS:
            goes_on.collector.began(host, control)
            task = SimpleNamespace(action=MODULES[control], check_mode=False)
            name = SimpleNamespace(get_name=lambda: host)
            goes_on.take_success(SimpleNamespace(task=task, host=name, result={"actions": ["removed"]}))

    return happen


def test_every_output_shows_a_lifted_host_as_lifted_until_the_next_run(fleet):
    fleet.audit(4, {"web01": MEETS, "web02": BREAKS})
    fleet.lift(lift_controls("web01"), lift_controls("web02"))

    assert fleet.metrics() == {"web01": "lifted", "web02": "lifted"}
    text = (fleet.reports / "latest" / "metrics.prom").read_text()
    for line in ('hosts{state="lifted"} 2', 'hosts{state="noncompliant"} 0', "coverage_hosts 0", "expected_hosts 2"):
        assert f"proscribe_{line}\n" in text
    assert f'proscribe_host_lifted_timestamp_seconds{{host="web01",control="dns",run="{LIFT_ID}"}} 1795582860\n' in text
    assert "proscribe_rule_hosts{" not in text

    history = fleet.history()
    assert history["wrong"] == []
    [lifted] = history["lifted"]
    assert (lifted["hosts"], lifted["oldest"], lifted["run"]) == (2, LIFTED_AT, LIFT_ID)
    assert lifted["controls"] == ["apps", "browser", "firewall", "dns"]

    known_names = collected_facts.read_facts(fleet.reports, ["web01", "web02"])
    assert [known_names[host].state for host in ("web01", "web02")] == ["lifted", "lifted"]
    assert known_names["web01"].observed_at == LIFTED_AT

    for page in ((fleet.reports / "latest" / "report.html").read_text(), fleet.shown("--format", "html")):
        assert "The ban is lifted on 2 of 2 hosts" in page
        assert LIFT_ID in page and "dpkg wechat 4.0" not in page.partition("<script")[0]
    assert fleet.csv_states() == {"web01": "lifted", "web02": "lifted"}
    assert json.loads(fleet.shown("--format", "json"))["lifted"][0]["host"] == "web01"
    assert f"lifted 2026-11-25 05:01 UTC by {LIFT_ID}" in " ".join(fleet.shown().split())
    # The run's own record stays as the run observed it.
    assert '"state":"noncompliant"' in (fleet.reports / "latest" / "hosts.jsonl").read_text()

    note, _ = fleet.notes_of_diff()
    assert f"web01 was lifted 2026-11-25 05:01 UTC by {LIFT_ID}" in note

    fleet.audit(6, {"web01": MEETS, "web02": BREAKS})
    assert fleet.metrics() == {"web01": "compliant", "web02": "noncompliant"}
    assert fleet.notes_of_diff() == ()
    history = fleet.history()
    assert [(item["rule"], item["state"]) for item in history["wrong"]] == [("apps/wechat", "noncompliant")]
    assert history["lifted"] == []
    assert collected_facts.read_facts(fleet.reports, ["web01"])["web01"].state == "compliant"
    assert LIFT_ID not in fleet.shown("--format", "html")


@pytest.mark.parametrize(
    ("mode", "advice"), [("enforce", "enforce the ban again where it was lifted:"), ("audit", "ask it again:")]
)
def test_advice_for_a_lifted_host_says_what_its_command_does(fleet, mode, advice):
    fleet.audit(4, {"web01": MEETS}, mode=mode)
    fleet.lift(lift_controls("web01"), hosts=["web01"])
    assert f"next: {advice}" in fleet.shown()


def test_a_lift_of_one_control_leaves_what_is_wrong_in_the_others(fleet):
    fleet.audit(4, {"web01": BREAKS, "web02": MEETS})
    fleet.lift(lift_controls("web01", "dns"), hosts=["web01"], controls=["dns"])
    assert fleet.metrics() == {"web01": "noncompliant", "web02": "compliant"}
    page = fleet.shown("--format", "html")
    assert "The ban is lifted in part on 1 of 2 hosts; 1 is not compliant" in page
    assert "dpkg wechat 4.0" in page.partition("<script")[0]
    assert f"lifted 2026-11-25 05:01 UTC by {LIFT_ID}; not observed since" in page
    assert fleet.csv_states() == {"web01": "noncompliant", "web02": "compliant"}
    assert [item["rule"] for item in fleet.history()["wrong"]] == ["apps/wechat"]
    seen = collected_facts.read_facts(fleet.reports, ["web01"])["web01"]
    assert (seen.state, seen.lifted_controls) == ("noncompliant", ("dns",))


@pytest.mark.parametrize(("hour", "answers", "options", "state"), [
    (6, {"web01": None}, {}, "lifted"),  # it did not answer
    (6, {"web01": MEETS}, {"controls": ["dns"]}, "lifted"),  # three controls are as the lift left them
    (6, {"web01": MEETS}, {"checked_at": "2026-11-25T04:30:00Z"}, "lifted"),  # from before the lift
    (6, {"web01": MEETS}, {"checked_at": "2026-11-25T04:30:00Z", "mode": "enforce"}, "compliant"),  # its clock is late
    (3, {"web01": MEETS}, {}, "lifted"),  # the run began before the lift, and is published after it
    (6, {"web01": MEETS}, {}, "compliant"),
])  # fmt: skip
def test_only_a_later_observation_ends_a_lift(fleet, hour, answers, options, state):
    fleet.audit(2, {"web01": MEETS})
    fleet.lift(lift_controls("web01"), hosts=["web01"])
    fleet.audit(hour, answers, **options)
    assert fleet.metrics("newest") == {"web01": state}
    assert bool(fleet.history()["lifted"]) == (state == "lifted")


def test_a_changed_policy_and_time_leave_a_host_lifted(fleet):
    fleet.audit(4, {"web01": MEETS, "web02": MEETS})
    fleet.lift(lift_controls("web01"), hosts=["web01"])
    policies = {DIGEST: {control: {"mode": "enforce", "policy": "p2"} for control in CONTROLS}}
    fleet.audit(6, {"web01": None, "web02": MEETS}, stale_after={"usual": 60, "hosts": {}}, policies=policies)
    assert fleet.metrics()["web01"] == "lifted"


def test_waived_rule_is_lifted_in_the_history(fleet):
    fleet.audit(4, {"web01": answer(wechat(WECHAT, entry={"mode": "waived", "waiver": "press"}), evaluated=RULES[1:])})
    assert [item["rule"] for item in fleet.history()["waived"]] == ["apps/wechat"]
    fleet.lift(lift_controls("web01"), hosts=["web01"])
    assert fleet.history()["waived"] == []
    assert "lifted now" in fleet.shown("--since", "365d")


def test_lifted_correction_is_repaired_by_no_run(fleet):
    fleet.reports.mkdir(parents=True)
    fleet.audit(4, {"web01": MEETS, "web02": MEETS})
    file = fleet.reports / corrections_file.CORRECTED_FILE
    file.write_text(json.dumps(dict.fromkeys(("web01", "web02"), {"apps": "20261125T040000Z-audit-0004"})))
    fleet.lift(lift_controls("web01"), hosts=["web01"])
    assert json.loads(file.read_text()) == {"web02": {"apps": "20261125T040000Z-audit-0004"}}


def test_a_history_and_a_state_that_cannot_be_written_are_warnings(fleet):
    fleet.audit(4, {"web01": MEETS})
    (fleet.reports / "history.db").write_text("this is no database, and long enough to be seen as none\n" * 100)
    (fleet.reports / "whole.jsonl").unlink()
    (fleet.reports / "whole.jsonl").mkdir()
    text = " ".join(fleet.lift(lift_controls("web01"), hosts=["web01"]))
    assert "lifted on 1 of 1 host" in text
    assert "this lift is not in the history" in text and "this lift is not in the fleet state" in text
