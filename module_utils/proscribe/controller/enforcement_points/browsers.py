"""What the formats for browsers share: which rules are in them, and what these browsers do not get.

The policies themselves are host/controls/group_policy/policies.py, which a domain controller's code has too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...host.controls.browser import firefox
from ...host.controls.browser.chromium import CONTEXT_HEADER
from ...host.controls.browser.rendering import (
    MAX_LIST_ENTRIES,
    SiteName,
    fit_names,
    list_extensions,
    list_service_names,
    make_rules,
)
from ...host.controls.browser.settings import DEVELOPER_TOOLS, REMOTE_DEBUGGING, SIGN_IN, format_rule_name
from ...host.controls.browser.sign_in import explain_open_sign_in
from ...host.controls.group_policy import policies
from ...model.plan import RESTRICTED_MODES
from ...model.tenants import explain_missing_id, read_microsoft_tenants
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ..report.text.wording import counted
from .declaration import Decision, LeftOut

CONTROL = "browser"
STORES = ("chrome", "firefox")
# By service and provider: what its program still takes where no tenant of the organisation is named.
_OF_ACCOUNTS = (
    ("onedrive_personal", "microsoft", "OneDrive: accounts of other organisations"),
    ("teams_personal", "microsoft", "Teams: private accounts, and those of other organisations"),
    ("google_drive", "google", "Google Drive for desktop: all accounts"),
)
_IN_TENANT = (
    "The tenant decides this, and no device: AllowTeamsConsumer and AllowTeamsConsumerInbound of its federation."
)
_NO_POLICY = "Only developer_tools: blocked closes it there, which also takes the developer tools of pages away."
_FULL = f"The lists of browsers take {MAX_LIST_ENTRIES} names. Exports for name servers and proxies have all of them."


def included(decision: Decision) -> tuple[str, ...]:
    """The rules that the policies enforce: the services, and the bypasses of browsers."""
    section = decision.plan["controls"][CONTROL]
    services = [
        f"{CONTROL}/{id_}"
        for id_, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES and _known(entry)
    ]
    return (*services, *(format_rule_name(id_) for id_ in make_rules(section).closed_settings))


def left_out(
    decision: Decision, platform: str, programs: Sequence[policies.Program] = policies.PROGRAMS
) -> list[LeftOut]:
    """What the browsers of a platform do not get as the plan has it. `programs` are those of the format, `platform`
    is "" where it has none.
    """
    section = decision.plan["controls"][CONTROL]
    found = [
        LeftOut(f"{CONTROL}/{id_}", "the service", "The catalogue has no site and no extension of it.")
        for id_, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES and not _known(entry)
    ]
    found += [
        LeftOut(f"{CONTROL}/{id_}", counted(len(left_out_names), "name"), _FULL)
        for id_, left_out_names in sorted(fit_names(section).omitted_names.items())
    ]
    if any(one.family == policies.FIREFOX for one in programs):
        found += [*_closed_in_firefox(section), *_open_webdriver(section)]
    found += [*_open_sign_in(section, programs), *context_left_out(section)]
    names_ = ", ".join(one.name for one in programs)
    unknown = f"Nobody has verified where they read policies on {platform}. " if platform else ""
    found.append(LeftOut("", "other browsers", f"{unknown}This export is for {names_}."))
    return found


def accounts_left_out(decision: Decision) -> list[LeftOut]:
    """What the policies of programs that serve both kinds of account leave open (group_policy/accounts.py)."""
    section = decision.plan["controls"][CONTROL]
    tenants = section["settings"].get("tenants", {})
    found = []
    for id_, provider, without in _OF_ACCOUNTS:
        entry = section["services"].get(id_)
        if entry and entry["mode"] in RESTRICTED_MODES and not tenants.get(provider):
            found.append(LeftOut(f"{CONTROL}/{id_}", without, f"proscribe_tenants names no tenant of {provider}."))
        if entry and entry["mode"] in RESTRICTED_MODES and id_ == "teams_personal":
            found.append(LeftOut(f"{CONTROL}/{id_}", "Teams: chats with people who have private accounts", _IN_TENANT))
    return found


def context_left_out(section: PlanSection) -> Iterator[LeftOut]:
    """Yield the header that takes an id only, where the organisation's own tenant has none in the plan."""
    if missing := explain_missing_id(read_microsoft_tenants(section["settings"])[:1], CONTEXT_HEADER):
        yield LeftOut("", f"the header {CONTEXT_HEADER} at Microsoft's sign-in", missing)


def _open_sign_in(section: PlanSection, programs: Sequence[policies.Program]) -> Iterator[LeftOut]:
    desired = make_rules(section)
    for program in programs:
        if missing := explain_open_sign_in(desired, program.place):
            yield LeftOut(format_rule_name(SIGN_IN), f"{program.name}: which accounts sign in", missing)


def _open_webdriver(section: PlanSection) -> Iterator[LeftOut]:
    """Yield what locks Firefox' WebDriver on Linux and is no policy (host/controls/browser/firefox_preferences.py)."""
    closed = make_rules(section).closed_settings
    if REMOTE_DEBUGGING in closed and DEVELOPER_TOOLS not in closed:
        yield LeftOut(
            format_rule_name(REMOTE_DEBUGGING), "Firefox: WebDriver (--marionette, --remote-debugging-port)", _NO_POLICY
        )


def _closed_in_firefox(section: PlanSection) -> list[LeftOut]:
    return [
        LeftOut("", f"Firefox: {opened}", f"An exception there would open {closed} too, so it stays blocked.")
        for opened, closed in firefox.make_filter_lists(make_rules(section)).closed_names
    ]


def blocks(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether the page of a host is blocked, or what it has at a path."""
    section = plan["controls"].get(CONTROL)
    bare, slash, path = host.partition("/")
    return section is not None and fit_names(section).listed_names.is_blocked(SiteName(bare, slash + path))


def _known(entry: PlanEntry) -> bool:
    return bool(list_service_names(entry) or any(list_extensions(entry, store) for store in STORES))
