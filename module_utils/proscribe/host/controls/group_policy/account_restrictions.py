"""Policies for the accounts in programs that serve both private and business users.

The programs are OneDrive, Teams and Google Drive. The policies follow from the section `browser` of the plan. If a
service's private edition is restricted, its program stays (its catalogue entry has `programs: both`). The program then
accepts the organisation's accounts only. The policies have three forms: registry values for a machine, registry values
for each of its users, and preferences on macOS. OneDrive and Teams on Windows read some values for a user only. If the
plan names no tenant of the organisation, no policy is set that could hinder a business account. OneDrive and Teams
accept only ids of tenants. If the id of one tenant were missing, its accounts would be refused. So such a plan is
refused.

    - OneDrive: learn.microsoft.com/sharepoint/use-group-policy, OneDrive.admx, and deploy-and-configure-on-macos
    - Teams: learn.microsoft.com/microsoftteams/sign-in-teams
    - Drive for desktop: support.google.com/a/answer/7644837
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ....base.named_tuple import NamedTuple
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import (
    DRIVE_ACCOUNTS,
    ONEDRIVE_TENANTS,
    TEAMS_SIGN_IN,
    read_google_tenants,
    read_microsoft_tenants,
)
from ...system import ControlError
from .registry_pol import RegistryEntry, make_number_entry, make_text_entry

if TYPE_CHECKING:
    from typing import Final, TypedDict

    from ....model.types.plan import Plan, PlanSection

    class AccountPreferences(TypedDict, total=False):
        """Preferences of a program on macOS, by name."""

        DisablePersonalSync: bool
        AllowTenantList: dict[str, bool]
        RestrictTeamsSignInToAccountsFromTenantList: str
        AllowedAccountsPattern: str


_ONEDRIVE_KEY = "Software\\Policies\\Microsoft\\OneDrive"
_TEAMS_KEY = "Software\\Policies\\Microsoft\\Office\\16.0\\Teams"
_DRIVE_KEY = "Software\\Policies\\Google\\DriveFS"
NO_PRIVATE_ACCOUNTS: Final = "DisablePersonalSync"  # policy of OneDrive, as is ALLOWED_TENANTS
ALLOWED_TENANTS: Final = "AllowTenantList"
SIGN_IN_TENANTS: Final = "RestrictTeamsSignInToAccountsFromTenantList"
ACCOUNTS_PATTERN: Final = "AllowedAccountsPattern"
# For each policy, the rule of the control `browser` that is about it.
ACCOUNT_RULES = {
    ALLOWED_TENANTS: "onedrive-tenants",
    NO_PRIVATE_ACCOUNTS: "onedrive-private-accounts",
    SIGN_IN_TENANTS: "teams-accounts",
    ACCOUNTS_PATTERN: "drive-accounts",
}


class AccountPolicies(NamedTuple):
    """Policies of a program in its three forms."""

    name: str
    # domains of the program's preferences on macOS; the edition of the App Store may have a second domain
    domains: tuple[str, ...]
    preferences: AccountPreferences
    machine_entries: tuple[RegistryEntry, ...] = ()  # registry values for a machine
    user_entries: tuple[RegistryEntry, ...] = ()  # registry values for each of its users


def explain_missing_ids(section: PlanSection, for_users: bool = True) -> str:
    """Return the reason why a program's policy cannot be made: a tenant has no id.

    The result is "" if every needed id is known. `for_users` is False if only policies for machines are made. Then
    Teams, which has policies for users only, needs no ids.
    """
    settings = [ONEDRIVE_TENANTS] if _is_restricted(section, "onedrive_personal") else []
    if for_users and _is_restricted(section, "teams_personal"):
        settings.append(TEAMS_SIGN_IN)
    tenants = read_microsoft_tenants(section["settings"])
    return next(filter(None, (setting.explain_missing_value(tenants) for setting in settings)), "")


def list_account_policies(plan: Plan, for_users: bool = True) -> list[AccountPolicies]:
    """Return the policies of all programs whose private accounts a plan restricts.

    If `for_users` is False, Teams is left out, because it has no values for a machine. Raises ControlError if a tenant
    lacks an id that a policy needs. Raises ValueError for a text that the registry cannot have.
    """
    section = plan["controls"].get("browser")
    if section is None:
        return []
    if problem := explain_missing_ids(section, for_users):
        raise ControlError(problem)
    microsoft_tenants = read_microsoft_tenants(section["settings"])
    google_tenants = read_google_tenants(section["settings"])
    account_policies = []
    if _is_restricted(section, "onedrive_personal"):
        account_policies.append(_make_onedrive_policies(ONEDRIVE_TENANTS.select_values(microsoft_tenants)))
    if for_users and microsoft_tenants and _is_restricted(section, "teams_personal"):
        account_policies.append(_make_teams_policies(TEAMS_SIGN_IN.select_values(microsoft_tenants)))
    # `by_tenant` has services that are not blocked, because the organisation's accounts can be distinguished from
    # others.
    if google_tenants and (_is_restricted(section, "google_drive") or "google_drive" in section.get("by_tenant", ())):
        account_policies.append(_make_drive_policies(DRIVE_ACCOUNTS.select_values(google_tenants)))
    return account_policies


def list_machine_entries(plan: Plan) -> Iterator[RegistryEntry]:
    """Yield the registry values for a machine, below HKEY_LOCAL_MACHINE. Raises as `list_account_policies` does."""
    for policies in list_account_policies(plan, for_users=False):
        yield from policies.machine_entries


def list_user_entries(plan: Plan) -> Iterator[RegistryEntry]:
    """Yield the registry values for each user, below HKEY_CURRENT_USER. Raises as `list_account_policies` does."""
    for policies in list_account_policies(plan):
        yield from policies.user_entries


def _is_restricted(section: PlanSection, service: str) -> bool:
    return service in section["services"] and section["services"][service]["mode"] in RESTRICTED_MODES


def _make_onedrive_policies(tenant_ids: Sequence[str]) -> AccountPolicies:
    """Return the policies of OneDrive.

    `tenant_ids` are the ids of tenants whose accounts are accepted. If there are none, only private accounts are
    refused.
    """
    preferences: AccountPreferences = {NO_PRIVATE_ACCOUNTS: True}
    if tenant_ids:
        preferences[ALLOWED_TENANTS] = dict.fromkeys(tenant_ids, True)
    # OneDrive's template defines this list as additive. So the list is not emptied first, and another Group Policy
    # object can add tenants of partners.
    tenant_entries = tuple(
        make_text_entry(f"{_ONEDRIVE_KEY}\\{ALLOWED_TENANTS}", tenant_id, tenant_id) for tenant_id in tenant_ids
    )
    private_entry = make_number_entry(_ONEDRIVE_KEY, NO_PRIVATE_ACCOUNTS, True)
    domains = ("com.microsoft.OneDrive", "com.microsoft.OneDrive-mac")
    return AccountPolicies("OneDrive", domains, preferences, tenant_entries, (private_entry,))


def _make_teams_policies(tenant_ids: Sequence[str]) -> AccountPolicies:
    """Return the policies of Teams, which then accepts only accounts of the tenants with these ids."""
    tenant_list = ",".join(tenant_ids)
    return AccountPolicies(
        "Teams",
        ("com.microsoft.teams2",),
        {SIGN_IN_TENANTS: tenant_list},
        user_entries=(make_text_entry(_TEAMS_KEY, SIGN_IN_TENANTS, tenant_list),),
    )


def _make_drive_policies(domains: Sequence[str]) -> AccountPolicies:
    """Return the policies of Google Drive, which then accepts only accounts of these domains.

    The pattern, in the syntax of the library RE2, has to match a whole address.
    """
    pattern = f"^[^@]+@({'|'.join(map(re.escape, domains))})$"
    return AccountPolicies(
        "Google Drive",
        ("com.google.drivefs.settings",),
        {ACCOUNTS_PATTERN: pattern},
        (make_text_entry(_DRIVE_KEY, ACCOUNTS_PATTERN, pattern),),
    )
