"""Record of a Mac: the same rules as on other hosts, judged by the data of macOS. A Mac is never changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Iterable

from ...base.timestamps import format_timestamp
from ...model.finding import RuleVerdict
from ...model.plan import check_plan
from ...model.plan_hours import resolve_hours
from ..controls import observe_only_record
from ..system import ControlError, Host, ObservationError
from . import app_rules, applications, hosts_file_rules, managed_preferences
from .property_list import read_property_list

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord

RELEASE_PATH = "/System/Library/CoreServices/SystemVersion.plist"


def make_mac_record(host: Host, plan: Plan, control_names: Iterable[str]) -> ObservedRecord:
    """Observe a Mac and return its record.

    `control_names` names the controls to observe; empty means all controls of the plan. Groups that waivers name are
    not resolved on a Mac, so such a waiver applies to no member. Raises ValueError for an unusable plan.
    """
    check_plan(plan)
    plan = resolve_hours(plan, time.localtime())
    started, checked_at = time.monotonic(), format_timestamp(time.time())
    control_ids = observe_only_record.choose_controls(plan, control_names)
    application_scan = (
        applications.find_applications(host)
        if "apps" in control_ids or "browser" in control_ids
        else applications.ApplicationScan([], [])
    )
    # the ids of the installed browsers, once they are known; empty if the browsers are not or cannot be observed
    browsers: list[list[str]] = []

    def judge_browsers() -> list[RuleVerdict]:
        verdicts, installed = managed_preferences.judge_browsers(host, plan, application_scan)
        browsers.append(installed)
        return verdicts

    observers = {
        "apps": lambda: app_rules.judge_apps(host, plan["controls"]["apps"], application_scan),
        "browser": judge_browsers,
        "dns": lambda: hosts_file_rules.judge_dns(host, plan["controls"]["dns"]),
    }
    record = observe_only_record.make_observed_record(
        plan, control_ids, observers, _describe_platform(host), checked_at, started
    )
    for installed in browsers:
        record["browsers"] = installed
    return record


def _describe_platform(host: Host) -> dict[str, str]:
    """Return the operating system of the Mac for the record, with the version of macOS."""
    try:
        properties = read_property_list(host, RELEASE_PATH) or {}
    except (ObservationError, ControlError):
        properties = {}
    return {**host.describe_platform(), "os": "macos", "version": str(properties.get("ProductVersion") or "")[:40]}
