"""A run that was stopped before every host had its turn: what the report says of it, and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleets import WECHAT, answer, clean_answer, run, wechat
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.end.ending import ended
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.evaluation.advice import advice
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.terminal.summary import Screen, render

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
DECIDED = {"hosts": ["web01", "web02", "web03"], "batches": [1, 2], "allow": {"hosts": 3}, "set_aside": {}}
NOW = "2026-11-25T08:00:00Z"
GO_ON = "go on with the other 2 hosts, once the failure is corrected:"


def collected(**decided: Any) -> Collector:
    """Hosts web01, ... of which the first three have to be corrected."""
    collector = Collector(run([f"web{number:02}" for number in range(1, 5)], "enforce"))
    for number, host in enumerate(collector.expected):
        collector.answered(host, BAD if number < 3 else clean_answer())
    collector.decided({**DECIDED, **decided})
    return collector


def corrected(collector: Collector, *hosts: str) -> None:
    for host in hosts:
        collector.changed(host, "apps", {"actions": ["remove wechat"]})
        collector.answered(host, clean_answer())


def test_an_audit_decides_nothing() -> None:
    assert Collector(run(["web01"])).rollout() is None


def test_hosts_whose_turn_did_not_come_are_named_with_why() -> None:
    collector = collected()
    corrected(collector, "web01")
    collector.stopped("stopped after the canary batch")
    rollout = collector.rollout()
    assert rollout is not None
    assert (rollout.not_reached, rollout.why) == (("web02", "web03"), "stopped after the canary batch")
    assert rollout.as_dict() == {
        "to_correct": 3,
        "batches": [1, 2],
        "not_reached": 2,
        "why": "stopped after the canary batch",
        "allow": {"hosts": 3},
        "set_aside": [],
    }
    states = {record["host"]: record["state"] for record in collector.fleet(NOW).records}
    assert states == {"web01": "repaired", "web02": "noncompliant", "web03": "noncompliant", "web04": "compliant"}


def test_a_run_that_ansible_ends_after_a_batch_says_so_too() -> None:
    collector = collected()
    collector.failed("web01", "apps", "no space left")
    rollout = collector.rollout()
    assert rollout is not None
    expected = (("web02", "web03"), "stopped, because every host of a batch failed")
    assert (rollout.not_reached, rollout.why) == expected


@pytest.mark.parametrize("lost", ["failed", "unreachable", "refused"])
def test_a_host_that_had_its_turn_is_not_left(lost: str) -> None:
    collector = collected()
    corrected(collector, "web01", "web02")
    if lost == "failed":
        collector.failed("web03", "apps", "no space left")
    elif lost == "unreachable":
        collector.unreachable("web03", "gone")
    else:
        collector.changed("web03", "apps", {"actions": [], "refused": []})
    rollout = collector.rollout()
    assert rollout is not None
    assert (rollout.not_reached, rollout.why) == ((), "")


@pytest.mark.parametrize(
    ("allow", "directory", "steps"),
    [
        (
            {"hosts": 3},
            "/r",
            [
                "see what would change on the other 2 hosts:",
                "./proscribe enforce --check --diff --limit @/r/not_reached.txt --tags apps",
                "go on, if all of these changes are intended:",
                "./proscribe enforce --limit @/r/not_reached.txt --tags apps "
                '-e \'{"proscribe_max_change": {"hosts": 3}}\'',
            ],
        ),
        ({}, "/r", [GO_ON, "./proscribe enforce --limit @/r/not_reached.txt --tags apps"]),
        ({}, "", [GO_ON, "./proscribe enforce --tags apps"]),
    ],
)
def test_what_to_do_next_goes_on_with_the_hosts_that_are_left(
    allow: dict[str, int], directory: str, steps: list[str]
) -> None:
    collector = collected(allow=allow)
    corrected(collector, "web01")
    collector.stopped("stopped after the canary batch")
    fleet, rollout = collector.fleet(NOW), collector.rollout()
    assert rollout is not None
    command = {"program": ["./proscribe"], "word": "enforce", "options": ["--tags", "apps"]}
    report = fleet_report({**collector.run, "command": command}, fleet, NOW, None, rollout.as_dict())
    found = advice(report, fleet.records, directory)
    assert [line for step in found for line in (step.text, step.command and step.command.line())] == steps
    assert "stopped: 2 hosts not corrected" in render(report, fleet.records, Screen())


ASIDE = {**DECIDED, "hosts": ["web02", "web03"], "set_aside": {"web01": "set aside: it has 201 removals"}, "allow": {}}
SEE_FIRST = [
    "see what would change on the host that was set aside:",
    "./proscribe enforce --check --diff --limit web01",
]


@pytest.mark.parametrize("stops", [False, True])
def test_a_host_that_is_set_aside_is_named_everywhere_and_the_others_are_corrected(tmp_path: Path, stops: bool) -> None:
    collector = collected(**ASIDE)
    corrected(collector, *(["web02"] if stops else ["web02", "web03"]))
    collector.run = {**collector.run, "command": {"program": ["./proscribe"], "word": "enforce"}}
    if stops:
        collector.stopped("stopped after the canary batch (1 host): 2 of 2 failed")
    directory = ReportDirectory(str(tmp_path / "r1.partial"))
    ended_ = ended(collector, directory, NOW, False, pytest.fail)
    assert ended_.report["rollout"]["to_correct"] == 3
    assert ended_.report["rollout"]["set_aside"] == [{"host": "web01", "why": "set aside: it has 201 removals"}]
    record = next(record for record in ended_.records if record["host"] == "web01")
    assert (record["state"], record["errors"]) == (
        "error",
        [{"control": "run", "message": "set aside: it has 201 removals"}],
    )
    assert any(warning.startswith("web01 set aside and left as found") for warning in ended_.report["warnings"])
    assert ended_.verdict.exit == verdict.STOPPED_EXIT
    assert ended_.verdict.reason.startswith("stopped after" if stops else "web01 set aside")
    assert Path(ended_.where, "set_aside.txt").read_text() == "web01\n"
    steps = [line for step in advice(ended_.report, ended_.records, "") for line in (step.text, step.command)]
    lines = [line if isinstance(line, str) or line is None else line.line() for line in steps]
    assert [line for line in lines if line in SEE_FIRST] == SEE_FIRST
    assert (GO_ON.replace("2 hosts", "1 host") in lines) == stops
    screen = render(ended_.report, ended_.records, Screen())
    assert "set aside: 1 host" in screen and "web01" in screen and "it has 201 removals" in screen


def test_a_dry_run_sets_nobody_aside() -> None:
    collector = collected(**ASIDE)
    collector.run = {**collector.run, "mode": "check"}
    rollout = collector.rollout()
    assert rollout is not None and rollout.set_aside == {}
