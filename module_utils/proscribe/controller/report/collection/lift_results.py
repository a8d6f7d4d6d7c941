"""The results of a lift by host and control, from the collected events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....model.finding import EXTRA_RULE_GROUPS, LIFTED
from ....model.types.run import CompiledRun
from ..evaluation.lifts import LiftResult
from ..evaluation.unobserved_corrections import BEGUN_REASON
from .collector import HostRunState


def collect_lift_results(
    run: CompiledRun, hosts: Iterable[str], host_states: Mapping[str, HostRunState]
) -> dict[str, LiftResult]:
    """Return by host the controls from which the run removed the ban, and those where the removal is unsure.

    A host without such controls is left out. `hosts` are the hosts to return, and `host_states` has the collected
    events by host.
    """
    policies = run.get("policies") or {}
    results = {}
    for host in hosts:
        changes = host_states[host].changes if host in host_states else {}
        planned_controls = policies.get(run["hosts"][host]) or {}
        removing_controls = {action["control"] for action in host_states[host].actions} if changes else set()
        # A lift searches every host for the groups of EXTRA_RULE_GROUPS. A group that the host's plan lacks, and that
        # lost nothing, was not there.
        absent_controls = {*EXTRA_RULE_GROUPS}.difference(planned_controls, removing_controls)
        result = LiftResult(
            tuple(
                control for control, change in changes.items() if change == LIFTED and control not in absent_controls
            ),
            tuple(control for control, change in changes.items() if change == BEGUN_REASON),
        )
        if any(result):
            results[host] = result
    return results
