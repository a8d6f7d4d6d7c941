"""The rules of a Windows host, judged from what it printed: installed and running programs, policies in effect, and
what nobody looked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.windows import observing
from proscribe.controller.windows.answer import read
from proscribe.controller.windows.command import POLICIES
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN
from proscribe.wire.replies import results
from windows_answers import BROWSERS, MARK, NOTHING, TELEGRAM, WECHAT, Values, answered, installed, plan, policies_of

WINE = Path(__file__).parents[2] / "recorded/windows/wine_10.txt"
CHROME, EDGE, FIREFOX = (f"{POLICIES}\\{name}" for name in ("Google\\Chrome", "Microsoft\\Edge", "Mozilla\\Firefox"))


def rules(
    values: Values = NOTHING, compiled: Mapping[str, Any] | None = None, only: Sequence[str] = (), **named: Any
) -> dict[str, dict[str, Any]]:
    """The rules that a host's record lists, by their names, once it has passed the reader of answers."""
    return {rule["rule"]: rule for rule in record(values, compiled, only, **named)["rules"]}


def record(
    values: Values = NOTHING, compiled: Mapping[str, Any] | None = None, only: Sequence[str] = (), **named: Any
) -> dict[str, Any]:
    made = observing.observe(compiled or plan(), answered(values, **named), only, time.monotonic())
    result = results.observation(observing.answered(made, "never"))
    assert result["drifted"] == [] and result["changed"] is False
    return dict(result["record"])


def state(values: Values, rule: str = "apps/wechat", **named: Any) -> str:
    found = rules(values, **named)
    return str(found[rule]["state"]) if rule in found else COMPLIANT


GOOD: dict[str, Any] = {"code_page": ["65001"]}


def test_a_portable_program_that_winget_installed_is_found_by_its_id_alone() -> None:
    entry = {**TELEGRAM, "windows_processes": [], "windows_registered": {}}
    there = installed("Telegram.TelegramDesktop_Microsoft.Winget.Source_8wekyb3d8bbwe", DisplayName="x")
    assert rules(there, plan({"telegram": entry}), **GOOD)["apps/telegram"]["state"] == NONCOMPLIANT


def test_a_waiver_for_users_or_hours_opens_nothing_that_the_host_cannot_show() -> None:
    icon = installed("{1}", DisplayIcon="C:\\Tencent\\WeChat\\WeChat.exe", DisplayVersion="3.9")
    always = {**WECHAT, "mode": "waived", "waiver": "W-1"}
    assert rules(icon, plan({"wechat": always}), **GOOD)["apps/wechat"]["state"] == "waived"
    users = {**WECHAT, "exceptions": [{"waiver": "W-1", "users": ["alice"]}]}
    assert rules(icon, plan({"wechat": users}), **GOOD)["apps/wechat"]["state"] == NONCOMPLIANT
    version = {**WECHAT, "exceptions": [{"waiver": "W-1", "versions": ["3.9"]}]}
    assert rules(icon, plan({"wechat": version}), **GOOD)["apps/wechat"]["state"] == "waived"
    hours = {**always, "hours": [[day, 0, 1440] for day in range(7)], "otherwise": "enforce"}
    found = rules(icon, plan({"wechat": hours}), **GOOD)["apps/wechat"]
    assert found["state"] == UNKNOWN and found["findings"]
    assert found["reason"].startswith("a waiver (W-1) opens it at some hours")
    assert "apps/wechat" not in rules({}, plan({"wechat": hours}), **GOOD)
    parts = [{"hours": [[0, 0, 1440]]}, {"users": [], "posix_groups": ["it"]}, {"users": ["bob"]}]
    some = {**hours, "exceptions": [{"waiver": f"W-{number}", **part} for number, part in enumerate(parts, 2)]}
    assert rules(icon, plan({"wechat": some}), **GOOD)["apps/wechat"]["reason"].startswith("a waiver (W-1, W-2, W-3) ")


def test_a_key_that_cannot_be_read_is_unknown() -> None:
    compiled = plan()
    values = {**BROWSERS, **policies_of(compiled)}
    found = rules(values, compiled, ["browser"], refused=[f"{POLICIES}\\Google"])
    assert found["browser/wechat"]["state"] == UNKNOWN
    assert "HKLM\\Software\\Policies\\Google\\Chrome cannot be read" in found["browser/wechat"]["reason"]


def changed(key: str, *said: tuple[str, str, str], without: str = "") -> Values:
    """The browsers with the plan's policies, but for some values of a key."""
    values = dict(policies_of(plan()))
    names = {name for name, _, _ in said} | {without}
    values[key] = [one for one in values.get(key, []) if one[0] not in names] + list(said)
    return {**BROWSERS, **values}


@pytest.mark.parametrize(
    ("values", "rule", "words"),
    [
        (
            changed(CHROME, ("DnsOverHttpsMode", "REG_SZ", "automatic")),
            "dns-over-https",
            'DnsOverHttpsMode to "automatic"',
        ),
        (changed(CHROME, ("BuiltInDnsClientEnabled", "REG_DWORD", "0x1")), "dns-over-https", "to true"),
        (changed(f"{CHROME}\\URLBlocklist", without="1"), "wechat", "wechat.example"),
        (changed(f"{EDGE}\\URLAllowlist", ("9", "REG_SZ", "wechat.example")), "wechat", "another policy allows"),
        (changed(f"{CHROME}\\URLBlocklist", ("2", "REG_DWORD", "0x1")), "wechat", ""),
        (changed(f"{FIREFOX}\\WebsiteFilter\\Exceptions", ("7", "REG_SZ", "*://*.wechat.example/*")), "wechat", ""),
        ({**changed(FIREFOX), f"{FIREFOX}\\WebsiteFilter\\Exceptions": []}, "wechat", "wechat.example"),
        (changed(f"{FIREFOX}\\DNSOverHTTPS", ("Enabled", "REG_DWORD", "0x1")), "dns-over-https", "DNSOverHTTPS"),
        (changed(CHROME, ("ExtensionSettings", "REG_SZ", "{not json")), "proxy-extensions", ""),
    ],
)
def test_what_somebody_changed_in_the_registry_is_named(values: Values, rule: str, words: str) -> None:
    found = rules(values, plan(), ["browser"])[f"browser/{rule}"]
    assert found["state"] == NONCOMPLIANT
    assert words in str(found["findings"])


def test_the_record_of_a_real_registry_says_what_is_installed_and_runs_there() -> None:
    """Recorded from Wine 10.0: WeChat is registered and runs, and three browsers have no policies."""
    compiled = plan()
    made = observing.observe(compiled, read(WINE.read_bytes(), MARK), (), time.monotonic())
    found = {rule["rule"]: rule for rule in made["rules"]}
    kinds = [finding["kind"] for finding in found["apps/wechat"]["findings"]]
    assert kinds == ["package", "process"] and found["browser/wechat"]["state"] == NONCOMPLIANT
    telegram = [(finding["kind"], finding["detail"]) for finding in found["apps/telegram"]["findings"]]
    assert telegram[0] == ("package", "known by its names alone")
    assert telegram[1:] == [("file", "a user has started it, known by its names alone")]
    [collection, *_] = [one for one in found["apps/applocker"]["findings"] if one["id"] == "AppLocker Exe"]
    assert str(collection["detail"]).startswith("it only logs (AuditOnly), 1 rule")
