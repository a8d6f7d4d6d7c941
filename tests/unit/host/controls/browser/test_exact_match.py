"""The first check of a policy file: what is just ours is only compared, and all else is looked into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_browser import Tree, section
from made_places import CHROMIUM
from made_places import FIREFOX as FOX
from proscribe.host.controls.browser import chromium_folder, firefox_file
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.exact_match import check
from proscribe.host.controls.browser.observed import Observed
from proscribe.host.controls.browser.places import Place
from proscribe.host.system import ControlError, Host, Unseen

A = "a" * 32
FALLBACKS = ("/usr/lib/firefox/distribution/policies.json", "/usr/lib/firefox-esr/distribution/policies.json")
FIREFOX = FOX._replace(fallbacks=FALLBACKS)
VPN = {"vpn": {"domains": ["vpn.example"], "extensions": {"chrome": [A], "firefox": ["vpn@example"]}}}
SECTION = section(VPN, browsers={"dns_over_https": "blocked"})
NOTHING = section()
WHOLE = Observed(None, (), True, "", {}, (), frozenset(), (), "", "")
BOTH = pytest.mark.parametrize("place", [CHROMIUM, FIREFOX], ids=["Chromium", "Firefox"])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A host on which policies are as they should be; what is looked into says by whose code."""
    tree = Tree(tmp_path, SECTION)
    tree.enforce()
    folder, file = (SimpleNamespace(observed=lambda family=family: family) for family in ("chromium", "firefox"))
    monkeypatch.setattr(chromium_folder, "Folder", lambda *_: folder)
    monkeypatch.setattr(firefox_file, "PolicyFile", lambda *_: file)
    return tree


def seen(tree: Tree, place: Place, of: dict = SECTION) -> Observed:
    return check(tree.host, place, Desired({**tree.plan, "controls": {"browser": of}}))


@BOTH
def test_where_there_is_nothing_to_say_nothing_should_be_there(tree: Tree, place: Place) -> None:
    assert seen(tree, place, NOTHING) == place.family
    (tree.root / place.path[1:]).unlink()
    assert seen(tree, place, NOTHING) == WHOLE


def refusing(error: Exception) -> Callable[..., bytes]:
    def refuse(*_: object) -> bytes:
        raise error

    return refuse


@pytest.mark.parametrize(("place", "extension"), [(CHROMIUM, A), (FIREFOX, "vpn@example")])
def test_of_what_cannot_be_read_safely_nothing_is_in_effect(
    tree: Tree, place: Place, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "read", refusing(ControlError("a folder")))
    settings = {"dns_over_https": "a folder"}
    assert seen(tree, place) == (None, (), False, "a folder", settings, (), {extension}, ["a folder"], "", "")


@BOTH
def test_what_cannot_be_seen_is_unknown(tree: Tree, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "read", refusing(Unseen("Host is down")))
    assert seen(tree, place) == WHOLE._replace(complete=False, unseen="Host is down")
