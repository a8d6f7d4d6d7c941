"""Extensions in real browsers: a refused one that is there already is turned off, and does not come again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from browser_setup import HERE, PROJECT, enforce, in_place_of_etc
from conftest import require_tool
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.browsers import places
from proscribe.host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS

FILES = {"chromium": "/etc/chromium/policies/managed/proscribe.json", "firefox": "/etc/firefox/policies/policies.json"}
VPN, NOTES = "vpn@made.example", "notes@made.example"
MANIFESTS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "chromium": lambda name: {"manifest_version": 3, "name": name, "version": "1"},
    "firefox": lambda name: {
        "manifest_version": 2,
        "name": name,
        "version": "1",
        "browser_specific_settings": {"gecko": {"id": name}},
    },
}
SAYS = {
    BLOCKED: "is blocked by the administrator",
    ALLOW_LIST: "Loading of unpacked extensions is disabled by the administrator",
}


def id_in(browser: str, folder: Path) -> str:
    """What a browser calls an extension: Chromium makes an unpacked one's id from its path."""
    if browser == "firefox":
        return folder.name
    digits = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return digits.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


@pytest.mark.parametrize("how", [BLOCKED, ALLOW_LIST])
@pytest.mark.parametrize(("name", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_a_refused_extension_is_turned_off_and_the_permitted_one_stays(name, tool, how, tree):
    require_tool(tool)
    folders = [tree / VPN, tree / NOTES]
    for folder in folders:
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps(MANIFESTS[name](folder.name)))
    vpn, notes = (id_in(name, folder) for folder in folders)
    store = "chrome" if name == "chromium" else "firefox"
    section = {
        "mode": "enforce",
        "services": {"vpn": {"name": "VPN", "mode": "enforce", "extensions": {store: [vpn]}}},
        "settings": {"browsers": {EXTENSIONS: how}, "extensions_allowed": [notes]},
    }
    enforce(tree, {"browsers": places(load([PROJECT / "catalog"])), "controls": {"browser": section}})
    (tree / FILES[name][1:]).rename(tree / "etc/later.json")
    words = ["--browser", name, "--policy", "/etc/later.json", FILES[name], *map(str, folders)]
    seen = in_place_of_etc(tree, HERE / "browser_extensions.py", *words)
    assert seen["before"] == {vpn: True, notes: True} and seen["after"] == {vpn: False, notes: True}
    if name == "chromium":
        assert SAYS[how] in seen["again"][vpn]
        assert bool(seen["again"][notes]) == (how == ALLOW_LIST)  # its id is the folder's; a store's would do
