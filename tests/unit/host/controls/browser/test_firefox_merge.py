"""The merge of our Firefox policies into the organisation's, and its removal."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import browser_hosts
import pytest
from browser_hosts import section
from browser_places import BROWSERS
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.host.controls import browser
from proscribe.host.controls.base import Changes
from proscribe.host.controls.browser import firefox_merge
from proscribe.host.controls.browser.firefox_merge import guess_written_policies, merge_policies, remove_own_policies
from proscribe.host.system import WRITTEN_BY, ControlError, ObservationError

PATH = "etc/firefox/policies/policies.json"


def plan(*domains: str, **entry: Any) -> dict[str, Any]:
    service = {"domains": list(domains), **entry}
    settings = {"browsers": {"dns_over_https": "blocked"}, "tenants": {"google": ["corp.example"]}}
    return {"browsers": BROWSERS, "controls": {"browser": section({"service": service}, **settings)}}


class Tree(browser_hosts.Tree):
    def __init__(self, root: Path) -> None:
        super().__init__(root, plan("mail.example")["controls"]["browser"])

    def content(self) -> bytes | None:
        return self.host.read_file(f"/{PATH}")

    def policies(self) -> dict[str, Any]:
        return dict(self.read(PATH)["policies"])

    def edit(self, **policies: Any) -> None:
        self.put(PATH, {**self.read(PATH), "policies": {**self.policies(), **policies}})

    def enforce(self, of: dict[str, Any] | None = None) -> Changes:
        changes = super().enforce(of)
        assert browser.enforce(self.host, of or self.plan).actions == []
        return changes

    def lift(self) -> None:
        super().lift()
        assert browser.lift(self.host, self.plan).actions == []
        assert not (self.root / "var/lib/proscribe/browser").exists()

    def details(self, rule: str) -> list[str]:
        return self.wrong("firefox")[rule]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


OWN = {
    "policies": {
        "DisableTelemetry": True,
        "WebsiteFilter": {"Block": ["*://*.games.example/*"], "Exceptions": ["*://chess.games.example/*"]},
        "DNSOverHTTPS": {"Enabled": True, "ProviderURL": "https://dns.corp.example/"},
    }
}
STATE = "var/lib/proscribe/browser/etc-firefox-policies-policies.json"


def test_an_edit_of_the_merged_file_survives_the_next_run_and_the_lift(tree):
    tree.put(PATH, OWN)
    tree.enforce()
    merged = tree.policies()["WebsiteFilter"]
    block = [entry for entry in merged["Block"] if "games" not in entry] + ["*://*.shop.example/*"]
    tree.edit(DisableTelemetry=False, NewSetting=1, WebsiteFilter={**merged, "Block": block})
    tree.enforce(plan("mail.example", "chat.example"))
    now = tree.policies()
    assert (now["DisableTelemetry"], now["NewSetting"]) == (False, 1)
    assert now["WebsiteFilter"]["Block"] == ["*://*.shop.example/*", "*://*.chat.example/*", "*://*.mail.example/*"]
    tree.lift()
    assert tree.policies() == {
        "DisableTelemetry": False,
        "NewSetting": 1,
        "WebsiteFilter": {"Block": ["*://*.shop.example/*"], "Exceptions": ["*://chess.games.example/*"]},
        "DNSOverHTTPS": {"Enabled": True, "ProviderURL": "https://dns.corp.example/"},
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"policies": {"A": 1,}}', "not valid JSON"),
        (b'{"policies": {"A": 1e999}}', "not valid JSON"),
        (b"[]", "not an object"),
        (b'{"policies": []}', 'its "policies" is not an object'),
        (b"[" * 100000, "not valid JSON"),
    ],
)
def test_a_broken_file_of_the_organisation_is_reported_and_not_touched(tree, content, reason):
    original, verdicts = tree.put(PATH, content), tree.verdicts()
    assert {verdicts[rule].state for rule in ("policy-file", "service", "dns-over-https")} == {"noncompliant"}
    assert reason in tree.details("policy-file")[0]
    (refusal,) = tree.enforce().refusals
    assert reason in refusal.reason and tree.content() == original
    tree.lift()
    assert tree.content() == original


def test_an_edit_on_top_of_the_installations_policies_keeps_both(tree):
    tree.put("usr/lib/firefox-esr/distribution/policies.json", {"policies": {"DisableAppUpdate": True}})
    tree.enforce()
    tree.edit(NewSetting=1)
    tree.lift()
    assert tree.policies() == {"DisableAppUpdate": True, "NewSetting": 1}


def test_more_than_firefox_takes_is_reported(tree):
    own = [f"*://*.host{number}.example/*" for number in range(1000)]
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": own}}})
    tree.enforce()
    assert "1001 entries in WebsiteFilter, 1000 of them the organisation's;" in tree.details("policy-file")[0]
    assert tree.verdicts()["service"].state == "noncompliant"


def test_an_ordinary_user_sees_the_effect_but_not_whose_is_what(tree, monkeypatch):
    tree.put(PATH, OWN)
    tree.enforce()
    read = tree.host.read_file

    def as_user(path: str, *limit: int) -> bytes | None:
        if path.startswith("/var/lib/proscribe/"):
            raise ObservationError(f"{path} can only be read by root")
        return read(path, *limit)

    monkeypatch.setattr(tree.host, "read_file", as_user)
    verdicts = tree.verdicts()
    assert verdicts.pop("policy-file").state == "unknown"
    assert {verdict.state for verdict in verdicts.values()} == {"compliant"} and len(verdicts) == 5
    assert tree.verdicts(plan("chat.example"))["service"].state == "noncompliant"


def test_a_lost_note_does_not_lose_the_organisations_file(tree):
    original = tree.put(PATH, OWN)
    tree.enforce()
    (tree.root / f"{STATE}.note").write_text("{")
    tree.lift()
    assert tree.content() == original


@pytest.mark.parametrize("survived", range(5))
def test_kill_between_two_writes_keeps_the_organisations_policies(tree, survived, monkeypatch):
    tree.put(PATH, OWN)
    tree.enforce()
    tree.edit(NewSetting=1)
    write, writes_left = tree.host.write_file, [survived]

    def die(path: str, content: bytes | str, mode: int = 0o644) -> None:
        if not writes_left[0]:
            raise ControlError("killed")
        writes_left[0] -= 1
        write(path, content, mode)

    with monkeypatch.context() as patch:
        patch.setattr(tree.host, "write_file", die)
        for action in browser.enforce(tree.host, plan("chat.example")).actions[2:]:
            with contextlib.nullcontext() if survived == 4 else pytest.raises(ControlError):
                action.apply()
    tree.enforce(plan("chat.example"))
    assert "*://*.mail.example/*" not in tree.policies()["WebsiteFilter"]["Block"]
    tree.lift()
    assert tree.policies() == {**OWN["policies"], "NewSetting": 1}


SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
PATTERNS = st.sampled_from(["*://*.a.example/*", "*://*.b.example/*", "*://*.mail.example/*", "<all_urls>", "nonsense"])
FILTERS = st.fixed_dictionaries(
    {}, optional={"Block": st.lists(PATTERNS, max_size=3), "Exceptions": st.lists(PATTERNS, max_size=2)}
)
POLICIES = st.dictionaries(st.sampled_from(["A", "B", "C"]), VALUES, max_size=3).flatmap(
    lambda rest: st.fixed_dictionaries(
        {},
        optional={
            "WebsiteFilter": FILTERS | VALUES,
            "DNSOverHTTPS": st.dictionaries(st.sampled_from(["Enabled", "Locked"]), st.booleans()) | VALUES,
            "AllowedDomainsForApps": st.sampled_from(["corp.example", "corp.example,consumer_accounts"]) | VALUES,
        },
    ).map(lambda managed: {**rest, **managed})
)
DOCUMENTS = st.fixed_dictionaries({}, optional={"policies": POLICIES, "other": VALUES})
FILES = st.builds(
    lambda document, indent: json.dumps(document, indent=indent).encode(), DOCUMENTS, st.sampled_from([None, 1, 7])
)


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def fresh(place: Path) -> Tree:
    shutil.rmtree(place)
    place.mkdir()
    return Tree(place)


@pytest.mark.slow
@given(original=FILES)
@examples(60)
def test_lift_after_enforce_is_the_original_whatever_it_was(place, original):
    tree = fresh(place)
    tree.put(PATH, original)
    tree.enforce(plan("mail.example", "b.example"))
    tree.enforce()
    tree.lift()
    assert tree.content() == original


@given(base=DOCUMENTS, ours=st.lists(PATTERNS, min_size=1, max_size=2, unique=True), later=POLICIES)
def test_taking_out_undoes_the_merge_and_nothing_but_the_merge(base, ours, later):
    part = {"WebsiteFilter": {"Block": ours}, "DNSOverHTTPS": {}, "AllowedDomainsForApps": "corp.example"}
    merged = firefox_merge.merge_policies(base, part)
    assert firefox_merge.is_same_json(firefox_merge.remove_own_policies(merged, base, [merged]), base)
    edits = {key: value for key, value in later.items() if key in ("A", "B", "C")}
    edited = {**merged, "policies": {**merged["policies"], **edits}}
    expected = {**base, "policies": {**base.get("policies", {}), **edits}} if edits else base
    assert firefox_merge.is_same_json(firefox_merge.remove_own_policies(edited, base, [merged]), expected)


TENANTS, SUPPORT, PROXY, DNS = "AllowedDomainsForApps", "SupportMenu", "Proxy", "DNSOverHTTPS"
SETTINGS, PREFERENCES, FILTER = "ExtensionSettings", "Preferences", "WebsiteFilter"
OFF = {"Enabled": False, "Locked": True}
LINK = {"Title": "Request an exception", "URL": "https://ask.example"}
LOCKED = {"Mode": "system", "Locked": True}
REFUSED, ALLOWED, FORCED = ({"installation_mode": mode} for mode in ("blocked", "allowed", "force_installed"))
BLOCK, EXCEPTION = {"blocked_permissions": ["proxy", "debugger"]}, {"allowed_permissions": ["proxy", "debugger"]}
BLOCKS = {"blocked_permissions": ["x", "proxy", "debugger"]}
ENTRY = {"Value": False, "Status": "locked"}
JOINED = [
    (FILTER, None, {"Block": ["b"]}, {"Block": ["b"]}),
    (
        *(FILTER, {"Block": ["a", "b"], "Exceptions": "x", "Other": 1}, {"Block": ["b", "c"], "Exceptions": ["d"]}),
        {"Block": ["a", "b", "c"], "Exceptions": ["d"], "Other": 1},
    ),
    (PROXY, {"Mode": "none"}, LOCKED, {"Mode": "none", "Locked": True}),
    (PROXY, {"Locked": False}, LOCKED, LOCKED),
    (DNS, {"Enabled": True, "ProviderURL": "x"}, OFF, {**OFF, "ProviderURL": "x"}),
    (PREFERENCES, {"a": 1, "b": 1}, {"b": ENTRY}, {"a": 1, "b": ENTRY}),
    (SUPPORT, {}, LINK, LINK),
    (SUPPORT, {"Title": "Ours", "URL": "https://x"}, LINK, {"Title": "Ours", "URL": "https://x"}),
    ("BlockAboutConfig", {"a": 1}, True, True),
    (SETTINGS, "x", {"a": REFUSED}, {"a": REFUSED}),
    (
        *(SETTINGS, {"a": FORCED, "b": {**REFUSED, "x": 1}, "c": 5}, dict.fromkeys("abcd", REFUSED)),
        {"a": REFUSED, "b": {**REFUSED, "x": 1}, "c": REFUSED, "d": REFUSED},
    ),
    (  # what they permit in another way stays
        *(SETTINGS, {"a": FORCED, "b": REFUSED}, dict.fromkeys("abc", ALLOWED)),
        {"a": FORCED, "b": ALLOWED, "c": ALLOWED},
    ),
    (
        *(SETTINGS, {"*": {"blocked_permissions": ["x"], "y": 1}, "b": {}}),
        {"*": BLOCK, "a": EXCEPTION, "b": EXCEPTION},
        {"*": {**BLOCKS, "y": 1}, "a": {"blocked_permissions": ["x"], **EXCEPTION}, "b": {}},
    ),
    (  # an exception opens nothing that theirs block
        *(SETTINGS, {"*": {**BLOCK, "y": 1}}, {"*": {**REFUSED, **BLOCK}, "a": EXCEPTION}),
        {"*": {**BLOCK, "y": 1, **REFUSED}},
    ),
]


@pytest.mark.parametrize(("name", "theirs", "ours", "both"), JOINED)
def test_merge_joins_policies_and_removal_restores_theirs(name, theirs, ours, both):
    base = {"proscribe": "old", "other": 1, "policies": {"A": 1, **({name: theirs} if theirs is not None else {})}}
    document = merge_policies(base, {name: ours})
    assert document == {"proscribe": WRITTEN_BY, "other": 1, "policies": {"A": 1, name: both}}
    del base["proscribe"]
    assert remove_own_policies(document, base, [document]) == base


PERMITTING = {SETTINGS: {"*": {"blocked_permissions": [], **ALLOWED}}}
ADDED = ["x", "proxy", "debugger"]
WRITTEN = {
    "policies": {
        "BlockAboutConfig": True,
        DNS: OFF,
        FILTER: {"Block": ["a", "b"], "Exceptions": ["c"]},
        PREFERENCES: {"p": ENTRY, "q": ENTRY},
        SETTINGS: {"*": {**BLOCKS, **REFUSED}, "a": REFUSED, "b": EXCEPTION},
    }
}


@pytest.mark.parametrize(
    ("base", "edit", "theirs"),
    [
        ({}, {}, {}),
        ({"BlockAboutConfig": False, DNS: "x"}, {}, {"BlockAboutConfig": False, DNS: "x"}),
        ({}, {"BlockAboutConfig": False, DNS: {}}, {"BlockAboutConfig": False, DNS: {}}),
        ({}, {FILTER: {"Block": ["a", "z"], "Other": 1}}, {FILTER: {"Block": ["z"], "Other": 1}}),
        (
            *({FILTER: {"Block": ["a"], "Exceptions": "x"}}, {FILTER: {"Block": ["a", "b", "z"], "Exceptions": ["c"]}}),
            {FILTER: {"Block": ["a", "z"], "Exceptions": "x"}},
        ),
        ({}, {FILTER: {"Block": ["b"]}}, {}),
        ({}, {PREFERENCES: {"p": ENTRY, "r": 1}}, {PREFERENCES: {"r": 1}}),
        ({PREFERENCES: {"p": 5}}, {PREFERENCES: {"p": ENTRY, "r": 1}}, {PREFERENCES: {"p": 5, "r": 1}}),
        (
            *({}, {SETTINGS: {"*": {"blocked_permissions": [*ADDED, "z"], **REFUSED, "y": 1}, "a": ALLOWED}}),
            {SETTINGS: {"*": {"blocked_permissions": ["z"], "y": 1}, "a": ALLOWED}},
        ),
        ({}, {SETTINGS: {"*": {**BLOCK, **REFUSED}, "b": EXCEPTION}}, {}),
        (PERMITTING, {SETTINGS: {"*": {**BLOCK, **REFUSED}}}, PERMITTING),
    ],
)
def test_removal_after_an_edit_keeps_the_edit(base, edit, theirs):
    current = {"proscribe": "x", "more": 1, "policies": {**WRITTEN["policies"], **edit}}
    for written in ([WRITTEN], [{}, WRITTEN], [WRITTEN, {"policies": {DNS: 5}}]):
        remaining = {"policies": theirs} if theirs else {}
        assert remove_own_policies(current, {"policies": base} if base else {}, written) == {"more": 1, **remaining}


def test_lost_note_makes_every_managed_policy_ours():
    speculation = "network.http.speculative-parallel-limit"
    extensions = {
        "*": {"blocked_permissions": ADDED, "y": 1},
        "a": REFUSED,
        "b": EXCEPTION,
        "c": {**ALLOWED, **EXCEPTION},
        "d": {**EXCEPTION, "y": 1},
        "e": {"allowed_permissions": ["proxy", "x"]},
        "f": FORCED,
    }
    current = {
        "A": 1,
        PROXY: LOCKED,
        TENANTS: "a.org",
        FILTER: {"Block": ["a"]},
        "DisableFirefoxAccounts": False,
        PREFERENCES: {speculation: 5, "network.http.http3.enable": 5, "own": ENTRY},
        SETTINGS: extensions,
    }
    ours = {key: current[key] for key in (TENANTS, FILTER, "DisableFirefoxAccounts")}
    ours[PREFERENCES] = {speculation: 5, "network.http.http3.enable": 5}
    ours[SETTINGS] = {"*": BLOCK, "a": REFUSED, "b": EXCEPTION, "c": {**ALLOWED, **EXCEPTION}}
    assert guess_written_policies({"policies": current}) == [{"policies": ours}]
    expected = [{"policies": {SETTINGS: {}}}]
    assert guess_written_policies({"policies": {PREFERENCES: "x", SETTINGS: {"*": {}}}}) == expected


def test_link_in_place_of_firefoxs_file_is_refused_and_left(tree):
    tree.put("etc/organisation.json", OWN)
    (tree.root / "etc/firefox/policies").mkdir(parents=True)
    (tree.root / PATH).symlink_to("../../organisation.json")
    assert "a link is in its place" in tree.enforce().refusals[0].reason
    assert tree.verdicts()["service"].state == "noncompliant"
    tree.lift()
    assert (tree.root / PATH).is_symlink()
