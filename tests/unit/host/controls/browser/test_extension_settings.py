"""The permission to set a proxy in ExtensionSettings: when it is blocked, and what an exception repeats."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.controls.browser.extension_settings import blocking, closes, due, excepting

BLOCKS, ALLOWS = (
    {"blocked_permissions": ["x", "proxy", "debugger"]},
    {"allowed_permissions": ["x", "proxy", "debugger"]},
)


@pytest.mark.parametrize(
    ("entry", "one", "of_all"),
    [
        ({}, False, False),
        (BLOCKS, True, True),
        ({"blocked_permissions": ["x"]}, False, False),
        ({"blocked_permissions": "proxy"}, False, False),
        (ALLOWS, False, False),
        ({**BLOCKS, **ALLOWS}, False, True),
        ({**BLOCKS, "allowed_permissions": ["x"]}, True, True),
        ({"installation_mode": "blocked"}, True, True),
        ({"installation_mode": "removed", **ALLOWS}, True, True),
        ({"installation_mode": "allowed"}, False, False),
    ],
)
def test_when_an_entry_closes_it(entry: dict[str, Any], one: bool, of_all: bool) -> None:
    assert (closes(entry), closes(entry, of_all=True)) == (one, of_all)


def test_an_entry_for_all_keeps_what_it_says_and_an_exception_repeats_what_it_hides() -> None:
    default = {
        "blocked_permissions": ["proxy", "x"],
        "blocked_install_message": "no",
        "runtime_allowed_hosts": ["a"],
        "runtime_blocked_hosts": ["b"],
        "installation_mode": "blocked",
        "minimum_version_required": "1",
    }
    assert blocking(default) == {**default, "blocked_permissions": ["x", "proxy", "debugger"]}
    repeated = {name: default[name] for name in list(default)[:4]}
    assert excepting(default) == {**repeated, "allowed_permissions": ["proxy", "debugger"]}
    assert excepting({}) == {"allowed_permissions": ["proxy", "debugger"]}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (
            {},
            {
                "*": {"blocked_permissions": ["proxy", "debugger"]},
                "mine": {"allowed_permissions": ["proxy", "debugger"]},
            },
        ),
        (
            {"*": {"blocked_permissions": ["x"]}, "other": {}},
            {
                "*": {"blocked_permissions": ["x", "proxy", "debugger"]},
                "other": {},
                "mine": {"blocked_permissions": ["x"], "allowed_permissions": ["proxy", "debugger"]},
            },
        ),
        (
            {"mine": {"installation_mode": "allowed"}},
            {"*": {"blocked_permissions": ["proxy", "debugger"]}, "mine": {"installation_mode": "allowed"}},
        ),
        ({"*": {**BLOCKS, **ALLOWS}}, {"*": {**BLOCKS, **ALLOWS}}),
        ({"*": {"installation_mode": "blocked"}}, {"*": {"installation_mode": "blocked"}}),
    ],
)
def test_the_organisations_settings_with_ours_in_them(theirs: dict[str, Any], expected: dict[str, Any]) -> None:
    assert due(theirs, ["mine", "taken"], ["taken"]) == expected
    assert "taken" in due({}, ["taken"])
