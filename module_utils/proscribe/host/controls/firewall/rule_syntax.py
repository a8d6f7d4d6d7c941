"""Parts of the table in nft's notation: blocks, sets and refusing chains; and the exemptions of a host."""

from __future__ import annotations

import _socket  # the module in C; the module `socket` takes ten times as long to load
import ipaddress
from typing import Iterable, Iterator, Mapping, Sequence, Union

from ....base.named_tuple import NamedTuple

OWN_RULES = "own-rules"
RESTRICTED_SET_PREFIX = "only_"  # prefix of the set of users to whom alone a service is refused
# Reason of the exemption for the networks from which the organisation manages its hosts.
MANAGEMENT_REASON = "management"
# From the direction of the organisation's own rules to the hook.
HOOKS_BY_DIRECTION = {"in": "input", "out": "output", "forward": "forward"}
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# An application that retries forever must not fill the log. The limit allows a burst of lines for each service, and
# then a few a minute.
_LOG_LIMIT = "limit rate 6/minute burst 20 packets"
# Label of the connections of users with a waiver. After a program has closed its socket, the rest of an upload belongs
# to no user: a match of the uid alone would refuse it. It is the last of conntrack's 128 labels, because connlabel.conf
# numbers its labels from the first.
_WAIVED_LABEL = 127


class ExemptNetwork(NamedTuple):
    """Network that stays reachable, with the reason and the services whose networks contain it."""

    network: Network
    reason: str
    service_ids: tuple[str, ...] = ()


class FirewallExemptions(NamedTuple):
    """Exemptions of a host from the ruleset."""

    exempt_networks: Sequence[ExemptNetwork] = ()
    resolvers: Sequence[ExemptNetwork] = ()  # exempt for name resolution only
    resolver_ports: Sequence[int] = (53,)
    ssh_ports: Sequence[int] = (22,)
    # First and last local port of connections from the host.
    ephemeral_ports: tuple[int, int] = (32768, 60999)
    controllers: Sequence[tuple[Network, int]] = ()  # networks and ports that manage this host, for the input hook
    waived_uids: Mapping[str, Sequence[int]] = {}  # uids with a waiver, by service
    restricted_uids: Mapping[
        str, Sequence[int]
    ] = {}  # uids that alone are refused, by service; a service without an entry is refused to all
    # The accounts that alone may ask name servers; empty: all may.
    resolver_uids: Sequence[int] = ()
    unknown_users: Sequence[tuple[str, str]] = ()  # (service, user) of waivers whose user this host does not know


def format_network(network: Network) -> str:
    """Format a network as nft does: in the C library's notation, a single address without its length.

    Python's notation differs for IPv4 in IPv6.
    """
    family = _socket.AF_INET if network.version == 4 else _socket.AF_INET6
    address = _socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


def make_refusing_chain(
    suffix: str, is_logged: bool, *, is_silent: bool = False, waived_uids: Sequence[int] = ()
) -> list[str]:
    """Return a counter, and the chain that counts and refuses.

    The chain rejects at once, so that programs do not hang, or drops if `is_silent`. Packets of `waived_uids` return
    from it unchanged and uncounted.
    """
    name = suffix.lstrip("_-")
    lines = (
        [
            f"meta skuid {format_number_match(waived_uids)} ct label set {_WAIVED_LABEL}",
            f"ct label {_WAIVED_LABEL} return",
        ]
        if waived_uids
        else []
    )
    lines.append(f'counter name "refused{suffix}"')
    if is_logged:
        lines.append(f'{_LOG_LIMIT} log prefix "proscribe {name} " flags skuid')
    reject = ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"]
    chain = format_block(
        f"chain {'drop' if is_silent else 'refuse'}{suffix}", [*lines, *(["drop"] if is_silent else reject)]
    )
    return [format_block(f"counter refused{suffix}", []), chain]


def make_network_sets(
    networks: Sequence[str],
    name: str,
    *,
    reasons: Mapping[str, str] | None = None,
    field: str = "daddr",
) -> Iterator[tuple[str, str]]:
    """Yield the sets of some networks (as texts, none within another), each with the match of a rule on it.

    `name` contains `nets`, which becomes hosts4, nets4, hosts6 or nets6. Empty sets are left out: nft has no notation
    for them. Single addresses are in a hash set of their own, which costs less memory and time than intervals.
    """
    for family, type_, version, has_colon in (("ip", "ipv4_addr", 4, False), ("ip6", "ipv6_addr", 6, True)):
        for kind, has_prefix_length, flags in (("hosts", False, []), ("nets", True, ["flags interval"])):
            members = [text for text in networks if (":" in text) is has_colon and ("/" in text) is has_prefix_length]
            if members:
                set_name = name.replace("nets", f"{kind}{version}", 1)
                element_texts = [f'{text} comment "{reasons[text]}"' for text in members] if reasons else members
                elements = "elements = { " + ",\n\t\t\t     ".join(element_texts) + " }"
                yield (
                    f"{family} {field} @{set_name}",
                    format_block(f"set {set_name}", [f"type {type_}", *flags, elements]),
                )


def make_uid_set(name: str, uids: Iterable[int]) -> str:
    """Return a set of users, by their uids."""
    elements = ",\n\t\t\t     ".join(map(str, sorted(uids)))
    return format_block(f"set {name}", ["type uid", f"elements = {{ {elements} }}"])


def format_block(header: str, lines: Iterable[str]) -> str:
    """Format a part of the table with nft's indentation."""
    return "\n".join([f"\t{header} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def format_number_match(numbers: Iterable[int]) -> str:
    """Format some numbers as the right side of a match: nft lists a set of one number as the number."""
    texts = [str(number) for number in sorted(set(numbers))]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
