"""Text of the nftables table that a plan requires, in exactly the notation of nft's listing.

    output, forward -> restricted -> refuse_<service>
                                  -> carried-<bits> -> refuse_<service>   (IPv6 addresses that carry an IPv4 address)
    input           ->                                    (only if the organisation has its own rules for it)
                    -> own-in, own-out, own-forward

The chain `restricted` first accepts the exemptions that keep the host reachable. Then it sends packets to a service's
addresses to the chain that counts, logs and refuses them. Last it refuses the witness, an address that nobody has. An
observation tries that address to see whether packets reach the end of the chain. Only a refusal is final: an accept
ends Proscribe's base chains, and other tables still judge the packet (nft(8), "verdict statements"). So the ban is in
effect beside any other firewall, and opens nothing that another firewall closes.

The name of a service's chain or set is a prefix, "_" and the service id. So no id (`element`, `session`) can be a
keyword of nft. Names that belong to no service (`dns-over-tls`, `quic`, `plain-dns`, `own-rules`) follow a dash.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Sequence

from ....model.plan import RESTRICTED_MODES, compute_once
from ...system import WRITTEN_BY
from . import carried_addresses
from .rule_syntax import (
    RESTRICTED_SET_PREFIX,
    FirewallExemptions,
    Network,
    format_block,
    format_network,
    format_number_match,
    make_network_sets,
    make_refusing_chain,
    make_uid_set,
)

if TYPE_CHECKING:
    from ....model.types.plan import OrganisationRule, PlanEntry, PlanSection

TABLE_NAME = "proscribe"
DNS_OVER_TLS_RULE = "dns-over-tls"
QUIC_RULE = "quic"
PLAIN_DNS_RULE = "plain-dns"
LOCAL_SSH_RULE = "local-ssh"
# Nobody has these addresses: the dummy address of RFC 7600, and one of the discard prefix (RFC 6666).
WITNESS_ADDRESSES = ("192.0.0.8", "100::8")


def select_refused_entries(section: PlanSection) -> dict[str, PlanEntry]:
    """Return, by id, the services of a plan's section whose networks are refused to at least one user.

    They are sorted by id. With the key `only`, a service is refused to members of groups only. It is left out if there
    are no such groups and users.
    """
    return {
        service_id: entry
        for service_id, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES
        and entry["networks"]
        and ("only" not in entry or any(entry["only"].values()))
    }


def get_own_rules(section: PlanSection) -> Sequence[OrganisationRule]:
    """Return the organisation's own rules of a plan's section."""
    return section["settings"].get("rules") or ()


def list_section_carriers(section: PlanSection) -> carried_addresses.CarrierPrefixes:
    """Return the IPv6 prefixes whose addresses carry IPv4 addresses, for a plan's section."""
    return carried_addresses.list_carriers(section["settings"].get("nat64", ()))


def make_general_matches(section: PlanSection) -> dict[str, str]:
    """Return, by rule, the match of nft for packets that are refused whatever their address.

    Those are DNS over TLS and QUIC, if the plan refuses them.
    """
    settings = section["settings"]
    match_by_rule = {}
    if settings.get("dns_over_tls") == "blocked":
        match_by_rule[DNS_OVER_TLS_RULE] = f"{_make_port_match('dport', [853])}"
    if settings.get("quic") == "blocked":
        match_by_rule[QUIC_RULE] = "udp dport 443"
    return match_by_rule


def parse_entry_networks(entry: PlanEntry) -> list[Network]:
    """Return a service's networks, parsed. The list is cached, so callers must not change it."""
    return _parse_network_texts(tuple(entry["networks"]))


@functools.cache
def _parse_network_texts(texts: tuple[str, ...]) -> list[Network]:
    return [ipaddress.ip_network(text) for text in texts]


