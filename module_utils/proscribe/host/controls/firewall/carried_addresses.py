"""IPv4 addresses inside IPv6 addresses, by which a translator or a tunnel in the network reaches IPv4 hosts.

A carrier is an IPv6 prefix whose addresses contain (carry) an IPv4 address. Examples are 64:ff9b::/96 of NAT64
translators, and 2002::/16 of the tunnel 6to4.

A rule compares only the bits of the IPv4 address. The set of a service has IPv6 addresses in which all other bits are
zero. So the rule also applies if a translator ignores bits 64 to 71, or the bits after the IPv4 address.
"""

from __future__ import annotations

import _socket
import ipaddress
from typing import Iterable, Iterator, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from .rule_syntax import Network, format_block

# RFC 8215: an organisation chooses its prefixes in this network
_LOCAL_USE_NETWORK = ipaddress.ip_network("64:ff9b:1::/48")


class CarrierShape(NamedTuple):
    """Position of the IPv4 address in an IPv6 address.

    `bits_before` is the number of bits before it (bits 64 to 71 are skipped: RFC 6052). `is_inverted` is True if its
    bits are inverted.
    """

    bits_before: int
    is_inverted: bool = False

    @property
    def chain_name(self) -> str:
        """Name of the chain of nft that compares addresses with this position."""
        return f"carried-{self.bits_before}{'-inverted' * self.is_inverted}"


_FIXED_CARRIERS = {
    "64:ff9b::/96": CarrierShape(96),  # NAT64, RFC 6052
    "2002::/16": CarrierShape(16),  # 6to4, RFC 3056
    "2001::/32": CarrierShape(96, is_inverted=True),  # Teredo, RFC 4380
    "::/96": CarrierShape(96),  # IPv4-compatible, RFC 4291
}

CarrierPrefixes = Mapping[str, CarrierShape]  # by IPv6 prefix: the position of the IPv4 address


def list_carriers(nat64: Sequence[str]) -> CarrierPrefixes:
    """Return the IPv6 prefixes whose addresses carry an IPv4 address, each with the position of the IPv4 address.

    `nat64` has the prefixes of the organisation's own translators. A whole network is for local use (RFC 8215). If no
    prefix of `nat64` is in it, that whole network counts as a prefix too. Its addresses then have the IPv4 address in
    their last 32 bits.
    """
    own_carriers = {text: CarrierShape(int(text.rpartition("/")[2])) for text in nat64}
    has_local_prefix = any(_LOCAL_USE_NETWORK.overlaps(ipaddress.ip_network(text)) for text in own_carriers)
    return {
        **_FIXED_CARRIERS,
        **({} if has_local_prefix else {str(_LOCAL_USE_NETWORK): CarrierShape(96)}),
        **own_carriers,
    }


def convert_to_carried(text: str, prefix: bytes) -> str:
    """Convert an IPv4 network to the network of the IPv6 addresses that carry it, in nft's notation.

    `prefix` has the bytes before the IPv4 address. A network of one address has no length in that notation.
    """
    address, _, length = text.partition("/")
    address_text = _format_address(_place_address(_socket.inet_pton(_socket.AF_INET, address), prefix))
    if not length:
        return address_text
    # If the network extends beyond bit 64, the eight bits that `_place_address` skips count too.
    end = 8 * len(prefix) + int(length)
    return f"{address_text}/{end + 8 if len(prefix) < 12 and end > 64 else end}"


def list_carried_networks(network: Network, carriers: CarrierPrefixes) -> list[Network]:
    """Return the IPv4 networks that the addresses of an IPv6 network carry; [] for an IPv4 network."""
    pairs = []
    for prefix, shape in carriers.items() if network.version == 6 else ():
        carrier_network = ipaddress.ip_network(prefix)
        if carrier_network.prefixlen <= network.prefixlen and carrier_network.overlaps(network):
            # Bits 64 to 71 are no part of the IPv4 address, so they do not count in its length.
            skipped_bits = 8 if shape.bits_before < 96 and network.prefixlen >= 72 else 0
            length = min(max(network.prefixlen - skipped_bits - shape.bits_before, 0), 32)
            pairs.append((_extract_address(network.network_address.packed, shape), length))
    return [ipaddress.ip_network(pair, strict=False) for pair in pairs]


