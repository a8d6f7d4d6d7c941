"""Rules of a Windows host, judged from its answer: programs, policies, AppLocker, and unread places."""

import datetime
import time
from pathlib import Path

import pytest
import windows_answers as answers
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_section
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.windows import applocker, host_record, registry
from proscribe.controller.windows import command_line as keys
from proscribe.controller.windows.answer_reader import parse_answer
from proscribe.controller.windows.applocker import APPLOCKER_RULE
from proscribe.host.controls.group_policy.applocker_rules import list_registry_entries
from proscribe.host.controls.group_policy.registry_pol import decode_entry, make_number_entry, make_text_entry
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding
from proscribe.model.plan import add_digest
from proscribe.wire.answers import results
from well_known import SHARED_IMAGES, WELL_KNOWN
from windows_answers import ALICE, BOB, MARK, NOTHING, WECHAT, answered, device_package, installed, plan, started

WINE = Path(__file__).parents[1] / "recorded/windows/wine_10.txt"
CHROME, EDGE, FIREFOX = (
    f"{keys.POLICIES_KEY}\\{name}" for name in ("Google\\Chrome", "Microsoft\\Edge", "Mozilla\\Firefox")
)
AWAY = "what a user who is not logged in installed"
WOW64 = {"architecture": ["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"]}
NEW = "TencentWeChatLimited.WeChatUWP_2.0.0.0_x64__sdtnhv12zgd7a"
OTHER = "Microsoft.Paint_11.0.0.0_x64__8wekyb3d8bbwe"
FOLDER = "C:\\Users\\alice\\Downloads"
NAMED_SO = ["2414FC7A.Viber", "C27EB4BA.ViberOEM", "Example.Viber", "Example.ViberDesktop", "viber"]
PORTABLE = f"{FOLDER}\\WeChat.exe"
_PATH = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=60)
SERVICES = {one.service for one in WELL_KNOWN}


def rules(values=NOTHING, compiled=None, only=(), **named):
    return {rule["rule"]: rule for rule in record(values, compiled, only, **named)["rules"]}


def record(values=NOTHING, compiled=None, only=(), **named):
    made = host_record.observe_windows_host(compiled or plan(), answered(values, **named), only, time.monotonic())
    result = results.read_observation(host_record.make_module_result(made, "never"))
    assert result["drifted"] == [] and result["changed"] is False
    return dict(result["record"])


UNSEEN = [
    ({"profiles": (ALICE, BOB)}, AWAY),
    ({"profiles": (ALICE, BOB, BOB + "1")}, "what 2 users who are not logged in installed"),
    ({"tasks": ()}, "the programs that run cannot be listed"),
    ({"refused": [f"HKU\\{ALICE}\\Software\\Microsoft\\Windows\\CurrentVersion"]}, "uninstall keys of a user"),
    ({"refused": ["HKU"]}, "which users the host has"),
    ({"refused": [f"HKU\\{ALICE}\\{keys.APP_PACKAGES_KEY}"]}, "the app packages of a user who is logged in"),
    ({"refused": [f"HKU\\{ALICE}\\{keys.STARTED_KEY}"]}, "what a user who is logged in has started"),
    ({"refused": ["HKLM\\Software\\Microsoft\\Windows\\CurrentVersion"]}, "(App Paths) of the machine"),
    (WOW64, "a program of 32 bits"),
]


@pytest.mark.parametrize(("named", "why"), UNSEEN)
def test_place_that_could_not_be_seen_is_unknown_and_never_compliant(named, why):
    found = rules({}, **named)["apps/wechat"]
    assert found["state"] == UNKNOWN and why in found["reason"]
    there = installed("{1}", DisplayIcon="C:\\Tencent\\WeChat\\WeChat.exe")
    assert rules(there, **named)["apps/wechat"]["state"] == NONCOMPLIANT


LOST_NAMES = [
    installed("{1}", DisplayName="\u5fae\u4fe1"),
    installed("{1}", DisplayName="x", Publisher="\u817e\u8baf"),
    installed("\u5fae\u4fe1", f"HKU\\{ALICE}", DisplayName="x"),
    started(f"{FOLDER}\\x.exe", "\u5fae\u4fe1"),
]


