"""What a waiver opens of services on a host and what stays closed there, in words of a user. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....model.types.plan import PartialWaiver, PlanEntry, PlanSection

# What each control closes, and what an exception may be limited to, in words of a user.
CLOSES = {"apps": "programs", "browser": "pages in browsers", "firewall": "network addresses", "dns": "names (DNS)"}
LIMITS = {"hours": "at set hours only", "versions": "some versions only", "paths": "some paths only"}


def limited(controls: Mapping[str, PlanSection], waiver: str, services: Sequence[str]) -> str:
    """What a waiver opens of services on this host and what stays closed, in words; "" where it opens all of them.

    A control that only knows whole hosts stays closed for those for whom alone a waiver is.
    """
    open_, closed = [], []
    limits: set[str] = set()
    for control, section in controls.items():
        entries = [section["services"][id_] for id_ in services if id_ in section["services"]]
        found = [(entry, _exceptions(entry, waiver)) for entry in entries]
        if any(entry["mode"] == "enforce" and not exceptions for entry, exceptions in found):
            closed.append(CLOSES[control])
        elif any(exceptions for _, exceptions in found):
            open_.append(CLOSES[control])
        for exceptions in (exceptions for _, exceptions in found if exceptions):
            if all(one.keys() & LIMITS for one in exceptions):
                limits.update(LIMITS[key] for one in exceptions for key in one.keys() & LIMITS)
    if not (closed or limits):
        return ""
    texts = [f"open: {', '.join([', '.join(open_) or 'nothing', *sorted(limits)])}"]
    texts += [f"closed to everybody on this host: {', '.join(closed)}"] * bool(closed)
    return "; ".join(texts)


def _exceptions(entry: PlanEntry, waiver: str) -> list[PartialWaiver]:
    """What opens a service: a waiver of all of it, this one's or another's, and parts that this one opens."""
    parts = [one for one in entry.get("exceptions", ()) if one["waiver"] == waiver]
    if entry["mode"] != "waived":
        return parts
    whole: PartialWaiver = {"waiver": entry["waiver"]}
    if "hours" in entry:
        whole["hours"] = entry["hours"]
    return [whole, *parts]
