"""What a real browser says of the policies that it has.

    python3 browser_policies.py --browser chromium
    {"status": "active", "policies": {"SyncDisabled": {"value": true, "level": "mandatory", ...}}}

    python3 browser_policies.py --browser firefox --ask 'Services.prefs.prefIsLocked("network.trr.mode")'
    {"status": "active", "policies": {"DNSOverHTTPS": {...}}, "answers": [true]}

Chromium says `error` for each policy that it does not take; Firefox and Thunderbird leave it out. What is asked of them
is a JavaScript expression, which runs with all of the browser's own rights. The exit code is 2 when the browser cannot
be asked: some policies forbid just that. Standard library only.
"""

import argparse
import json
import shutil
import sys
import tempfile
from typing import Any

from chromium import Chromium, ChromiumError
from marionette import Firefox, FirefoxError

EXECUTABLES = {"chromium": "chromium", "firefox": "firefox-esr", "thunderbird": "thunderbird"}
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


def of_chromium(executable: str, home: str) -> dict[str, Any]:
    with Chromium(executable, home) as browser:
        groups = json.loads(browser.open("chrome://policy").evaluate(ASK_CHROMIUM))
    policies = groups["chrome"]["policies"]
    return {"status": "active" if policies else "inactive", "policies": policies}


def of_firefox(executable: str, home: str, questions: list[str], seconds: float) -> dict[str, Any]:
    """What Firefox or Thunderbird says."""
    with Firefox(executable, home, {}, seconds) as browser:
        said: dict[str, Any] = json.loads(browser.evaluate(ASK_FIREFOX % ", ".join(questions)))
    return said


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the policies that a browser has.")
    parser.add_argument("--browser", choices=sorted(EXECUTABLES), required=True)
    parser.add_argument("--ask", action="append", default=[], help="an expression to be answered as well (Firefox)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to wait for the browser (Firefox)")
    arguments = parser.parse_args()
    executable = shutil.which(EXECUTABLES[arguments.browser]) or EXECUTABLES[arguments.browser]
    with tempfile.TemporaryDirectory(prefix="policies-", ignore_cleanup_errors=True) as home:
        try:
            if arguments.browser == "chromium":
                said = of_chromium(executable, home)
            else:
                said = of_firefox(executable, home, arguments.ask, arguments.seconds)
        except (ChromiumError, FirefoxError) as error:
            print(error, file=sys.stderr)
            return 2
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
