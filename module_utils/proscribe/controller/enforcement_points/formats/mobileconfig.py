"""Format `mobileconfig`: the browsers' policies as a macOS profile, and a list of restricted programs' ids.

No payload of Apple's profiles denies programs by identifier: com.apple.applicationaccess.new only permits, and denies
all others. So the identifiers are a list here, for management that restricts programs itself. `ddm` denies them.
"""

from __future__ import annotations

from .. import apple
from ..browser_formats import (
    BROWSER_CONTROL,
    is_page_blocked,
    list_included_rules,
    list_left_out,
    list_left_out_accounts,
)
from ..file_header import encode_json, make_header
from ..format_declaration import HTTPS_PATHS, ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport

PROFILE_FILE, LIST_FILE = "browsers.mobileconfig", "restricted_bundle_ids.json"


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the profile if the plan has the control browser, and the list of bundle ids if it has the control apps."""
    files: dict[str, bytes] = {}
    rules: list[str] = []
    omissions: list[ExportOmission] = []
    if BROWSER_CONTROL in decision.plan["controls"] and (profile := apple.render_browser_profile(decision)):
        files[PROFILE_FILE] = profile
        rules += list_included_rules(decision)
        omissions += [*list_left_out(decision, "macOS"), *list_left_out_accounts(decision)]
    if "apps" in decision.plan["controls"]:
        if ids_by_service := apple.list_bundle_ids(decision):
            files[LIST_FILE] = render_bundle_ids(decision, ids_by_service)
            reason = (
                f"A profile cannot deny a program. {LIST_FILE} is for management that restricts programs by such "
                f"a list."
            )
            omissions += [ExportOmission(f"apps/{service_id}", "the programs", reason) for service_id in ids_by_service]
        omissions += apple.list_missing_bundle_ids(decision)
    if not files:
        raise ExportError("nothing to export: the plan has no policy for a browser, and no program of macOS")
    return RenderedExport(files, rules, omissions)


def render_bundle_ids(decision: ExportDecision, ids_by_service: dict[str, list[str]]) -> bytes:
    """Return the bundle ids of restricted programs by service, as JSON."""
    document = {"about": make_header(decision, "mobileconfig"), "bundle_ids": ids_by_service}
    return encode_json(document, 2)


FORMAT = ExportFormat(
    name="mobileconfig",
    purpose="browsers on macOS, by device management that installs profiles; a list of restricted programs",
    controls=(BROWSER_CONTROL, "apps"),
    render_export=render_export,
    tested_with="Python's plistlib",
    main_files=f"{PROFILE_FILE}, {LIST_FILE}",
    is_blocked=is_page_blocked,
    visible_paths=HTTPS_PATHS,
)
