"""Formats in which publishers write their lists, each read into names or networks.

The functions are pure and take linear time. They trust no value: a publisher's answer is data from a stranger. The
grammar of the kind checks each value afterwards, and a single wrong value refuses the whole list (refreshing.py).
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

from ....wire.answers.parsing import parse_answer_json

_LINK_PATTERN = re.compile(r"https?://([^/\s|\"'<>`)\]]{1,300})")
_MARKDOWN_LINK_PATTERN = re.compile(r"\]\(https?://([^/)\s]{1,300})")
_CELL_LINK_PATTERN = re.compile(r"<td>https?://([^/<\s]{1,300})")
_RESOLVER_PATTERN = re.compile(r"`(?:https|tls|quic|h3)://([^/`:\s]{1,300})")
_STAMP_PATTERN = re.compile(r"sdns://([A-Za-z0-9_-]{1,4000})")
_ENCRYPTED_PROTOCOLS = (2, 3, 4, 5)  # in DNS stamps: DoH, DoT, DoQ, the target of oblivious DoH
_STAMP_HEADER_BYTES = 9  # the protocol, and eight bytes of properties


class ListFormatError(ValueError):
    """A list that is not in its format, with the reason."""


def parse_lines(text: str, part: str) -> Iterator[str]:
    """Yield the first word of each line. `#` and `;` begin a comment."""
    for line in text.split("\n"):
        words = line.partition("#")[0].partition(";")[0].split()
        yield from words[:1]


def parse_hosts_file(text: str, part: str) -> Iterator[str]:
    """Yield the names of a hosts file: `0.0.0.0 name`."""
    for line in text.split("\n"):
        yield from line.partition("#")[0].split()[1:]


def parse_first_column(text: str, part: str) -> Iterator[str]:
    """Yield the first column of comma-separated values (RFC 4180), as in geofeeds (RFC 8805)."""
    try:
        for row in csv.reader(io.StringIO(text)):
            if row and row[0].strip() and not row[0].startswith("#"):
                yield row[0].strip()
    except csv.Error as error:
        raise ListFormatError(f"no comma-separated values: {error}") from None


def parse_google_ranges(text: str, part: str) -> Iterator[str]:
    """Yield the networks of `{"prefixes": [{"ipv4Prefix": ...}, {"ipv6Prefix": ...}]}`, as in Google's goog.json."""
    for prefix in _read_list(_parse_json(text), "prefixes"):
        yield from _read_texts(prefix, ("ipv4Prefix", "ipv6Prefix"), "prefixes")


def parse_onionoo(text: str, part: str) -> Iterator[str]:
    """Yield the addresses of Tor's nodes.

    Each node is `{"or_addresses": ["198.51.100.7:9001", "[2001:db8::1]:9001"]}`.
    """
    for node in _read_list(_parse_json(text), "relays"):
        for address in _read_list(node, "or_addresses"):
            if not isinstance(address, str):
                raise ListFormatError("or_addresses holds something that is no text")
            yield address.rpartition(":")[0].strip("[]")


def parse_adguard_services(text: str, service: str) -> Iterator[str]:
    """Yield the names of a service in AdGuard's services.json, from rules such as `||example.org^`."""
    for service_entry in _read_list(_parse_json(text), "blocked_services"):
        if isinstance(service_entry, Mapping) and service_entry.get("id") == service:
            for rule in _read_list(service_entry, "rules"):
                if isinstance(rule, str) and rule.startswith("||") and rule.endswith("^"):
                    yield rule[2:-1]
            return
    raise ListFormatError(f"it has no service {service!r}")


def parse_v2fly(text: str, part: str) -> Iterator[str]:
    """Yield the names of a file of v2fly's domain-list-community.

    Lines are names, `domain:` and `full:`, with attributes behind. Includes of other files, and patterns, are left out.
    """
    for line in parse_lines(text, part):
        kind, colon, name = line.partition(":")
        if not colon:
            yield line
        elif kind in ("domain", "full"):
            yield name
        elif kind not in ("include", "regexp", "keyword"):
            raise ListFormatError(f"a line begins with {kind[:20]!r}")


def list_v2fly_includes(text: str) -> Iterator[str]:
    """Yield the files in the same directory that a file of v2fly includes."""
    for line in parse_lines(text, ""):
        if line.startswith("include:"):
            yield line.removeprefix("include:")


