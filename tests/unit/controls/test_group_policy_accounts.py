"""The accounts that OneDrive, Teams and Google Drive take, on Windows and on macOS."""

from __future__ import annotations

import re
from typing import Any

import pytest
from proscribe.host.controls.group_policy import accounts
from proscribe.host.controls.group_policy.policies import entries
from proscribe.host.controls.group_policy.registry_pol import said_by

ONE, OTHER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "9188040d-6c67-4c5b-b112-36a304b66dad"
ONEDRIVE, TEAMS = "Software\\Policies\\Microsoft\\OneDrive", "Software\\Policies\\Microsoft\\Office\\16.0\\Teams"


def plan(*restricted: str, mode: str = "enforce", **tenants: list[str]) -> dict[str, Any]:
    services = {id_: {"mode": mode, "domains": [], "urls": [], "allow": []} for id_ in restricted}
    settings = {"browsers": {}, "extensions_allowed": [], "tenants": tenants}
    return {"controls": {"browser": {"mode": "enforce", "services": services, "settings": settings}}}


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
            [
                (f"{ONEDRIVE}\\AllowTenantList", "**delvals.", " "),
                (f"{ONEDRIVE}\\AllowTenantList", ONE, ONE),
                (f"{ONEDRIVE}\\AllowTenantList", OTHER, OTHER),
            ],
            [(ONEDRIVE, "DisablePersonalSync", 1), (TEAMS, accounts.SIGN_IN, f"{ONE},{OTHER}")],
        ),
        (
            plan(google=["example.org", "a-b.example"]),
            [("Software\\Policies\\Google\\DriveFS", accounts.PATTERN, r"^[^@]+@(example\.org|a\-b\.example)$")],
            [],
        ),
    ],
)
def test_the_values_of_the_registry(made: dict[str, Any], machine: list[Any], user: list[Any]) -> None:
    assert [(one.key, one.value, said_by(one)) for one in accounts.machine(made)] == machine
    assert [(one.key, one.value, said_by(one)) for one in accounts.user(made)] == user
    if "browser" in made["controls"]:
        assert [entry for entry in entries(made) if entry in list(accounts.machine(made))] == list(
            accounts.machine(made)
        )


def test_the_preferences_on_macos() -> None:
    found = accounts.of_programs(plan("onedrive_personal", "teams_personal", microsoft=[ONE], google=["example.org"]))
    assert {one.domain: one.preferences for one in found} == {
        "com.microsoft.OneDrive": {"DisablePersonalSync": True, "AllowTenantList": {ONE: True}},
        "com.microsoft.teams2": {accounts.SIGN_IN: ONE},
        "com.google.drivefs.settings": {accounts.PATTERN: r"^[^@]+@(example\.org)$"},
    }


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("a@example.org", True),
        ("a@examplexorg", False),
        ("a@example.org.evil.example", False),
        ("a@evil.example@example.org", False),
        ("a@gmail.com", False),
    ],
)
def test_the_pattern_takes_addresses_of_the_tenant_alone(address: str, taken: bool) -> None:
    (drive,) = accounts.of_programs(plan(google=["example.org"]))
    assert bool(re.search(drive.preferences[accounts.PATTERN], address)) is taken
