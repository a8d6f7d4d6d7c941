"""The results of a lift, host by host and control by control, from what the run heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....model.finding import LIFTED
from ..evaluation.lifts import LiftResult
from ..evaluation.unobserved import BEGUN
from .events import Heard


def lift_results(hosts: Iterable[str], heard: Mapping[str, Heard]) -> dict[str, LiftResult]:
    """Return the result of each host on which the lift of a control began."""
    results = {}
    for host in hosts:
        changes = heard[host].changes if host in heard else {}
        if changes:
            results[host] = LiftResult(
                tuple(control for control, change in changes.items() if change == LIFTED),
                tuple(control for control, change in changes.items() if change == BEGUN),
            )
    return results
