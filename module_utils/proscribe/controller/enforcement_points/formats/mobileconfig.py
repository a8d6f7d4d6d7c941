"""macOS: the browsers' policies as a configuration profile, and the identifiers of restricted programs as a list.

No payload of Apple's profiles denies programs by their identifiers: com.apple.applicationaccess.new only permits, and
denies all else. So the identifiers are a list here, for management that restricts programs itself; `ddm` denies them.
"""

from __future__ import annotations

from .. import apple
from ..browsers import CONTROL, accounts_left_out, blocks, included, left_out
from ..declaration import HTTPS, Decision, Format, LeftOut, NotExportable, Rendered
from ..header import header, json_file

PROFILE, LIST = "browsers.mobileconfig", "restricted_bundle_ids.json"


def render(decision: Decision) -> Rendered:
    """The profile of the browsers if the plan has the control, the list if it has apps."""
    files: dict[str, bytes] = {}
    rules: list[str] = []
    missing: list[LeftOut] = []
    if CONTROL in decision.plan["controls"] and (profile := apple.browsers(decision)):
        files[PROFILE] = profile
        rules += included(decision)
        missing += [*left_out(decision, "macOS"), *accounts_left_out(decision)]
    if "apps" in decision.plan["controls"]:
        if ids := apple.bundle_ids(decision):
            files[LIST] = listed(decision, ids)
            why = f"A profile cannot deny a program. {LIST} is for management that restricts programs by such a list."
            missing += [LeftOut(f"apps/{id_}", "the programs", why) for id_ in ids]
        missing += apple.without_bundle_id(decision)
    if not files:
        raise NotExportable("nothing to export: the plan has no policy for a browser, and no program of macOS")
    return Rendered(files, rules, missing)


def listed(decision: Decision, ids: dict[str, list[str]]) -> bytes:
    """The identifiers by service, as JSON."""
    document = {"about": header(decision, "mobileconfig"), "bundle_ids": ids}
    return json_file(document, 2)


FORMAT = Format(
    name="mobileconfig",
    meant_for="browsers on macOS, by device management that installs profiles; a list of restricted programs",
    controls=(CONTROL, "apps"),
    render=render,
    accepted_by="Python's plistlib",
    main=f"{PROFILE}, {LIST}",
    blocks=blocks,
    paths=HTTPS,
)
