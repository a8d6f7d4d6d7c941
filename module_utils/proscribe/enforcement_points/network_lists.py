"""What the formats for packet filters share: the networks of each restricted service, and what of a plan's firewall is
for hosts alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..controls.firewall.rule_text import Network, spelled
from ..controls.firewall.ruleset import refused, refused_everywhere
from ..plan import RESTRICTED
from .declaration import Decision, LeftOut, NotExportable

CONTROL = "firewall"
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


class Service(NamedTuple):
    """A restricted service of a decision."""

    id: str
    networks: tuple[Network, ...]  # none within another
    ports: tuple[int, ...]  # none: all

    def of(self, version: int) -> list[str]:
        """Its networks of an IP version, as packet filters write them: one address without a length."""
        return [spelled(one) for one in self.networks if one.version == version]

    def with_lengths(self) -> list[str]:
        """Its networks as lists have them: an address has a length too."""
        bare = map(spelled, self.networks)
        return [text if "/" in text else f"{text}/{one.max_prefixlen}" for text, one in zip(bare, self.networks)]


def services(decision: Decision) -> list[Service]:
    """The restricted services that have networks. Raises NotExportable for an id, a network or a port that is none."""
    found = []
    for id_, entry in refused(decision.plan["controls"][CONTROL]).items():
        if not _ID.fullmatch(id_):
            raise NotExportable(f"the plan has {ascii(id_)} for a service, expected lower case letters, digits and _")
        found.append(Service(id_, _networks(id_, entry["networks"]), _ports(id_, entry["ports"])))
    return found


def included(found: list[Service]) -> list[str]:
    """Their rules."""
    return [f"{CONTROL}/{one.id}" for one in found]


def for_hosts(decision: Decision, *, everywhere: bool) -> Iterator[LeftOut]:
    """What of the section the point does not get. `everywhere`: it gets what is refused whatever the address."""
    section = decision.plan["controls"][CONTROL]
    for id_, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED and not entry["networks"]:
            yield LeftOut(f"{CONTROL}/{id_}", "the service", "It has no networks.")
    for rule in () if everywhere else refused_everywhere(section):
        yield LeftOut(f"{CONTROL}/{rule}", "the port that is refused everywhere", "A list of networks has none.")
    if section["settings"].get("rules"):
        yield LeftOut(f"{CONTROL}/own-rules", "proscribe_firewall_rules", "They are for hosts.")
    if section["settings"].get("force_dns"):
        yield LeftOut(f"{CONTROL}/plain-dns", "proscribe_dns_force", "It is about a host's own resolver.")


def blocks(plan: Mapping[str, Any], host: str) -> bool | None:
    """Whether an address is blocked for some port in a section; None for a name."""
    section = plan["controls"].get(CONTROL)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    entries = refused(section).values() if section is not None else ()
    return any(address in ipaddress.ip_network(text) for entry in entries for text in entry["networks"])


def _networks(id_: str, texts: Any) -> tuple[Network, ...]:
    try:
        parsed = [ipaddress.ip_network(str(text)) for text in texts]
    except ValueError as wrong:
        raise NotExportable(f"the plan has a network of {id_} that is none: {ascii(str(wrong))}") from None
    both = [[one for one in parsed if one.version == version] for version in (4, 6)]
    return tuple(one for family in both for one in ipaddress.collapse_addresses(family))  # type: ignore[type-var]


def _ports(id_: str, numbers: Any) -> tuple[int, ...]:
    if not all(type(number) is int and 0 < number < 65536 for number in numbers):
        raise NotExportable(f"the plan has a port of {id_} that is none")
    return tuple(sorted(set(numbers)))
