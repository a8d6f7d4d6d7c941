"""Group Policy objects: identity, state, Samba's tools, LDIF, attributes and permissions."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from domain_controllers import plan
from proscribe.host.controls.group_policy import domain, permissions
from proscribe.host.controls.group_policy.desired_gpos import DesiredGpo, collect_desired_gpos, make_gpo_attributes
from proscribe.host.controls.group_policy.domain import SambaDomain
from proscribe.host.controls.group_policy.identity import make_gpo_guid
from proscribe.host.controls.group_policy.ldif import LdifEntry, format_line, parse_ldif
from proscribe.host.controls.group_policy.state import STATE_PATH, GroupPolicyState, read_state, write_state
from proscribe.host.system import WRITTEN_BY, ControlError, Host, ToolResult

NONE: GroupPolicyState = GroupPolicyState({}, ())
WHOLE = {"names": {"{2}": "Ours", "{1}": "Theirs"}, "right": ["b", "a"]}
APPS = {"mode": "enforce", "services": {}, "settings": {}}
PROGRAMS = {**APPS, "services": {"chat": {"mode": "enforce", "windows_processes": ["chat.exe"]}}}
# [MS-GPREG] 1.9 and [MS-GPSB] 1.9: what reads Registry.pol, and security templates; then the editors.
READS_POLICIES, READS_TEMPLATES = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}", "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}"
EDITS_POLICIES, EDITS_TEMPLATES = "{D02B1F72-3407-48AE-BA88-E8213C6761F1}", "{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}"
EDITS_RULES = "{62C1845D-C4A6-4ACB-BBB0-C895FD090385}"  # of AppLocker


@pytest.mark.parametrize("domain", ["example.com", "EXAMPLE.COM"])
def test_an_id_follows_from_the_domain_and_the_name(domain):
    assert make_gpo_guid(domain, "Proscribe desktops") == "{564ECAE6-2359-8653-974C-178DC694F313}"


@pytest.fixture
def host(tmp_path):
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def test_state_file_is_written_read_and_deleted(host):
    assert read_state(host) == NONE
    write_state(host, GroupPolicyState(WHOLE["names"], WHOLE["right"]))
    assert host.read_text(STATE_PATH) == '{"names": {"{1}": "Theirs", "{2}": "Ours"}, "right": ["b", "a"]}\n'
    assert Path(host.root, STATE_PATH[1:]).stat().st_mode & 0o777 == 0o600
    assert read_state(host) == (WHOLE["names"], WHOLE["right"])
    write_state(host, GroupPolicyState({}, ["a"]))
    assert host.find_entry(STATE_PATH) is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"names": [1], "right": []}', '{"names": {"1": "x"}}', "", "{", "[]"])
def test_foreign_text_is_no_state(host, text):
    host.write_file(STATE_PATH, text)
    assert read_state(host) == NONE


def make_controller(rc: int) -> tuple[Host, list[str]]:
    """Make a host that has the tool ldbsearch, which ends with this code; and the list of its commands."""
    ran: list[str] = []

    def answer(argv: Sequence[str], **_: Any) -> ToolResult:
        ran.append(" ".join(argv))
        return ToolResult(rc, "printed", "no such object")

    host = Host("/", answer)
    host.find_tool = lambda name: f"/usr/bin/{name}" if name == "ldbsearch" else None  # type: ignore[method-assign]
    return host, ran


def test_missing_tool_names_its_packages_and_a_failing_one_is_an_error_unless_it_may():
    host, ran = make_controller(0)
    with pytest.raises(ControlError, match=f"testparm is not installed on this host: {domain.MISSING_TOOL_ADVICE}"):
        domain.run_samba_tool(host, ["testparm"])
    assert ran == []
    assert domain.run_samba_tool(host, ["ldbsearch", "-H", "x"]) == "printed" and ran == ["ldbsearch -H x"]
    host, _ = make_controller(1)
    assert domain.run_samba_tool(host, ["ldbsearch"], may_fail=True) == ""
    with pytest.raises(ControlError, match="no such object"):
        domain.run_samba_tool(host, ["ldbsearch"], may_fail=False)


ANSWER = """\
# record 1
dn: CN=a,DC=example
displayName: Desktops
member: CN=one,
 DC=example
member: CN=two
Flags:0
# comment: of nothing
note::  TcO8bWU=
odd:: /w==
empty:
broken:: T
strange:: \u00e4
: nameless
without a colon

# Referral
ref: ldap://elsewhere

