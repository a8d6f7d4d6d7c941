"""AppLocker in a Group Policy object of ours: rules and a service's start come, are repaired, and go. Where another
object has rules for the same machines, nothing is written. The directory is made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_controller import CONFIGURATION, DESKTOPS, DN, LAPTOPS, POLICIES, SYSVOL, THEIRS, Controller, Killed, files_of
from made_controller import plan as planned
from proscribe.host.controls.group_policy.applocker import KEY, TEMPLATE, template
from proscribe.host.controls.group_policy.differences import OTHER_RULES
from proscribe.host.controls.group_policy.identity import EXTENSIONS, WITH_APPLOCKER, guid
from proscribe.host.controls.group_policy.observed import INI, POLICY
from proscribe.host.controls.group_policy.registry_pol import Entry, number, parse, render, text
from proscribe.host.controls.group_policy.state import ASIDE, FILE
from proscribe.host.run import change, observe

GUID = guid("example.com", "Ours")
OBJECT = f"CN={GUID},{POLICIES}"
FOLDER = f"{SYSVOL}/example.com/Policies/{GUID}"
OTHER = "{AAAAAAAA-0000-1111-2222-BBBBBBBBBBBB}"
CHAT = {"name": "Chat", "mode": "enforce", "windows_processes": ["chat.exe"]}


def with_apps(mode: str = "audit", *objects: dict[str, Any]) -> dict[str, Any]:
    apps = {"mode": "enforce", "services": {"chat": CHAT}, "settings": {"applocker": mode}}
    return planned(*({"apps": apps, **one} for one in objects or ({},)))


PLAN, WITHOUT = with_apps(), planned()


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def enforce(controller: Controller, plan: dict[str, Any] = PLAN) -> dict[str, Any]:
    return dict(change(controller, plan, "group_policy"))


def found(controller: Controller, plan: dict[str, Any] = PLAN) -> list[str]:
    """What an audit names; [] for an object that is compliant."""
    record, _ = observe(controller, plan)
    assert record["errors"] == []
    return [f"{one['kind']} {one['id']}: {one['detail']}" for rule in record["rules"] for one in rule["findings"]]


def file(controller: Controller, path: str) -> Path:
    return Path(controller.root) / f"{FOLDER}/{path}"[1:]


def put(controller: Controller, path: str, content: bytes) -> None:
    file(controller, path).parent.mkdir(parents=True, exist_ok=True)
    file(controller, path).write_bytes(content)


def everything(controller: Controller) -> tuple[dict[str, Any], dict[str, bytes]]:
    return copy.deepcopy(controller.objects), dict(files_of(Path(controller.root)))


def rules_of(controller: Controller) -> dict[tuple[str, str], Entry]:
    """The values of AppLocker in the object's Registry.pol."""
    entries = parse(file(controller, POLICY).read_bytes())
    return {(one.key, one.value): one for one in entries if one.key.startswith(KEY)}


def test_rules_and_the_services_start_come_and_go(controller: Controller) -> None:
    before = everything(controller)
    assert enforce(controller)["refused"] == []
    assert controller.objects[OBJECT]["gPCMachineExtensionNames"] == [WITH_APPLOCKER]
    assert file(controller, TEMPLATE).read_bytes() == template()
    rules = rules_of(controller)
    assert rules[f"{KEY}\\Exe", "EnforcementMode"] == number(f"{KEY}\\Exe", "EnforcementMode", 0)
    assert sum("*\\chat.exe".encode("utf-16-le") in one.data for one in rules.values()) == 1
    assert found(controller) == []

    after = everything(controller)
    assert enforce(controller)["changed"] is False and everything(controller) == after

    assert enforce(controller, with_apps("enforce"))["changed"]
    assert rules_of(controller)[f"{KEY}\\Exe", "EnforcementMode"].data == b"\1\0\0\0"
    assert controller.objects[OBJECT]["versionNumber"] == ["2"]

    # The group's variable is off: what AppLocker had goes, the browsers' policies stay.
    assert any(TEMPLATE in one for one in found(controller, WITHOUT))
    enforce(controller, WITHOUT)
    assert rules_of(controller) == {} and not file(controller, "Machine/Microsoft").exists()
    assert controller.objects[OBJECT]["gPCMachineExtensionNames"] == [EXTENSIONS]
    assert found(controller, WITHOUT) == [] and b"Version=3\r\n" in file(controller, INI).read_bytes()
    assert enforce(controller, WITHOUT)["changed"] is False

    enforce(controller)
    assert found(controller) == []
    change(controller, PLAN, "group_policy", lift=True)
    assert everything(controller) == before


def test_a_plan_without_applocker_says_what_it_said_before(controller: Controller) -> None:
    enforce(controller, WITHOUT)
    assert rules_of(controller) == {}
    assert controller.objects[OBJECT]["gPCMachineExtensionNames"] == [EXTENSIONS]
    assert sorted(path.name for path in file(controller, "").rglob("*")) == [INI, "Machine", "Registry.pol", "User"]


