"""Chrome and its relatives: their policies as plain JSON, and their lists of sites for Google's Chrome Policy API.

The JSON is the form of Chrome's folder of managed policies on Linux. The page "Custom configurations" in Google's
Admin console takes it too, for those policies that the console has no field for
(https://support.google.com/chrome/a/answer/14749672). The request is for the field of the lists
(https://developers.google.com/chrome/policy/guides/policy-api); the name of the organisational unit has to be put in.
"""

from __future__ import annotations

from ....host.controls.browser import chromium
from ....host.controls.group_policy import policies
from ..browsers import CONTROL, blocks, included, left_out
from ..declaration import HTTPS, Decision, Format, LeftOut, NotExportable, Rendered
from ..header import json_file

REQUEST = "chrome_policy_api.json"
SCHEMA = "chrome.users.UrlBlocking"
FIELDS = {"urlBlocklist": chromium.BLOCK_LIST, "urlAllowlist": chromium.ALLOW_LIST}
PROGRAMS = tuple(one for one in policies.PROGRAMS if one.family == policies.CHROMIUM)
UNIT = "orgunits/ORGANISATIONAL_UNIT_ID"


def render(decision: Decision) -> Rendered:
    """A file per browser, and the request."""
    said = policies.of_programs(decision.plan)
    found = {program.id: said[program] for program in PROGRAMS if program in said}
    if not found:
        raise NotExportable("nothing to export: the plan has no site, no extension and no setting for a browser")
    files = {f"{id_}.json": json_file(said, sort_keys=True) for id_, said in found.items()}
    missing = left_out(decision, "", PROGRAMS)
    lists = found.get("google_chrome", {})
    if chromium.BLOCK_LIST in lists:
        files[REQUEST] = json_file(_request(lists), sort_keys=True)
        why = f"{REQUEST} has the lists of sites only. The rest is in google_chrome.json."
        missing.append(LeftOut("", "extensions and bypasses in Google's Admin console", why))
    return Rendered(files, included(decision), missing)


def _request(said: dict[str, object]) -> dict[str, object]:
    return {
        "requests": [
            {
                "policyTargetKey": {"targetResource": UNIT},
                "policyValue": {
                    "policySchema": SCHEMA,
                    "value": {field: said[name] for field, name in FIELDS.items()},
                },
                "updateMask": ",".join(FIELDS),
            }
        ]
    }


FORMAT = Format(
    name="chrome_enterprise",
    meant_for="Chrome, Edge, Brave and Chromium: their policies as JSON; site lists for Google's Chrome Policy API",
    controls=(CONTROL,),
    render=render,
    accepted_by="Chromium (156) on Linux, as its managed policy",
    main=f"google_chrome.json, microsoft_edge.json, brave.json, chromium.json, {REQUEST}",
    blocks=blocks,
    paths=HTTPS,
)
