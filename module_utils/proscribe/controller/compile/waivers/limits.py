"""Descriptions, in terms for users, of the parts that a waiver opens and those that stay closed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....model.types.plan import PartialWaiver, PlanEntry, PlanSection
from ...controls import DECLARATIONS

LIMIT_TEXTS = {"hours": "at set hours only", "versions": "some versions only", "paths": "some paths only"}


def describe_limits(controls: Mapping[str, PlanSection], waiver_id: str, services: Sequence[str]) -> str:
    """Describe for users which parts of services a waiver opens and which stay blocked on this host.

    `controls` has the sections of the host's plan. The result is "" if the waiver opens everything. A control that
    cannot tell users apart stays closed if the waiver is for some users.
    """
    opened, closed = [], []
    limits: set[str] = set()
    for control, section in controls.items():
        entries = [section["services"][id_] for id_ in services if id_ in section["services"]]
        exceptions_by_entry = [(entry, _list_exceptions(entry, waiver_id)) for entry in entries]
        if any(entry["mode"] == "enforce" and not exceptions for entry, exceptions in exceptions_by_entry):
            closed.append(DECLARATIONS[control].blocked_things)
        elif any(exceptions for _, exceptions in exceptions_by_entry):
            opened.append(DECLARATIONS[control].blocked_things)
        # A limit, such as hours, counts only if no exception opens the service without any limit.
        for exceptions in (exceptions for _, exceptions in exceptions_by_entry if exceptions):
            if all(exception.keys() & LIMIT_TEXTS for exception in exceptions):
                limits.update(LIMIT_TEXTS[key] for exception in exceptions for key in exception.keys() & LIMIT_TEXTS)
    if not (closed or limits):
        return ""
    texts = [f"open: {', '.join([', '.join(opened) or 'nothing', *sorted(limits)])}"]
    texts += [f"closed to everybody on this host: {', '.join(closed)}"] * bool(closed)
    return "; ".join(texts)


def _list_exceptions(entry: PlanEntry, waiver_id: str) -> list[PartialWaiver]:
    """Return the exceptions that open a service for users of the waiver `waiver_id`.

    These are any waiver of the whole service, and the partial exceptions of this waiver.
    """
    parts = [exception for exception in entry.get("exceptions", ()) if exception["waiver"] == waiver_id]
    if entry["mode"] != "waived":
        return parts
    full_exception: PartialWaiver = {"waiver": entry["waiver"]}
    if "hours" in entry:
        full_exception["hours"] = entry["hours"]
    return [full_exception, *parts]
