"""The value of proscribe_group_policy: the Group Policy objects of a domain controller, and their units."""

from __future__ import annotations

import re
from typing import NamedTuple

from ....base.lazy_patterns import compile_pattern
from ....host.controls.group_policy.domain import normalise_dn
from ....host.controls.group_policy.identity import MAX_NAME_LENGTH, make_rule_slug
from ...policy_errors import UnexpectedValue
from ..reading.value_readers import make_text_reader, read_flag, read_items, read_mapping

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
    objects = read_items(setting, _read_object, f"a list of {{{', '.join(PolicyObjectSetting._fields)}}}")
    if len(objects) > MAX_OBJECTS:
        raise UnexpectedValue("", len(objects), f"at most {MAX_OBJECTS} objects")
    slugs: dict[str, str] = {}  # key: a name without punctuation, as in rules; value: the name
    for index, policy_object in enumerate(objects):
        if similar_name := slugs.get(make_rule_slug(policy_object.name)):
            raise UnexpectedValue(
                f"[{index}].name",
                policy_object.name,
                f"a name that differs from {similar_name!r} in a letter or a digit",
            )
        slugs[make_rule_slug(policy_object.name)] = policy_object.name
    return objects


def _read_object(setting: object) -> PolicyObjectSetting:
    """Read a Group Policy object from its mapping. Raises UnexpectedValue."""
    readers = {"name": _read_name, "group": _read_group, "ous": _read_units, "enforced": read_flag}
    return PolicyObjectSetting(**read_mapping(setting, readers, required=("name", "group", "ous")))


def _read_name(setting: object) -> str:
    """Return the name of a Group Policy object.

    Raises UnexpectedValue.
    """
    if not isinstance(setting, str) or len(setting) > MAX_NAME_LENGTH or not _NAME_PATTERN.fullmatch(setting):
        raise UnexpectedValue(
            "", setting, f"a name of letters, digits, blanks and ._()-, at most {MAX_NAME_LENGTH} characters"
        )
    return str(setting).strip()


_read_group = make_text_reader(r"(?s:.+)", "a group of the inventory")


def _read_units(setting: object) -> tuple[str, ...]:
    """Read the distinguished names of organisational units, and drop names that differ only in spelling."""
    units: dict[str, str] = {}
    for unit in read_items(setting, _read_unit, f"a list of 1 to {MAX_UNITS} organisational units", 1, MAX_UNITS):
        units.setdefault(normalise_dn(unit), unit)
    return tuple(units.values())


def _read_unit(setting: object) -> str:
    is_line = isinstance(setting, str) and len(setting) <= MAX_UNIT_LENGTH and setting.isprintable()
    if not is_line or not _UNIT_PATTERN.fullmatch(str(setting)):
        raise UnexpectedValue("", setting, "a unit as the directory names it, such as OU=Desktops,DC=example,DC=com")
    return str(setting)
