"""Chromium's folder of policies: files, copies, changes, and header rules."""

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_hosts import Tree, section
from browser_places import BROWSERS, CHROMIUM
from described import describe_fields
from proscribe.host.controls.browser import chromium, chromium_changes
from proscribe.host.controls.browser.browser_settings import SETTINGS
from proscribe.host.controls.browser.chromium_file import check_policy_file, parse_chromium_json
from proscribe.host.controls.browser.chromium_folder import ChromiumPolicyFolder
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import NO_RULES, BrowserRules, make_rules
from proscribe.host.system import WRITTEN_BY, Host, ObservationError
from recording import compare, fold

FOLDER = CHROMIUM.path.rpartition("/")[0]
RULES = make_rules(section({"mail": {"domains": ["mail.example"]}}))
OURS = chromium.render_policies(chromium.make_policies(RULES, CHROMIUM)).decode()
COPY = json.dumps({"proscribe": WRITTEN_BY, "URLBlocklist": []})
PATH = "etc/chromium/policies/managed/10.json"
EVERYBODYS = f"can be changed by others (uid {os.getuid()}, mode 646): chown root, chmod 644"
SAID = {"URLBlocklist": ["a.example"]}
POLICY, ANOTHER = "HttpHeaderInjection", "sets another value of the header"
INCOMPLETE = f"sets {POLICY} to what is no list of complete header rules: it has no effect in proscribe.json either"
PRIVATE = "sec-Restrict-Tenant-Access-Policy"
TENANTS = {"tenants": {"microsoft": ["t-1"]}}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path, section())


def done(tree: Tree, of: BrowserRules | None = RULES) -> list[tuple[str, str, str, str]]:
    """What is done for some rules (None: the lift): each action, as it stands in a diff."""
    work = functools.partial(chromium_changes.enforce, rules=of) if of is not None else chromium_changes.lift
    changes = work(tree.host, CHROMIUM)
    for action in changes.actions:
        action.apply()
    return [(action.verb, action.subject.rpartition("/")[2], action.before, action.after) for action in changes.actions]


def test_copies_of_it_go_and_with_the_lift_it_goes_too(tree):
    done(tree)
    tree.put(f"{FOLDER}/proscribe.json.bak"[1:], COPY)
    assert done(tree) == [("delete", "proscribe.json.bak", "", "")]
    tree.put(f"{FOLDER}/a.json"[1:], COPY)
    assert done(tree, None) == [("delete", "a.json", "", ""), ("delete", "proscribe.json", OURS, "")]
    assert not (tree.root / "etc/chromium").exists()


def test_partial_first_write_is_removed_by_the_lift(tree):
    tree.host.make_directories(FOLDER)
    assert done(tree, NO_RULES) == [("delete", "proscribe.json", "", "")]
    assert done(tree, None) == [] and not (tree.root / "etc/chromium").exists()
    tree.host.make_directories(FOLDER)
    tree.put(f"{FOLDER}/.proscribe.json.proscribe~"[1:], "{")
    assert done(tree, None) == [("delete", ".proscribe.json.proscribe~", "", "")]


@pytest.mark.parametrize("extension", ["blocked", "allow_list"])
@pytest.mark.parametrize("id_", ["chromium", "microsoft_edge"])
def test_copy_of_any_earlier_policy_is_recognised(tree, id_, extension):
    place = PolicyPlace(id_, "chromium", CHROMIUM.path, browsers=(id_,))
    extensions = {"mail": {"domains": ["mail.example"], "extensions": {"chrome": ["a" * 32]}}}
    managed = {**dict.fromkeys(SETTINGS, "blocked"), "extensions": extension}
    for tenants in ({}, {"google": ["example.org"], "microsoft": ["t-1"]}):
        policies = chromium.make_policies(make_rules(section(extensions, browsers=managed, tenants=tenants)), place)
        tree.put(f"{FOLDER}/copy.json"[1:], policies)
        assert ChromiumPolicyFolder(tree.host, CHROMIUM, RULES).backup_names == ["copy.json"], sorted(policies)
    tree.put(f"{FOLDER}/copy.json"[1:], {**policies, "HomepageLocation": "https://own.example"})
    assert ChromiumPolicyFolder(tree.host, CHROMIUM, RULES).backup_names == []


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (SAID, 0o640, (SAID, "", False, "", "")),
        ("{", 0o644, ({}, "not valid JSON", False, "", "")),
        (SAID, 0o600, ({}, "not readable for users", True, "", "")),
        ("[1]", 0o646, ({}, "not a JSON object", False, EVERYBODYS, "")),
    ],
)
def test_policy_file_is_read_by_content_and_mode(tree, content, mode, expected):
    written = tree.put(PATH, content, mode)
    assert check_policy_file(tree.host, f"/{PATH}", (tree.root / PATH).lstat()) == (("10.json", *expected), written)


