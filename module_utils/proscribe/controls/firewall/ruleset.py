"""The nftables table that a plan calls for, as text, in the very spelling in which nft lists it.

    output, forward -> restricted -> refuse_<service>
    input           ->                                    (only where the organisation has rules of its own for it)
                    -> own-in, own-out, own-forward

`restricted` first lets pass what would cut the host off, then sends each service's addresses to the chain that counts,
logs and refuses them. Only a refusal is final: an accept ends our own base chains, and other tables still judge the
packet (nft(8), "verdict statements"). So the ban holds beside any other firewall and opens nothing that another one
closes.

A name is a prefix, "_" and the service id, so that no id (`element`, `session`) can be a keyword of nft; what is no
service's (`dns-over-tls`, `quic`, `plain-dns`, `own-rules`) stands behind a dash.
"""

from __future__ import annotations

import _socket  # the part in C; the module around it takes ten times as long to load
import functools
import ipaddress
from typing import Any, Iterable, Iterator, Mapping, Sequence, Union

from ...host import WRITTEN_BY
from ...plan import RESTRICTED
from ...tuples import NamedTuple

TABLE = "proscribe"
DNS_OVER_TLS = "dns-over-tls"
QUIC = "quic"
PLAIN_DNS = "plain-dns"
OWN_RULES = "own-rules"
MANAGEMENT = "management"  # the reason of an exemption, and where the organisation manages its hosts from
DIRECTIONS = {"in": "input", "out": "output", "forward": "forward"}  # of the organisation's own rules, to hooks
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# An application that keeps trying must not fill the log: this many lines a service at once, and then a few a minute.
_LOG_LIMIT = "limit rate 6/minute burst 20 packets"
# Marks the connections of users whom a waiver lets through. A packet that is sent after the program has closed its
# socket (the rest of an upload) belongs to no user any more, and would be refused by the user's number alone.
# The last of conntrack's 128 labels: those that connlabel.conf names are numbered from the first.
_LET_THROUGH = 127


class Exempt(NamedTuple):
    """Addresses that stay reachable, why, and the services in whose networks they lie."""

    network: Network
    reason: str
    services: tuple[str, ...] = ()


class Lifelines(NamedTuple):
    """What of a host the ruleset lets pass."""

    exempt: Sequence[Exempt] = ()
    resolvers: Sequence[Exempt] = ()  # for name resolution only
    resolver_ports: Sequence[int] = (53,)
    ssh_ports: Sequence[int] = (22,)
    # First and last local port of the connections that the host opens itself.
    ephemeral: tuple[int, int] = (32768, 60999)
    controllers: Sequence[tuple[Network, int]] = ()  # who manages this host over which port, for the input hook
    users: Mapping[str, Sequence[int]] = {}  # whom a waiver lets through, by service
    # The accounts that alone may ask name servers; none: everybody may.
    askers: Sequence[int] = ()
    unknown_users: Sequence[
        tuple[str, str]
    ] = ()  # whom a waiver names and this host does not know, each with a service


