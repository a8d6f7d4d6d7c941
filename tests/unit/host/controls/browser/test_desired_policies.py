"""The policies that a plan wants of browsers, and the exact match of a policy file with them."""

from types import SimpleNamespace
from typing import Any

import pytest
from browser_hosts import Tree, section
from browser_places import BROWSERS, CHROMIUM, FIREFOX
from proscribe.host.controls.browser import chromium_folder, firefox_file
from proscribe.host.controls.browser.desired_policies import DesiredPolicies
from proscribe.host.controls.browser.exact_match import check_place
from proscribe.host.controls.browser.policy_observation import PolicyObservation
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import BrowserRules
from proscribe.host.system import ControlError, Host, ObservationError

BIRD = PolicyPlace("thunderbird", "thunderbird", "/etc/thunderbird/policies/policies.json")
MAIL = section({"mail": {"domains": ["mail.example"]}}, browsers={"about_config": "blocked"})


def plan(of: dict[str, Any] = MAIL, **more: Any) -> dict[str, Any]:
    return {"browsers": BROWSERS, "controls": {"browser": of}, **more}


def test_a_place_without_sites_has_the_settings_alone():
    desired = DesiredPolicies(plan())
    assert desired.choose_rules(FIREFOX) is desired.rules
    assert desired.choose_rules(BIRD) == BrowserRules(settings=(("about_config", "blocked"),))
    assert b"mail.example" in (desired.render_file(FIREFOX) or b"")
    assert b"mail.example" not in (desired.render_file(BIRD) or b"")


A = "a" * 32
FALLBACKS = ("/usr/lib/firefox/distribution/policies.json", "/usr/lib/firefox-esr/distribution/policies.json")
VPN = {"vpn": {"domains": ["vpn.example"], "extensions": {"chrome": [A], "firefox": ["vpn@example"]}}}
SECTION = section(VPN, browsers={"dns_over_https": "blocked"})
WHOLE = PolicyObservation(None, (), True, "", {}, (), frozenset(), (), "", "")
BOTH = pytest.mark.parametrize("place", [CHROMIUM, FIREFOX._replace(fallbacks=FALLBACKS)], ids=["Chromium", "Firefox"])


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A host on which policies are as they should be; what is looked into says by whose code."""
    tree = Tree(tmp_path, SECTION)
    tree.enforce()
    folder, file = (
        SimpleNamespace(make_observation=lambda family=family: family) for family in ("chromium", "firefox")
    )
    monkeypatch.setattr(chromium_folder, "ChromiumPolicyFolder", lambda *_: folder)
    monkeypatch.setattr(firefox_file, "FirefoxPolicyFile", lambda *_: file)
    return tree


def seen(tree: Tree, place: PolicyPlace, of: dict = SECTION) -> PolicyObservation:
    return check_place(tree.host, place, DesiredPolicies({**tree.plan, "controls": {"browser": of}}))


@BOTH
@pytest.mark.parametrize("is_seen", [True, False])
def test_unsafe_policy_file_has_no_effect_and_an_unseen_one_is_incomplete(tree, place, is_seen, monkeypatch):
    def refuse(*_: object) -> bytes:
        raise ControlError("a folder") if is_seen else ObservationError("Host is down")

    monkeypatch.setattr(Host, "read_file", refuse)
    extension = A if place is CHROMIUM else "vpn@example"
    unsafe = (None, (), False, "a folder", {"dns_over_https": "a folder"}, (), {extension}, ["a folder"], "", "")
    assert seen(tree, place) == (unsafe if is_seen else WHOLE._replace(is_complete=False, unseen_reason="Host is down"))
