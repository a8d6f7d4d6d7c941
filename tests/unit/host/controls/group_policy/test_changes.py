"""What is done to our objects on a domain controller, step by step, and what each step shows before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_controller import DESKTOPS, LAPTOPS, POLICIES, SYSVOL, THEIRS, Controller, none, plan
from proscribe.host.controls.base import Changes
from proscribe.host.controls.group_policy import changes
from proscribe.host.controls.group_policy.applocker import template
from proscribe.host.controls.group_policy.desired import desired, ini
from proscribe.host.controls.group_policy.identity import guid
from proscribe.host.controls.group_policy.observed import INI
from proscribe.host.controls.group_policy.state import ASIDE, FILE

GUID = guid("example.com", "Ours")
OBJECT, FOLDER = f"CN={GUID},{POLICIES}", f"{SYSVOL}/example.com/Policies/{GUID}"
POL, SECURITY = f"{FOLDER}/Machine/Registry.pol", f"{FOLDER}/Machine/Microsoft"
SERVICE = {"mode": "enforce", "windows_processes": ["chat.exe"]}
WITH_RULES = plan({"apps": {"mode": "enforce", "services": {"chat": SERVICE}, "settings": {}}, "ous": [LAPTOPS]})
HERS = f"[LDAP://CN={THEIRS},{POLICIES};2]"
LINK = f"[LDAP://{OBJECT};0]"
NOTE = (f"note {FILE}", "", "")

Step = tuple[str, str, str]


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def steps(done: Changes) -> list[Step]:
    """What is done, now."""
    assert list(done.refused) == []
    found = []
    for action in done.actions:
        ended = action.apply()
        found.append((f"{action} {ended}".strip() if ended else str(action), action.before, action.after))
    return found


def text(version: int) -> str:
    return ini(version).decode() if version else ""


def size(of: dict[str, Any] | None) -> str:
    return f"{len(desired(of)[0].policy)} bytes\n" if of else ""


def written(before: int, after: int, earlier: dict[str, Any] | None, now: dict[str, Any]) -> list[Step]:
    return [
        (f"write {POL}", size(earlier), size(now)),
        (f"write {FOLDER}/{INI}", text(before), text(after)),
    ]


def test_each_step_from_nothing_to_rules_and_back(controller: Controller) -> None:
    plain = plan()
    assert steps(changes.enforce(controller, plain)) == [
        NOTE,
        *((f"make {path}", "", "") for path in (FOLDER, f"{FOLDER}/Machine", f"{FOLDER}/User")),
        *written(0, 1, None, plain),
        (f"add {OBJECT}", "", ""),
        (f"link {DESKTOPS}", HERS, LINK + HERS),
        NOTE,
    ]
    assert steps(changes.enforce(controller, plain)) == []
    deep = [SECURITY, f"{SECURITY}/Windows NT", f"{SECURITY}/Windows NT/SecEdit"]
    assert steps(changes.enforce(controller, WITH_RULES)) == [
        (f"change {OBJECT}", "", ""),
        *((f"make {path}", "", "") for path in deep),
        (f"write {deep[-1]}/GptTmpl.inf", "", f"{len(template())} bytes\n"),
        *written(1, 2, plain, WITH_RULES),
        (f"link {LAPTOPS}", "", LINK),
        (f"unlink {DESKTOPS}", LINK + HERS, HERS),
        NOTE,
    ]
    assert steps(changes.enforce(controller, plain)) == [
        (f"change {OBJECT}", "", ""),
        *((f"delete {path}", "", "") for path in (f"{deep[-1]}/GptTmpl.inf", *reversed(deep))),
        *written(2, 3, WITH_RULES, plain),
        (f"link {DESKTOPS}", HERS, LINK + HERS),
        (f"unlink {LAPTOPS}", LINK, ""),
        NOTE,
    ]
    done = changes.lift(controller, plain)
    assert list(done.notes) == []
    assert steps(done) == [
        (f"unlink {DESKTOPS}", LINK + HERS, HERS),
        (f"delete {OBJECT}", "", ""),
        (f"delete {FOLDER}", "", ""),
        (f"delete {FILE}", "", ""),
    ]
    assert changes.lift(controller, none()) == Changes()


def test_what_others_put_there_is_kept_under_names_of_its_own(controller: Controller) -> None:
    steps(changes.enforce(controller, plan()))
    folder, aside = Path(controller.root, FOLDER[1:]), f"{ASIDE}/{GUID}"
    (folder / "Machine/a").mkdir()
    (folder / "Machine/a/b").write_text("b")
    (folder / "x").write_text("1")
    assert steps(changes.enforce(controller, plan())) == [
        (f"set aside {FOLDER}/x as {aside}/x", "", ""),
        (f"set aside {FOLDER}/Machine/a/b as {aside}/Machine/a/b", "", ""),
        (f"set aside {FOLDER}/Machine/a/", "", ""),
        NOTE,
    ]
    (folder / "x").symlink_to("/etc/passwd")
    (folder / "GPT.INI.new").write_text("")
    assert steps(changes.enforce(controller, plan())) == [
        (f"set aside {FOLDER}/x", "", ""),
        (f"set aside {FOLDER}/GPT.INI.new", "", ""),
        NOTE,
    ]
    for number in (2, 3):
        (folder / "x").write_text(str(number))
        assert steps(changes.enforce(controller, plan()))[0][0] == f"set aside {FOLDER}/x as {aside}/x.{number}"
    assert [controller.text(f"{aside}/x{end}") for end in ("", ".2", ".3")] == ["1", "2", "3"]
    assert Path(controller.root, aside[1:], "x").stat().st_mode & 0o777 == 0o600
    assert list(changes.lift(controller, plan()).notes) == [f"what others had put into these objects is in {ASIDE}"]


@pytest.mark.parametrize(
    ("directory", "files", "given"),
    [
        ("1", 1, 2),
        ("5", 1, 5),  # a run that was ended gave it
        ("1", 7, 8),
        ("65535", 65535, 1),
        ("65536", 65536, 65537),
        ("131071", 131071, 65537),
        ("-1", 3, 4),
        ("x", 0, 1),
    ],
)
def test_which_version_a_change_gets(controller: Controller, directory: str, files: int, given: int) -> None:
    steps(changes.enforce(controller, plan()))
    controller.objects[OBJECT]["versionNumber"] = [directory]
    Path(controller.root, f"{FOLDER}/{INI}"[1:]).write_bytes(ini(files))
    Path(controller.root, POL[1:]).write_bytes(b"")
    steps(changes.enforce(controller, plan()))
    assert controller.objects[OBJECT]["versionNumber"] == [str(given)]
    assert controller.read(f"{FOLDER}/{INI}") == ini(given)
