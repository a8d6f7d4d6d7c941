"""The record of a Mac: the same rules as of any other host, out of what macOS has. Nothing is changed there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Iterable

from ...model.finding import ERROR, UNKNOWN, Verdict, host_record
from ...model.plan import CONTROLS, check
from ...model.plan_hours import at
from ..system import ControlError, Host, Unseen
from . import applications, apps, names, preferences
from .property_list import read

if TYPE_CHECKING:
    from ...model.types.plan import Plan

SYSTEM = "macos"
RELEASE = "/System/Library/CoreServices/SystemVersion.plist"
NOT_OBSERVED = "{} is not observed on macOS"


def record_of(host: Host, plan: Plan, only: Iterable[str]) -> dict[str, Any]:
    """The host's record. `only` names the controls to observe; empty means all that the plan has. Groups of a waiver
    are not resolved, so nobody is in them. Raises ValueError for an unusable plan.
    """
    check(plan)
    plan = at(plan, time.localtime())
    started = time.monotonic()
    checked_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    verdicts: list[Verdict] = []
    errors: list[dict[str, str]] = []
    chosen = [name for name in CONTROLS if name in plan["controls"] and name in (set(only) or CONTROLS)]
    fields: dict[str, Any] = {}
    found = applications.Found([], [])
    if "apps" in chosen or "browser" in chosen:
        found = applications.find(host)
    for name in chosen:
        section = plan["controls"][name]
        try:
            if name == "apps":
                verdicts += apps.verdicts(host, section, found)
            elif name == "browser":
                judged, fields["browsers"] = preferences.verdicts(host, plan, found)
                verdicts += judged
            elif name == "dns":
                verdicts += names.verdicts(host, section)
            else:
                why = NOT_OBSERVED.format(name)
                verdicts += [Verdict(f"{name}/{id_}", UNKNOWN, reason=why) for id_ in section["services"]]
        except ControlError as error:
            errors.append({"control": name, "message": str(error)})
            verdicts += [Verdict(f"{name}/{id_}", ERROR, reason=str(error)) for id_ in section["services"]]
    record = host_record(
        plan_digest=plan["digest"],
        checked_at=checked_at,
        platform=_platform(host),
        verdicts=[verdict._replace(drifted=False) for verdict in verdicts],
        errors=errors,
        duration_ms=round((time.monotonic() - started) * 1000),
        nothing_known={name: len(plan["controls"][name].get("nothing_known", ())) for name in chosen},
    )
    record.update(fields)
    if "catalog" in plan:
        record["catalog"] = plan["catalog"]
    return record


def _platform(host: Host) -> dict[str, str]:
    """The release of macOS in a few words."""
    try:
        said = read(host, RELEASE) or {}
    except (Unseen, ControlError):
        said = {}
    return {**host.platform(), "os": SYSTEM, "version": str(said.get("ProductVersion") or "")[:40]}
