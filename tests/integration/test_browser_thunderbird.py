"""A real Thunderbird: it speaks Firefox's policy language, knows no sites, and has a file of its own."""

import json

from browser_setup import HERE, enforce, in_place_of_etc, lift, put, real_plan, unmet
from conftest import require_tool
from proscribe.host.controls.browser.settings import BLOCKED, SETTINGS

FILE = "/etc/thunderbird/policies/policies.json"
OWN = {"policies": {"DisableAppUpdate": True}}
LOCKED = 'Services.prefs.prefIsLocked("network.trr.mode")'


def test_thunderbird_takes_our_part_beside_the_organisations_until_the_lift(tree):
    require_tool("thunderbird")
    put(tree, {FILE: OWN})
    plan = real_plan(browser_settings=dict.fromkeys(SETTINGS, BLOCKED))
    enforce(tree, plan)
    assert unmet(tree, plan) == []
    answer = in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", "thunderbird", "--ask", LOCKED)
    ours = {name: value for row in SETTINGS.values() if row.thunderbird for name, value in row.firefox.items()}
    assert (answer["status"], answer["policies"], answer["answers"]) == ("active", {**ours, **OWN["policies"]}, [True])
    lift(tree, plan)
    assert json.loads((tree / FILE[1:]).read_text()) == OWN
    answer = in_place_of_etc(tree, HERE / "browser_policies.py", "--browser", "thunderbird", "--ask", LOCKED)
    assert (answer["policies"], answer["answers"]) == (OWN["policies"], [False])
