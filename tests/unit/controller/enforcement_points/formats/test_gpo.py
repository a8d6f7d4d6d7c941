"""Group Policy as files: an object for SYSVOL, a backup, and what the registry editor imports. All say one thing."""

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.gpo import render
from proscribe.controller.enforcement_points.group_policy import registry_file
from proscribe.host.controls.group_policy.registry_pol import (
    BINARY,
    EMPTY_KEY,
    SZ,
    Entry,
    emptied,
    parse,
    said_by,
    text,
)


def files(**changes: Any) -> dict[str, bytes]:
    return dict(render(decision()._replace(**changes)).files)


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


def test_a_plan_without_a_policy_is_not_exported() -> None:
    nothing = plan({"browser": {id_: {"mode": "report"} for id_ in ("chat", "drive", "mail")}})
    with pytest.raises(NotExportable, match="nothing to export"):
        render(decision(nothing))


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


@pytest.mark.parametrize(
    "entry",
    [
        text("A]\r\n[-HKEY_LOCAL_MACHINE\\Software", "V", "x"),
        text("A", 'V"=-', "x"),
        text("A\\\\B", "V", "x"),
        text("", "V", "x"),
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
    chosen = [text("K", "V", one), Entry("K", "B", BINARY, data), emptied("K\\L"), text("K\\L", "1", other)]
    for content in (registry_file.setting(chosen, ["c"]), registry_file.removing(chosen, ["c"])):
        assert all(WHOLE_LINE.fullmatch(line) for line in lines(content))
    set_ = lines(registry_file.setting(chosen, []))
    assert len(set_) == 12
    assert sum(line.startswith('"') for line in set_) == len([one for one in chosen if one.value != EMPTY_KEY])
    assert chosen[0].type == SZ
