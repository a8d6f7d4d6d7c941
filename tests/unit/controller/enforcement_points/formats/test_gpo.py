"""Group Policy as files: an object for SYSVOL, a backup, and what the registry editor imports. All say one thing."""

import configparser

import pytest
from made_export import decision, plan
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.gpo import render
from proscribe.host.controls.group_policy.registry_pol import parse, said_by


def test_policy_of_a_user_is_in_the_user_part_of_the_object():
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


def test_a_plan_without_a_policy_is_not_exported():
    nothing = plan({"browser": {id_: {"mode": "report"} for id_ in ("chat", "drive", "mail")}})
    with pytest.raises(NotExportable, match="nothing to export"):
        render(decision(nothing))


def test_exception_that_firefox_cannot_open_is_left_out():
    services = {
        "chat": {"mode": "enforce", "domains": ["chat.example"], "allow": ["help.chat.example"]},
        "files": {"mode": "enforce", "domains": [], "urls": ["help.chat.example/files"]},
    }
    (found,) = [one for one in render(decision(plan({"browser": services}))).left_out if "Firefox:" in one.what]
    assert found.what == "Firefox: help.chat.example"
    assert "help.chat.example/files" in found.why
