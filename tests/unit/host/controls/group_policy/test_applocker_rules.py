"""AppLocker rules of a service, and their Group Policy object."""

from pathlib import Path
from typing import Any

import pytest
from domain_controllers import CONFIGURATION, DESKTOPS, DN, LAPTOPS, POLICIES, SYSVOL, THEIRS, Controller
from domain_controllers import plan as planned
from made_plans import make_section
from proscribe.host.controls.group_policy.applocker_rules import (
    APPX_COLLECTION,
    EXE_COLLECTION,
    MSI_COLLECTION,
    TEMPLATE_PATH,
    AppLockerRule,
    encode_template,
    make_service_rules,
)
from proscribe.host.controls.group_policy.gpo_observation import POLICY_PATH
from proscribe.host.controls.group_policy.identity import REGISTRY_EXTENSIONS, make_gpo_guid
from proscribe.host.controls.group_policy.registry_pol import make_text_entry, parse_entries, render_entries
from proscribe.host.controls.group_policy.state import ASIDE_FOLDER
from proscribe.host.host_operations import change, observe

GUID = make_gpo_guid("example.com", "Ours")
FOLDER, OTHER = f"{SYSVOL}/example.com/Policies/{GUID}", "{AAAAAAAA-0000-1111-2222-BBBBBBBBBBBB}"
CHAT = {"name": "Chat", "mode": "enforce", "windows_processes": ["chat.exe"]}


def path_rule(collection: str, name: str) -> AppLockerRule:
    return AppLockerRule(collection, "chat", path=f"*\\{name}")


def signed(*names: str) -> list[AppLockerRule]:
    publisher, product, binary = (*names, "*", "*")[:3]
    return [
        AppLockerRule(collection, "chat", "", publisher, product, binary)
        for collection in (EXE_COLLECTION, MSI_COLLECTION)
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, []),
        (
            {"windows_publishers": {"programs": ["O=B\\PROD\\X.EXE", "O=A", "O=B\\PROD"]}},
            [*signed("O=A"), *signed("O=B", "PROD"), *signed("O=B", "PROD", "X.EXE")],
        ),
        (
            {"windows_publishers": {"appx": ["CN=Z\\Y, O=Q\\App"]}},
            [AppLockerRule(APPX_COLLECTION, "chat", "", "CN=Z\\Y, O=Q", "App")],
        ),
        (  # what a process is called is denied wherever it lies
            {"windows_processes": ["Chat.exe"], "windows": ["dir/sub/chat.EXE", "other/tool.exe", "alone.exe"]},
            [path_rule(EXE_COLLECTION, name) for name in ("Chat.exe", "alone.exe", "other\\tool.exe")],
        ),
        (
            {"windows_installers": ["setup.MSI", "setup.exe"]},
            [path_rule(MSI_COLLECTION, "setup.MSI"), path_rule(EXE_COLLECTION, "setup.exe")],
        ),
    ],
)
def test_service_gives_rules_for_publishers_paths_and_installers(entry, expected):
    assert list(make_service_rules("chat", {"mode": "enforce", **entry})) == expected


def with_apps(mode: str = "audit", *objects: dict[str, Any]) -> dict[str, Any]:
    apps = make_section("apps", {"chat": CHAT}, applocker=mode)
    return planned(*({"apps": apps, **item} for item in objects or ({},)))


PLAN, WITHOUT = with_apps(), planned()


@pytest.fixture
def controller(tmp_path):
    return Controller(tmp_path)


def enforce(controller: Controller, plan: dict[str, Any] = PLAN) -> dict[str, Any]:
    return dict(change(controller, plan, "group_policy"))


def found(controller: Controller, plan: dict[str, Any] = PLAN) -> list[str]:
    """List the findings of an audit; [] for a compliant object."""
    record, _ = observe(controller, plan)
    assert record["errors"] == []
    findings = [finding for rule in record["rules"] for finding in rule["findings"]]
    return [f"{finding['kind']} {finding['id']}: {finding['detail']}" for finding in findings]


def file(controller: Controller, path: str) -> Path:
    return Path(controller.root) / f"{FOLDER}/{path}"[1:]


