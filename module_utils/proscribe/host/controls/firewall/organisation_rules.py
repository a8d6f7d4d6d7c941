"""The organisation's own rules for a host, in chains of the same table.

They judge new connections, after what would cut the host off has been let pass and after the ban: an accept spares a
connection from the own rules that follow, and opens neither what is restricted nor what another table closes.

A rule of the plan: {direction: in | out | forward, protocol: tcp | udp | icmp | any, addresses [spelled networks; none
means all], ports ["443", "8000-8080"; none means all], verdict: accept | reject | drop, comment}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from . import carried
from .rule_text import DIRECTIONS, MANAGEMENT, OWN_RULES, Exemptions, block_of, refusing, sets, spelled

if TYPE_CHECKING:
    from ....model.types.plan import OrganisationRule

CONTROLLER = "control connection"  # the comment of a rule, by which a later run finds it again

_ESTABLISHED = "ct state established,related accept"
# What a host's own network needs: neighbours and routers (RFC 4861, 2710), and addresses by DHCP (RFC 2131, 8415),
# whose answers do not come from where the question went.
_LINK = "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept"
_LINK_GROUPS = "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept"
_DHCP = {
    "input": "udp sport { 67, 547 } udp dport { 68, 546 } accept",
    "output": "udp sport { 68, 546 } udp dport { 67, 547 } accept",
}
_PROTOCOLS = {"tcp": "meta l4proto tcp", "udp": "meta l4proto udp", "icmp": "meta l4proto { icmp, ipv6-icmp }"}


def render(
    rules: Sequence[OrganisationRule],
    exemptions: Exemptions,
    blocks: list[str],
    logged: bool,
    among: carried.Carriers,
) -> dict[str, list[str]]:
    """What the base chains do for them, by hook; their sets and chains are added to `blocks`."""
    verdicts = {rule["verdict"] for rule in rules}
    for verdict, silent in (("reject", False), ("drop", True)):
        if verdict in verdicts:
            counter, chain = refusing(f"-{OWN_RULES}", logged, silent=silent)
            blocks += [chain] if counter in blocks else [counter, chain]
    hooks: dict[str, list[str]] = {}
    for direction, hook in DIRECTIONS.items():
        lines = [
            line
            for number, rule in enumerate(rules, 1)
            if rule["direction"] == direction
            for line in _rule(rule, number, blocks, among)
        ]
        if lines:
            first = list(_first(hook, exemptions, blocks))
            blocks.append(block_of(f"chain own-{direction}", [*first, *lines]))
            hooks[hook] = ["meta iiftype loopback accept"] * (hook == "input") + [f"jump own-{direction}"]
    return hooks


def _first(hook: str, exemptions: Exemptions, blocks: list[str]) -> Iterator[str]:
    """What passes before the rules of a hook."""
    yield _ESTABLISHED
    if hook != "forward":
        yield from (_LINK, _LINK_GROUPS, _DHCP[hook])
    if hook == "input":
        # Without this the session over which the table arrives would be judged by the rules (see `_passing`).
        management = [spelled(entry.network) for entry in exemptions.exempt if entry.reason == MANAGEMENT]
        for match, block in sets(management, "managed-nets", field="saddr"):
            blocks.append(block)
            yield f"{match} accept"
        for network, port in exemptions.controllers:
            family = "ip" if network.version == 4 else "ip6"
            yield f'{family} saddr {spelled(network)} tcp dport {port} accept comment "{CONTROLLER}"'


def _rule(rule: OrganisationRule, number: int, blocks: list[str], among: carried.Carriers) -> Iterator[str]:
    """The lines of one rule: one, or one for each set of its addresses."""
    verdict = {"accept": "accept", "reject": f"jump refuse-{OWN_RULES}", "drop": f"jump drop-{OWN_RULES}"}
    comment = f' comment "{rule["comment"]}"' if rule.get("comment") else ""
    for match in _addresses(rule, number, blocks, among):
        words = [match, _protocol(rule, match), verdict[rule["verdict"]]]
        yield " ".join(word for word in words if word) + comment


def _addresses(rule: OrganisationRule, number: int, blocks: list[str], among: carried.Carriers) -> Iterator[str]:
    if not rule["addresses"]:
        yield ""
        return
    field = "saddr" if rule["direction"] == "in" else "daddr"
    for match, block in sets(rule["addresses"], f"own{number}-nets", field=field):
        blocks.append(block)
        yield match
    if rule["direction"] != "in":  # what comes in may carry any address: an accept would believe it
        yield from carried.matches_with_prefix(rule["addresses"], f"own{number}-nets", among, blocks)


def _protocol(rule: OrganisationRule, match: str) -> str:
    """The match of protocol and ports, as nft spells it beside a match of addresses."""
    protocol, ports = rule["protocol"], rule["ports"]
    if ports:
        which = ports[0] if len(ports) == 1 else "{ " + ", ".join(ports) + " }"
        return f"meta l4proto {{ tcp, udp }} th dport {which}" if protocol == "any" else f"{protocol} dport {which}"
    if protocol == "icmp" and match:
        return "ip protocol icmp" if match.startswith("ip ") else "meta l4proto ipv6-icmp"
    return _PROTOCOLS.get(protocol, "")