@pytest.mark.parametrize(("mode", "odd"), [(0o600, ""), (0o644, f"/{PATH} cannot be read: Host is down")])
def test_file_that_root_cannot_read_is_unknown_where_users_may_read_it(tree, monkeypatch, mode, odd):
    def refuse(host: Host, path: str, *_: object) -> bytes | None:
        raise ObservationError(f"{path} cannot be read: Host is down")

    tree.put(PATH, SAID, mode)
    monkeypatch.setattr(Host, "read_file", refuse)
    found = check_policy_file(tree.host, f"/{PATH}", (tree.root / PATH).lstat())
    assert found == (("10.json", {}, "not readable for users", True, "", odd), None)


A, B = "a" * 32, "b" * 32
MAIL = {"domains": ["mail.example"], "allow": ["ok.mail.example"], "extensions": {"chrome": [A, B]}}
CLOSED = dict.fromkeys(("dns_over_https", "extensions", "proxies", "quic"), "blocked")
CLOSED_RULES = make_rules(section({"mail": MAIL}, browsers=CLOSED))
CLOSED_POLICIES = chromium.make_policies(CLOSED_RULES, CHROMIUM)
BLOCK, ALLOW, MERGE = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
CLOUD = "CloudPolicyOverridesPlatformPolicy"
RECORDED = Path(__file__).parents[3] / "recorded/controls/browser"
FOLDERS: dict[str, dict[str, Any]] = {
    "ours alone": {},
    "no file": {"proscribe.json": None},
    "a later file has the last word, and opens what it allows": {
        "zz.json": {
            "QuicAllowed": True,
            MERGE: [BLOCK],
            CLOUD: True,
            ALLOW: ["mail.example", "x.mail.example", "*", "://"],
        }
    },
    "with an earlier one ours goes along: it blocks no less, and answers what ours leaves to it": {
        "10.json": {"QuicAllowed": True, CLOUD: 1, MERGE: ["Own", 5], "NetworkPredictionOptions": 1, "ProxyServer": "x"}
        | {BLOCK: ["ok.mail.example"], ALLOW: ["b.mail.example"], "ExtensionInstallAllowlist": [A]}
    },
    "a copy of ours, what no browser reads, and what others can change": {
        "copy.json": {"proscribe": "x", BLOCK: []},
        ".proscribe.json.proscribe~": "{",
        "sub/x": "",
        "open.json": {},
        "secret.json": {BLOCK: ["a.example"]},
    },
    "lists that are none": {"10.json": {ALLOW: ["a", 5]}, "zz.json": {BLOCK: "x", "DnsOverHttpsMode": "secure"}},
}


def test_policy_folder_has_the_effect_of_all_files(tmp_path):
    modes, lines = {"secret.json": 0o600, "open.json": 0o646}, []
    for number, (case, files) in enumerate(FOLDERS.items()):
        (tmp_path / f"{number}").mkdir()
        tree = Tree(tmp_path / f"{number}", section())
        for name, content in {"proscribe.json": chromium.render_policies(CLOSED_POLICIES), **files}.items():
            if content is not None:
                tree.put(f"{FOLDER}/{name}"[1:], content, modes.get(name, 0o644))
        folder = ChromiumPolicyFolder(tree.host, CHROMIUM, CLOSED_RULES)
        seen = {
            "expected": {
                name: value for name, value in folder.expected_policies.items() if value != CLOSED_POLICIES.get(name)
            },
            "gone": CLOSED_POLICIES.keys() - folder.expected_policies.keys(),
            "backups": folder.backup_names,
            "block": folder.list_effective_texts(BLOCK),
            "allow": folder.list_effective_texts(ALLOW),
            **folder.make_observation()._replace(effect=None)._asdict(),
        }
        lines += [f"{case}:", *describe_fields(seen)]
    compare(RECORDED / "chromium_folder.txt", fold("\n".join(lines).replace(f"uid {os.getuid()}", "uid OWN")))


