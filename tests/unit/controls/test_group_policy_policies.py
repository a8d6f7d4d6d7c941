"""The browsers' policies as values of Windows' registry: those of hosts, in the form of the registry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proscribe.controls.browser import chromium, firefox
from proscribe.controls.browser.observed import MARK
from proscribe.controls.browser.rendering import rules
from proscribe.controls.browser.settings import SETTINGS
from proscribe.controls.group_policy.policies import PROGRAMS, entries, of_programs
from proscribe.controls.group_policy.registry_pol import DWORD, SZ, render, said_by

CHROME = "Software\\Policies\\Google\\Chrome"
FIREFOX = "Software\\Policies\\Mozilla\\Firefox"
TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"


def plan(services: dict[str, dict[str, Any]] | None = None, **settings: Any) -> dict[str, Any]:
    listed = {id_: {"name": id_, "mode": "enforce", **entry} for id_, entry in (services or {}).items()}
    section = {"mode": "enforce", "services": listed, "settings": settings}
    return {"controls": {"browser": section}, "request_url": "https://corp.example/ask"}


CHAT = {"chat": {"domains": ["chat.example"], "urls": ["www.corp.example/drive"], "allow": ["help.chat.example"]}}
EVERYTHING = plan(
    {**CHAT, "vpn": {"extensions": {"chrome": ["a" * 32], "firefox": ["vpn@vpn.example"]}}},
    browsers={id_: row.values[0] for id_, row in SETTINGS.items()},
    tenants={"google": ["corp.example"], "microsoft": [TENANT]},
    extensions_allowed=["b" * 32],
)


def values(made: dict[str, Any], below: str) -> dict[str, Any]:
    """What is said below a key, by the path of each value."""
    return {
        f"{one.key}\\{one.value}"[len(below) + 1 :]: said_by(one)
        for one in entries(made)
        if (one.key + "\\").startswith(below + "\\")
    }


@pytest.mark.parametrize(
    ("made", "below", "expected"),
    [
        pytest.param(
            plan(CHAT),
            CHROME,
            {
                "NetworkPredictionOptions": 2,
                "PolicyListMultipleSourceMergeList\\**delvals.": " ",
                "PolicyListMultipleSourceMergeList\\1": "URLAllowlist",
                "PolicyListMultipleSourceMergeList\\2": "URLBlocklist",
                "URLAllowlist\\**delvals.": " ",
                "URLAllowlist\\1": "help.chat.example",
                "URLBlocklist\\**delvals.": " ",
                "URLBlocklist\\1": "chat.example",
                "URLBlocklist\\2": "www.corp.example/drive",
            },
            id="sites in Chrome: numbered values, after what was there",
        ),
        pytest.param(
            plan(browsers={"dns_over_https": "blocked"}),
            CHROME,
            {
                "BuiltInDnsClientEnabled": 0,
                "DnsOverHttpsMode": "off",
                "PolicyListMultipleSourceMergeList\\**delvals.": " ",
                "PolicyListMultipleSourceMergeList\\1": "URLAllowlist",
                "PolicyListMultipleSourceMergeList\\2": "URLBlocklist",
            },
            id="without a site, the organisation's lists stay",
        ),
        pytest.param(
            plan(CHAT),
            FIREFOX,
            {
                "Preferences": '{"network.http.speculative-parallel-limit":{"Status":"locked","Value":0}}',
                "SupportMenu\\Title": "Request an exception",
                "SupportMenu\\URL": "https://corp.example/ask",
                "WebsiteFilter\\Block\\**delvals.": " ",
                "WebsiteFilter\\Block\\1": "*://*.chat.example/*",
                "WebsiteFilter\\Block\\2": "*://*.www.corp.example/drive*",
                "WebsiteFilter\\Exceptions\\**delvals.": " ",
                "WebsiteFilter\\Exceptions\\1": "*://*.help.chat.example/*",
            },
            id="sites in Firefox: keys within keys",
        ),
        pytest.param(
            plan({"chat": {"domains": ["chat.example"]}}),
            FIREFOX + "\\WebsiteFilter",
            {
                "Block\\**delvals.": " ",
                "Block\\1": "*://*.chat.example/*",
                "Exceptions\\**delvals.": " ",
            },
            id="an exception of somebody else's does not stay in Firefox",
        ),
        pytest.param(plan(), "Software", {}, id="nothing"),
    ],
)
def test_what_the_registry_says(made: dict[str, Any], below: str, expected: dict[str, Any]) -> None:
    assert values(made, below) == expected


def test_every_program_has_the_policies_that_hosts_have() -> None:
    """From the same code: what is added there for hosts is in a domain too."""
    found = of_programs(EVERYTHING)
    assert list(found) == list(PROGRAMS)
    all_rules = rules(EVERYTHING["controls"]["browser"])._replace(request_url=EVERYTHING["request_url"])
    for program, said in found.items():
        if program.family == "chromium":
            of_host = chromium.policies(all_rules, program.place)
            assert of_host.pop(MARK)
            assert said == of_host
        else:
            own = all_rules if program.family == "firefox" else all_rules.without_sites()
            assert said == firefox.policies(own, program.place, firefox.lists(own))
    assert {"TorDisabled", "BraveVPNDisabled"} <= set(found[PROGRAMS[2]])
    assert "InPrivateModeAvailability" in found[PROGRAMS[1]]


def test_what_has_structure_is_one_text_of_json() -> None:
    found = {(one.key, one.value): one for one in entries(EVERYTHING)}
    for key, name in (
        (CHROME, "ExtensionSettings"),
        (CHROME, "HttpHeaderInjection"),
        (FIREFOX, "ExtensionSettings"),
        (FIREFOX, "Preferences"),
    ):
        entry = found[key, name]
        assert entry.type == SZ
        assert json.loads(str(said_by(entry)))
    assert {one.type for one in found.values()} == {SZ, DWORD}


def test_no_value_is_there_twice_and_the_spelling_is_what_samba_compares() -> None:
    made = entries(EVERYTHING)
    names = [(one.key.lower(), one.value.lower()) for one in made]
    assert len(set(names)) == len(names)
    assert all(one.key.startswith("Software\\Policies\\") for one in made)
    assert all(one.key.isascii() and one.value.isascii() for one in made)


def test_one_plan_gives_one_file_in_whatever_order_it_came() -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    assert render(entries(turned(EVERYTHING))) == render(entries(EVERYTHING))