def written(change_of: Callable[[list[Entry]], list[Entry]]) -> Callable[[Controller], object]:
    return lambda c: put(c, POLICY, render(change_of(parse(file(c, POLICY).read_bytes()))))


def enabled(entries: list[Entry]) -> list[Entry]:
    return [one._replace(data=b"\1\0\0\0") if one.value == "EnforcementMode" else one for one in entries]


DRIFT: dict[str, tuple[Callable[[Controller], object], str]] = {
    "the service does not start": (
        lambda c: put(c, TEMPLATE, template().replace(b"2\0,", b"4\0,")),
        f"file {TEMPLATE}: it was changed",
    ),
    "no template": (lambda c: file(c, TEMPLATE).unlink(), f"file {TEMPLATE}: SYSVOL lacks it"),
    "another template": (
        lambda c: put(c, "Machine/Microsoft/Windows NT/SecEdit/Other.inf", b"x"),
        "file Machine/Microsoft/Windows NT/SecEdit/Other.inf: it is not of this object",
    ),
    "a folder in place of the template": (
        lambda c: (file(c, TEMPLATE).unlink(), file(c, TEMPLATE).mkdir()),
        f"file {TEMPLATE}/: it is not of this object",
    ),
    "enforced by hand": (
        written(enabled),
        f"policy {KEY}\\Exe\\EnforcementMode: is 1 instead of 0",
    ),
    "a rule is gone": (
        written(lambda entries: [one for one in entries if b"c\0h\0a\0t\0" not in one.data]),
        "is missing: '<FilePathRule Id=",
    ),
    "a rule that allows it": (
        written(lambda entries: [*entries, text(f"{KEY}\\Exe\\x", "Value", "<FilePathRule/>")]),
        f"policy {KEY}\\Exe\\x\\Value: is not of the plan: '<FilePathRule/>'",
    ),
    "no extension reads the template": (
        lambda c: c.objects[OBJECT].update(gPCMachineExtensionNames=[EXTENSIONS]),
        "gPCMachineExtensionNames is not ours",
    ),
    "permissions of the template": (
        lambda c: c.must(["samba-tool", "ntacl", "set", "O:WDG:DAD:P(A;;FA;;;WD)", f"{FOLDER}/{TEMPLATE}"]),
        f"permissions {TEMPLATE}: WD has 0x1f01ff",
    ),
    "no folder": (
        lambda c: (file(c, TEMPLATE).unlink(), file(c, TEMPLATE).parent.rmdir()),
        "file Machine/Microsoft/Windows NT/SecEdit: SYSVOL lacks it",
    ),
}


@pytest.mark.parametrize("name", DRIFT)
def test_changes_made_by_hand_are_named_and_repaired(controller: Controller, name: str) -> None:
    tamper, named = DRIFT[name]
    enforce(controller)
    version = controller.objects[OBJECT]["versionNumber"]
    tamper(controller)
    assert any(named in one for one in found(controller)), found(controller)
    assert observe(controller, PLAN)[1] == ["group_policy"]
    enforce(controller)
    assert found(controller) == []
    if not name.startswith(("permissions", "another")):
        assert controller.objects[OBJECT]["versionNumber"] != version  # so machines take it again
    aside = Path(controller.root) / f"{ASIDE}/{GUID}/Machine/Microsoft/Windows NT/SecEdit/Other.inf"[1:]
    assert aside.exists() == (name == "another template")


def test_a_run_that_is_ended_anywhere_is_healed_by_the_next(tmp_path: Path) -> None:
    """While AppLocker comes into an object, and while it goes."""
    for first, second in ((WITHOUT, PLAN), (PLAN, WITHOUT)):
        number_ = 0
        while True:
            number_ += 1
            controller = Controller(tmp_path / f"{first is PLAN}{number_}")
            before = everything(controller)
            enforce(controller, first)
            version = file(controller, INI).read_bytes()
            controller.tools = number_
            try:
                enforce(controller, second)
            except Killed:
                controller.tools = 1_000_000
                enforce(controller, second)
                assert found(controller, second) == [] and file(controller, INI).read_bytes() != version
                change(controller, second, "group_policy", lift=True)
                assert everything(controller) == before
            else:
                break
        assert number_ > 5


@pytest.mark.parametrize("lift", [False, True], ids=["enforced", "lifted"])
def test_a_template_of_somebody_else_in_an_object_without_applocker_is_kept_aside(
    controller: Controller, lift: bool
) -> None:
    enforce(controller, WITHOUT)
    put(controller, TEMPLATE, b"theirs")
    assert f"file {TEMPLATE}: it is not of this object" in found(controller, WITHOUT)
    change(controller, WITHOUT, "group_policy", lift=lift)
    aside = Path(controller.root) / f"{ASIDE}/{GUID}/{TEMPLATE}"[1:]
    assert aside.read_bytes() == b"theirs" and not file(controller, "Machine/Microsoft").exists()
    assert lift or found(controller, WITHOUT) == []


# -- objects of others with rules of their own