dn:: Q049Yg==
"""


def test_ldif_answer_is_parsed_into_entries():
    attributes = {"displayname": ["Desktops"], "member": ["CN=one,DC=example", "CN=two"], "flags": ["0"]}
    attributes |= {"note": ["M\u00fcme"], "odd": ["\ufffd"], **dict.fromkeys(("empty", "broken", "strange"), [""])}
    one, other = parse_ldif(ANSWER)
    assert (one, other) == (LdifEntry("CN=a,DC=example", attributes), LdifEntry("CN=b", {}))
    expected = ("Desktops", "CN=one,DC=example", "")
    assert (one.get_value("displayName"), one.get_value("member"), one.get_value("absent")) == expected


def test_a_value_that_could_be_taken_for_something_else_is_encoded():
    lines = {"in the middle : < ok": "a: in the middle : < ok", "": "a:: ", " x": "a:: IHg=", "<x": "a:: PHg="}
    lines |= {"\u00e4": "a:: w6Q=", "x" * 80: "a: " + "x" * 80, "\n" * 60: "a:: " + "CgoK" * 20}
    assert {value: format_line("a", value) for value in lines} == lines


def test_the_page_of_requests_is_the_groups():
    (one,) = collect_desired_gpos(plan({"request_url": "https://ask.example"}))
    (other,) = collect_desired_gpos(plan())
    assert "https://ask.example".encode("utf-16-le") in one.policy
    assert "https://".encode("utf-16-le") not in other.policy


def test_policy_too_odd_for_registry_pol_names_its_group():
    apps = {**PROGRAMS, "services": {"chat": {"mode": "enforce", "windows_processes": ["a%b.exe"]}}}
    with pytest.raises(ControlError, match="the policies of desktops do not fit into Registry.pol: .*a%b"):
        collect_desired_gpos(plan({"apps": apps}))


@pytest.mark.parametrize(
    ("rules", "extensions"),
    [
        (b"", [READS_POLICIES, EDITS_POLICIES]),
        (b"x", [READS_POLICIES, EDITS_RULES, EDITS_POLICIES, READS_TEMPLATES, EDITS_TEMPLATES]),
    ],
)
def test_directory_attributes_follow_from_the_object(rules, extensions):
    domain = SambaDomain("/sam.ldb", "DC=Example,DC=com", "/sysvol")
    found = dict(make_gpo_attributes(domain, DesiredGpo("Ours", [], False, True, b"", rules), "{1}"))
    assert re.findall(r"\{[^}]*\}", found.pop("gPCMachineExtensionNames")) == extensions
    names = {"displayName": "Ours", "description": f"{WRITTEN_BY} Its name: Ours", "flags": "0"}
    names |= dict.fromkeys(("gPCUserExtensionNames", "gPCWQLFilter"), "")
    path = "\\\\example.com\\sysvol\\example.com\\Policies\\{1}"
    assert found == {**names, "gPCFileSysPath": path, "gPCFunctionalityVersion": "2"}


DOMAIN, SHORT = "S-1-5-21-1-2-3", "O:DAG:DAD:P(A;;RP;;;AU)"
BITS = {pair: 1 << bit for bit, pair in enumerate(["CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"])}
BITS |= {pair: 1 << 16 << bit for bit, pair in enumerate(["SD", "RC", "WD", "WO"])}
BITS |= {"FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0}  # of files (winnt.h)


@pytest.mark.parametrize(
    ("sddl", "desired", "said"),
    [
        (permissions.DIRECTORY_DESCRIPTOR, permissions.DIRECTORY_DESCRIPTOR, []),
        (permissions.FILES_DESCRIPTOR, permissions.FILES_DESCRIPTOR, []),
        (f"{SHORT}S:(AU;SA;WP;;;WD)\n(x", SHORT, []),  # who is noted in a log
        (SHORT.replace("AU", f"{DOMAIN}-512"), SHORT.replace("AU", "DA"), []),
        (SHORT.replace("AU", f"{DOMAIN}-519"), SHORT.replace("AU", "EA"), []),
        (SHORT.replace("O:DA", f"O:{DOMAIN}-512"), SHORT, []),
        (SHORT.replace("RP", "0x10"), SHORT, []),
        (SHORT.replace(";;;AU", ";1A;;AU"), SHORT.replace(";;;AU", ";1a;;AU"), []),
        (SHORT.replace("O:DA", f"O:{DOMAIN}-1105"), SHORT, [f"it belongs to {DOMAIN}-1105"]),
        (SHORT.replace("D:P", "D:"), SHORT, ["it belongs to DA"]),
        (f"{SHORT}(A;;WP;;;WD)", SHORT, ["WD has 0x20"]),
        (f"{SHORT}(D;;WP;;;WD)", SHORT, ["WD is denied 0x20"]),
        (f"{SHORT}(A;;RP;;;AU)", SHORT, ["AU has 0x10"]),
        (SHORT.replace(";;RP", ";CI;RP"), SHORT, ["AU has 0x10", "AU lacks 0x10"]),
        (SHORT + "".join(f"(A;;WP;;;S-1-1-{n})" for n in range(9)), SHORT, [f"S-1-1-{n} has 0x20" for n in range(5)]),
        *((sddl, SHORT, ["it cannot be read"]) for sddl in ("O:DAG:DAD:P(A;;RP;;AU)", "O:DAG:DAD:P(A;;0xq;;;AU)", "")),
        *((SHORT.replace("RP", pair), "O:DAG:DAD:P", [f"AU has {bit:#x}"]) for pair, bit in BITS.items()),
        (SHORT.replace("RP", "CCWO"), "O:DAG:DAD:P", ["AU has 0x80001"]),
    ],
)
def test_different_permissions_are_named(sddl, desired, said):
    assert permissions.find_permission_defects(sddl, desired) == said


def test_the_print_of_a_file_changes_with_each_part_of_its_permissions(tmp_path, monkeypatch):
    values: dict[str, bytes | None] = {"security.NTACL": b"a"}
    monkeypatch.setattr(Host, "read_attribute", lambda self, path, name: values.get(name))
    host, file = Host(str(tmp_path)), tmp_path / "a"
    assert permissions.compute_permissions_hash(host, "/a") == ""
    file.touch(0o644)
    prints = [permissions.compute_permissions_hash(host, "/a")]
    (tmp_path / "b").touch(0o644)
    assert permissions.compute_permissions_hash(host, "/b") == prints[0] and len(prints[0]) == 64
    file.chmod(0o640)
    prints.append(permissions.compute_permissions_hash(host, "/a"))
    for name in ("security.NTACL", "system.posix_acl_access", "system.posix_acl_default"):
        values[name] = b"b"
        prints.append(permissions.compute_permissions_hash(host, "/a"))
    assert len(set(prints)) == 5 and len(permissions.PERMISSION_XATTRS) == 3
    values["security.NTACL"] = None
    assert permissions.compute_permissions_hash(host, "/a") == ""
