"""The forms in which publishers write their lists -> names or networks. Pure, linear, and no value is believed yet.

A publisher's answer is data from a stranger: what a form finds is checked by the grammar of its kind afterwards, and
one wrong value refuses the whole list (refreshing.py).
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ....wire.replies.parsing import parse_answer_json

_LINK = re.compile(r"https?://([^/\s|\"'<>`)\]]{1,300})")
_MARKDOWN_LINK = re.compile(r"\]\(https?://([^/)\s]{1,300})")
_CELL_LINK = re.compile(r"<td>https?://([^/<\s]{1,300})")
_RESOLVER = re.compile(r"`(?:https|tls|quic|h3)://([^/`:\s]{1,300})")
_STAMP = re.compile(r"sdns://([A-Za-z0-9_-]{1,4000})")
_ENCRYPTED = (2, 3, 4, 5)  # DNS stamps: DoH, DoT, DoQ, the target of oblivious DoH
_BEFORE_STRINGS = 9  # bytes of a stamp: the protocol, and eight of properties


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


def v2fly_includes(text: str) -> Iterator[str]:
    """The files beside it that a file of v2fly includes."""
    for line in lines(text, ""):
        if line.startswith("include:"):
            yield line.removeprefix("include:")


def adblock(text: str, service: str) -> Iterator[str]:
    """The rules of an ad blocker that block a name and all below it: `||name^`, with options behind it or without."""
    for line in text.split("\n"):
        name, caret, _ = line.strip().partition("^")
        if caret and name.startswith("||"):
            yield name[2:]


def ranks(text: str, service: str) -> Iterator[str]:
    """The names of `rank,name`, as Tranco and Umbrella write them, the first rank first."""
    for line in text.split("\n"):
        rank, comma, name = line.strip().partition(",")
        if comma and rank.isdecimal():
            yield name


def json_names(text: str, service: str) -> Iterator[str]:
    """A JSON list of names, or MISP's `{"list": [...]}`."""
    found = _json(text)
    for name in found if isinstance(found, list) else _listed(found, "list"):
        if not isinstance(name, str):
            raise Unreadable("the list holds something that is no text")
        yield name


def adguard_home(text: str, service: str) -> Iterator[str]:
    """The names of a service, or of a group of services, of servicelist.go of AdGuard Home."""
    id_, names = "", list[str]()
    for line in text.split("\n"):
        key, _, value = line.strip().partition(":")
        if key == "ID":
            id_, names = _quoted(value), []
        elif key == "GroupID":
            if service in (id_, _quoted(value)):
                yield from names
        elif line.strip().startswith('"||'):
            names += adblock(_quoted(line), service)


def ndpi(text: str, service: str) -> Iterator[str]:
    """The host names of a category or a protocol of nDPI: `{ "name", "Title", NDPI_PROTOCOL_X,
    NDPI_PROTOCOL_CATEGORY_Y, ...`. One that ends in a dot or hyphen is a part of names.
    """
    for line in text.split("\n"):
        pieces = line.split('"')
        words = [word.strip() for word in pieces[4].split(",")] if len(pieces) > 4 else []
        about = {f"NDPI_PROTOCOL_{service}", f"NDPI_PROTOCOL_CATEGORY_{service}"}
        if about.intersection(words[1:3]) and not pieces[1].endswith((".", "-")):
            yield pieces[1]


def clash(text: str, service: str) -> Iterator[str]:
    """The names of Clash's rules `DOMAIN,name` and `DOMAIN-SUFFIX,name`."""
    for line in text.split("\n"):
        kind, _, rest = line.strip().partition(",")
        if kind in ("DOMAIN", "DOMAIN-SUFFIX"):
            yield rest.partition(",")[0]


def zeek_intel(text: str, service: str) -> Iterator[str]:
    """The names of Zeek's intelligence files: the first column where the second says that it is a name."""
    for line in text.split("\n"):
        columns = line.split("\t", 2)
        if len(columns) > 1 and "DOMAIN" in columns[1]:
            yield columns[0]


def typed_rows(text: str, service: str) -> Iterator[str]:
    """The third of comma-separated columns where the second is `domain`."""
    for line in text.split("\n"):
        columns = line.strip().split(",")
        if len(columns) > 2 and columns[1] == "domain":
            yield columns[2]


