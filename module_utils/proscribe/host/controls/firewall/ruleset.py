"""The nftables table that a plan calls for, as text, in the very spelling in which nft lists it.

    output, forward -> restricted -> refuse_<service>
                                  -> carried-<bits> -> refuse_<service>   (IPv6 addresses that carry an IPv4 address)
    input           ->                                    (only where the organisation has rules of its own for it)
                    -> own-in, own-out, own-forward

`restricted` first lets pass what would cut the host off, then sends each service's addresses to the chain that counts,
logs and refuses them. Last it refuses the witness, an address of nobody's, by which an observation tries whether
packets come that far. Only a refusal is final: an accept ends our own base chains, and other tables still judge the
packet (nft(8), "verdict statements"). So the ban holds beside any other firewall and opens nothing that another one
closes.

A name is a prefix, "_" and the service id, so that no id (`element`, `session`) can be a keyword of nft. What is no
service's (`dns-over-tls`, `quic`, `plain-dns`, `own-rules`) stands behind a dash.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Sequence

from ....model.plan import RESTRICTED_MODES, compute_once
from ...system import WRITTEN_BY
from . import carried
from .rule_text import MEMBERS, Exemptions, Network, block_of, either, numbered, refusing, sets, spelled

if TYPE_CHECKING:
    from ....model.types.plan import OrganisationRule, PlanEntry, PlanSection

TABLE = "proscribe"
DNS_OVER_TLS = "dns-over-tls"
QUIC = "quic"
PLAIN_DNS = "plain-dns"
LOCAL_SSH = "local-ssh"
# The dummy address of RFC 7600, to which nothing is ever sent, and one that is discarded (RFC 6666).
WITNESSES = ("192.0.0.8", "100::8")


def refused(section: PlanSection) -> dict[str, PlanEntry]:
    """The services of a plan's section whose networks have to be refused to somebody, by id."""
    return {
        id_: entry
        for id_, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES
        and entry["networks"]
        and ("only" not in entry or any(entry["only"].values()))
    }


def own_rules(section: PlanSection) -> Sequence[OrganisationRule]:
    """The organisation's own rules of a plan's section."""
    return section["settings"].get("rules") or ()


def carried_by(section: PlanSection) -> carried.Carriers:
    """Return the prefixes of IPv6 addresses that carry IPv4 addresses in a plan's section."""
    return carried.carriers(section["settings"].get("nat64", ()))


def refused_everywhere(section: PlanSection) -> dict[str, str]:
    """What is refused whatever the address, by rule: the match of it."""
    desired = section["settings"]
    found = {}
    if desired.get("dns_over_tls") == "blocked":
        found[DNS_OVER_TLS] = f"{_over_tcp_and_udp('dport', [853])}"
    if desired.get("quic") == "blocked":
        found[QUIC] = "udp dport 443"
    return found


def networks(entry: PlanEntry) -> list[Network]:
    """A service's networks, parsed."""
    return _parsed(tuple(entry["networks"]))


@functools.cache
def _parsed(texts: tuple[str, ...]) -> list[Network]:
    return [ipaddress.ip_network(text) for text in texts]


def render(section: PlanSection, exemptions: Exemptions) -> str:
    """The file that replaces the table in one transaction; "" where nothing is to be refused and no rule is set."""
    logged = bool(section["settings"].get("log"))
    blocks: list[str] = []
    rules: list[str] = []
    among = carried_by(section)
    carrying: dict[carried.Shape, list[str]] = {}
    for rule, match in refused_everywhere(section).items():
        blocks += refusing(f"-{rule}", logged)
        rules.append(f"{match} jump refuse-{rule}")
    for id_, entry in refused(section).items():
        ports = _over_tcp_and_udp("dport", entry["ports"]) + " " if entry["ports"] else ""
        if "only" in entry:
            if not exemptions.only.get(id_):
                continue
            # What belongs to no user's socket (a guest's packets, the kernel's) fits no such match, and passes.
            blocks.append(numbered(f"{MEMBERS}{id_}", exemptions.only[id_]))
            ports += f"meta skuid @{MEMBERS}{id_} "
        blocks += refusing(f"_{id_}", logged, let=exemptions.users.get(id_, ()))
        for match, block in sets(entry["networks"], f"nets_{id_}"):
            blocks.append(block)
            rules.append(f"{match} {ports}jump refuse_{id_}")
        carried_blocks, matches = _carry(section, id_, among)
        blocks += carried_blocks
        for bits_before, inverted, match in matches:
            shape = carried.Shape(bits_before, inverted)
            carrying.setdefault(shape, []).append(f"{match} {ports}jump refuse_{id_}")
    blocks += [block_of(f"chain {shape.chain}", lines) for shape, lines in carrying.items()]
    rules += [f"ip6 daddr {prefix} jump {shape.chain}" for prefix, shape in among.items() if shape in carrying]
    forced = []
    if exemptions.askers:
        blocks += refusing(f"-{PLAIN_DNS}", logged, let=exemptions.askers)
        forced = [f"{_over_tcp_and_udp('dport', [53])} jump refuse-{PLAIN_DNS}"]
    local_ssh = _local_ssh(section, exemptions)
    if local_ssh:
        blocks += refusing(f"-{LOCAL_SSH}", logged)
    output = [*local_ssh, "meta oiftype loopback accept", "jump restricted"]
    hooks = {"output": output, "forward": ["jump restricted"]}
    if own_rules(section):
        from . import (
            organisation_rules,  # most organisations have none, and an audit pays for every line that a host compiles
        )

        for hook, lines in organisation_rules.render(own_rules(section), exemptions, blocks, logged, among).items():
            hooks.setdefault(hook, []).extend(lines)
    elif not rules and not forced and not local_ssh:
        return ""
    passing = list(_passing(exemptions, blocks, forced, among))
    blocks.append(block_of("chain restricted", [*passing, *rules, *_witness(exemptions)]))
    blocks += _base_chains(hooks)
    head = [f"# {WRITTEN_BY}", f"table inet {TABLE}", f"delete table inet {TABLE}"]  # `destroy` would need Linux 6.3
    return "\n".join([*head, f"table inet {TABLE} {{", f'\tcomment "{WRITTEN_BY}"', *blocks, "}", ""])


