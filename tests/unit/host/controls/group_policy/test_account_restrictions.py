"""The accounts that OneDrive, Teams and Google Drive take, on Windows and on macOS."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_plan, make_section
from proscribe.host.controls.group_policy import account_restrictions
from proscribe.host.controls.group_policy.policies import list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import decode_entry

ONE, OTHER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "9188040d-6c67-4c5b-b112-36a304b66dad"
ONEDRIVE, TEAMS = "Software\\Policies\\Microsoft\\OneDrive", "Software\\Policies\\Microsoft\\Office\\16.0\\Teams"
SIGN_IN, PATTERN = "RestrictTeamsSignInToAccountsFromTenantList", "AllowedAccountsPattern"
SERVICES = ["onedrive_personal", "teams_personal", "google_drive", "gmail"]


def plan(
    *restricted: str, mode: str = "enforce", by_tenant: Sequence[str] = ("google_drive",), **tenants: list[str]
) -> dict[str, Any]:
    section = make_section("browser", dict.fromkeys(restricted, {"mode": mode}), tenants=tenants)
    return make_plan(controls={"browser": {**section, "by_tenant": list(by_tenant)}})


# As the vendors publish it. OneDrive.admx: DisablePersonalSync is of class User, AllowTenantList of class Machine, an
# additive list, so a value is called what it says. "Restrict sign in to Teams" (learn.microsoft.com/microsoftteams/
# sign-in-teams). "Configure Drive for desktop" (support.google.com/a/answer/7644837): the key overrides what users set.
@pytest.mark.parametrize(
    ("made", "machine", "user"),
    [
        (plan(), [], []),
        (plan("onedrive_personal", mode="waived"), [], []),
        ({"controls": {}}, [], []),
        (plan("onedrive_personal"), [], [(ONEDRIVE, "DisablePersonalSync", 1)]),
        (plan("teams_personal"), [], []),  # without a tenant nobody could sign in
        (
            plan("onedrive_personal", "teams_personal", mode="audit", microsoft=[ONE, OTHER]),
            [(f"{ONEDRIVE}\\AllowTenantList", ONE, ONE), (f"{ONEDRIVE}\\AllowTenantList", OTHER, OTHER)],
            [(ONEDRIVE, "DisablePersonalSync", 1), (TEAMS, SIGN_IN, f"{ONE},{OTHER}")],
        ),
        (plan(google=["example.org"], by_tenant=[]), [], []),  # private accounts of Drive are not restricted
        (
            plan(google=["example.org", "a-b.example"]),
            [("Software\\Policies\\Google\\DriveFS", PATTERN, r"^[^@]+@(example\.org|a\-b\.example)$")],
            [],
        ),
    ],
)
def test_the_values_of_the_registry(made, machine, user):
    of_machine = list(account_restrictions.list_machine_entries(made))
    for entries, expected in ((of_machine, machine), (account_restrictions.list_user_entries(made), user)):
        assert [(item.key, item.value_name, decode_entry(item)) for item in entries] == expected
    if "browser" in made["controls"]:
        assert [entry for entry in list_policy_entries(made) if entry in of_machine] == of_machine


# By domain of preferences, the keys with the types of their values: "Deploy and configure the OneDrive sync app for
# Mac", the page on Teams, and ProfileCreator/ProfileManifests com.microsoft.OneDrive and com.google.drivefs.settings.
ON_MACS = {
    **dict.fromkeys(
        ("com.microsoft.OneDrive", "com.microsoft.OneDrive-mac"), {"DisablePersonalSync": bool, "AllowTenantList": dict}
    ),
    "com.microsoft.teams2": {"RestrictTeamsSignInToAccountsFromTenantList": str},
    "com.google.drivefs.settings": {"AllowedAccountsPattern": str},
}
ALL = plan("onedrive_personal", "teams_personal", microsoft=[ONE], google=["example.org"])


def test_preferences_of_macs_are_those_that_vendors_publish():
    made = {
        domain: item.preferences for item in account_restrictions.list_account_policies(ALL) for domain in item.domains
    }
    assert {domain: {key: type(value) for key, value in said.items()} for domain, said in made.items()} == ON_MACS
    assert made["com.microsoft.OneDrive"]["AllowTenantList"] == {ONE: True}


@given(
    st.lists(st.sampled_from(SERVICES), unique=True),
    st.lists(st.sampled_from(SERVICES), unique=True),
    st.sampled_from(["enforce", "audit", "report", "waived"]),
)
def test_without_a_tenant_no_account_of_an_organisation_is_refused(restricted, by_tenant, mode):
    made = plan(*restricted, mode=mode, by_tenant=by_tenant)
    names = {name for item in account_restrictions.list_account_policies(made) for name in item.preferences}
    assert names <= {"DisablePersonalSync"}  # accounts of Microsoft for private persons
    assert list(account_restrictions.list_machine_entries(made)) == []
