"""Prediction for a quarantined item: the effect of the next enforcing run on it, if it is restored now.

The host's plan decides. The prediction is made before any file moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...host.controls.apps.quarantine.capacity import format_keep_end
from ...model.finding import Finding, find_covering_waiver
from ...model.types.plan import Plan, PlanSection
from ...model.types.quarantine import QuarantineItem
from . import LEFT_ALONE, TAKEN_AGAIN, WAIVER_COVERED


class RestoreOutlook(NamedTuple):
    """The prediction for a restored item.

    The next enforcing run takes it again (`taken`), or the named waiver covers it (`waived`). Otherwise it is left in
    place (`left`). `waiver` is "" unless the state is `waived`.
    """

    state: str
    waiver: str
    reason: str  # the reason, as a phrase for the operator


def find_outlook(plan: Plan, quarantine_item: QuarantineItem, waiver_ends: Mapping[str, str]) -> RestoreOutlook:
    """Predict the effect of the next enforcing run on a restored item.

    `plan` is the host's plan. It decides for each service because of which the item was taken. If one of them is still
    blocked, or if no service is known, the prediction is `taken`. `waiver_ends` has the end of each waiver (UTC), by
    the waiver's id.
    """
    section = plan["controls"].get("apps")
    if section is None:
        return RestoreOutlook(LEFT_ALONE, "", "the control apps is off there")
    waivers: list[str] = []  # ids
    untouched_reasons: list[str] = []
    for service in quarantine_item["services"]:
        state, reason = _find_service_outlook(section, service, quarantine_item)
        if state == TAKEN_AGAIN:
            return RestoreOutlook(TAKEN_AGAIN, "", reason)
        # With the state `waived`, `reason` is the id of the waiver.
        (waivers if state == WAIVER_COVERED else untouched_reasons).append(reason)
    if not quarantine_item["services"]:
        return RestoreOutlook(TAKEN_AGAIN, "", "it is not known for which service it was taken")
    if waivers:
        waiver_texts = [f"{waiver} (until {waiver_ends.get(waiver, 'its end')})" for waiver in dict.fromkeys(waivers)]
        return RestoreOutlook(WAIVER_COVERED, waivers[0], f"covered by waiver {', '.join(waiver_texts)}")
    return RestoreOutlook(LEFT_ALONE, "", "; ".join(dict.fromkeys(untouched_reasons)))


def _find_service_outlook(section: PlanSection, service: str, quarantine_item: QuarantineItem) -> tuple[str, str]:
    """Predict the effect of the next enforcing run on the item, for one of its services.

    Returns the state, and the waiver's id if the state is `waived`, else the reason as a phrase.
    """
    entry = section["services"].get(service)
    if entry is None:
        return LEFT_ALONE, f"{service} is not restricted there"
    if entry["mode"] == "waived":
        return WAIVER_COVERED, str(entry["waiver"])
    if "only" in entry and not quarantine_item["place_of"]:
        return (
            LEFT_ALONE,
            f"{service} is restricted there for the members of {', '.join(entry['only']['posix_groups'])} only",
        )
    scope = f"user:{quarantine_item['place_of']}" if quarantine_item["place_of"] else "system"
    if waiver := find_covering_waiver(
        entry, Finding("file", quarantine_item["path"], scope=scope, path=quarantine_item["whole"])
    ):
        return WAIVER_COVERED, waiver
    if entry["mode"] == "upcoming":
        return LEFT_ALONE, f"{service} is banned there from {entry['effective_from']} on, and taken then"
    if entry["mode"] == "report":
        return LEFT_ALONE, f"{service} is only reported there"
    if section["mode"] == "audit" or entry["mode"] == "audit":
        return LEFT_ALONE, f"{service} is only audited there: the next run reports it noncompliant"
    return TAKEN_AGAIN, f"no waiver covers {service} there"


def find_retention_end(plan: Plan, quarantine_item: QuarantineItem) -> str:
    """Return the time (UTC) after which the next enforcing run deletes the item; "" if it is stored forever."""
    section = plan["controls"].get("apps")
    retention_seconds = section["settings"].get("quarantine_keep", 0) if section else 0
    return format_keep_end(quarantine_item["taken_at"], quarantine_item["kept_until"], retention_seconds)
