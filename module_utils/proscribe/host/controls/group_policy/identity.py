"""Name of Proscribe's Group Policy objects, and the test of whether an object is Proscribe's.

The id of an object is computed from the domain and the name. So every domain controller computes the same id, and no
other object has it by chance. An object of the same name with another id is not Proscribe's and is never changed. The
mark (in the attribute `description`) repeats the name. So if an administrator renames the object, its id can still be
checked.
"""

from __future__ import annotations

import re

from ....base.hashing import sha256
from ....model.finding import GROUP_POLICY
from ...system import WRITTEN_BY

MARK_PREFIX = f"{WRITTEN_BY} Its name: "
MAX_NAME_LENGTH = 64
# Microsoft's extension that reads Registry.pol, and the editor of its content ([MS-GPREG] 1.9). A Windows machine
# processes only the parts of an object whose extensions are named.
REGISTRY_EXTENSIONS = "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
# The same extension with the editor of AppLocker's rules, and the extension for security templates ([MS-GPSB] 1.9).
APPLOCKER_EXTENSIONS = (
    "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{62C1845D-C4A6-4ACB-BBB0-C895FD090385}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
    "[{827D319E-6EAC-11D2-A4EA-00C04F79F83A}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}]"
)


def make_gpo_guid(domain: str, name: str) -> str:
    """Return the id of Proscribe's object `name` in a domain (`example.com`), in the notation of Windows."""
    return "{" + make_name_uuid(f"proscribe group policy\n{domain.lower()}\n{name}") + "}"


def make_name_uuid(identity_text: str) -> str:
    """Return the UUID that is computed from a text, in the notation of Windows without braces."""
    uuid_bytes = bytearray(sha256(identity_text.encode()).digest()[:16])
    uuid_bytes[6] = uuid_bytes[6] & 0x0F | 0x80  # version 8 (RFC 9562) is for custom schemes
    uuid_bytes[8] = uuid_bytes[8] & 0x3F | 0x80
    text = uuid_bytes.hex().upper()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def read_marked_name(description: str) -> str:
    """Return the object's name that its mark repeats; "" if `description` is no mark of Proscribe's."""
    return description[len(MARK_PREFIX) :] if description.startswith(MARK_PREFIX) else ""


def make_rule_slug(name: str) -> str:
    """Convert an object's name for a rule: `Proscribe desktops` becomes proscribe-desktops."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def make_gpo_rule(name: str) -> str:
    """Return the name of the rule for a Group Policy object."""
    return f"{GROUP_POLICY}/{make_rule_slug(name)}"
