"""What a plan asks of browsers: worked out once, by names that tell one answer from another."""

from __future__ import annotations

from typing import Any

from made_browser import section
from made_places import BROWSERS, CHROMIUM, FIREFOX
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import Rules

BIRD = Place("thunderbird", "thunderbird", "/etc/thunderbird/policies/policies.json")
MAIL = section({"mail": {"domains": ["mail.example"]}}, browsers={"about_config": "blocked"})


def plan(of: dict[str, Any] = MAIL, **more: Any) -> dict[str, Any]:
    return {"browsers": BROWSERS, "controls": {"browser": of}, **more}


def test_a_place_without_sites_has_the_settings_alone() -> None:
    desired = Desired(plan())
    assert desired.of(FIREFOX) is desired.rules and desired.of(BIRD) == Rules(settings=(("about_config", "blocked"),))
    assert b"mail.example" in (desired.file(FIREFOX) or b"") and b"mail.example" not in (desired.file(BIRD) or b"")


def test_places_with_the_same_policy_share_it_and_a_plan_that_says_nothing_has_none() -> None:
    desired = Desired(plan())
    other = CHROMIUM._replace(id="google_chrome", path="/etc/opt/chrome/policies/managed/proscribe.json")
    files = [desired.file(CHROMIUM), desired.file(other)]
    assert files[0] == files[1] and files[0] is not None
    nothing = Desired(plan(section()))
    assert (bool(nothing), nothing.closed, nothing.file(CHROMIUM), nothing.file(FIREFOX)) == (False, [], None, None)
