"""Format `intune`: request bodies for Microsoft Intune's API (Microsoft Graph), one per file, and scripts.

    - `macos_browsers.json`: the configuration profile of `mobileconfig`, as a macOSCustomConfiguration.
    - `macos_restricted_apps.json`: the bundle ids, as the list of a macOSGeneralDeviceConfiguration. Intune reports
      Macs with these programs, but stops none of them.
    - `windows_accounts.json`: the accounts that OneDrive and Teams accept, as policies of the settings catalogue.
    - `windows_chrome.json`, `windows_edge.json`: policies of the settings catalogue, by the names in
      intune_settings.py. A policy without a name there is left out.
    - `remediations/<program>/`: all registry values of a program as scripts (remediation_scripts.py).

Documentation of the API:

    https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-macoscustomconfiguration
    https://learn.microsoft.com/graph/api/resources/intune-deviceconfigv2-devicemanagementconfigurationpolicy (beta)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping

from ....host.controls.group_policy import account_restrictions, policies
from .. import apple, remediation_scripts
from ..browser_formats import (
    BROWSER_CONTROL,
    is_page_blocked,
    list_included_rules,
    list_left_out,
    list_left_out_accounts,
)
from ..file_header import encode_json, make_header
from ..format_declaration import HTTPS_PATHS, ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport
from ..group_policy.identity import make_display_name
from ..intune_settings import (
    CATALOGUE_BROWSERS,
    GRAPH_NAMESPACE,
    MAX_TEAMS_LENGTH,
    RequestBody,
    check_text,
    make_browser_setting,
    make_switch,
    make_text,
    make_text_list,
)

# Settings of programs that serve both kinds of account. Drive for desktop is not in Intune's settings catalogue.
_ONEDRIVE_SETTING = "vendor_msft_policy_config_onedrivengscv2~policy~onedrivengsc"
NO_PRIVATE_SETTING = f"user_{_ONEDRIVE_SETTING}_{account_restrictions.NO_PRIVATE_ACCOUNTS.lower()}"
TENANTS_SETTING = f"device_{_ONEDRIVE_SETTING}_{account_restrictions.ALLOWED_TENANTS.lower()}"
SIGN_IN_SETTING = "user_vendor_msft_policy_config_teamsv3~policy~l_teams_string_teams_signinrestriction_policy"
REMEDIATIONS = "remediations"  # folder of the scripts
MAX_LISTED_APPS = 10_000  # Graph's limit for a list of apps


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the request bodies for Microsoft Graph, and the parts of the plan that Intune cannot enforce.

    Raises ExportError if the plan has neither browser policies nor programs of macOS.
    """
    files: dict[str, RequestBody] = {}
    rules: list[str] = []
    omissions: list[ExportOmission] = []
    if BROWSER_CONTROL in decision.plan["controls"]:
        if profile := apple.render_browser_profile(decision):
            files["macos_browsers.json"] = _make_custom_configuration(decision, profile)
            rules += list_included_rules(decision)
            omissions += list_left_out(decision, "macOS")
        for program, browser_policies in policies.collect_program_policies(decision.plan).items():
            if program.id in CATALOGUE_BROWSERS and (
                settings := list(_make_browser_settings(program, browser_policies))
            ):
                files[CATALOGUE_BROWSERS[program.id].file] = _make_catalogue_policy(decision, program.name, settings)
        omissions += [
            *_list_unnamed_settings(policies.collect_program_policies(decision.plan)),
            *list_left_out_accounts(decision),
        ]
        if settings := list(_make_account_settings(account_restrictions.list_account_policies(decision.plan))):
            files["windows_accounts.json"] = _make_catalogue_policy(decision, "accounts of programs", settings)
        omissions += [
            ExportOmission(
                "",
                f"{program_accounts.name} on Windows: accounts",
                "Intune has no published name of it; its scripts have it.",
            )
            for program_accounts in account_restrictions.list_account_policies(decision.plan)
            if account_restrictions.ACCOUNTS_PATTERN in program_accounts.preferences
        ]
    if "apps" in decision.plan["controls"]:
        if ids_by_service := apple.list_bundle_ids(decision):
            files["macos_restricted_apps.json"] = _make_restricted_apps(decision, ids_by_service)
            omissions += [
                ExportOmission(f"apps/{service_id}", "the programs", "Intune reports them, and stops none.")
                for service_id in ids_by_service
            ]
        omissions += apple.list_missing_bundle_ids(decision)
    if not files:
        raise ExportError("nothing to export: the plan has no policy for a browser, and no program of macOS")
    content = {name: encode_json(program_accounts, sort_keys=True) for name, program_accounts in files.items()}
    if BROWSER_CONTROL in decision.plan["controls"]:
        scripts, large_scripts = _render_remediations(decision)
        content |= scripts
        omissions += large_scripts
    return RenderedExport(content, rules, omissions)