@pytest.mark.parametrize("values", LOST_NAMES)
@pytest.mark.parametrize("encoding", ["cp437", "ascii", "cp1252"])
def test_names_whose_letters_a_code_page_lacks_are_unknown_for_services_with_names_in_their_own_script(
    values, encoding
):
    found = rules(values, code_page=["437"], encoding=encoding)
    assert (
        found["apps/wechat"]["state"] == UNKNOWN
        and "letters that do not come through" in found["apps/wechat"]["reason"]
    )
    assert "apps/telegram" not in found  # all its names are in Latin letters
    plain = rules(installed("{1}", DisplayName="Owl"), code_page=["437"], encoding=encoding)
    assert "apps/wechat" not in plain  # no letter was lost


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"refused": [f"HKU\\{ALICE}\\Software"]}, "the list of browsers of a user cannot be read"),
        ({"profiles": (ALICE, BOB)}, AWAY),
        (WOW64, "a program of 32 bits"),
    ],
)
def test_browsers_that_could_not_be_seen_are_unknown(named, why):
    compiled = plan()
    found = rules({**answers.BROWSERS, **answers.policies_of(compiled)}, compiled, ["browser"], **named)[
        "browser/policy-file"
    ]
    assert found["state"] == UNKNOWN and why in found["reason"]


@pytest.mark.parametrize(
    "values",
    [
        installed("{1}", f"HKU\\{ALICE}", DisplayName="x" * 400),
        {f"HKU\\{ALICE}\\{keys.UNINSTALL_KEY}" + "\\x" * 130: [("DisplayName", "REG_SZ", "x")]},
    ],
)
def test_too_much_of_one_user_is_unknown_and_hides_nothing_else(values, monkeypatch):
    monkeypatch.setattr(registry, "MAX_TEXT_LENGTH", 300)
    found = rules(values)["apps/wechat"]
    assert found["state"] == UNKNOWN and "uninstall keys of a user" in found["reason"]
    there = installed("{1}", InstallLocation="C:\\Program Files\\Tencent\\WeChat")
    assert rules({**values, **there})["apps/wechat"]["state"] == NONCOMPLIANT


def test_controls_of_windows_that_nobody_can_observe_are_listed_rule_by_rule_and_do_not_count():
    service = {"name": "WeChat", "domains": ["wechat.example"], "urls": [], "networks": ["192.0.2.0/24"]}
    section = make_section("dns", {"wechat": service})
    found = record({}, plan(firewall=section, dns=section))
    states = {rule["rule"]: (rule["state"], rule["reason"]) for rule in found["rules"]}
    for control in ("firewall", "dns"):
        reason = f"not observable here: {control} is not observed on Windows"
        assert states[f"{control}/wechat"] == (NOT_APPLICABLE, reason)
    assert found["state"] == COMPLIANT  # by what can be observed: its apps and its browsers
    assert found["platform"] == {"os": "windows", "version": "10.0.22631.4317", "architecture": "AMD64"}


@pytest.mark.parametrize(("gate", "failed"), [("never", False), ("noncompliant", True), ("incomplete", True)])
def test_gate_holds_for_a_windows_host(gate, failed):
    made = host_record.observe_windows_host(plan(), answered({}, tasks=[("WeChat.exe", 3)]), ["apps"], time.monotonic())
    answer = dict(host_record.make_module_result(made, gate))
    assert (bool(answer.pop("failed", False)), bool(answer.pop("msg", ""))) == (failed, failed)
    assert answer == {"changed": False, "record": made, "drifted": [], "privileged": False}


def test_plan_that_somebody_changed_is_refused():
    with pytest.raises(ValueError, match="digest"):
        host_record.observe_windows_host({**plan(), "contact": "x"}, answered(), (), time.monotonic())


IMAGE, INSTALLER = {"windows_processes": ["Parrot.exe"]}, {"windows_registered": {"keys": ["Parrot"]}}
STORE = {"windows_packages": {"winget": ["msstore:9NT1R1C2HH7J"]}}
APP = {"windows_packages": {**STORE["windows_packages"], "appx": ["Example.Parrot"]}}


