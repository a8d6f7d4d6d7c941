"""The organisation's firewall rules and NAT64 prefixes: `proscribe_firewall_rules`, `proscribe_firewall_nat64`.

The values reach a file that root loads, so every part is checked. Protocols, verdicts and directions come out of lists.
Numbers and networks are parsed and formatted again. Comments consist of plain characters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from ....host.controls.firewall.carried_addresses import list_carriers
from ....model.types.plan import OrganisationRule
from ...policy_errors import UnexpectedValue
from ..reading.networks import merge_networks, parse_rule_network
from ..reading.value_readers import make_choice_reader, make_text_reader, read_items, read_mapping, read_network

Value = TypeVar("Value")

DIRECTIONS = ("in", "out", "forward")
PROTOCOLS = ("tcp", "udp", "icmp", "any")
VERDICTS = ("accept", "reject", "drop")
MAX_PREFIXES = 20  # each prefix adds a set to the firewall, and entries to each list of networks
MAX_RULES = 500  # most rules of a host; a single rule can have a long list of addresses

_NAT64_LENGTHS = (32, 40, 48, 56, 64, 96)  # the prefix lengths of RFC 6052, in bits
_RANGE_PATTERN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def read_firewall_rules(setting: object) -> tuple[OrganisationRule, ...]:
    """Read the organisation's firewall rules in the form of plans, with addresses and ports merged.

    Raises UnexpectedValue with the place of the mistake.
    """
    expected = "a list of rules such as {direction: out, protocol: tcp, ports: [25], verdict: reject}"
    rules = read_items(setting, _read_rule, expected)
    if len(rules) > MAX_RULES:
        raise UnexpectedValue(
            "", f"{len(rules)} rules", f"at most {MAX_RULES}: one rule can have many addresses and ports"
        )
    return rules


def read_nat64_prefixes(setting: object) -> tuple[str, ...]:
    """Read the NAT64 prefixes of the organisation's translators, and sort them by address.

    Raises UnexpectedValue with the place of the mistake, also for prefixes that overlap.
    """
    if not isinstance(setting, list | tuple) or len(setting) > MAX_PREFIXES:
        raise UnexpectedValue("", setting, f"a list of at most {MAX_PREFIXES} prefixes such as 2001:db8:64::/96")
    prefixes: list[ipaddress.IPv6Network] = []
    for index, entry in enumerate(setting):
        prefix = parse_rule_network(entry) if isinstance(entry, str) else None
        if not isinstance(prefix, ipaddress.IPv6Network) or prefix.prefixlen not in _NAT64_LENGTHS:
            lengths = ", ".join(map(str, _NAT64_LENGTHS))
            raise UnexpectedValue(
                f"[{index}]", entry, f"an IPv6 prefix of {lengths} bits (RFC 6052), such as 2001:db8:64::/96"
            )
        if prefix.prefixlen == 96 and prefix.network_address.packed[8]:
            raise UnexpectedValue(f"[{index}]", entry, "a prefix whose bits 64 to 71 are zero (RFC 6052)")
        # prefixes that carry IPv4 addresses and need no entry in the setting, such as 64:ff9b::/96
        known_prefixes = list_carriers([str(prefix)]).keys() - {str(prefix)}
        for other_prefix in (*map(ipaddress.IPv6Network, sorted(known_prefixes)), *prefixes):
            if prefix.overlaps(other_prefix):
                raise UnexpectedValue(f"[{index}]", entry, f"a prefix that does not overlap {other_prefix}")
        prefixes.append(prefix)
    return tuple(map(str, sorted(prefixes)))


def _read_addresses(setting: object) -> list[str]:
    """Return the addresses and networks of a rule without overlaps, sorted; [] (any address) for null."""
    return merge_networks(_read_list(setting, read_network, "addresses and networks"))


def _read_list(setting: object, read_item: Callable[[object], Value], description: str) -> tuple[Value, ...]:
    """Return the items of a list in a rule; () for null.

    An empty list is refused, because a rule with an empty list would silently match everything.
    """
    expected = f"a list of {description} (leave the key out for all)"
    return () if setting is None else read_items(setting, read_item, expected, minimum=1)


def _read_ports(setting: object) -> list[str]:
    """Return ports and ranges as the packet filter lists them: sorted, overlapping and adjacent ranges joined.

    [] (any port) for null.
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(_read_list(setting, _read_port_range, "ports")):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in joined]


def _read_port_range(setting: object) -> tuple[int, int]:
    is_text = isinstance(setting, int | str) and not isinstance(setting, bool)
    match = _RANGE_PATTERN.fullmatch(str(setting)) if is_text else None
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last < 65536:
        raise UnexpectedValue("", setting, "a port such as 443, or a range such as 8000-8080")
    return first, last


# For each key of a rule: the reader of its value.
RULE_READERS: Mapping[str, Callable[[object], Any]] = {
    "direction": make_choice_reader(*DIRECTIONS),
    "protocol": make_choice_reader(*PROTOCOLS),
    "addresses": _read_addresses,
    "ports": _read_ports,
    "verdict": make_choice_reader(*VERDICTS),
    "comment": make_text_reader(  # no characters that could end a comment
        r"[A-Za-z0-9 .,:;/@()+=_#-]{0,100}", "at most 100 letters, digits, spaces and . , : ; / @ ( ) + = _ # -"
    ),
}


def _read_rule(setting: object) -> OrganisationRule:
    """Read a firewall rule from its mapping. Raises UnexpectedValue."""
    values = read_mapping(setting, RULE_READERS, required=("direction", "verdict"))
    if values.get("ports") and values.get("protocol") == "icmp":
        raise UnexpectedValue(".ports", values["ports"], "no ports: icmp has none")
    rule = {"direction": "", "protocol": "any", "addresses": [], "ports": [], "verdict": "", "comment": "", **values}
    return cast(OrganisationRule, rule)
