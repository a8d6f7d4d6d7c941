"""Our Group Policy objects on a fake domain controller: changes, drift, repair and removal."""

import copy
import errno
from collections.abc import Callable, Iterable
from pathlib import Path

import domain_controllers
import pytest
from domain_controllers import DESKTOPS, DN, LAPTOPS, POLICIES, SYSVOL, THEIRS, Controller, none
from domain_controllers import plan as planned
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_section
from proscribe.host.controls.base import Changes
from proscribe.host.controls.group_policy import changes, ldif, permissions
from proscribe.host.controls.group_policy.desired_gpos import render_gpt_ini
from proscribe.host.controls.group_policy.domain import escape_condition, normalise_dn
from proscribe.host.controls.group_policy.gpo_observation import GPT_INI_PATH, POLICY_PATH
from proscribe.host.controls.group_policy.identity import MARK_PREFIX, make_gpo_guid
from proscribe.host.controls.group_policy.permissions import DIRECTORY_DESCRIPTOR
from proscribe.host.controls.group_policy.registry_pol import (
    RegistryEntry,
    make_text_entry,
    parse_entries,
    render_entries,
)
from proscribe.host.controls.group_policy.state import ASIDE_FOLDER, STATE_PATH
from proscribe.host.host_operations import change, observe
from proscribe.host.system import ControlError
from recording import compare

GUID = make_gpo_guid("example.com", "Ours")
OBJECT, FOLDER = f"CN={GUID},{POLICIES}", f"{SYSVOL}/example.com/Policies/{GUID}"
PLAN = planned()
SITE, ACCOUNT = f"CN=Berlin,CN=Sites,{domain_controllers.CONFIGURATION}", "S-1-5-21-1-2-3-1104"
ACCESS = f"(A;CI;CCDCLCSWRPWPDTLOSDRCWDWO;;;{ACCOUNT})"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
POL = f"{FOLDER}/Machine/Registry.pol"
WITH_RULES = planned({"apps": make_section("apps", {"chat": {"windows_processes": ["chat.exe"]}}), "ous": [LAPTOPS]})
NOTE = (f"note {STATE_PATH}", "", "")
RECORDED = Path(__file__).parents[3] / "recorded/controls/group_policy_steps.txt"
Step = tuple[str, str, str]


@pytest.fixture
def controller(tmp_path):
    return Controller(tmp_path)


def enforce(controller: Controller, plan: dict = PLAN) -> dict:
    return change(controller, plan, "group_policy")


def rules(controller: Controller, plan: dict = PLAN) -> dict[str, tuple[str, list[str]]]:
    """By rule: its state, and `kind id: detail` of each finding."""
    record, _ = observe(controller, plan)
    assert record["errors"] == []
    found = {
        rule["rule"]: (rule["state"], [f"{f['kind']} {f['id']}: {f['detail']}" for f in rule["findings"]])
        for rule in record["rules"]
    }
    return found or {"all": (record["state"], [])}