def lolrmm(text: str, service: str) -> Iterator[str]:
    """The items of each list `Domains:` of a tool of LOLRMM. The file's other values are not YAML that can be read."""
    inside = False
    for line in text.split("\n"):
        word = line.strip()
        if inside and word.startswith("- "):
            yield word[2:].strip("'\" ")
        else:
            inside = word == "Domains:" or word == "- Domains:"


def gluetun(text: str, service: str) -> Iterator[str]:
    """The two last labels of the servers of servers.json: the provider owns these, and renames what is below."""
    found = _json(text)
    for provider in found.values() if isinstance(found, Mapping) else ():
        for server in _listed(provider, "servers") if isinstance(provider, Mapping) else ():
            name = server.get("hostname", "") if isinstance(server, Mapping) else ""
            if isinstance(name, str) and name:
                yield ".".join(name.rsplit(".", 2)[-2:])


def links(text: str, service: str) -> Iterator[str]:
    """The hosts of all links."""
    yield from _LINK.findall(text)


def resolver_links(text: str, service: str) -> Iterator[str]:
    """The hosts of encrypted resolvers in Markdown: `https://`, `tls://`, `quic://` in backquotes."""
    yield from _RESOLVER.findall(text)


def item_links(text: str, service: str) -> Iterator[str]:
    """The host of the first link of each item of a Markdown list, below the headings of this title. FMHY marks items
    that lead to other pages and lists.
    """
    below = False
    for line in text.split("\n"):
        if line.startswith("#"):
            below = line.lstrip("#►▷ ").strip() == service
        elif below and line.lstrip().startswith(("* ", "- ")) and not any(mark in line for mark in "🌐↪"):
            yield from _MARKDOWN_LINK.findall(line)[:1]


def table_links(text: str, service: str) -> Iterator[str]:
    """The hosts of the links in cells of an HTML table, below the title `<strong>` of a part of it."""
    for part in text.split("<strong>")[1:]:
        if part.partition("<")[0].strip() == service:
            yield from _CELL_LINK.findall(part)


def dns_stamps(text: str, service: str) -> Iterator[str]:
    """The texts in DNS stamps (`sdns://`) of encrypted resolvers: host names, and paths, which are no names."""
    for stamp in _STAMP.findall(text):
        try:
            data = base64.urlsafe_b64decode(stamp + "=" * (-len(stamp) % 4))
        except binascii.Error:
            continue
        at = _BEFORE_STRINGS if data[:1] and data[0] in _ENCRYPTED else len(data)
        while at < len(data):
            length = data[at] & 0x7F  # the high bit says that more follow
            yield data[at + 1 : at + 1 + length].decode("ascii", "ignore")
            at += 1 + length


FORMATS: Mapping[str, Callable[[str, str], Iterator[str]]] = {
    "lines": lines,
    "hosts": hosts,
    "first_column": first_column,
    "google_ranges": google_ranges,
    "onionoo": onionoo,
    "adguard_services": adguard_services,
    "v2fly": v2fly,
    "adblock": adblock,
    "ranks": ranks,
    "json_names": json_names,
    "adguard_home": adguard_home,
    "ndpi": ndpi,
    "clash": clash,
    "zeek_intel": zeek_intel,
    "typed_rows": typed_rows,
    "lolrmm": lolrmm,
    "gluetun": gluetun,
    "links": links,
    "resolver_links": resolver_links,
    "item_links": item_links,
    "table_links": table_links,
    "dns_stamps": dns_stamps,
}
# Of lists that are spread over files beside each other: which of these a file includes.
INCLUDES: Mapping[str, Callable[[str], Iterator[str]]] = {"v2fly": v2fly_includes}


def network(value: str) -> str:
    """An address or a network in the spelling of the catalogue; what is none stays as it is, to be refused."""
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return value


def _quoted(text: str) -> str:
    """What is between the first two double quotes."""
    return (text.split('"', 2)[1:2] or [""])[0]


def _json(text: str) -> Any:
    try:
        return parse_answer_json(text, len(text))  # its bytes were limited
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
