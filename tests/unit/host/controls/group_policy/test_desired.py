"""What an object of ours has, letter by letter: in the plan, in the directory, in its files."""

from __future__ import annotations

import re

import pytest
from made_controller import plan
from proscribe.host.controls.group_policy.desired import Desired, attributes, desired, ini
from proscribe.host.controls.group_policy.domain import Domain
from proscribe.host.system import WRITTEN_BY, ControlError

APPS = {"mode": "enforce", "services": {}, "settings": {}}
PROGRAMS = {**APPS, "services": {"chat": {"mode": "enforce", "windows_processes": ["chat.exe"]}}}
# [MS-GPREG] 1.9 and [MS-GPSB] 1.9: what reads Registry.pol, and security templates; then the editors.
READS_POLICIES, READS_TEMPLATES = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}", "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}"
EDITS_POLICIES, EDITS_TEMPLATES = "{D02B1F72-3407-48AE-BA88-E8213C6761F1}", "{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}"
EDITS_RULES = "{62C1845D-C4A6-4ACB-BBB0-C895FD090385}"  # of AppLocker


def test_the_page_of_requests_is_the_groups() -> None:
    (one,) = desired(plan({"request_url": "https://ask.example"}))
    (other,) = desired(plan())
    assert "https://ask.example".encode("utf-16-le") in one.policy
    assert "https://".encode("utf-16-le") not in other.policy


def test_what_does_not_fit_names_its_group() -> None:
    apps = {**PROGRAMS, "services": {"chat": {"mode": "enforce", "windows_processes": ["a%b.exe"]}}}
    with pytest.raises(ControlError, match="the policies of desktops do not fit into Registry.pol: .*a%b"):
        desired(plan({"apps": apps}))


@pytest.mark.parametrize(
    ("rules", "extensions"),
    [
        (b"", [READS_POLICIES, EDITS_POLICIES]),
        (b"x", [READS_POLICIES, EDITS_RULES, EDITS_POLICIES, READS_TEMPLATES, EDITS_TEMPLATES]),
    ],
)
def test_what_the_directory_has_of_one(rules: bytes, extensions: list[str]) -> None:
    domain = Domain("/sam.ldb", "DC=Example,DC=com", "/sysvol")
    found = dict(attributes(domain, Desired("Ours", [], False, True, b"", rules), "{1}"))
    assert re.findall(r"\{[^}]*\}", found.pop("gPCMachineExtensionNames")) == extensions
    assert found == {
        "displayName": "Ours",
        "description": f"{WRITTEN_BY} Its name: Ours",
        "flags": "0",
        "gPCFileSysPath": "\\\\example.com\\sysvol\\example.com\\Policies\\{1}",
        "gPCFunctionalityVersion": "2",
        "gPCUserExtensionNames": "",
        "gPCWQLFilter": "",
    }


def test_the_file_by_which_a_client_sees_a_change() -> None:
    assert ini(3) == f"; {WRITTEN_BY}\r\n[General]\r\nVersion=3\r\n".encode()
