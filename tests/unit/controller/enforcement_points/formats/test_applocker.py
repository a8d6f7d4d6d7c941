"""AppLocker's policy: what it denies by the documented rules, and that everything else may run."""

import copy

import applocker_evaluator as evaluator
import pytest
from applocker_evaluator import File, denied
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.applocker import FILE, render

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
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="%"), min_size=1, max_size=40)


def made(mode="audit", **changes):
    found = copy.deepcopy(plan({"apps": {"chat": {**CHAT, **changes}, **OTHERS}}))
    found["controls"]["apps"]["settings"]["applocker"] = mode
    return found


def policy(a_plan):
    return evaluator.read(render(decision(a_plan, ("apps",))).files[FILE])


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
def test_a_policy_that_cannot_be_is_refused(a_plan, why):
    with pytest.raises(NotExportable, match=why):
        render(decision(a_plan, ("apps",)))


@examples(200)
@given(TEXTS, TEXTS, TEXTS)
def test_any_text_in_a_name_stays_a_name(image, publisher, product):
    product = product.replace("\\", "/")
    names = {"windows_processes": [f"{image}.exe"], "windows_publishers": {"appx": [f"{publisher}\\{product}"]}}
    found = policy(made(**names))
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
