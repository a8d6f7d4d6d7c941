"""Extensions that want a proxy: what is said to each browser, what several files come to, and what is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.browser import firefox, firefox_merge
from proscribe.host.controls.browser.chromium import MERGE_DICTIONARIES
from proscribe.host.controls.browser.chromium_extensions import Lists, deciding, effective, fitted, flawed, openings
from proscribe.host.controls.browser.chromium_file import File
from proscribe.host.controls.browser.extension_settings import EXTENSION_SETTINGS, closes, due
from proscribe.host.controls.browser.rendering import Rules, rules
from proscribe.host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS, PROXY_EXTENSIONS

from unit.host.controls.test_browser_settings import (
    BIRD,
    CHROMIUM,
    FIREFOX,
    FOX,
    LISTS,
    MERGE,
    Tree,
    place,
    said,
    section,
)

A, B, C = "a" * 32, "b" * 32, "c" * 32
REFUSED, ALLOWED, FORCED = ({"installation_mode": mode} for mode in ("blocked", "allowed", "force_installed"))
BLOCK, EXCEPTION = {"blocked_permissions": ["proxy", "debugger"]}, {"allowed_permissions": ["proxy", "debugger"]}
OWN = "proscribe.json"
VPN = {"extensions": {"chrome": [A], "firefox": ["vpn@example"]}}
WAIVED = {"mode": "waived", "extensions": {"chrome": [B], "firefox": ["waived@example"]}}
MANAGED = {EXTENSIONS: BLOCKED, PROXY_EXTENSIONS: BLOCKED}
ORGANISATIONS = [C, "own@example"]


def files(*said: Mapping[str, Any], names: str = "abcdef") -> list[File]:
    return [File(f"{name}.json", one) for name, one in zip(names, said)]


def of(settings: Any, *joined: Any) -> dict[str, Any]:
    return {EXTENSION_SETTINGS: settings, **({MERGE_DICTIONARIES: list(joined)} if joined else {})}


def test_the_permission_is_blocked_for_all_but_the_allowed_and_the_waived() -> None:
    services = {"vpn": VPN, "waived": WAIVED}
    assert said(place("chromium"), MANAGED, services, extensions_allowed=ORGANISATIONS) == {
        "ExtensionInstallBlocklist": [A],
        EXTENSION_SETTINGS: {"*": BLOCK, B: EXCEPTION, C: EXCEPTION},
        MERGE_DICTIONARIES: [EXTENSION_SETTINGS],
        MERGE: ["ExtensionInstallBlocklist", *LISTS],
    }
    assert said(FOX, MANAGED, services, extensions_allowed=ORGANISATIONS) == {
        EXTENSION_SETTINGS: {
            "vpn@example": REFUSED,
            "*": BLOCK,
            "own@example": EXCEPTION,
            "waived@example": EXCEPTION,
        }
    }


def test_with_an_allow_list_the_permission_is_blocked_too() -> None:
    managed, services = {**MANAGED, EXTENSIONS: ALLOW_LIST}, {"vpn": VPN, "waived": WAIVED}
    of_chromium = said(place("chromium"), managed, services, extensions_allowed=ORGANISATIONS)
    assert of_chromium["ExtensionInstallBlocklist"] == ["*"]
    assert of_chromium["ExtensionInstallAllowlist"] == [C, B]
    assert of_chromium[EXTENSION_SETTINGS] == {"*": BLOCK, B: EXCEPTION, C: EXCEPTION}
    assert said(FOX, managed, services, extensions_allowed=ORGANISATIONS) == {
        EXTENSION_SETTINGS: {
            "*": {**REFUSED, **BLOCK},
            "own@example": {**ALLOWED, **EXCEPTION},
            "waived@example": {**ALLOWED, **EXCEPTION},
        }
    }


def test_an_allowed_extension_of_a_restricted_service_stays_refused() -> None:
    managed = said(FOX, MANAGED, {"vpn": VPN}, extensions_allowed=["vpn@example"])
    assert managed == {EXTENSION_SETTINGS: {"vpn@example": REFUSED, "*": BLOCK}}
    managed = said(place("chromium"), MANAGED, {"vpn": VPN}, extensions_allowed=[A])
    assert managed["ExtensionInstallBlocklist"] == [A]
    assert managed[EXTENSION_SETTINGS] == {"*": BLOCK, A: EXCEPTION}  # which leaves the refusal by its id alone


def test_thunderbird_and_hosts_that_leave_it_alone_get_nothing() -> None:
    assert said(BIRD, MANAGED, {"vpn": VPN}) == {}
    left = {**MANAGED, PROXY_EXTENSIONS: "unmanaged"}
    assert EXTENSION_SETTINGS not in said(place("chromium"), left, {"vpn": VPN})
    assert said(FOX, left, {"vpn": VPN}) == {EXTENSION_SETTINGS: {"vpn@example": REFUSED}}


# -- what several files come to; tests/integration/test_browser_proxy_extensions.py has the same from Chromium ---------

EFFECTIVE = [
    pytest.param([{}], {}, id="none"),
    pytest.param([of({"*": BLOCK}), of({A: ALLOWED})], {A: ALLOWED}, id="the last one counts"),
    pytest.param(
        [of({"*": BLOCK}, EXTENSION_SETTINGS), of({A: ALLOWED})], {"*": BLOCK, A: ALLOWED}, id="joined by the first"
    ),
    pytest.param(
        [of({"*": BLOCK}, EXTENSION_SETTINGS), of({A: ALLOWED}, "X")], {A: ALLOWED}, id="the last one joins others"
    ),
    pytest.param([of({"*": BLOCK}), of({A: ALLOWED}, "*")], {"*": BLOCK, A: ALLOWED}, id="everything joined"),
    pytest.param(
        [of({"*": {}, A: ALLOWED}), of({"*": BLOCK}, EXTENSION_SETTINGS), of({A: REFUSED, B: {}})],
        {"*": {}, A: ALLOWED, B: {}},
        id="of three, the first has an entry",
    ),
    pytest.param([of({"*": BLOCK}, EXTENSION_SETTINGS), of(["x"])], {}, id="the last is no dictionary"),
    pytest.param([of("x", EXTENSION_SETTINGS), of({"*": BLOCK})], {"*": BLOCK}, id="the first is no dictionary"),
    pytest.param([of({"*": BLOCK}), of({})], {}, id="an empty one"),
    pytest.param(
        [{MERGE_DICTIONARIES: [EXTENSION_SETTINGS]}, of({"*": BLOCK}), {**of({}), MERGE_DICTIONARIES: "x"}],
        {},
        id="the list of what is joined is no list",
    ),
    pytest.param(
        [of({"*": {**BLOCK, "runtime_blocked_hosts": ["made.example"]}, A: ALLOWED})], {A: ALLOWED}, id="no URL pattern"
    ),
]


@pytest.mark.parametrize(("given_", "result"), EFFECTIVE)
def test_what_files_come_to(given_: list[dict[str, Any]], result: dict[str, Any]) -> None:
    assert effective([*reversed(files(*given_))]) == result


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"*": BLOCK, "made": 3, f"{A}, {B}": 3}, ""),
        ({"*": {**BLOCK, "made": 3, "allowed_permissions": 3}}, ""),
        ({"*": ["proxy"]}, "*"),
        ({"*": {**BLOCK, "installation_mode": "force_installed"}}, "*"),
        ({"*": {"blocked_permissions": ["proxy", 3]}}, "*"),
        ({"*": {"blocked_permissions": "proxy"}}, "*"),
        ({"*": {"blocked_permissions": ["<all_urls>"]}}, "*"),
        ({"*": {"blocked_permissions": ["Proxy"]}}, "*"),
        ({"*": {"install_sources": 3}}, "*"),
        ({"*": {"allowed_types": ["shared_module"]}}, "*"),
        ({"*": {"allowed_types": [["theme"]]}}, "*"),
        ({"*": {"blocked_install_message": 3}}, "*"),
        ({A: None}, A),
        ({A: {"installation_mode": ["blocked"]}}, A),
        ({A: {"minimum_version_required": "x"}}, A),
        ({A: {"toolbar_pin": "x"}}, A),
        ({A: {"override_update_url": "x"}}, A),
        ({A: {"update_url": 3}}, A),
        ({A: {"file_url_navigation_allowed": 3}}, A),
        ({f"{A},{B},": {"allowed_permissions": ["Proxy"]}}, f"{A},{B},"),
        ({"update_url:https://made.example/": {"allowed_permissions": 3}}, "update_url:https://made.example/"),
        ({"update_url:https://made.example/": {"blocked_install_message": 3}}, ""),
        ({"update_url:https://made.example/": FORCED}, "update_url:https://made.example/"),
    ],
)
def test_one_wrong_entry_costs_all_settings_their_effect(settings: dict[str, Any], key: str) -> None:
    assert flawed(settings) == key
    assert effective(files(of(settings))) == ({} if key else settings)


URL = "update_url:https://made.example/crx"


@pytest.mark.parametrize(
    ("settings", "lists", "found"),
    [
        ({}, Lists(), ["*"]),
        ({"*": BLOCK}, Lists(), []),
        ({"*": {**BLOCK, **EXCEPTION}}, Lists(), []),  # which has no effect in "*"
        ({"*": REFUSED}, Lists(), []),
        ({}, Lists(blocked=["*"]), []),
        ({"*": ALLOWED}, Lists(blocked=["*"]), ["*"]),
        ({"*": BLOCK, A: {}}, Lists(), [A]),
        ({"*": BLOCK, A: FORCED}, Lists(), [A]),
        ({"*": BLOCK, A: REFUSED, B: BLOCK}, Lists(), []),
        ({"*": BLOCK, A: {**BLOCK, **EXCEPTION}}, Lists(), [A]),
        ({"*": BLOCK, f"{A},{B}": ALLOWED}, Lists(), [A, B]),
        ({"*": BLOCK, f"{A}, {B}": ALLOWED}, Lists(), []),  # not a key that Chromium knows
        ({"*": BLOCK, A: {}}, Lists(blocked=[A]), []),
        ({"*": BLOCK, A: ALLOWED}, Lists(blocked=[A]), [A]),
        ({"*": REFUSED, A: {}, B: ALLOWED}, Lists(), [B]),
        ({"*": BLOCK}, Lists(allowed=[A]), [A]),
        ({"*": BLOCK}, Lists(allowed=[A], blocked=[A]), []),
        ({"*": BLOCK}, Lists(forced=[A], blocked=["*"]), [A]),
        ({"*": BLOCK, A: BLOCK}, Lists(forced=[A]), []),
        ({"*": BLOCK, C: EXCEPTION}, Lists(allowed=[C]), []),  # the organisation's own, in the inventory
        ({"*": BLOCK, URL: ALLOWED}, Lists(), [URL]),
        ({"*": BLOCK, URL: BLOCK}, Lists(), []),
        ({"*": REFUSED, URL: {}}, Lists(), []),
    ],
)
def test_whose_extensions_may_have_a_proxy(settings: dict[str, Any], lists: Lists, found: list[str]) -> None:
    assert list(openings(settings, lists, [C])) == found


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
def test_beside_any_files_ours_blocks_the_permission_or_changes_nothing(foreign: dict[str, dict[str, Any]]) -> None:
    others = [File(name, content) for name, content in foreign.items()]
    theirs = effective(others)
    fit = fitted(others, OWN, [C])
    now = effective([*others, File(OWN, fit.policies)])
    if not fit.fits:
        assert fit.policies == {} and now == theirs
        return
    assert now == due(theirs, [C], [C] if f"{A},{C}" in theirs else [])
    assert closes(now["*"], of_all=True)
    assert {key: entry for key, entry in theirs.items() if key != "*"}.items() <= now.items()
    default = theirs.get("*", {})
    assert {**now["*"], "blocked_permissions": 0} == {**default, "blocked_permissions": 0} or now["*"] == default
    assert set(default.get("blocked_permissions", [])) <= set(now["*"].get("blocked_permissions", []))
    assert fitted(others, OWN, [C]) == fit


def test_alone_in_its_folder_the_file_is_the_same_as_beside_files_that_say_nothing_of_it() -> None:
    assert fitted([], OWN, [B, C]) == fitted(files({"SyncDisabled": True}), OWN, [B, C])
    assert fitted([], OWN, [C]).policies == of({"*": BLOCK, C: EXCEPTION}, EXTENSION_SETTINGS)


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        ({"zz.json": of({A: FORCED})}, of({"*": BLOCK, C: EXCEPTION}, EXTENSION_SETTINGS)),
        (
            {"10.json": of({"*": {"blocked_permissions": ["debugger"], "blocked_install_message": "No"}})},
            of(
                {
                    "*": {"blocked_permissions": ["proxy", "debugger"], "blocked_install_message": "No"},
                    C: {"blocked_permissions": ["debugger"], "blocked_install_message": "No", **EXCEPTION},
                }
            ),
        ),
        ({"10.json": of({"*": BLOCK})}, {}),  # what the organisation blocks is not opened for an exception
        ({"10.json": of({"*": REFUSED, A: ALLOWED})}, {}),
        (
            {"10.json": of({"*": {}, A: ALLOWED}, EXTENSION_SETTINGS, "X")},
            {**of({"*": BLOCK, A: ALLOWED, C: EXCEPTION}), MERGE_DICTIONARIES: ["X"]},
        ),
        ({"10.json": of({"*": 3})}, of({"*": BLOCK, C: EXCEPTION})),
        ({"zz.json": of({"*": {}}), "10.json": of({A: ALLOWED})}, None),
        ({"zz.json": of({"*": 3})}, of({"*": BLOCK, C: EXCEPTION}, EXTENSION_SETTINGS)),  # which hides theirs
        ({"zz.json": of({A: 3})}, None),
    ],
)
def test_what_ours_says_beside_files_of_the_organisation(foreign: dict[str, Any], ours: dict[str, Any] | None) -> None:
    fit = fitted([File(name, content) for name, content in foreign.items()], OWN, [C])
    assert fit.policies == (ours or {})
    assert fit.fits == (ours is not None)


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ([{}], ""),
        ([of({"*": BLOCK}), of({})], "b.json"),
        ([of({"*": BLOCK}), of({"*": {}}, "*")], "a.json"),
        ([of({A: {}}), of({"*": {}}, "*")], "b.json"),
    ],
)
def test_which_file_decides(given_: list[dict[str, Any]], name: str) -> None:
    assert deciding(files(*given_), "*") == name


# -- on a host ---------------------------------------------------------------------------------------------------------

RULE, FILE = "proxy-extensions", "policy-file"
SERVICES = {"vpn": VPN, "waived": {**WAIVED, "waiver": "w1"}}
NO_ROOM = (
    "10.json, zz.json: proscribe.json cannot block the permission proxy or debugger beside their ExtensionSettings"
    ' without changing their effect: add it to blocked_permissions of "*" there'
)
NAME_IT = "have the permission proxy or debugger: refuse it there, or name it in proscribe_browser_extensions_allowed"
ON_A_HOST = [
    pytest.param({}, {}, id="nothing else"),
    pytest.param({"zz.json": of({"*": {}, A: REFUSED})}, {}, id="a later file"),
    pytest.param({"10.json": of({"*": {"install_sources": []}})}, {}, id="an earlier file"),
    pytest.param({"10.json": of({"*": BLOCK}), "zz.json": of({"*": BLOCK})}, {}, id="the organisation blocks it too"),
    pytest.param(
        {"10.json": of({A: REFUSED}), "zz.json": of({"*": {}})},
        {RULE: [f"chromium proxy-extensions: {NO_ROOM}"], FILE: [f"chromium proscribe.json: {NO_ROOM}"]},
        id="no room",
    ),
    pytest.param(
        {"zz.json": of({"d" * 32: FORCED})},
        {RULE: [f"chromium proxy-extensions: zz.json lets {'d' * 32} {NAME_IT}"]},
        id="an extension that the organisation installs",
    ),
    pytest.param(
        {"10.json": {"ExtensionInstallForcelist": ["d" * 32 + ";https://x.example", "e" * 32]}},
        {RULE: [f"chromium proxy-extensions: a list of the organisation's lets {'d' * 32}, and 1 more {NAME_IT}"]},
        id="extensions of a list",
    ),
    pytest.param(
        {"zz.json": of({f"{'d' * 32},{'e' * 32}": FORCED})},
        {RULE: [f"chromium proxy-extensions: zz.json lets {'d' * 32}, and 1 more {NAME_IT}"]},
        id="two extensions in one entry",
    ),
    pytest.param({"10.json": {"ExtensionInstallAllowlist": [C]}}, {}, id="one of the inventory's"),
    pytest.param(
        {"10.json": of({A: {"installation_mode": "allowed"}})},
        {"vpn": [f"chromium extension {A}: "], RULE: [f"chromium proxy-extensions: 10.json lets {A} {NAME_IT}"]},
        id="one of a restricted service",
    ),
]


@pytest.mark.parametrize(("foreign", "wrong"), ON_A_HOST)
def test_what_is_reported_beside_files_of_the_organisation(
    foreign: dict[str, Any], wrong: dict[str, list[str]], tmp_path: Path
) -> None:
    tree = Tree(tmp_path, section(MANAGED, SERVICES, extensions_allowed=ORGANISATIONS))
    for name, content in foreign.items():
        tree.put(CHROMIUM + name, content)
    tree.enforce()
    assert tree.wrong() == wrong
    again = tree.enforce()
    assert again.actions == []
    assert [refusal.reason for refusal in again.refused] == ([NO_ROOM] if FILE in wrong else [])
    tree.lift()
    left = {path.name: json.loads(path.read_bytes()) for path in (tmp_path / CHROMIUM).glob("*")}
    assert left == foreign


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("proscribe.json", None, "no policy file"),
        (
            "zz.json",
            of({"*": {}}, "X"),
            'zz.json does not block the permission proxy or debugger in "*" of ExtensionSettings',
        ),
        (
            "zz.json",
            of({A: 3}),
            f'zz.json: the entry "{A}" is not valid, and costs all ExtensionSettings its effect',
        ),
    ],
)
def test_what_comes_after_the_run_is_reported_as_it_is(file: str, content: Any, why: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path, section(MANAGED, SERVICES, extensions_allowed=ORGANISATIONS))
    tree.enforce()
    if content is None:
        (tmp_path / CHROMIUM / file).unlink()
    else:
        tree.put(CHROMIUM + file, content)
    assert f"chromium proxy-extensions: {why}" in tree.wrong()[RULE][0] or NO_ROOM[12:] in tree.wrong()[RULE][0]


def test_a_copy_of_our_file_with_extension_settings_is_still_known_as_one(tmp_path: Path) -> None:
    tree = Tree(tmp_path, section(MANAGED, SERVICES, extensions_allowed=ORGANISATIONS))
    tree.enforce()
    tree.put(CHROMIUM + "zz.bak", tree.read(CHROMIUM + OWN))
    assert tree.wrong() == {FILE: ["chromium proscribe.json: zz.bak beside it is a copy of it, and counts"]}


# -- firefox -----------------------------------------------------------------------------------------------------------


def test_firefox_settings_of_the_organisation_stay_and_its_own_extensions_are_reported(tmp_path: Path) -> None:
    theirs: dict[str, Any] = {
        "*": {"install_sources": ["https://x.example/*"], "blocked_permissions": ["debugger"]},
        "vpn@example": {**FORCED, "install_url": "https://x.example/vpn.xpi"},
        "theirs@example": dict(FORCED),
    }
    own = {"policies": {EXTENSION_SETTINGS: theirs}}
    tree = Tree(tmp_path, section(MANAGED, SERVICES, extensions_allowed=ORGANISATIONS))
    tree.put(FIREFOX, own)
    tree.enforce()
    merged = tree.read(FIREFOX)["policies"][EXTENSION_SETTINGS]
    assert merged == {
        "*": {"install_sources": ["https://x.example/*"], "blocked_permissions": ["proxy", "debugger"]},
        "vpn@example": REFUSED,
        "theirs@example": FORCED,
        "own@example": {"blocked_permissions": ["debugger"], **EXCEPTION},
        "waived@example": {"blocked_permissions": ["debugger"], **EXCEPTION},
    }
    words = f"the organisation's ExtensionSettings let theirs@example {NAME_IT}"
    assert tree.wrong() == {RULE: [f"firefox proxy-extensions: {words}"]}
    assert len(tree.enforce().actions) == 0
    merged["*"]["blocked_install_message"] = "Ask IT"
    merged["*"]["blocked_permissions"].append("history")
    tree.put(FIREFOX, {**tree.read(FIREFOX), "policies": {EXTENSION_SETTINGS: merged}})
    tree.lift()
    theirs["*"] = {**theirs["*"], "blocked_install_message": "Ask IT", "blocked_permissions": ["debugger", "history"]}
    assert tree.read(FIREFOX) == own


@pytest.mark.parametrize(
    ("default", "why"),
    [
        ({}, 'the permission proxy or debugger is not blocked in "*" of ExtensionSettings'),
        ({**BLOCK, "install_sources": 3}, 'install_sources of "*" in ExtensionSettings is of a wrong type'),
        ({"installation_mode": "removed"}, "is not blocked"),
    ],
)
def test_what_firefox_does_not_take_counts_as_open(default: dict[str, Any], why: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path, section({PROXY_EXTENSIONS: BLOCKED}))
    tree.enforce()
    document = tree.read(FIREFOX)
    document["policies"][EXTENSION_SETTINGS]["*"] = default
    tree.put(FIREFOX, document)
    assert why in tree.wrong()[RULE][0]


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
    desired: Rules = rules(section(managed, SERVICES, extensions_allowed=ORGANISATIONS))
    return firefox.policies(desired, FOX, firefox.lists(desired))


@given(st.none() | OF_FIREFOX, CHOSEN, st.booleans())
def test_firefox_settings_come_back_from_a_merge_with_later_edits(
    theirs: dict[str, Any] | None, managed: dict[str, str], edited: bool
) -> None:
    base: dict[str, Any] = {"policies": {} if theirs is None else {EXTENSION_SETTINGS: theirs}}
    merged = firefox_merge.merge(base, ours(managed))
    assert firefox_merge.merge(merged, ours(managed)) == merged
    table = merged["policies"][EXTENSION_SETTINGS]
    assert closes(table["*"], of_all=True)
    assert firefox_merge.without_ours(merged, base, [merged]) == base
    if edited:
        changed = json.loads(json.dumps(merged))
        entry = changed["policies"][EXTENSION_SETTINGS]["*"]
        entry["blocked_permissions"] = [*entry.get("blocked_permissions", []), "history"]
        back = firefox_merge.without_ours(changed, base, [merged])["policies"][EXTENSION_SETTINGS]
        before = theirs["*"] if theirs and isinstance(theirs.get("*"), dict) else {}
        assert back["*"] == {**before, "blocked_permissions": [*before.get("blocked_permissions", []), "history"]}


def test_without_its_note_what_is_ours_alone_is_known() -> None:
    merged = firefox_merge.merge({"policies": {}}, ours(MANAGED))
    assert firefox_merge.without_ours(merged, {}, firefox_merge.assumed_ours(merged)) == {}
    merged = firefox_merge.merge({"policies": {EXTENSION_SETTINGS: {"*": {"install_sources": []}}}}, ours(MANAGED))
    left = firefox_merge.without_ours(merged, {}, firefox_merge.assumed_ours(merged))
    assert left == {"policies": {EXTENSION_SETTINGS: {"*": {"install_sources": []}}}}
