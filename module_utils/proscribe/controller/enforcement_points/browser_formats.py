"""Common parts of the export formats for browsers: the rules that an export enforces, and the rules that it lacks.

The policies themselves are in host/controls/group_policy/policies.py, which the code for domain controllers shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...host.controls.browser import firefox
from ...host.controls.browser.browser_settings import DEVELOPER_TOOLS, REMOTE_DEBUGGING, SIGN_IN, format_rule_name
from ...host.controls.browser.sign_in import explain_open_sign_in
from ...host.controls.browser.site_rules import (
    MAX_LIST_ENTRIES,
    SiteName,
    fit_names,
    list_extensions,
    list_service_names,
    make_rules,
)
from ...host.controls.group_policy import policies
from ...model.plan import RESTRICTED_MODES
from ...model.tenants import CONTEXT_HEADER, GOOGLE, MICROSOFT, read_microsoft_tenants
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ..report.text.wording import format_count
from .format_declaration import ExportDecision, ExportOmission

BROWSER_CONTROL = "browser"
EXTENSION_STORES = ("chrome", "firefox")
# Service, provider of accounts, and the accounts that the program accepts unless the organisation names a tenant.
_ACCOUNT_PROGRAMS = (
    ("onedrive_personal", MICROSOFT, "OneDrive: accounts of other organisations"),
    ("teams_personal", MICROSOFT, "Teams: private accounts, and those of other organisations"),
    ("google_drive", GOOGLE, "Google Drive for desktop: all accounts"),
)
_TENANT_REASON = (
    "The tenant decides this, and no device: AllowTeamsConsumer and AllowTeamsConsumerInbound of its federation."
)
_NO_POLICY_REASON = "Only developer_tools: blocked closes it there, which also takes the developer tools of pages away."
_FULL_LIST_REASON = (
    f"The lists of browsers take {MAX_LIST_ENTRIES} names. Exports for name servers and proxies have all of them."
)


def list_included_rules(decision: ExportDecision) -> tuple[str, ...]:
    """Return the rules that the browser policies of an export enforce.

    These are the restricted services with sites or extensions, and the blocked bypasses of browsers.
    """
    section = decision.plan["controls"][BROWSER_CONTROL]
    service_rules = [
        f"{BROWSER_CONTROL}/{service_id}"
        for service_id, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES and _has_identifiers(entry)
    ]
    return (*service_rules, *(format_rule_name(service_id) for service_id in make_rules(section).closed_settings))


def list_left_out(
    decision: ExportDecision, platform: str, programs: Sequence[policies.PolicyProgram] = policies.POLICY_PROGRAMS
) -> list[ExportOmission]:
    """Return the parts of the plan that the browsers of a platform do not get unchanged, for the report of the export.

    `programs` are the browsers of the format. `platform` is "" for a format without a platform.
    """
    section = decision.plan["controls"][BROWSER_CONTROL]
    omissions = [
        ExportOmission(
            f"{BROWSER_CONTROL}/{service_id}", "the service", "The catalogue has no site and no extension of it."
        )
        for service_id, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES and not _has_identifiers(entry)
    ]
    omissions += [
        ExportOmission(f"{BROWSER_CONTROL}/{service_id}", format_count(len(left_out_names), "name"), _FULL_LIST_REASON)
        for service_id, left_out_names in sorted(fit_names(section).omitted_names.items())
    ]
    if any(program.family == policies.FIREFOX_FAMILY for program in programs):
        omissions += [*_list_closed_exceptions(section), *_iterate_open_webdriver(section)]
    omissions += [*_iterate_open_sign_ins(section, programs), *iterate_left_out_context(section)]
    program_names = ", ".join(program.name for program in programs)
    unverified_note = f"Nobody has verified where they read policies on {platform}. " if platform else ""
    omissions.append(ExportOmission("", "other browsers", f"{unverified_note}This export is for {program_names}."))
    return omissions


def list_left_out_accounts(decision: ExportDecision) -> list[ExportOmission]:
    """Return the account policies that the export lacks, for programs with both private and business accounts.

    group_policy/account_restrictions.py has these programs.
    """
    section = decision.plan["controls"][BROWSER_CONTROL]
    tenants = section["settings"].get("tenants", {})
    omissions = []
    for service_id, provider, open_accounts in _ACCOUNT_PROGRAMS:
        entry = section["services"].get(service_id)
        if entry and entry["mode"] in RESTRICTED_MODES and not tenants.get(provider):
            omissions.append(
                ExportOmission(
                    f"{BROWSER_CONTROL}/{service_id}",
                    open_accounts,
                    f"proscribe_tenants names no tenant of {provider}.",
                )
            )
        if entry and entry["mode"] in RESTRICTED_MODES and service_id == "teams_personal":
            omissions.append(
                ExportOmission(
                    f"{BROWSER_CONTROL}/{service_id}",
                    "Teams: chats with people who have private accounts",
                    _TENANT_REASON,
                )
            )
    return omissions


def iterate_left_out_context(section: PlanSection) -> Iterator[ExportOmission]:
    """Report a missing tenant header if the organisation's own Microsoft tenant has no id in the plan.

    The header requires the id.
    """
    if problem := CONTEXT_HEADER.explain_missing_value(read_microsoft_tenants(section["settings"])):
        yield ExportOmission("", f"the header {CONTEXT_HEADER.name} at Microsoft's sign-in", problem)


def _iterate_open_sign_ins(
    section: PlanSection, programs: Sequence[policies.PolicyProgram]
) -> Iterator[ExportOmission]:
    """Report each browser in which the policies cannot restrict the accounts that sign in."""
    browser_rules = make_rules(section)
    for program in programs:
        if problem := explain_open_sign_in(browser_rules, program.policy_place):
            yield ExportOmission(format_rule_name(SIGN_IN), f"{program.name}: which accounts sign in", problem)


def _iterate_open_webdriver(section: PlanSection) -> Iterator[ExportOmission]:
    """Report that Firefox' WebDriver stays open, if remote debugging is blocked and developer tools are not.

    No Firefox policy can lock WebDriver. On Linux, host/controls/browser/firefox_preferences.py locks it.
    """
    closed_bypasses = make_rules(section).closed_settings
    if REMOTE_DEBUGGING in closed_bypasses and DEVELOPER_TOOLS not in closed_bypasses:
        yield ExportOmission(
            format_rule_name(REMOTE_DEBUGGING),
            "Firefox: WebDriver (--marionette, --remote-debugging-port)",
            _NO_POLICY_REASON,
        )


def _list_closed_exceptions(section: PlanSection) -> list[ExportOmission]:
    """Report the permitted names that stay blocked in Firefox, whose exceptions would open a blocked name as well."""
    return [
        ExportOmission(
            "", f"Firefox: {open_name}", f"An exception there would open {closed_name} too, so it stays blocked."
        )
        for open_name, closed_name in firefox.make_filter_lists(make_rules(section)).closed_names
    ]


def is_page_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Return True if the browser policies block the page at `host`, which is a host name or `host/path`.

    `port` is not used.
    """
    section = plan["controls"].get(BROWSER_CONTROL)
    host_name, slash, path = host.partition("/")
    return section is not None and fit_names(section).listed_names.is_blocked(SiteName(host_name, slash + path))


def _has_identifiers(entry: PlanEntry) -> bool:
    """Return True if a service has sites or extensions that browsers can block."""
    return bool(list_service_names(entry) or any(list_extensions(entry, store) for store in EXTENSION_STORES))
