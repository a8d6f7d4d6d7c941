"""Group Policy from a plan, in a real domain."""

import base64
import datetime
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from applocker_evaluator import File, denied, of_registry
from machines import PROJECT, Machine, read_records
from made_domain import ADMINISTRATOR, DATABASE, DN, OU, SYSVOL, Controller, domain, refreshed, visits
from proscribe.host.controls.group_policy import applocker_rules
from proscribe.host.controls.group_policy.applocker_rules import TEMPLATE_PATH
from proscribe.host.controls.group_policy.gpo_observation import GPT_INI_PATH, POLICY_PATH
from proscribe.host.controls.group_policy.identity import APPLOCKER_EXTENSIONS, make_gpo_guid
from proscribe.host.controls.group_policy.registry_pol import decode_entry, parse_entries

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

NAME = "Proscribe desktops"
RULE = "group_policy/proscribe-desktops"
GUID = make_gpo_guid("example.test", NAME)
OBJECT = f"CN={GUID},CN=Policies,CN=System,{DN}"
FOLDER = f"{SYSVOL}/example.test/Policies/{GUID}"
OBJECTS = {"proscribe_group_policy": [{"name": NAME, "group": "windows_desktops", "ous": [OU]}]}
BLOCKED = ["https://web.whatsapp.com/", "https://mail.google.com/", "https://www.dropbox.com/"]
OPEN = ["https://www.example.org/", "https://www.debian.org/"]
# What changes with every logon, or with every change of an object or of one below it.
VOLATILE = {"uSNChanged", "whenChanged", "badPasswordTime", "dSCorePropagationData"}
VOLATILE |= {"lastLogon", "lastLogonTimestamp", "logonCount"}
LISTING = """
import hashlib, os, sys
for folder, names, files in sorted(os.walk(sys.argv[1])):
    for name in ["", *sorted(files)]:
        path = os.path.join(folder, name)
        seen = os.stat(path)
        print(path, seen.st_uid, seen.st_gid, oct(seen.st_mode), *(
            f"{one}={hashlib.sha256(os.getxattr(path, one)).hexdigest()}" for one in sorted(os.listxattr(path))
        ), hashlib.sha256(open(path, "rb").read()).hexdigest() if name else "")
"""
# Ends after so many of the actions of a run, as a kill does.
KILLED = """
import json, os, sys
sys.path.insert(0, "/opt/checkout")
from proscribe.host.system import Host
from proscribe.host.host_operations import change

def some(changes):
    for action in changes.actions[:int(sys.argv[1])]:
        action.apply()
    os._exit(9)

change(Host(), json.load(open("/opt/checkout/plan.json")), "group_policy", doing=some)
"""
NOW = datetime.datetime.now(datetime.timezone.utc)
WAIVER = {"id": "w1", "services": ["telegram"], "controls": ["apps"], "groups": ["lab"], "reason": "r"}
WAIVER |= {"requested_by": "a", "approved_by": "b"}
WAIVER["approved_on"] = f"{NOW - datetime.timedelta(2):%Y-%m-%dT00:00:00Z}"
WAIVER["expires"] = f"{NOW + datetime.timedelta(30):%Y-%m-%dT00:00:00Z}"
TELEGRAM = File("C:\\x\\Telegram.exe")


class World(NamedTuple):
    controller: Controller
    desktop: Machine
    reports: Path
    before: tuple[Mapping[str, str], str]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("domain")
    with domain() as (controller, desktop):
        refreshed(desktop)  # so that all that a client makes of itself is there
        yield World(controller, desktop, directory / "reports", state_of(controller))


def state_of(controller):
    """The whole directory by object, but for what is volatile; and SYSVOL, with permissions and contents."""
    objects = {}
    for base in (DN, f"CN=Configuration,{DN}"):
        said = controller.run("ldbsearch", "-H", DATABASE, "-b", base, "*", "nTSecurityDescriptor")
        for block in said.replace("\n ", "").split("\n\n"):
            lines = [line for line in block.splitlines() if line and not line.startswith("#")]
            if lines and lines[0].startswith("dn:"):
                objects[lines[0]] = "\n".join(sorted(one for one in lines if one.partition(":")[0] not in VOLATILE))
    return objects, controller.run("python3", "-", SYSVOL, stdin=LISTING)


def rule(world):
    record = read_records(world.reports)["dc1"]
    own = [rule for rule in record["rules"] if rule["rule"] == RULE]
    return own[0] if own else {"state": record["state"], "findings": []}