@pytest.mark.parametrize(
    ("known", "expected", "why"),
    [
        ({}, NOT_APPLICABLE, "nothing known to look for"),
        ({"windows_packages": {"winget": ["Example.Parrot"]}}, NOT_APPLICABLE, "nothing known to look for"),
        (IMAGE, NOT_APPLICABLE, "not observable here: the catalogue does not have what its installer registers"),
        (INSTALLER, NOT_APPLICABLE, "not observable here: the catalogue has no image name of it"),
        (
            {**IMAGE, **STORE},
            NOT_APPLICABLE,
            "not observable here: the catalogue has no package name of its app of the",
        ),
        ({**IMAGE, **INSTALLER}, COMPLIANT, ""),
        ({**IMAGE, **APP}, COMPLIANT, ""),
        ({**IMAGE, "windows": ["Parrot/Parrot.exe"]}, COMPLIANT, ""),
    ],
)
def test_only_program_that_can_be_seen_installed_and_running_is_compliant(known, expected, why):
    entry = {"name": "Parrot", "mode": "enforce", "packages": {}, "processes": [], "paths": [], **known}
    found = rules({}, plan({"parrot": entry})).get("apps/parrot", {"state": COMPLIANT, "reason": ""})
    assert found["state"] == expected and why in found["reason"]


def test_running_program_is_named_with_its_processes():
    [process] = rules({}, tasks=[("wechat.exe", 7), ("wechat.exe", 9)])["apps/wechat"]["findings"]
    detail = "pid 7 and 1 more, known by its image's name alone"
    assert (process["kind"], process["id"], process["detail"]) == ("process", "wechat.exe", detail)


def test_a_portable_program_that_winget_installed_is_found_by_its_id_alone():
    entry = {**answers.TELEGRAM, "windows_processes": [], "windows_registered": {}}
    there = installed("Telegram.TelegramDesktop_Microsoft.Winget.Source_8wekyb3d8bbwe", DisplayName="x")
    assert rules(there, plan({"telegram": entry}))["apps/telegram"]["state"] == NONCOMPLIANT


def test_a_waiver_for_users_or_hours_opens_nothing_that_the_host_cannot_show():
    icon = installed("{1}", DisplayIcon="C:\\Tencent\\WeChat\\WeChat.exe", DisplayVersion="3.9")
    always = {**WECHAT, "mode": "waived", "waiver": "W-1"}
    assert rules(icon, plan({"wechat": always}))["apps/wechat"]["state"] == "waived"
    users = {**WECHAT, "exceptions": [{"waiver": "W-1", "users": ["alice"]}]}
    assert rules(icon, plan({"wechat": users}))["apps/wechat"]["state"] == NONCOMPLIANT
    version = {**WECHAT, "exceptions": [{"waiver": "W-1", "versions": ["3.9"]}]}
    assert rules(icon, plan({"wechat": version}))["apps/wechat"]["state"] == "waived"
    hours = {**always, "hours": [[day, 0, 1440] for day in range(7)], "otherwise": "enforce"}
    found = rules(icon, plan({"wechat": hours}))["apps/wechat"]
    assert found["state"] == UNKNOWN and found["findings"]
    assert found["reason"].startswith("a waiver (W-1) opens it at some hours")
    assert "apps/wechat" not in rules({}, plan({"wechat": hours}))
    parts = [{"hours": [[0, 0, 1440]]}, {"users": [], "posix_groups": ["it"]}, {"users": ["bob"]}]
    some = {**hours, "exceptions": [{"waiver": f"W-{number}", **part} for number, part in enumerate(parts, 2)]}
    assert rules(icon, plan({"wechat": some}))["apps/wechat"]["reason"].startswith("a waiver (W-1, W-2, W-3) ")


def test_policies_of_the_plan_are_in_effect_in_every_installed_browser():
    compiled = plan()
    found = record({**answers.BROWSERS, **answers.policies_of(compiled)}, compiled, ["browser"])
    assert found["browsers"] == ["firefox", "google_chrome", "microsoft_edge"]
    assert {rule["rule"]: rule["state"] for rule in found["rules"]} == {"browser/running": NOT_APPLICABLE}
    assert found["controls"]["browser"] == {"evaluated": 8, "not_applicable": 2} and found["state"] == COMPLIANT


@pytest.mark.parametrize("missing", [CHROME, EDGE, FIREFOX])
def test_a_browser_without_policies_is_noncompliant_by_its_key(missing):
    compiled = plan()
    values = {key: said for key, said in answers.policies_of(compiled).items() if not key.startswith(missing)}
    found = rules({**answers.BROWSERS, **values}, compiled, ["browser"])
    seen = {name: [(one["path"], one["detail"]) for one in rule["findings"]] for name, rule in found.items()}
    closed = ("dns-over-https", "extensions", "policy-file", "proxies", "proxy-extensions", "wechat")
    assert {name for name, rule in found.items() if rule["state"] == NONCOMPLIANT} <= {
        f"browser/{id_}" for id_ in closed
    }
    assert {path for name in seen for path, _ in seen[name]} == {missing}
    assert [seen[f"browser/{id_}"][0][1] for id_ in closed[2:4]] == ["no policy is set"] * 2


