"""Prints {"status": "active", "policies": {"SyncDisabled": {"value": true, ...}, ...}} of a real browser.

Chromium has `error` for each policy that it does not take; Firefox and Thunderbird leave it out. Their "answers" are
the values of the JavaScript expressions behind --ask, with all of the browser's own rights. Standard library only.
"""

import argparse
import json
import sys

from browser_probe import EXECUTABLES, find_executable, print_answer
from chromium import Chromium
from marionette import Firefox

# The page chrome://policy asks its own browser in the same way.
ASK_CHROMIUM = """
import("chrome://resources/js/cr.js").then(cr => new Promise(done => {
  cr.addWebUiListener("policies-updated", (names, values) => done(JSON.stringify(values.policyGroups ?? values)));
  chrome.send("listenPoliciesUpdates");
}))
"""
ASK_FIREFOX = """
return JSON.stringify({
  status: ["inactive", "active", "failed"][Services.policies.status],
  policies: Services.policies.getActivePolicies() ?? {},
  answers: [%s],
});
"""


def read_policies(browser, questions, seconds, home):
    if browser != "chromium":
        with Firefox(find_executable(browser), home, {}, seconds) as firefox:
            return json.loads(firefox.evaluate(ASK_FIREFOX % ", ".join(questions)))
    with Chromium(find_executable(browser), home) as chromium:
        policies = json.loads(chromium.open("chrome://policy").evaluate(ASK_CHROMIUM))["chrome"]["policies"]
    return {"status": "active" if policies else "inactive", "policies": policies}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the policies that a browser has.")
    parser.add_argument("--browser", choices=sorted(EXECUTABLES), required=True)
    parser.add_argument("--ask", action="append", default=[], help="an expression to be answered as well (Firefox)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to wait for the browser (Firefox)")
    options = parser.parse_args()
    sys.exit(print_answer(lambda home: read_policies(options.browser, options.ask, options.seconds, home)))
