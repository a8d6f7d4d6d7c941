"""What a Group Policy object is called: for one group of hosts, the same name and GUID with every export."""

from __future__ import annotations

import uuid

from ..declaration import ExportDecision
from ..header import sanitise_comment

# Of this project; names below it make the GUIDs.
UUID_NAMESPACE = uuid.UUID("0f6a3b5e-59cf-5c0c-9f8a-2a1d3e7b6c41")
# The extension of Windows that reads Registry.pol, and the editor of administrative templates: [MS-GPREG] 1.9.
REGISTRY_EXTENSION = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"
TEMPLATES_EDITOR = "{D02B1F72-3407-48AE-BA88-E8213C6761F1}"
MACHINE_EXTENSIONS = f"[{REGISTRY_EXTENSION}{TEMPLATES_EDITOR}]"
USER_EXTENSIONS = f"[{REGISTRY_EXTENSION}{{D02B1F73-3407-48AE-BA88-E8213C6761F1}}]"


def make_uuid(*parts: str) -> uuid.UUID:
    """The UUID of something, by what distinguishes it."""
    return uuid.uuid5(UUID_NAMESPACE, "\n".join(parts))


def make_export_guid(decision: ExportDecision) -> str:
    """The GUID of the object, as Windows writes it."""
    return format_guid(make_uuid("group policy object", decision.group))


def format_guid(guid: uuid.UUID) -> str:
    """A GUID as Windows writes it."""
    return "{" + str(guid).upper() + "}"


def make_display_name(decision: ExportDecision) -> str:
    """What administrators see it as."""
    return f"Proscribe {sanitise_comment(decision.group)}" if decision.group else "Proscribe"


def compute_gpo_version(decision: ExportDecision) -> int:
    """The version of the machine's part, 1 to 65535. A client applies an object again whose version is another one, so
    it follows from the plan: the same plan is not applied twice, and another one is.
    """
    return 1 + int(decision.digest.rpartition(":")[2][:12], 16) % 0xFFFF
