"""Chromium's file put in place and taken away: each action with what was there before, and what is there after."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from made_browser import Tree, section
from made_places import CHROMIUM
from proscribe.host.controls.browser import chromium, chromium_changes
from proscribe.host.controls.browser.chromium_folder import Folder
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import NOTHING, Rules, rules
from proscribe.host.controls.browser.settings import SETTINGS
from proscribe.host.system import WRITTEN_BY

FOLDER = CHROMIUM.path.rpartition("/")[0]
RULES = rules(section({"mail": {"domains": ["mail.example"]}}))
OURS = chromium.render(chromium.policies(RULES, CHROMIUM)).decode()
COPY = json.dumps({"proscribe": WRITTEN_BY, "URLBlocklist": []})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, section())


def done(tree: Tree, of: Rules | None = RULES) -> list[tuple[str, str, str, str]]:
    """What is done for some rules (None: the lift): each action, as it stands in a diff."""
    work = functools.partial(chromium_changes.enforce, rules=of) if of is not None else chromium_changes.lift
    changes = work(tree.host, CHROMIUM)
    for action in changes.actions:
        action.apply()
    return [(one.verb, one.subject.rpartition("/")[2], one.before, one.after) for one in changes.actions]


def test_copies_of_it_go_and_with_the_lift_it_goes_too(tree: Tree) -> None:
    done(tree)
    tree.put(f"{FOLDER}/proscribe.json.bak"[1:], COPY)
    assert done(tree) == [("delete", "proscribe.json.bak", "", "")]
    tree.put(f"{FOLDER}/a.json"[1:], COPY)
    assert done(tree, None) == [("delete", "a.json", "", ""), ("delete", "proscribe.json", OURS, "")]
    assert not (tree.root / "etc/chromium").exists()


def test_what_a_kill_left_of_the_first_write_goes_with_the_lift(tree: Tree) -> None:
    tree.host.make_directories(FOLDER)
    assert done(tree, NOTHING) == [("delete", "proscribe.json", "", "")]
    assert done(tree, None) == [] and not (tree.root / "etc/chromium").exists()
    tree.host.make_directories(FOLDER)
    tree.put(f"{FOLDER}/.proscribe.json.proscribe~"[1:], "{")
    assert done(tree, None) == [("delete", ".proscribe.json.proscribe~", "", "")]


@pytest.mark.parametrize("id_", ["chromium", "brave", "microsoft_edge"])
def test_whatever_it_may_have_said_a_copy_is_known_as_one(tree: Tree, id_: str) -> None:
    place = Place(id_, "chromium", CHROMIUM.path, browsers=(id_,))
    extensions = {"mail": {"domains": ["mail.example"], "extensions": {"chrome": ["a" * 32]}}}
    for extension in ("blocked", "allow_list"):
        managed = {**dict.fromkeys(SETTINGS, "blocked"), "extensions": extension}
        tenants = {"google": ["example.org"], "microsoft": ["t-1"]}
        for more in ({}, {"tenants": tenants}):
            said = chromium.policies(rules(section(extensions, browsers=managed, **more)), place)
            tree.put(f"{FOLDER}/copy.json"[1:], said)
            assert Folder(tree.host, CHROMIUM, RULES).backups == ["copy.json"], sorted(said)
    tree.put(f"{FOLDER}/copy.json"[1:], {**said, "HomepageLocation": "https://own.example"})
    assert Folder(tree.host, CHROMIUM, RULES).backups == []
