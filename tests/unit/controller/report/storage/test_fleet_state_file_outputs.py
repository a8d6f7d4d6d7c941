"""No output states anything better than what was observed.

The runs are over parts of fleets, one after the other, through every output that outlives them.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fleets import DIGEST, answer, run
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.end.publishing import Beyond, publish
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.evaluation.arithmetic import covered
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.exports import usual
from proscribe.controller.report.history import Scope as About
from proscribe.controller.report.history import open_history, queries
from proscribe.controller.report.storage import fleet_state_file
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import COMPLIANT, OPEN, Finding, Verdict, judge, worst
from proscribe.model.plan import CONTROLS

INVENTORIES = {"inventory/prod": ("web01", "web02", "ops1"), "inventory/lab": ("ops1", "lab1")}
ENFORCED = {"mode": "enforce"}


def time(minute):
    return f"2026-11-25T{minute // 60:02}:{minute % 60:02}:00Z"


class Fleet:
    """A folder of reports, and what a run over any scope leaves in it."""

    def __init__(self, directory: Path) -> None:
        self.reports = directory / "reports"
        self.number = 0
        self.truth: dict[tuple[str, str], str] = {}  # by host and control: its state when it was last observed
        self.in_inventory: dict[str, str] = {}  # hosts that are in some inventory that a run has read

    def run(
        self,
        states,
        inventory="inventory/prod",
        hosts=None,
        controls=CONTROLS,
        policies=None,
        gate="never",
        limited=True,
        mode="audit",
    ):
        """One run: `states` says by host how each control stands (None: no answer). Returns its report and records."""
        self.number += 1
        everyone = INVENTORIES[inventory]
        hosts = tuple(everyone if hosts is None else hosts)
        began, ended = time(self.number * 10), time(self.number * 10 + 2)
        modes = policies or {control: {"mode": "enforce", "policy": "p1"} for control in CONTROLS}
        id_ = f"20261125T00{self.number:02}00Z-audit-{self.number:04x}"
        made = run(
            hosts,
            id=id_,
            mode=mode,
            started=began,
            inventory=[inventory],
            limit=",".join(hosts) if limited and hosts != everyone else "",
            left_out=[host for host in everyone if host not in hosts],
            controls=list(controls),
            policies={DIGEST: modes},
            services=["wechat"],
            exports=list(usual()),
            gate=dict.fromkeys(hosts, gate),
        )
        collector = Collector(made)
        for host in hosts:
            observed = states(host)
            if observed is not None:
                on = [control for control in controls if modes[control]["mode"] != "off"]
                collector.answered(host, record_of({control: observed[control] for control in on}, began))
        fleet = collector.fleet(ended)
        report = fleet_report(made, fleet, ended)
        decided = verdict.judge(fleet.records, made["gate"].values(), ansible_failed=False)
        report["run"]["verdict"] = decided.as_dict(made["gate"].values(), compared=False, ansible_failed=False)
        directory = ReportDirectory(self.reports / f"{id_}.partial")
        history = open_history("sqlite", self.reports)
        history.record(report, fleet.records)
        past = {"trend": history.trend(like_run=id_), "since": history.first_seen()}
        publish(directory, report, fleet.records, Beyond(made["left_out"], {}, past))
        self._note(made, hosts, states)
        return report, fleet.records

    def _note(self, made, hosts, states):
        for host in (*hosts, *made["left_out"]):
            self.in_inventory.setdefault(host, made["inventory"][0])
        if not made["left_out"] and tuple(made["controls"]) == CONTROLS:
            for host, inventory in list(self.in_inventory.items()):
                if inventory == made["inventory"][0] and host not in hosts:
                    del self.in_inventory[host]
        for host in hosts:
            for control in made["controls"]:
                stood = self.truth.get((host, control), "unknown")
                observed = states(host)
                blind = stood if stood in OPEN else "unknown"
                self.truth[host, control] = observed[control] if observed is not None else blind

    def best(self, host):
        """The best that may be said of a host: the worst of its controls, unknown where nobody has looked."""
        return worst(self.truth.get((host, control), "unknown") for control in CONTROLS)

    def latest(self, name="metrics.prom"):
        return (self.reports / "latest" / name).read_text()

    def metric_states(self, name="latest"):
        text = (self.reports / name / "metrics.prom").read_text()
        return dict(re.findall(r'^proscribe_host_state\{host="(.*)",state="(.*)"\} 1$', text, re.M))


def record_of(states, at):
    verdicts = []
    for control, state in states.items():
        finding = Finding("package", "wechat", manager="dpkg", version="4.0", scope="system")
        verdicts.append(Verdict(f"{control}/boot", COMPLIANT))
        if state == "noncompliant":
            verdicts.append(judge(f"{control}/wechat", ENFORCED, [finding]))
        elif state == "unknown":
            verdicts.append(judge(f"{control}/wechat", ENFORCED, [], "needs root"))
        else:
            verdicts.append(Verdict(f"{control}/wechat", COMPLIANT))
    return answer(*verdicts, checked_at=at)


def all_are(state):
    return lambda host: dict.fromkeys(CONTROLS, state)


def no_better(said, true):
    return worst([said, true]) == said


# -- one thing at a time -----------------------------------------------------------------------------------------------


def test_an_unreadable_fleet_state_is_reported_and_leaves_hosts_unknown(tmp_path):
    fleet = Fleet(tmp_path)
    fleet.run(all_are("compliant"))
    (fleet.reports / fleet_state_file.FILE).write_text('{"schema": "proscribe/whole/1", "whole": {}}\n')
    report, _ = fleet.run(all_are("compliant"), hosts=["ops1"])
    assert any("whole.jsonl:1 cannot be read" in warning for warning in report["warnings"])
    assert fleet.metric_states() == {"ops1": "compliant", "web01": "unknown", "web02": "unknown"}


def test_a_picture_that_another_run_holds_leaves_no_metrics_of_a_part(tmp_path, monkeypatch):
    fleet = Fleet(tmp_path)
    fleet.run(all_are("noncompliant"))
    before = fleet.latest()
    turn = fleet_state_file.turn
    with turn(fleet.reports):
        monkeypatch.setattr(fleet_state_file, "turn", lambda reports: turn(reports, patience=0.2))
        report, _ = fleet.run(all_are("compliant"), hosts=["ops1"])
    assert any("not in the fleet state" in warning for warning in report["warnings"])
    assert fleet.latest() == before
    assert not (fleet.reports / "newest" / "metrics.prom").exists()


# -- any runs ----------------------------------------------------------------------------------------------------------

STATES = st.sampled_from(["compliant", "compliant", "noncompliant", "unknown"])
ONE_RUN = st.fixed_dictionaries(
    {
        "inventory": st.sampled_from(sorted(INVENTORIES)),
        "hosts": st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
        "controls": st.one_of(
            st.just(list(CONTROLS)), st.lists(st.sampled_from(CONTROLS), min_size=1, max_size=3, unique=True)
        ),
        "stands": st.lists(
            st.one_of(st.none(), st.fixed_dictionaries(dict.fromkeys(CONTROLS, STATES))), min_size=4, max_size=4
        ),
        "gate": st.sampled_from(["never", "noncompliant", "incomplete"]),
    }
)


@pytest.mark.slow
@examples(40)
@given(runs=st.lists(ONE_RUN, min_size=1, max_size=5))
def test_whatever_runs_over_whatever_parts_no_output_is_better_than_what_was_observed(tmp_path_factory, runs):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    for one in runs:
        everyone = INVENTORIES[one["inventory"]]
        hosts = [host for place, host in enumerate(everyone) if place in one["hosts"]] or list(everyone)
        names = ("web01", "web02", "ops1", "lab1")

        def states(host, one=one, names=names):
            return one["stands"][names.index(host)]

        controls = [control for control in CONTROLS if control in one["controls"]]
        report, records = fleet.run(states, one["inventory"], hosts, controls, gate=one["gate"])
        worst_states = {host: worst(states(host)[c] for c in controls) if states(host) else "unknown" for host in hosts}
        every_output_of_the_run_is_no_better(fleet, report, records, worst_states, controls, everyone, one["gate"])
    what_outlives_the_runs_is_no_better(fleet)


def every_output_of_the_run_is_no_better(fleet, report, records, worst_states, controls, everyone, gate):
    directory = fleet.reports / "newest"
    # The records, and each control in them.
    lines = [json.loads(line) for line in (directory / "hosts.jsonl").read_text().splitlines()]
    assert {line["host"]: line["state"] for line in lines} == worst_states
    for line in lines:
        for control, said in line["controls"].items():
            assert (said["state"] is None) == (control not in controls)
            assert said["mode"] == "enforce"
    whole_run = set(worst_states) == set(everyone) and len(controls) == 4
    assert report["run"]["whole"] is whole_run
    # The sentences: none says that the ban is in effect on more than the run observed.
    screen = summary.render(report, records, summary.Screen(120, 60), str(directory))
    page = (directory / "report.html").read_text()
    for said in (screen, page):
        good = re.findall(r"(?<!hether )([Tt]he ban(?:'s|&#39;s)? [a-z ]*?(?:is|are) in effect on [a-z0-9 ]+)", said)
        if not whole_run:
            assert f"{' and '.join(controls)} only" in said or len(controls) == 4
            assert "--limit" in said or set(worst_states) == set(everyone)
            assert all("that w" in text or set(worst_states) == set(everyone) for text in good)
            assert all(text.lower().startswith("the ban is in effect") is (len(controls) == 4) for text in good)
        if set(worst_states.values()) != {COMPLIANT}:
            assert good == []
        elif said is page:
            assert good
    # The exports that are about this run.
    csv = (directory / "report.csv").read_text()
    for host, state in worst_states.items():
        assert f",{host},{state}," in csv
    for suite in ET.parse(directory / "junit.xml").getroot():
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        assert bool(bad) == (worst_states[suite.get("name")] in OPEN)
    sarif = json.loads((directory / "report.sarif").read_text())["runs"][0]
    assert sarif["properties"]["run"]["whole"] is whole_run
    oscal = (directory / "oscal.json").read_text()
    assert whole_run or "left-out" in oscal
    # How the run ends: it passes its gate only with what it asks for.
    verdict = report["run"]["verdict"]
    passed = verdict["passed"]
    # null is Ansible's own code, which these runs end with as a success: no task of theirs failed.
    assert passed == (verdict["exit"] is None)
    assert verdict["exit"] == 12 or any(map(covered, records)), "nothing was evaluated"
    if gate == "noncompliant":
        assert not (passed and "noncompliant" in worst_states.values())
        assert "noncompliant" not in worst_states.values() or verdict["exit"] in (10, 12)
    if gate == "incomplete":
        assert not (passed and set(worst_states.values()) != {COMPLIANT})
        assert set(worst_states.values()) == {COMPLIANT} or verdict["exit"] in (10, 11, 12)


def what_outlives_the_runs_is_no_better(fleet):
    latest = json.loads(fleet.latest("report.json"))["run"]
    every = [json.loads(path.read_text())["run"] for path in fleet.reports.glob("2*/report.json")]
    assert latest["whole"] or not any(run_["whole"] for run_ in every)
    for name in ("latest", "newest"):
        states = fleet.metric_states(name)
        assert set(states) == set(fleet.in_inventory)
        for host, state in states.items():
            assert no_better(state, fleet.best(host)), (host, state, fleet.best(host))
    text = fleet.latest()
    (covered,) = re.findall(r"^proscribe_coverage_hosts (\d+)$", text, re.M)
    seen = [h for h in fleet.in_inventory if all((h, control) in fleet.truth for control in CONTROLS)]
    assert int(covered) <= len(seen)
    (met,) = re.findall(r"^proscribe_compliance_strict_hosts (\d+)$", text, re.M)
    assert int(met) <= sum(fleet.best(host) == COMPLIANT for host in fleet.in_inventory)
    # The history: what was last seen to be wrong is wrong, and the trend has runs over the whole alone.
    history = open_history("sqlite", fleet.reports)
    with history.database.reading() as session:
        going = {(e.host, e.rule) for e in queries.incidents(session, About()) if not e.closed}
    for (host, control), state in fleet.truth.items():
        if state == "noncompliant" and host in fleet.in_inventory:
            assert (host, f"{control}/wechat") in going
    whole_ids = {run_["id"] for run_ in every if run_["whole"]}
    assert {point["run"] for point in history.trend()} <= whole_ids
