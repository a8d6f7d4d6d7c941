"""The forms in which publishers write their lists -> names or networks. Pure, linear, and no value is believed yet.

A publisher's answer is data from a stranger: what a form finds is checked by the grammar of its kind afterwards, and
one wrong value refuses the whole list (refreshing.py).
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ....wire.replies.parsing import parsed


class Unreadable(ValueError):
    """A list that does not have its form, and why."""


def lines(text: str, service: str) -> Iterator[str]:
    """The first word of each line; `#` and `;` begin a comment."""
    for line in text.split("\n"):
        words = line.partition("#")[0].partition(";")[0].split()
        yield from words[:1]


def hosts(text: str, service: str) -> Iterator[str]:
    """The names of a hosts file: `0.0.0.0 name`."""
    for line in text.split("\n"):
        yield from line.partition("#")[0].split()[1:]


def first_column(text: str, service: str) -> Iterator[str]:
    """The first column of comma-separated values (RFC 4180), as geofeeds have it (RFC 8805)."""
    try:
        for row in csv.reader(io.StringIO(text)):
            if row and row[0].strip() and not row[0].startswith("#"):
                yield row[0].strip()
    except csv.Error as error:
        raise Unreadable(f"no comma-separated values: {error}") from None


def google_ranges(text: str, service: str) -> Iterator[str]:
    """`{"prefixes": [{"ipv4Prefix": ...}, {"ipv6Prefix": ...}]}`, as Google writes goog.json."""
    for prefix in _listed(_json(text), "prefixes"):
        yield from _texts(prefix, ("ipv4Prefix", "ipv6Prefix"), "prefixes")


def onionoo(text: str, service: str) -> Iterator[str]:
    """The addresses of Tor's nodes, each of them `{"or_addresses": ["198.51.100.7:9001", "[2001:db8::1]:9001"]}`."""
    for node in _listed(_json(text), "relays"):
        for address in _listed(node, "or_addresses"):
            if not isinstance(address, str):
                raise Unreadable("or_addresses holds something that is no text")
            yield address.rpartition(":")[0].strip("[]")


def adguard_services(text: str, service: str) -> Iterator[str]:
    """The names of one service of AdGuard's services.json: rules such as `||example.org^`."""
    for one in _listed(_json(text), "blocked_services"):
        if isinstance(one, Mapping) and one.get("id") == service:
            for rule in _listed(one, "rules"):
                if isinstance(rule, str) and rule.startswith("||") and rule.endswith("^"):
                    yield rule[2:-1]
            return
    raise Unreadable(f"it has no service {service!r}")


def v2fly(text: str, service: str) -> Iterator[str]:
    """A file of v2fly's domain-list-community: names, `domain:` and `full:`, with attributes behind. What it includes
    of other files, and its patterns, are left out.
    """
    for line in lines(text, service):
        kind, colon, rest = line.partition(":")
        if not colon:
            yield line
        elif kind in ("domain", "full"):
            yield rest
        elif kind not in ("include", "regexp", "keyword"):
            raise Unreadable(f"a line begins with {kind[:20]!r}")


FORMATS: Mapping[str, Callable[[str, str], Iterator[str]]] = {
    "lines": lines,
    "hosts": hosts,
    "first_column": first_column,
    "google_ranges": google_ranges,
    "onionoo": onionoo,
    "adguard_services": adguard_services,
    "v2fly": v2fly,
}


def network(value: str) -> str:
    """An address or a network in the spelling of the catalogue; what is none stays as it is, to be refused."""
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return value


def _json(text: str) -> Any:
    try:
        return parsed(text, len(text))  # its bytes were limited
    except ValueError as error:
        raise Unreadable(f"no JSON: {str(error)[:80]}") from None


def _listed(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, list):
        raise Unreadable(f"it has no list {key!r}")
    return found


def _texts(value: Any, keys: tuple[str, ...], where: str) -> Iterator[str]:
    found = [value[key] for key in keys if key in value] if isinstance(value, Mapping) else []
    if not found or not all(isinstance(one, str) for one in found):
        raise Unreadable(f"an item of {where} has none of {', '.join(keys)}")
    yield from found
