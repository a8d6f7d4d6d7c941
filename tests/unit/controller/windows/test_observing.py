"""The rules of a Windows host, judged from what it printed: installed and running programs, policies in effect, and
what nobody looked for.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.catalogue.schema import CATEGORIES
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.windows import apps, observing, registry
from proscribe.controller.windows.answer import read
from proscribe.controller.windows.command import APP_PACKAGES, POLICIES, STARTED, UNINSTALL, UNINSTALL_32
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN
from proscribe.model.plan import RESTRICTED, sealed
from proscribe.wire.replies import results
from windows_answers import (
    ALICE,
    BOB,
    BROWSERS,
    MARK,
    NOTHING,
    SITES,
    TELEGRAM,
    WECHAT,
    Values,
    answered,
    app_package,
    app_path,
    installed,
    plan,
    policies_of,
)

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


@pytest.mark.parametrize(
    "values",
    [
        installed("{1}", InstallLocation="C:\\Program Files\\Tencent\\WeChat"),
        installed("{1}", InstallLocation='"D:\\programs\\tencent\\WECHAT\\"'),
        installed("{1}", DisplayIcon="C:\\Program Files (x86)\\Tencent\\WeChat\\WeChat.exe,0"),
        installed("{1}", UninstallString='"C:\\Program Files\\Tencent\\WeChat\\WeChat.exe" /uninstall'),
        installed("Tencent.WeChat_Microsoft.Winget.Source_8wekyb3d8bbwe", DisplayName="WeChat portable"),
        installed("{1}", DisplayName="微信"),
        installed("{1}", DisplayName="微信 3.9.12"),
        installed("{1}", DisplayName="WeChat (x64)", Publisher="Tencent Technology"),
        installed("{1}", DisplayName="WeChat 3.9.12.57", Publisher="tencent technology co ltd"),
        installed("{1}", f"HKU\\{ALICE}", DisplayName="微信"),
        installed("WECHAT", DisplayName="something", Publisher="somebody"),
        {f"HKLM\\{UNINSTALL_32}\\WeChat": [("DisplayName", "REG_SZ", "x")]},
        app_package("TencentWeChatLimited.WeChatUWP_1.2.0.0_x64__sdtnhv12zgd7a"),
    ],
)
def test_a_restricted_app_that_is_registered_is_found(values: Values) -> None:
    found = rules(values, **GOOD)["apps/wechat"]
    assert found["state"] == NONCOMPLIANT
    [finding] = found["findings"]
    assert (finding["kind"], finding["manager"]) == ("package", "windows")


@pytest.mark.parametrize(
    "values",
    [
        {},
        installed("{1}", DisplayName="WeChat", Publisher="Somebody else"),
        installed("{1}", DisplayName="WeChat Work", Publisher="Tencent"),
        installed("Tencent.WeChatting_x", DisplayName="x"),
        installed("Tencent.WeChat", DisplayName="x"),
        installed("WeChat2", DisplayName="x"),
        installed("{1}", DisplayName="WeChat", Publisher="Tencent Technology Wireless"),
        app_package("TencentWeChatLimited.WeChatUWP_1.2.0.0_x64__8wekyb3d8bbwe"),
        app_package("TencentWeChatLimited.WeChatUWP"),
        installed("{1}", InstallLocation="C:\\NotTencent\\WeChat"),
        installed("{1}", DisplayIcon="C:\\x\\MyTencent\\WeChat\\WeChat.exe"),
        installed("{1}", DisplayName="", Publisher="", InstallLocation="\\"),
        installed("{1}", InstallLocation="C:\\Program Files"),
    ],
)
def test_what_only_looks_like_it_is_not_taken_for_it(values: Values) -> None:
    assert state(values, **GOOD) == COMPLIANT


def test_names_alone_are_reported_as_such() -> None:
    details = {
        "windows": installed("{1}", InstallLocation="C:\\Program Files\\Tencent\\WeChat"),
        "names": installed("{1}", DisplayName="微信"),
    }
    found = {key: rules(values, **GOOD)["apps/wechat"]["findings"][0]["detail"] for key, values in details.items()}
    assert found == {"windows": None, "names": "known by its names alone"}
    [process] = rules({}, tasks=[("wechat.exe", 7), ("wechat.exe", 9)], **GOOD)["apps/wechat"]["findings"]
    assert (process["kind"], process["id"]) == ("process", "wechat.exe")
    assert process["detail"] == "pid 7 and 1 more, known by its image's name alone"


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"profiles": (ALICE, BOB)}, "what a user who is not logged in installed"),
        ({"profiles": (ALICE, BOB, BOB + "1")}, "what 2 users who are not logged in installed"),
        ({"tasks": ()}, "the programs that run cannot be listed"),
        ({"refused": [f"HKU\\{ALICE}\\Software\\Microsoft\\Windows\\CurrentVersion"]}, "uninstall keys of a user"),
        ({"code_page": ["437"]}, "names in other scripts"),
        ({"refused": ["HKU"]}, "which users the host has"),
        ({"refused": [f"HKU\\{ALICE}\\{APP_PACKAGES}"]}, "the app packages of a user who is logged in"),
        ({"refused": [f"HKU\\{ALICE}\\{STARTED}"]}, "what a user who is logged in has started"),
        ({"refused": ["HKLM\\Software\\Microsoft\\Windows\\CurrentVersion"]}, "(App Paths) of the machine"),
        ({"architecture": ["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"]}, "a program of 32 bits"),
    ],
)
def test_what_could_not_be_seen_is_unknown_and_never_compliant(named: dict[str, Any], why: str) -> None:
    found = rules({}, **{**GOOD, **named})["apps/wechat"]
    assert found["state"] == UNKNOWN and why in found["reason"]
    there = rules(installed("{1}", DisplayIcon="C:\\Tencent\\WeChat\\WeChat.exe"), **{**GOOD, **named})["apps/wechat"]
    assert there["state"] == NONCOMPLIANT


@pytest.mark.parametrize(
    "values",
    [
        installed("{1}", f"HKU\\{ALICE}", DisplayName="x" * 400),
        {f"HKU\\{ALICE}\\{UNINSTALL}" + "\\x" * 130: [("DisplayName", "REG_SZ", "x")]},
    ],
)
def test_too_much_of_one_user_is_unknown_and_hides_nothing_else(
    values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "LONGEST_TEXT", 300)
    found = rules(values, **GOOD)["apps/wechat"]
    assert found["state"] == UNKNOWN and "uninstall keys of a user" in found["reason"]
    there = installed("{1}", InstallLocation="C:\\Program Files\\Tencent\\WeChat")
    assert state({**values, **there}, **GOOD) == NONCOMPLIANT


@pytest.fixture(scope="module")
def own_plan(project: Path) -> dict[str, Any]:
    """What the project's own catalogue makes of every category."""
    restrictions = read_restrictions({"proscribe_categories": list(CATEGORIES)}, str)
    compiled = compile_plan(load([project / "catalog"]), restrictions, [], datetime.date(2026, 11, 29))
    return sealed({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


@pytest.mark.parametrize(
    ("values", "task", "service"),
    [
        ({}, "Signal.exe", "signal"),
        ({}, "Dropbox.exe", "dropbox"),
        ({}, "tor.exe", "tor"),
        ({}, "MEGAsync.exe", "mega"),
        ({}, "claude.exe", "claude"),
        (installed("{1}", DisplayName="Signal 8.24.1", Publisher="Signal Messenger, LLC"), "", "signal"),
        (installed("7D96CAEE-06e6-597c-9f2f-c7bb2e0948b4", f"HKU\\{ALICE}", DisplayName="x"), "", "signal"),
        (installed("Proton VPN_is1", DisplayName="Proton VPN"), "", "protonvpn"),
        (app_package("Claude_1.30096.1.0_x64__pzs8sxrjxfjjc"), "", "claude"),
        (app_package("5319275A.WhatsAppDesktop_2.2.0.0_x64__cv1g1gvanyjgm"), "", "whatsapp"),
    ],
)
def test_programs_of_the_projects_own_catalogue_are_found(
    own_plan: dict[str, Any], values: Values, task: str, service: str
) -> None:
    found = rules(values, own_plan, ["apps"], tasks=[(task or "System", 4)], **GOOD)
    counted = [rule for rule, said in found.items() if said["state"] == NONCOMPLIANT]
    assert counted == [f"apps/{service}"]


def test_what_offices_have_is_nothing_of_the_projects_own_catalogue(project: Path, own_plan: dict[str, Any]) -> None:
    office = yaml.safe_load((project / "tests/catalog/office_programs.yml").read_text())
    running = [(image, 4) for image in office["windows_processes"]]
    found = rules({}, own_plan, ["apps"], tasks=running, **GOOD)
    assert [rule for rule, said in found.items() if said["state"] == NONCOMPLIANT] == []


def test_each_service_is_counted_as_far_as_the_catalogue_knows_its_programs(own_plan: dict[str, Any]) -> None:
    found = rules({}, own_plan, ["apps"], **GOOD)
    states: dict[str, int] = {}
    for id_, entry in own_plan["controls"]["apps"]["services"].items():
        if entry["mode"] in RESTRICTED:
            lacks = apps.lacking(entry)
            expected = NOT_APPLICABLE if lacks is None else UNKNOWN if lacks else COMPLIANT
            assert found.get(f"apps/{id_}", {"state": COMPLIANT})["state"] == expected, id_
            states[expected] = states.get(expected, 0) + 1
    assert states[COMPLIANT] > 80 and states[NOT_APPLICABLE] > 100 and states[UNKNOWN] < 20


IMAGE = {"windows_processes": ["Parrot.exe"]}
INSTALLER = {"windows_registered": {"keys": ["Parrot"]}}
APP = {"windows_packages": {"winget": ["msstore:9NT1R1C2HH7J"], "appx": ["Example.Parrot"]}}


@pytest.mark.parametrize(
    ("known", "expected", "why"),
    [
        ({}, NOT_APPLICABLE, "nothing known to look for"),
        ({"windows_packages": {"winget": ["Example.Parrot"]}}, NOT_APPLICABLE, "nothing known to look for"),
        (IMAGE, UNKNOWN, "what its installer registers"),
        (INSTALLER, UNKNOWN, "no image name of it"),
        (APP, UNKNOWN, "no image name of it"),
        ({**IMAGE, "windows_packages": {"winget": ["msstore:9NT1R1C2HH7J"]}}, UNKNOWN, "the Microsoft Store"),
        ({**IMAGE, **INSTALLER}, COMPLIANT, ""),
        ({**IMAGE, **APP}, COMPLIANT, ""),
        ({**IMAGE, "windows": ["Parrot/Parrot.exe"]}, COMPLIANT, ""),
    ],
)
def test_only_what_could_be_looked_for_in_both_places_is_compliant(
    known: dict[str, Any], expected: str, why: str
) -> None:
    """Installed and running: a program that nobody can name while it runs is not absent."""
    entry = {"name": "Parrot", "mode": "enforce", "packages": {}, "processes": [], "paths": [], **known}
    found = rules({}, plan({"parrot": entry}), **GOOD).get("apps/parrot", {"state": COMPLIANT, "reason": ""})
    assert found["state"] == expected and why in found["reason"]


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


def test_policies_of_the_plan_are_in_effect_in_every_installed_browser() -> None:
    compiled = plan()
    found = record({**BROWSERS, **policies_of(compiled)}, compiled, ["browser"])
    assert found["browsers"] == ["firefox", "google_chrome", "microsoft_edge"]
    assert {rule["rule"]: rule["state"] for rule in found["rules"]} == {"browser/running": UNKNOWN}
    assert found["controls"]["browser"] == {"evaluated": 8, "not_applicable": 1}


@pytest.mark.parametrize("missing", [CHROME, EDGE, FIREFOX])
def test_a_browser_without_policies_is_noncompliant_by_its_key(missing: str) -> None:
    compiled = plan()
    values = {key: said for key, said in policies_of(compiled).items() if not key.startswith(missing)}
    found = rules({**BROWSERS, **values}, compiled, ["browser"])
    for rule in ("browser/wechat", "browser/dns-over-https", "browser/proxies", "browser/policy-file"):
        assert found[rule]["state"] == NONCOMPLIANT, rule
        assert [finding["path"] for finding in found[rule]["findings"]] == [missing]
        assert "no policy is set" in found[rule]["findings"][0]["detail"]


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


@pytest.mark.parametrize(
    "values",
    [
        changed(
            CHROME, ("HomepageLocation", "REG_SZ", "https://intranet.example"), ("ShowHomeButton", "REG_DWORD", "0x1")
        ),
        changed(f"{CHROME}\\URLBlocklist", ("77", "REG_SZ", "other.example")),
        changed(f"{FIREFOX}\\Homepage", ("URL", "REG_SZ", "https://intranet.example")),
        changed(CHROME, ("ProxyMode", "REG_SZ", "fixed_servers"), ("ProxyServer", "REG_SZ", "proxy.example:3128")),
        changed(CHROME, ("dnsoverhttpsmode", "REG_SZ", "off"), without="DnsOverHttpsMode"),
    ],
)
def test_what_the_organisation_sets_beside_the_plan_is_its_own(values: Values) -> None:
    assert rules(values, plan(), ["browser"]).keys() == {"browser/running"}


CHROMIUM = "C:\\Users\\alice\\AppData\\Local\\Chromium\\Application\\chrome.exe,0"


def registered_browser(name: str, program: str, hive: str = "HKLM") -> Values:
    key = f"{hive}\\Software\\Clients\\StartMenuInternet\\{name}\\shell\\open\\command"
    return {key: [("", "REG_SZ", program)]}


@pytest.mark.parametrize(
    ("values", "tasks", "known"),
    [
        ({}, ["brave.exe"], "brave"),
        (installed("{1}", DisplayIcon=CHROMIUM), [], "chromium"),
        (installed("{1}", f"HKU\\{ALICE}", DisplayIcon=CHROMIUM), [], "chromium"),
        (app_path("firefox.exe"), [], "firefox"),
        (app_path("chrome.exe", f"HKU\\{ALICE}", CHROMIUM.removesuffix(",0")), [], "chromium"),
        (app_path("BRAVE.EXE", f"HKU\\{ALICE}"), [], "brave"),
        (registered_browser("Firefox-1", "C:\\Users\\a\\firefox.exe", f"HKU\\{ALICE}"), [], "firefox"),
    ],
)
def test_browsers_are_found_for_the_machine_and_for_a_user(values: Values, tasks: list[str], known: str) -> None:
    running = [(image, 4) for image in tasks] or [("System", 4)]
    found = record(values, plan(), ["browser"], tasks=running)
    assert found["browsers"] == [known]
    assert {rule["rule"]: rule["state"] for rule in found["rules"]}["browser/policy-file"] == NONCOMPLIANT


@pytest.mark.parametrize(
    ("values", "tasks", "others"),
    [
        (registered_browser("OperaStable", "C:\\Opera\\launcher.exe"), [], ["OperaStable"]),
        (registered_browser("OperaStable", "C:\\Opera\\opera.exe", f"HKU\\{ALICE}"), ["opera.exe"], ["OperaStable"]),
        (installed("Opera 135.0", f"HKU\\{ALICE}", DisplayName="Opera Stable 135.0"), [], ["Opera Stable 135.0"]),
        (installed("Vivaldi", f"HKU\\{ALICE}", DisplayIcon="C:\\Users\\a\\vivaldi.exe,0"), [], ["vivaldi.exe"]),
        (app_path("vivaldi.exe", f"HKU\\{ALICE}"), [], ["vivaldi.exe"]),
        ({}, ["Opera.exe", "vivaldi.exe", "vivaldi.exe"], ["opera.exe", "vivaldi.exe"]),
        (installed("{1}", DisplayName="Operation Manual", Publisher="x"), ["operator.exe"], []),
        (registered_browser("IEXPLORE.EXE", "C:\\x\\iexplore.exe"), [], []),
    ],
)
def test_browsers_that_no_policy_reaches_are_found_where_a_user_installed_them_and_while_they_run(
    values: Values, tasks: list[str], others: list[str]
) -> None:
    running = [(image, 4) for image in tasks] or [("System", 4)]
    found = rules(values, plan(), ["browser"], tasks=running).get("browser/policy-file", {"findings": []})
    named = [finding["id"] for finding in found["findings"]]
    assert named == others
    assert ("state" in found and found["state"] == NONCOMPLIANT) == bool(named)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"refused": [f"HKU\\{ALICE}\\Software"]}, "the list of browsers of a user cannot be read"),
        ({"profiles": (ALICE, BOB)}, "what a user who is not logged in installed"),
        ({"architecture": ["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"]}, "a program of 32 bits"),
    ],
)
def test_browsers_that_nobody_could_see_are_unknown(named: dict[str, Any], why: str) -> None:
    compiled = plan()
    found = rules({**BROWSERS, **policies_of(compiled)}, compiled, ["browser"], **named)["browser/policy-file"]
    assert (found["state"], why in found["reason"]) == (UNKNOWN, True)


