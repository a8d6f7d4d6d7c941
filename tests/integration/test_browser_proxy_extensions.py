"""Extensions that want a proxy, in real browsers, also beside policy files of the organisation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from browser_setup import HERE, PROJECT, enforce, in_place_of_etc, put, unmet
from conftest import require_tool
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.browsers import places
from proscribe.host.controls.browser.chromium import MERGE_DICTIONARIES
from proscribe.host.controls.browser.chromium_extensions import effective
from proscribe.host.controls.browser.chromium_file import File
from proscribe.host.controls.browser.extension_settings import EXTENSION_SETTINGS
from proscribe.host.controls.browser.settings import BLOCKED, EXTENSIONS, PROXY_EXTENSIONS
from test_browser_extensions import MANIFESTS, id_in

FOLDER = "/etc/chromium/policies/managed/"
PROXY, LATER, NOTES = "proxy@made.example", "later@made.example", "notes@made.example"
OWN, WAIVED, REFUSED = "own@made.example", "waived@made.example", "refused@made.example"
PERMISSIONS: Mapping[str, Any] = {
    **{name: {"permissions": ["proxy"]} for name in (PROXY, OWN, WAIVED)},
    LATER: {"optional_permissions": ["proxy"]},
    NOTES: {},
    REFUSED: {},
}


def made(browser: str, tree: Path) -> dict[str, str]:
    """Extensions for a browser, each with its id there."""
    for name, permissions in PERMISSIONS.items():
        (tree / name).mkdir()
        (tree / name / "manifest.json").write_text(json.dumps({**MANIFESTS[browser](name), **permissions}))
    return {name: id_in(browser, tree / name) for name in PERMISSIONS}


def plan(browser: str, ids: Mapping[str, str], how: str = BLOCKED) -> dict[str, Any]:
    """A plan that refuses one extension by its id, has one of a waived service, and permits the organisation's."""
    store = "chrome" if browser == "chromium" else "firefox"
    services = {
        "vpn": {"name": "VPN", "mode": "enforce", "extensions": {store: [ids[REFUSED]]}},
        "waived": {"name": "Waived", "mode": "waived", "waiver": "w1", "extensions": {store: [ids[WAIVED]]}},
    }
    settings = {"browsers": {EXTENSIONS: how, PROXY_EXTENSIONS: BLOCKED}, "extensions_allowed": [ids[OWN]]}
    section = {"mode": "enforce", "services": services, "settings": settings}
    return {"browsers": places(load([PROJECT / "catalog"])), "controls": {"browser": section}}


def loaded(browser: str, tree: Path) -> dict[str, bool]:
    """Which extensions a browser takes under the tree's policy."""
    words = ["--browser", browser, *(str(tree / name) for name in PERMISSIONS)]
    found: dict[str, bool] = in_place_of_etc(tree, HERE / "browser_extensions.py", *words)["loaded"]
    return found


def refused(browser: str, tree: Path) -> set[str]:
    """The extensions that a browser does not take."""
    return {name for name, taken in loaded(browser, tree).items() if not taken}


@pytest.mark.parametrize(("browser", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_an_extension_that_wants_a_proxy_is_not_loaded_but_for_the_allowed_and_the_waived_one(browser, tool, tree):
    require_tool(tool)
    of = plan(browser, made(browser, tree))
    assert refused(browser, tree) == set()
    enforce(tree, of)
    assert refused(browser, tree) == {PROXY, REFUSED}
    assert [verdict.rule for verdict in unmet(tree, of)] == ["browser/waived"]


OTHER = {"installation_mode": "blocked"}
OF_ALL = {"blocked_permissions": ["downloads"], "install_sources": ["https://made.example/*"]}


@pytest.mark.parametrize("name", ["10-own.json", "zz-own.json"])
def test_settings_of_the_organisation_keep_their_effect_beside_ours(name, tree):
    require_tool("chromium")
    ids = made("chromium", tree)
    of = plan("chromium", ids)
    put(tree, {FOLDER + name: {EXTENSION_SETTINGS: {"*": OF_ALL, ids[NOTES]: OTHER}}})
    before = (tree / (FOLDER + name)[1:]).read_bytes()
    assert refused("chromium", tree) == {NOTES}
    enforce(tree, of)
    assert refused("chromium", tree) == {PROXY, REFUSED, NOTES}
    policies = in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", "chromium")["policies"]
    assert policies[EXTENSION_SETTINGS]["value"]["*"] == {
        **OF_ALL,
        "blocked_permissions": ["downloads", "proxy", "debugger"],
    }
    assert not [
        policies[policy] for policy in (EXTENSION_SETTINGS, MERGE_DICTIONARIES) if "error" in policies.get(policy, {})
    ]
    assert [verdict.rule for verdict in unmet(tree, of)] == ["browser/waived"]
    assert (tree / (FOLDER + name)[1:]).read_bytes() == before


A, B = "a" * 32, "b" * 32
BLOCK = {"*": {"blocked_permissions": ["proxy"]}}
JOIN = {MERGE_DICTIONARIES: [EXTENSION_SETTINGS]}
COMBINATIONS: Mapping[str, list[dict[str, Any]]] = {
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
    put(tree, {f"{FOLDER}{number}.json": said for number, said in enumerate(files)})
    has = in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", "chromium")["policies"][EXTENSION_SETTINGS]
    value = {} if "error" in has else has.get("value", {})
    assert effective([File(f"{number}.json", said) for number, said in enumerate(files)]) == value
