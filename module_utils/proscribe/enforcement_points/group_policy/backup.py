"""A backup of a Group Policy object, as the cmdlet Import-GPO and the management console read it.

The form is that of backups which Microsoft's console has written (namespaces GPOOperations and
GPOOperations/Manifest). Import-GPO takes the settings out of it, and no permissions; so there are none in it, nor the
domain that a real backup comes from. Nobody has run it on Windows.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from ...duration import spelled
from ..declaration import Decision
from .identity import MACHINE_EXTENSIONS, REGISTRY_EXTENSION, braced, display_name, guid, unique, version

OPERATIONS = "http://www.microsoft.com/GroupPolicy/GPOOperations"
MANIFEST = OPERATIONS + "/Manifest"
POLICY = "DomainSysvol\\GPO\\Machine\\registry.pol"


def files(decision: Decision, policy: bytes) -> dict[str, bytes]:
    """The files of the backup's directory, by relative name. `policy` is the content of Registry.pol."""
    identity = braced(unique("backup", decision.group, decision.digest))
    return {
        "manifest.xml": _manifest(decision, identity).encode("ascii"),
        f"{identity}/bkupInfo.xml": _instance(decision, identity, f' xmlns="{MANIFEST}"').encode("ascii"),
        f"{identity}/Backup.xml": _backup(decision).encode("ascii"),
        f"{identity}/{POLICY}".replace("\\", "/"): policy,
    }


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def _instance(decision: Decision, identity: str, attributes: str = "") -> str:
    inner = (
        _element("GPOGuid", guid(decision)),
        _element("GPODomain", ""),
        _element("GPODomainGuid", ""),
        _element("GPODomainController", ""),
        _element("BackupTime", spelled(decision.at).rstrip("Z")),
        _element("ID", identity),
        _element("Comment", f"plan {decision.digest}"),
        _element("GPODisplayName", display_name(decision)),
    )
    return f"<BackupInst{attributes}>{''.join(inner)}</BackupInst>"


def _manifest(decision: Decision, identity: str) -> str:
    attributes = f'xmlns="{MANIFEST}" xmlns:mfst="{MANIFEST}" mfst:version="1.0"'
    return f"<Backups {attributes}>{_instance(decision, identity)}</Backups>"


def _backup(decision: Decision) -> str:
    settings = (
        _element("ID", guid(decision)),
        _element("Domain", ""),
        _element("SecurityDescriptor", ""),
        _element("DisplayName", display_name(decision)),
        _element("Options", "0"),
        _element("UserVersionNumber", "0"),
        _element("MachineVersionNumber", str(version(decision))),
        _element("MachineExtensionGuids", MACHINE_EXTENSIONS),
        _element("UserExtensionGuids", ""),
        _element("WMIFilter", ""),
    )
    path, location = quoteattr("%GPO_MACH_FSPATH%\\registry.pol"), quoteattr(POLICY)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<GroupPolicyBackupScheme bkp:version="2.0" bkp:type="GroupPolicyBackupTemplate"'
        f' xmlns:bkp="{OPERATIONS}" xmlns="{OPERATIONS}">'
        "<GroupPolicyObject><SecurityGroups/><FilePaths/>"
        f"<GroupPolicyCoreSettings>{''.join(settings)}</GroupPolicyCoreSettings>"
        f'<GroupPolicyExtension bkp:ID="{REGISTRY_EXTENSION}" bkp:DescName="Registry">'
        f"<FSObjectFile bkp:Path={path} bkp:Location={location}/>"
        "</GroupPolicyExtension></GroupPolicyObject></GroupPolicyBackupScheme>"
    )
