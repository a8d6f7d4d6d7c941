"""Group Policy, Santa and AppLocker: what their own readers make of an export, and hostile names."""

import configparser
import copy
import re

import applocker_evaluator as evaluator
import pytest
import santa
from applocker_evaluator import File, denied
from hypothesis import assume, given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.format_declaration import ExportError
from proscribe.controller.enforcement_points.formats import applocker, gpo
from proscribe.controller.enforcement_points.formats import santa as santa_format
from proscribe.host.controls.group_policy.registry_pol import decode_entry, parse_entries


def test_policy_of_a_user_is_in_the_user_part_of_the_object():
    made = plan({"browser": {"onedrive_personal": {"mode": "enforce", "domains": ["onedrive.example"]}}})
    found = gpo.render_export(decision(made))
    users = [content for name, content in found.files.items() if name.lower().endswith("user/registry.pol")]
    assert [(one.value_name, decode_entry(one)) for one in parse_entries(users[0])] == [("DisablePersonalSync", 1)]
    assert users[0] == users[1]  # in SYSVOL, and in the backup
    ini = configparser.ConfigParser()
    ini.read_string(next(content for name, content in found.files.items() if name.endswith("GPT.INI")).decode("ascii"))
    machine, user = int(ini["General"]["Version"]) & 0xFFFF, int(ini["General"]["Version"]) >> 16
    assert machine == user > 0
    backup = next(content for name, content in found.files.items() if name.endswith("Backup.xml")).decode()
    assert f"<UserVersionNumber>{user}</UserVersionNumber>" in backup and "%GPO_USER_FSPATH%" in backup
    assert any("private accounts" in one.subject for one in found.left_out)  # a .reg file is of a machine


def test_a_plan_without_a_policy_is_not_exported():
    nothing = plan({"browser": {id_: {"mode": "report"} for id_ in ("chat", "drive", "mail")}})
    with pytest.raises(ExportError, match="nothing to export"):
        gpo.render_export(decision(nothing))


def test_exception_that_firefox_cannot_open_is_left_out():
    services = {
        "chat": {"mode": "enforce", "domains": ["chat.example"], "allow": ["help.chat.example"]},
        "files": {"mode": "enforce", "domains": [], "urls": ["help.chat.example/files"]},
    }
    (found,) = [
        one for one in gpo.render_export(decision(plan({"browser": services}))).left_out if "Firefox:" in one.subject
    ]
    assert found.subject == "Firefox: help.chat.example" and "help.chat.example/files" in found.reason


TEAM, WHOLE = "EXAMPLE123", "EXAMPLE999"
APPS = {
    "chat": {"mode": "enforce", "signing_ids": [f"{TEAM}:com.example.chat", f"{TEAM}:chat"]},
    "mail": {"mode": "audit", "signing_ids": [f"{WHOLE}:com.example.mail"], "team_ids": [WHOLE]},
    "waived": {"mode": "waived", "waiver": "W-1", "signing_ids": [f"{TEAM}:com.example.waived"]},
    "seen": {"mode": "report", "signing_ids": [f"{TEAM}:com.example.seen"]},
    "unsigned": {"mode": "enforce", "bundle_ids": ["com.example.unsigned"]},
    "brewed": {"mode": "enforce", "packages": {"brew_cask": ["brewed"]}},
    "linux": {"mode": "enforce", "packages": {"apt": ["linux"]}},
}
TEXT = st.text(st.sampled_from("aZ <>&\"'%\n\r\t/;é\u2028]") | st.characters(), max_size=30)


def made(text="", **top):
    found = copy.deepcopy(plan({"apps": APPS}, **top))
    found["controls"]["apps"]["settings"]["refusal_notice"] = text
    return found


def files(**changes):
    return dict(santa_format.render_export(decision(made(**changes))).files)


def rules(**changes):
    both = files(**changes)
    found = santa.imported(both[santa_format.RULES_FILE])
    assert santa.static(both[santa_format.PROFILE_FILE]) == found
    return found


