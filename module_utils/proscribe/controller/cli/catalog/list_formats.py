"""Parsers of publishers' lists: each reads the text of a list in one format, and yields its names or networks.

A parser also takes the part of the list to read, such as a service or a heading; formats without parts ignore it. All
functions are pure and take linear time. A publisher's list is data from a stranger, and parsers do not check its
values. Callers check each value by the grammar of its kind (list_checks.py). There, a single wrong value refuses the
whole list, except in an agreement of several lists.
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
_ENCRYPTED_PROTOCOLS = (2, 3, 4, 5)  # in DNS stamps: DoH, DoT, DoQ, target of oblivious DoH
_STAMP_HEADER_BYTES = 9  # of a DNS stamp: one byte for the protocol, eight bytes of properties


class ListFormatError(ValueError):
    """A publisher's list that is refused because of its format, values or size; the text gives the reason."""


def parse_lines(text: str, part: str) -> Iterator[str]:
    """Yield the first word of each line, without comments (from `#` or `;` to the end of the line).

    `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        words = line.partition("#")[0].partition(";")[0].split()
        yield from words[:1]


def parse_hosts_file(text: str, part: str) -> Iterator[str]:
    """Yield the names of a hosts file, whose lines are `0.0.0.0 name`, with comments after `#`.

    `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        yield from line.partition("#")[0].split()[1:]


def parse_first_column(text: str, part: str) -> Iterator[str]:
    """Yield the first column of comma-separated values (RFC 4180), as in geofeeds (RFC 8805).

    Rows with an empty first column, and comments (`#`), are skipped. Raises ListFormatError for malformed values.
    `part` is unused: this format has no parts.
    """
    try:
        for row in csv.reader(io.StringIO(text)):
            if row and row[0].strip() and not row[0].startswith("#"):
                yield row[0].strip()
    except csv.Error as error:
        raise ListFormatError(f"no comma-separated values: {error}") from None


def parse_google_ranges(text: str, part: str) -> Iterator[str]:
    """Yield the networks of a JSON document such as Google's goog.json.

    Its structure is `{"prefixes": [{"ipv4Prefix": ...}, {"ipv6Prefix": ...}]}`. Raises ListFormatError for any other
    structure. `part` is unused: this format has no parts.
    """
    for prefix in _read_list(parse_list_json(text), "prefixes"):
        yield from _read_texts(prefix, ("ipv4Prefix", "ipv6Prefix"), "prefixes")


def parse_onionoo(text: str, part: str) -> Iterator[str]:
    """Yield the IP addresses of Tor's nodes, without ports, from a JSON document of Tor's service Onionoo.

    Each node is `{"or_addresses": ["198.51.100.7:9001", "[2001:db8::1]:9001"]}`. Raises ListFormatError for any other
    structure. `part` is unused: this format has no parts.
    """
    for node in _read_list(parse_list_json(text), "relays"):
        for address in _read_list(node, "or_addresses"):
            if not isinstance(address, str):
                raise ListFormatError("or_addresses holds something that is no text")
            yield address.rpartition(":")[0].strip("[]")


def parse_adguard_services(text: str, service: str) -> Iterator[str]:
    """Yield the names of a service in AdGuard's services.json, from its rules `||example.org^`.

    `service` is the service's id in that file. Rules of any other form are skipped. Raises ListFormatError for an
    unknown id, and for a file of any other structure.
    """
    for service_entry in _read_list(parse_list_json(text), "blocked_services"):
        if isinstance(service_entry, Mapping) and service_entry.get("id") == service:
            for rule in _read_list(service_entry, "rules"):
                if isinstance(rule, str) and rule.startswith("||") and rule.endswith("^"):
                    yield rule[2:-1]
            return
    raise ListFormatError(f"it has no service {service!r}")


def parse_v2fly(text: str, part: str) -> Iterator[str]:
    """Yield the names of a file of v2fly's domain-list-community.

    Lines with names are `name`, `domain:name` or `full:name`, followed by attributes. Includes of other files
    (`include:`) and patterns (`regexp:`, `keyword:`) are skipped. Raises ListFormatError for any other prefix. `part`
    is unused: this format has no parts.
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
    """Yield the names of the files that a file of v2fly includes (`include:name`), all in its own directory."""
    for line in parse_lines(text, ""):
        if line.startswith("include:"):
            yield line.removeprefix("include:")