def refused(section: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The services of a plan's section whose networks have to be refused, by id."""
    services = section["services"].items()
    return {id_: entry for id_, entry in sorted(services) if entry["mode"] in RESTRICTED and entry["networks"]}


def own_rules(section: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The organisation's own rules of a plan's section."""
    return section["settings"].get("rules") or ()


def refused_everywhere(section: Mapping[str, Any]) -> dict[str, str]:
    """What is refused whatever the address, by rule: the match of it."""
    wanted = section["settings"]
    found = {}
    if wanted.get("dns_over_tls") == "blocked":
        found[DNS_OVER_TLS] = f"{_over_tcp_and_udp('dport', [853])}"
    if wanted.get("quic") == "blocked":
        found[QUIC] = "udp dport 443"
    return found


def networks(entry: Mapping[str, Any]) -> list[Network]:
    """A service's networks, parsed."""
    return _parsed(tuple(entry["networks"]))


@functools.cache
def _parsed(texts: tuple[str, ...]) -> list[Network]:
    return [ipaddress.ip_network(text) for text in texts]


def spelled(network: Network) -> str:
    """A network as nft writes it: in the C library's notation (Python's differs for IPv4 in IPv6), one address bare."""
    family = _socket.AF_INET if network.version == 4 else _socket.AF_INET6
    address = _socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


def render(section: Mapping[str, Any], lifelines: Lifelines) -> str:
    """The file that replaces the table in one transaction; "" where nothing is to be refused and no rule is set."""
    logged = bool(section["settings"].get("log"))
    blocks: list[str] = []
    rules: list[str] = []
    for rule, match in refused_everywhere(section).items():
        blocks += refusing(f"-{rule}", logged)
        rules.append(f"{match} jump refuse-{rule}")
    for id_, entry in refused(section).items():
        blocks += refusing(f"_{id_}", logged, let=lifelines.users.get(id_, ()))
        ports = _over_tcp_and_udp("dport", entry["ports"]) + " " if entry["ports"] else ""
        for match, block in sets(entry["networks"], f"nets_{id_}"):
            blocks.append(block)
            rules.append(f"{match} {ports}jump refuse_{id_}")
    forced = []
    if lifelines.askers:
        blocks += refusing(f"-{PLAIN_DNS}", logged, let=lifelines.askers)
        forced = [f"{_over_tcp_and_udp('dport', [53])} jump refuse-{PLAIN_DNS}"]
    hooks = {"output": ['oifname "lo" accept', "jump restricted"], "forward": ["jump restricted"]}
    if own_rules(section):
        from . import own  # most organisations have none, and an audit pays for every line that a host compiles

        for hook, lines in own.render(own_rules(section), lifelines, blocks, logged).items():
            hooks.setdefault(hook, []).extend(lines)
    elif not rules and not forced:
        return ""
    passing = list(_passing(lifelines, blocks, forced))
    blocks.append(block_of("chain restricted", [*passing, *rules]))
    for hook, lines in hooks.items():
        # What a host says to itself, its own outer addresses included, leaves through lo.
        kind = f"type filter hook {hook} priority filter - 10; policy accept;"
        blocks.append(block_of(f"chain {hook}", [kind, *lines]))
    head = [f"# {WRITTEN_BY}", f"table inet {TABLE}", f"delete table inet {TABLE}"]  # `destroy` would need Linux 6.3
    return "\n".join([*head, f"table inet {TABLE} {{", f'\tcomment "{WRITTEN_BY}"', *blocks, "}", ""])


def _passing(lifelines: Lifelines, blocks: list[str], forced: Sequence[str]) -> Iterator[str]:
    """The rules that come first, and the sets they need.

    `forced` says who may ask name servers at all; what this host asks is let pass for them only.
    """
    # The SSH session over which the table arrives may be older than connection tracking on this host. Then its next
    # packet is the first one seen, and "reply" says nothing of it. A connection from here starts with a bare SYN, which
    # this rule does not let pass: it helps nobody out, whatever local port they take.
    yield f"tcp sport {either(lifelines.ssh_ports)} tcp flags & (syn | ack) != syn accept"
    # Answers to connections from outside. Not so from the ports of connections that this host opened: one of those that
    # is older than connection tracking would pass as an answer if the other side happens to speak first.
    first, last = lifelines.ephemeral
    yield f"ct direction reply meta l4proto {{ tcp, udp }} th sport != {first}-{last} accept"
    # A neighbour on the link that cannot find this host cannot reach it either, whoever it is (RFC 4861).
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    for name, exempt, ports, before in (
        ("exempt", lifelines.exempt, "", ()),
        ("resolvers", lifelines.resolvers, _over_tcp_and_udp("dport", lifelines.resolver_ports) + " ", forced),
    ):
        yield from before
        reasons = {spelled(entry.network): entry.reason for entry in exempt}
        for match, block in sets(list(reasons), f"{name}-nets", reasons=reasons):
            blocks.append(block)
            yield f"{match} {ports}accept"


def refusing(suffix: str, logged: bool, *, silent: bool = False, let: Sequence[int] = ()) -> list[str]:
    """A counter and the chain that counts and refuses; refusing at once, so that programs do not hang, or (`silent`)
    dropping. Whom a waiver lets through, by user number, goes back untouched and uncounted.
    """
    name = suffix.lstrip("_-")
    lines = [f"meta skuid {either(let)} ct label set {_LET_THROUGH}", f"ct label {_LET_THROUGH} return"] if let else []
    lines.append(f'counter name "refused{suffix}"')
    if logged:
        lines.append(f'{_LOG_LIMIT} log prefix "proscribe {name} " flags skuid')
    reject = ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"]
    chain = block_of(f"chain {'drop' if silent else 'refuse'}{suffix}", [*lines, *(["drop"] if silent else reject)])
    return [block_of(f"counter refused{suffix}", []), chain]


def sets(
    of: Sequence[str],
    name: str,
    *,
    reasons: Mapping[str, str] | None = None,
    field: str = "daddr",
) -> Iterator[tuple[str, str]]:
    """The sets that hold some networks (spelled, none within another), each with the match of a rule on it.

    `name` has `nets` in it, which becomes hosts4, nets4, hosts6, nets6. Empty ones are left out: nft has no spelling
    for them. Single addresses lie in a hash set of their own, which costs less memory and time than intervals.
    """
    for family, type_, version, colon in (("ip", "ipv4_addr", 4, False), ("ip6", "ipv6_addr", 6, True)):
        for kind, slash, flags in (("hosts", False, []), ("nets", True, ["flags interval"])):
            members = [text for text in of if (":" in text) is colon and ("/" in text) is slash]
            if members:
                set_name = name.replace("nets", f"{kind}{version}", 1)
                said = [f'{text} comment "{reasons[text]}"' for text in members] if reasons else members
                elements = "elements = { " + ",\n\t\t\t     ".join(said) + " }"
                yield f"{family} {field} @{set_name}", block_of(f"set {set_name}", [f"type {type_}", *flags, elements])


def block_of(head: str, lines: Iterable[str]) -> str:
    """A part of the table, as nft indents it."""
    return "\n".join([f"\t{head} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def _over_tcp_and_udp(field: str, ports: Iterable[int]) -> str:
    return f"meta l4proto {{ tcp, udp }} th {field} {either(ports)}"


def either(numbers: Iterable[int]) -> str:
    """Some numbers as the right side of a match: nft lists a set of one as the one."""
    texts = [str(number) for number in sorted(set(numbers))]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