def changed(key, *said, without=""):
    """The browsers with the plan's policies, but for some values of a key."""
    values = dict(answers.policies_of(plan()))
    names = {name for name, _, _ in said} | {without}
    values[key] = [one for one in values.get(key, []) if one[0] not in names] + list(said)
    return {**answers.BROWSERS, **values}


@pytest.mark.parametrize(
    "values",
    [
        changed(CHROME, ("HomepageLocation", "REG_SZ", "https://x.example"), ("ShowHomeButton", "REG_DWORD", "0x1")),
        changed(f"{CHROME}\\URLBlocklist", ("77", "REG_SZ", "other.example")),
        changed(CHROME, ("ProxyMode", "REG_SZ", "fixed_servers"), ("ProxyServer", "REG_SZ", "proxy.example:3128")),
        changed(CHROME, ("dnsoverhttpsmode", "REG_SZ", "off"), without="DnsOverHttpsMode"),
    ],
)
def test_policy_of_the_organisation_beside_the_plan_is_its_own(values):
    assert rules(values, plan(), ["browser"]).keys() == {"browser/running"}


def test_a_key_that_cannot_be_read_is_unknown():
    compiled = plan()
    values = {**answers.BROWSERS, **answers.policies_of(compiled)}
    found = rules(values, compiled, ["browser"], refused=[f"{keys.POLICIES_KEY}\\Google"])
    assert found["browser/wechat"]["state"] == UNKNOWN
    assert "HKLM\\Software\\Policies\\Google\\Chrome cannot be read" in found["browser/wechat"]["reason"]


@pytest.mark.parametrize(
    ("values", "rule", "words"),
    [
        (changed(CHROME, ("DnsOverHttpsMode", "REG_SZ", "automatic")), "dns-over-https", "DnsOverHttpsMode to"),
        (changed(f"{CHROME}\\URLBlocklist", without="1"), "wechat", "wechat.example"),
        (changed(f"{EDGE}\\URLAllowlist", ("9", "REG_SZ", "wechat.example")), "wechat", "another policy allows"),
        (changed(f"{FIREFOX}\\WebsiteFilter\\Exceptions", ("7", "REG_SZ", "*://*.wechat.example/*")), "wechat", ""),
        ({**changed(FIREFOX), f"{FIREFOX}\\WebsiteFilter\\Exceptions": []}, "wechat", "wechat.example"),
        (changed(CHROME, ("ExtensionSettings", "REG_SZ", "{not json")), "proxy-extensions", ""),
    ],
)
def test_change_in_the_registry_is_named(values, rule, words):
    found = rules(values, plan(), ["browser"])[f"browser/{rule}"]
    assert found["state"] == NONCOMPLIANT and words in str(found["findings"])


def test_the_record_of_a_real_registry_says_what_is_installed_and_runs_there():
    answer = WINE.read_bytes().replace(b"MARK", MARK.encode())
    made = host_record.observe_windows_host(plan(), parse_answer(answer, MARK), (), time.monotonic())
    found = {rule["rule"]: rule for rule in made["rules"]}
    kinds = [finding["kind"] for finding in found["apps/wechat"]["findings"]]
    assert kinds == ["package", "process"] and found["browser/wechat"]["state"] == NONCOMPLIANT
    telegram = [(finding["kind"], finding["detail"]) for finding in found["apps/telegram"]["findings"]]
    assert telegram[0] == ("package", "known by its names alone")
    assert telegram[1:] == [("file", "a user has started it, known by its names alone")]
    [collection, *_] = [one for one in found["apps/applocker"]["findings"] if one["id"] == "AppLocker Exe"]
    assert str(collection["detail"]).startswith("it only logs (AuditOnly), 1 rule")


def together(*parts):
    """Values of several keys, those of one key behind each other."""
    found = {}
    for part in parts:
        for key, values in part.items():
            found.setdefault(key, []).extend(values)
    return found


def observe_rule(values, service="wechat", entry=None, **named):
    services = {"wechat": {**WECHAT, **(entry or {})}, "telegram": {**answers.TELEGRAM, **(entry or {})}}
    compliant = {"state": COMPLIANT, "findings": [], "reason": None}
    return rules(values, plan(services), ["apps"], **named).get(f"apps/{service}", compliant)