def parse_adblock(text: str, part: str) -> Iterator[str]:
    """Yield the names of ad blocker rules `||name^`, which block the name and all names below it.

    Options may follow the `^`. All other rules are skipped. `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        name, caret, _ = line.strip().partition("^")
        if caret and name.startswith("||"):
            yield name[2:]


def parse_ranks(text: str, part: str) -> Iterator[str]:
    """Yield the names of a ranking with lines `rank,name`, as Tranco and Umbrella publish them.

    Names come in the order of the file, which begins with the first rank. `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        rank, comma, name = line.strip().partition(",")
        if comma and rank.isdecimal():
            yield name


def parse_json_names(text: str, part: str) -> Iterator[str]:
    """Yield the names of a JSON list `[...]`, or of `{"list": [...]}`, the form of MISP (a platform for threat data).

    Raises ListFormatError for any other structure. `part` is unused: this format has no parts.
    """
    document = parse_list_json(text)
    for name in document if isinstance(document, list) else _read_list(document, "list"):
        if not isinstance(name, str):
            raise ListFormatError("the list holds something that is no text")
        yield name


def parse_adguard_home(text: str, service: str) -> Iterator[str]:
    """Yield the names of a service, or of a group of services, in servicelist.go of AdGuard Home.

    `service` is the id of the service or of the group. In the file, the `ID` of each service precedes its rules
    (`||name^`), and its `GroupID` follows them.
    """
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
    """Yield the host names of a protocol or category in the C source of nDPI, a library that recognises traffic.

    A line is `{ "name", "Title", NDPI_PROTOCOL_X, NDPI_PROTOCOL_CATEGORY_Y, ...`; `service` is its X or Y. A name that
    ends in a dot or hyphen is only the beginning of names, and is left out.
    """
    for line in text.split("\n"):
        pieces = line.split('"')
        words = [word.strip() for word in pieces[4].split(",")] if len(pieces) > 4 else []
        categories = {f"NDPI_PROTOCOL_{service}", f"NDPI_PROTOCOL_CATEGORY_{service}"}
        if categories.intersection(words[1:3]) and not pieces[1].endswith((".", "-")):
            yield pieces[1]


def parse_clash(text: str, part: str) -> Iterator[str]:
    """Yield the names of the rules `DOMAIN,name` and `DOMAIN-SUFFIX,name` of Clash, a proxy client.

    Rules of other kinds, such as `IP-CIDR`, are skipped. `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        kind, _, name_and_options = line.strip().partition(",")
        if kind in ("DOMAIN", "DOMAIN-SUFFIX"):
            yield name_and_options.partition(",")[0]


def parse_zeek_intel(text: str, part: str) -> Iterator[str]:
    """Yield the names of an intelligence file of Zeek, a network monitor.

    Columns are separated by tabs. A name is in the first column if the type in the second column contains `DOMAIN`.
    `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        columns = line.split("\t", 2)
        if len(columns) > 1 and "DOMAIN" in columns[1]:
            yield columns[0]


def parse_typed_rows(text: str, part: str) -> Iterator[str]:
    """Yield the third column of each comma-separated row whose second column is `domain`.

    `part` is unused: this format has no parts.
    """
    for line in text.split("\n"):
        columns = line.strip().split(",")
        if len(columns) > 2 and columns[1] == "domain":
            yield columns[2]


def parse_lolrmm(text: str, part: str) -> Iterator[str]:
    """Yield the items of each list `Domains:` in a file of LOLRMM, which describes a tool for remote access.

    The text is read line by line, because other values of the file are not valid YAML. `part` is unused: this format
    has no parts.
    """
    in_domains = False
    for line in text.split("\n"):
        text_line = line.strip()
        if in_domains and text_line.startswith("- "):
            yield text_line[2:].strip("'\" ")
        else:
            in_domains = text_line == "Domains:" or text_line == "- Domains:"


def parse_gluetun(text: str, part: str) -> Iterator[str]:
    """Yield the domain of every VPN server in servers.json of Gluetun, a VPN client.

    The domain is the last two labels of the server's host name. The VPN provider owns this domain, and renames the
    hosts below it. `part` is unused: this format has no parts.
    """
    providers = parse_list_json(text)
    for provider in providers.values() if isinstance(providers, Mapping) else ():
        for server in _read_list(provider, "servers") if isinstance(provider, Mapping) else ():
            name = server.get("hostname", "") if isinstance(server, Mapping) else ""
            if isinstance(name, str) and name:
                yield ".".join(name.rsplit(".", 2)[-2:])


def parse_links(text: str, part: str) -> Iterator[str]:
    """Yield the host of each link (`https://`, `http://`) in a text of any kind.

    `part` is unused: this format has no parts.
    """
    yield from _LINK_PATTERN.findall(text)


def parse_resolver_links(text: str, part: str) -> Iterator[str]:
    """Yield the hosts of encrypted DNS resolvers in Markdown.

    Their addresses are in backquotes, and begin with `https://`, `tls://`, `quic://` or `h3://`. `part` is unused: this
    format has no parts.
    """
    yield from _RESOLVER_PATTERN.findall(text)


def parse_item_links(text: str, title: str) -> Iterator[str]:
    """Yield the host of the first link of each list item in Markdown, below the headings with this title.

    FMHY, a publisher of such lists, marks links to other pages and lists with 🌐 or ↪. Items with a mark are left out.
    """
    in_section = False
    for line in text.split("\n"):
        if line.startswith("#"):
            in_section = line.lstrip("#►▷ ").strip() == title
        elif in_section and line.lstrip().startswith(("* ", "- ")) and not any(mark in line for mark in "🌐↪"):
            yield from _MARKDOWN_LINK_PATTERN.findall(line)[:1]


def parse_table_links(text: str, title: str) -> Iterator[str]:
    """Yield the hosts of the links in the cells of the HTML table with the heading `<strong>title</strong>`."""
    for part in text.split("<strong>")[1:]:
        if part.partition("<")[0].strip() == title:
            yield from _CELL_LINK_PATTERN.findall(part)


def parse_dns_stamps(text: str, part: str) -> Iterator[str]:
    """Yield the texts in DNS stamps (`sdns://`), which describe encrypted DNS resolvers.

    The texts are host names, but also addresses, hashes and paths. These are no names, so callers drop them. Stamps of
    other protocols, and stamps that are no base64, are skipped. `part` is unused: this format has no parts.
    """
    for stamp in _STAMP_PATTERN.findall(text):
        try:
            data = base64.urlsafe_b64decode(stamp + "=" * (-len(stamp) % 4))
        except binascii.Error:
            continue
        position = _STAMP_HEADER_BYTES if data[:1] and data[0] in _ENCRYPTED_PROTOCOLS else len(data)
        while position < len(data):
            length = data[position] & 0x7F  # without the high bit, which marks that more items follow
            yield data[position + 1 : position + 1 + length].decode("ascii", "ignore")
            position += 1 + length


# The parser of each format, by the name of the format in recall.yml and publishers.yml.
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
# For formats whose files include other files of the directory: the function that yields the names of these files.
INCLUDE_FORMATS: Mapping[str, Callable[[str], Iterator[str]]] = {"v2fly": list_v2fly_includes}


def normalise_network(text: str) -> str:
    """Return an address or a network in the catalogue's spelling: `198.51.100.7` becomes `198.51.100.7/32`.

    Any other text is returned unchanged, so that a later check refuses it.
    """
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def _extract_quoted(text: str) -> str:
    """Return the text between the first two double quotes; "" for a text without quotes."""
    return (text.split('"', 2)[1:2] or [""])[0]


def parse_list_json(text: str) -> Any:
    """Parse the JSON text of a list.

    Raises ListFormatError for a text that is no JSON.
    """
    try:
        return parse_answer_json(text, len(text))  # no smaller limit: the file's size was limited on reading
    except ValueError as error:
        raise ListFormatError(f"no JSON: {str(error)[:80]}") from None


def _read_list(mapping: Any, key: str) -> list[Any]:
    """Return the list that a JSON object has under a key.

    Raises ListFormatError if `mapping` is no JSON object, or has no list under this key.
    """
    elements = mapping.get(key) if isinstance(mapping, Mapping) else None
    if not isinstance(elements, list):
        raise ListFormatError(f"it has no list {key!r}")
    return elements


def _read_texts(mapping: Any, keys: tuple[str, ...], list_name: str) -> Iterator[str]:
    """Yield the texts that an item of a JSON list has under some keys.

    Each key may be missing, but not all of them. Raises ListFormatError if all are missing, or if a value is no text.
    `list_name` is the name of the JSON list, for the message.
    """
    texts = [mapping[key] for key in keys if key in mapping] if isinstance(mapping, Mapping) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ListFormatError(f"an item of {list_name} has none of {', '.join(keys)}")
    yield from texts
