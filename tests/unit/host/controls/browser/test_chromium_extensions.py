"""Extensions that want a proxy, in ExtensionSettings of Chromium and Firefox."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from browser_hosts import Tree
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.browser import firefox, firefox_merge
from proscribe.host.controls.browser.browser_settings import ALLOW_LIST, BLOCKED, EXTENSIONS, PROXY_EXTENSIONS
from proscribe.host.controls.browser.chromium import MERGE_DICTIONARIES
from proscribe.host.controls.browser.chromium_extensions import (
    ExtensionLists,
    find_deciding_file,
    find_flawed_entry,
    fit_extension_settings,
    list_permission_openings,
    read_effective_settings,
)
from proscribe.host.controls.browser.chromium_file import ChromiumPolicyFile
from proscribe.host.controls.browser.extension_settings import (
    EXTENSION_SETTINGS,
    is_blocking_permissions,
    make_due_settings,
)
from proscribe.host.controls.browser.site_rules import BrowserRules, make_rules

from unit.host.controls.browser.test_browser_settings import FOX, section

A, B, C = "a" * 32, "b" * 32, "c" * 32
REFUSED, ALLOWED, FORCED = ({"installation_mode": mode} for mode in ("blocked", "allowed", "force_installed"))
BLOCK, EXCEPTION = {"blocked_permissions": ["proxy", "debugger"]}, {"allowed_permissions": ["proxy", "debugger"]}
OWN, CHROMIUM = "proscribe.json", "etc/chromium/policies/managed/"
WAIVED = {"mode": "waived", "extensions": {"chrome": [B], "firefox": ["waived@example"]}}
MANAGED = {EXTENSIONS: BLOCKED, PROXY_EXTENSIONS: BLOCKED}
ORGANISATIONS = [C, "own@example"]
URL = "update_url:https://made.example/crx"
BLOCKS, ALLOWS = ({f"{verb}_permissions": ["x", "proxy", "debugger"]} for verb in ("blocked", "allowed"))


def files(*said: Mapping[str, Any], names: str = "abcdef") -> list[ChromiumPolicyFile]:
    return [ChromiumPolicyFile(f"{name}.json", one) for name, one in zip(names, said)]


def of(settings: Any, *joined: Any) -> dict[str, Any]:
    return {EXTENSION_SETTINGS: settings, **({MERGE_DICTIONARIES: list(joined)} if joined else {})}


EFFECTIVE = [
    ([{}], {}),
    ([of({"*": BLOCK}), of({A: ALLOWED})], {A: ALLOWED}),  # the last one counts
    ([of({"*": BLOCK}, EXTENSION_SETTINGS), of({A: ALLOWED})], {"*": BLOCK, A: ALLOWED}),  # joined by the first
    (  # of three, the first has an entry
        [of({"*": {}, A: ALLOWED}), of({"*": BLOCK}, EXTENSION_SETTINGS), of({A: REFUSED, B: {}})],
        {"*": {}, A: ALLOWED, B: {}},
    ),
    ([of("x", EXTENSION_SETTINGS), of({"*": BLOCK})], {"*": BLOCK}),  # the first is no dictionary
    # the list of what is joined is no list
    ([{MERGE_DICTIONARIES: [EXTENSION_SETTINGS]}, of({"*": BLOCK}), {**of({}), MERGE_DICTIONARIES: "x"}], {}),
    ([of({"*": {**BLOCK, "runtime_blocked_hosts": ["made.example"]}, A: ALLOWED})], {A: ALLOWED}),  # no URL pattern
]


@pytest.mark.parametrize(("given_", "result"), EFFECTIVE)
def test_extension_settings_of_several_files_are_joined(given_, result):
    assert read_effective_settings([*reversed(files(*given_))]) == result


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"*": BLOCK, "made": 3, f"{A}, {B}": 3}, ""),
        ({"*": {**BLOCK, "made": 3, "allowed_permissions": 3}}, ""),
        ({"*": ["proxy"]}, "*"),
        ({"*": {**BLOCK, "installation_mode": "force_installed"}}, "*"),
        ({"*": {"blocked_permissions": ["proxy", 3]}}, "*"),
        ({"*": {"blocked_permissions": ["<all_urls>"]}}, "*"),
        ({"*": {"install_sources": 3}}, "*"),
        ({"*": {"allowed_types": [["theme"]]}}, "*"),
        ({"*": {"blocked_install_message": 3}}, "*"),
        ({A: {"installation_mode": ["blocked"]}}, A),
        ({A: {"minimum_version_required": "x"}}, A),
        ({A: {"override_update_url": "x"}}, A),
        ({f"{A},{B},": {"allowed_permissions": ["Proxy"]}}, f"{A},{B},"),
        ({"update_url:https://made.example/": {"blocked_install_message": 3}}, ""),
        ({"update_url:https://made.example/": FORCED}, "update_url:https://made.example/"),
    ],
)
def test_wrong_entry_disables_all_extension_settings(settings, key):
    assert find_flawed_entry(settings) == key
    assert read_effective_settings(files(of(settings))) == ({} if key else settings)


@pytest.mark.parametrize(
    ("settings", "lists", "found"),
    [
        ({}, ExtensionLists(), ["*"]),
        ({"*": BLOCK}, ExtensionLists(), []),
        ({"*": {**BLOCK, **EXCEPTION}}, ExtensionLists(), []),  # which has no effect in "*"
        ({}, ExtensionLists(blocked_ids=["*"]), []),
        ({"*": ALLOWED}, ExtensionLists(blocked_ids=["*"]), ["*"]),
        ({"*": BLOCK, f"{A},{B}": ALLOWED}, ExtensionLists(), [A, B]),
        ({"*": BLOCK, f"{A}, {B}": ALLOWED}, ExtensionLists(), []),  # not a key that Chromium knows
        ({"*": BLOCK, A: ALLOWED}, ExtensionLists(blocked_ids=[A]), [A]),
        ({"*": REFUSED, A: {}, B: ALLOWED}, ExtensionLists(), [B]),
        ({"*": BLOCK}, ExtensionLists(allowed_ids=[A]), [A]),
        ({"*": BLOCK}, ExtensionLists(allowed_ids=[A], blocked_ids=[A]), []),
        ({"*": BLOCK}, ExtensionLists(forced_ids=[A], blocked_ids=["*"]), [A]),
        ({"*": BLOCK, A: BLOCK}, ExtensionLists(forced_ids=[A]), []),
        ({"*": BLOCK, C: EXCEPTION}, ExtensionLists(allowed_ids=[C]), []),  # the organisation's own, in the inventory
        ({"*": BLOCK, URL: ALLOWED}, ExtensionLists(), [URL]),
    ],
)
def test_extensions_with_the_proxy_permission_are_listed(settings, lists, found):
    assert list(list_permission_openings(settings, lists, [C])) == found


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "installation_mode": st.sampled_from(["allowed", "blocked", "removed", "gone"]),
        "blocked_permissions": st.lists(st.sampled_from(["proxy", "debugger", "<all_urls>"]), max_size=2),
        "install_sources": st.just(["https://made.example/*"]),
    },
)
TABLES = st.dictionaries(st.sampled_from(["*", "*", A, B, f"{A},{C}", URL, "made"]), ENTRIES | st.just(3), max_size=3)
SAID = st.fixed_dictionaries(
    {},
    optional={
        EXTENSION_SETTINGS: TABLES | TABLES | st.sampled_from([[], None, "x"]),
        MERGE_DICTIONARIES: st.lists(st.sampled_from([EXTENSION_SETTINGS, "*", "X"]), max_size=2) | st.just("x"),
    },
)
FOREIGN = st.dictionaries(st.sampled_from(["10.json", "20.json", "yy.json", "zz.json"]), SAID, max_size=4)


@given(FOREIGN)
def test_beside_any_files_ours_blocks_the_permission_or_changes_nothing(foreign):
    others = [ChromiumPolicyFile(name, content) for name, content in foreign.items()]
    theirs, fit = read_effective_settings(others), fit_extension_settings(others, OWN, [C])
    now = read_effective_settings([*others, ChromiumPolicyFile(OWN, fit.policies)])
    if not fit.is_fitting:
        assert fit.policies == {} and now == theirs
        return
    assert now == make_due_settings(theirs, [C], [C] if f"{A},{C}" in theirs else [])
    assert is_blocking_permissions(now["*"], is_default=True)
    assert {key: entry for key, entry in theirs.items() if key != "*"}.items() <= now.items()
    default = theirs.get("*", {})
    assert {**now["*"], "blocked_permissions": 0} == {**default, "blocked_permissions": 0} or now["*"] == default
    assert set(default.get("blocked_permissions", [])) <= set(now["*"].get("blocked_permissions", []))
    assert fit_extension_settings(others, OWN, [C]) == fit


@pytest.mark.parametrize(
    ("given_", "name"),
    [([{}], ""), ([of({"*": BLOCK}), of({})], "b.json"), ([of({"*": BLOCK}), of({"*": {}}, "*")], "a.json")],
)
def test_file_that_decides_an_entry_is_named(given_, name):
    assert find_deciding_file(files(*given_), "*") == name


RULE, FILE = "proxy-extensions", "policy-file"
SERVICES = {"vpn": {"extensions": {"chrome": [A], "firefox": ["vpn@example"]}}, "waived": {**WAIVED, "waiver": "w1"}}
NO_ROOM = (
    "10.json, zz.json: proscribe.json cannot block the permission proxy or debugger beside their ExtensionSettings"
    ' without changing their effect: add it to blocked_permissions of "*" there'
)
NAME_IT = "have the permission proxy or debugger: refuse it there, or name it in proscribe_browser_extensions_allowed"
ON_A_HOST = [
    ({}, {}),
    ({"zz.json": of({"*": {}, A: REFUSED})}, {}),
    ({"10.json": of({"*": BLOCK}), "zz.json": of({"*": BLOCK})}, {}),  # the organisation blocks it too
    (  # no room
        {"10.json": of({A: REFUSED}), "zz.json": of({"*": {}})},
        {RULE: [f"chromium proxy-extensions: {NO_ROOM}"], FILE: [f"chromium proscribe.json: {NO_ROOM}"]},
    ),
    # an extension that the organisation installs
    ({"zz.json": of({"d" * 32: FORCED})}, {RULE: [f"chromium proxy-extensions: zz.json lets {'d' * 32} {NAME_IT}"]}),
    (  # extensions of a list
        {"10.json": {"ExtensionInstallForcelist": ["d" * 32 + ";https://x.example", "e" * 32]}},
        {RULE: [f"chromium proxy-extensions: a list of the organisation's lets {'d' * 32}, and 1 more {NAME_IT}"]},
    ),
    (  # one of a restricted service
        {"10.json": of({A: {"installation_mode": "allowed"}})},
        {"vpn": [f"chromium extension {A}: "], RULE: [f"chromium proxy-extensions: 10.json lets {A} {NAME_IT}"]},
    ),
]


@pytest.mark.parametrize(("foreign", "wrong"), ON_A_HOST)
def test_extension_settings_beside_foreign_files_are_reported(foreign, wrong, tmp_path):
    tree = Tree(tmp_path, section(MANAGED, SERVICES, extensions_allowed=ORGANISATIONS))
    for name, content in foreign.items():
        tree.put(CHROMIUM + name, content)
    tree.enforce()
    assert tree.wrong() == wrong
    again = tree.enforce()
    assert again.actions == []
    assert [refusal.reason for refusal in again.refusals] == ([NO_ROOM] if FILE in wrong else [])
    tree.lift()
    assert {path.name: json.loads(path.read_bytes()) for path in (tmp_path / CHROMIUM).glob("*")} == foreign


FIELDS: Mapping[str, Any] = {
    "installation_mode": st.sampled_from(["allowed", "blocked"]),
    "blocked_permissions": st.lists(st.sampled_from(["proxy", "debugger"]), max_size=2, unique=True),
    "install_sources": st.just(["https://made.example/*"]),
}
OF_FIREFOX = st.dictionaries(
    st.sampled_from(["*", "vpn@example", "own@example", "theirs@example"]),
    st.fixed_dictionaries({}, optional=FIELDS) | st.just(3),
)
CHOSEN = st.fixed_dictionaries({EXTENSIONS: st.sampled_from([BLOCKED, ALLOW_LIST]), PROXY_EXTENSIONS: st.just(BLOCKED)})


def ours(managed: dict[str, str]) -> dict[str, Any]:
    desired: BrowserRules = make_rules(section(managed, SERVICES, extensions_allowed=ORGANISATIONS))
    return firefox.make_policies(desired, FOX, firefox.make_filter_lists(desired))


@given(st.none() | OF_FIREFOX, CHOSEN, st.booleans())
def test_firefox_settings_come_back_from_a_merge_with_later_edits(theirs, managed, edited):
    base: dict[str, Any] = {"policies": {} if theirs is None else {EXTENSION_SETTINGS: theirs}}
    merged = firefox_merge.merge_policies(base, ours(managed))
    assert firefox_merge.merge_policies(merged, ours(managed)) == merged
    assert is_blocking_permissions(merged["policies"][EXTENSION_SETTINGS]["*"], is_default=True)
    assert firefox_merge.remove_own_policies(merged, base, [merged]) == base
    if edited:
        changed = json.loads(json.dumps(merged))
        entry = changed["policies"][EXTENSION_SETTINGS]["*"]
        entry["blocked_permissions"] = [*entry.get("blocked_permissions", []), "history"]
        back = firefox_merge.remove_own_policies(changed, base, [merged])["policies"][EXTENSION_SETTINGS]
        before = theirs["*"] if theirs and isinstance(theirs.get("*"), dict) else {}
        assert back["*"] == {**before, "blocked_permissions": [*before.get("blocked_permissions", []), "history"]}


def test_the_organisations_settings_with_ours_in_them():
    theirs = {"*": {"blocked_permissions": ["x"]}, "other": {}}
    mine = {"blocked_permissions": ["x"], **EXCEPTION}
    assert make_due_settings(theirs, ["mine", "taken"], ["taken"]) == {"*": BLOCKS, "other": {}, "mine": mine}
    both = {"*": {**BLOCKS, **ALLOWS}}
    assert make_due_settings(both, ["mine"], []) == both and "taken" in make_due_settings({}, ["taken"])
