"""The doors of real browsers by which a user opens a blocked site."""

from browser_setup import HERE, enforce, in_place_of_etc, real_plan

PATIENCE, REFUSED_WITHIN = 60, 10  # seconds for remote control to answer, without and with a policy
EXTENSIONS = [f"extension {name}" for name in ("with the debugger", "that redirects", "with a frame")]
APPS = ["app window", "app installed", "app offline"]
CLOSED = ["marionette", "marionette of a copy", "port", "server", "extension of the browser"]
# By attack: whether it opens the blocked site in spite of the policy.
DOORS = {
    "chromium": dict.fromkeys(["pipe", "port", *EXTENSIONS, *APPS], False),
    "firefox": {**dict.fromkeys(CLOSED, False), "copy with a script": True, "own application": True},
}


def test_a_user_opens_a_blocked_site_by_a_door_of_the_browser_only_where_no_policy_closes_it(browser, tree, tmp_path):
    prepared = ["prepare"] if browser == "chromium" else []

    def attack(patience, *first):
        words = ["--browser", browser, "--blocked", "0x0.st", "--home", str(tmp_path), "--patience", str(patience)]
        return in_place_of_etc(tree, HERE / "browser_doors.py", *words, *first, *DOORS[browser], seconds=600)

    assert attack(PATIENCE, *prepared) == dict.fromkeys([*prepared, *DOORS[browser]], True)
    enforce(tree, real_plan(browser_settings={"remote_debugging": "blocked"}))
    assert attack(REFUSED_WITHIN) == DOORS[browser]