@pytest.mark.parametrize("lift", [False, True], ids=["enforced", "lifted"])
def test_a_template_of_somebody_else_in_an_object_without_applocker_is_kept_aside(controller, lift):
    enforce(controller, WITHOUT)
    file(controller, TEMPLATE_PATH).parent.mkdir(parents=True)
    file(controller, TEMPLATE_PATH).write_bytes(b"theirs")
    assert f"file {TEMPLATE_PATH}: it is not of this object" in found(controller, WITHOUT)
    change(controller, WITHOUT, "group_policy", lift=lift)
    aside = Path(controller.root) / f"{ASIDE_FOLDER}/{GUID}/{TEMPLATE_PATH}"[1:]
    assert aside.read_bytes() == b"theirs" and not file(controller, "Machine/Microsoft").exists()
    assert lift or found(controller, WITHOUT) == []


def others(controller: Controller, at: str, options: int = 0, folder: str = "Machine", **more: str) -> None:
    """An object of somebody else, with rules of AppLocker, that is linked somewhere."""
    dn = f"CN={OTHER},{POLICIES}"
    controller.objects[dn] = {"objectClass": ["groupPolicyContainer"], "cn": [OTHER], "displayName": ["Allow list"]}
    controller.objects[dn].update({name: [value] for name, value in more.items()})
    place = controller.objects.setdefault(at, {"objectClass": ["organizationalUnit"]})
    place["gPLink"] = [f"[LDAP://{dn.lower()};{options}]" + "".join(place.get("gPLink", []))]
    entry = make_text_entry("SOFTWARE\\Policies\\Microsoft\\Windows\\SRPV2\\Exe\\1", "Value", "<FilePathRule/>")
    path = Path(controller.root) / f"{SYSVOL}/example.com/Policies/{OTHER}/{folder}/registry.pol"[1:]
    path.parent.mkdir(parents=True)
    path.write_bytes(render_entries([entry]))


REASON = f"another object, {OTHER}, has rules of AppLocker for machines of ours"
SITE, BELOW = f"CN=Berlin,CN=Sites,{CONFIGURATION}", f"CN={OTHER},CN={THEIRS},{POLICIES}"


def hide(controller: Controller, below: bool) -> None:
    """Take the object from the directory, or (below) switch off one of its name below another object."""
    others(controller, DESKTOPS)
    entry = controller.objects[f"CN={OTHER},{POLICIES}"]
    if below:
        controller.objects[BELOW] = {**entry, "flags": ["3"]}
    else:  # its link and its files are there all the same
        del controller.objects[f"CN={OTHER},{POLICIES}"]


@pytest.mark.parametrize(
    ("prepare", "conflicts"),
    [
        *((lambda c, unit=unit: others(c, unit), True) for unit in (DESKTOPS, DN, f"OU=Lab,{DESKTOPS}")),
        (lambda c: (c.objects.update({SITE: {"objectClass": ["site"]}}), others(c, SITE)), True),
        (lambda c: others(c, DN, options=2), True),  # enforced
        (lambda c: others(c, DESKTOPS, folder="MACHINE"), True),  # as Windows makes it
        (lambda c: others(c, LAPTOPS), False),
        (lambda c: others(c, DESKTOPS, options=1), False),  # a link that is off
        (lambda c: others(c, DESKTOPS, flags="1"), True),  # settings for users are off
        *((lambda c, flags=flags: others(c, DESKTOPS, flags=flags), False) for flags in "23"),
        (lambda c: others(c, DESKTOPS, folder="User"), False),
        (lambda c: hide(c, below=True), True),
        (lambda c: hide(c, below=False), True),
    ],
)
def test_rules_of_others_for_the_same_machines_are_named_before_anything_is_written(controller, prepare, conflicts):
    prepare(controller)
    before, result = dict(controller.objects), enforce(controller)
    assert [(one["subject"], REASON in one["reason"]) for one in result["refused"]] == [(OTHER, True)] * conflicts
    named = [finding for finding in found(controller) if finding.startswith(f"gpo {OTHER}: {REASON}")]
    assert len(named) == conflicts
    if conflicts:
        assert (result["changed"], controller.objects) == (False, before)
        assert enforce(controller, WITHOUT)["refused"] == []  # without AppLocker, it is no conflict
    else:
        assert found(controller) == []


