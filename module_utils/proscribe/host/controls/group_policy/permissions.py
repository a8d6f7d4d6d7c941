"""Permissions of Proscribe's Group Policy objects: of their directory entries, and of their files in SYSVOL.

They are the permissions that Samba and Windows give a new object. Administrators of the domain and the forest may
change the object. Every account of the domain may read and apply it. The permissions of entry and files have to be
equivalent. Otherwise `samba-tool gpo aclcheck` and Microsoft's console complain. Findings name every other account that
may write, and every account that lacks a right.
"""

from __future__ import annotations

import re
from typing import Iterator

from ....base.hashing import sha256
from ....base.named_tuple import NamedTuple
from ...system import Host, format_one_line
from .domain import run_samba_tool

APPLY_RIGHT = "edacfd8f-ffb3-11d1-b41d-00a0c968f939"  # right to apply a Group Policy object
_FULL_RIGHTS = "CCDCLCSWRPWPDTLOSDRCWDWO"
DIRECTORY_DESCRIPTOR = (
    f"O:DAG:DAD:P(A;CI;{_FULL_RIGHTS};;;DA)(A;CI;{_FULL_RIGHTS};;;EA)(A;CIIO;{_FULL_RIGHTS};;;CO)(A;;{_FULL_RIGHTS};;;DA)(A;CI;{_FULL_RIGHTS};;;SY)"
    f"(A;CI;LCRPLORC;;;AU)(OA;CI;CR;{APPLY_RIGHT};;AU)(A;CI;LCRPLORC;;;ED)"
)
# The same permissions for files, as Samba converts them (dsacl2fsacl).
FILES_DESCRIPTOR = (
    "O:DAG:DAD:P(A;OICI;FA;;;DA)(A;OICI;FA;;;EA)(A;OICIIO;FA;;;CO)(A;OICI;FA;;;DA)(A;OICI;FA;;;SY)"
    f"(A;OICI;0x1200a9;;;AU)(OA;OICI;;{APPLY_RIGHT};;AU)(A;OICI;0x1200a9;;;ED)"
)
# Extended attributes: that in which Samba stores permissions, and the POSIX access lists that it derives from them.
PERMISSION_XATTRS = ("security.NTACL", "system.posix_acl_access", "system.posix_acl_default")

_DESCRIPTOR_PATTERN = re.compile(
    r"O:([A-Z]{2}|S-[\d-]+)G:([A-Z]{2}|S-[\d-]+)D:([A-Z]*)((?:\([^()]*\))*)(?:S:.*)?", re.DOTALL
)
_ENTRY_PATTERN = re.compile(r"\(([^()]*)\)")
_RIGHT_BITS = {
    **{pair: 1 << bit for bit, pair in enumerate(("CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"))},
    **{pair: 1 << bit for bit, pair in enumerate(("SD", "RC", "WD", "WO"), 16)},
    "FA": 0x1F01FF,
    "FR": 0x120089,
    "FW": 0x120116,
    "FX": 0x1200A0,
}
# Last part of the SID of a group of administrators -> its short name. In a child domain, an access list has the SID.
_WELL_KNOWN_ACCOUNTS = {"-512": "DA", "-519": "EA"}
DENYING_KINDS = ("D", "OD")
MAX_NAMED_DEFECTS = 5


class AccessEntry(NamedTuple):
    """Entry of an access list: an account and its rights.

    `rights` has the rights as bits.
    """

    kind: str  # A allows, D denies; OA and OD do so for the one right in `subject`
    flags: str  # how files and folders below inherit the entry
    rights: int
    subject: str  # id of the right if `kind` is OA or OD; else ""
    account: str  # short name such as DA (administrators of the domain), or SID