OWN = "etc/chromium/policies/managed/proscribe.json"
SERVICES = {
    "mail": {"domains": ["mail.example", "m.example"], "allow": ["ok.mail.example"]},
    "drive": {"urls": ["site.example/drive"]},
    "chat": {"mode": "waived", "waiver": "w1", "domains": ["chat.mail.example"]},
    "next": {"mode": "upcoming", "effective_from": "2030-01-01", "domains": ["next.example"]},
}
SECTION = section(SERVICES, browsers={"dns_over_https": "blocked"})


def correct(tree: Tree) -> tuple[list[str], list[str]]:
    """Enforce the plan. Return the actions and the reasons of refusals."""
    changes = tree.enforce()
    return [str(action) for action in changes.actions], [refusal.reason for refusal in changes.refusals]


@pytest.fixture
def enforced(tmp_path):
    tree = Tree(tmp_path, SECTION)
    tree.enforce()
    return tree


def changed(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Tree], object]:
    return lambda enforced: enforced.put(OWN, change(enforced.read(OWN)))


def wrong_rules(tree: Tree) -> set[str]:
    return set(tree.wrong("chromium"))


@pytest.mark.parametrize(("mode", "said"), [(0o777, "can be changed by others"), (0o700, "cannot be read by users")])
def test_rights_on_a_directory_are_reported_and_left_to_its_owner(enforced, mode, said):
    (enforced.root / FOLDER[1:]).chmod(mode)
    assert said in enforced.wrong("chromium")["policy-file"][-1]
    assert ("mail" in wrong_rules(enforced)) == (mode == 0o700)
    actions, refused = correct(enforced)
    assert actions == [] and said in refused[0]


def test_a_plan_with_nothing_to_say_takes_the_files_away(enforced):
    later = {id_: {**entry, "mode": "upcoming", "effective_from": "2030-01-01"} for id_, entry in SERVICES.items()}
    nothing = {"browsers": BROWSERS, "controls": {"browser": section(later)}}
    assert enforced.verdicts(nothing)["policy-file"].state == "noncompliant"
    enforced.enforce(nothing)
    assert {str(path.relative_to(enforced.root)) for path in enforced.root.rglob("*")} == {"etc", "var", "var/lib"}
    assert enforced.states(nothing) == {"not_applicable"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": "x//y, ]" // comment\n /* another, } */ }', {"a": "x//y, ]"}),
        ('{"a": "\\x41\\v\\\\x42\\u0043", "b": "two\nlines"}', {"a": "A\v\\x42C", "b": "two\nlines"}),
        ('\ufeff{"a": "quote \\" // no comment"}', {"a": 'quote " // no comment'}),
    ],
)
def test_json_as_chromium_reads_it(text, value):
    assert parse_chromium_json(text.encode()) == value


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100000])
def test_broken_json_is_refused_as_by_chromium(text):
    with pytest.raises(ValueError, match="."):
        parse_chromium_json(text)


@pytest.fixture
def tenant_tree(tmp_path):
    tree = Tree(tmp_path, section({"mail": {"domains": ["mail.example"]}}, browsers={"quic": "blocked"}, **TENANTS))
    tree.enforce()
    return tree


