"""The policies of browsers as values of the Windows registry."""

from typing import Any

import pytest
from browser_hosts import section
from proscribe.host.controls.browser.settings import SETTINGS
from proscribe.host.controls.group_policy.policies import entries
from proscribe.host.controls.group_policy.registry_pol import render, said_by

CHROME, FIREFOX = "Software\\Policies\\Google\\Chrome", "Software\\Policies\\Mozilla\\Firefox"


def plan(services: dict[str, dict[str, Any]] | None = None, **settings: Any) -> dict[str, Any]:
    return {"controls": {"browser": section(services or {}, **settings)}, "request_url": "https://corp.example/ask"}


CHAT = {"chat": {"domains": ["chat.example"], "urls": ["www.corp.example/drive"], "allow": ["help.chat.example"]}}
EVERYTHING = plan(
    {**CHAT, "vpn": {"extensions": {"chrome": ["a" * 32], "firefox": ["vpn@vpn.example"]}}},
    browsers={id_: row.values[0] for id_, row in SETTINGS.items()},
    tenants={"google": ["corp.example"], "microsoft": ["6babcaad-604b-40ac-a9d7-9fd97c0b779f"]},
    extensions_allowed=["b" * 32],
)


def numbered(name: str, *entries: str) -> dict[str, str]:
    """List the values of a key that replaces what it had before."""
    return {f"{name}\\**delvals.": " ", **{f"{name}\\{number}": entry for number, entry in enumerate(entries, 1)}}


JOINED = numbered("PolicyListMultipleSourceMergeList", "URLAllowlist", "URLBlocklist")


def values(made: dict[str, Any], below: str) -> dict[str, Any]:
    """What is said below a key, by the path of each value."""
    return {
        f"{entry.key}\\{entry.value}"[len(below) + 1 :]: said_by(entry)
        for entry in entries(made)
        if (entry.key + "\\").startswith(below + "\\")
    }


@pytest.mark.parametrize(
    ("services", "settings", "below", "expected"),
    [
        (  # sites in Chrome: numbered values, after what was there
            *(CHAT, {}, CHROME),
            {
                "NetworkPredictionOptions": 2,
                **JOINED,
                **numbered("URLAllowlist", "help.chat.example"),
                **numbered("URLBlocklist", "chat.example", "www.corp.example/drive"),
            },
        ),
        (  # without a site, the organisation's lists stay
            *({}, {"browsers": {"dns_over_https": "blocked"}}, CHROME),
            {"BuiltInDnsClientEnabled": 0, "DnsOverHttpsMode": "off", **JOINED},
        ),
        (  # sites in Firefox: keys within keys
            *(CHAT, {}, FIREFOX),
            {
                "Preferences": '{"network.http.speculative-parallel-limit":{"Status":"locked","Value":0}}',
                "SupportMenu\\Title": "Request an exception",
                "SupportMenu\\URL": "https://corp.example/ask",
                **numbered("WebsiteFilter\\Block", "*://*.chat.example/*", "*://*.www.corp.example/drive*"),
                **numbered("WebsiteFilter\\Exceptions", "*://*.help.chat.example/*"),
            },
        ),
        (  # without exceptions, somebody else's do not stay in Firefox, and the key is not empty
            *({"chat": {"domains": ["chat.example"]}}, {}, f"{FIREFOX}\\WebsiteFilter"),
            {**numbered("Block", "*://*.chat.example/*"), **numbered("Exceptions", "*://nothing.proscribe.internal/*")},
        ),
        ({}, {}, "Software", {}),
    ],
)
def test_policies_become_registry_values(services, settings, below, expected):
    assert values(plan(services, **settings), below) == expected


def test_order_in_the_plan_does_not_change_registry_pol():
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    assert render(entries(turned(EVERYTHING))) == render(entries(EVERYTHING))