def render_ruleset(section: PlanSection, exemptions: FirewallExemptions) -> str:
    """Return the input for nft that replaces the table in one transaction.

    `exemptions` are those of the host. The result is "" if nothing is refused and the organisation has no rules.
    """
    is_logged = bool(section["settings"].get("log"))
    blocks: list[str] = []  # definitions of sets, chains and counters
    rules: list[str] = []  # lines of the chain `restricted` that refuse packets
    carriers = list_section_carriers(section)
    # by position of the IPv4 address in IPv6 addresses: the lines of the chain for it
    lines_by_shape: dict[carried_addresses.CarrierShape, list[str]] = {}
    for rule, match in make_general_matches(section).items():
        blocks += make_refusing_chain(f"-{rule}", is_logged)
        rules.append(f"{match} jump refuse-{rule}")
    for service_id, entry in select_refused_entries(section).items():
        ports = _make_port_match("dport", entry["ports"]) + " " if entry["ports"] else ""
        if "only" in entry:
            if not exemptions.restricted_uids.get(service_id):
                continue
            # Packets that belong to no user's socket do not match, and so are not refused: those of a virtual machine,
            # or of the kernel.
            blocks.append(make_uid_set(f"{RESTRICTED_SET_PREFIX}{service_id}", exemptions.restricted_uids[service_id]))
            ports += f"meta skuid @{RESTRICTED_SET_PREFIX}{service_id} "
        blocks += make_refusing_chain(
            f"_{service_id}", is_logged, waived_uids=exemptions.waived_uids.get(service_id, ())
        )
        for match, block in make_network_sets(entry["networks"], f"nets_{service_id}"):
            blocks.append(block)
            rules.append(f"{match} {ports}jump refuse_{service_id}")
        carried_blocks, matches = _make_carried_sets(section, service_id, carriers)
        blocks += carried_blocks
        for bits_before, is_inverted, match in matches:
            shape = carried_addresses.CarrierShape(bits_before, is_inverted)
            lines_by_shape.setdefault(shape, []).append(f"{match} {ports}jump refuse_{service_id}")
    blocks += [format_block(f"chain {shape.chain_name}", lines) for shape, lines in lines_by_shape.items()]
    rules += [
        f"ip6 daddr {prefix} jump {shape.chain_name}" for prefix, shape in carriers.items() if shape in lines_by_shape
    ]
    forced_dns_lines = []
    if exemptions.resolver_uids:
        blocks += make_refusing_chain(f"-{PLAIN_DNS_RULE}", is_logged, waived_uids=exemptions.resolver_uids)
        forced_dns_lines = [f"{_make_port_match('dport', [53])} jump refuse-{PLAIN_DNS_RULE}"]
    local_ssh_lines = _make_local_ssh_rule(section, exemptions)
    if local_ssh_lines:
        blocks += make_refusing_chain(f"-{LOCAL_SSH_RULE}", is_logged)
    output_lines = [*local_ssh_lines, "meta oiftype loopback accept", "jump restricted"]
    # by hook of nftables: the lines of the base chain
    hooks = {"output": output_lines, "forward": ["jump restricted"]}
    if get_own_rules(section):
        from . import (
            # imported here, because most organisations have no rules, and a host compiles every line that it imports
            organisation_rules,
        )

        for hook, lines in organisation_rules.render_own_rules(
            get_own_rules(section), exemptions, blocks, is_logged, carriers
        ).items():
            hooks.setdefault(hook, []).extend(lines)
    elif not rules and not forced_dns_lines and not local_ssh_lines:
        return ""
    passing_lines = list(_make_passing_rules(exemptions, blocks, forced_dns_lines, carriers))
    blocks.append(format_block("chain restricted", [*passing_lines, *rules, *_make_witness_rules(exemptions)]))
    blocks += _make_base_chains(hooks)
    # The table is declared before it is deleted, because `destroy`, which would need no table, needs Linux 6.3.
    header_lines = [
        f"# {WRITTEN_BY}",
        f"table inet {TABLE_NAME}",
        f"delete table inet {TABLE_NAME}",
    ]
    return "\n".join([*header_lines, f"table inet {TABLE_NAME} {{", f'\tcomment "{WRITTEN_BY}"', *blocks, "}", ""])


def _make_carried_sets(
    section: PlanSection, service_id: str, carriers: carried_addresses.CarrierPrefixes
) -> tuple[list[str], list[tuple[int, bool, str]]]:
    """Return the definitions and matches for IPv6 addresses that carry the IPv4 addresses of a service.

    A match is (bits before the IPv4 address, whether its bits are inverted, match of nft). Definitions and matches are
    computed once for each plan.
    """

    def compute_sets() -> tuple[list[str], list[tuple[int, bool, str]]]:
        """Compute the result of the outer function: the definitions, and the matches as tuples that can be cached."""
        blocks: list[str] = []
        shape_matches = carried_addresses.make_shape_matches(
            section["services"][service_id]["networks"], f"nets_{service_id}", carriers, blocks
        )
        matches = [(shape.bits_before, shape.is_inverted, match) for shape, match in shape_matches]
        return blocks, matches

    blocks, matches = compute_once(section, f"firewall/carried {service_id}", compute_sets)
    return blocks, matches


