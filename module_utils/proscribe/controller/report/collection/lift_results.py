"""The results of a lift, host by host and control by control, from what the run heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....model.finding import EXTRA_RULE_GROUPS, LIFTED
from ....model.types.run import CompiledRun
from ..evaluation.lifts import LiftResult
from ..evaluation.unobserved import BEGUN
from .events import Heard


def lift_results(run: CompiledRun, hosts: Iterable[str], heard: Mapping[str, Heard]) -> dict[str, LiftResult]:
    """Return the result of each host on which the lift of a control began."""
    policies = run.get("policies") or {}
    results = {}
    for host in hosts:
        changes = heard[host].changes if host in heard else {}
        planned = policies.get(run["hosts"][host]) or {}
        removed = {action["control"] for action in heard[host].actions} if changes else set()
        absent = {*EXTRA_RULE_GROUPS}.difference(planned, removed)  # a lift looks for both on every host
        result = LiftResult(
            tuple(control for control, change in changes.items() if change == LIFTED and control not in absent),
            tuple(control for control, change in changes.items() if change == BEGUN),
        )
        if any(result):
            results[host] = result
    return results
