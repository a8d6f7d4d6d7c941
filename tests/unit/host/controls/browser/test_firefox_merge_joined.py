"""Policies of two in one document: what of theirs is enough, what comes of both, and what is theirs of that again."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.controls.browser.firefox_merge import assumed_ours, merge, without_ours
from proscribe.host.system import WRITTEN_BY

TENANTS, MENU, PROXY, DNS = "AllowedDomainsForApps", "SupportMenu", "Proxy", "DNSOverHTTPS"
SETTINGS, PREFERENCES, FILTER = "ExtensionSettings", "Preferences", "WebsiteFilter"
OFF = {"Enabled": False, "Locked": True}
LINK = {"Title": "Request an exception", "URL": "https://ask.example"}
LOCKED = {"Mode": "system", "Locked": True}
REFUSED, ALLOWED, FORCED = ({"installation_mode": mode} for mode in ("blocked", "allowed", "force_installed"))
BLOCK, EXCEPTION = {"blocked_permissions": ["proxy", "debugger"]}, {"allowed_permissions": ["proxy", "debugger"]}
ENTRY = {"Value": False, "Status": "locked"}


JOINED = [
    (FILTER, None, {"Block": ["b"]}, {"Block": ["b"]}),
    (
        *(FILTER, {"Block": ["a", "b"], "Exceptions": "x", "Other": 1}, {"Block": ["b", "c"], "Exceptions": ["d"]}),
        {"Block": ["a", "b", "c"], "Exceptions": ["d"], "Other": 1},
    ),
    (PROXY, {"Mode": "none"}, LOCKED, {"Mode": "none", "Locked": True}),
    (PROXY, {"Locked": False}, LOCKED, LOCKED),
    (PROXY, "x", LOCKED, LOCKED),
    (DNS, {"Enabled": True, "ProviderURL": "x"}, OFF, {**OFF, "ProviderURL": "x"}),
    (PREFERENCES, {"a": 1, "b": 1}, {"b": ENTRY}, {"a": 1, "b": ENTRY}),
    (MENU, {}, LINK, LINK),
    ("BlockAboutConfig", {"a": 1}, True, True),
    ("SearchEngines", {"a": 1}, {"b": 2}, {"b": 2}),
    (SETTINGS, "x", {"a": REFUSED}, {"a": REFUSED}),
    (
        *(SETTINGS, {"a": FORCED, "b": {**REFUSED, "x": 1}, "c": 5}, dict.fromkeys("abcd", REFUSED)),
        {"a": REFUSED, "b": {**REFUSED, "x": 1}, "c": REFUSED, "d": REFUSED},
    ),
    (  # what they permit in another way stays
        *(SETTINGS, {"a": FORCED, "b": REFUSED}, dict.fromkeys("abc", ALLOWED)),
        {"a": FORCED, "b": ALLOWED, "c": ALLOWED},
    ),
    (
        *(
            SETTINGS,
            {"*": {"blocked_permissions": ["x"], "y": 1}, "b": {}},
            {"*": BLOCK, "a": EXCEPTION, "b": EXCEPTION},
        ),
        {
            "*": {"blocked_permissions": ["x", "proxy", "debugger"], "y": 1},
            "a": {"blocked_permissions": ["x"], **EXCEPTION},
            "b": {},
        },
    ),
    (  # an exception opens nothing that theirs block
        *(SETTINGS, {"*": {**BLOCK, "y": 1}}, {"*": {**REFUSED, **BLOCK}, "a": EXCEPTION}),
        {"*": {**BLOCK, "y": 1, **REFUSED}},
    ),
]


@pytest.mark.parametrize(("name", "theirs", "ours", "both"), JOINED)
def test_what_comes_of_both(name: str, theirs: Any, ours: Any, both: Any) -> None:
    base = {"proscribe": "old", "other": 1, "policies": {"A": 1, **({name: theirs} if theirs is not None else {})}}
    document = merge(base, {name: ours})
    assert document == {"proscribe": WRITTEN_BY, "other": 1, "policies": {"A": 1, name: both}}
    del base["proscribe"]
    assert without_ours(document, base, [document]) == base


WRITTEN = {
    "policies": {
        "BlockAboutConfig": True,
        DNS: OFF,
        FILTER: {"Block": ["a", "b"], "Exceptions": ["c"]},
        PREFERENCES: {"p": ENTRY, "q": ENTRY},
        SETTINGS: {"*": {"blocked_permissions": ["x", "proxy", "debugger"], **REFUSED}, "a": REFUSED, "b": EXCEPTION},
    }
}


@pytest.mark.parametrize(
    ("base", "edit", "theirs"),
    [
        ({}, {}, {}),
        ({"policies": {}}, {}, {"policies": {}}),
        ({"policies": {"BlockAboutConfig": False, DNS: "x"}}, {}, {"policies": {"BlockAboutConfig": False, DNS: "x"}}),
        ({}, {"BlockAboutConfig": False, DNS: {}}, {"policies": {"BlockAboutConfig": False, DNS: {}}}),
        ({}, {FILTER: {"Block": ["a", "z"], "Other": 1}}, {"policies": {FILTER: {"Block": ["z"], "Other": 1}}}),
        (
            *(
                {"policies": {FILTER: {"Block": ["a"], "Exceptions": "x"}}},
                {FILTER: {"Block": ["a", "b", "z"], "Exceptions": ["c"]}},
            ),
            {"policies": {FILTER: {"Block": ["a", "z"], "Exceptions": "x"}}},
        ),
        ({}, {FILTER: {"Block": ["b"]}}, {}),
        ({}, {FILTER: "x"}, {"policies": {FILTER: "x"}}),
        ({}, {PREFERENCES: {"p": ENTRY, "r": 1}}, {"policies": {PREFERENCES: {"r": 1}}}),
        (
            {"policies": {PREFERENCES: {"p": 5}}},
            {PREFERENCES: {"p": ENTRY, "r": 1}},
            {"policies": {PREFERENCES: {"p": 5, "r": 1}}},
        ),
        (
            *(
                {},
                {
                    SETTINGS: {
                        "*": {"blocked_permissions": ["x", "proxy", "debugger", "z"], **REFUSED, "y": 1},
                        "a": ALLOWED,
                    }
                },
            ),
            {"policies": {SETTINGS: {"*": {"blocked_permissions": ["z"], "y": 1}, "a": ALLOWED}}},
        ),
        ({}, {SETTINGS: {"*": {"blocked_permissions": ["proxy", "debugger"], **REFUSED}, "b": EXCEPTION}}, {}),
        (
            *(
                {"policies": {SETTINGS: {"*": {"blocked_permissions": [], **ALLOWED}}}},
                {SETTINGS: {"*": {"blocked_permissions": ["proxy", "debugger"], **REFUSED}}},
            ),
            {"policies": {SETTINGS: {"*": {"blocked_permissions": [], **ALLOWED}}}},
        ),
    ],
)
def test_what_is_theirs_after_an_edit(base: dict[str, Any], edit: dict[str, Any], theirs: dict[str, Any]) -> None:
    current = {"proscribe": "x", "more": 1, "policies": {**WRITTEN["policies"], **edit}}
    for written in ([WRITTEN], [{}, WRITTEN], [WRITTEN, {"policies": {DNS: 5}}]):
        assert without_ours(current, base, written) == {"more": 1, **theirs}


def test_where_it_is_lost_what_was_written_all_that_is_managed_is_taken_for_ours() -> None:
    speculation = "network.http.speculative-parallel-limit"
    extensions = {
        "*": {"blocked_permissions": ["x", "proxy", "debugger"], "y": 1},
        "a": REFUSED,
        "b": EXCEPTION,
        "c": {**ALLOWED, **EXCEPTION},
        "d": {**EXCEPTION, "y": 1},
        "e": {"allowed_permissions": ["proxy", "x"]},
        "f": FORCED,
    }
    current = {
        "A": 1,
        PROXY: LOCKED,
        TENANTS: "a.org",
        FILTER: {"Block": ["a"]},
        "DisableFirefoxAccounts": False,
        PREFERENCES: {speculation: 5, "network.http.http3.enable": 5, "own": ENTRY},
        SETTINGS: extensions,
    }
    assert assumed_ours({"policies": current}) == [
        {
            "policies": {
                TENANTS: "a.org",
                FILTER: {"Block": ["a"]},
                "DisableFirefoxAccounts": False,
                PREFERENCES: {speculation: 5, "network.http.http3.enable": 5},
                SETTINGS: {"*": BLOCK, "a": REFUSED, "b": EXCEPTION, "c": {**ALLOWED, **EXCEPTION}},
            }
        }
    ]
    assert assumed_ours({"policies": {PREFERENCES: "x", SETTINGS: {"*": {}}}}) == [{"policies": {SETTINGS: {}}}]
