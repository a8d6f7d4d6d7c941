"""Networks of a plan: merged, and spelled as the packet filter lists them."""

from __future__ import annotations

import bisect
import functools
import ipaddress
from collections.abc import Iterable, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IPv4 addresses in IPv6 notation: the C library spells them otherwise than Python, and no packet carries one.
_EMBEDDED = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("::/96"))


class NetworkTable:
    """A text for each of some networks, none of which overlap; found by any address in them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._ranges: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for network, text in texts.items():
            parsed_network = ipaddress.ip_network(network)
            self._ranges[parsed_network.version].append((*_get_bounds(parsed_network), text))
        for ranges in self._ranges.values():
            ranges.sort()

    def find_text(self, network: Network) -> str:
        """The text of the first one that a network has addresses of; "" for none."""
        ranges = self._ranges[network.version]
        first, last = _get_bounds(network)
        index = bisect.bisect_left(ranges, first, key=lambda entry: entry[1])
        return ranges[index][2] if index < len(ranges) and ranges[index][0] <= last else ""


def _get_bounds(network: Network) -> tuple[int, int]:
    return int(network.network_address), int(network.broadcast_address)


def merge_networks(texts: Iterable[str]) -> list[str]:
    """Networks of both families without duplicates and overlaps, which the packet filter does not take. Neighbours are
    joined, and a network of one address is spelled as the address. IPv4 first, in the order of the addresses.
    """
    networks = [parse_network(text) for text in texts]
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    collapsed: list[Network] = [*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6)]
    return [format_network(network) for network in collapsed]


@functools.cache
def parse_network(text: str) -> Network:
    """A network of a plan, most of which many plans have. Raises ValueError."""
    return ipaddress.ip_network(text)


def format_network(network: Network) -> str:
    """A network as the packet filter lists it: its numbers written anew, whatever else the text held."""
    if getattr(network.network_address, "scope_id", None) is not None:
        network = ipaddress.ip_network((network.network_address.packed, network.prefixlen))
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def parse_rule_network(text: str) -> Network | None:
    """An address or network that a rule can name; None for what is none, or has bits beyond its length set.

    A zone (`fe80::1%eth0`) is none of it: Python takes any text there, and no rule can have one.
    """
    if "%" in text:
        return None
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and any(network.subnet_of(embedded) for embedded in _EMBEDDED):
        return None
    return network
