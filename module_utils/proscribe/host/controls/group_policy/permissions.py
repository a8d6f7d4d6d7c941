"""The permissions of our objects: in the directory, and of the files in SYSVOL.

They are those that Samba and Windows give a new object: administrators of the domain and the forest change it, every
account of the domain reads and applies it. Both have to say the same, else `samba-tool gpo aclcheck` and Microsoft's
console complain. Whoever else may write, or may not read, is named.
"""

from __future__ import annotations

import re
from typing import Iterator

from ....base.hashing import sha256
from ....base.tuples import NamedTuple
from ...system import Host, format_one_line
from .domain import run

APPLY = "edacfd8f-ffb3-11d1-b41d-00a0c968f939"  # the right to apply a Group Policy object
_FULL = "CCDCLCSWRPWPDTLOSDRCWDWO"
DIRECTORY = (
    f"O:DAG:DAD:P(A;CI;{_FULL};;;DA)(A;CI;{_FULL};;;EA)(A;CIIO;{_FULL};;;CO)(A;;{_FULL};;;DA)(A;CI;{_FULL};;;SY)"
    f"(A;CI;LCRPLORC;;;AU)(OA;CI;CR;{APPLY};;AU)(A;CI;LCRPLORC;;;ED)"
)
# What Samba (dsacl2fsacl) makes of it for files.
FILES = (
    "O:DAG:DAD:P(A;OICI;FA;;;DA)(A;OICI;FA;;;EA)(A;OICIIO;FA;;;CO)(A;OICI;FA;;;DA)(A;OICI;FA;;;SY)"
    f"(A;OICI;0x1200a9;;;AU)(OA;OICI;;{APPLY};;AU)(A;OICI;0x1200a9;;;ED)"
)
# Where Samba has them, and the lists of POSIX_SHELLS that it makes of them.
XATTRS = ("security.NTACL", "system.posix_acl_access", "system.posix_acl_default")

_WHOLE = re.compile(r"O:([A-Z]{2}|S-[\d-]+)G:([A-Z]{2}|S-[\d-]+)D:([A-Z]*)((?:\([^()]*\))*)(?:S:.*)?", re.DOTALL)
_ENTRY = re.compile(r"\(([^()]*)\)")
_RIGHTS = {
    **{pair: 1 << bit for bit, pair in enumerate(("CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"))},
    **{pair: 1 << bit for bit, pair in enumerate(("SD", "RC", "WD", "WO"), 16)},
    "FA": 0x1F01FF,
    "FR": 0x120089,
    "FW": 0x120116,
    "FX": 0x1200A0,
}
# The same accounts, where a child domain writes them as numbers.
_WELL_KNOWN = {"-512": "DA", "-519": "EA"}
DENYING = ("D", "OD")
MOST_NAMED = 5


class Access(NamedTuple):
    """One entry of a list: who may do what."""

    kind: str  # A allows, D denies, OA and OD do so for one right
    flags: str
    rights: int
    subject: str  # what it is about, where it is one right
    account: str


def wrong(sddl: str, desired: str) -> list[str]:
    """What a descriptor says other than the desired one, in words; [] for nothing."""
    try:
        owner, mine = _read(sddl)
    except ValueError:
        return ["it cannot be read"]
    right, ours = _read(desired)
    found = [] if owner == right else [f"it belongs to {owner[0]}"]
    found += [
        f"{one.account} {'is denied' if one.kind in DENYING else 'has'} {_words(one)}" for one in _less(mine, ours)
    ]
    found += [f"{one.account} lacks {_words(one)}" for one in _less(ours, mine)]
    return found[:MOST_NAMED]


def _words(one: Access) -> str:
    return f"{one.rights:#x}{f' ({one.subject})' if one.subject else ''}"


def _less(some: list[Access], others: list[Access]) -> Iterator[Access]:
    left = list(others)
    for one in some:
        if one in left:
            left.remove(one)
        else:
            yield one


def _read(sddl: str) -> tuple[tuple[str, str, bool], list[Access]]:
    """Owner, group and whether it is shut against what is inherited; and the entries. Raises ValueError."""
    whole = _WHOLE.fullmatch(sddl)
    if not whole:
        raise ValueError(sddl)
    owner, group, flags, entries = whole.groups()
    found = []
    for text in _ENTRY.findall(entries):
        parts = text.split(";")
        if len(parts) != 6:
            raise ValueError(text)
        kind, inherited, rights, subject, _, account = parts
        found.append(Access(kind, inherited, _rights(rights), subject.lower(), _account(account)))
    return (_account(owner), _account(group), "P" in flags), found


def _rights(text: str) -> int:
    if text.startswith("0x"):
        return int(text, 16)
    pairs = [text[place : place + 2] for place in range(0, len(text), 2)]
    if not all(pair in _RIGHTS for pair in pairs):
        raise ValueError(text)
    rights = 0
    for pair in pairs:
        rights |= _RIGHTS[pair]
    return rights


def _account(text: str) -> str:
    return _WELL_KNOWN.get(text[text.rfind("-") :], text) if text.startswith("S-1-5-21-") else format_one_line(text)


def of_file(host: Host, path: str) -> str:
    """The descriptor of a file, as SDDL. Raises ControlError."""
    return run(host, ["samba-tool", "ntacl", "get", "--as-sddl", path]).strip()


def give_file(host: Host, path: str) -> None:
    """Give a file the desired permissions. Raises ControlError."""
    run(host, ["samba-tool", "ntacl", "set", FILES, path])


def print_of_file(host: Host, path: str) -> str:
    """What changes with the permissions of a file, and costs far less than reading them; "" where that is not known.
    Files and folders with the same permissions have the same. Samba goes by the list of POSIX_SHELLS where somebody has
    changed that alone.
    """
    seen = host.find_entry(path)
    values = [host.read_attribute(path, name) for name in XATTRS]
    if seen is None or values[0] is None:
        return ""
    return sha256(repr((seen.st_mode, seen.st_uid, seen.st_gid, values)).encode()).hexdigest()
