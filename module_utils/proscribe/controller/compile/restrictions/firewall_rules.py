"""The organisation's firewall rules and NAT64 prefixes: `proscribe_firewall_rules`, `proscribe_firewall_nat64`.

The values reach a file that root loads, so every part is checked. Protocols, verdicts and directions come out of lists.
Numbers and networks are parsed and formatted again. Comments consist of plain characters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from ....host.controls.firewall.carried_addresses import list_carriers
from ....model.types.plan import OrganisationRule
from ...policy_errors import UnexpectedValue, propose_similar_names
from ..reading.networks import merge_networks, parse_rule_network

RULE_KEYS = ("direction", "protocol", "addresses", "ports", "verdict", "comment")
DIRECTIONS = ("in", "out", "forward")
PROTOCOLS = ("tcp", "udp", "icmp", "any")
VERDICTS = ("accept", "reject", "drop")
MAX_PREFIXES = 20  # each prefix adds a set to the firewall, and entries to each list of networks
MAX_RULES = 500  # most rules of a host; a single rule can have a long list of addresses

_COMMENT_PATTERN = re.compile(r"[A-Za-z0-9 .,:;/@()+=_#-]{0,100}")
_NAT64_LENGTHS = (32, 40, 48, 56, 64, 96)  # the prefix lengths of RFC 6052, in bits
_RANGE_PATTERN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def read_firewall_rules(setting: object) -> tuple[OrganisationRule, ...]:
    """Read the organisation's firewall rules in the form of plans, with addresses and ports merged.

    Raises UnexpectedValue with the place of the mistake.
    """
    if not isinstance(setting, list | tuple):
        raise UnexpectedValue(
            "", setting, "a list of rules such as {direction: out, protocol: tcp, ports: [25], verdict: reject}"
        )
    if len(setting) > MAX_RULES:
        raise UnexpectedValue(
            "", f"{len(setting)} rules", f"at most {MAX_RULES}: one rule can have many addresses and ports"
        )
    return tuple(_read_rule(entry, f"[{index}]") for index, entry in enumerate(setting))


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


def _read_rule(setting: object, key: str) -> OrganisationRule:
    """Read a firewall rule.

    `key` is the place of the rule in the list, such as `[2]`, for errors. Raises UnexpectedValue.
    """
    if not isinstance(setting, Mapping):
        raise UnexpectedValue(key, setting, f"a mapping with keys out of {', '.join(RULE_KEYS)}")
    for name in setting:
        if name not in RULE_KEYS:
            raise UnexpectedValue(
                f"{key}.{name}",
                name,
                f"a known key, one of {', '.join(RULE_KEYS)}{propose_similar_names(str(name), RULE_KEYS)}",
            )
    rule: OrganisationRule = {
        "direction": _read_keyword(setting.get("direction"), DIRECTIONS, f"{key}.direction"),
        "protocol": _read_keyword(setting.get("protocol", "any"), PROTOCOLS, f"{key}.protocol"),
        "addresses": _read_addresses(setting.get("addresses"), f"{key}.addresses"),
        "ports": _read_ports(setting.get("ports"), f"{key}.ports"),
        "verdict": _read_keyword(setting.get("verdict"), VERDICTS, f"{key}.verdict"),
        "comment": _read_comment(setting.get("comment", ""), f"{key}.comment"),
    }
    if rule["ports"] and rule["protocol"] == "icmp":
        raise UnexpectedValue(f"{key}.ports", setting.get("ports"), "no ports: icmp has none")
    return rule


def _read_comment(setting: object, key: str) -> str:
    """Return the comment of a rule; "" for none.

    Raises UnexpectedValue for characters that could end a comment.
    """
    if not isinstance(setting, str) or not _COMMENT_PATTERN.fullmatch(setting):
        raise UnexpectedValue(key, setting, "at most 100 letters, digits, spaces and . , : ; / @ ( ) + = _ # -")
    return setting


def _read_keyword(setting: object, allowed: tuple[str, ...], key: str) -> str:
    """Return a word out of `allowed`.

    Raises UnexpectedValue with the place `key` for anything else.
    """
    if not isinstance(setting, str) or setting not in allowed:
        raise UnexpectedValue(
            key, setting, f"one of {', '.join(allowed)}{propose_similar_names(str(setting), allowed)}"
        )
    return str(setting)


def _read_list(setting: object, description: str, key: str) -> list[object]:
    """Return the items of a list in a rule; [] for a missing key.

    An empty list is refused, because a rule with an empty list would silently match everything.
    """
    if setting is None:
        return []
    if not isinstance(setting, list | tuple) or not setting:
        raise UnexpectedValue(key, setting, f"a list of {description} (leave the key out for all)")
    return list(setting)


def _read_addresses(setting: object, key: str) -> list[str]:
    """Return the addresses and networks of a rule without overlaps, sorted; [] (any address) for a missing key."""
    entries = _read_list(setting, "addresses and networks", key)
    for index, entry in enumerate(entries):
        if not isinstance(entry, str) or parse_rule_network(entry) is None:
            raise UnexpectedValue(
                f"{key}[{index}]", entry, "an address or a network such as 10.20.0.0/24 or 2001:db8::/48"
            )
    return merge_networks(str(entry) for entry in entries)


def _read_ports(setting: object, key: str) -> list[str]:
    """Return ports and ranges as the packet filter lists them: sorted, overlapping and adjacent ranges joined.

    [] (any port) for a missing key.
    """
    spans: list[tuple[int, int]] = []
    for index, entry in enumerate(_read_list(setting, "ports", key)):
        match = (
            _RANGE_PATTERN.fullmatch(str(entry))
            if isinstance(entry, int | str) and not isinstance(entry, bool)
            else None
        )
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < first <= last < 65536:
            raise UnexpectedValue(f"{key}[{index}]", entry, "a port such as 443, or a range such as 8000-8080")
        spans.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in joined]
