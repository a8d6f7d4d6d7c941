"""A backup of a Group Policy object, as the cmdlet Import-GPO and the management console read it.

The form is that of backups which Microsoft's console has written (namespaces GPOOperations and
GPOOperations/Manifest). Import-GPO takes the settings out of it, and no permissions; so there are none in it, nor the
domain that a real backup comes from. Nobody has run it on Windows.
"""

from __future__ import annotations

from collections.abc import Collection
from xml.sax.saxutils import escape, quoteattr

from ....base.duration import format_moment
from ..declaration import Decision
from .identity import (
    MACHINE_EXTENSIONS,
    REGISTRY_EXTENSION,
    USER_EXTENSIONS,
    braced,
    display_name,
    guid,
    unique,
    version,
)

OPERATIONS = "http://www.microsoft.com/GroupPolicy/GPOOperations"
MANIFEST = OPERATIONS + "/Manifest"
PARTS = {"Machine": "%GPO_MACH_FSPATH%", "User": "%GPO_USER_FSPATH%"}
FILE = "registry.pol"


def files(decision: Decision, machine: bytes, user: bytes) -> dict[str, bytes]:
    """The files of the backup's directory, by relative name. `machine` and `user` are the contents of Registry.pol for
    computers and for users; b"" for an object that has none.
    """
    identity = braced(unique("backup", decision.group, decision.digest))
    policies = {part: content for part, content in zip(PARTS, (machine, user)) if content}
    return {
        "manifest.xml": _manifest(decision, identity).encode("ascii"),
        f"{identity}/bkupInfo.xml": _instance(decision, identity, f' xmlns="{MANIFEST}"').encode("ascii"),
        f"{identity}/Backup.xml": _backup(decision, policies).encode("ascii"),
        **{f"{identity}/{_location(part)}".replace("\\", "/"): content for part, content in policies.items()},
    }


def _location(part: str) -> str:
    return f"DomainSysvol\\GPO\\{part}\\{FILE}"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def _instance(decision: Decision, identity: str, attributes: str = "") -> str:
    inner = (
        _element("GPOGuid", guid(decision)),
        _element("GPODomain", ""),
        _element("GPODomainGuid", ""),
        _element("GPODomainController", ""),
        _element("BackupTime", format_moment(decision.at).rstrip("Z")),
        _element("ID", identity),
        _element("Comment", f"plan {decision.digest}"),
        _element("GPODisplayName", display_name(decision)),
    )
    return f"<BackupInst{attributes}>{''.join(inner)}</BackupInst>"


def _manifest(decision: Decision, identity: str) -> str:
    attributes = f'xmlns="{MANIFEST}" xmlns:mfst="{MANIFEST}" mfst:version="1.0"'
    return f"<Backups {attributes}>{_instance(decision, identity)}</Backups>"


def _backup(decision: Decision, parts: Collection[str]) -> str:
    settings = (
        _element("ID", guid(decision)),
        _element("Domain", ""),
        _element("SecurityDescriptor", ""),
        _element("DisplayName", display_name(decision)),
        _element("Options", "0"),
        _element("UserVersionNumber", str(version(decision)) if "User" in parts else "0"),
        _element("MachineVersionNumber", str(version(decision))),
        _element("MachineExtensionGuids", MACHINE_EXTENSIONS),
        _element("UserExtensionGuids", USER_EXTENSIONS if "User" in parts else ""),
        _element("WMIFilter", ""),
    )
    paths = {part: quoteattr(f"{PARTS[part]}\\{FILE}") for part in parts}
    found = "".join(
        f"<FSObjectFile bkp:Path={path} bkp:Location={quoteattr(_location(part))}/>" for part, path in paths.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<GroupPolicyBackupScheme bkp:version="2.0" bkp:type="GroupPolicyBackupTemplate"'
        f' xmlns:bkp="{OPERATIONS}" xmlns="{OPERATIONS}">'
        "<GroupPolicyObject><SecurityGroups/><FilePaths/>"
        f"<GroupPolicyCoreSettings>{''.join(settings)}</GroupPolicyCoreSettings>"
        f'<GroupPolicyExtension bkp:ID="{REGISTRY_EXTENSION}" bkp:DescName="Registry">'
        f"{found}</GroupPolicyExtension></GroupPolicyObject></GroupPolicyBackupScheme>"
    )
