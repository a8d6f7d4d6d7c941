"""Extensions in real browsers: refused ones, ones that want a proxy, and policy files of others beside ours."""

import hashlib
import json

import pytest
from browser_setup import HERE, enforce, in_place_of_etc, plan_of, put, read_policies, unmet
from conftest import require_tool
from proscribe.host.controls.browser.browser_settings import ALLOW_LIST, BLOCKED, EXTENSIONS, PROXY_EXTENSIONS
from proscribe.host.controls.browser.chromium import MERGE_DICTIONARIES
from proscribe.host.controls.browser.chromium_extensions import read_effective_settings
from proscribe.host.controls.browser.chromium_file import ChromiumPolicyFile
from proscribe.host.controls.browser.extension_settings import EXTENSION_SETTINGS

FILES = {"chromium": "/etc/chromium/policies/managed/proscribe.json", "firefox": "/etc/firefox/policies/policies.json"}
VPN, NOTES = "vpn@made.example", "notes@made.example"
MANIFESTS = {
    "chromium": lambda name: {"manifest_version": 3, "name": name, "version": "1"},
    "firefox": lambda name: {
        "manifest_version": 2,
        "name": name,
        "version": "1",
        "browser_specific_settings": {"gecko": {"id": name}},
    },
}
MESSAGES = {BLOCKED: "is blocked by the admin", ALLOW_LIST: "unpacked extensions is disabled by the admin"}


def id_in(browser, folder):
    """What a browser calls an extension: Chromium makes an unpacked one's id from its path."""
    if browser == "firefox":
        return folder.name
    digits = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return digits.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


def make_extensions(browser, tree, manifests):
    """Write extensions with what their manifests have besides; return the id of each in the browser."""
    for name, more in manifests.items():
        (tree / name).mkdir()
        (tree / name / "manifest.json").write_text(json.dumps({**MANIFESTS[browser](name), **more}))
    return {name: id_in(browser, tree / name) for name in manifests}


@pytest.mark.parametrize("how", [BLOCKED, ALLOW_LIST])
def test_a_refused_extension_is_turned_off_and_the_permitted_one_stays(browser, how, tree):
    vpn, notes = make_extensions(browser, tree, {VPN: {}, NOTES: {}}).values()
    store = "chrome" if browser == "chromium" else "firefox"
    enforce(tree, plan_of({"vpn": {"extensions": {store: [vpn]}}}, {EXTENSIONS: how}, [notes]))
    (tree / FILES[browser][1:]).rename(tree / "etc/later.json")
    words = ["--browser", browser, "--policy", "/etc/later.json", FILES[browser], str(tree / VPN), str(tree / NOTES)]
    seen = in_place_of_etc(tree, HERE / "browser_extensions.py", *words)
    assert seen["before"] == {vpn: True, notes: True} and seen["after"] == {vpn: False, notes: True}
    if browser == "chromium":
        assert MESSAGES[how] in seen["again"][vpn]
        assert bool(seen["again"][notes]) == (how == ALLOW_LIST)  # its id is the folder's; a store's would do


FOLDER = "/etc/chromium/policies/managed/"
PROXY, LATER = "proxy@made.example", "later@made.example"
OWN, WAIVED, REFUSED = "own@made.example", "waived@made.example", "refused@made.example"
PERMISSIONS = {name: {"permissions": ["proxy"]} for name in (PROXY, OWN, WAIVED)}
PERMISSIONS = {**PERMISSIONS, LATER: {"optional_permissions": ["proxy"]}, NOTES: {}, REFUSED: {}}


def make_plan(browser, ids):
    """Return a plan that refuses one extension by its id, has one of a waived service, and permits another one."""
    store = "chrome" if browser == "chromium" else "firefox"
    waived = {"mode": "waived", "waiver": "w1", "extensions": {store: [ids[WAIVED]]}}
    services = {"vpn": {"extensions": {store: [ids[REFUSED]]}}, "waived": waived}
    return plan_of(services, {EXTENSIONS: BLOCKED, PROXY_EXTENSIONS: BLOCKED}, [ids[OWN]])


def refused(browser, tree):
    """Return the extensions that a browser does not take under the tree's policy."""
    words = ["--browser", browser, *(str(tree / name) for name in PERMISSIONS)]
    answer = in_place_of_etc(tree, HERE / "browser_extensions.py", *words)
    return {name for name, is_loaded in answer["loaded"].items() if not is_loaded}


