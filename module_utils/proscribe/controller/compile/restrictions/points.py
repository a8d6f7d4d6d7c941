"""What an organisation feeds with exports, beside the hosts that runs correct."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...enforcement_points.names import names
from ...policy_errors import Expected
from ..reading.values import directory, line, one_of, within
from .variable import part, variable

FORM = "a format, or {format, directory, group, access_log, url}"
URL = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


class Fed(NamedTuple):
    """An export that somebody is given."""

    format: str
    directory: str = ""  # that scheduled runs keep up to date; "" where others do
    group: str = ""  # of hosts, for which it is
    access_log: str = ""  # of the web server that serves the directory; "" where nobody says
    url: str = ""  # the path below which that server has the directory: "/guests"


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
    return Fed(format_, place, within(".group", line, item.get("group", "")), *_served(item, place))


def _served(item: Mapping[object, object], place: str) -> tuple[str, str]:
    """The access log of the server that serves a directory, and its path there; nothing where neither is named."""
    log, url = within(".access_log", directory, item.get("access_log")), item.get("url", "")
    if not isinstance(url, str) or not URL.fullmatch(url):
        raise Expected(".url", url, "the path of the web server below which the directory is, such as /guests")
    if log and not log.startswith("/"):
        raise Expected(".access_log", log, "an absolute path: scheduled runs start elsewhere")
    if bool(log) != bool(url) or (log and not place):
        raise Expected("", item, "a directory with both access_log and url, or with neither")
    return log, url


def read_key(value: object) -> str:
    """The file of a private key, or of the public half of one that ssh-agent holds; "" for none."""
    path = directory(value or None)
    if path and not path.startswith(("/", "~/")):
        raise Expected("", value, "an absolute path such as /etc/proscribe/export_key: scheduled runs start elsewhere")
    return path


@part
class Points:
    """The enforcement points that get the same decision."""

    exports_fed: tuple[Fed, ...] = variable(
        [],
        read_fed,
        "The exports that the organisation gives to name servers, proxies and so on: formats, of which explain then "
        "also says what they do, or {format, directory, group, access_log, url}, whose directory scheduled runs also "
        "keep up to date; docs/enforcement_points.md.",
    )
    exports_key: str = variable(
        "",
        read_key,
        "The private key on the controller that signs exports (ssh-keygen(1), without a passphrase for scheduled "
        "runs); if empty, exports are not signed. One for all hosts; docs/enforcement_points.md.",
    )