def test_the_device_shows_the_apps_of_those_who_are_not_logged_in_and_of_those_whose_list_is_closed():
    closed = [f"HKU\\{ALICE}\\{keys.APP_PACKAGES_KEY}"]
    why = "the app packages of a user who is logged in"
    assert why in observe_rule({}, refused=closed)["reason"]
    assert observe_rule(device_package(OTHER), refused=closed)["state"] == COMPLIANT
    away = observe_rule(device_package(NEW), profiles=(ALICE, BOB))
    assert (away["state"], away["findings"][0]["scope"]) == (NONCOMPLIANT, "system")
    assert (
        observe_rule({}, refused=[*closed, keys.DEVICE_PACKAGES_KEY, keys.ALL_USERS_PACKAGES_KEY])["state"] == UNKNOWN
    )


def test_user_who_never_had_a_desktop_has_started_nothing():
    """The account of the audit is one: its part of the registry has none of these keys."""
    none = [f"HKU\\{ALICE}\\{key}" for key in (keys.SHELL_KEY, keys.STARTED_KEY)]
    assert observe_rule({}, refused=none)["state"] == COMPLIANT
    for closed in (f"HKU\\{ALICE}\\Software", "HKU"):
        assert observe_rule({}, refused=[*none, closed])["state"] == UNKNOWN


@pytest.mark.parametrize(
    "values",
    [
        together(answers.app_package(NEW, on_device=False), device_package(OTHER)),  # the list of the user keeps it
        together(answers.package_of_all(NEW, BOB), device_package(OTHER)),
        answers.package_of_all(NEW, "Deleted"),
        answers.package_of_all(NEW, f"EndOfLife\\{ALICE}"),
        device_package("TencentWeChatLimited.WeChatUWP_2.0.0.0_x64__8wekyb3d8bbwe"),  # of another publisher
        started(f"C:\\Program Files\\WindowsApps\\{NEW}\\WeChat.exe") | device_package(OTHER),
    ],
)
def test_app_that_is_gone_or_never_was_is_compliant(values):
    assert observe_rule(values)["state"] == COMPLIANT


VIBER = {"name": "Viber", "windows_packages": {}, "windows_registered": {"keys": ["x"]}}
VIBER |= {"windows_processes": ["Viber.exe"]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [*((name, UNKNOWN) for name in NAMED_SO), ("Example.Viberation", COMPLIANT), ("Viber.Example", COMPLIANT)],
)
def test_an_app_that_is_called_as_a_service_without_a_known_app_is_unknown_and_named(name, expected):
    found = observe_rule(answers.app_package(f"{name}_1.0.0.0_x64__p61zvh252yqyr"), "telegram", VIBER)
    assert found["state"] == expected
    if expected == UNKNOWN:
        assert found["reason"] == "whether an app package that is called as it is one of its own is not known"
        finding = found["findings"][0]
        assert (finding["id"], finding["detail"]) == (name, "the catalogue has no app package of it")


def test_installed_program_that_was_started_is_named_once():
    folder = "C:\\Program Files\\Tencent\\WeChat"
    there = installed("WeChat", DisplayName="WeChat", DisplayVersion="3.9", InstallLocation=folder)
    icon = installed("WeChat", DisplayName="WeChat", DisplayVersion="3.9", DisplayIcon=f"{folder}\\WeChat.exe,0")
    notes = started(f"{folder}\\WeChat.exe") | answers.started_lately(
        "\\Device\\HarddiskVolume3" + folder[2:] + "\\WeChat.exe"
    )
    for registered in (there, icon):
        seen = together(registered, notes, answers.app_path("WeChat.exe", path=f"{folder}\\WeChat.exe"))
        assert len(observe_rule(seen)["findings"]) == 1
        version = {"exceptions": [{"waiver": "W-1", "versions": ["3.9"]}]}
        assert observe_rule(seen, entry=version)["state"] == "waived"
        elsewhere = observe_rule(together(seen, started(PORTABLE)), entry=version)
        assert (elsewhere["state"], elsewhere["findings"][0]["path"]) == (UNKNOWN, PORTABLE)


