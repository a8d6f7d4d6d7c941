"""A run that was stopped before every host had its turn: how it is told, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from fleets import WECHAT, answer, clean_answer, run, wechat
from proscribe.report.collection.events import Collector
from proscribe.report.evaluation.advice import advice
from proscribe.report.evaluation.reconcile import fleet_report
from proscribe.report.terminal.summary import Screen, render

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
DECIDED = {"hosts": ["web01", "web02", "web03"], "batches": [1, 2], "allow": {"hosts": 3}}
NOW = "2026-11-25T08:00:00Z"
GO_ON = "go on with the other 2 hosts, once the failure is corrected:"


def collected(hosts: int = 4, **decided: Any) -> Collector:
    """Hosts web01, ... of which the first three have to be corrected."""
    collector = Collector(run([f"web{number:02}" for number in range(1, hosts + 1)], "enforce"))
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