def test_rules_of_others_at_any_unit_of_an_object_are_named(controller):
    others(controller, LAPTOPS)
    result = enforce(controller, with_apps("audit", {"ous": [DESKTOPS, LAPTOPS]}))
    assert [refusal["subject"] for refusal in result["refused"]] == [OTHER] and result["changed"] is False


SECEDIT, LACKS, FOREIGN = TEMPLATE_PATH.rpartition("/")[0], "SYSVOL lacks it", "it is not of this object"
TEMPLATE = f"file {TEMPLATE_PATH}"


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (lambda c: file(c, TEMPLATE_PATH).write_bytes(encode_template() + b"x"), f"{TEMPLATE}: it was changed"),
        (lambda c: file(c, TEMPLATE_PATH).unlink(), f"{TEMPLATE}: {LACKS}"),
        (lambda c: (file(c, TEMPLATE_PATH).unlink(), file(c, TEMPLATE_PATH).mkdir()), f"{TEMPLATE}/: {FOREIGN}"),
        (lambda c: (file(c, TEMPLATE_PATH).unlink(), file(c, SECEDIT).rmdir()), f"file {SECEDIT}: {LACKS}"),
        (lambda c: file(c, f"{SECEDIT}/Other.inf").write_bytes(b"x"), f"file {SECEDIT}/Other.inf: {FOREIGN}"),
        (
            lambda c: c.objects[f"CN={GUID},{POLICIES}"].update(gPCMachineExtensionNames=[REGISTRY_EXTENSIONS]),
            f"gpo {GUID}: gPCMachineExtensionNames is not ours: '{REGISTRY_EXTENSIONS}'",
        ),
        (
            lambda c: c.read_command_output(
                ["samba-tool", "ntacl", "set", "O:WDG:DAD:P(A;;FA;;;WD)", f"{FOLDER}/{TEMPLATE_PATH}"]
            ),
            f"permissions {TEMPLATE_PATH}: WD has 0x1f01ff",
        ),
    ],
)
def test_changed_template_of_applocker_is_named_and_repaired(controller, tamper, named):
    enforce(controller)
    tamper(controller)
    assert named in found(controller) and observe(controller, PLAN)[1] == ["group_policy"]
    enforce(controller)
    assert found(controller) == [] and file(controller, TEMPLATE_PATH).read_bytes() == encode_template()
    aside = Path(controller.root) / f"{ASIDE_FOLDER}/{GUID}/{SECEDIT}/Other.inf"[1:]
    assert aside.exists() is ("Other.inf" in named)


def test_two_objects_of_ours_are_no_conflict(controller):
    both = with_apps("audit", {}, {"name": "Second", "ous": [f"OU=Lab,{DESKTOPS}", LAPTOPS]})
    controller.objects[f"OU=Lab,{DESKTOPS}"] = {"objectClass": ["organizationalUnit"]}
    assert [enforce(controller, both)["refused"] for _ in range(2)] == [[], []] and found(controller, both) == []


def test_later_rules_of_others_are_named_and_ours_stay(controller):
    enforce(controller)
    others(controller, DESKTOPS)
    assert [refusal["subject"] for refusal in enforce(controller)["refused"]] == [OTHER]
    assert [finding.startswith(f"gpo {OTHER}: {REASON}") for finding in found(controller)] == [True]
    assert observe(controller, PLAN)[1] == []  # nothing that enforcing would correct
    change(controller, PLAN, "group_policy", lift=True)
    assert not any(GUID in dn for dn in controller.objects)


@pytest.mark.parametrize(("mode", "number"), [("audit", b"\0"), ("enforce", b"\1")])
def test_rules_are_audited_or_enforced_and_go_with_the_variable(controller, mode, number):
    enforce(controller, with_apps(mode))
    rules = parse_entries(file(controller, POLICY_PATH).read_bytes())
    assert {entry.data for entry in rules if entry.value_name == "EnforcementMode"} == {number + b"\0\0\0"}
    enforce(controller, WITHOUT)
    assert not file(controller, "Machine/Microsoft").exists() and found(controller, WITHOUT) == []
    assert b"SRPV2" not in file(controller, POLICY_PATH).read_bytes().upper().replace(b"\0", b"")
