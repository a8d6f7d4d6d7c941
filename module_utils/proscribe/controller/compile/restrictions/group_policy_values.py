"""The value of proscribe_group_policy: which Group Policy objects a domain controller has, and where they apply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ....base.patterns import compile_pattern
from ....host.controls.group_policy.domain import same
from ....host.controls.group_policy.identity import LONGEST_NAME, slug
from ...policy_errors import Expected, close_to
from ..reading.values import flag, within

KEYS = ("name", "group", "ous", "enforced")
REQUIRED = KEYS[:3]
MOST_OBJECTS = 50
MOST_UNITS = 100
LONGEST_UNIT = 500  # characters
# A name as RFC 4514 has it, of organisational units, containers or the domain itself.
_PART = r"(?:OU|CN)=(?:[^,=+<>#;\\\"\x00-\x1f\x7f]|\\[,=+<>#;\\\" ])+"
_DC = r"DC=[A-Za-z0-9-]{1,63}"
_UNIT = compile_pattern(rf"(?:{_PART},)*{_DC}(?:,{_DC})*", re.IGNORECASE)
_NAME = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9 ._()-]*")


class Object(NamedTuple):
    """A Group Policy object of ours."""

    name: str  # that administrators see
    group: str  # of the inventory, whose hosts' policies it has
    ous: tuple[str, ...]  # where it is linked, as the directory names them
    enforced: bool = False  # whether it also applies below units that block inheritance


def read_group_policy(value: object) -> tuple[Object, ...]:
    """The objects of a domain controller. Raises Expected."""
    if not isinstance(value, list | tuple):
        raise Expected("", value, f"a list of {{{', '.join(KEYS)}}}")
    if len(value) > MOST_OBJECTS:
        raise Expected("", len(value), f"at most {MOST_OBJECTS} objects")
    objects = [within(f"[{index}]", _object, one) for index, one in enumerate(value)]
    slugs: dict[str, str] = {}
    for index, one in enumerate(objects):
        if other := slugs.get(slug(one.name)):
            raise Expected(f"[{index}].name", one.name, f"a name that differs from {other!r} in a letter or a digit")
        slugs[slug(one.name)] = one.name
    return tuple(objects)


def _object(value: object) -> Object:
    if not isinstance(value, Mapping):
        raise Expected("", value, f"{{{', '.join(KEYS)}}}")
    for key in value:
        if key not in KEYS:
            raise Expected(f".{key}", key, f"one of {', '.join(KEYS)}{close_to(str(key), KEYS)}")
    for key in REQUIRED:
        if key not in value:
            raise Expected(f".{key}", None, f"a value: each object has {', '.join(REQUIRED)}")
    return Object(
        within(".name", _name, value["name"]),
        within(".group", _group, value["group"]),
        within(".ous", _units, value["ous"]),
        within(".enforced", flag, value.get("enforced", False)),
    )


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_NAME or not _NAME.fullmatch(value):
        raise Expected("", value, f"a name of letters, digits, blanks and ._()-, at most {LONGEST_NAME} characters")
    return str(value).strip()


def _group(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Expected("", value, "a group of the inventory")
    return str(value)


def _units(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or len(value) > MOST_UNITS:
        raise Expected("", value, f"a list of 1 to {MOST_UNITS} organisational units")
    found: dict[str, str] = {}
    for index, one in enumerate(value):
        if not isinstance(one, str) or len(one) > LONGEST_UNIT or not one.isprintable() or not _UNIT.fullmatch(one):
            raise Expected(f"[{index}]", one, "a unit as the directory names it, such as OU=Desktops,DC=example,DC=com")
        found.setdefault(same(one), str(one))
    return tuple(found.values())