def test_without_any_browser_nothing_of_it_applies_and_nothing_is_compliant() -> None:
    found = record({}, plan(), ["browser"])
    assert found["controls"]["browser"]["evaluated"] == found["controls"]["browser"]["not_applicable"] > 0
    unread = rules({}, plan(), ["browser"], refused=["HKLM\\Software\\Clients\\StartMenuInternet"])
    assert {unread[rule]["state"] for rule in ("browser/wechat", "browser/policy-file")} == {UNKNOWN}


def test_controls_that_are_not_observed_there_are_unknown_rule_by_rule() -> None:
    more = {
        "firewall": {
            "mode": "enforce",
            "services": {"wechat": {**SITES, "networks": ["192.0.2.0/24"]}},
            "settings": {},
        },
        "dns": {"mode": "enforce", "services": {"wechat": SITES}, "settings": {}},
    }
    found = record({}, plan(**more), **GOOD)
    states = {rule["rule"]: (rule["state"], rule["reason"]) for rule in found["rules"]}
    assert states["firewall/wechat"] == (UNKNOWN, "firewall is not observed on Windows")
    assert states["dns/wechat"] == (UNKNOWN, "dns is not observed on Windows")
    assert found["state"] == UNKNOWN
    assert found["platform"] == {"os": "windows", "version": "10.0.22631.4317", "architecture": "AMD64"}


@pytest.mark.parametrize(("gate", "failed"), [("never", False), ("noncompliant", True), ("incomplete", True)])
def test_a_gate_holds_for_a_windows_host_too(gate: str, failed: bool) -> None:
    made = observing.observe(plan(), answered({}, tasks=[("WeChat.exe", 3)], **GOOD), ["apps"], time.monotonic())
    answer = dict(observing.answered(made, gate))
    assert (bool(answer.pop("failed", False)), bool(answer.pop("msg", ""))) == (failed, failed)
    assert answer == {"changed": False, "record": made, "drifted": [], "privileged": False}


def test_what_users_named_their_programs_stays_printable() -> None:
    values = installed("{1}", f"HKU\\{ALICE}", DisplayName="微信\x1b[31m", InstallLocation="C:\\Tencent\\WeChat")
    [finding] = rules(values, **GOOD)["apps/wechat"]["findings"]
    assert all(text is None or text.isprintable() for text in finding.values())
    assert finding["scope"] == f"user:{ALICE}"


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


def test_a_plan_that_somebody_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="digest"):
        observing.observe({**plan(), "contact": "x"}, answered(), (), time.monotonic())
    sealed(plan())
