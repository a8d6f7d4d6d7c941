"""Parsers of two further formats of publishers' lists: announced networks, and web addresses of gateways.

list_formats.py has the parsers of all other formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .list_formats import ListFormatError, parse_list_json


def parse_ripestat(text: str, part: str) -> Iterator[str]:
    """Yield the networks that an autonomous system announces, from RIPEstat's `announced-prefixes`.

    The document is `{"status": "ok", "data": {"prefixes": [{"prefix": "198.51.100.0/24"}]}}`. Raises ListFormatError
    for any other structure. `part` is unused: this format has no parts.
    """
    document = parse_list_json(text)
    data = document.get("data") if isinstance(document, Mapping) and document.get("status") == "ok" else None
    prefixes = data.get("prefixes") if isinstance(data, Mapping) else None
    if not isinstance(prefixes, list):
        raise ListFormatError("it has no list data.prefixes with status ok")
    for announcement in prefixes:
        prefix = announcement.get("prefix") if isinstance(announcement, Mapping) else None
        if not isinstance(prefix, str):
            raise ListFormatError("an item of data.prefixes has no prefix")
        yield prefix


def parse_json_addresses(text: str, part: str) -> Iterator[str]:
    """Yield the hosts of a JSON list of web addresses: `["https://gateway.example", "https://x.example/ipfs/:hash"]`.

    Raises ListFormatError for any other structure. `part` is unused: this format has no parts.
    """
    document = parse_list_json(text)
    if not isinstance(document, list):
        raise ListFormatError("it is no list")
    for address in document:
        if not isinstance(address, str):
            raise ListFormatError("an item is no text")
        yield _extract_host(address)


def _extract_host(address: str) -> str:
    """Return the host of a gateway's web address, without port. Raises ListFormatError for other texts.

    In `https://:hash.ipfs.example`, `:hash` is a placeholder: the gateway has a host for each content. The result is
    the parent of these hosts, `ipfs.example`.
    """
    scheme, _, location = address.partition("://")
    if scheme not in ("https", "http"):
        raise ListFormatError("an item is no address with https://")
    return location.partition("/")[0].removeprefix(":hash.").partition(":")[0]


FORMATS: Mapping[str, Callable[[str, str], Iterator[str]]] = {
    "ripestat": parse_ripestat,
    "json_addresses": parse_json_addresses,
}