def enforce(world, **variables):
    done = world.controller.proscribe("enforce", world.reports, **{**OBJECTS, **variables})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def content(world, path):
    return base64.b64decode(world.controller.run("base64", path))


def programs(world, id_):
    """AppLocker's rules in an object, as a machine reads them."""
    entries = parse_entries(content(world, f"{SYSVOL}/example.test/Policies/{id_}/{POLICY_PATH}"))
    return of_registry(
        [
            (one.key, one.value_name, decode_entry(one))
            for one in entries
            if one.key.startswith(applocker_rules.APPLOCKER_KEY)
        ]
    )


def version(world):
    return world.controller.run("cat", f"{FOLDER}/{GPT_INI_PATH}").partition("Version=")[2].strip()


def test_enforcing_run_puts_the_object_in_place_and_a_second_changes_nothing(world):
    enforce(world)
    assert rule(world)["state"] == "repaired"
    said = world.controller.run("samba-tool", "gpo", "getlink", OU)
    assert GUID in said and NAME in said and "Registry.pol" in world.controller.run("ls", f"{FOLDER}/Machine")
    assert applocker_rules.encode_template() == content(world, f"{FOLDER}/{TEMPLATE_PATH}")
    said = world.controller.run("ldbsearch", "-H", DATABASE, f"(cn={GUID})", "gPCMachineExtensionNames")
    assert APPLOCKER_EXTENSIONS in said.replace("\n ", "")
    assert denied(programs(world, GUID), TELEGRAM) and programs(world, GUID)["Exe"].mode == "AuditOnly"
    world.controller.samba("gpo", "aclcheck")
    world.controller.run("samba-tool", "ntacl", "sysvolcheck")
    assert version(world) == "1"
    before = state_of(world.controller)
    enforce(world)
    assert rule(world)["state"] == "compliant"
    assert state_of(world.controller) == before


def test_a_desktop_of_the_domain_blocks_and_opens_what_the_plan_says(world):
    policies = refreshed(world.desktop)
    assert "whatsapp.com" in policies["URLBlocklist"] and policies["DnsOverHttpsMode"] == "off"
    seen = visits(world.desktop, BLOCKED + OPEN)
    assert {url: seen[url] for url in BLOCKED} == {url: [0, "net::ERR_BLOCKED_BY_ADMINISTRATOR"] for url in BLOCKED}
    assert [url for url in OPEN if not seen[url][0]] == []


def tampered(world, *commands, ldif=""):
    """What an audit names once somebody has done this: `kind id: detail` of each finding."""
    for command in commands:
        world.controller.run("sh", "-c", command)
    if ldif:
        world.controller.ldif(f"dn: {OBJECT}\nchangetype: modify\n{ldif}\n")
    world.controller.proscribe("audit", world.reports, **OBJECTS)
    assert rule(world)["state"] == "noncompliant"
    return [f"{finding['kind']} {finding['id']}: {finding['detail']}" for finding in rule(world)["findings"]]


