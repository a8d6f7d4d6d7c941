"""Group Policy as files: an object for SYSVOL, a backup, and what the registry editor imports. All say one thing."""

from __future__ import annotations

import configparser
import copy
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.gpo import render
from proscribe.controller.enforcement_points.group_policy import registry_file
from proscribe.host.controls.group_policy.policies import entries
from proscribe.host.controls.group_policy.registry_pol import (
    BINARY,
    DWORD,
    EMPTY_KEY,
    SZ,
    Entry,
    emptied,
    parse,
    said_by,
    text,
)

BACKUP = "{http://www.microsoft.com/GroupPolicy/GPOOperations}"
MANIFEST = "{http://www.microsoft.com/GroupPolicy/GPOOperations/Manifest}"
GUID = r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}"


def files(**changes: Any) -> dict[str, bytes]:
    return dict(render(decision()._replace(**changes)).files)


def test_the_files_of_an_export_are_these() -> None:
    made = files()
    names = [re.sub(GUID, "{GUID}", name) for name in made]
    assert names == [
        "sysvol/{GUID}/GPT.INI",
        "sysvol/{GUID}/Machine/Registry.pol",
        "backup/manifest.xml",
        "backup/{GUID}/bkupInfo.xml",
        "backup/{GUID}/Backup.xml",
        "backup/{GUID}/DomainSysvol/GPO/Machine/registry.pol",
        "registry/proscribe.reg",
        "registry/remove.reg",
    ]
    policies = [content for name, content in made.items() if name.lower().endswith("registry.pol")]
    assert policies[0] == policies[1]
    assert parse(policies[0]) == entries(plan())


def test_what_a_program_reads_of_its_user_is_in_the_users_part_of_the_object() -> None:
    made = plan({"browser": {"onedrive_personal": {"mode": "enforce", "domains": ["onedrive.example"]}}})
    found = render(decision(made))
    users = [content for name, content in found.files.items() if name.lower().endswith("user/registry.pol")]
    assert [(one.value, said_by(one)) for one in parse(users[0])] == [("DisablePersonalSync", 1)]
    assert users[0] == users[1]  # in SYSVOL, and in the backup
    ini = configparser.ConfigParser()
    ini.read_string(next(content for name, content in found.files.items() if name.endswith("GPT.INI")).decode("ascii"))
    machine, user = int(ini["General"]["Version"]) & 0xFFFF, int(ini["General"]["Version"]) >> 16
    assert machine == user > 0
    backup = next(content for name, content in found.files.items() if name.endswith("Backup.xml")).decode()
    assert f"<UserVersionNumber>{user}</UserVersionNumber>" in backup and "%GPO_USER_FSPATH%" in backup
    assert any("private accounts" in one.what for one in found.left_out)  # a .reg file is of a machine


def test_an_object_is_the_same_one_with_every_export_and_of_a_version_that_follows_from_the_plan() -> None:
    other = plan({"browser": {"more": {"mode": "enforce", "domains": ["more.example"]}}})
    first, again, changed = files(), files(at=AT.replace(year=2027)), dict(render(decision(other)).files)
    objects = [[name for name in one if name.endswith("GPT.INI")] for one in (first, again, changed)]
    assert objects[0] == objects[1] == objects[2]
    (path,) = objects[0]
    assert first[path] == again[path] != changed[path]
    ini = configparser.ConfigParser()
    ini.read_string(first[path].decode("ascii"))
    assert ini["General"]["displayName"] == "Proscribe"
    assert 0 < int(ini["General"]["Version"]) <= 0xFFFF  # the upper half is the version of users' policies
    assert [name for name in files(group="finance") if name.endswith("GPT.INI")] != objects[0]