def test_without_a_known_signer_there_is_nothing_to_export():
    with pytest.raises(ExportError, match="nothing to export"):
        santa_format.render_export(decision(plan({"apps": {"unsigned": APPS["unsigned"]}})))


@pytest.mark.slow
@examples(5_000)
@given(name=TEXT, contact=TEXT, text=TEXT, url=TEXT, group=TEXT)
def test_no_text_gets_out_of_its_place(name, contact, text, url, group):
    one = made(text, contact=contact, request_url=url and f"https://a.example/{url}")
    one["controls"]["apps"]["services"]["chat"]["name"] = name
    try:
        both = santa_format.render_export(decision(one)._replace(group=group)).files
    except ExportError as refused:
        assert "a text that no profile takes" in str(refused)
        return
    found = santa.imported(both[santa_format.RULES_FILE])
    assert [one[:3] for one in found] == [one[:3] for one in rules()]
    lines = [f"{name} is restricted by the policy of this organisation.", f"Ask {contact}.", *text.split("\n")]
    said = [" ".join(line.split()) for line in lines]
    assert santa.on_a_terminal(found[0].message).split("\n") == [line for line in said if line]
    for imported, fixed in zip(found, santa.static(both[santa_format.PROFILE_FILE])):
        assert imported[:4] == fixed[:4]
        assert fixed.url == imported.url.replace("\r\n", "\n").replace("\r", "\n")  # as XML has it


@examples(300)
@given(identifier=TEXT, key=st.sampled_from(["signing_ids", "team_ids"]))
def test_wrong_identifier_makes_no_rule(identifier, key):
    assume(not re.fullmatch(r"[A-Z0-9]{10}(:[A-Za-z0-9][A-Za-z0-9._-]*)?", identifier))  # hypothesis takes constants
    one = plan({"apps": {"chat": {"mode": "enforce", key: [identifier]}}})
    with pytest.raises(ExportError, match="signed"):
        santa_format.render_export(decision(one))


SIGNED = "O=BIRDS LTD, L=PERTH, C=AU"
APP = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
CHAT_APPLOCKER = {
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
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="%"), min_size=1, max_size=40)


def made_applocker(mode="audit", **changes):
    found = copy.deepcopy(plan({"apps": {"chat": {**CHAT_APPLOCKER, **changes}, **OTHERS}}))
    found["controls"]["apps"]["settings"]["applocker"] = mode
    return found


def policy(a_plan):
    return evaluator.read(applocker.render_export(decision(a_plan, ("apps",))).files[applocker.POLICY_FILE])


@pytest.mark.parametrize(
    ("a_plan", "why"),
    [
        (made_applocker("off"), "proscribe_applocker is off"),
        (plan({"apps": {"linux": OTHERS["linux"]}}), "no program on Windows"),
        (made_applocker(windows_publishers={"programs": ["O=A\nB"]}), "no text for PublisherName"),
        (made_applocker(windows_processes=["x" * 500 + ".exe"]), "no text for Path"),
        (made_applocker(windows_processes=["%WINDIR%.exe"]), "reads a variable"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(a_plan, why):
    with pytest.raises(ExportError, match=why):
        applocker.render_export(decision(a_plan, ("apps",)))


@examples(200)
@given(TEXTS, TEXTS, TEXTS)
def test_any_text_in_a_name_stays_a_name(image, publisher, product):
    product = product.replace("\\", "/")
    names = {"windows_processes": [f"{image}.exe"], "windows_publishers": {"appx": [f"{publisher}\\{product}"]}}
    found = policy(made_applocker(**names))
    if "*" not in (publisher, product):
        assert denied(found, File("", publisher, product, "X", packaged=True))
    if "*" not in image:
        assert denied(found, File(f"C:\\x\\{image}.exe"))
    assert len(found["Exe"].rules) <= 7


def test_the_evaluator_goes_by_the_documented_rules():
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
