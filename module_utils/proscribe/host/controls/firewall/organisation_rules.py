"""The organisation's own rules for a host, in chains of Proscribe's table.

They apply to new connections. They come after the exemptions that keep the host reachable, and after the ban. An accept
exempts a connection from the organisation's following rules. It permits neither restricted addresses nor what another
table refuses.

A rule of the plan: {direction: in | out | forward, protocol: tcp | udp | icmp | any, addresses [networks as texts; none
means all], ports ["443", "8000-8080"; none means all], verdict: accept | reject | drop, comment}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from . import carried_addresses
from .rule_syntax import (
    HOOKS_BY_DIRECTION,
    MANAGEMENT_REASON,
    OWN_RULES,
    FirewallExemptions,
    format_block,
    format_network,
    make_network_sets,
    make_refusing_chain,
)

if TYPE_CHECKING:
    from ....model.types.plan import OrganisationRule

CONTROLLER_COMMENT = "control connection"  # comment of the rule, by which a later run recognises it

_ESTABLISHED_RULE = "ct state established,related accept"
# Packets that a host needs in its own network: neighbours and routers (RFC 4861, 2710), and DHCP (RFC 2131, 8415). DHCP
# needs a separate rule, because its answers do not come from the queried address.
_NEIGHBOUR_RULE = "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept"
_MULTICAST_RULE = (
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept"
)
_DHCP_RULES = {
    "input": "udp sport { 67, 547 } udp dport { 68, 546 } accept",
    "output": "udp sport { 68, 546 } udp dport { 67, 547 } accept",
}
_PROTOCOL_MATCHES = {"tcp": "meta l4proto tcp", "udp": "meta l4proto udp", "icmp": "meta l4proto { icmp, ipv6-icmp }"}


def render_own_rules(
    rules: Sequence[OrganisationRule],
    exemptions: FirewallExemptions,
    blocks: list[str],
    is_logged: bool,
    carriers: carried_addresses.CarrierPrefixes,
) -> dict[str, list[str]]:
    """Return, by hook of nftables, the lines of its base chain for the organisation's rules.

    The definitions of the sets and chains that these lines use are added to `blocks`. `is_logged` is True if refusals
    are logged. `carriers` are the IPv6 prefixes whose addresses contain IPv4 addresses (carried_addresses.py).
    """
    verdicts = {rule["verdict"] for rule in rules}
    for verdict, is_silent in (("reject", False), ("drop", True)):
        if verdict in verdicts:
            counter, chain = make_refusing_chain(f"-{OWN_RULES}", is_logged, is_silent=is_silent)
            # The chains for reject and drop share one counter.
            blocks += [chain] if counter in blocks else [counter, chain]
    hooks: dict[str, list[str]] = {}
    for direction, hook in HOOKS_BY_DIRECTION.items():
        lines = [
            line
            for number, rule in enumerate(rules, 1)
            if rule["direction"] == direction
            for line in _render_own_rule(rule, number, blocks, carriers)
        ]
        if lines:
            first_lines = list(_render_first_rules(hook, exemptions, blocks))
            blocks.append(format_block(f"chain own-{direction}", [*first_lines, *lines]))
            # On input, packets of the host to itself pass before the rules. On output, ruleset.py accepts them.
            hooks[hook] = ["meta iiftype loopback accept"] * (hook == "input") + [f"jump own-{direction}"]
    return hooks


def _render_first_rules(hook: str, exemptions: FirewallExemptions, set_definitions: list[str]) -> Iterator[str]:
    """Yield the lines that accept packets before the organisation's rules of a hook.

    The definitions of the sets that these lines use are added to `set_definitions`.
    """
    yield _ESTABLISHED_RULE
    if hook != "forward":
        yield from (_NEIGHBOUR_RULE, _MULTICAST_RULE, _DHCP_RULES[hook])
    if hook == "input":
        # Otherwise the organisation's rules could refuse the session that loads the table (see `_make_passing_rules` in
        # ruleset.py).
        management = [
            format_network(exempt_network.network)
            for exempt_network in exemptions.exempt_networks
            if exempt_network.reason == MANAGEMENT_REASON
        ]
        for match, set_definition in make_network_sets(management, "managed-nets", field="saddr"):
            set_definitions.append(set_definition)
            yield f"{match} accept"
        for network, port in exemptions.controllers:
            family = "ip" if network.version == 4 else "ip6"
            yield f'{family} saddr {format_network(network)} tcp dport {port} accept comment "{CONTROLLER_COMMENT}"'


def _render_own_rule(
    rule: OrganisationRule,
    number: int,
    set_definitions: list[str],
    translator_prefixes: carried_addresses.CarrierPrefixes,
) -> Iterator[str]:
    """Yield the lines of a rule of the organisation: one line, or a line for each set of its addresses.

    `number` is the position of the rule, which becomes a part of the names of its sets. The definitions of the sets are
    added to `set_definitions`.
    """
    actions_by_verdict = {"accept": "accept", "reject": f"jump refuse-{OWN_RULES}", "drop": f"jump drop-{OWN_RULES}"}
    comment = f' comment "{rule["comment"]}"' if rule.get("comment") else ""
    for match in _make_address_matches(rule, number, set_definitions, translator_prefixes):
        words = [match, _make_protocol_match(rule, match), actions_by_verdict[rule["verdict"]]]
        yield " ".join(word for word in words if word) + comment


def _make_address_matches(
    rule: OrganisationRule,
    number: int,
    set_definitions: list[str],
    translator_prefixes: carried_addresses.CarrierPrefixes,
) -> Iterator[str]:
    """Yield the matches of nft for a rule's addresses; "" if the rule applies to all addresses.

    An IPv4 address also has matches for the IPv6 addresses by which a translator reaches it. `translator_prefixes` are
    the prefixes of such addresses. The definitions of the sets that the matches use are added to `set_definitions`.
    """
    if not rule["addresses"]:
        yield ""
        return
    field = "saddr" if rule["direction"] == "in" else "daddr"
    for match, set_definition in make_network_sets(rule["addresses"], f"own{number}-nets", field=field):
        set_definitions.append(set_definition)
        yield match
    # not for incoming packets: anybody can send such a source address, and an accept would trust it
    if rule["direction"] != "in":
        yield from carried_addresses.make_prefix_matches(
            rule["addresses"], f"own{number}-nets", translator_prefixes, set_definitions
        )


def _make_protocol_match(rule: OrganisationRule, match: str) -> str:
    """Return the match of a rule's protocol and ports; "" if the rule applies to all of them.

    `match` is the match of addresses that comes before. With it, nft writes the match of ICMP in another way.
    """
    protocol, ports = rule["protocol"], rule["ports"]
    if ports:
        port_match = ports[0] if len(ports) == 1 else "{ " + ", ".join(ports) + " }"
        return (
            f"meta l4proto {{ tcp, udp }} th dport {port_match}"
            if protocol == "any"
            else f"{protocol} dport {port_match}"
        )
    if protocol == "icmp" and match:
        return "ip protocol icmp" if match.startswith("ip ") else "meta l4proto ipv6-icmp"
    return _PROTOCOL_MATCHES.get(protocol, "")