def _make_base_chains(hooks: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the chains that the kernel calls, one for each hook.

    Packets from a host to itself leave through the loopback device, even if they go to its public address. The rules
    match the type of the device, because any other device can be given the name lo.
    """
    for hook, lines in hooks.items():
        chain_type = f"type filter hook {hook} priority filter - 10; policy accept;"
        yield format_block(f"chain {hook}", [chain_type, *lines])


def _make_passing_rules(
    exemptions: FirewallExemptions,
    set_definitions: list[str],
    forced_dns_lines: Sequence[str],
    carriers: carried_addresses.CarrierPrefixes,
) -> Iterator[str]:
    """Yield the rules that accept packets before all refusals.

    The definitions of their sets are added to `set_definitions`. `forced_dns_lines` refuse name servers to all but some
    accounts. They come before the exemption of the resolvers, so that only these accounts profit from the exemption.
    """
    # Accept packets of SSH sessions to this host. The session that loads the table may be older than connection
    # tracking on this host. Then its next packet would be the first tracked packet, and would not count as a reply. The
    # rule does not accept a bare SYN, with which a connection from this host starts. So it permits no new connection
    # from this host.
    yield f"tcp sport {format_number_match(exemptions.ssh_ports)} tcp flags & (syn | ack) != syn accept"
    # Accept answers to connections from outside. The local ports that connections from this host use are excluded. Such
    # a connection may be older than connection tracking. If the other side then sent the first packet, its packets from
    # this host would count as answers.
    first_port, last_port = exemptions.ephemeral_ports
    yield f"ct direction reply meta l4proto {{ tcp, udp }} th sport != {first_port}-{last_port} accept"
    # Without neighbour discovery (RFC 4861), no neighbour on the link could reach this host.
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    for name, exempt_networks, ports, preceding_lines in (
        ("exempt", exemptions.exempt_networks, "", ()),
        (
            "resolvers",
            exemptions.resolvers,
            _make_port_match("dport", exemptions.resolver_ports) + " ",
            forced_dns_lines,
        ),
    ):
        yield from preceding_lines
        reasons = {format_network(exempt_network.network): exempt_network.reason for exempt_network in exempt_networks}
        for match, set_definition in make_network_sets(list(reasons), f"{name}-nets", reasons=reasons):
            set_definitions.append(set_definition)
            yield f"{match} {ports}accept"
        for match in carried_addresses.make_prefix_matches(reasons, f"{name}-nets", carriers, set_definitions):
            yield f"{match} {ports}accept"


def _make_witness_rules(exemptions: FirewallExemptions) -> Iterator[str]:
    """Yield the rules that refuse the witness addresses.

    An address is left out if the organisation has exempted a network that contains it.
    """
    for address in map(ipaddress.ip_address, WITNESS_ADDRESSES):
        if not any(address in exempt_network.network for exempt_network in exemptions.exempt_networks):
            family = "ip" if address.version == 4 else "ip6"
            yield f"{family} daddr {address} reject with icmpx type admin-prohibited"


def get_local_ssh_limit(section: PlanSection) -> int:
    """Return how many connections all accounts of a host may have open to its own sshd; 0 for no limit."""
    return section["settings"].get("local_ssh", 0)


def _make_local_ssh_rule(section: PlanSection, exemptions: FirewallExemptions) -> list[str]:
    """Return the rule that limits connections of a host's own accounts to its sshd; [] without a limit.

    Without it, one account could open so many idle connections that users and administrators cannot log in. sshd itself
    can limit only each source address. On a host, every address in 127.0.0.0/8 is another source.
    """
    limit = get_local_ssh_limit(section)
    connection_match = f"meta oiftype loopback tcp dport {format_number_match(exemptions.ssh_ports)}"
    return (
        [f"{connection_match} ct state new meta skuid != 0 ct count over {limit} jump refuse-{LOCAL_SSH_RULE}"]
        if limit
        else []
    )


def _make_port_match(field: str, ports: Iterable[int]) -> str:
    """Return the match of TCP and UDP packets with certain ports. `field` is dport or sport."""
    return f"meta l4proto {{ tcp, udp }} th {field} {format_number_match(ports)}"
