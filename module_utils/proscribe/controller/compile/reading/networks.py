"""Networks of a plan: merged, and spelled as the packet filter lists them."""

from __future__ import annotations

import bisect
import functools
import ipaddress
from collections.abc import Iterable, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IPv4 addresses in IPv6 notation: the C library and Python spell them differently, and no packet has them.
_EMBEDDED = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("::/96"))


class NetworkTable:
    """A table from networks that do not overlap to texts, searchable by any address."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        # key: IP version; values, sorted: first address and last address of a network as numbers, and its text
        self._ranges: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for network, text in texts.items():
            parsed_network = ipaddress.ip_network(network)
            self._ranges[parsed_network.version].append((*_get_bounds(parsed_network), text))
        for ranges in self._ranges.values():
            ranges.sort()

    def find_text(self, network: Network) -> str:
        """Return the text of the table's first network that overlaps `network`; "" if there is none."""
        ranges = self._ranges[network.version]
        first, last = _get_bounds(network)
        index = bisect.bisect_left(ranges, first, key=lambda entry: entry[1])
        return ranges[index][2] if index < len(ranges) and ranges[index][0] <= last else ""


def _get_bounds(network: Network) -> tuple[int, int]:
    """Return the first and the last address of a network as numbers."""
    return int(network.network_address), int(network.broadcast_address)


def merge_networks(texts: Iterable[str]) -> list[str]:
    """Return IPv4 and IPv6 networks without duplicates and overlaps, which the packet filter refuses.

    Adjacent networks are joined, and a network of a single address is spelled as the address. IPv4 comes first, and
    addresses are in order.
    """
    networks = [parse_network(text) for text in texts]
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    collapsed: list[Network] = [*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6)]
    return [format_network(network) for network in collapsed]


@functools.cache
def parse_network(text: str) -> Network:
    """Parse a network of a plan. Raises ValueError. The result is cached, because many plans share their networks."""
    return ipaddress.ip_network(text)


def format_network(network: Network) -> str:
    """Format a network as the packet filter lists it. The text is built from the numbers, so a zone is lost."""
    if getattr(network.network_address, "scope_id", None) is not None:
        network = ipaddress.ip_network((network.network_address.packed, network.prefixlen))
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def parse_rule_network(text: str) -> Network | None:
    """Parse an address or network for a rule; None for other text, or if bits beyond the prefix are set.

    A zone (`fe80::1%eth0`) gives None: Python accepts any text there, and no rule can have a zone.
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
