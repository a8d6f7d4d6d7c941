"""The record of a platform where nothing is changed: macOS, and Windows, which the controller asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterable, Mapping, Sequence

from ...model.finding import ERROR, UNKNOWN, RuleVerdict, make_host_record
from ...model.plan import CONTROLS
from ..system import ControlError

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord, RecordError

NAMES = {"macos": "macOS", "windows": "Windows"}


def chosen(plan: Plan, only: Iterable[str]) -> list[str]:
    """The controls of a plan to observe: those that `only` names, or all where it is empty."""
    return [name for name in CONTROLS if name in plan["controls"] and name in (set(only) or CONTROLS)]


def record_of(
    plan: Plan,
    names: Sequence[str],
    observers: Mapping[str, Callable[[], list[RuleVerdict]]],
    platform: Mapping[str, str],
    checked_at: str,
    started: float,
) -> ObservedRecord:
    """The record of some controls. Rules of a control that has no observer are unknown. `started` is when observing
    began, by the monotonic clock.
    """
    verdicts: list[RuleVerdict] = []
    errors: list[RecordError] = []
    for name in names:
        state, why = UNKNOWN, f"{name} is not observed on {NAMES[platform['os']]}"
        try:
            if name in observers:
                verdicts += observers[name]()
                continue
        except ControlError as error:
            state, why = ERROR, str(error)
            errors.append({"control": name, "message": why})
        verdicts += [RuleVerdict(f"{name}/{id_}", state, reason=why) for id_ in plan["controls"][name]["services"]]
    record = make_host_record(
        plan_digest=plan["digest"],
        checked_at=checked_at,
        platform=platform,
        verdicts=verdicts,
        errors=errors,
        duration_ms=round((time.monotonic() - started) * 1000),
        nothing_known={name: len(plan["controls"][name].get("nothing_known", ())) for name in names},
    )
    if "catalog" in plan:
        record["catalog"] = plan["catalog"]
    return record
