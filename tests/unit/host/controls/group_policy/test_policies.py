"""The browsers' policies as values of Windows' registry: those of hosts, in the form of the registry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made_browser import section
from proscribe.host.controls.browser import chromium, firefox
from proscribe.host.controls.browser.observed import MARK
from proscribe.host.controls.browser.rendering import rules
from proscribe.host.controls.browser.settings import SETTINGS
from proscribe.host.controls.group_policy.policies import PROGRAMS, entries, of_programs
from proscribe.host.controls.group_policy.registry_pol import DWORD, EMPTY_KEY, SZ, Entry, render, said_by

CHROME = "Software\\Policies\\Google\\Chrome"
FIREFOX = "Software\\Policies\\Mozilla\\Firefox"
TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"


def plan(services: dict[str, dict[str, Any]] | None = None, **settings: Any) -> dict[str, Any]:
    of = section(services or {}, **settings)
    return {"controls": {"browser": of}, "request_url": "https://corp.example/ask"}


CHAT = {"chat": {"domains": ["chat.example"], "urls": ["www.corp.example/drive"], "allow": ["help.chat.example"]}}
EVERYTHING = plan(
    {**CHAT, "vpn": {"extensions": {"chrome": ["a" * 32], "firefox": ["vpn@vpn.example"]}}},
    browsers={id_: row.values[0] for id_, row in SETTINGS.items()},
    tenants={"google": ["corp.example"], "microsoft": [TENANT]},
    extensions_allowed=["b" * 32],
)


JOINED = {
    "PolicyListMultipleSourceMergeList\\**delvals.": " ",
    "PolicyListMultipleSourceMergeList\\1": "URLAllowlist",
    "PolicyListMultipleSourceMergeList\\2": "URLBlocklist",
}


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
                **JOINED,
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
                **JOINED,
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
                "Exceptions\\1": "*://nothing.proscribe.internal/*",
            },
            id="without exceptions, somebody else's do not stay in Firefox, and the key is not empty",
        ),
        pytest.param(plan(), "Software", {}, id="nothing"),
    ],
)
def test_what_the_registry_says(made: dict[str, Any], below: str, expected: dict[str, Any]) -> None:
    assert values(made, below) == expected


def test_where_each_program_reads_its_policies() -> None:
    """On Windows below HKEY_LOCAL_MACHINE, on macOS by their vendors' names for preferences."""
    assert {one.id: (one.key.removeprefix("Software\\Policies\\"), one.domain) for one in PROGRAMS} == {
        "google_chrome": ("Google\\Chrome", "com.google.Chrome"),
        "microsoft_edge": ("Microsoft\\Edge", "com.microsoft.Edge"),
        "brave": ("BraveSoftware\\Brave", "com.brave.Browser"),
        "chromium": ("Chromium", "org.chromium.Chromium"),
        "firefox": ("Mozilla\\Firefox", "org.mozilla.firefox"),
        "thunderbird": ("Mozilla\\Thunderbird", "org.mozilla.thunderbird"),
    }
    assert [one.place.browsers for one in PROGRAMS[3:5]] == [("chromium",), ("firefox", "firefox_esr")]


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


def as_firefox_reads(made: list[Entry], below: str) -> Any:
    """What Firefox makes of a key and those below it, as its WindowsGPOParser.sys.mjs does: a list is where the first
    value is called 1, and everything else is a table. A key that was emptied is there.
    """
    values: dict[str, Any] = {}
    keys: dict[str, list[Entry]] = {}
    for one in made:
        if one.key == below and one.value != EMPTY_KEY:
            values[one.value] = said_by(one)
        elif one.key.startswith(below + "\\"):
            keys.setdefault(one.key[len(below) + 1 :].partition("\\")[0], []).append(one)
    if next(iter(values), "") == "1":
        return list(values.values())
    return {**values, **{name: as_firefox_reads(entries_, f"{below}\\{name}") for name, entries_ in keys.items()}}


@pytest.mark.parametrize("made", [EVERYTHING, plan(CHAT), plan({"chat": {"domains": ["chat.example"]}})])
def test_firefox_reads_the_policies_that_went_in_and_no_empty_table(made: dict[str, Any]) -> None:
    """An empty table where a list belongs makes Firefox (153) drop the whole policy: tried with a policies.json."""
    for program, said in of_programs(made).items():
        if program.family == "chromium":
            continue
        found = as_firefox_reads(entries(made), program.key)
        for name in ("ExtensionSettings", "Preferences"):
            if name in found:
                found[name] = json.loads(found[name])
        if "WebsiteFilter" in said:
            said["WebsiteFilter"].setdefault("Exceptions", ["*://nothing.proscribe.internal/*"])
        assert found == said
        assert {} not in found.values()
        assert {} not in found.get("WebsiteFilter", {}).values()


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
