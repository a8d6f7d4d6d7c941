"""The policies of browsers as values of the Windows registry."""

from pathlib import Path
from typing import Any

from browser_hosts import section
from proscribe.host.controls.browser.browser_settings import SETTINGS
from proscribe.host.controls.group_policy.policies import list_policy_entries
from proscribe.host.controls.group_policy.registry_pol import decode_entry, render_entries
from recording import compare

CHROME, FIREFOX = "Software\\Policies\\Google\\Chrome", "Software\\Policies\\Mozilla\\Firefox"


def plan(services: dict[str, dict[str, Any]] | None = None, **settings: Any) -> dict[str, Any]:
    return {"controls": {"browser": section(services or {}, **settings)}, "request_url": "https://corp.example/ask"}


CHAT = {"chat": {"domains": ["chat.example"], "urls": ["www.corp.example/drive"], "allow": ["help.chat.example"]}}
EVERYTHING = plan(
    {**CHAT, "vpn": {"extensions": {"chrome": ["a" * 32], "firefox": ["vpn@vpn.example"]}}},
    browsers={id_: row.allowed_values[0] for id_, row in SETTINGS.items()},
    tenants={"google": ["corp.example"], "microsoft": ["6babcaad-604b-40ac-a9d7-9fd97c0b779f"]},
    extensions_allowed=["b" * 32],
)


ALONE = {"chat": {"domains": ["chat.example"]}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "sites in Chrome: numbered values, after what was there": (CHAT, {}, CHROME),
    "without a site, the organisation's lists stay": ({}, {"browsers": {"dns_over_https": "blocked"}}, CHROME),
    "sites in Firefox: keys within keys": (CHAT, {}, FIREFOX),
    "without exceptions, nobody's stay, and the key is not empty": (ALONE, {}, f"{FIREFOX}\\WebsiteFilter"),
    "nothing": ({}, {}, "Software"),
}


def test_policies_become_registry_values():
    lines = []
    for case, (services, settings, below) in CASES.items():
        named = (
            (f"{entry.key}\\{entry.value_name}", decode_entry(entry))
            for entry in list_policy_entries(plan(services, **settings))
        )
        lines += [f"{case}:", *(f"  {path} = {said!r}" for path, said in named if path.startswith(f"{below}\\"))]
    recorded = Path(__file__).parents[3] / "recorded/controls/registry_values.txt"
    compare(recorded, "".join(f"{line}\n" for line in lines))


def test_order_in_the_plan_does_not_change_registry_pol():
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    assert render_entries(list_policy_entries(turned(EVERYTHING))) == render_entries(list_policy_entries(EVERYTHING))