def test_a_backup_names_its_object_its_policy_and_the_extension_that_reads_it() -> None:
    made = files(group="R&D <all>")
    by_name = {re.sub(GUID, "*", name): content for name, content in made.items()}
    core = ElementTree.fromstring(by_name["backup/*/Backup.xml"]).find(f".//{BACKUP}GroupPolicyCoreSettings")
    assert core is not None
    info = ElementTree.fromstring(by_name["backup/*/bkupInfo.xml"])
    listed = ElementTree.fromstring(by_name["backup/manifest.xml"]).find(f"{MANIFEST}BackupInst")
    assert listed is not None
    object_ = next(name.split("/")[1] for name in made if name.startswith("sysvol"))
    directory = next(name.split("/")[1] for name in made if name.endswith("Backup.xml"))
    for one in (info, listed):
        assert [part.tag.removeprefix(MANIFEST) for part in one] == [
            *("GPOGuid", "GPODomain", "GPODomainGuid", "GPODomainController"),
            *("BackupTime", "ID", "Comment", "GPODisplayName"),
        ]
        assert one.findtext(f"{MANIFEST}GPOGuid") == object_
        assert one.findtext(f"{MANIFEST}ID") == directory
        assert one.findtext(f"{MANIFEST}BackupTime") == "2026-11-27T08:00:00"
        assert one.findtext(f"{MANIFEST}GPODisplayName") == "Proscribe R?D ?all?"
    assert core.findtext(f"{BACKUP}ID") == object_
    assert "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}" in str(core.findtext(f"{BACKUP}MachineExtensionGuids"))
    file = ElementTree.fromstring(by_name["backup/*/Backup.xml"]).find(f".//{BACKUP}FSObjectFile")
    assert file is not None
    location = file.attrib["{http://www.microsoft.com/GroupPolicy/GPOOperations}Location"].replace("\\", "/")
    assert f"backup/{directory}/{location}" in made


def test_a_plan_without_a_policy_is_not_exported() -> None:
    nothing = plan({"browser": {id_: {"mode": "report"} for id_ in ("chat", "drive", "mail")}})
    with pytest.raises(NotExportable, match="nothing to export"):
        render(decision(nothing))


def test_what_is_in_it_and_what_is_not() -> None:
    services = {
        "nameless": {"mode": "enforce", "domains": [], "urls": []},
        "half": {"mode": "audit", "urls": ["a.b/c"]},
    }
    made = copy.deepcopy(
        plan({"browser": {**services, "mail": {"mode": "waived", "waiver": "W-1", "domains": ["mail.example"]}}})
    )
    made["controls"]["browser"]["settings"]["browsers"] = {"dns_over_https": "blocked", "quic": "unmanaged"}
    rendered = render(decision(made))
    assert rendered.included == ("browser/chat", "browser/drive", "browser/half", "browser/dns-over-https")
    assert [one.rule for one in rendered.left_out] == ["browser/nameless", ""]


def test_what_firefox_cannot_open_is_said() -> None:
    """An exception of Firefox's wins over all below it, so a permitted name with a blocked path stays closed there."""
    services = {
        "chat": {"mode": "enforce", "domains": ["chat.example"], "allow": ["help.chat.example"]},
        "files": {"mode": "enforce", "domains": [], "urls": ["help.chat.example/files"]},
    }
    (found,) = [one for one in render(decision(plan({"browser": services}))).left_out if "Firefox:" in one.what]
    assert found.what == "Firefox: help.chat.example"
    assert "help.chat.example/files" in found.why


def lines(content: bytes) -> list[str]:
    assert content[:2] == b"\xff\xfe"
    said = content[2:].decode("utf-16-le")
    assert said.endswith("\r\n")
    return said.split("\r\n")


