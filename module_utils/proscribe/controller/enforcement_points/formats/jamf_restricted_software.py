"""Restricted software for Jamf Pro: one record for each application, as its Classic API takes it.

A record ends a process by the name of its file. Whoever renames the application goes round it; `ddm` denies programs by
who has signed them. A record deletes nothing, and has no scope: an administrator chooses its Macs, and the exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import PlanEntry
from ..declaration import NOTHING, Decision, Device, Format, LeftOut, NotExportable, Rendered
from ..header import about, safe

CONTROL = "apps"
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,60}\.app", re.ASCII)
MESSAGE = "This application is restricted by your organisation."


def render(decision: Decision) -> Rendered:
    """The records. Raises NotExportable for a plan without any, and for a name that is none of an application."""
    files: dict[str, bytes] = {}
    rules: list[str] = []
    left_out: list[LeftOut] = []
    for id_, entry in sorted(_restricted(decision)):
        apps = sorted(entry.get("mac_apps", ()))
        for number, app in enumerate(apps, 1):
            if not (_ID.fullmatch(id_) and _APP.fullmatch(app)):
                raise NotExportable(f"{id_}: {app!r} is no file name of an application on macOS")
            files[f"{id_}_{number}.xml"] = _record(decision, app)
        if apps:
            rules.append(f"{CONTROL}/{id_}")
        else:
            why = "The catalogue has no file name of an application on macOS."
            left_out.append(LeftOut(f"{CONTROL}/{id_}", "the programs", why))
    if not files:
        raise NotExportable(f"{NOTHING}: the catalogue has no application on macOS of a restricted service")
    left_out.append(LeftOut("", "applications that were renamed", "Jamf Pro knows them by their file names."))
    return Rendered({**files, **about(decision, "jamf_restricted_software")}, rules, left_out)


def _restricted(decision: Decision) -> Iterator[tuple[str, PlanEntry]]:
    for id_, entry in decision.plan["controls"][CONTROL]["services"].items():
        if entry["mode"] in RESTRICTED_MODES:
            yield id_, entry


def _record(decision: Decision, app: str) -> bytes:
    document = ElementTree.Element("restricted_software")
    general = ElementTree.SubElement(document, "general")
    contact = safe(decision.plan["contact"])
    for key, value in (
        ("name", f"Proscribe: {app}"),
        ("process_name", app),
        ("match_exact_process_name", "true"),
        ("send_notification", "false"),
        ("kill_process", "true"),
        ("delete_executable", "false"),
        ("display_message", f"{MESSAGE} Questions: {contact}" if contact else MESSAGE),
    ):
        ElementTree.SubElement(general, key).text = value
    ElementTree.indent(document)
    content: bytes = ElementTree.tostring(document, encoding="us-ascii", xml_declaration=True)
    return content + b"\n"


FORMAT = Format(
    name="jamf_restricted_software",
    meant_for="Jamf Pro: restricted software on Macs, one record for each application",
    controls=(CONTROL,),
    render=render,
    main="<service>_<number>.xml",
    device=Device(
        below="no names: the file name of an application, compared whole",
        exceptions="the record's scope, in Jamf Pro: the export has none",
        fetched="nothing is fetched: a client of the Classic API sends each record",
        pages=(
            "https://developer.jamf.com/jamf-pro/reference/updaterestrictedsoftwarebyid",
            "https://docs.jamf.com/de/10.24.1/jamf-pro/leitfaden-fur-administratoren/Eingeschr%C3%A4nkte_Software.html",
        ),
        read="2026-11-30",
    ),
)
