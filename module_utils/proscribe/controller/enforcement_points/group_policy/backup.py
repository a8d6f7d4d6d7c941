"""Backup of a Group Policy object, in the form that the cmdlet Import-GPO and the management console read.

The form is that of backups written by Microsoft's console (namespaces GPOOperations and GPOOperations/Manifest).
Import-GPO reads its settings but no permissions. So the backup has no permissions, and no domain of origin. It is
untested on Windows.
"""

from __future__ import annotations

from collections.abc import Collection
from xml.sax.saxutils import escape, quoteattr

from ....base.duration import format_moment
from ..format_declaration import ExportDecision
from .identity import (
    MACHINE_EXTENSIONS,
    REGISTRY_EXTENSION,
    USER_EXTENSIONS,
    compute_gpo_version,
    format_guid,
    make_display_name,
    make_export_guid,
    make_uuid,
)

OPERATIONS_NAMESPACE = "http://www.microsoft.com/GroupPolicy/GPOOperations"
MANIFEST_NAMESPACE = OPERATIONS_NAMESPACE + "/Manifest"
PATH_VARIABLES = {"Machine": "%GPO_MACH_FSPATH%", "User": "%GPO_USER_FSPATH%"}
POLICY_FILE = "registry.pol"


def render_backup(decision: ExportDecision, machine_policy: bytes, user_policy: bytes) -> dict[str, bytes]:
    """Return the files of the backup's directory, by relative name.

    `machine_policy` and `user_policy` are the contents of Registry.pol for computers and for users; b"" for none.
    """
    backup_id = format_guid(make_uuid("backup", decision.group, decision.digest))
    policy_by_part = {part: content for part, content in zip(PATH_VARIABLES, (machine_policy, user_policy)) if content}
    return {
        "manifest.xml": _render_manifest(decision, backup_id).encode("ascii"),
        f"{backup_id}/bkupInfo.xml": _render_instance(decision, backup_id, f' xmlns="{MANIFEST_NAMESPACE}"').encode(
            "ascii"
        ),
        f"{backup_id}/Backup.xml": _render_backup_xml(decision, policy_by_part).encode("ascii"),
        **{
            f"{backup_id}/{_make_part_location(part)}".replace("\\", "/"): content
            for part, content in policy_by_part.items()
        },
    }


def _make_part_location(part: str) -> str:
    """Return the path of Registry.pol in the backup, for the part `Machine` or `User`, as Windows writes paths."""
    return f"DomainSysvol\\GPO\\{part}\\{POLICY_FILE}"


def _render_element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def _render_instance(decision: ExportDecision, backup_id: str, attributes: str = "") -> str:
    """Return the element BackupInst: the description of this backup in the list of backups and in bkupInfo.xml."""
    elements = (
        _render_element("GPOGuid", make_export_guid(decision)),
        _render_element("GPODomain", ""),
        _render_element("GPODomainGuid", ""),
        _render_element("GPODomainController", ""),
        _render_element("BackupTime", format_moment(decision.compiled_at).rstrip("Z")),
        _render_element("ID", backup_id),
        _render_element("Comment", f"plan {decision.digest}"),
        _render_element("GPODisplayName", make_display_name(decision)),
    )
    return f"<BackupInst{attributes}>{''.join(elements)}</BackupInst>"


def _render_manifest(decision: ExportDecision, backup_id: str) -> str:
    attributes = f'xmlns="{MANIFEST_NAMESPACE}" xmlns:mfst="{MANIFEST_NAMESPACE}" mfst:version="1.0"'
    return f"<Backups {attributes}>{_render_instance(decision, backup_id)}</Backups>"


def _render_backup_xml(decision: ExportDecision, parts: Collection[str]) -> str:
    """Return Backup.xml: the object's settings, and the place of Registry.pol for each part (`Machine`, `User`)."""
    settings = (
        _render_element("ID", make_export_guid(decision)),
        _render_element("Domain", ""),
        _render_element("SecurityDescriptor", ""),
        _render_element("DisplayName", make_display_name(decision)),
        _render_element("Options", "0"),
        _render_element("UserVersionNumber", str(compute_gpo_version(decision)) if "User" in parts else "0"),
        _render_element("MachineVersionNumber", str(compute_gpo_version(decision))),
        _render_element("MachineExtensionGuids", MACHINE_EXTENSIONS),
        _render_element("UserExtensionGuids", USER_EXTENSIONS if "User" in parts else ""),
        _render_element("WMIFilter", ""),
    )
    paths = {part: quoteattr(f"{PATH_VARIABLES[part]}\\{POLICY_FILE}") for part in parts}
    file_elements = "".join(
        f"<FSObjectFile bkp:Path={path} bkp:Location={quoteattr(_make_part_location(part))}/>"
        for part, path in paths.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<GroupPolicyBackupScheme bkp:version="2.0" bkp:type="GroupPolicyBackupTemplate"'
        f' xmlns:bkp="{OPERATIONS_NAMESPACE}" xmlns="{OPERATIONS_NAMESPACE}">'
        "<GroupPolicyObject><SecurityGroups/><FilePaths/>"
        f"<GroupPolicyCoreSettings>{''.join(settings)}</GroupPolicyCoreSettings>"
        f'<GroupPolicyExtension bkp:ID="{REGISTRY_EXTENSION}" bkp:DescName="Registry">'
        f"{file_elements}</GroupPolicyExtension></GroupPolicyObject></GroupPolicyBackupScheme>"
    )