def parse_adblock(text: str, part: str) -> Iterator[str]:
    """Yield the names of ad blocker rules that block a name and all below it.

    Such a rule is `||name^`, with or without options behind it.
    """
    for line in text.split("\n"):
        name, caret, _ = line.strip().partition("^")
        if caret and name.startswith("||"):
            yield name[2:]


def parse_ranks(text: str, part: str) -> Iterator[str]:
    """Yield the names of `rank,name` lines, as Tranco and Umbrella write them. The first rank comes first."""
    for line in text.split("\n"):
        rank, comma, name = line.strip().partition(",")
        if comma and rank.isdecimal():
            yield name


def parse_json_names(text: str, part: str) -> Iterator[str]:
    """Yield the names of a JSON list, or of MISP's `{"list": [...]}`."""
    document = _parse_json(text)
    for name in document if isinstance(document, list) else _read_list(document, "list"):
        if not isinstance(name, str):
            raise ListFormatError("the list holds something that is no text")
        yield name


def parse_adguard_home(text: str, service: str) -> Iterator[str]:
    """Yield the names of a service, or of a group of services, in servicelist.go of AdGuard Home."""
    service_id, names = "", list[str]()
    for line in text.split("\n"):
        key, _, content = line.strip().partition(":")
        if key == "ID":
            service_id, names = _extract_quoted(content), []
        elif key == "GroupID":
            if service in (service_id, _extract_quoted(content)):
                yield from names
        elif line.strip().startswith('"||'):
            names += parse_adblock(_extract_quoted(line), service)


def parse_ndpi(text: str, service: str) -> Iterator[str]:
    """Yield the host names of a category or a protocol of nDPI.

    A line is `{ "name", "Title", NDPI_PROTOCOL_X, NDPI_PROTOCOL_CATEGORY_Y, ...`. A text that ends in a dot or hyphen
    is only a part of names, and is left out.
    """
    for line in text.split("\n"):
        pieces = line.split('"')
        words = [word.strip() for word in pieces[4].split(",")] if len(pieces) > 4 else []
        categories = {f"NDPI_PROTOCOL_{service}", f"NDPI_PROTOCOL_CATEGORY_{service}"}
        if categories.intersection(words[1:3]) and not pieces[1].endswith((".", "-")):
            yield pieces[1]


def parse_clash(text: str, part: str) -> Iterator[str]:
    """Yield the names of Clash's rules `DOMAIN,name` and `DOMAIN-SUFFIX,name`."""
    for line in text.split("\n"):
        kind, _, name_and_options = line.strip().partition(",")
        if kind in ("DOMAIN", "DOMAIN-SUFFIX"):
            yield name_and_options.partition(",")[0]


def parse_zeek_intel(text: str, part: str) -> Iterator[str]:
    """Yield the names of Zeek's intelligence files: the first column if the second gives the type as a domain."""
    for line in text.split("\n"):
        columns = line.split("\t", 2)
        if len(columns) > 1 and "DOMAIN" in columns[1]:
            yield columns[0]


def parse_typed_rows(text: str, part: str) -> Iterator[str]:
    """Yield the third of comma-separated columns if the second is `domain`."""
    for line in text.split("\n"):
        columns = line.strip().split(",")
        if len(columns) > 2 and columns[1] == "domain":
            yield columns[2]


def parse_lolrmm(text: str, part: str) -> Iterator[str]:
    """Yield the items of each list `Domains:` of a tool of LOLRMM.

    The other values of the file are not valid YAML.
    """
    in_domains = False
    for line in text.split("\n"):
        text_line = line.strip()
        if in_domains and text_line.startswith("- "):
            yield text_line[2:].strip("'\" ")
        else:
            in_domains = text_line == "Domains:" or text_line == "- Domains:"


def parse_gluetun(text: str, part: str) -> Iterator[str]:
    """Yield the last two labels of the servers of servers.json.

    The provider owns this domain, and renames the hosts below it.
    """
    providers = _parse_json(text)
    for provider in providers.values() if isinstance(providers, Mapping) else ():
        for server in _read_list(provider, "servers") if isinstance(provider, Mapping) else ():
            name = server.get("hostname", "") if isinstance(server, Mapping) else ""
            if isinstance(name, str) and name:
                yield ".".join(name.rsplit(".", 2)[-2:])


