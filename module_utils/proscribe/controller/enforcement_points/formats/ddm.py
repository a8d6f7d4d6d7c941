"""Format `ddm`: Apple's declarative management, which denies programs on supervised Macs with macOS 27.

The declaration is com.apple.configuration.app.settings. Apple has published its schema with that release
(https://github.com/apple/device-management). Its DeniedApps are for iOS; Macs have DeniedBinaries. These name a program
by its signing identifier. It is the bundle id, unless the vendor has signed under another name.
"""

from __future__ import annotations

from .. import apple
from ..file_header import encode_json
from ..format_declaration import ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport

APPS_CONTROL = "apps"
DECLARATION_FILE, ACTIVATION_FILE = "app_settings.json", "activation.json"


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the declaration that denies the programs, and its activation.

    A device ignores a declaration without an activation. Raises ExportError if no restricted service has a bundle id.
    """
    if not (ids_by_service := apple.list_bundle_ids(decision)):
        raise ExportError("nothing to export: the catalogue has no bundle id of a restricted service")
    name = apple.make_identifier(decision, "apps")
    denied_binaries = [
        {"SigningID": bundle_id}
        for bundle_id in sorted({bundle_id for bundle_ids in ids_by_service.values() for bundle_id in bundle_ids})
    ]
    files = {
        DECLARATION_FILE: _render_declaration(
            decision, "com.apple.configuration.app.settings", name, {"Allowed": {"DeniedBinaries": denied_binaries}}
        ),
        ACTIVATION_FILE: _render_declaration(
            decision,
            "com.apple.activation.simple",
            apple.make_identifier(decision, "activation"),
            {"StandardConfigurations": [name]},
        ),
    }
    unsupported = ExportOmission(
        "", "Macs before macOS 27, and those that are not supervised", "They ignore this declaration."
    )
    return RenderedExport(
        files,
        [f"{APPS_CONTROL}/{service_id}" for service_id in ids_by_service],
        [unsupported, *apple.list_missing_bundle_ids(decision)],
    )


def _render_declaration(decision: ExportDecision, type_: str, name: str, payload: dict[str, object]) -> bytes:
    document = {
        "Type": type_,
        "Identifier": name,
        "ServerToken": apple.make_content_uuid(decision, type_),
        "Payload": payload,
    }
    return encode_json(document, 2)


FORMAT = ExportFormat(
    name="ddm",
    purpose="programs on supervised Macs with macOS 27, by declarative device management",
    controls=(APPS_CONTROL,),
    render_export=render_export,
    tested_with="Apple's published schema of the declaration",
    main_files=f"{DECLARATION_FILE}, {ACTIVATION_FILE}",
)
