"""The value of proscribe_group_policy: the Group Policy objects of a domain controller, and their units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ....base.lazy_patterns import compile_pattern
from ....host.controls.group_policy.domain import normalise_dn
from ....host.controls.group_policy.identity import MAX_NAME_LENGTH, make_rule_slug
from ...policy_errors import UnexpectedValue, propose_similar_names
from ..reading.value_readers import read_flag, read_part

OBJECT_KEYS = ("name", "group", "ous", "enforced")
REQUIRED_KEYS = OBJECT_KEYS[:3]
MAX_OBJECTS = 50
MAX_UNITS = 100
MAX_UNIT_LENGTH = 500  # characters
# A distinguished name (RFC 4514) of organisational units, containers or the domain itself.
_PART = r"(?:OU|CN)=(?:[^,=+<>#;\\\"\x00-\x1f\x7f]|\\[,=+<>#;\\\" ])+"
_DC = r"DC=[A-Za-z0-9-]{1,63}"
_UNIT_PATTERN = compile_pattern(rf"(?:{_PART},)*{_DC}(?:,{_DC})*", re.IGNORECASE)
_NAME_PATTERN = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9 ._()-]*")


class PolicyObjectSetting(NamedTuple):
    """A Group Policy object (GPO) of Proscribe on a Samba domain controller."""

    name: str  # shown to administrators
    group: str  # group of the inventory whose hosts' policies the object has
    ous: tuple[str, ...]  # distinguished names of the organisational units that link the object
    enforced: bool = False  # True if the object also applies below units that block inheritance


def read_group_policy(setting: object) -> tuple[PolicyObjectSetting, ...]:
    """Read the setting that lists a domain controller's Group Policy objects. Raises UnexpectedValue.

    Two names must differ in more than punctuation, because rules are named after these objects.
    """
    if not isinstance(setting, list | tuple):
        raise UnexpectedValue("", setting, f"a list of {{{', '.join(OBJECT_KEYS)}}}")
    if len(setting) > MAX_OBJECTS:
        raise UnexpectedValue("", len(setting), f"at most {MAX_OBJECTS} objects")
    objects = [read_part(f"[{index}]", _read_object, policy_object) for index, policy_object in enumerate(setting)]
    slugs: dict[str, str] = {}  # key: a name without punctuation, as in rules; value: the name
    for index, policy_object in enumerate(objects):
        if similar_name := slugs.get(make_rule_slug(policy_object.name)):
            raise UnexpectedValue(
                f"[{index}].name",
                policy_object.name,
                f"a name that differs from {similar_name!r} in a letter or a digit",
            )
        slugs[make_rule_slug(policy_object.name)] = policy_object.name
    return tuple(objects)


def _read_object(setting: object) -> PolicyObjectSetting:
    """Read a Group Policy object from its mapping. Raises UnexpectedValue for an unknown or a missing key."""
    if not isinstance(setting, Mapping):
        raise UnexpectedValue("", setting, f"{{{', '.join(OBJECT_KEYS)}}}")
    for key in setting:
        if key not in OBJECT_KEYS:
            raise UnexpectedValue(
                f".{key}", key, f"one of {', '.join(OBJECT_KEYS)}{propose_similar_names(str(key), OBJECT_KEYS)}"
            )
    for key in REQUIRED_KEYS:
        if key not in setting:
            raise UnexpectedValue(f".{key}", None, f"a value: each object has {', '.join(REQUIRED_KEYS)}")
    return PolicyObjectSetting(
        read_part(".name", _read_name, setting["name"]),
        read_part(".group", _read_group, setting["group"]),
        read_part(".ous", _read_units, setting["ous"]),
        read_part(".enforced", read_flag, setting.get("enforced", False)),
    )


def _read_name(setting: object) -> str:
    """Return the name of a Group Policy object.

    Raises UnexpectedValue.
    """
    if not isinstance(setting, str) or len(setting) > MAX_NAME_LENGTH or not _NAME_PATTERN.fullmatch(setting):
        raise UnexpectedValue(
            "", setting, f"a name of letters, digits, blanks and ._()-, at most {MAX_NAME_LENGTH} characters"
        )
    return str(setting).strip()


def _read_group(setting: object) -> str:
    if not isinstance(setting, str) or not setting:
        raise UnexpectedValue("", setting, "a group of the inventory")
    return str(setting)


def _read_units(setting: object) -> tuple[str, ...]:
    """Read the distinguished names of organisational units, and drop names that differ only in spelling."""
    if not isinstance(setting, list | tuple) or not setting or len(setting) > MAX_UNITS:
        raise UnexpectedValue("", setting, f"a list of 1 to {MAX_UNITS} organisational units")
    units: dict[str, str] = {}
    for index, unit in enumerate(setting):
        if (
            not isinstance(unit, str)
            or len(unit) > MAX_UNIT_LENGTH
            or not unit.isprintable()
            or not _UNIT_PATTERN.fullmatch(unit)
        ):
            raise UnexpectedValue(
                f"[{index}]", unit, "a unit as the directory names it, such as OU=Desktops,DC=example,DC=com"
            )
        units.setdefault(normalise_dn(unit), str(unit))
    return tuple(units.values())
