"""Which accounts a program lets in that serves private and business ones: its own policies, of the browser's section.

Where a service's private edition is restricted, its program stays (a catalogue says `programs: both`), and takes the
organisation's accounts only. That has three forms: values of the registry for a machine, values for each of its users,
and preferences on macOS. OneDrive and Teams on Windows read some of it for a user only. Without a tenant of the
organisation, nothing is set that a business account could need. OneDrive and Teams take the ids of tenants only, and a
list without the id of one tenant would refuse its accounts. So such a plan is refused.

- OneDrive: learn.microsoft.com/sharepoint/use-group-policy, OneDrive.admx, and deploy-and-configure-on-macos
- Teams: learn.microsoft.com/microsoftteams/sign-in-teams
- Drive for desktop: support.google.com/a/answer/7644837
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ....base.tuples import NamedTuple
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import explain_missing_id, read_google_domains, read_microsoft_tenants
from ...system import ControlError
from .registry_pol import Entry, number, text

if TYPE_CHECKING:
    from typing import Final, TypedDict

    from ....model.types.plan import Plan, PlanSection

    class Preferences(TypedDict, total=False):
        """What a program reads on macOS."""

        DisablePersonalSync: bool
        AllowTenantList: dict[str, bool]
        RestrictTeamsSignInToAccountsFromTenantList: str
        AllowedAccountsPattern: str


_ONEDRIVE = "Software\\Policies\\Microsoft\\OneDrive"
_TEAMS = "Software\\Policies\\Microsoft\\Office\\16.0\\Teams"
_DRIVE = "Software\\Policies\\Google\\DriveFS"
NO_PRIVATE: Final = "DisablePersonalSync"  # of OneDrive, as is the next
TENANTS: Final = "AllowTenantList"
SIGN_IN: Final = "RestrictTeamsSignInToAccountsFromTenantList"
PATTERN: Final = "AllowedAccountsPattern"


class Accounts(NamedTuple):
    """The policies of one program."""

    name: str
    domains: tuple[str, ...]  # of its preferences on macOS; the edition of the App Store may have its own
    preferences: Preferences
    machine: tuple[Entry, ...] = ()
    user: tuple[Entry, ...] = ()


def explain_missing_ids(section: PlanSection, for_users: bool = True) -> str:
    """Say which tenant lacks the id that a program's policy takes; "" where none does. `for_users`: with the values of
    users, which Teams has alone.
    """
    takers = [TENANTS + " of OneDrive"] if _restricted(section, "onedrive_personal") else []
    if for_users and _restricted(section, "teams_personal"):
        takers.append(SIGN_IN + " of Teams")
    return explain_missing_id(read_microsoft_tenants(section["settings"]), takers[0]) if takers else ""


def of_programs(plan: Plan, for_users: bool = True) -> list[Accounts]:
    """The policies of all programs whose private accounts a plan restricts; without `for_users`, of those that have
    values for a machine. Raises ValueError for a text that the registry does not take, and ControlError for a tenant
    without the id that a program takes.
    """
    section = plan["controls"].get("browser")
    if section is None:
        return []
    if missing := explain_missing_ids(section, for_users):
        raise ControlError(missing)
    microsoft = [tenant.id for tenant in read_microsoft_tenants(section["settings"])]
    google = read_google_domains(section["settings"])
    found = [_onedrive(microsoft)] if _restricted(section, "onedrive_personal") else []
    if for_users and microsoft and _restricted(section, "teams_personal"):
        found.append(_teams(microsoft))
    # With a tenant, the service is none of those that are closed: its accounts are distinguished.
    if google and (_restricted(section, "google_drive") or "google_drive" in section.get("by_tenant", ())):
        found.append(_drive(google))
    return found


def machine(plan: Plan) -> Iterator[Entry]:
    """The values below HKEY_LOCAL_MACHINE."""
    for one in of_programs(plan, for_users=False):
        yield from one.machine


def user(plan: Plan) -> Iterator[Entry]:
    """The values of each user, below HKEY_CURRENT_USER."""
    for one in of_programs(plan):
        yield from one.user


def _restricted(section: PlanSection, service: str) -> bool:
    return service in section["services"] and section["services"][service]["mode"] in RESTRICTED_MODES


def _onedrive(tenants: Sequence[str]) -> Accounts:
    preferences: Preferences = {NO_PRIVATE: True}
    if tenants:
        preferences[TENANTS] = dict.fromkeys(tenants, True)
    # The template calls the list additive: it is not emptied, so another object can have partners' tenants.
    listed = tuple(text(f"{_ONEDRIVE}\\{TENANTS}", tenant, tenant) for tenant in tenants)
    private = number(_ONEDRIVE, NO_PRIVATE, True)
    domains = ("com.microsoft.OneDrive", "com.microsoft.OneDrive-mac")
    return Accounts("OneDrive", domains, preferences, listed, (private,))


def _teams(tenants: Sequence[str]) -> Accounts:
    listed = ",".join(tenants)
    return Accounts("Teams", ("com.microsoft.teams2",), {SIGN_IN: listed}, user=(text(_TEAMS, SIGN_IN, listed),))


def _drive(domains: Sequence[str]) -> Accounts:
    """The pattern is one of RE2, and has to fit an address whole."""
    pattern = f"^[^@]+@({'|'.join(map(re.escape, domains))})$"
    return Accounts(
        "Google Drive", ("com.google.drivefs.settings",), {PATTERN: pattern}, (text(_DRIVE, PATTERN, pattern),)
    )