def header(pattern: str, value: str, name: str = PRIVATE) -> dict[str, Any]:
    return {"patterns": [pattern], "headers": [{"name": name, "value": value}]}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda own: {**own, "URLBlocklist": []}, ""),
        (lambda own: {**own, "ExtensionSettings": {"*": {}}}, ""),
        (lambda own: {**own, POLICY: own[POLICY][1:]}, "is without"),
        (lambda own: {**own, POLICY: [*own[POLICY], header("login.live.com", "none")]}, "sets another value"),
    ],
)
def test_only_a_change_of_the_headers_counts_against_them(tenant_tree, change, wrong):
    tenant_tree.put(OWN, change(tenant_tree.read(OWN)))
    details = tenant_tree.wrong().get("microsoft-tenants", [])
    assert len(details) == bool(wrong) and all(wrong in detail for detail in details)


@pytest.mark.parametrize(
    ("name", "rule", "wrong"),
    [
        ("10.json", header("one.example", "1", "X-One"), ""),
        ("zz.json", header("one.example", "1", "X-One"), ""),
        ("zz.json", header("login.live.com", "none"), ""),  # then Proscribe's comes later in the list
        ("10.json", header("live.com", "none"), ""),  # Proscribe's is closer
        ("10.json", header("login.live.com", "none", PRIVATE.upper()), f"10.json {ANOTHER} {PRIVATE.upper()}"),
        ("zz.json", header("eu.login.live.com", "none"), f"zz.json {ANOTHER} {PRIVATE}"),
        ("10.json", {"patterns": ["one.example"]}, f"10.json {INCOMPLETE}"),
        ("10.json", "text", f"10.json {INCOMPLETE}"),
    ],
)
def test_foreign_header_rules_count_as_chromium_joins_them(tenant_tree, name, rule, wrong):
    tenant_tree.put(OWN.replace("proscribe.json", name), {POLICY: [rule]})
    tenant_tree.enforce()
    details = [detail.partition(": ")[2] for detail in tenant_tree.wrong().get("microsoft-tenants", [])]
    assert details == [wrong] * bool(wrong)


def plant_link_of_a_user(place: Path) -> None:
    place.symlink_to("/home/alice/policy.json")
    os.chown(place, 1000, 1000, follow_symlinks=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a link of a user's")
@pytest.mark.parametrize("plant", [os.mkfifo, plant_link_of_a_user])
def test_odd_file_in_the_folder_makes_the_policy_unknown(enforced, plant):
    plant(enforced.root / FOLDER[1:] / "zz.json")
    assert {enforced.verdicts()[rule].state for rule in ("mail", "policy-file", "dns-over-https")} == {"unknown"}
    assert correct(enforced) == ([], [])


def test_chromium_does_not_open_names_that_the_organisation_blocks(enforced):
    others = {"URLBlocklist": ["*"], "URLAllowlist": ["corp.example"]}
    enforced.put(f"{FOLDER}/10-organisation.json"[1:], others)
    enforced.enforce()
    assert enforced.read(OWN)["URLAllowlist"] == [] and wrong_rules(enforced) == set()


def replace_by_link(enforced: Tree) -> None:
    (enforced.root / OWN).rename(enforced.root / "etc/elsewhere.json")
    (enforced.root / OWN).symlink_to("/etc/elsewhere.json")


@pytest.mark.parametrize(
    ("tamper", "rules_"),
    [
        (lambda enforced: (enforced.root / OWN).chmod(0o600), {"mail", "drive", "policy-file", "dns-over-https"}),
        (lambda enforced: enforced.put(OWN, "{"), {"mail", "drive", "policy-file", "dns-over-https"}),
        (changed(lambda of: {**of, "URLBlocklist": ["m.example", "site.example/drive"]}), {"mail", "policy-file"}),
        (changed(lambda of: {**of, "URLBlocklist": [*of["URLBlocklist"], "chat.mail.example"]}), {"policy-file"}),
        (replace_by_link, {"policy-file"}),
    ],
)
def test_tampered_policy_is_reported_and_corrected(enforced, tamper, rules_):
    before = (enforced.root / OWN).read_bytes()
    tamper(enforced)
    assert wrong_rules(enforced) == rules_ and correct(enforced) == ([f"write /{OWN}"], [])
    assert wrong_rules(enforced) == set() and enforced.verdicts()["chat"].waiver == "w1"
    assert (enforced.root / OWN).read_bytes() == before and not (enforced.root / OWN).is_symlink()