def put(controller: Controller, path: str, content: bytes) -> None:
    file = place_of(controller, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read(controller: Controller, path: str) -> bytes:
    return place_of(controller, path).read_bytes()


def everything(controller: Controller) -> tuple[dict, dict]:
    return copy.deepcopy(controller.objects), domain_controllers.files_of(Path(controller.root))


def test_host_that_is_no_controller_is_an_error(controller, monkeypatch):
    for name, value, why in (("DN", "DC=../../etc,DC=com", "which domain"), ("SYSVOL", "sysvol", "no Samba domain")):
        monkeypatch.setattr(domain_controllers, name, value)
        with pytest.raises(ControlError, match=why):
            enforce(controller)
    (Path(controller.root) / domain_controllers.DATABASE[1:]).unlink()
    with pytest.raises(ControlError, match="no Samba domain controller"):
        enforce(controller)
    record, drifted = observe(controller, PLAN)
    assert record["rules"][0]["rule"] == "group_policy/ours" and record["state"] == "error" and drifted == []
    assert "no Samba domain controller" in record["errors"][0]["message"]
    assert change(controller, none(), "group_policy", lift=True)["changed"] is False


def test_an_audited_object_is_only_observed(controller):
    before = everything(controller)
    audited = copy.deepcopy(PLAN["group_policy"]["objects"][0])
    audited["browser"]["mode"] = "audit"
    plan = planned(audited)
    record, drifted = observe(controller, plan)
    assert (record["state"], drifted) == ("noncompliant", [])
    enforce(controller, plan)
    assert everything(controller) == before


def test_links_below_a_unit_that_blocks_inheritance(controller):
    inner = f"OU=Lab,{DESKTOPS}"
    controller.objects[inner] = {"objectClass": ["organizationalUnit"], "gPOptions": ["1"]}
    enforce(controller)
    detail = "it blocks inheritance, so the object does not apply there: name it too, or set enforced"
    assert rules(controller)["group_policy/ours"] == ("noncompliant", [f"link {inner}: {detail}"])
    forced = planned({"enforced": True})
    enforce(controller, forced)
    assert controller.objects[DESKTOPS]["gPLink"][0].startswith(f"[LDAP://{OBJECT};2]")
    assert rules(controller, forced) == {"all": ("compliant", [])}


def said(**values: str) -> Callable[[Controller], object]:
    return lambda c: c.objects[OBJECT].update({name: [value] for name, value in values.items()})


def rewritten(change: Callable[[list[RegistryEntry]], Iterable[RegistryEntry]]) -> Callable[[Controller], object]:
    return lambda c: put(c, POLICY_PATH, render_entries(change(parse_entries(read(c, POLICY_PATH)))))


def added(*entries: RegistryEntry) -> Callable[[Controller], object]:
    return rewritten(lambda items: [*items, *entries])


def permitted(descriptor: str) -> Callable[[Controller], object]:
    return said(nTSecurityDescriptor=descriptor)


def place_of(controller: Controller, path: str) -> Path:
    return Path(controller.root) / f"{FOLDER}/{path}"[1:]


def linked(at: str, options: int = 0) -> Callable[[Controller], object]:
    return lambda c: c.objects.setdefault(at, {"objectClass": ["site"]}).update(gPLink=[f"[ldap://{OBJECT};{options}]"])


def laid(path: str, content: bytes) -> Callable[[Controller], object]:
    return lambda c: put(c, path, content)


MAIL, TEST, TESU = (text.encode("utf-16-le") for text in ("mail", "mail.test", "mail.tesu"))
BRAVE = "policy Software\\Policies\\BraveSoftware\\Brave\\URLBlocklist\\1:"
GPO, VERSION, PERMISSIONS = f"gpo {GUID}:", f"version {GUID}:", f"gpo {GUID}: its permissions differ:"
POLICY, EXTRA = f"policy {POLICY_PATH}:", "is not of the plan:"
ENDED, FOREIGN = "a run that was ended left it", "it is not of this object"
ELSEWHERE = "the object is linked there, and the plan does not name it"
SCRIPT = "Machine/Scripts/Startup/evil.cmd"
TAMPERED: list[tuple[Callable[[Controller], object], str]] = [
    (
        lambda c: put(c, POLICY_PATH, read(c, POLICY_PATH).replace(TEST, TESU)),
        f"{BRAVE} is 'mail.tesu' instead of 'mail.test'",
    ),
    (added(make_text_entry("Software\\Policies\\X", "Y", "z")), f"policy Software\\Policies\\X\\Y: {EXTRA} 'z'"),
    (added(RegistryEntry("Software\\X", "Y", 4, b"1")), f"policy Software\\X\\Y: {EXTRA} no value of its type"),
    (rewritten(lambda items: [one for one in items if one.data[:8] != MAIL]), f"{BRAVE} is missing: 'mail.test'"),
    (added(*(make_text_entry("A", f"{n}", "z") for n in range(12))), f"policy {POLICY_PATH}: 2 more values differ"),
    (rewritten(reversed), f"{POLICY} the order of its values"),
    (laid(POLICY_PATH, b"PReg\x01\0\0\0[\0half"), f"{POLICY} cannot be read: byte 10: a name without its end"),
    (lambda c: place_of(c, POLICY_PATH).unlink(), f"file {POLICY_PATH}: SYSVOL lacks it"),
    (
        lambda c: (place_of(c, GPT_INI_PATH).unlink(), place_of(c, GPT_INI_PATH).symlink_to("/etc/passwd")),
        f"file {GPT_INI_PATH}: SYSVOL lacks it",
    ),
    (laid(GPT_INI_PATH, b"[General]\nVersion=5\n"), f"{VERSION} the directory has version 1, and SYSVOL 5"),
    (lambda c: put(c, GPT_INI_PATH, read(c, GPT_INI_PATH) + b"; mine\r\n"), f"{VERSION} it was changed"),
    (laid("Machine/Registry.pol.new", b""), f"file Machine/Registry.pol.new: {ENDED}"),
    (laid(".GPT.INI.new.proscribe~", b""), f"file .GPT.INI.new.proscribe~: {ENDED}"),
    (said(displayName="Nothing\x1b[2J"), f"{GPO} displayName is not ours: 'Nothing [2J'"),
    (lambda c: c.objects[OBJECT].pop("description"), f"{GPO} description is not ours: ''"),
    (said(flags="2"), f"{GPO} its settings for computers are switched off"),
    (permitted(DIRECTORY_DESCRIPTOR + ACCESS + "S:AI(AU;SA;WP;;;WD)"), f"{PERMISSIONS} {ACCOUNT} has 0xf00ff"),
    (permitted(DIRECTORY_DESCRIPTOR.replace("(A;CI;LCRPLORC;;;AU)", "")), f"{PERMISSIONS} AU lacks 0x20094"),
    (permitted("O:DAG:DAD:(" + ";" * 100_000), f"{PERMISSIONS} it cannot be read"),
    (
        lambda c: c.read_command_output(
            ["samba-tool", "ntacl", "set", "O:WDG:DAD:P(A;;FA;;;WD)", f"{FOLDER}/{POLICY_PATH}"]
        ),
        f"permissions {POLICY_PATH}: WD has 0x1f01ff",
    ),
    (laid(SCRIPT, b"evil"), f"file {SCRIPT}: {FOREIGN}"),
    (laid("MACHINE/Registry.pol", b"x"), f"file MACHINE/Registry.pol: {FOREIGN}"),
    (
        lambda c: (place_of(c, "").rename(Path(c.root) / "away"), Path(c.root, FOLDER[1:]).symlink_to("/etc")),
        f"file {GUID}: SYSVOL lacks it",
    ),
    (laid("\x1b[2J", b""), f"file \\x1b[2J: {FOREIGN}"),
    (lambda c: c.objects[DESKTOPS].pop("gPLink"), f"link {DESKTOPS}: the object is not linked there"),
    (linked(DESKTOPS, 1), f"link {DESKTOPS}: its link there is switched off"),
    (linked(SITE), f"link {SITE}: {ELSEWHERE}"),
    (
        lambda c: [c.objects.pop(dn) for dn in [*c.objects] if dn.endswith(OBJECT)],
        f"gpo {GUID}: the directory does not",
    ),
]


@pytest.mark.parametrize(("tamper", "named"), TAMPERED, ids=[named for _, named in TAMPERED])
def test_manual_change_is_named_and_repaired(controller, tamper, named):
    enforce(controller)
    enforce(controller)
    before = copy.deepcopy(controller.objects[OBJECT])
    tamper(controller)
    state, found = rules(controller)["group_policy/ours"]
    assert state == "noncompliant" and any(detail.startswith(named) for detail in found), found
    record, drifted = observe(controller, PLAN)
    assert drifted == ["group_policy"]  # enforcing corrects it
    where = {"gpo": None, "link": None, "version": f"{FOLDER}/{GPT_INI_PATH}", "policy": f"{FOLDER}/{POLICY_PATH}"}
    for finding in record["rules"][0]["findings"]:
        path = f"{FOLDER}/{finding['id']}" if finding["id"] != GUID else FOLDER
        assert (finding["manager"], finding["path"]) == ("samba", where.get(finding["kind"], path))
    enforce(controller)
    assert rules(controller) == {"all": ("compliant", [])}
    now = controller.objects[OBJECT]
    assert {**now, "versionNumber": 0} == {**before, "versionNumber": 0}  # new content has a new version
    if SCRIPT in named:
        aside = Path(controller.root) / f"{ASIDE_FOLDER}/{GUID}/{SCRIPT}"[1:]
        assert aside.read_bytes() == b"evil" and not place_of(controller, "Machine/Scripts").exists()


def test_a_large_file_of_somebody_elses_stays_and_is_an_error(controller, monkeypatch):
    enforce(controller)
    put(controller, "large.bin", b"x" * 100)
    put(controller, "small.bin", b"x" * 99)
    monkeypatch.setattr(changes, "MAX_ASIDE_BYTES", 99)
    with pytest.raises(ControlError, match=f"{GUID}/large.bin is larger than 99 bytes: remove it"):
        enforce(controller)
    assert read(controller, "large.bin") == b"x" * 100
    place_of(controller, "large.bin").unlink()
    enforce(controller)
    assert rules(controller) == {"all": ("compliant", [])}


def test_a_folder_that_cannot_be_made_is_an_error(controller, monkeypatch):
    def full(name: str, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(changes.os, "mkdir", full)
    with pytest.raises(ControlError, match=f"cannot make {FOLDER}: No space left on device"):
        changes._make_folder(controller, FOLDER, "")


def test_another_object_of_the_name_is_never_touched(controller):
    controller.objects[f"CN={THEIRS},{POLICIES}"]["displayName"] = ["OURS"]
    before, result = copy.deepcopy(controller.objects), enforce(controller)
    assert [THEIRS in refusal["reason"] for refusal in result["refused"]] == [True]
    assert "not ours" in rules(controller)["group_policy/ours"][1][0] and controller.objects == before


def test_a_later_object_of_the_name_does_not_keep_ours_from_being_repaired(controller):
    enforce(controller)
    controller.objects[f"CN={THEIRS},{POLICIES}"]["displayName"] = ["Ours"]
    put(controller, POLICY_PATH, b"")
    assert enforce(controller)["refused"] == []
    assert read(controller, POLICY_PATH) and "not ours" in rules(controller)["group_policy/ours"][1][0]
    assert observe(controller, PLAN)[1] == []  # which is left is nothing that enforcing would correct


def test_mark_on_a_foreign_object_does_not_make_it_ours(controller):
    """Or who may write to one object could have us delete another one."""
    theirs = f"CN={THEIRS},{POLICIES}"
    enforce(controller)
    controller.objects[theirs]["description"] = [f"{MARK_PREFIX}Default Domain Policy"]
    (Path(controller.root) / STATE_PATH[1:]).write_text(f'{{"names": {{"{THEIRS}": "x"}}, "right": []}}')
    before = copy.deepcopy(controller.objects[theirs])
    change(controller, PLAN, "group_policy", lift=True)
    assert controller.objects[theirs] == before and OBJECT not in controller.objects


def test_a_unit_that_the_domain_does_not_have_is_named_and_refused(controller):
    plan = planned({"ous": [DESKTOPS, f"OU=Gone,{DN}"]})
    assert [refusal["subject"] for refusal in enforce(controller, plan)["refused"]] == [f"OU=Gone,{DN}"]
    assert rules(controller, plan)["group_policy/ours"][1] == [f"link OU=Gone,{DN}: the domain has no such object"]
    assert observe(controller, plan)[1] == []  # nothing that enforcing would correct


def test_object_that_left_the_plan_is_removed_without_the_state(controller):
    before = everything(controller)
    enforce(controller, planned({}, {"name": "Second", "ous": [LAPTOPS]}))
    (Path(controller.root) / STATE_PATH[1:]).unlink()
    detail = "the plan does not have this object any more"
    assert rules(controller)["group_policy/second"][1] == [f"gpo {make_gpo_guid('example.com', 'Second')}: {detail}"]
    assert observe(controller, PLAN)[1] == ["group_policy"]
    enforce(controller)
    assert rules(controller) == {"all": ("compliant", [])}
    enforce(controller, none())
    (Path(controller.root) / "run/proscribe.turns").unlink()  # which runs were here; gone with a boot
    assert everything(controller) == before


def test_an_ordinary_user_sees_nothing(controller, monkeypatch):
    monkeypatch.setattr(Controller, "privileged", False)
    assert rules(controller)["group_policy/ours"][0] == "unknown"


@pytest.mark.slow
@pytest.mark.parametrize("lift", [False, True])
def test_run_killed_before_any_tool_is_healed_by_the_next(tmp_path, lift):
    number, killed = 0, True
    while killed:
        number += 1
        controller = Controller(tmp_path / str(number))
        before = everything(controller)
        enforce(controller)
        if not lift:
            put(controller, POLICY_PATH, render_entries([make_text_entry("Software\\X", "Y", "theirs")]))
            controller.objects[OBJECT]["gPCWQLFilter"] = ["[x]"]
            controller.objects[DESKTOPS] = copy.deepcopy(before[0][DESKTOPS])
        controller.tools_left, killed = number, False
        try:
            change(controller, PLAN, "group_policy", lift=lift)
        except domain_controllers.Killed:
            killed = True
        controller.tools_left = 1_000_000
        if killed:
            change(controller, PLAN, "group_policy", lift=lift)
        if not lift:
            versions = read(controller, GPT_INI_PATH)
            assert b"Version=2\r\n" in versions or b"Version=3\r\n" in versions
            assert rules(controller) == {"all": ("compliant", [])}
            change(controller, PLAN, "group_policy", lift=True)
        assert everything(controller) == before
    assert number > 5


def test_unit_that_is_not_there_takes_the_policy_from_no_other(controller):
    """Or the machines of a unit that was renamed would be without the ban."""
    enforce(controller)
    (refusal,) = enforce(controller, planned({"ous": [f"OU=Desktop,{DN}", LAPTOPS]}))["refused"]
    assert refusal["subject"] == f"OU=Desktop,{DN}"
    assert all(OBJECT in controller.objects[unit]["gPLink"][0] for unit in (DESKTOPS, LAPTOPS))
    enforce(controller, planned({"ous": [LAPTOPS]}))
    assert OBJECT not in str(controller.objects[DESKTOPS].get("gPLink"))


def test_links_that_others_change_meanwhile_stay(controller):
    def apply_after_others(changes: Changes) -> None:
        controller.objects[DESKTOPS]["gPLink"] = ["[LDAP://CN=other;0]"]
        for action in changes.actions:
            action.apply()

    with pytest.raises(ControlError, match="No such attribute"):
        change(controller, PLAN, "group_policy", doing=apply_after_others)
    assert controller.objects[DESKTOPS]["gPLink"] == ["[LDAP://CN=other;0]"]
    enforce(controller)
    assert rules(controller) == {"all": ("compliant", [])}


@given(st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True).filter("dn".__ne__), TEXTS, min_size=1))
def test_any_ldif_value_is_read_back_as_written(values):
    (entry,) = ldif.parse_ldif(ldif.make_add_record("CN=x", values.items()))
    assert {key: entry.get_value(key) for key in values} == values
    assert entry.dn == "CN=x" and set(entry.values_by_name) == {"changetype", *values}