CHAT = {"name": "Chat", "windows_packages": {}, "windows": ["Chatters/Chat.exe"], "windows_processes": []}
CHAT |= {"windows_shared_processes": ["Chat.exe"], "windows_registered": {"names": ["Chat by Chatters Inc"]}}
LAN_CHAT = "C:\\Program Files\\LAN Chat"
BESIDE = installed("LAN Chat", DisplayName="LAN Chat", Publisher="Others", DisplayIcon=f"{LAN_CHAT}\\Chat.exe")
IN_A_ROOT = installed("x", DisplayName="Chat CAD", Publisher="Others", InstallLocation="C:\\CAD")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, UNKNOWN),  # it runs, and nobody knows where it is
        (BESIDE, COMPLIANT),
        (answers.app_path("Chat.exe", path=f"{LAN_CHAT}\\Chat.exe"), COMPLIANT),
        (started(f"{LAN_CHAT}\\Chat.exe"), COMPLIANT),
        (together(IN_A_ROOT, answers.started_lately("\\Device\\HarddiskVolume3\\CAD\\Chat.exe")), COMPLIANT),
        (started("D:\\x\\Chat.exe", "Chat", "Others"), COMPLIANT),
        (answers.started_lately("\\Device\\HarddiskVolume3\\x\\Chat.exe"), UNKNOWN),
        (together(BESIDE, started(f"{FOLDER}\\Chat.exe")), UNKNOWN),
        (together(BESIDE, started(f"{FOLDER}\\Chat.exe", "Chat", "Chatters Inc.")), UNKNOWN),
        (answers.app_path("Chat.exe", path="D:\\Chatters\\Chat.exe"), NONCOMPLIANT),
    ],
)
def test_running_program_with_a_shared_name_is_judged_by_path_and_publisher(values, expected):
    rule = observe_rule(values, "telegram", CHAT, tasks=[("System", 4), ("chat.exe", 7)])
    assert rule["state"] == expected
    assert expected == COMPLIANT or "chat.exe" in [finding["id"].casefold() for finding in rule["findings"]]


@given(st.lists(st.tuples(_PATH, _PATH, _PATH), max_size=6))
def test_no_note_of_a_user_does_anything_but_be_read(notes):
    values = together(*(started(*note) for note in notes), *(answers.started_lately(path) for path, _, _ in notes))
    for one in observe_rule(values)["findings"]:
        assert all(text is None or text.isprintable() for text in one.values())


