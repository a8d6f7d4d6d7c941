"""The fleet state: its file, and outputs of runs over parts, which state nothing better than was observed."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from fleets import DIGEST, answer, run
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation import arithmetic, reconciliation, verdict
from proscribe.controller.report.evaluation.fleet_state import ControlObservation, FleetHost, ReportedWaiver
from proscribe.controller.report.exports import list_default_names
from proscribe.controller.report.history import QueryScope as About
from proscribe.controller.report.history import open_history, queries
from proscribe.controller.report.run_end.publication import ReportExtras, publish_report
from proscribe.controller.report.storage import fleet_state_file, report_directory
from proscribe.controller.report.storage.fleet_state_file import read_fleet_state
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import COMPLIANT, OPEN_STATES, Finding, RuleVerdict, find_worst_state, judge_rule
from proscribe.model.plan import CONTROLS

T1, T2 = "2026-11-25T01:00:00Z", "2026-11-25T02:00:00Z"
OPEN_RULES = (("apps/wechat", "noncompliant"), ("apps/line", "waived"))
APPS = ControlObservation("enforce", "sha256:a", "noncompliant", T1, "run1", 5, 2, True, OPEN_RULES)
DNS = ControlObservation("audit", "sha256:d", "compliant", T1, "run1", 3, 0, False, ())
POLICY = ControlObservation("", "", "unknown", T2, "run2", 1, 0, True, (("group_policy/edge", "unknown"),))
PRESS: ReportedWaiver = {
    "id": "press", "status": "active", "expires": T2, "review_by": None, "revoked": None, "hosts": ["web01"]
}  # fmt: skip
NEVER = ["", "", "unknown", "", "", 0, 0, False, -1]
LINES = [
    {"schema": "proscribe/whole/1", "whole": {"inv": T1}, "waivers": {"inv": [PRESS]}, "used": True},
    {"rules": 0, "of": [list(rule) for rule in OPEN_RULES]}, {"rules": 1, "of": [["group_policy/edge", "unknown"]]},
    {"host": "web01", "inventory": "inv",
     "looks": [["enforce", "sha256:a", "noncompliant", T1, "run1", 5, 2, True, 0], NEVER, NEVER, [*DNS[:-1], -1]],
     "stale_after": 60, "attempts": {"apps/wechat": 3}, "group_policy_look": [*POLICY[:-1], 1], "watch": {"last": T1},
     "requests": 2},
    {"host": "web02", "inventory": "inv", "looks": [[*APPS[:-1], 0], NEVER, NEVER, NEVER], "stale_after": 0},
]  # fmt: skip
INVENTORIES = {"inventory/prod": ("web01", "web02", "ops1"), "inventory/lab": ("ops1", "lab1")}
STATES = st.sampled_from(["compliant", "compliant", "noncompliant", "unknown"])
ONE_RUN = st.fixed_dictionaries(
    {"inventory": st.sampled_from(sorted(INVENTORIES)),
     "hosts": st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
     "controls": st.one_of(st.just(list(CONTROLS)),
                           st.lists(st.sampled_from(CONTROLS), min_size=1, max_size=3, unique=True)),
     "stands": st.lists(st.one_of(st.none(), st.fixed_dictionaries(dict.fromkeys(CONTROLS, STATES))), min_size=4,
                        max_size=4),
     "gate": st.sampled_from(["never", "noncompliant", "incomplete"])},
)  # fmt: skip


def join_lines(lines: Any) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def test_written_fleet_state_is_read_with_every_control(tmp_path):
    (tmp_path / "whole.jsonl").write_text(join_lines(LINES))
    state, wrong = read_fleet_state(tmp_path)
    never = dict.fromkeys(("browser", "firewall"), ControlObservation())
    observations = {"apps": APPS, "dns": DNS, "group_policy": POLICY}
    web01 = FleetHost("web01", "inv", observations, {"apps/wechat": 3}, 60, {"last": T1}, 2)
    assert (wrong, state.whole_run_ends, state.is_example_used) == ("", {"inv": T1}, True)
    assert state.waivers == {"inv": [PRESS]}
    assert state.hosts == {
        "web01": web01._replace(observations={**observations, **never}),
        "web02": FleetHost("web02", "inv", {"apps": APPS, **never, "dns": ControlObservation()}),
    }
    (tmp_path / "whole.jsonl").write_text(join_lines([{**LINES[0], "used": "yes"}]))
    assert not read_fleet_state(tmp_path)[0].is_example_used


@pytest.mark.parametrize(("lines", "text"), [
    ([{**LINES[0], "schema": "proscribe/whole/9"}], "1 cannot be read (ValueError: schema is 'proscribe/whole/9', "),
    ([5], "1 cannot be read (TypeError: "),
    ([LINES[0], LINES[4]], "2 cannot be read (KeyError: 0)"),
    ([LINES[0], {**LINES[4], "looks": [NEVER] * 3}], "2 cannot be read (ValueError: "),
])  # fmt: skip
def test_unreadable_fleet_state_is_named_with_its_line_and_counts_for_nothing(tmp_path, lines, text):
    (tmp_path / "whole.jsonl").write_text(join_lines(lines))
    state, wrong = read_fleet_state(tmp_path)
    assert wrong.startswith(f"{tmp_path}/whole.jsonl:{text}")
    assert wrong.endswith("; hosts that no later run checks are unknown")
    assert (state.hosts, state.whole_run_ends) == ({}, {})
    (tmp_path / "whole.jsonl").unlink()
    (tmp_path / "whole.jsonl").mkdir()
    assert read_fleet_state(tmp_path)[1].startswith(f"{tmp_path}/whole.jsonl:0 cannot be read (OSError: ")


def time_at(minute):
    return f"2026-11-25T{minute // 60:02}:{minute % 60:02}:00Z"


class Fleet:
    """A folder of reports, and what a run over any scope leaves in it."""

    def __init__(self, directory: Path) -> None:
        self.reports = directory / "reports"
        self.number = 0
        self.truth: dict[tuple[str, str], str] = {}  # by host and control: its state when it was last observed
        self.in_inventory: dict[str, str] = {}  # hosts that are in some inventory that a run has read

    def run(self, states, inventory="inventory/prod", hosts=None, controls=CONTROLS, gate="never"):
        """One run: `states` says by host how each control stands (None: no answer). Returns its report and records."""
        self.number += 1
        everyone = INVENTORIES[inventory]
        hosts = tuple(everyone if hosts is None else hosts)
        began, ended = time_at(self.number * 10), time_at(self.number * 10 + 2)
        modes = {control: {"mode": "enforce", "policy": "p1"} for control in CONTROLS}
        id_ = f"20261125T00{self.number:02}00Z-audit-{self.number:04x}"
        result = run(
            hosts, id=id_, started=began, inventory=[inventory],
            limit=",".join(hosts) if hosts != everyone else "",
            left_out=[host for host in everyone if host not in hosts], controls=list(controls),
            policies={DIGEST: modes}, services=["wechat"], exports=list(list_default_names()),
            gate=dict.fromkeys(hosts, gate),
        )  # fmt: skip
        collector = Collector(result)
        for host in hosts:
            observed = states(host)
            if observed is not None:
                collector.answered(host, make_record({control: observed[control] for control in controls}, began))
        fleet = collector.reconcile_hosts(ended)
        report = reconciliation.make_run_report(result, fleet, ended)
        gate_decisions = result["gate"].values()
        decided = verdict.judge_run(fleet.records, gate_decisions, ansible_failed=False)
        report["run"]["verdict"] = decided.make_report_verdict(gate_decisions, is_compared=False, ansible_failed=False)
        directory = report_directory.ReportDirectory(self.reports / f"{id_}.partial")
        history = open_history("sqlite", self.reports)
        history.record_run(report, fleet.records)
        past = {"trend": history.read_trend(like_run=id_), "since": history.read_incident_starts()}
        publish_report(directory, report, fleet.records, ReportExtras(result["left_out"], {}, past))
        self._note(result, hosts, states)
        return report, fleet.records

    def _note(self, result, hosts, states):
        for host in (*hosts, *result["left_out"]):
            self.in_inventory.setdefault(host, result["inventory"][0])
        if not result["left_out"] and tuple(result["controls"]) == CONTROLS:
            for host, inventory in list(self.in_inventory.items()):
                if inventory == result["inventory"][0] and host not in hosts:
                    del self.in_inventory[host]
        for host in hosts:
            for control in result["controls"]:
                stood = self.truth.get((host, control), "unknown")
                observed = states(host)
                blind = stood if stood in OPEN_STATES else "unknown"
                self.truth[host, control] = observed[control] if observed is not None else blind

    def best(self, host):
        """Return the worst state of the controls of a host, unknown where no run observed it."""
        return find_worst_state(self.truth.get((host, control), "unknown") for control in CONTROLS)

    def latest(self, name="metrics.prom"):
        return (self.reports / "latest" / name).read_text()

    def metric_states(self, name="latest"):
        text = (self.reports / name / "metrics.prom").read_text()
        return dict(re.findall(r'^proscribe_host_state\{host="(.*)",state="(.*)"\} 1$', text, re.M))


def make_record(states, at):
    verdicts = []
    for control, state in states.items():
        finding = Finding("package", "wechat", manager="dpkg", version="4.0", scope="system")
        verdicts.append(RuleVerdict(f"{control}/boot", COMPLIANT))
        findings, unseen = [finding] * (state == "noncompliant"), "needs root" * (state == "unknown")
        verdicts.append(judge_rule(f"{control}/wechat", {"mode": "enforce"}, findings, unseen))
    return answer(*verdicts, checked_at=at)


def make_states(state):
    return lambda host: dict.fromkeys(CONTROLS, state)


def test_an_unreadable_fleet_state_is_reported_and_leaves_hosts_unknown(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.run(make_states("compliant"))
    (fleet.reports / fleet_state_file.FLEET_STATE_FILE).write_text('{"schema": "proscribe/whole/1", "whole": {}}\n')
    report, _ = fleet.run(make_states("compliant"), hosts=["ops1"])
    assert any("whole.jsonl:1 cannot be read" in warning for warning in report["warnings"])
    assert fleet.metric_states() == {"ops1": "compliant", "web01": "unknown", "web02": "unknown"}


def test_a_picture_that_another_run_holds_leaves_no_metrics_of_a_part(tmp_path, monkeypatch):
    fleet = Fleet(tmp_path)
    fleet.run(make_states("noncompliant"))
    before = fleet.latest()
    turn = fleet_state_file.lock_fleet_state
    with turn(fleet.reports):
        monkeypatch.setattr(fleet_state_file, "lock_fleet_state", lambda reports: turn(reports, timeout=0.2))
        report, _ = fleet.run(make_states("compliant"), hosts=["ops1"])
    assert any("not in the fleet state" in warning for warning in report["warnings"])
    assert fleet.latest() == before
    assert not (fleet.reports / "newest" / "metrics.prom").exists()


@pytest.mark.slow
@examples(40)
@given(runs=st.lists(ONE_RUN, min_size=1, max_size=5))
def test_whatever_runs_over_whatever_parts_no_output_is_better_than_what_was_observed(tmp_path_factory, runs):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    for item in runs:
        everyone = INVENTORIES[item["inventory"]]
        hosts = [host for place, host in enumerate(everyone) if place in item["hosts"]] or list(everyone)
        names = ("web01", "web02", "ops1", "lab1")

        def states(host, entry=item, names=names):
            return entry["stands"][names.index(host)]

        controls = [control for control in CONTROLS if control in item["controls"]]
        report, records = fleet.run(states, item["inventory"], hosts, controls, gate=item["gate"])
        seen = {host: [states(host)[c] for c in controls] if states(host) else ["unknown"] for host in hosts}
        worst_states = {host: find_worst_state(found) for host, found in seen.items()}
        assert_outputs_of_run_are_no_better(fleet, report, records, worst_states, controls, everyone, item["gate"])
    assert_lasting_outputs_are_no_better(fleet)


def assert_outputs_of_run_are_no_better(fleet, report, records, worst_states, controls, everyone, gate):
    directory = fleet.reports / "newest"
    # The records, and each control in them.
    lines = [json.loads(line) for line in (directory / "hosts.jsonl").read_text().splitlines()]
    assert {line["host"]: line["state"] for line in lines} == worst_states
    for line in lines:
        for control, message in line["controls"].items():
            assert (message["state"] is None) == (control not in controls)
            assert message["mode"] == "enforce"
    whole_run = set(worst_states) == set(everyone) and len(controls) == 4
    assert report["run"]["whole"] is whole_run
    # The sentences: none says that the ban is in effect on more than the run observed.
    screen = summary.render_summary(report, records, summary.TerminalScreen(120, 60), str(directory))
    page = (directory / "report.html").read_text()
    for message in (screen, page):
        good = re.findall(r"(?<!hether )([Tt]he ban(?:'s|&#39;s)? [a-z ]*?(?:is|are) in effect on [a-z0-9 ]+)", message)
        if not whole_run:
            assert f"{' and '.join(controls)} only" in message or len(controls) == 4
            assert "--limit" in message or set(worst_states) == set(everyone)
            assert all("that w" in text or set(worst_states) == set(everyone) for text in good)
            assert all(text.lower().startswith("the ban is in effect") is (len(controls) == 4) for text in good)
        if set(worst_states.values()) != {COMPLIANT}:
            assert good == []
        elif message is page:
            assert good
    # The exports that are about this run.
    csv = (directory / "report.csv").read_text()
    for host, state in worst_states.items():
        assert f",{host},{state}," in csv
    for suite in ET.parse(directory / "junit.xml").getroot():
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        assert bool(bad) == (worst_states[suite.get("name")] in OPEN_STATES)
    sarif = json.loads((directory / "report.sarif").read_text())["runs"][0]
    assert sarif["properties"]["run"]["whole"] is whole_run
    oscal = (directory / "oscal.json").read_text()
    assert whole_run or "left-out" in oscal
    # How the run ends: it passes its gate only with what it asks for.
    verdict = report["run"]["verdict"]
    passed = verdict["passed"]
    # null is Ansible's own code, which these runs end with as a success: no task of theirs failed.
    assert passed == (verdict["exit"] is None)
    assert verdict["exit"] == 12 or any(map(arithmetic.is_covered, records)), "nothing was evaluated"
    if gate == "noncompliant":
        assert not (passed and "noncompliant" in worst_states.values())
        assert "noncompliant" not in worst_states.values() or verdict["exit"] in (10, 12)
    if gate == "incomplete":
        assert not (passed and set(worst_states.values()) != {COMPLIANT})
        assert set(worst_states.values()) == {COMPLIANT} or verdict["exit"] in (10, 11, 12)


def assert_lasting_outputs_are_no_better(fleet):
    latest = json.loads(fleet.latest("report.json"))["run"]
    every = [json.loads(path.read_text())["run"] for path in fleet.reports.glob("2*/report.json")]
    assert latest["whole"] or not any(run_["whole"] for run_ in every)
    for name in ("latest", "newest"):
        states = fleet.metric_states(name)
        assert set(states) == set(fleet.in_inventory)
        for host, state in states.items():
            assert find_worst_state([state, fleet.best(host)]) == state, (host, state, fleet.best(host))
    text = fleet.latest()
    (covered,) = re.findall(r"^proscribe_coverage_hosts (\d+)$", text, re.M)
    seen = [h for h in fleet.in_inventory if all((h, control) in fleet.truth for control in CONTROLS)]
    assert int(covered) <= len(seen)
    (met,) = re.findall(r"^proscribe_compliance_strict_hosts (\d+)$", text, re.M)
    assert int(met) <= sum(fleet.best(host) == COMPLIANT for host in fleet.in_inventory)
    # The history: what was last seen to be wrong is wrong, and the trend has runs over the whole alone.
    history = open_history("sqlite", fleet.reports)
    with history.database.open_for_reading() as session:
        going = {(e.host, e.rule) for e in queries.list_incidents(session, About()) if not e.closed}
    for (host, control), state in fleet.truth.items():
        if state == "noncompliant" and host in fleet.in_inventory:
            assert (host, f"{control}/wechat") in going
    whole_ids = {run_["id"] for run_ in every if run_["whole"]}
    assert {point["run"] for point in history.read_trend()} <= whole_ids