def test_a_registry_file_sets_the_values_and_another_one_removes_them() -> None:
    chosen = [
        text("Software\\Policies\\A", "Plain", 'c:\\a "b"'),
        Entry("Software\\Policies\\A", "Number", DWORD, b"\2\0\0\0"),
        emptied("Software\\Policies\\A\\List"),
        text("Software\\Policies\\A\\List", "1", "x"),
        text("Software\\Policies\\A", "Lines", "a\r\n[-HKEY_LOCAL_MACHINE]"),
    ]
    assert lines(registry_file.setting(chosen, ["Written."])) == [
        "Windows Registry Editor Version 5.00",
        "; Written.",
        "",
        "[HKEY_LOCAL_MACHINE\\Software\\Policies\\A]",
        '"Plain"="c:\\\\a \\"b\\""',
        '"Number"=dword:00000002',
        "",
        "[-HKEY_LOCAL_MACHINE\\Software\\Policies\\A\\List]",
        "",
        "[HKEY_LOCAL_MACHINE\\Software\\Policies\\A\\List]",
        '"1"="x"',
        "",
        "[HKEY_LOCAL_MACHINE\\Software\\Policies\\A]",
        '"Lines"=hex(1):' + "a\r\n[-HKEY_LOCAL_MACHINE]\0".encode("utf-16-le").hex(","),
        "",
        "",
    ]
    assert lines(registry_file.removing(chosen, [])) == [
        "Windows Registry Editor Version 5.00",
        "",
        "[-HKEY_LOCAL_MACHINE\\Software\\Policies\\A\\List]",
        "",
        "[HKEY_LOCAL_MACHINE\\Software\\Policies\\A]",
        '"Plain"=-',
        '"Number"=-',
        '"Lines"=-',
        "",
        "",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        text("A]\r\n[-HKEY_LOCAL_MACHINE\\Software", "V", "x"),
        text("A", 'V"=-', "x"),
        text("A\\\\B", "V", "x"),
        text("", "V", "x"),
        text("A", "", "x"),
        text("A", "V\u2028", "x"),
    ],
)
def test_a_name_that_is_more_than_a_name_is_refused(entry: Entry) -> None:
    for make in (registry_file.setting, registry_file.removing):
        with pytest.raises(ValueError, match="no name for a file of the registry"):
            make([entry], [])


def test_a_comment_is_one_line() -> None:
    with pytest.raises(ValueError, match="no comment"):
        registry_file.setting([], ["a\r\n[-HKEY_LOCAL_MACHINE]"])


SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
WHOLE_LINE = re.compile(
    r'|Windows Registry Editor Version 5\.00|; [ -~]*|\[-?HKEY_LOCAL_MACHINE\\K(\\L)?\]|"[A-Z0-9]+"=("([^"\\]|\\.)*"|'
    r"dword:[0-9a-f]{8}|hex\([0-9a-f]\):[0-9a-f,]*|-)"
)


@pytest.mark.slow
@examples(10_000)
@given(SAID, SAID, st.binary(max_size=20))
def test_no_text_becomes_a_line_of_its_own(one: str, other: str, data: bytes) -> None:
    chosen = [
        text("K", "V", one),
        Entry("K", "B", BINARY, data),
        emptied("K\\L"),
        text("K\\L", "1", other),
    ]
    for content in (registry_file.setting(chosen, ["c"]), registry_file.removing(chosen, ["c"])):
        assert all(WHOLE_LINE.fullmatch(line) for line in lines(content))
    set_ = lines(registry_file.setting(chosen, []))
    assert len(set_) == 12
    assert sum(line.startswith('"') for line in set_) == len([one for one in chosen if one.value != EMPTY_KEY])
    assert chosen[0].type == SZ


def test_nothing_of_a_group_or_a_release_gets_into_a_file() -> None:
    hostile = 'x"]\r\n[-HKEY_LOCAL_MACHINE]\r\n<!--]]>&'
    made = files(group=hostile, catalogue=hostile, digest="sha256:" + "a" * 64)
    for name, content in made.items():
        if name.endswith(".reg"):
            assert "[-HKEY_LOCAL_MACHINE]" not in lines(content)
        elif name.endswith(".xml"):
            assert ElementTree.fromstring(content).tag
        elif name.endswith(".INI"):
            assert content.count(b"\r\n") == 3