@pytest.fixture(scope="module")
def own_plan(own_catalogue):
    chosen = {"proscribe_categories": [], "proscribe_services_include": sorted(SERVICES)}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    enforced = {id_ for id_, one in compiled["controls"]["apps"]["services"].items() if one["mode"] == "enforce"}
    assert enforced == SERVICES and len(SERVICES) == 14
    return add_digest({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


def rules_of_well_known(own_plan, values, **named):
    """Return the rules that are not plainly compliant, by service."""
    found = rules(values, own_plan, ["apps"], **named)
    return {name.partition("/")[2]: rule for name, rule in found.items()}


def test_without_any_of_them_a_host_is_compliant(own_plan):
    assert not SERVICES & rules_of_well_known(own_plan, {}).keys()


def with_key(known):
    values = {"DisplayName": known.name, "Publisher": known.publisher, "InstallLocation": known.folder}
    return installed(known.key, **values, UninstallString=f"{known.folder}\\uninstall.exe")


PRESENCES = {  # by how a program is there: values of the registry, what names it, and the state
    "installed": (with_key, "name", NONCOMPLIANT),
    "running": (lambda known: {}, "image", NONCOMPLIANT),
    "app": (lambda known: answers.app_package(known.package), "family", NONCOMPLIANT),
    "app of a new user": (lambda known: answers.package_of_all(known.package), "family", NONCOMPLIANT),
    "own path": (lambda known: answers.app_path(known.image, path=f"D:\\x\\{known.image}"), "image", NONCOMPLIANT),
    "portable": (lambda known: started(f"D:\\x\\{known.image}", known.name, known.publisher), "name", UNKNOWN),
    "portable of another user": (lambda known: answers.started_lately(f"D:\\x\\{known.image}", BOB), "image", UNKNOWN),
}


@pytest.mark.parametrize("presence", PRESENCES)
@pytest.mark.parametrize("known", WELL_KNOWN, ids=lambda known: known.service)
def test_well_known_program_is_named_or_unknown_and_never_compliant(own_plan, known, presence):
    make, naming, state = PRESENCES[presence]
    if naming == "image" and known.image in SHARED_IMAGES:
        state = UNKNOWN  # programs of others have that name
    tasks = [("System", 4), *[(known.image, 7)] * (presence == "running")]
    users = (ALICE, BOB) if presence == "portable of another user" else (ALICE,)
    found = rules_of_well_known(own_plan, make(known), tasks=tasks, profiles=users)
    rule = found.pop(known.service)
    entry = own_plan["controls"]["apps"]["services"][known.service]
    if naming == "family" and not entry.get("windows_packages", {}).get("appx"):
        state = UNKNOWN  # the catalogue has no app of it
    name = known.package.partition("_")[0] if naming == "family" else getattr(known, naming)
    assert rule["state"] == state and name in [finding["id"] for finding in rule["findings"]]
    assert all(found[service]["findings"] == [] for service in SERVICES & found.keys())


KEY = keys.APPLOCKER_HOST_KEY.partition("\\")[2]
IDS = [f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(4)]
RUNS = {"applier": [("svchost.exe", 1234)]}
NO_START = {"AppIDSvc": "it does not start with Windows"}
_TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=80)


def rule(id_, path, name="Proscribe: wechat"):
    head = f'<FilePathRule Id="{id_}" Name="{name}" Description="" UserOrGroupSid="S-1-1-0" Action="Deny">'
    return f'{head}<Conditions><FilePathCondition Path="{path}"/></Conditions></FilePathRule>'


def policy(mode=1):
    return [
        make_number_entry(f"{KEY}\\Exe", "EnforcementMode", mode),
        make_text_entry(f"{KEY}\\Exe\\{IDS[0]}", "Value", rule(IDS[0], "*")),
        make_text_entry(f"{KEY}\\Exe\\{IDS[1]}", "Value", rule(IDS[1], "*\\WeChat.exe")),
        make_number_entry(f"{KEY}\\Appx", "EnforcementMode", mode),
        make_text_entry(f"{KEY}\\Appx\\{IDS[2]}", "Value", rule(IDS[2], "*")),
    ]


def arrived(entries, start="0x2"):
    """What a policy leaves in the registry, and how the service starts."""
    found = {keys.APPLIER_KEY: [("Start", "REG_DWORD", start)]}
    for entry in entries:
        said = decode_entry(entry)
        type_, data = ("REG_DWORD", hex(said)) if isinstance(said, int) else ("REG_SZ", str(said))
        found.setdefault(f"HKLM\\{entry.key}", []).append((entry.value_name, type_, data))
    return found


def verdicts(values=NOTHING, desired_mode="enforce", desired=(), **named):
    return applocker.compare_applocker(desired_mode, list(desired), "enforce", answered(values, **{**RUNS, **named}))


def changed_applocker(*without, mode=1, path=""):
    """The policy without some of its entries, or with another mode of programs, or another path."""
    entries = [one for index, one in enumerate(policy()) if index not in without]
    if mode is None:
        return entries[1:]
    entries[0] = make_number_entry(f"{KEY}\\Exe", "EnforcementMode", mode)
    return [*entries, make_text_entry(f"{KEY}\\Exe\\{IDS[1]}", "Value", rule(IDS[1], path))] if path else entries


WITHOUT_ONE, OTHER_PATH = arrived(changed_applocker(2)), arrived(changed_applocker(2, path="*\\Other.exe"))
UNKNOWN_MODE = arrived(policy()) | {f"{keys.APPLOCKER_HOST_KEY}\\Exe": [("EnforcementMode", "REG_SZ", "often")]}


@pytest.mark.parametrize(
    ("values", "named", "expected"),
    [
        (NOTHING, {}, {"AppLocker Exe": "no rule has arrived", "AppLocker Appx": "no rule has arrived"}),
        (arrived(changed_applocker(3, 4)), {}, {"AppLocker Appx": "no rule has arrived"}),
        (arrived(changed_applocker(mode=0)), {}, {"AppLocker Exe": "it only logs (AuditOnly), 2 rules"}),
        (UNKNOWN_MODE, {}, {"AppLocker Exe": "its mode is none that is documented, 2 rules"}),
        (WITHOUT_ONE, {}, {"AppLocker Exe": "it denies (Enabled), 1 rule; 1 of the plan's 2 are not there"}),
        (OTHER_PATH, {}, {"AppLocker Exe": "it denies (Enabled), 2 rules; 1 of the plan's say something else"}),
        (arrived(policy(), "0x3"), {}, {"AppIDSvc": "it does not start with Windows"}),
        (arrived(policy()), {"applier": []}, {"AppIDSvc": "it does not run, so no rule is in effect"}),
    ],
)
def test_difference_of_a_policy_is_named(values, named, expected):
    [verdict] = verdicts(values, desired=policy(), **named)
    found = {finding.id: finding.detail for finding in verdict.findings}
    assert verdict.state == NONCOMPLIANT and {key: found[key] for key in expected} == expected
    assert found.keys() - expected.keys() <= {"AppIDSvc"}


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"refused": [keys.APPLOCKER_HOST_KEY]}, [f"{keys.APPLOCKER_HOST_KEY} cannot be read there"]),
        (
            {"refused": [keys.APPLOCKER_HOST_KEY, keys.APPLIER_KEY]},
            [f"{name} cannot be read there" for name in (keys.APPLOCKER_HOST_KEY, keys.APPLIER_KEY)],
        ),
        ({"applier": [("System", 4), ("svchost.exe", 5)]}, [applocker.UNKNOWN_SERVICE_REASON]),
    ],
)
def test_policy_that_cannot_be_read_is_unknown(named, why):
    [verdict] = verdicts(arrived(policy()), desired=policy(), **named)
    assert (verdict.state, verdict.reason) == (UNKNOWN, "; ".join(why))