def _render_remediations(decision: ExportDecision) -> tuple[dict[str, bytes], list[ExportOmission]]:
    """Return the scripts for each program with registry values for a machine, and the programs whose scripts are large.

    Raises ExportError for a text that no script can have.
    """
    programs = [
        (program.id, program.name, [program.key], policies.make_program_entries(program, program_policies))
        for program, program_policies in policies.collect_program_policies(decision.plan).items()
    ]
    programs += [
        (
            program_accounts.name.lower().replace(" ", "_"),
            program_accounts.name,
            list(dict.fromkeys(entry.key for entry in program_accounts.machine_entries)),
            list(program_accounts.machine_entries),
        )
        for program_accounts in account_restrictions.list_account_policies(decision.plan, for_users=False)
        if program_accounts.machine_entries
    ]
    files: dict[str, bytes] = {}
    omissions = []
    for id_, name, keys, entries in programs:
        try:
            scripts = remediation_scripts.render_scripts(id_, keys, entries, make_header(decision, "intune"))
        except ValueError as error:
            raise ExportError(f"the policies of {name} have a text that no script takes: {error}") from None
        if (size := max(map(len, scripts.values()))) > remediation_scripts.MAX_SCRIPT_BYTES:
            omissions.append(ExportOmission("", f"{name}: scripts", f"{size:,} bytes are over the limit of Intune."))
        else:
            files |= {f"{REMEDIATIONS}/{id_}/{script}": content for script, content in scripts.items()}
    return files, omissions


def _list_unnamed_settings(
    policies_by_program: Mapping[policies.PolicyProgram, Mapping[str, object]],
) -> Iterator[ExportOmission]:
    for program, browser_policies in policies_by_program.items():
        if program.id not in CATALOGUE_BROWSERS:
            yield ExportOmission(
                "", f"{program.name} on Windows", "Intune has no published name of its settings; its scripts have them."
            )
        elif unnamed_settings := sorted(set(browser_policies) - set(CATALOGUE_BROWSERS[program.id].settings)):
            reason = f"Intune has no published name of {', '.join(unnamed_settings)}; the browser's scripts have them."
            yield ExportOmission("", f"{program.name} on Windows: settings", reason)


def _make_custom_configuration(decision: ExportDecision, profile: bytes) -> RequestBody:
    return {
        "@odata.type": GRAPH_NAMESPACE + "macOSCustomConfiguration",
        "displayName": f"{make_display_name(decision)}: browsers on macOS",
        "description": " ".join(make_header(decision, "intune")),
        "payloadName": f"{make_display_name(decision)}: browsers",
        "payloadFileName": "browsers.mobileconfig",
        "payload": base64.b64encode(profile).decode("ascii"),
    }


def _make_restricted_apps(decision: ExportDecision, ids_by_service: Mapping[str, list[str]]) -> RequestBody:
    services = decision.plan["controls"]["apps"]["services"]
    apps = [
        {"@odata.type": GRAPH_NAMESPACE + "appListItem", "name": services[service_id]["name"], "appId": bundle_id}
        for service_id, bundle_ids in ids_by_service.items()
        for bundle_id in bundle_ids
    ]
    if len(apps) > MAX_LISTED_APPS:
        raise ExportError(f"{len(apps)} programs, but a list of Intune's has at most {MAX_LISTED_APPS}")
    return {
        "@odata.type": GRAPH_NAMESPACE + "macOSGeneralDeviceConfiguration",
        "displayName": f"{make_display_name(decision)}: restricted programs on macOS",
        "description": " ".join(make_header(decision, "intune")),
        "compliantAppListType": "appsNotInListCompliant",
        "compliantAppsList": apps,
    }


def _make_catalogue_policy(decision: ExportDecision, name: str, settings: list[RequestBody]) -> RequestBody:
    return {
        "name": f"{make_display_name(decision)}: {name} on Windows",
        "description": " ".join(make_header(decision, "intune")),
        "platforms": "windows10",
        "technologies": "mdm",
        "roleScopeTagIds": ["0"],
        "settings": settings,
    }


def _make_browser_settings(
    program: policies.PolicyProgram, browser_policies: Mapping[str, object]
) -> Iterator[RequestBody]:
    """Yield the settings of Intune's settings catalogue for a browser's policies that have a name there."""
    browser = CATALOGUE_BROWSERS[program.id]
    for policy in sorted(browser_policies):
        if policy in browser.settings and browser_policies[policy] != []:
            yield make_browser_setting(browser, policy, browser_policies[policy])


def _make_account_settings(account_policies: Iterable[account_restrictions.AccountPolicies]) -> Iterator[RequestBody]:
    """Yield the settings of Intune's settings catalogue for the accounts that OneDrive and Teams accept."""
    for program_accounts in account_policies:
        if account_restrictions.NO_PRIVATE_ACCOUNTS in program_accounts.preferences:
            yield make_switch(NO_PRIVATE_SETTING)
        if tenants := program_accounts.preferences.get(account_restrictions.ALLOWED_TENANTS):
            yield make_switch(TENANTS_SETTING, make_text_list(f"{TENANTS_SETTING}_allowtenantlistbox", list(tenants)))
        if sign_in_tenants := program_accounts.preferences.get(account_restrictions.SIGN_IN_TENANTS):
            text_setting = f"{SIGN_IN_SETTING}_{account_restrictions.SIGN_IN_TENANTS.lower()}"
            tenant_text = check_text(account_restrictions.SIGN_IN_TENANTS, sign_in_tenants, MAX_TEAMS_LENGTH)
            yield make_switch(SIGN_IN_SETTING, make_text(text_setting, tenant_text))


FORMAT = ExportFormat(
    name="intune",
    purpose="Microsoft Intune: browsers on macOS, policies of Chrome and Edge on Windows",
    controls=(BROWSER_CONTROL, "apps"),
    render_export=render_export,
    tested_with="nothing that can be run here; the form is Microsoft Graph's documentation",
    main_files="macos_browsers.json, macos_restricted_apps.json, windows_{accounts,chrome,edge}.json",
    is_blocked=is_page_blocked,
    visible_paths=HTTPS_PATHS,
)
