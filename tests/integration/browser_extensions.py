"""What becomes of extensions that a real browser has when its policy comes?

    python3 browser_extensions.py --browser firefox --policy /etc/later.json /etc/firefox/policies/policies.json DIR...
    python3 browser_extensions.py --browser chromium DIR...

Starts the browser with the made extensions of some folders (for Firefox, each is named for its id), moves the policy to
its place, and prints which extensions are at work before and after: {"before": {ID: true, ...}, "after": {ID: false,
...}, "again": {ID: "what Chromium says when it is to be loaded once more"}}. Without --policy, the policy is there from
the start, and it prints {"loaded": {NAME OF DIR: true, ...}}. Standard library only; needs chromium.py and
marionette.py beside it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chromium import Chromium, ChromiumError, Page
from marionette import Firefox, FirefoxError

DEAF = 4  # seconds from its start in which Chromium may not notice that its policies change
PATIENCE = 60  # seconds for it to read them again; it takes 5
SAME = 4  # equal observations in a row, half a second apart
STATES_OF_CHROMIUM = """
new Promise(done => chrome.developerPrivate.getExtensionsInfo({includeDisabled: true},
  all => done(JSON.stringify(Object.fromEntries(all.map(one => [one.id, one.state == "ENABLED"]))))))
"""
STATES_OF_FIREFOX = """
const done = arguments[arguments.length - 1];
const {AddonManager} = ChromeUtils.importESModule("resource://gre/modules/AddonManager.sys.mjs");
AddonManager.getAddonsByTypes(["extension"]).then(
  all => done(JSON.stringify(Object.fromEntries(all.map(one => [one.id, one.isActive])))));
"""
UNSIGNED = {
    "extensions.autoDisableScopes": 0,
    "extensions.startupScanScopes": 15,
    "network.proxy.type": 0,
    "xpinstall.signatures.required": False,
}


def of_chromium(home: str, folders: list[str], policy: tuple[str, str]) -> dict[str, Any]:
    """In one browser, which reads its policies again while it runs."""
    executable = shutil.which("chromium") or "chromium"
    with Chromium(executable, home, more=["--enable-unsafe-extension-debugging"]) as browser:
        ids = {browser.ask("Extensions.loadUnpacked", {"path": folder})["id"]: folder for folder in folders}
        page = browser.open("chrome://extensions")
        before = after = _states(page, ids)
        time.sleep(DEAF)
        os.rename(*policy)
        end = time.monotonic() + PATIENCE
        while after == before and time.monotonic() < end:
            time.sleep(0.5)
            after = _settled(lambda: _states(page, ids))
        again = {}
        for id_, folder in ids.items():
            try:
                browser.ask("Extensions.loadUnpacked", {"path": folder})
                again[id_] = ""
            except ChromiumError as error:
                again[id_] = str(error)
        return {"before": before, "after": after, "again": again}


def _settled(states: Callable[[], dict[str, bool]]) -> dict[str, bool]:
    """What a browser has come to: it turns extensions on and off one by one."""
    found = [states()]
    end = time.monotonic() + PATIENCE
    while len(found) < SAME or len(set(map(str, found[-SAME:]))) > 1:
        if time.monotonic() > end:
            break
        time.sleep(0.5)
        found.append(states())
    return found[-1]


def _states_of_firefox(browser: Firefox, folders: list[str]) -> dict[str, bool]:
    every = json.loads(browser.ask("WebDriver:ExecuteAsyncScript", {"script": STATES_OF_FIREFOX, "args": []})["value"])
    return {Path(folder).name: every.get(Path(folder).name, False) for folder in folders}


def _states(page: Page, ids: dict[str, str]) -> dict[str, bool]:
    every = json.loads(page.evaluate(STATES_OF_CHROMIUM))
    return {id_: every.get(id_, False) for id_ in ids}


def loaded_by_chromium(home: str, folders: list[str]) -> dict[str, Any]:
    """Which extensions a browser takes that has its policy from the start."""
    loaded = {}
    executable = shutil.which("chromium") or "chromium"
    with Chromium(executable, home, more=["--enable-unsafe-extension-debugging"]) as browser:
        for folder in folders:
            try:
                browser.ask("Extensions.loadUnpacked", {"path": folder})
                loaded[Path(folder).name] = True
            except ChromiumError:
                loaded[Path(folder).name] = False
    return {"loaded": loaded}


def of_firefox(home: str, folders: list[str], policy: list[str] | None) -> dict[str, Any]:
    """In one profile, which is started once more: policies are read at the start."""
    put = os.path.join(home, "profile", "extensions")
    os.makedirs(put)
    for folder in folders:
        made = shutil.make_archive(os.path.join(home, os.path.basename(folder)), "zip", folder)
        shutil.move(made, os.path.join(put, f"{os.path.basename(folder)}.xpi"))
    states = []
    for step in ("before", "after") if policy else ("loaded",):
        if policy and step == "after":
            os.rename(*policy)
        with Firefox(shutil.which("firefox-esr") or "firefox-esr", home, UNSIGNED) as browser:
            browser.ask("Marionette:SetContext", {"value": "chrome"})
            states.append(_settled(lambda: _states_of_firefox(browser, folders)))
            browser.quit()
    return {"before": states[0], "after": states[1], "again": {}} if policy else {"loaded": states[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Print which extensions are at work before and after a policy comes.")
    parser.add_argument("--browser", choices=["chromium", "firefox"], required=True)
    parser.add_argument("--policy", nargs=2, metavar=("FROM", "TO"))
    parser.add_argument("folder", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="extensions-", ignore_cleanup_errors=True) as home:
        try:
            if arguments.browser == "firefox":
                print(json.dumps(of_firefox(home, arguments.folder, arguments.policy)))
            elif arguments.policy:
                print(json.dumps(of_chromium(home, arguments.folder, tuple(arguments.policy))))
            else:
                print(json.dumps(loaded_by_chromium(home, arguments.folder)))
        except (ChromiumError, FirefoxError) as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
