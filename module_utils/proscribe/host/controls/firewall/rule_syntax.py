"""Parts of the nftables table in nft's notation: blocks, sets and chains that refuse packets.

The exemptions of a host are defined here too.
"""

from __future__ import annotations

import _socket  # the module in C; the module `socket` takes ten times as long to load
import ipaddress
from typing import Iterable, Iterator, Mapping, Sequence, Union

from ....base.named_tuple import NamedTuple

OWN_RULES = "own-rules"
RESTRICTED_SET_PREFIX = "only_"  # prefix of the name of a set of users; a service is refused to these users only
# Reason of the exemption for the networks from which the organisation manages its hosts.
MANAGEMENT_REASON = "management"
# By direction of an organisation's own rule: the hook of nftables.
HOOKS_BY_DIRECTION = {"in": "input", "out": "output", "forward": "forward"}
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# The limit allows 20 log lines in a row for each service, and then 6 a minute. Otherwise an application that retries
# forever would fill the log.
_LOG_LIMIT = "limit rate 6/minute burst 20 packets"
# Label of connections that a user with a waiver opened. It is needed because the rest of an upload belongs to no user
# after its program has closed the socket. A match of the uid alone would refuse that rest. It is the last of
# conntrack's 128 labels, because connlabel.conf numbers its labels from the first.
_WAIVED_LABEL = 127


class ExemptNetwork(NamedTuple):
    """Network that stays reachable, with the reason.

    `service_ids` are the restricted services whose networks contain it.
    """

    network: Network
    reason: str
    service_ids: tuple[str, ...] = ()


class FirewallExemptions(NamedTuple):
    """Everything on a host that makes its table differ from that of another host with the same plan."""

    exempt_networks: Sequence[ExemptNetwork] = ()
    resolvers: Sequence[ExemptNetwork] = ()  # reachable for name resolution only
    resolver_ports: Sequence[int] = (53,)
    ssh_ports: Sequence[int] = (22,)
    # First and last local port of connections from the host.
    ephemeral_ports: tuple[int, int] = (32768, 60999)
    # (network from which this host is managed, port on this host), for the input hook
    controllers: Sequence[tuple[Network, int]] = ()
    waived_uids: Mapping[str, Sequence[int]] = {}  # by service: uids of users with a waiver
    restricted_uids: Mapping[
        str, Sequence[int]
        # by service: uids of the only users to whom it is refused; a service without an entry is refused to all users
    ] = {}
    # uids of the only accounts that may query name servers; if empty, all accounts may.
    resolver_uids: Sequence[int] = ()
    # (service, user) of each waiver whose user does not exist on this host
    unknown_users: Sequence[tuple[str, str]] = ()


def format_network(network: Network) -> str:
    """Format a network as nft does: in the C library's notation, and a single address without its length.

    Python's notation differs for IPv4 addresses inside IPv6 addresses.
    """
    family = _socket.AF_INET if network.version == 4 else _socket.AF_INET6
    address = _socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


def make_refusing_chain(
    suffix: str, is_logged: bool, *, is_silent: bool = False, waived_uids: Sequence[int] = ()
) -> list[str]:
    """Return the definitions of a counter, and of a chain that counts packets and refuses them.

    The chain rejects packets, so that programs fail immediately; with `is_silent`, it drops them. `is_logged` adds a
    log line. `suffix` becomes a part of both names. Packets of the users `waived_uids` leave the chain unchanged and
    uncounted.
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
    """Yield (match of a rule, definition of its set) for networks, of which none is inside another.

    `name` contains `nets`, which becomes hosts4, nets4, hosts6 or nets6. A set without elements is left out: nft has no
    notation for it. Single addresses have a separate set. It is a hash, which needs less memory and time than
    intervals.

    `reasons` has, by network, the comment of the element. `field` is the address that the match compares: saddr
    (source) or daddr (destination).
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
    """Return the definition of a set of users, by their uids."""
    elements = ",\n\t\t\t     ".join(map(str, sorted(uids)))
    return format_block(f"set {name}", ["type uid", f"elements = {{ {elements} }}"])


def format_block(header: str, lines: Iterable[str]) -> str:
    """Format a block of the table (the definition of a set, chain or counter) with nft's indentation."""
    return "\n".join([f"\t{header} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def format_number_match(numbers: Iterable[int]) -> str:
    """Format numbers as the right side of a match. nft writes a single number without braces."""
    texts = [str(number) for number in sorted(set(numbers))]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
