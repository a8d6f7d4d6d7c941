"""A run that was stopped before every host had its turn: what the report says of it, and its exit code."""

from __future__ import annotations

from typing import Any

from fleets import WECHAT, answer, clean_answer, run, wechat
from proscribe.controller.report.collection.events import Collector

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
DECIDED = {"hosts": ["web01", "web02", "web03"], "batches": [1, 2], "allow": {"hosts": 3}, "set_aside": {}}
NOW = "2026-11-25T08:00:00Z"


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


ASIDE = {**DECIDED, "hosts": ["web02", "web03"], "set_aside": {"web01": "set aside: it has 201 removals"}, "allow": {}}


def test_a_dry_run_sets_nobody_aside() -> None:
    collector = collected(**ASIDE)
    collector.run = {**collector.run, "mode": "check"}
    rollout = collector.rollout()
    assert rollout is not None and rollout.set_aside == {}