def find_permission_defects(sddl: str, desired_sddl: str) -> list[str]:
    """Describe how a security descriptor differs from the desired descriptor; [] if it does not.

    A security descriptor has an owner and an access list. Both parameters are in the notation SDDL. At most
    MAX_NAMED_DEFECTS differences are described.
    """
    try:
        owner, current_entries = _parse_descriptor(sddl)
    except ValueError:
        return ["it cannot be read"]
    desired_owner, desired_entries = _parse_descriptor(desired_sddl)
    defects = [] if owner == desired_owner else [f"it belongs to {owner[0]}"]
    defects += [
        f"{entry.account} {'is denied' if entry.kind in DENYING_KINDS else 'has'} {_format_access(entry)}"
        for entry in _subtract_entries(current_entries, desired_entries)
    ]
    defects += [
        f"{entry.account} lacks {_format_access(entry)}"
        for entry in _subtract_entries(desired_entries, current_entries)
    ]
    return defects[:MAX_NAMED_DEFECTS]


def _format_access(entry: AccessEntry) -> str:
    """Format the rights of an entry for a message: the bits as a number, and the id of a single right."""
    return f"{entry.rights:#x}{f' ({entry.subject})' if entry.subject else ''}"


def _subtract_entries(entries: list[AccessEntry], other_entries: list[AccessEntry]) -> Iterator[AccessEntry]:
    """Yield the entries that `other_entries` lacks.

    An entry that occurs twice must be in both lists twice.
    """
    unmatched = list(other_entries)
    for entry in entries:
        if entry in unmatched:
            unmatched.remove(entry)
        else:
            yield entry


def _parse_descriptor(sddl: str) -> tuple[tuple[str, str, bool], list[AccessEntry]]:
    """Parse a security descriptor. Raises ValueError.

    Returns (owner, group, whether inheritance is blocked), and the entries of its access list.
    """
    match = _DESCRIPTOR_PATTERN.fullmatch(sddl)
    if not match:
        raise ValueError(sddl)
    owner, group, flags, entries = match.groups()
    access_entries = []
    for text in _ENTRY_PATTERN.findall(entries):
        parts = text.split(";")
        if len(parts) != 6:
            raise ValueError(text)
        kind, entry_flags, rights, subject, _, account = parts
        access_entries.append(
            AccessEntry(kind, entry_flags, _parse_rights(rights), subject.lower(), _normalise_account(account))
        )
    return (_normalise_account(owner), _normalise_account(group), "P" in flags), access_entries


def _parse_rights(text: str) -> int:
    """Parse the rights of an entry, a hexadecimal number or pairs of letters, as bits. Raises ValueError."""
    if text.startswith("0x"):
        return int(text, 16)
    pairs = [text[index : index + 2] for index in range(0, len(text), 2)]
    if not all(pair in _RIGHT_BITS for pair in pairs):
        raise ValueError(text)
    rights = 0
    for pair in pairs:
        rights |= _RIGHT_BITS[pair]
    return rights


def _normalise_account(text: str) -> str:
    """Return the short name of an administrators' group; for any other account, the text itself.

    A text may name such a group by its full SID.
    """
    return (
        _WELL_KNOWN_ACCOUNTS.get(text[text.rfind("-") :], text)
        if text.startswith("S-1-5-21-")
        else format_one_line(text)
    )


def read_file_descriptor(host: Host, path: str) -> str:
    """Return the security descriptor of a file in SYSVOL, as SDDL. Raises ControlError."""
    return run_samba_tool(host, ["samba-tool", "ntacl", "get", "--as-sddl", path]).strip()


def set_file_permissions(host: Host, path: str) -> None:
    """Give a file in SYSVOL the desired permissions. Raises ControlError."""
    run_samba_tool(host, ["samba-tool", "ntacl", "set", FILES_DESCRIPTOR, path])


def compute_permissions_hash(host: Host, path: str) -> str:
    """Return a hash of the permissions of a file; "" if they cannot be read.

    The hash takes far less time than Samba's tool. Files and folders with the same permissions have the same hash. The
    hash includes the POSIX access lists: Samba obeys them, even if only they have changed.
    """
    status = host.find_entry(path)
    values = [host.read_attribute(path, name) for name in PERMISSION_XATTRS]
    if status is None or values[0] is None:
        return ""
    return sha256(repr((status.st_mode, status.st_uid, status.st_gid, values)).encode()).hexdigest()