def parse_links(text: str, part: str) -> Iterator[str]:
    """Yield the hosts of all links."""
    yield from _LINK_PATTERN.findall(text)


def parse_resolver_links(text: str, part: str) -> Iterator[str]:
    """Yield the hosts of encrypted resolvers in Markdown: `https://`, `tls://`, `quic://` and `h3://` in backquotes."""
    yield from _RESOLVER_PATTERN.findall(text)


def parse_item_links(text: str, title: str) -> Iterator[str]:
    """Yield the host of the first link of each item of a Markdown list below headings with this title.

    Items that FMHY marks as links to other pages and lists are left out.
    """
    in_section = False
    for line in text.split("\n"):
        if line.startswith("#"):
            in_section = line.lstrip("#►▷ ").strip() == title
        elif in_section and line.lstrip().startswith(("* ", "- ")) and not any(mark in line for mark in "🌐↪"):
            yield from _MARKDOWN_LINK_PATTERN.findall(line)[:1]


def parse_table_links(text: str, title: str) -> Iterator[str]:
    """Yield the hosts of the links in cells of an HTML table, in the part with this `<strong>` title."""
    for part in text.split("<strong>")[1:]:
        if part.partition("<")[0].strip() == title:
            yield from _CELL_LINK_PATTERN.findall(part)


def parse_dns_stamps(text: str, part: str) -> Iterator[str]:
    """Yield the texts in DNS stamps (`sdns://`) of encrypted resolvers.

    The texts are host names, and paths, which are no names.
    """
    for stamp in _STAMP_PATTERN.findall(text):
        try:
            data = base64.urlsafe_b64decode(stamp + "=" * (-len(stamp) % 4))
        except binascii.Error:
            continue
        position = _STAMP_HEADER_BYTES if data[:1] and data[0] in _ENCRYPTED_PROTOCOLS else len(data)
        while position < len(data):
            length = data[position] & 0x7F  # the high bit marks that more follow
            yield data[position + 1 : position + 1 + length].decode("ascii", "ignore")
            position += 1 + length


FORMATS: Mapping[str, Callable[[str, str], Iterator[str]]] = {
    "lines": parse_lines,
    "hosts": parse_hosts_file,
    "first_column": parse_first_column,
    "google_ranges": parse_google_ranges,
    "onionoo": parse_onionoo,
    "adguard_services": parse_adguard_services,
    "v2fly": parse_v2fly,
    "adblock": parse_adblock,
    "ranks": parse_ranks,
    "json_names": parse_json_names,
    "adguard_home": parse_adguard_home,
    "ndpi": parse_ndpi,
    "clash": parse_clash,
    "zeek_intel": parse_zeek_intel,
    "typed_rows": parse_typed_rows,
    "lolrmm": parse_lolrmm,
    "gluetun": parse_gluetun,
    "links": parse_links,
    "resolver_links": parse_resolver_links,
    "item_links": parse_item_links,
    "table_links": parse_table_links,
    "dns_stamps": parse_dns_stamps,
}
# For lists that span several files of a directory: the function that lists a file's includes.
INCLUDE_FORMATS: Mapping[str, Callable[[str], Iterator[str]]] = {"v2fly": list_v2fly_includes}


def normalise_network(text: str) -> str:
    """Return an address or a network in the spelling of the catalogue.

    Any other text stays as it is, so that a later check refuses it.
    """
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def _extract_quoted(text: str) -> str:
    """Return the text between the first two double quotes."""
    return (text.split('"', 2)[1:2] or [""])[0]


def _parse_json(text: str) -> Any:
    try:
        return parse_answer_json(text, len(text))  # the download was limited already
    except ValueError as error:
        raise ListFormatError(f"no JSON: {str(error)[:80]}") from None


def _read_list(mapping: Any, key: str) -> list[Any]:
    elements = mapping.get(key) if isinstance(mapping, Mapping) else None
    if not isinstance(elements, list):
        raise ListFormatError(f"it has no list {key!r}")
    return elements


def _read_texts(mapping: Any, keys: tuple[str, ...], list_name: str) -> Iterator[str]:
    texts = [mapping[key] for key in keys if key in mapping] if isinstance(mapping, Mapping) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ListFormatError(f"an item of {list_name} has none of {', '.join(keys)}")
    yield from texts