def test_changes_made_by_hand_are_named_and_repaired(world):
    before, number = state_of(world.controller), version(world)
    blocked = "b'whatsapp.com'.decode().encode('utf-16-le')"
    write = f"p = {FOLDER + '/' + POLICY_PATH!r}; c = open(p, 'rb').read(); open(p, 'r+b').write"
    named = tampered(
        world,
        f'python3 -c "{write}(c.replace({blocked}, {blocked.replace(".com", ".org")}))"',
        f"mkdir -p '{FOLDER}/Machine/Scripts/Startup' && echo evil >'{FOLDER}/Machine/Scripts/Startup/evil.cmd'",
        f"samba-tool ntacl set 'O:DAG:DAD:P(A;OICI;FA;;;AU)' '{FOLDER}/{GPT_INI_PATH}'",
        f"samba-tool gpo dellink {OU} '{GUID}' {ADMINISTRATOR}",
        f"samba-tool gpo setlink {OU} '{GUID}' --disable {ADMINISTRATOR}",
        f"samba-tool gpo setlink 'OU=Domain Controllers,{DN}' '{GUID}' {ADMINISTRATOR}",
        ldif="replace: displayName\ndisplayName: Nothing\n-\nadd: gPCWQLFilter\ngPCWQLFilter: [x;{1};0]\n-\n"
        "replace: gPCUserExtensionNames\ngPCUserExtensionNames: [{42B5FAAE-6536-11D2-AE5A-0000F87571E3}]\n-\n"
        "replace: nTSecurityDescriptor\nnTSecurityDescriptor: O:DAG:DAD:P(A;CI;CCDCLCSWRPWPDTLOSDRCWDWO;;;AU)",
    )
    for evidence in (
        "is 'whatsapp.org' instead of 'whatsapp.com'",
        "file Machine/Scripts/Startup/evil.cmd: it is not of this object",
        f"permissions {GPT_INI_PATH}: AU has 0x1f01ff",
        f"link {OU}: its link there is switched off",
        f"link OU=Domain Controllers,{DN}: the object is linked there, and the plan does not name it",
        "displayName is not ours: 'Nothing'",
        "gPCWQLFilter is not ours",
        "gPCUserExtensionNames is not ours",
        "its permissions differ: AU has 0xf00ff",
    ):
        assert any(evidence in line for line in named), (evidence, named)

    enforce(world)
    assert rule(world)["state"] == "repaired"
    world.controller.samba("gpo", "aclcheck")
    world.controller.run("samba-tool", "ntacl", "sysvolcheck")
    assert int(version(world)) == int(number) + 1
    aside = "/var/lib/proscribe/group_policy/aside"
    assert world.controller.run("cat", f"{aside}/{GUID}/Machine/Scripts/Startup/evil.cmd") == "evil\n"
    world.controller.run("rm", "-r", aside)
    after = state_of(world.controller)
    assert {name for name, text in after[0].items() if before[0].get(name) != text} == {f"dn: {OBJECT}"}
    assert "whatsapp.com" in refreshed(world.desktop)["URLBlocklist"]


def test_versions_that_differ_and_an_object_that_is_gone_are_named_and_repaired(world):
    number = version(world)
    named = tampered(world, ldif="replace: versionNumber\nversionNumber: 60")
    assert f"version {GUID}: the directory has version 60, and SYSVOL {number}" in named
    named = tampered(world, f"samba-tool gpo dellink {OU} '{GUID}' {ADMINISTRATOR}")
    assert f"link {OU}: the object is not linked there" in named
    enforce(world)
    assert rule(world)["state"] == "repaired" and version(world) == "60"
    named = tampered(world, f"samba-tool gpo del '{GUID}' {ADMINISTRATOR}")
    assert f"gpo {GUID}: the directory does not have it" in named
    enforce(world)
    assert rule(world)["state"] == "repaired" and GUID in world.controller.run("samba-tool", "gpo", "getlink", OU)
    world.controller.samba("gpo", "aclcheck")


def test_an_object_of_others_with_rules_is_named_before_anything_is_written(world):
    """Made by Samba's own tool, as an administrator would."""
    controller = world.controller
    theirs = "{" + controller.samba("gpo", "create", "Allow list").partition("{")[2].partition("}")[0] + "}"
    key = {"keyname": "Software\\Policies\\Microsoft\\Windows\\SrpV2\\Exe", "valuename": "EnforcementMode"}
    rules = json.dumps([{**key, "class": "MACHINE", "type": "REG_DWORD", "data": 1}])
    controller.run("sh", "-c", "cat >/root/rules.json", stdin=rules)
    controller.samba("gpo", "load", theirs, "--content=/root/rules.json")
    controller.samba("gpo", "setlink", DN, theirs)
    before = state_of(controller)
    more = {"proscribe_services_include": ["github"]}  # which would change the object
    done = controller.proscribe("enforce", world.reports, **OBJECTS, **more)
    assert "has rules of AppLocker for machines of ours" in done.stdout
    found = rule(world)
    assert found["state"] == "noncompliant" and [one["id"] for one in found["findings"]][:1] == [theirs.upper()]
    assert state_of(controller) == before
    controller.samba("gpo", "del", theirs)
    controller.run("rm", "/root/rules.json")
    enforce(world)
    assert rule(world)["state"] == "compliant"


