"""Parts of the table as nft lists them: blocks, sets, chains that refuse, and what a host's exemptions are."""

from __future__ import annotations

import _socket  # the part in C; the module around it takes ten times as long to load
import ipaddress
from typing import Iterable, Iterator, Mapping, Sequence, Union

from ....base.tuples import NamedTuple

OWN_RULES = "own-rules"
RESTRICTED_SET_PREFIX = "only_"  # the set of the users to whom alone a service is refused
MANAGEMENT_REASON = "management"  # the reason of an exemption, and where the organisation manages its hosts from
HOOKS_BY_DIRECTION = {"in": "input", "out": "output", "forward": "forward"}  # of the organisation's own rules, to hooks
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# An application that keeps trying must not fill the log: this many lines a service at once, and then a few a minute.
_LOG_LIMIT = "limit rate 6/minute burst 20 packets"
# Marks the connections of users whom a waiver lets through. After a program has closed its socket, the rest of an
# upload belongs to no user any more: by the user's number alone it would be refused.
# The last of conntrack's 128 labels: those that connlabel.conf names are numbered from the first.
_WAIVED_LABEL = 127


class ExemptNetwork(NamedTuple):
    """Addresses that stay reachable, why, and the services in whose networks they lie."""

    network: Network
    reason: str
    service_ids: tuple[str, ...] = ()


class FirewallExemptions(NamedTuple):
    """What of a host the ruleset lets pass."""

    exempt_networks: Sequence[ExemptNetwork] = ()
    resolvers: Sequence[ExemptNetwork] = ()  # for name resolution only
    resolver_ports: Sequence[int] = (53,)
    ssh_ports: Sequence[int] = (22,)
    # First and last local port of the connections that the host opens itself.
    ephemeral_ports: tuple[int, int] = (32768, 60999)
    controllers: Sequence[tuple[Network, int]] = ()  # who manages this host over which port, for the input hook
    waived_uids: Mapping[str, Sequence[int]] = {}  # whom a waiver lets through, by service
    restricted_uids: Mapping[
        str, Sequence[int]
    ] = {}  # who alone is refused, by service; a service that is not there: everybody
    # The accounts that alone may ask name servers; none: everybody may.
    resolver_uids: Sequence[int] = ()
    unknown_users: Sequence[
        tuple[str, str]
    ] = ()  # whom a waiver names and this host does not know, each with a service


def format_network(network: Network) -> str:
    """A network as nft writes it: in the C library's notation (Python's differs for IPv4 in IPv6), one address bare."""
    family = _socket.AF_INET if network.version == 4 else _socket.AF_INET6
    address = _socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


def make_refusing_chain(
    suffix: str, is_logged: bool, *, is_silent: bool = False, waived_uids: Sequence[int] = ()
) -> list[str]:
    """A counter and the chain that counts and refuses; refusing at once, so that programs do not hang, or (`is_silent`)
    dropping. Whom a waiver lets through, by user number, goes back untouched and uncounted.
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
    """The sets that hold some networks (spelled, none within another), each with the match of a rule on it.

    `name` has `nets` in it, which becomes hosts4, nets4, hosts6, nets6. Empty ones are left out: nft has no spelling
    for them. Single addresses lie in a hash set of their own, which costs less memory and time than intervals.
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
    """A set of users, by their numbers."""
    elements = ",\n\t\t\t     ".join(map(str, sorted(uids)))
    return format_block(f"set {name}", ["type uid", f"elements = {{ {elements} }}"])


def format_block(header: str, lines: Iterable[str]) -> str:
    """A part of the table, as nft indents it."""
    return "\n".join([f"\t{header} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def format_number_match(numbers: Iterable[int]) -> str:
    """Some numbers as the right side of a match: nft lists a set of one as the one."""
    texts = [str(number) for number in sorted(set(numbers))]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
