"""IPv4 addresses that lie in IPv6 addresses, by which a translator or a tunnel in the network reaches them.

A rule compares the bits of the IPv4 address alone. The set of a service holds them with all other bits zero. So
translators that ignore bits 64 to 71, or what follows the address, are no way around the rule.
"""

from __future__ import annotations

import _socket
import ipaddress
from typing import Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from .rule_text import Network, block_of

_LOCAL_USE = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215: an organisation picks its prefixes there


class Shape(NamedTuple):
    """Where an IPv6 address has the IPv4 address: after so many bits (RFC 6052 skips 64 to 71), perhaps inverted."""

    bits_before: int
    inverted: bool = False

    @property
    def chain(self) -> str:
        return f"carried-{self.bits_before}{'-inverted' * self.inverted}"


_FIXED = {
    "64:ff9b::/96": Shape(96),  # NAT64, RFC 6052
    "2002::/16": Shape(16),  # 6to4, RFC 3056
    "2001::/32": Shape(96, inverted=True),  # Teredo, RFC 4380
    "::/96": Shape(96),  # IPv4-compatible, RFC 4291
}

Carriers = Mapping[str, Shape]  # by prefix


def carriers(nat64: Sequence[str]) -> Carriers:
    """Return the prefixes whose addresses carry IPv4. `nat64` are those of the organisation's own translators.

    In the block for local use a prefix of 96 bits is assumed where the organisation names none there.
    """
    own = {text: Shape(int(text.rpartition("/")[2])) for text in nat64}
    local = any(_LOCAL_USE.overlaps(ipaddress.ip_network(text)) for text in own)
    return {**_FIXED, **({} if local else {str(_LOCAL_USE): Shape(96)}), **own}


def carry(text: str, prefix: bytes) -> str:
    """Return an IPv4 network as the network of the IPv6 addresses that carry it, as nft spells it.

    `prefix` is what stands before the IPv4 address.
    """
    address, _, length = text.partition("/")
    spelling = _spell(_place(_socket.inet_pton(_socket.AF_INET, address), prefix))
    if not length:
        return spelling
    end = 8 * len(prefix) + int(length)
    return f"{spelling}/{end + 8 if len(prefix) < 12 and end > 64 else end}"


def carried_in(network: Network, among: Carriers) -> list[Network]:
    """Return the IPv4 networks that the addresses of an IPv6 network carry."""
    pairs = []
    for prefix, shape in among.items() if network.version == 6 else ():
        outer = ipaddress.ip_network(prefix)
        if outer.prefixlen <= network.prefixlen and outer.overlaps(network):
            skipped = 8 if shape.bits_before < 96 and network.prefixlen >= 72 else 0
            length = min(max(network.prefixlen - skipped - shape.bits_before, 0), 32)
            pairs.append((_take(network.network_address.packed, shape), length))
    return [ipaddress.ip_network(pair, strict=False) for pair in pairs]


def matches(texts: Iterable[str], name: str, among: Carriers, blocks: list[str]) -> Iterator[tuple[Shape, str]]:
    """Yield the matches of the IPv4 networks of a set, by shape. Their sets are added to `blocks`."""
    v4 = [text for text in texts if ":" not in text]
    shapes = dict.fromkeys(among.values())
    for bits_before in dict.fromkeys(shape.bits_before for shape in shapes):
        prefix = bytes(bits_before // 8)
        mask = _spell(_place(b"\xff" * 4, prefix))
        for kind, slash, flags in (("hosts", False, []), ("nets", True, ["flags interval"])):
            members = [carry(text, prefix) for text in v4 if ("/" in text) is slash]
            if not members:
                continue
            set_name = name.replace("nets", f"{kind}4in{bits_before}", 1)
            elements = "elements = { " + ",\n\t\t\t     ".join(members) + " }"
            blocks.append(block_of(f"set {set_name}", ["type ipv6_addr", *flags, elements]))
            for shape in shapes:
                if shape.bits_before == bits_before:
                    inverting = f" ^ {mask}" if shape.inverted else ""
                    yield shape, f"ip6 daddr & {mask}{inverting} == @{set_name}"


def matches_with_prefix(texts: Iterable[str], name: str, among: Carriers, blocks: list[str]) -> Iterator[str]:
    """Yield the whole matches of the IPv4 networks of a set, each with its prefix."""
    for shape, match in matches(texts, name, among, blocks):
        yield from (f"ip6 daddr {prefix} {match}" for prefix, own in among.items() if own == shape)


def listable(texts: Sequence[str], nat64: Sequence[str]) -> list[str]:
    """Return the IPv6 networks that carry some IPv4 networks, for lists that have no masks.

    No router passes IPv4-compatible addresses on, so no list has them.
    """
    prefixes = [
        outer.network_address.packed[: shape.bits_before // 8]
        for outer, shape in ((ipaddress.ip_network(text), shape) for text, shape in carriers(nat64).items())
        if outer.prefixlen == shape.bits_before and not shape.inverted and int(outer.network_address)
    ]
    return [carry(text, prefix) for prefix in prefixes for text in texts if ":" not in text]


def _place(address: bytes, prefix: bytes) -> bytes:
    """Put an IPv4 address behind a prefix."""
    placed = prefix + address
    if len(prefix) < 12 and len(placed) > 8:
        placed = placed[:8] + b"\0" + placed[8:]
    return placed.ljust(16, b"\0")


def _take(address: bytes, shape: Shape) -> bytes:
    """Take the IPv4 address out of an IPv6 address."""
    if shape.bits_before < 96:
        address = address[:8] + address[9:]
    taken = address[shape.bits_before // 8 :][:4]
    return bytes(byte ^ 0xFF for byte in taken) if shape.inverted else taken


def _spell(address: bytes) -> str:
    return _socket.inet_ntop(_socket.AF_INET6, address)