def test_a_finding_says_where_in_the_registry_it_is():
    [verdict] = verdicts(arrived(changed_applocker(3, 4), "0x3"), desired=policy())
    appx = Finding(
        "rules", "AppLocker Appx", "windows", path=f"{keys.APPLOCKER_HOST_KEY}\\Appx", detail="no rule has arrived"
    )
    service = Finding("service", "AppIDSvc", "windows", path=keys.APPLIER_KEY, detail=NO_START["AppIDSvc"])
    assert verdict.findings == (appx, service)
    [verdict] = verdicts(arrived([make_text_entry(f"{KEY}\\{'x' * 41}\\{IDS[0]}", "Value", "")]), "off")
    assert [one.id for one in verdict.findings] == [f"AppLocker {'x' * 40}"]


def test_policy_that_nobody_asks_for_is_not_reported():
    assert verdicts(NOTHING, "off") == verdicts(NOTHING, "") == []
    [verdict] = verdicts(arrived(policy()), "off", refused=[keys.APPLOCKER_HOST_KEY])
    reason = f"report only: the plan does not ask AppLocker to deny; {keys.APPLOCKER_HOST_KEY} cannot be read there"
    assert (verdict.state, verdict.reason) == (NOT_APPLICABLE, reason)


def made_plan(mode, **entry):
    services = {"wechat": {**WECHAT, **entry}}
    compiled = plan(services)
    section = compiled["controls"]["apps"]
    section["settings"] = {**section["settings"], "applocker": mode}
    return add_digest({key: value for key, value in compiled.items() if key != "digest"})


def recorded(compiled, values):
    """The rule in a host's record, once it has passed the reader of answers; {} where the record does not list it."""
    said = answered(values, code_page=["65001"], **RUNS)
    made = host_record.observe_windows_host(compiled, said, ["apps"], time.monotonic())
    record = results.read_observation(host_record.make_module_result(made, "never"))["record"]
    assert record["controls"]["apps"]["evaluated"] == 2
    return next((dict(one) for one in record["rules"] if one["rule"] == APPLOCKER_RULE), {})


def test_the_record_says_whether_the_plans_own_policy_has_arrived():
    compiled = made_plan("enforce")
    there = arrived(list_registry_entries(compiled["controls"]["apps"]))
    assert recorded(compiled, there) == {}  # compliant, and only counted
    missing = recorded(compiled, arrived([]))
    assert missing["state"] == NONCOMPLIANT
    assert [finding["id"] for finding in missing["findings"]] == ["AppLocker Exe", "AppLocker Appx"]
    logged = recorded(made_plan("audit"), there)
    assert (logged["state"], logged["findings"][0]["detail"]) == (NOT_APPLICABLE, "it denies (Enabled), 2 rules")
    assert recorded(made_plan("enforce", windows_processes=["a%b.exe"]), there)["state"] == UNKNOWN


@given(_TEXT, _TEXT, st.sampled_from(["0x0", "0x1", "no number", ""]))
def test_no_rule_of_a_host_does_anything_but_be_compared(name, said, mode):
    clean = name.replace("\\", "").strip() or "x"
    values = {
        f"{keys.APPLOCKER_HOST_KEY}\\{clean}": [("EnforcementMode", "REG_DWORD", mode)],
        f"{keys.APPLOCKER_HOST_KEY}\\{clean}\\{IDS[0]}": [("Value", "REG_SZ", said)],
    }
    for verdict in verdicts({**arrived(policy()), **values}, "off"):
        assert all(text.isprintable() for finding in verdict.findings for text in finding)