@given(st.text())
def test_an_answer_that_is_none_is_read_as_far_as_it_goes(text):
    for entry in ldif.parse_ldif(f"dn: x\n{text}\n\ndn:: {text}\n"):
        assert isinstance(entry.dn, str)
    assert permissions.find_permission_defects(text, DIRECTORY_DESCRIPTOR)
    assert isinstance(normalise_dn(text), str)
    assert domain_controllers.fits(f"(a={escape_condition(text)})", {"a": [text]})


def steps(done: Changes) -> list[Step]:
    assert list(done.refusals) == []
    found = []
    for action in done.actions:
        ended = action.apply()
        found.append((f"{action} {ended}".strip() if ended else str(action), action.before, action.after))
    return found


def test_object_is_made_changed_and_lifted_in_steps(controller):
    plain, lift = planned(), changes.lift_group_policy
    plans = {"made": plain, "made again": plain, "with rules": WITH_RULES, "without rules": plain}
    works = [(name, changes.enforce_group_policy, plan) for name, plan in plans.items()]
    found = []
    for name, work, plan in [*works, ("lifted", lift, plain), ("lifted again", lift, none())]:
        found.append(f"{name}:\n")
        for step, before, after in steps(work(controller, plan)):
            found += [f"  {step}\n", f"    - {before!r}\n" * bool(before), f"    + {after!r}\n" * bool(after)]
    text = "".join(found).replace("CN=Policies,CN=System,DC=example,DC=com", "POLICIES")
    text = text.replace("{218877AA-A26B-8703-A8BB-4147C5BA78AE}", "{OURS}")
    text = text.replace(
        "rewritten at its next run. To lift it, on the controller: ./proscribe lift --limit THIS_HOST", "..."
    )
    compare(RECORDED, text.replace("/var/lib/samba/sysvol/example.com/Policies", "SYSVOL"))


