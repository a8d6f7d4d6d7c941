"""AppLocker's policy: what it denies by the documented rules, and that everything else may run."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Callable
from typing import Any

import applocker_evaluator as evaluator
import pytest
import windows_programs
from applocker_evaluator import File, denied
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.applocker import FILE, NO_PUBLISHER, NOTHING, render
from proscribe.host.controls.group_policy import applocker
from proscribe.host.controls.group_policy.registry_pol import said_by
from proscribe.model.plan import RESTRICTED, sealed

DAY = datetime.date(2026, 1, 1)
SIGNED = "O=BIRDS LTD, L=PERTH, C=AU"
APP = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
CHAT = {
    "mode": "enforce",
    "windows": ["Birds/Chat/Chat.exe", "Birds/Chat/bin/client.exe"],
    "windows_processes": ["Chat.exe"],
    "windows_packages": {"appx": ["Birds.Chat_cv1g1gvanyjgm", "Birds.Old"]},
    "windows_publishers": {"programs": [f"{SIGNED}\\CHAT"], "appx": [f"{APP}\\Birds.Chat"]},
    "windows_installers": ["ChatSetup-*.exe", "Chat.msi"],
}
OTHERS = {
    "seen": {"mode": "report", "windows_processes": ["Seen.exe"]},
    "waived": {"mode": "waived", "waiver": "W-1", "windows_processes": ["Waived.exe"]},
    "audited": {"mode": "audit", "windows_processes": ["Audited.exe"]},
    "linux": {"mode": "enforce", "packages": {"apt": ["linux"]}},
}


def made(mode: str = "audit", **changes: Any) -> dict[str, Any]:
    found = copy.deepcopy(plan({"apps": {"chat": {**CHAT, **changes}, **OTHERS}}))
    found["controls"]["apps"]["settings"]["applocker"] = mode
    return found


def policy(a_plan: dict[str, Any]) -> dict[str, evaluator.Collection]:
    return evaluator.read(render(decision(a_plan, ("apps",))).files[FILE])


# Files, and whether the policy denies them.
FILES = [
    (File("C:\\Program Files\\Birds\\Chat\\Chat.exe"), True),
    (File("D:\\stick\\CHAT.EXE"), True),  # a portable app
    (File("C:\\Program Files (x86)\\Birds\\Chat\\bin\\client.exe"), True),
    (File("C:\\Program Files\\Other\\bin\\client.exe"), False),
    (File("C:\\x\\renamed.exe", SIGNED, "CHAT", "CHAT.EXE"), True),  # whatever its name, by its signature
    (File("C:\\x\\renamed.exe", SIGNED.lower(), "Chat", "x"), True),
    (File("C:\\x\\renamed.exe", SIGNED, "MAP", "MAP.EXE"), False),  # another product of the same publisher
    (File("C:\\x\\renamed.exe", "O=BIRDS LTD", "CHAT", "CHAT.EXE"), False),
    (File("C:\\x\\renamed.exe", "", "CHAT", "CHAT.EXE"), False),  # a name in an unsigned file is no publisher
    (File("C:\\Users\\a\\Downloads\\ChatSetup-1.2.3.exe"), True),
    (File("C:\\Users\\a\\Downloads\\Chat.msi"), True),
    (File("C:\\Users\\a\\Downloads\\other.msi", SIGNED, "CHAT", "X"), True),
    (File("C:\\Users\\a\\Downloads\\other.msi"), False),
    (File("C:\\x\\Snapchat.exe"), False),
    (File("C:\\x\\Seen.exe"), False),
    (File("C:\\x\\Waived.exe"), False),
    (File("C:\\x\\Audited.exe"), True),  # a point has no audit
    (File("C:\\x\\chat.ps1"), False),  # no collection
    (File("", APP, "BIRDS.CHAT", "APP", packaged=True), True),
    (File("", APP, "Birds.Map", "APP", packaged=True), False),
    (File("", "CN=somebody", "Birds.Chat", "APP", packaged=True), False),
]


@pytest.mark.parametrize(("file", "expected"), FILES)
@pytest.mark.parametrize("mode", ["audit", "enforce"])
def test_what_is_restricted_is_denied_and_all_else_may_run(file: File, expected: bool, mode: str) -> None:
    found = policy(made(mode))
    assert bool(denied(found, file)) == expected
    assert {one.mode for one in found.values()} == {{"audit": "AuditOnly", "enforce": "Enabled"}[mode]}


@pytest.mark.parametrize(
    ("changes", "collections"),
    [
        ({}, ["Exe", "Msi", "Appx"]),
        # Where programs have rules, packaged apps have the rule that allows them.
        ({"windows_publishers": {}, "windows_installers": []}, ["Exe", "Appx"]),
    ],
)
def test_each_collection_has_the_rule_that_allows_everything(changes: Any, collections: list[str]) -> None:
    found = policy(made(**changes))
    assert list(found) == collections
    for name, collection in found.items():
        (allowing,) = (rule for rule in collection.rules if not rule.denies)
        assert collection.rules[0] == allowing and allowing.sid == evaluator.EVERYONE
        anything = File("C:\\a\\b.exe", "O=X", "Y", "Z", packaged=name == "Appx")
        assert allowing.applies(anything, frozenset({evaluator.EVERYONE}))


def test_without_the_rule_that_allows_everything_nothing_would_run() -> None:
    """That the evaluator would notice it."""
    content = render(decision(made(), ("apps",))).files[FILE]
    without = re.sub(rb"<File(Path|Publisher)Rule [^>]*Action=\"Allow\">.*?</File\1Rule>\n", b"", content)
    assert without != content
    assert denied(evaluator.read(without), File("C:\\Windows\\explorer.exe")) == "no rule allows it"


def test_what_is_left_out_is_said() -> None:
    found = render(decision(made(), ("apps",)))
    assert list(found.included) == ["apps/audited", "apps/chat"]
    said = {(one.rule, one.what): one.why for one in found.left_out}
    assert said["apps/linux", "the programs"] == NOTHING
    assert said["apps/chat", "packaged app Birds.Old"] == NO_PUBLISHER
    assert ("apps/chat", "packaged app Birds.Chat_cv1g1gvanyjgm") not in said
    assert "8003" in said["", "all programs"] and ("", "the service Application Identity") in said
    enforced = render(decision(made("enforce"), ("apps",)))
    assert ("", "all programs") not in {(one.rule, one.what) for one in enforced.left_out}


@pytest.mark.parametrize(
    ("a_plan", "why"),
    [
        (made("off"), "proscribe_applocker is off"),
        (plan({"apps": {"linux": OTHERS["linux"]}}), "no program on Windows"),
        (made(windows_publishers={"programs": ["O=A\nB"]}), "no text for PublisherName"),
        (made(windows_processes=["x" * 500 + ".exe"]), "no text for Path"),
        (made(windows_processes=["%WINDIR%.exe"]), "reads a variable"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(a_plan: dict[str, Any], why: str) -> None:
    with pytest.raises(NotExportable, match=why):
        render(decision(a_plan, ("apps",)))


def test_rules_have_the_same_id_with_every_export_and_another_in_each_collection() -> None:
    def ids(a_plan: dict[str, Any]) -> list[str]:
        return [rule.id for collection in policy(a_plan).values() for rule in collection.rules]

    assert ids(made()) == ids(made("enforce"))
    assert set(ids(made())) > set(ids(made(windows=[])))


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="%"), min_size=1, max_size=40)


@examples(200)
@given(TEXTS, TEXTS, TEXTS)
def test_whatever_a_name_has_in_it_stays_a_name(image: str, publisher: str, product: str) -> None:
    product = product.replace("\\", "/")
    names = {"windows_processes": [f"{image}.exe"], "windows_publishers": {"appx": [f"{publisher}\\{product}"]}}
    found = policy(made(**names))
    if "*" not in (publisher, product):
        assert denied(found, File("", publisher, product, "X", packaged=True))
    if "*" not in image:
        assert denied(found, File(f"C:\\x\\{image}.exe"))
    assert len(found["Exe"].rules) <= 7


# -- the registry, which a domain's machines read


@pytest.mark.parametrize("mode", ["audit", "enforce"])
def test_the_registry_says_what_the_policy_says(mode: str) -> None:
    section = made(mode)["controls"]["apps"]
    entries = applocker.entries(section)
    assert all(one.key.startswith(applocker.KEY + "\\") for one in entries)
    found = evaluator.of_registry((one.key, one.value, said_by(one)) for one in entries)
    expected = policy(made(mode))
    assert {name: one.mode for name, one in found.items()} == {name: one.mode for name, one in expected.items()}
    assert [one.id for two in found.values() for one in two.rules] == [
        one.id for two in expected.values() for one in two.rules
    ]
    for file, is_denied in FILES:
        assert bool(denied(found, file)) == is_denied
    assert applocker.entries({**section, "settings": {"applocker": "off"}}) == []


def test_the_security_template_starts_application_identity() -> None:
    """[MS-GPSB] 2.2: UTF-16 with its mark; a name, 2 for automatic, and no descriptor."""
    lines = applocker.template().decode("utf-16").split("\r\n")
    assert lines[-3:] == ["[Service General Setting]", '"AppIDSvc",2,""', ""]
    assert lines[:5] == ["[Unicode]", "Unicode=yes", "[Version]", 'signature="$CHICAGO$"', "Revision=1"]


# -- the project's own catalogue


@pytest.fixture(scope="module")
def compiled(own_catalogue: Catalogue) -> Callable[..., dict[str, Any]]:
    def make(**chosen: Any) -> dict[str, Any]:
        restrictions = read_restrictions({f"proscribe_{name}": value for name, value in chosen.items()}, str)
        found: dict[str, Any] = compile_plan(own_catalogue, restrictions, [], DAY)
        return sealed(found)

    return make


@pytest.mark.parametrize(
    "chosen", [{}, {"audiences": ["consumer", "both", "enterprise"], "applocker": "enforce"}], ids=["default", "all"]
)
def test_nothing_that_offices_have_is_denied(compiled: Callable[..., dict[str, Any]], chosen: Any) -> None:
    found = policy(compiled(**chosen))
    files = set(windows_programs.permitted())
    assert len(files) > 10_000
    assert {file: why for file in files if (why := denied(found, file))} == {}


# As installed, signed and renamed, as an installer, from the Microsoft Store.
WELL_KNOWN: dict[str, list[File]] = {
    "telegram": [
        File("C:\\Users\\a\\AppData\\Roaming\\Telegram Desktop\\Telegram.exe"),
        File("E:\\t.exe", "O=TELEGRAM FZ-LLC, L=DUBAI, C=AE", "TELEGRAM DESKTOP", "TELEGRAM.EXE"),
        File("C:\\Users\\a\\Downloads\\tsetup-x64.7.0.9.exe"),
        File("", "CN=536BC709-8EE1-4478-AF22-F0F0F26FF64A", "TelegramMessengerLLP.TelegramDesktop", packaged=True),
        File("", "CN=D89C87B4-2758-402A-8F40-3571D00882AB", "38833FF26BA1D.UnigramPreview", packaged=True),
    ],
    "whatsapp": [
        File("C:\\Users\\a\\AppData\\Local\\WhatsApp\\WhatsApp.exe"),
        File("", APP, "5319275A.WHATSAPPDESKTOP", "WHATSAPP", packaged=True),
    ],
    "wechat": [File("C:\\Program Files\\Tencent\\Weixin\\Weixin.exe"), File("D:\\WeChatWin_4.1.13.exe")],
    "line": [File("C:\\Users\\a\\AppData\\Local\\LINE\\bin\\LINE.exe"), File("C:\\x\\LineInst.exe")],
    "signal": [File("C:\\x\\Signal.exe"), File("C:\\x\\signal-desktop-win-8.24.1.exe")],
    "viber": [File("C:\\Users\\a\\AppData\\Local\\Viber\\Viber.exe"), File("C:\\x\\ViberSetup.msi")],
    "zalo": [File("C:\\Users\\a\\AppData\\Local\\Programs\\Zalo\\Zalo.exe"), File("C:\\x\\ZaloSetup-26.8.10.exe")],
    "kakaotalk": [File("C:\\Program Files\\Kakao\\KakaoTalk\\KakaoTalk.exe"), File("C:\\x\\KakaoTalk_Setup.exe")],
    "discord": [
        File("C:\\Users\\a\\AppData\\Local\\Discord\\app-1.0.9254\\Discord.exe"),
        File("C:\\x\\y.exe", "O=DISCORD INC., L=SAN FRANCISCO, S=CALIFORNIA, C=US", "DISCORD", "DISCORD.EXE"),
    ],
    "dropbox": [
        File("C:\\Program Files (x86)\\Dropbox\\Client\\Dropbox.exe"),
        File("D:\\d.msi", "O=DROPBOX, INC, L=SAN FRANCISCO, S=CALIFORNIA, C=US", "DROPBOX UPDATE HELPER", "D.MSI"),
    ],
    "mega": [File("C:\\Users\\a\\AppData\\Local\\MEGAsync\\MEGAsync.exe"), File("C:\\x\\MEGAsyncSetup64.exe")],
    "icloud_drive": [File("C:\\Program Files (x86)\\Common Files\\Apple\\Internet Services\\iCloudDrive.exe")],
    "proton_mail": [File("C:\\Users\\a\\AppData\\Local\\proton_mail\\app-1.13.4\\Proton Mail.exe")],
    "facebook_messenger": [
        File("", "CN=6E08453F-9BA7-4311-999C-D22FBA2FB1B8", "FACEBOOK.317180B0BB486", packaged=True)
    ],
    "tor": [
        File("C:\\Users\\a\\Desktop\\Tor Browser\\Browser\\TorBrowser\\Tor\\tor.exe"),
        File("C:\\x\\tor-browser-windows-x86_64-portable-15.0.23.exe"),
    ],
}


@pytest.mark.parametrize("service", WELL_KNOWN)
def test_well_known_programs_are_denied(compiled: Callable[..., dict[str, Any]], service: str) -> None:
    found = policy(compiled())
    names = {f"Proscribe: {service}"}
    assert [file for file in WELL_KNOWN[service] if {denied(found, file)} != names] == []


def test_what_a_program_for_both_is_called_is_in_no_policy(compiled: Callable[..., dict[str, Any]]) -> None:
    """Teams, OneDrive, Outlook and Google Drive have business accounts, and policies of their own."""
    a_plan = compiled()
    services = a_plan["controls"]["apps"]["services"]
    both = {id_ for id_, entry in services.items() if entry.get("serves_both")}
    assert {"onedrive_personal", "teams_personal", "google_drive", "outlook_com"} <= both
    section = a_plan["controls"]["apps"]
    assert both & {rule.service for found in applocker.rules(section).values() for rule in found} == set()
    removed = compiled(programs_for_both="remove")["controls"]["apps"]
    assert "onedrive_personal" in {rule.service for found in applocker.rules(removed).values() for rule in found}


def test_each_restricted_service_has_a_rule_or_is_named(compiled: Callable[..., dict[str, Any]]) -> None:
    a_plan = compiled()
    found = render(decision(a_plan, ("apps",)))
    named = {one.rule for one in found.left_out}
    for id_, entry in a_plan["controls"]["apps"]["services"].items():
        if entry["mode"] in RESTRICTED:
            assert (f"apps/{id_}" in found.included) != any(
                one.rule == f"apps/{id_}" and one.what == "the programs" for one in found.left_out
            )
    assert "apps/wechat" in found.included and "apps/wechat" in named  # its packaged apps have no known publisher


def test_the_evaluator_goes_by_the_documented_rules() -> None:
    """A deny goes before an allow, exceptions, groups, versions, variables of folders, and hashes."""
    text = """<AppLockerPolicy Version="1"><RuleCollection Type="Exe" EnforcementMode="Enabled">
    <FilePathRule Id="00000000-0000-8000-8000-000000000001" Name="windows" Description="" UserOrGroupSid="S-1-1-0"
    Action="Allow"><Conditions><FilePathCondition Path="%WINDIR%\\*"/></Conditions><Exceptions>
    <FilePathCondition Path="%SYSTEM32%\\cmd.exe"/></Exceptions></FilePathRule>
    <FilePathRule Id="00000000-0000-8000-8000-000000000002" Name="programs" Description="" UserOrGroupSid="S-1-5-32-544"
    Action="Allow"><Conditions><FilePathCondition Path="%PROGRAMFILES%\\*"/></Conditions></FilePathRule>
    <FilePublisherRule Id="00000000-0000-8000-8000-000000000003" Name="old" Description="" UserOrGroupSid="S-1-1-0"
    Action="Deny"><Conditions><FilePublisherCondition PublisherName="O=A" ProductName="B" BinaryName="*">
    <BinaryVersionRange LowSection="*" HighSection="2.0.0.0"/></FilePublisherCondition></Conditions></FilePublisherRule>
    <FileHashRule Id="00000000-0000-8000-8000-000000000004" Name="hash" Description="" UserOrGroupSid="S-1-1-0"
    Action="Allow"><Conditions><FileHashCondition><FileHash Type="SHA256" Data="0xAB" SourceFileName="x"
    SourceFileLength="1"/></FileHashCondition></Conditions></FileHashRule></RuleCollection></AppLockerPolicy>"""
    found = evaluator.read(text.encode())
    nothing = "no rule allows it"
    for file, groups, expected in (
        (File("c:\\windows\\notepad.exe"), (), ""),
        (File("C:\\Windows\\System32\\CMD.exe"), (), nothing),
        (File("C:\\Program Files\\x\\y.exe"), (), nothing),
        (File("C:\\Program Files (x86)\\x\\y.exe"), ("S-1-5-32-544",), ""),
        (File("C:\\Windows\\y.exe", "o=a", "b", version="1.9.0.0"), (), "old"),
        (File("C:\\Windows\\y.exe", "o=a", "b", version="2.0.0.1"), (), ""),
        (File("D:\\x.exe", sha256="ab"), (), ""),
        (File("D:\\x.exe", sha256="ac"), (), nothing),
        (File("D:\\x.msi"), (), ""),  # a collection without rules denies nothing
    ):
        assert denied(found, file, *groups) == expected, file
