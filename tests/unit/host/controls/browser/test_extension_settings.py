"""The permission to set a proxy in ExtensionSettings: when it is blocked, and what an exception repeats."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.controls.browser.extension_settings import due

BLOCKS, ALLOWS = (
    {"blocked_permissions": ["x", "proxy", "debugger"]},
    {"allowed_permissions": ["x", "proxy", "debugger"]},
)


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