def test_three_units_have_the_rules_of_their_groups(world):
    controller = world.controller
    units = {"lab": f"OU=Lab,{DN}", "press": f"OU=Press,{DN}"}
    before = state_of(controller)
    for unit in units.values():
        controller.run("samba-tool", "ou", "create", unit)
    waivers = controller.directory / "waivers"
    waivers.mkdir()
    (waivers / "w1.yml").write_text(json.dumps(WAIVER))
    (controller.directory / "approvers.yml").write_text('{"lab": {"head": "b"}}')
    controller.audiences = {"lab": {}, "press": {"proscribe_applocker": "enforce"}}
    objects = [*OBJECTS["proscribe_group_policy"]]
    objects += [{"name": f"Ours {name}", "group": name, "ous": [unit]} for name, unit in units.items()]
    try:
        enforce(world, proscribe_group_policy=objects)
        lab, press = (programs(world, make_gpo_guid("example.test", f"Ours {name}")) for name in units)
        assert {bool(denied(one, TELEGRAM)) for one in (programs(world, GUID), press)} == {True}
        assert not denied(lab, TELEGRAM) and denied(lab, File("C:\\x\\WhatsApp.exe"))
        assert {one["Exe"].mode for one in (lab, programs(world, GUID))} == {"AuditOnly"}
        assert press["Exe"].mode == "Enabled"
        controller.samba("gpo", "aclcheck")
        enforce(world)  # what the plan has no longer is removed
        folders = controller.run("ls", f"{SYSVOL}/example.test/Policies")
        assert not [name for name in units if make_gpo_guid("example.test", f"Ours {name}") in folders]
    finally:
        controller.audiences = {}
        for unit in units.values():
            controller.run("samba-tool", "ou", "delete", unit)
        shutil.rmtree(waivers)
        (controller.directory / "approvers.yml").unlink()
    assert state_of(controller) == before


def test_a_missing_unit_takes_the_ban_from_no_desktop(world):
    """The unit was renamed in the inventory alone, or mistyped."""
    mistyped = {**OBJECTS["proscribe_group_policy"][0], "ous": [OU.replace("OU=", "OU=no ", 1)]}
    done = world.controller.proscribe("enforce", world.reports, proscribe_group_policy=[mistyped])
    assert "the domain has no such object" in done.stdout
    assert GUID in world.controller.run("samba-tool", "gpo", "getlink", OU)
    assert "whatsapp.com" in refreshed(world.desktop)["URLBlocklist"]
    enforce(world)
    assert rule(world)["state"] == "compliant"


def test_an_object_of_the_same_name_is_not_taken(world):
    enforce(world, proscribe_group_policy=[])
    assert world.controller.there(FOLDER) is False
    theirs = world.controller.samba("gpo", "create", NAME).partition("{")[2].partition("}")[0]
    before = state_of(world.controller)
    enforce(world)
    found = rule(world)
    assert found["state"] == "noncompliant" and "not ours" in found["findings"][0]["detail"]
    assert state_of(world.controller) == before
    world.controller.samba("gpo", "del", f"{{{theirs}}}")


@pytest.mark.parametrize("actions", [9, 11])  # before GPT.INI is there, and before the object is linked
def test_the_next_run_goes_on_where_one_was_ended(world, actions):
    controller = world.controller
    controller.proscribe("lift", world.reports, **OBJECTS)
    digest = controller.proscribe("audit", world.reports, **OBJECTS) and read_records(world.reports)["dc1"]["plan"]
    plan = (world.reports / f"plans/{digest.partition(':')[2]}.json").read_text()
    pack = ["tar", "-C", str(PROJECT / "module_utils"), "--exclude=__pycache__", "-c", "proscribe"]
    packed = base64.b64encode(subprocess.run(pack, capture_output=True).stdout).decode()
    controller.run("sh", "-c", "mkdir -p /opt/checkout && base64 -d | tar -C /opt/checkout -x", stdin=packed)
    controller.run("sh", "-c", "cat >/opt/checkout/plan.json", stdin=plan)
    controller.run("python3", "-B", "-", str(actions), stdin=KILLED, check=False)
    enforce(world)
    assert rule(world)["state"] == "repaired"
    controller.samba("gpo", "aclcheck")
    controller.run("samba-tool", "ntacl", "sysvolcheck")
    controller.run("rm", "-r", "/opt/checkout")


def test_a_lift_leaves_the_domain_as_it_was(world):
    enforce(world)
    done = world.controller.proscribe("lift", world.reports, **OBJECTS)
    assert done.returncode == 0, done.stdout[-4000:]
    assert state_of(world.controller) == world.before and not world.controller.there("/var/lib/proscribe")
    # What remains are the graves that the directory has of every object for half a year.
    said = world.controller.run("ldbsearch", "-H", DATABASE, "--show-deleted", "(isDeleted=TRUE)", "lastKnownParent")
    assert said.count(f"CN=Policies,CN=System,{DN}") >= 1
    assert refreshed(world.desktop).get("URLBlocklist") is None
    seen = visits(world.desktop, BLOCKED[:2])
    assert [url for url in BLOCKED[:2] if not seen[url][0]] == []