def make_shape_matches(
    texts: Iterable[str], name: str, carriers: CarrierPrefixes, blocks: list[str]
) -> Iterator[tuple[CarrierShape, str]]:
    """Yield (position of the IPv4 address, match of nft) for packets to IPv6 addresses that carry an IPv4 network.

    `texts` are networks, of which only those of IPv4 count. A match is an expression that compares the IPv4 part of the
    destination with a set. It does not compare the prefix of the address.

    The definitions of the sets are added to `blocks`. Their names are `name` with another word in place of `nets`.
    """
    ipv4_texts = [text for text in texts if ":" not in text]
    shapes = dict.fromkeys(carriers.values())
    for bits_before in dict.fromkeys(shape.bits_before for shape in shapes):
        prefix = bytes(bits_before // 8)
        mask = _format_address(_place_address(b"\xff" * 4, prefix))
        for kind, has_prefix_length, flags in (("hosts", False, []), ("nets", True, ["flags interval"])):
            members = [convert_to_carried(text, prefix) for text in ipv4_texts if ("/" in text) is has_prefix_length]
            if not members:
                continue
            set_name = name.replace("nets", f"{kind}4in{bits_before}", 1)
            elements = "elements = { " + ",\n\t\t\t     ".join(members) + " }"
            blocks.append(format_block(f"set {set_name}", ["type ipv6_addr", *flags, elements]))
            for shape in shapes:
                if shape.bits_before == bits_before:
                    inversion = f" ^ {mask}" if shape.is_inverted else ""
                    yield shape, f"ip6 daddr & {mask}{inversion} == @{set_name}"


def make_prefix_matches(texts: Iterable[str], name: str, carriers: CarrierPrefixes, blocks: list[str]) -> Iterator[str]:
    """Yield the matches of `make_shape_matches`, each for one IPv6 prefix, so that it is complete."""
    for shape, match in make_shape_matches(texts, name, carriers, blocks):
        yield from (f"ip6 daddr {prefix} {match}" for prefix, prefix_shape in carriers.items() if prefix_shape == shape)


def list_carrying_networks(texts: Sequence[str], nat64: Sequence[str]) -> list[str]:
    """Return the IPv6 networks that carry some IPv4 networks, for exported lists that cannot have masks.

    `texts` are networks, of which only those of IPv4 count. `nat64` is explained at `list_carriers`.

    IPv4-compatible addresses are left out, because no router forwards them. Teredo is left out, because its bits are
    inverted. So are prefixes that leave bits between the prefix and the IPv4 address.
    """
    prefixes = [
        carrier_network.network_address.packed[: shape.bits_before // 8]
        for carrier_network, shape in (
            (ipaddress.ip_network(text), shape) for text, shape in list_carriers(nat64).items()
        )
        if carrier_network.prefixlen == shape.bits_before
        and not shape.is_inverted
        and int(carrier_network.network_address)
    ]
    return [convert_to_carried(text, prefix) for prefix in prefixes for text in texts if ":" not in text]


def _place_address(address: bytes, prefix: bytes) -> bytes:
    """Return the IPv6 address with an IPv4 address behind a prefix. Bits 64 to 71 are skipped."""
    packed_address = prefix + address
    if len(prefix) < 12 and len(packed_address) > 8:
        packed_address = packed_address[:8] + b"\0" + packed_address[8:]
    return packed_address.ljust(16, b"\0")


def _extract_address(packed_address: bytes, shape: CarrierShape) -> bytes:
    """Return the IPv4 address inside an IPv6 address."""
    if shape.bits_before < 96:
        packed_address = packed_address[:8] + packed_address[9:]
    carried_address = packed_address[shape.bits_before // 8 :][:4]
    return bytes(byte ^ 0xFF for byte in carried_address) if shape.is_inverted else carried_address


def _format_address(address: bytes) -> str:
    return _socket.inet_ntop(_socket.AF_INET6, address)
