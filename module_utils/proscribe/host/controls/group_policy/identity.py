"""Name and recognition of Proscribe's Group Policy objects.

The id of an object follows from the domain and the name. So every domain controller computes the same id, and no other
object has it by chance. An object of the same name with another id is foreign and is never changed. The mark in the
directory repeats the name. Even after the object is renamed, its id still follows from that name.
"""

from __future__ import annotations

import re

from ....base.hashing import sha256
from ....model.finding import GROUP_POLICY
from ...system import WRITTEN_BY

MARK_PREFIX = f"{WRITTEN_BY} Its name: "
MAX_NAME_LENGTH = 64
# Microsoft's extension that reads Registry.pol, and the editor of its content ([MS-GPREG] 1.9). They make a Windows
# machine process this part of the object, and no other part.
REGISTRY_EXTENSIONS = "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
# The same extension with the editor of AppLocker's rules, and the extension for security templates ([MS-GPSB] 1.9).
APPLOCKER_EXTENSIONS = (
    "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{62C1845D-C4A6-4ACB-BBB0-C895FD090385}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
    "[{827D319E-6EAC-11D2-A4EA-00C04F79F83A}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}]"
)


def make_gpo_guid(domain: str, name: str) -> str:
    """Return the id of Proscribe's object of a name in a domain (`example.com`), in the notation of Windows."""
    return "{" + make_name_uuid(f"proscribe group policy\n{domain.lower()}\n{name}") + "}"


def make_name_uuid(identity_text: str) -> str:
    """Return the id for a distinguishing text, in the notation of Windows without braces."""
    uuid_bytes = bytearray(sha256(identity_text.encode()).digest()[:16])
    uuid_bytes[6] = uuid_bytes[6] & 0x0F | 0x80  # version 8 of RFC 9562: a custom scheme
    uuid_bytes[8] = uuid_bytes[8] & 0x3F | 0x80
    text = uuid_bytes.hex().upper()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def read_marked_name(description: str) -> str:
    """Return the name in the mark of an object; "" for an object without a mark."""
    return description[len(MARK_PREFIX) :] if description.startswith(MARK_PREFIX) else ""


def make_rule_slug(name: str) -> str:
    """Return a name as a part of a rule: `Proscribe desktops` becomes proscribe-desktops."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def make_gpo_rule(name: str) -> str:
    """Return the rule of an object."""
    return f"{GROUP_POLICY}/{make_rule_slug(name)}"