def test_an_extension_that_wants_a_proxy_is_not_loaded_but_for_the_allowed_and_the_waived_one(browser, tree):
    plan = make_plan(browser, make_extensions(browser, tree, PERMISSIONS))
    assert refused(browser, tree) == set()
    enforce(tree, plan)
    assert refused(browser, tree) == {PROXY, REFUSED}
    assert [verdict.rule for verdict in unmet(tree, plan)] == ["browser/waived"]


OTHER = {"installation_mode": "blocked"}
OF_ALL = {"blocked_permissions": ["downloads"], "install_sources": ["https://made.example/*"]}


@pytest.mark.parametrize("name", ["10-own.json", "zz-own.json"])
def test_settings_of_the_organisation_keep_their_effect_beside_ours(name, tree):
    require_tool("chromium")
    ids = make_extensions("chromium", tree, PERMISSIONS)
    plan = make_plan("chromium", ids)
    put(tree, {FOLDER + name: {EXTENSION_SETTINGS: {"*": OF_ALL, ids[NOTES]: OTHER}}})
    before = (tree / (FOLDER + name)[1:]).read_bytes()
    assert refused("chromium", tree) == {NOTES}
    enforce(tree, plan)
    assert refused("chromium", tree) == {PROXY, REFUSED, NOTES}
    policies = read_policies(tree)["policies"]
    blocked = {"blocked_permissions": ["downloads", "proxy", "debugger"]}
    assert policies[EXTENSION_SETTINGS]["value"]["*"] == {**OF_ALL, **blocked}
    assert not any("error" in policies.get(policy, {}) for policy in (EXTENSION_SETTINGS, MERGE_DICTIONARIES))
    assert [verdict.rule for verdict in unmet(tree, plan)] == ["browser/waived"]
    assert (tree / (FOLDER + name)[1:]).read_bytes() == before


A, B = "a" * 32, "b" * 32
BLOCK = {"*": {"blocked_permissions": ["proxy"]}}
JOIN = {MERGE_DICTIONARIES: [EXTENSION_SETTINGS]}
COMBINATIONS = {
    "the last one counts": [{EXTENSION_SETTINGS: BLOCK}, {EXTENSION_SETTINGS: {A: OTHER}}],
    "joined by the first": [{EXTENSION_SETTINGS: BLOCK, **JOIN}, {EXTENSION_SETTINGS: {A: OTHER, "*": {}}}],
    "everything joined": [{EXTENSION_SETTINGS: BLOCK}, {EXTENSION_SETTINGS: {A: OTHER}, MERGE_DICTIONARIES: ["*", 3]}],
    "three files": [
        {EXTENSION_SETTINGS: {"*": {}, A: {"installation_mode": "allowed"}}},
        {EXTENSION_SETTINGS: {**BLOCK, B: OTHER}, **JOIN},
        {EXTENSION_SETTINGS: {A: OTHER}},
    ],
    "the last one is no dictionary": [{EXTENSION_SETTINGS: BLOCK, **JOIN}, {EXTENSION_SETTINGS: ["x"]}],
    "the first one is no dictionary": [{EXTENSION_SETTINGS: "x", **JOIN}, {EXTENSION_SETTINGS: BLOCK}],
    "a wrong mode": [{EXTENSION_SETTINGS: {**BLOCK, A: {"installation_mode": "gone"}}}],
    "a wrong permission": [{EXTENSION_SETTINGS: {"*": {"blocked_permissions": ["proxy", "<all_urls>"]}}}],
    "a wrong entry that the first file hides": [
        {EXTENSION_SETTINGS: BLOCK, **JOIN},
        {EXTENSION_SETTINGS: {"*": 3, A: OTHER}},
    ],
    "an unknown field": [{EXTENSION_SETTINGS: {"*": {**BLOCK["*"], "made": 3}, "made": 3}}],
}


@pytest.mark.parametrize("files", COMBINATIONS.values(), ids=COMBINATIONS)
def test_our_merge_of_extension_settings_is_that_of_chromium(files, tree):
    require_tool("chromium")
    put(tree, {f"{FOLDER}{number}.json": policies for number, policies in enumerate(files)})
    policy = read_policies(tree)["policies"][EXTENSION_SETTINGS]
    value = {} if "error" in policy else policy.get("value", {})
    assert (
        read_effective_settings(
            [ChromiumPolicyFile(f"{number}.json", policies) for number, policies in enumerate(files)]
        )
        == value
    )