def others(controller: Controller, at: str, options: int = 0, folder: str = "Machine", **more: str) -> None:
    """An object of somebody else, with rules of AppLocker, that is linked somewhere."""
    dn = f"CN={OTHER},{POLICIES}"
    controller.objects[dn] = {"objectClass": ["groupPolicyContainer"], "cn": [OTHER], "displayName": ["Allow list"]}
    controller.objects[dn].update({name: [value] for name, value in more.items()})
    place = controller.objects.setdefault(at, {"objectClass": ["organizationalUnit"]})
    place["gPLink"] = [f"[LDAP://{dn.lower()};{options}]" + "".join(place.get("gPLink", []))]
    entry = text("SOFTWARE\\Policies\\Microsoft\\Windows\\SRPV2\\Exe\\1", "Value", "<FilePathRule/>")
    path = Path(controller.root) / f"{SYSVOL}/example.com/Policies/{OTHER}/{folder}/registry.pol"[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(render([entry]))


SITE = f"CN=Berlin,CN=Sites,{CONFIGURATION}"
BELOW = f"CN={OTHER},CN={THEIRS},{POLICIES}"
PLACES = {
    "the same unit": (lambda c: others(c, DESKTOPS), True),
    "a unit above": (lambda c: others(c, DN), True),
    "a unit below": (lambda c: others(c, f"OU=Lab,{DESKTOPS}"), True),
    "a site": (
        lambda c: (c.objects.update({SITE: {"objectClass": ["site"]}}), others(c, SITE)),
        True,
    ),
    "enforced": (lambda c: others(c, DN, options=2), True),
    "a folder that Windows made": (lambda c: others(c, DESKTOPS, folder="MACHINE"), True),
    "another unit": (lambda c: others(c, LAPTOPS), False),
    "a link that is off": (lambda c: others(c, DESKTOPS, options=1), False),
    "settings for computers are off": (lambda c: others(c, DESKTOPS, flags="2"), False),
    "all settings are off": (lambda c: others(c, DESKTOPS, flags="3"), False),
    "an object of the same name below another one is off": (
        lambda c: (
            others(c, DESKTOPS),
            c.objects.update({BELOW: {**c.objects[f"CN={OTHER},{POLICIES}"], "flags": ["3"]}}),
        ),
        True,
    ),
    "the directory does not have the object": (
        lambda c: (others(c, DESKTOPS), c.objects.pop(f"CN={OTHER},{POLICIES}")),
        True,
    ),
    "settings for users are off": (lambda c: others(c, DESKTOPS, flags="1"), True),
    "rules for users": (lambda c: others(c, DESKTOPS, folder="User"), False),
}


@pytest.mark.parametrize("name", PLACES)
def test_rules_of_others_for_the_same_machines_are_named_before_anything_is_written(
    controller: Controller, name: str
) -> None:
    prepare, conflicts = PLACES[name]
    prepare(controller)
    before = everything(controller)
    result = enforce(controller)
    if conflicts:
        assert [(one["subject"], one["reason"]) for one in result["refused"]] == [(OTHER, OTHER_RULES.format(OTHER))]
        assert result["changed"] is False and not (Path(controller.root) / FILE[1:]).exists()
        assert controller.objects == before[0]
        assert f"gpo {OTHER}: {OTHER_RULES.format(OTHER)}" in found(controller)
        assert enforce(controller, WITHOUT)["refused"] == []  # without AppLocker, it is no conflict
    else:
        assert result["refused"] == [] and found(controller) == []


@pytest.mark.parametrize("unit", [DESKTOPS, LAPTOPS])
def test_rules_of_others_at_any_unit_of_an_object_are_named(controller: Controller, unit: str) -> None:
    others(controller, unit)
    result = enforce(controller, with_apps("audit", {"ous": [DESKTOPS, LAPTOPS]}))
    assert [one["subject"] for one in result["refused"]] == [OTHER] and result["changed"] is False


def test_rules_that_somebody_adds_later_are_named_and_ours_stay(controller: Controller) -> None:
    enforce(controller)
    others(controller, DESKTOPS)
    before = everything(controller)
    assert [one["subject"] for one in enforce(controller)["refused"]] == [OTHER]
    assert found(controller) == [f"gpo {OTHER}: {OTHER_RULES.format(OTHER)}"] and everything(controller)[0] == before[0]
    assert observe(controller, PLAN)[1] == []  # nothing that enforcing would correct
    change(controller, PLAN, "group_policy", lift=True)
    assert OBJECT not in controller.objects


def test_two_objects_of_ours_are_no_conflict(controller: Controller) -> None:
    both = with_apps("audit", {}, {"name": "Second", "ous": [f"OU=Lab,{DESKTOPS}", LAPTOPS]})
    controller.objects[f"OU=Lab,{DESKTOPS}"] = {"objectClass": ["organizationalUnit"]}
    assert enforce(controller, both)["refused"] == [] and found(controller, both) == []
    assert enforce(controller, both)["refused"] == []
