"""The organisation's own firewall rules, `proscribe_firewall_rules`: a list of mappings, checked word by word. And the
prefixes of its translators, `proscribe_firewall_nat64`.

What is here reaches a file that root loads, so nothing gets through that was not spelled here: protocols, verdicts
and directions out of lists, numbers and networks parsed and written anew, comments out of plain characters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from ....host.controls.firewall.carried import carriers
from ....model.types.plan import OrganisationRule
from ...policy_errors import Expected, close_to
from ..reading.networks import merged, packed

KEYS = ("direction", "protocol", "addresses", "ports", "verdict", "comment")
DIRECTIONS = ("in", "out", "forward")
PROTOCOLS = ("tcp", "udp", "icmp", "any")
VERDICTS = ("accept", "reject", "drop")
MOST_PREFIXES = 20  # each costs the firewall another set, and each list of networks another length
MOST = 500  # rules of a host; long lists of addresses belong into one rule

_COMMENT = re.compile(r"[A-Za-z0-9 .,:;/@()+=_#-]{0,100}")
_NAT64_LENGTHS = (32, 40, 48, 56, 64, 96)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def read_rules(value: object) -> tuple[OrganisationRule, ...]:
    """The rules as a plan has them, with addresses and ports merged. Raises Expected with the place of the mistake."""
    if not isinstance(value, list | tuple):
        raise Expected(
            "", value, "a list of rules such as {direction: out, protocol: tcp, ports: [25], verdict: reject}"
        )
    if len(value) > MOST:
        raise Expected("", f"{len(value)} rules", f"at most {MOST}: one rule can have many addresses and ports")
    return tuple(_rule(item, f"[{index}]") for index, item in enumerate(value))


def read_nat64(value: object) -> tuple[str, ...]:
    """The prefixes of translators, in the order of their addresses. Raises Expected with the place of the mistake."""
    if not isinstance(value, list | tuple) or len(value) > MOST_PREFIXES:
        raise Expected("", value, f"a list of at most {MOST_PREFIXES} prefixes such as 2001:db8:64::/96")
    prefixes: list[ipaddress.IPv6Network] = []
    for index, item in enumerate(value):
        prefix = packed(item) if isinstance(item, str) else None
        if not isinstance(prefix, ipaddress.IPv6Network) or prefix.prefixlen not in _NAT64_LENGTHS:
            lengths = ", ".join(map(str, _NAT64_LENGTHS))
            raise Expected(f"[{index}]", item, f"an IPv6 prefix of {lengths} bits (RFC 6052), such as 2001:db8:64::/96")
        if prefix.prefixlen == 96 and prefix.network_address.packed[8]:
            raise Expected(f"[{index}]", item, "a prefix whose bits 64 to 71 are zero (RFC 6052)")
        fixed = carriers([str(prefix)]).keys() - {str(prefix)}
        for other in (*map(ipaddress.IPv6Network, sorted(fixed)), *prefixes):
            if prefix.overlaps(other):
                raise Expected(f"[{index}]", item, f"a prefix that does not overlap {other}")
        prefixes.append(prefix)
    return tuple(map(str, sorted(prefixes)))


def _rule(value: object, key: str) -> OrganisationRule:
    if not isinstance(value, Mapping):
        raise Expected(key, value, f"a mapping with keys out of {', '.join(KEYS)}")
    for name in value:
        if name not in KEYS:
            raise Expected(f"{key}.{name}", name, f"a known key, one of {', '.join(KEYS)}{close_to(str(name), KEYS)}")
    rule: OrganisationRule = {
        "direction": _keyword(value.get("direction"), DIRECTIONS, f"{key}.direction"),
        "protocol": _keyword(value.get("protocol", "any"), PROTOCOLS, f"{key}.protocol"),
        "addresses": _addresses(value.get("addresses"), f"{key}.addresses"),
        "ports": _ports(value.get("ports"), f"{key}.ports"),
        "verdict": _keyword(value.get("verdict"), VERDICTS, f"{key}.verdict"),
        "comment": _comment(value.get("comment", ""), f"{key}.comment"),
    }
    if rule["ports"] and rule["protocol"] == "icmp":
        raise Expected(f"{key}.ports", value.get("ports"), "no ports: icmp has none")
    return rule


def _comment(value: object, key: str) -> str:
    if not isinstance(value, str) or not _COMMENT.fullmatch(value):
        raise Expected(key, value, "at most 100 letters, digits, spaces and . , : ; / @ ( ) + = _ # -")
    return value


def _keyword(value: object, allowed: tuple[str, ...], key: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise Expected(key, value, f"one of {', '.join(allowed)}{close_to(str(value), allowed)}")
    return str(value)


def _listed(value: object, what: str, key: str) -> list[object]:
    """The items of a list; none for a key that is not there. An empty list would silently mean everything."""
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not value:
        raise Expected(key, value, f"a list of {what} (leave the key out for all)")
    return list(value)


def _addresses(value: object, key: str) -> list[str]:
    items = _listed(value, "addresses and networks", key)
    for index, item in enumerate(items):
        if not isinstance(item, str) or packed(item) is None:
            raise Expected(f"{key}[{index}]", item, "an address or a network such as 10.20.0.0/24 or 2001:db8::/48")
    return merged(str(item) for item in items)


def _ports(value: object, key: str) -> list[str]:
    """Ports and ranges of them as the packet filter lists them: in order, none within or beside another."""
    spans: list[tuple[int, int]] = []
    for index, item in enumerate(_listed(value, "ports", key)):
        found = _RANGE.fullmatch(str(item)) if isinstance(item, int | str) and not isinstance(item, bool) else None
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 0 < first <= last < 65536:
            raise Expected(f"{key}[{index}]", item, "a port such as 443, or a range such as 8000-8080")
        spans.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in joined]
