"""Format `chrome_enterprise`: policies of Chromium browsers as JSON, site lists for the Chrome Policy API.

The JSON has the form of Chrome's directory of managed policies on Linux. The page "Custom configurations" in Google's
Admin console accepts it, too, for policies without a field in the console
(https://support.google.com/chrome/a/answer/14749672). The request to Google's API sets the field of the lists
(https://developers.google.com/chrome/policy/guides/policy-api). An administrator has to insert the organisational unit.
"""

from __future__ import annotations

from ....host.controls.browser import chromium
from ....host.controls.group_policy import policies
from ..browser_formats import BROWSER_CONTROL, is_page_blocked, list_included_rules, list_left_out
from ..file_header import encode_json
from ..format_declaration import HTTPS_PATHS, ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport

REQUEST_FILE = "chrome_policy_api.json"
POLICY_SCHEMA = "chrome.users.UrlBlocking"
POLICIES_BY_FIELD = {"urlBlocklist": chromium.BLOCK_LIST, "urlAllowlist": chromium.ALLOW_LIST}
CHROMIUM_PROGRAMS = tuple(program for program in policies.POLICY_PROGRAMS if program.family == policies.CHROMIUM_FAMILY)
UNIT_PLACEHOLDER = "orgunits/ORGANISATIONAL_UNIT_ID"


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a policy file for each browser, and the request to the Chrome Policy API with Chrome's lists of sites."""
    browser_policies = policies.collect_program_policies(decision.plan)
    policies_by_browser = {
        program.id: browser_policies[program] for program in CHROMIUM_PROGRAMS if program in browser_policies
    }
    if not policies_by_browser:
        raise ExportError("nothing to export: the plan has no site, no extension and no setting for a browser")
    files = {
        f"{browser_id}.json": encode_json(browser_policies, sort_keys=True)
        for browser_id, browser_policies in policies_by_browser.items()
    }
    omissions = list_left_out(decision, "", CHROMIUM_PROGRAMS)
    chrome_policies = policies_by_browser.get("google_chrome", {})
    if chromium.BLOCK_LIST in chrome_policies:
        files[REQUEST_FILE] = encode_json(_make_request(chrome_policies), sort_keys=True)
        reason = f"{REQUEST_FILE} has the lists of sites only. The rest is in google_chrome.json."
        omissions.append(ExportOmission("", "extensions and bypasses in Google's Admin console", reason))
    return RenderedExport(files, list_included_rules(decision), omissions)


def _make_request(chrome_policies: dict[str, object]) -> dict[str, object]:
    return {
        "requests": [
            {
                "policyTargetKey": {"targetResource": UNIT_PLACEHOLDER},
                "policyValue": {
                    "policySchema": POLICY_SCHEMA,
                    "value": {field: chrome_policies[name] for field, name in POLICIES_BY_FIELD.items()},
                },
                "updateMask": ",".join(POLICIES_BY_FIELD),
            }
        ]
    }


FORMAT = ExportFormat(
    name="chrome_enterprise",
    purpose="Chrome, Edge, Brave and Chromium: their policies as JSON; site lists for Google's Chrome Policy API",
    controls=(BROWSER_CONTROL,),
    render_export=render_export,
    tested_with="Chromium (156) on Linux, as its managed policy",
    main_files=f"google_chrome.json, microsoft_edge.json, brave.json, chromium.json, {REQUEST_FILE}",
    is_blocked=is_page_blocked,
    visible_paths=HTTPS_PATHS,
)
