"""Identity of a Group Policy object: for a group of hosts, the same name and GUID in every export."""

from __future__ import annotations

import uuid

from ..file_header import sanitise_comment
from ..format_declaration import ExportDecision

# Namespace of this project, from which all GUIDs are derived.
UUID_NAMESPACE = uuid.UUID("0f6a3b5e-59cf-5c0c-9f8a-2a1d3e7b6c41")
# The extension of Windows that reads Registry.pol, and the editor of administrative templates: [MS-GPREG] 1.9.
REGISTRY_EXTENSION = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"
TEMPLATES_EDITOR = "{D02B1F72-3407-48AE-BA88-E8213C6761F1}"
MACHINE_EXTENSIONS = f"[{REGISTRY_EXTENSION}{TEMPLATES_EDITOR}]"
USER_EXTENSIONS = f"[{REGISTRY_EXTENSION}{{D02B1F73-3407-48AE-BA88-E8213C6761F1}}]"


def make_uuid(*parts: str) -> uuid.UUID:
    """Return a UUID that is always the same for the same texts."""
    return uuid.uuid5(UUID_NAMESPACE, "\n".join(parts))


def make_export_guid(decision: ExportDecision) -> str:
    """Return the GUID of the Group Policy object for the export's group of hosts, in Windows' notation."""
    return format_guid(make_uuid("group policy object", decision.group))


def format_guid(guid: uuid.UUID) -> str:
    """Return a GUID in Windows' notation."""
    return "{" + str(guid).upper() + "}"


def make_display_name(decision: ExportDecision) -> str:
    """Return the name of the Group Policy object that administrators see."""
    return f"Proscribe {sanitise_comment(decision.group)}" if decision.group else "Proscribe"


def compute_gpo_version(decision: ExportDecision) -> int:
    """Return the version of the object's machine part, 1 to 65535, derived from the plan.

    A client applies an object again if its version has changed. So a client applies a changed plan, and skips an
    unchanged plan.
    """
    return 1 + int(decision.digest.rpartition(":")[2][:12], 16) % 0xFFFF
