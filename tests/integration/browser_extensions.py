"""Prints what becomes of the extensions of a real browser when its policy comes. Standard library only.

It starts the browser with made extensions, moves the policy to its place, and prints which are at work: {"before": {ID:
true}, "after": {ID: false}, "again": {ID: "what Chromium says when it is loaded once more"}}. Without --policy the
policy is there from the start, and it prints {"loaded": {NAME OF DIR: true}}.
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

from browser_probe import find_executable, print_answer
from chromium import Chromium, ChromiumError
from marionette import Firefox

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
UNSIGNED = {"xpinstall.signatures.required": False, "network.proxy.type": 0}
UNSIGNED |= {"extensions.autoDisableScopes": 0, "extensions.startupScanScopes": 15}


def watch_chromium(home, folders, policy):
    """Watch one browser, which reads its policies again while it runs."""
    with Chromium(find_executable("chromium"), home, more=["--enable-unsafe-extension-debugging"]) as browser:
        ids = {browser.ask("Extensions.loadUnpacked", {"path": folder})["id"]: folder for folder in folders}
        page = browser.open("chrome://extensions")
        before = after = _states(page, ids)
        time.sleep(DEAF)
        os.rename(*policy)
        end = time.monotonic() + PATIENCE
        while after == before and time.monotonic() < end:
            time.sleep(0.5)
            after = _settled(lambda: _states(page, ids))
        return {"before": before, "after": after, "again": {id_: _load(browser, ids[id_]) for id_ in ids}}


def _load(browser, folder):
    """Load an extension. Return why Chromium refuses it, or "" if it does not."""
    try:
        browser.ask("Extensions.loadUnpacked", {"path": folder})
    except ChromiumError as error:
        return str(error)
    return ""


def _settled(states):
    """Wait until a browser, which turns extensions on and off one by one, is done; return what is on."""
    history = [states()]
    end = time.monotonic() + PATIENCE
    while len(history) < SAME or len(set(map(str, history[-SAME:]))) > 1:
        if time.monotonic() > end:
            break
        time.sleep(0.5)
        history.append(states())
    return history[-1]


def _states_of_firefox(browser, folders):
    every = json.loads(browser.ask("WebDriver:ExecuteAsyncScript", {"script": STATES_OF_FIREFOX, "args": []})["value"])
    return {Path(folder).name: every.get(Path(folder).name, False) for folder in folders}


def _states(page, ids):
    every = json.loads(page.evaluate(STATES_OF_CHROMIUM))
    return {id_: every.get(id_, False) for id_ in ids}


def load_by_chromium(home, folders):
    with Chromium(find_executable("chromium"), home, more=["--enable-unsafe-extension-debugging"]) as browser:
        return {"loaded": {Path(folder).name: not _load(browser, folder) for folder in folders}}


def watch_firefox(home, folders, policy):
    put = os.path.join(home, "profile", "extensions")
    os.makedirs(put)
    for folder in folders:
        archive = shutil.make_archive(os.path.join(home, os.path.basename(folder)), "zip", folder)
        shutil.move(archive, os.path.join(put, f"{os.path.basename(folder)}.xpi"))
    states = []
    for step in ("before", "after") if policy else ("loaded",):
        if policy and step == "after":
            os.rename(*policy)
        with Firefox(find_executable("firefox"), home, UNSIGNED) as browser:
            browser.ask("Marionette:SetContext", {"value": "chrome"})
            states.append(_settled(lambda: _states_of_firefox(browser, folders)))
            browser.quit()
    return {"before": states[0], "after": states[1], "again": {}} if policy else {"loaded": states[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print which extensions are at work before and after a policy comes.")
    parser.add_argument("--browser", choices=["chromium", "firefox"], required=True)
    parser.add_argument("--policy", nargs=2, metavar=("FROM", "TO"))
    parser.add_argument("folder", nargs="+")
    options = parser.parse_args()
    if options.browser == "firefox":
        sys.exit(print_answer(lambda home: watch_firefox(home, options.folder, options.policy)))
    if options.policy:
        sys.exit(print_answer(lambda home: watch_chromium(home, options.folder, options.policy)))
    sys.exit(print_answer(lambda home: load_by_chromium(home, options.folder)))
