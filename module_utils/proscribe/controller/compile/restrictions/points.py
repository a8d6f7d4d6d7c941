"""What an organisation feeds with exports, beside the hosts that runs correct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...enforcement_points.names import names
from ...policy_errors import Expected
from ..reading.values import directory, line, one_of, within
from .variable import part, variable

FORM = "a format, or {format, directory, group}"


class Fed(NamedTuple):
    """An export that somebody is given."""

    format: str
    directory: str = ""  # that scheduled runs keep up to date; "" where others do
    group: str = ""  # of hosts, for which it is


def read_fed(value: object) -> tuple[Fed, ...]:
    """The exports that an organisation feeds to its points."""
    if not isinstance(value, list | tuple):
        raise Expected("", value, f"a list, each of it {FORM}")
    found = [within(f"[{index}]", _read_one, item) for index, item in enumerate(value)]
    places = [one.directory for one in found if one.directory]
    if twice := next((place for place in places if places.count(place) > 1), ""):
        raise Expected("", twice, "a directory of its own for each export")
    return tuple(dict.fromkeys(found))


def _read_one(item: object) -> Fed:
    if isinstance(item, str):
        return Fed(str(one_of(item, names())))
    if not isinstance(item, Mapping) or not {"format"} <= item.keys() <= set(Fed._fields):
        raise Expected("", item, FORM)
    format_ = str(within(".format", one_of, item["format"], names()))
    place = within(".directory", directory, item.get("directory"))
    if place and not place.startswith("/"):
        raise Expected(".directory", place, "an absolute path: scheduled runs start elsewhere")
    if item.get("group") and not place:
        raise Expected("", item, "a directory, of which the group is")
    return Fed(format_, place, within(".group", line, item.get("group", "")))


@part
class Points:
    """The enforcement points that get the same decision."""

    exports_fed: tuple[Fed, ...] = variable(
        [],
        read_fed,
        "The exports that the organisation gives to name servers, proxies and so on: formats, of which explain then "
        "also says what they do, or {format, directory, group}, whose directory scheduled runs also keep up to date; "
        "docs/enforcement_points.md.",
    )
