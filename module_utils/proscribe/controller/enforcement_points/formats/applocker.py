"""Format `applocker`: a policy of forbidden Windows programs, for import by the console and Set-AppLockerPolicy.

host/controls/group_policy/applocker_rules.py makes the rules, also those for a domain controller.
"""

from __future__ import annotations

from ....host.controls.group_policy import applocker_rules
from ....model.plan import RESTRICTED_MODES
from ..file_header import make_header
from ..format_declaration import ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport

APPS_CONTROL = "apps"
POLICY_FILE = "applocker.xml"
SERVICE_OMISSION = ExportOmission(
    "",
    "the service Application Identity",
    "Rules are in effect while it runs. Set AppIDSvc to start automatically, as the control group_policy does.",
)
NO_PROGRAM_REASON = "The catalogue has no name of its programs on Windows, no publisher and no packaged app."
NO_PUBLISHER_REASON = "The catalogue has no publisher of it, by which AppLocker knows packaged apps."


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the AppLocker policy.

    Raises ExportError if AppLocker is off or no restricted service has a Windows program.
    """
    section = decision.plan["controls"][APPS_CONTROL]
    if applocker_rules.get_applocker_mode(section) == applocker_rules.OFF_MODE:
        raise ExportError("nothing to export: proscribe_applocker is off for these hosts")
    rules = applocker_rules.make_applocker_rules(section)
    service_ids = sorted(
        {rule.service for collection_rules in rules.values() for rule in collection_rules if rule.service}
    )
    if not service_ids:
        raise ExportError("nothing to export: the catalogue has no program on Windows of a restricted service")
    try:
        policy = applocker_rules.render_policy(section, make_header(decision, "applocker"))
    except ValueError as error:
        raise ExportError(f"the rules have a text that AppLocker does not take: {error}") from None
    left_out = [SERVICE_OMISSION]
    if applocker_rules.get_applocker_mode(section) == applocker_rules.AUDIT_MODE:
        reason = (
            "proscribe_applocker is audit, so Windows logs what it would deny: AppLocker's events 8003, 8006, 8021."
        )
        left_out.append(ExportOmission("", "all programs", reason))
    for service_id, entry in sorted(section["services"].items()):
        if entry["mode"] not in RESTRICTED_MODES:
            continue
        if service_id not in service_ids:
            left_out.append(ExportOmission(f"{APPS_CONTROL}/{service_id}", "the programs", NO_PROGRAM_REASON))
        known_apps = {
            publisher_app.rpartition("\\")[2] for publisher_app in entry.get("windows_publishers", {}).get("appx", ())
        }
        for app_family in entry.get("windows_packages", {}).get("appx", ()):
            if app_family.partition("_")[0] not in known_apps:
                left_out.append(
                    ExportOmission(f"{APPS_CONTROL}/{service_id}", f"packaged app {app_family}", NO_PUBLISHER_REASON)
                )
    return RenderedExport(
        {POLICY_FILE: policy}, [f"{APPS_CONTROL}/{service_id}" for service_id in service_ids], left_out
    )


FORMAT = ExportFormat(
    name="applocker",
    purpose="programs on Windows: a policy of AppLocker, for the console, Set-AppLockerPolicy and device management",
    controls=(APPS_CONTROL,),
    render_export=render_export,
    tested_with="an evaluator of the project's own, by Microsoft's documented rules",
    main_files=POLICY_FILE,
)
