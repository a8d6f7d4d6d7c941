"""What the formats for packet filters share: the networks of each restricted service, and what of a plan's firewall is
for hosts alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from ...host.controls.firewall.carried import listable
from ...host.controls.firewall.rule_text import Network, spelled
from ...host.controls.firewall.ruleset import DNS_OVER_TLS, refused, refused_everywhere
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import Plan, PlanSection
from .declaration import Decision, LeftOut, NotExportable

CONTROL = "firewall"
OVER_TLS = 853  # RFC 7858
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


class Service(NamedTuple):
    """A restricted service of a decision."""

    id: str
    networks: tuple[Network, ...]  # none within another; with the IPv6 networks that carry the IPv4 ones
    ports: tuple[int, ...]  # none: all

    def of(self, version: int) -> list[str]:
        """Its networks of an IP version, as packet filters write them: one address without a length."""
        return [spelled(one) for one in self.networks if one.version == version]

    def with_lengths(self) -> list[str]:
        """Its networks as lists have them: an address has a length too."""
        bare = map(spelled, self.networks)
        return [text if "/" in text else f"{text}/{one.max_prefixlen}" for text, one in zip(bare, self.networks)]


def services(decision: Decision, but: Sequence[Network] = ()) -> list[Service]:
    """The restricted services that have networks, without those that lie in some others. Raises NotExportable for an
    id, a network or a port that is none.
    """
    found = []
    section = decision.plan["controls"][CONTROL]
    for id_, entry in refused(section).items():
        if not _ID.fullmatch(id_):
            raise NotExportable(f"the plan has {ascii(id_)} for a service, expected lower case letters, digits and _")
        networks = tuple(_without(_networks(id_, entry["networks"], section), but))
        if networks:
            found.append(Service(id_, networks, _ports(id_, entry["ports"])))
    return found


def management(decision: Decision) -> tuple[Network, ...]:
    """The networks of the management, which nobody is cut off from."""
    section = decision.plan["controls"][CONTROL]
    return _networks("the management", section["settings"].get("management", ()), section)


def included(found: list[Service]) -> list[str]:
    """Their rules."""
    return [f"{CONTROL}/{one.id}" for one in found]


def for_hosts(decision: Decision, *, everywhere: bool) -> Iterator[LeftOut]:
    """What of the section the point does not get. `everywhere`: it gets what is refused whatever the address."""
    section = decision.plan["controls"][CONTROL]
    for id_, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES and not entry["networks"]:
            yield LeftOut(f"{CONTROL}/{id_}", "the service", "It has no networks.")
    listed = {one.id for one in services(decision, () if everywhere else management(decision))}
    for id_ in sorted(refused(section).keys() - listed):
        yield LeftOut(f"{CONTROL}/{id_}", "the service", "All of its networks are in proscribe_management.")
    for rule in () if everywhere else refused_everywhere(section):
        yield LeftOut(f"{CONTROL}/{rule}", "the port that is refused everywhere", "A list of networks has none.")
    if section["settings"].get("rules"):
        yield LeftOut(f"{CONTROL}/own-rules", "proscribe_firewall_rules", "They are for hosts.")
    if section["settings"].get("force_dns"):
        yield LeftOut(f"{CONTROL}/plain-dns", "proscribe_dns_force", "It is about a host's own resolver.")


def blocks(plan: Plan, host: str, port: int | None = None, everywhere: bool = False) -> bool | None:
    """Whether an address is blocked in a section, on a port or on some port; None for a name. `everywhere`: by a point
    that gets what is refused whatever the address.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    section = plan["controls"].get(CONTROL)
    if section is None or _within(address, section["settings"].get("management", ()), section):
        return False
    if everywhere and port == OVER_TLS and DNS_OVER_TLS in refused_everywhere(section):
        return True
    return any(
        _within(address, entry["networks"], section)
        for entry in refused(section).values()
        if port is None or not entry["ports"] or port in entry["ports"]
    )


def _within(address: IPv4Address | IPv6Address, texts: Sequence[str], section: PlanSection) -> bool:
    carrying = _carrying(texts, section) if address.version == 6 else ()
    return any(address in ipaddress.ip_network(text) for text in (*texts, *carrying))


def _carrying(texts: Sequence[str], section: PlanSection) -> list[str]:
    """Return the IPv6 networks by which translators reach some networks."""
    return listable(texts, section["settings"].get("nat64", ()))


def _without(networks: Iterable[Network], others: Sequence[Network]) -> Iterator[Network]:
    """What of some networks lies in none of the others."""
    for one in networks:
        other: Any = next((other for other in others if other.overlaps(one)), None)
        if other is None:
            yield one
        elif other.prefixlen > one.prefixlen:
            yield from _without(sorted(one.address_exclude(other)), others)


def _networks(id_: str, texts: Iterable[str], section: PlanSection) -> tuple[Network, ...]:
    try:
        parsed = [ipaddress.ip_network(str(text)) for text in texts]
    except ValueError as wrong:
        raise NotExportable(f"the plan has a network of {id_} that is none: {ascii(str(wrong))}") from None
    parsed += map(ipaddress.ip_network, _carrying([str(network) for network in parsed], section))
    both = [[one for one in parsed if one.version == version] for version in (4, 6)]
    return tuple(one for family in both for one in ipaddress.collapse_addresses(family))  # type: ignore[type-var]


def _ports(id_: str, numbers: Iterable[int]) -> tuple[int, ...]:
    if not all(type(number) is int and 0 < number < 65536 for number in numbers):
        raise NotExportable(f"the plan has a port of {id_} that is none")
    return tuple(sorted(set(numbers)))
