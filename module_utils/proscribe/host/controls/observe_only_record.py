"""Host records of the platforms that are only observed: macOS, and Windows, which the controller queries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterable, Mapping, Sequence

from ...model.finding import ERROR, RuleVerdict, judge_rule, limit_to_observable, make_host_record
from ...model.plan import CONTROLS
from ..system import ControlError

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord, RecordError

PLATFORM_NAMES = {"macos": "macOS", "windows": "Windows"}


def choose_controls(plan: Plan, control_names: Iterable[str]) -> list[str]:
    """Return the controls of a plan to observe: those in `control_names`, or all of them if that is empty."""
    return [
        control for control in CONTROLS if control in plan["controls"] and control in (set(control_names) or CONTROLS)
    ]


def make_observed_record(
    plan: Plan,
    controls: Sequence[str],
    observers: Mapping[str, Callable[[], list[RuleVerdict]]],
    platform: Mapping[str, str],
    checked_at: str,
    started: float,
) -> ObservedRecord:
    """Observe some controls of a plan, and make the host record.

    `observers` has, by control, the function that returns the verdicts on its rules. The rules of a control without an
    observer are not observable. If an observer raises ControlError, its rules get the state error.

    `platform` has the fields of the record's `platform`; its key `os` is macos or windows. `checked_at` is the time of
    the observation for the record. `started` is its start in seconds of the monotonic clock, for the duration.
    """
    verdicts: list[RuleVerdict] = []
    errors: list[RecordError] = []
    for control in controls:
        services = plan["controls"][control]["services"]
        if control not in observers:
            reason = f"{control} is not observed on {PLATFORM_NAMES[platform['os']]}"
            verdicts += [
                limit_to_observable(judge_rule(f"{control}/{service_id}", entry, ()), reason)
                for service_id, entry in services.items()
            ]
            continue
        try:
            verdicts += observers[control]()
        except ControlError as error:
            errors.append({"control": control, "message": str(error)})
            verdicts += [RuleVerdict(f"{control}/{service_id}", ERROR, reason=str(error)) for service_id in services]
    record = make_host_record(
        plan_digest=plan["digest"],
        checked_at=checked_at,
        platform=platform,
        verdicts=verdicts,
        errors=errors,
        duration_ms=round((time.monotonic() - started) * 1000),
        # by control: number of services without identifiers for it, which the section's list `nothing_known` names
        nothing_known={control: len(plan["controls"][control].get("nothing_known", ())) for control in controls},
    )
    if "catalog" in plan:
        record["catalog"] = plan["catalog"]
    return record
