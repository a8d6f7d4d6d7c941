"""The nftables table that a plan calls for, as text, in the very spelling in which nft lists it.

    output, forward -> restricted -> refuse_<service>

`restricted` first lets pass what would cut the host off, then sends each service's addresses to the chain that counts
and refuses them. Only a refusal is final: an accept ends our own base chains, and other tables still judge the packet
(nft(8), "verdict statements"). So the ban holds beside any other firewall and opens nothing that another one closes.

A name is a prefix, "_" and the service id, so that no id (`element`, `session`) can be a keyword of nft; `dns-over-tls`
stands behind a dash and can be no service's.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence, Union

from ...host import WRITTEN_BY
from ...plan import RESTRICTED

TABLE = "proscribe"
DNS_OVER_TLS = "dns-over-tls"
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


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
    ephemeral: tuple[int, int] = (
        32768,
        60999,
    )  # first and last local port of the connections that the host opens itself


def refused(section: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The services of a plan's section whose networks have to be refused, by id."""
    services = section["services"].items()
    return {id_: entry for id_, entry in sorted(services) if entry["mode"] in RESTRICTED and entry["networks"]}


def refuses_dns_over_tls(section: Mapping[str, Any]) -> bool:
    """Whether port 853 is refused to everyone."""
    return bool(section["settings"].get("dns_over_tls") == "blocked")


def networks(entry: Mapping[str, Any]) -> list[Network]:
    """A service's networks of both families, duplicates and overlaps merged: nft takes no intervals that overlap."""
    return _merged(tuple(entry["networks"]))


@functools.cache  # the exemptions ask for the same networks as the ruleset
def _merged(texts: tuple[str, ...]) -> list[Network]:
    parsed = [ipaddress.ip_network(text) for text in texts]
    v4 = [network for network in parsed if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in parsed if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6)]


def spelled(network: Network) -> str:
    """A network as nft writes it: in the C library's notation (Python's differs for IPv4 in IPv6), one address bare."""
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    address = socket.inet_ntop(family, network.network_address.packed)
    return address if network.prefixlen == network.max_prefixlen else f"{address}/{network.prefixlen}"


def render(section: Mapping[str, Any], lifelines: Lifelines) -> str:
    """The file that replaces the table in one transaction; "" where nothing is to be refused.

    A replaced table counts from zero again.
    """
    blocks: list[str] = []
    rules: list[str] = []
    if refuses_dns_over_tls(section):
        blocks += _refusing(f"-{DNS_OVER_TLS}")
        rules.append(f"{_over_tcp_and_udp('dport', [853])} jump refuse-{DNS_OVER_TLS}")
    for id_, entry in refused(section).items():
        blocks += _refusing(f"_{id_}")
        ports = _over_tcp_and_udp("dport", entry["ports"]) + " " if entry["ports"] else ""
        for match, block in _sets(networks(entry), f"_{id_}"):
            blocks.append(block)
            rules.append(f"{match} {ports}jump refuse_{id_}")
    if not rules:
        return ""
    passing = list(_passing(lifelines, blocks))
    blocks.append(_block("chain restricted", [*passing, *rules]))
    for hook in ("output", "forward"):
        lines = [f"type filter hook {hook} priority filter - 10; policy accept;", "jump restricted"]
        if hook == "output":  # whatever a host says to itself, its own outer addresses included, leaves through lo
            lines.insert(1, 'oifname "lo" accept')
        blocks.append(_block(f"chain {hook}", lines))
    head = [f"# {WRITTEN_BY}", f"table inet {TABLE}", f"delete table inet {TABLE}"]  # `destroy` would need Linux 6.3
    return "\n".join([*head, f"table inet {TABLE} {{", f'\tcomment "{WRITTEN_BY}"', *blocks, "}", ""])


def _passing(lifelines: Lifelines, blocks: list[str]) -> Iterator[str]:
    """The rules that come first, and the sets they need."""
    # The SSH session over which the table arrives may be older than connection tracking on this host. Then its next
    # packet is the first one seen, and "reply" says nothing of it. A connection from here starts with a bare SYN, which
    # this rule does not let pass: it helps nobody out, whatever local port they take.
    yield f"tcp sport {_either(lifelines.ssh_ports)} tcp flags & (syn | ack) != syn accept"
    # Answers to connections from outside. Not so from the ports of connections that this host opened: one of those that
    # is older than connection tracking would pass as an answer if the other side happens to speak first.
    first, last = lifelines.ephemeral
    yield f"ct direction reply meta l4proto {{ tcp, udp }} th sport != {first}-{last} accept"
    # A neighbour on the link that cannot find this host cannot reach it either, whoever it is (RFC 4861).
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    for name, exempt, ports in (
        ("resolvers", lifelines.resolvers, _over_tcp_and_udp("dport", lifelines.resolver_ports) + " "),
        ("exempt", lifelines.exempt, ""),
    ):
        reasons = {entry.network: entry.reason for entry in exempt}
        for match, block in _sets(list(reasons), "", name, reasons):
            blocks.append(block)
            yield f"{match} {ports}accept"


def _refusing(suffix: str) -> list[str]:
    """A counter and the chain that counts and refuses; refusing at once, so that programs do not hang."""
    reject = ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"]
    counter = _block(f"counter refused{suffix}", [])
    return [counter, _block(f"chain refuse{suffix}", [f'counter name "refused{suffix}"', *reject])]


def _sets(
    of: Sequence[Network], suffix: str, name: str = "", reasons: Mapping[Network, str] | None = None
) -> Iterator[tuple[str, str]]:
    """The sets that hold some networks, each with the match of a rule on it. Empty ones are left out: nft has no
    spelling for them. Single addresses lie in a hash set of their own, which costs less memory and time than intervals.
    """
    for family, version, type_ in (("ip", 4, "ipv4_addr"), ("ip6", 6, "ipv6_addr")):
        mine = [network for network in of if network.version == version]
        hosts = [network for network in mine if network.prefixlen == network.max_prefixlen]
        nets = [network for network in mine if network.prefixlen != network.max_prefixlen]
        for kind, members, flags in (("hosts", hosts, []), ("nets", nets, ["flags interval"])):
            if members:
                set_name = f"{name and name + '-'}{kind}{version}{suffix}"
                said = [spelled(m) + (f' comment "{reasons[m]}"' if reasons else "") for m in members]
                elements = "elements = { " + ",\n\t\t\t     ".join(said) + " }"
                yield f"{family} daddr @{set_name}", _block(f"set {set_name}", [f"type {type_}", *flags, elements])


def _block(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"\t{head} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def _over_tcp_and_udp(field: str, ports: Iterable[int]) -> str:
    return f"meta l4proto {{ tcp, udp }} th {field} {_either(ports)}"


def _either(ports: Iterable[int]) -> str:
    """Some ports as the right side of a match: nft lists a set of one as the one."""
    numbers = [str(port) for port in sorted(set(ports))]
    return numbers[0] if len(numbers) == 1 else "{ " + ", ".join(numbers) + " }"