def test_foreign_files_are_set_aside_under_new_names(controller):
    steps(changes.enforce_group_policy(controller, planned()))
    folder, aside = Path(controller.root, FOLDER[1:]), f"{ASIDE_FOLDER}/{GUID}"
    (folder / "Machine/a").mkdir()
    (folder / "Machine/a/b").write_text("b")
    (folder / "x").write_text("1")
    assert steps(changes.enforce_group_policy(controller, planned())) == [
        (f"set aside {FOLDER}/x as {aside}/x", "", ""),
        (f"set aside {FOLDER}/Machine/a/b as {aside}/Machine/a/b", "", ""),
        (f"set aside {FOLDER}/Machine/a/", "", ""),
        NOTE,
    ]
    (folder / "x").symlink_to("/etc/passwd")
    (folder / "GPT.INI.new").write_text("")
    expected = [(f"set aside {FOLDER}/x", "", ""), (f"set aside {FOLDER}/GPT.INI.new", "", ""), NOTE]
    assert steps(changes.enforce_group_policy(controller, planned())) == expected
    for number in (2, 3):
        (folder / "x").write_text(str(number))
        expected = f"set aside {FOLDER}/x as {aside}/x.{number}"
        assert steps(changes.enforce_group_policy(controller, planned()))[0][0] == expected
    assert [controller.read_text(f"{aside}/x{end}") for end in ("", ".2", ".3")] == ["1", "2", "3"]
    assert controller.path(f"{aside}/x").stat().st_mode & 0o777 == 0o600
    assert ASIDE_FOLDER in changes.lift_group_policy(controller, planned()).notes[0]


@pytest.mark.parametrize(("directory", "files", "given"), [("5", 1, 5), ("1", 7, 8), ("65535", 65535, 1), ("x", 0, 1)])
def test_changed_object_gets_the_next_version(controller, directory, files, given):
    steps(changes.enforce_group_policy(controller, planned()))
    controller.objects[OBJECT]["versionNumber"] = [directory]
    Path(controller.root, f"{FOLDER}/{GPT_INI_PATH}"[1:]).write_bytes(render_gpt_ini(files))
    Path(controller.root, POL[1:]).write_bytes(b"")
    steps(changes.enforce_group_policy(controller, planned()))
    assert controller.objects[OBJECT]["versionNumber"] == [str(given)]
    assert controller.read_file(f"{FOLDER}/{GPT_INI_PATH}") == render_gpt_ini(given)
