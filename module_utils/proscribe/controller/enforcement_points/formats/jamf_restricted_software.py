"""Format `jamf_restricted_software`: a record per application for Jamf Pro's Classic API.

A record ends a process by its file name, so renaming the application bypasses it. `ddm` denies programs by their
signer. A record deletes nothing and has no scope: an administrator chooses its Macs and exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import PlanEntry
from ..file_header import make_about_file, sanitise_comment
from ..format_declaration import (
    NOTHING_TO_EXPORT,
    DeviceDocumentation,
    ExportDecision,
    ExportError,
    ExportFormat,
    ExportOmission,
    RenderedExport,
)

APPS_CONTROL = "apps"
_SERVICE_ID_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_APP_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,60}\.app", re.ASCII)
REFUSAL_MESSAGE = "This application is restricted by your organisation."


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a record for each application. Raises ExportError for none, or an invalid name."""
    files: dict[str, bytes] = {}
    rules: list[str] = []
    left_out: list[ExportOmission] = []
    for service_id, entry in sorted(_iterate_restricted_services(decision)):
        apps = sorted(entry.get("mac_apps", ()))
        for number, app in enumerate(apps, 1):
            if not (_SERVICE_ID_PATTERN.fullmatch(service_id) and _APP_PATTERN.fullmatch(app)):
                raise ExportError(f"{service_id}: {app!r} is no file name of an application on macOS")
            files[f"{service_id}_{number}.xml"] = _render_record(decision, app)
        if apps:
            rules.append(f"{APPS_CONTROL}/{service_id}")
        else:
            reason = "The catalogue has no file name of an application on macOS."
            left_out.append(ExportOmission(f"{APPS_CONTROL}/{service_id}", "the programs", reason))
    if not files:
        raise ExportError(f"{NOTHING_TO_EXPORT}: the catalogue has no application on macOS of a restricted service")
    left_out.append(ExportOmission("", "applications that were renamed", "Jamf Pro knows them by their file names."))
    return RenderedExport({**files, **make_about_file(decision, "jamf_restricted_software")}, rules, left_out)


def _iterate_restricted_services(decision: ExportDecision) -> Iterator[tuple[str, PlanEntry]]:
    for service_id, entry in decision.plan["controls"][APPS_CONTROL]["services"].items():
        if entry["mode"] in RESTRICTED_MODES:
            yield service_id, entry


def _render_record(decision: ExportDecision, app: str) -> bytes:
    document = ElementTree.Element("restricted_software")
    general = ElementTree.SubElement(document, "general")
    contact = sanitise_comment(decision.plan["contact"])
    for key, element_text in (
        ("name", f"Proscribe: {app}"),
        ("process_name", app),
        ("match_exact_process_name", "true"),
        ("send_notification", "false"),
        ("kill_process", "true"),
        ("delete_executable", "false"),
        ("display_message", f"{REFUSAL_MESSAGE} Questions: {contact}" if contact else REFUSAL_MESSAGE),
    ):
        ElementTree.SubElement(general, key).text = element_text
    ElementTree.indent(document)
    content: bytes = ElementTree.tostring(document, encoding="us-ascii", xml_declaration=True)
    return content + b"\n"


FORMAT = ExportFormat(
    name="jamf_restricted_software",
    purpose="Jamf Pro: restricted software on Macs, one record for each application",
    controls=(APPS_CONTROL,),
    render_export=render_export,
    main_files="<service>_<number>.xml",
    device=DeviceDocumentation(
        wildcard_form="no names: the file name of an application, compared whole",
        exception_form="the record's scope, in Jamf Pro: the export has none",
        fetch_method="nothing is fetched: a client of the Classic API sends each record",
        vendor_pages=(
            "https://developer.jamf.com/jamf-pro/reference/updaterestrictedsoftwarebyid",
            "https://docs.jamf.com/de/10.24.1/jamf-pro/leitfaden-fur-administratoren/Eingeschr%C3%A4nkte_Software.html",
        ),
        read_on="2026-11-30",
    ),
)
