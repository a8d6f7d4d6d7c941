"""The record of a Mac: the same rules as of any other host, out of what macOS has. Nothing is changed there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Iterable

from ...base.moments import format_timestamp
from ...model.finding import RuleVerdict
from ...model.plan import check_plan
from ...model.plan_hours import resolve_hours
from ..controls import observe_only
from ..system import ControlError, Host, ObservationError
from . import applications, apps, names, preferences
from .property_list import read

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord

RELEASE = "/System/Library/CoreServices/SystemVersion.plist"


def record_of(host: Host, plan: Plan, only: Iterable[str]) -> ObservedRecord:
    """The host's record. `only` names the controls to observe; empty means all that the plan has. Groups of a waiver
    are not resolved, so nobody is in them. Raises ValueError for an unusable plan.
    """
    check_plan(plan)
    plan = resolve_hours(plan, time.localtime())
    started, checked_at = time.monotonic(), format_timestamp(time.time())
    chosen = observe_only.chosen(plan, only)
    found = applications.find(host) if "apps" in chosen or "browser" in chosen else applications.Found([], [])
    browsers: list[list[str]] = []

    def of_browsers() -> list[RuleVerdict]:
        verdicts, installed = preferences.verdicts(host, plan, found)
        browsers.append(installed)
        return verdicts

    observers = {
        "apps": lambda: apps.verdicts(host, plan["controls"]["apps"], found),
        "browser": of_browsers,
        "dns": lambda: names.verdicts(host, plan["controls"]["dns"]),
    }
    record = observe_only.record_of(plan, chosen, observers, _platform(host), checked_at, started)
    for installed in browsers:
        record["browsers"] = installed
    return record


def _platform(host: Host) -> dict[str, str]:
    """The release of macOS in a few words."""
    try:
        said = read(host, RELEASE) or {}
    except (ObservationError, ControlError):
        said = {}
    return {**host.describe_platform(), "os": "macos", "version": str(said.get("ProductVersion") or "")[:40]}