def _carry(section: PlanSection, id_: str, among: carried.Carriers) -> tuple[list[str], list[tuple[int, bool, str]]]:
    """Return the sets of a service's networks in addresses that carry them, and the matches by shape. A host works them
    out once for a plan.
    """

    def work_out() -> tuple[list[str], list[tuple[int, bool, str]]]:
        blocks: list[str] = []
        by_shape = carried.matches(section["services"][id_]["networks"], f"nets_{id_}", among, blocks)
        matches = [(shape.bits_before, shape.inverted, match) for shape, match in by_shape]
        return blocks, matches

    blocks, matches = compute_once(section, f"firewall/carried {id_}", work_out)
    return blocks, matches


def _base_chains(hooks: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the chains that the kernel calls. What a host sends to itself, its own outer addresses included, leaves
    through the loopback device. Any other device can be given its name, lo.
    """
    for hook, lines in hooks.items():
        kind = f"type filter hook {hook} priority filter - 10; policy accept;"
        yield block_of(f"chain {hook}", [kind, *lines])


def _passing(
    exemptions: Exemptions, blocks: list[str], forced: Sequence[str], among: carried.Carriers
) -> Iterator[str]:
    """The rules that come first, and the sets they need.

    `forced` says who may ask name servers at all; what this host asks is let pass for them only.
    """
    # The SSH session over which the table arrives may be older than connection tracking on this host. Then its next
    # packet is the first one seen, and "reply" says nothing of it. A connection from here starts with a bare SYN, which
    # this rule does not let pass: it helps nobody out, whatever local port they take.
    yield f"tcp sport {either(exemptions.ssh_ports)} tcp flags & (syn | ack) != syn accept"
    # Answers to connections from outside. Not so from the ports of connections that this host opened: one of those that
    # is older than connection tracking would pass as an answer if the other side happens to speak first.
    first, last = exemptions.ephemeral
    yield f"ct direction reply meta l4proto {{ tcp, udp }} th sport != {first}-{last} accept"
    # A neighbour on the link that cannot find this host cannot reach it either, whoever it is (RFC 4861).
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    for name, exempt, ports, before in (
        ("exempt", exemptions.exempt, "", ()),
        ("resolvers", exemptions.resolvers, _over_tcp_and_udp("dport", exemptions.resolver_ports) + " ", forced),
    ):
        yield from before
        reasons = {spelled(entry.network): entry.reason for entry in exempt}
        for match, block in sets(list(reasons), f"{name}-nets", reasons=reasons):
            blocks.append(block)
            yield f"{match} {ports}accept"
        for match in carried.matches_with_prefix(reasons, f"{name}-nets", among, blocks):
            yield f"{match} {ports}accept"


def _witness(exemptions: Exemptions) -> Iterator[str]:
    """The rules for the witness, which somebody may have exempted with all the addresses around it."""
    for address in map(ipaddress.ip_address, WITNESSES):
        if not any(address in entry.network for entry in exemptions.exempt):
            family = "ip" if address.version == 4 else "ip6"
            yield f"{family} daddr {address} reject with icmpx type admin-prohibited"


def local_ssh_limit(section: PlanSection) -> int:
    """Return how many connections to its own sshd a host's accounts may have open, all together; 0 for no limit."""
    return section["settings"].get("local_ssh", 0)


def _local_ssh(section: PlanSection, exemptions: Exemptions) -> list[str]:
    """Return the rule that limits what a host's own accounts open to its sshd.

    Otherwise the idle connections of one account keep everybody from the host, who manages it included. sshd itself can
    only count by source address, and on a host every address in 127.0.0.0/8 is another source.
    """
    limit = local_ssh_limit(section)
    where = f"meta oiftype loopback tcp dport {either(exemptions.ssh_ports)}"
    return [f"{where} ct state new meta skuid != 0 ct count over {limit} jump refuse-{LOCAL_SSH}"] if limit else []


def _over_tcp_and_udp(field: str, ports: Iterable[int]) -> str:
    return f"meta l4proto {{ tcp, udp }} th {field} {either(ports)}"
