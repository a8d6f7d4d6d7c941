"""The forms of lists that are no list of names: routing data, and gateways by their addresses. As formats.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ....wire.replies.parsing import parse_answer_json
from .formats import Unreadable


def ripestat(text: str, service: str) -> Iterator[str]:
    """What an autonomous system announces, as RIPEstat's `announced-prefixes` has it:
    `{"status": "ok", "data": {"prefixes": [{"prefix": "198.51.100.0/24"}]}}`.
    """
    answer = _json(text)
    data = answer.get("data") if isinstance(answer, Mapping) and answer.get("status") == "ok" else None
    prefixes = data.get("prefixes") if isinstance(data, Mapping) else None
    if not isinstance(prefixes, list):
        raise Unreadable("it has no list data.prefixes with status ok")
    for one in prefixes:
        prefix = one.get("prefix") if isinstance(one, Mapping) else None
        if not isinstance(prefix, str):
            raise Unreadable("an item of data.prefixes has no prefix")
        yield prefix


def json_addresses(text: str, service: str) -> Iterator[str]:
    """The hosts in a list of addresses: `["https://gateway.example", "https://other.example/ipfs/:hash"]`."""
    answer = _json(text)
    if not isinstance(answer, list):
        raise Unreadable("it is no list")
    for address in answer:
        if not isinstance(address, str):
            raise Unreadable("an item is no text")
        yield _host(address)


def _host(address: str) -> str:
    """The host of an address. Where each content has a host (`https://:hash.ipfs.example`), the one above."""
    scheme, _, rest = address.partition("://")
    if scheme not in ("https", "http"):
        raise Unreadable("an item is no address with https://")
    return rest.partition("/")[0].removeprefix(":hash.").partition(":")[0]


def _json(text: str) -> Any:
    try:
        return parse_answer_json(text, len(text))  # its bytes were limited
    except ValueError as error:
        raise Unreadable(f"no JSON: {str(error)[:80]}") from None


FORMATS: Mapping[str, Callable[[str, str], Iterator[str]]] = {"ripestat": ripestat, "json_addresses": json_addresses}
