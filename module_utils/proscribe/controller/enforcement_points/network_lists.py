"""Common parts of the formats for packet filters: networks of restricted services, and left out parts of the plan."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from ...host.controls.firewall.carried_addresses import list_carrying_networks
from ...host.controls.firewall.rule_syntax import Network, format_network
from ...host.controls.firewall.ruleset import DNS_OVER_TLS_RULE, make_general_matches, select_refused_entries
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import Plan, PlanSection
from .format_declaration import ExportDecision, ExportError, ExportOmission

FIREWALL_CONTROL = "firewall"
DNS_OVER_TLS_PORT = 853  # RFC 7858
_SERVICE_ID_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


class NetworkService(NamedTuple):
    """A restricted service of an export, with its networks."""

    id: str
    # no network is within another; also IPv6 networks in which translators (NAT64) embed the IPv4 networks
    networks: tuple[Network, ...]
    ports: tuple[int, ...]  # empty for all ports

    def list_networks(self, version: int) -> list[str]:
        """Return the service's networks of an IP version (4 or 6) as a packet filter lists them.

        The prefix lengths /32 and /128 of single addresses are omitted.
        """
        return [format_network(network) for network in self.networks if network.version == version]

    def list_prefixes(self) -> list[str]:
        """Return the service's networks with a prefix length each, also single addresses (/32, /128)."""
        network_texts = map(format_network, self.networks)
        return [
            text if "/" in text else f"{text}/{network.max_prefixlen}"
            for text, network in zip(network_texts, self.networks)
        ]


def list_network_services(decision: ExportDecision, excluded_networks: Sequence[Network] = ()) -> list[NetworkService]:
    """Return the restricted services with their networks, without the parts in `excluded_networks`.

    Raises ExportError for an invalid id, network or port.
    """
    network_services = []
    section = decision.plan["controls"][FIREWALL_CONTROL]
    for service_id, entry in select_refused_entries(section).items():
        if not _SERVICE_ID_PATTERN.fullmatch(service_id):
            raise ExportError(
                f"the plan has {ascii(service_id)} for a service, expected lower case letters, digits and _"
            )
        networks = tuple(_subtract_networks(_parse_networks(service_id, entry["networks"], section), excluded_networks))
        if networks:
            network_services.append(NetworkService(service_id, networks, _check_ports(service_id, entry["ports"])))
    return network_services


def list_management_networks(decision: ExportDecision) -> tuple[Network, ...]:
    """Return the management networks, which are never blocked."""
    section = decision.plan["controls"][FIREWALL_CONTROL]
    return _parse_networks("the management", section["settings"].get("management", ()), section)


def list_included_rules(network_services: list[NetworkService]) -> list[str]:
    """Return the rules that an export enforces: `firewall/<service>` for each service."""
    return [f"{FIREWALL_CONTROL}/{service.id}" for service in network_services]


def list_left_out_networks(decision: ExportDecision, *, has_general_rules: bool) -> Iterator[ExportOmission]:
    """Yield a report entry for each part of the firewall section that the point does not get.

    `has_general_rules` is True if the point also gets the rules that block a port at any address.
    """
    section = decision.plan["controls"][FIREWALL_CONTROL]
    for service_id, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES and not entry["networks"]:
            yield ExportOmission(f"{FIREWALL_CONTROL}/{service_id}", "the service", "It has no networks.")
    listed_ids = {
        service.id
        for service in list_network_services(decision, () if has_general_rules else list_management_networks(decision))
    }
    for service_id in sorted(select_refused_entries(section).keys() - listed_ids):
        yield ExportOmission(
            f"{FIREWALL_CONTROL}/{service_id}", "the service", "All of its networks are in proscribe_management."
        )
    for rule in () if has_general_rules else make_general_matches(section):
        yield ExportOmission(
            f"{FIREWALL_CONTROL}/{rule}", "the port that is refused everywhere", "A list of networks has none."
        )
    if section["settings"].get("rules"):
        yield ExportOmission(f"{FIREWALL_CONTROL}/own-rules", "proscribe_firewall_rules", "They are for hosts.")
    if section["settings"].get("force_dns"):
        yield ExportOmission(
            f"{FIREWALL_CONTROL}/plain-dns", "proscribe_dns_force", "It is about a host's own resolver."
        )


def is_address_blocked(plan: Plan, host: str, port: int | None = None, has_general_rules: bool = False) -> bool | None:
    """Return True if an address is blocked, and None if `host` is a name, because only addresses are blocked.

    The address has to be blocked on `port`; without a port (None), any blocked port is enough. `has_general_rules` is
    True for a point that also gets the rules that block a port at any address.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    section = plan["controls"].get(FIREWALL_CONTROL)
    if section is None or _is_within_networks(address, section["settings"].get("management", ()), section):
        return False
    if has_general_rules and port == DNS_OVER_TLS_PORT and DNS_OVER_TLS_RULE in make_general_matches(section):
        return True
    return any(
        _is_within_networks(address, entry["networks"], section)
        for entry in select_refused_entries(section).values()
        if port is None or not entry["ports"] or port in entry["ports"]
    )


def _is_within_networks(address: IPv4Address | IPv6Address, texts: Sequence[str], section: PlanSection) -> bool:
    """Return True if an address is in one of the networks, directly or through a translator (NAT64) of the plan."""
    carrying_networks = _list_carrying_networks(texts, section) if address.version == 6 else ()
    return any(address in ipaddress.ip_network(text) for text in (*texts, *carrying_networks))


def _list_carrying_networks(texts: Sequence[str], section: PlanSection) -> list[str]:
    """Return the IPv6 networks through which translators (NAT64) reach the IPv4 networks in `texts`."""
    return list_carrying_networks(texts, section["settings"].get("nat64", ()))


def _subtract_networks(networks: Iterable[Network], excluded_networks: Sequence[Network]) -> Iterator[Network]:
    """Yield the parts of networks that lie outside all of `excluded_networks`."""
    for network in networks:
        excluded_network: Any = next(
            (excluded_network for excluded_network in excluded_networks if excluded_network.overlaps(network)), None
        )
        if excluded_network is None:
            yield network
        elif excluded_network.prefixlen > network.prefixlen:  # otherwise all of the network is excluded
            yield from _subtract_networks(sorted(network.address_exclude(excluded_network)), excluded_networks)


def _parse_networks(service_id: str, texts: Iterable[str], section: PlanSection) -> tuple[Network, ...]:
    """Return the networks in `texts`, with IPv6 networks for translators, without overlaps. Raises ExportError."""
    try:
        parsed_networks = [ipaddress.ip_network(str(text)) for text in texts]
    except ValueError as error:
        raise ExportError(f"the plan has a network of {service_id} that is none: {ascii(str(error))}") from None
    parsed_networks += map(
        ipaddress.ip_network, _list_carrying_networks([str(network) for network in parsed_networks], section)
    )
    networks_by_version = [[network for network in parsed_networks if network.version == version] for version in (4, 6)]
    return tuple(network for family in networks_by_version for network in ipaddress.collapse_addresses(family))  # type: ignore[type-var]


def _check_ports(service_id: str, ports: Iterable[int]) -> tuple[int, ...]:
    """Return the ports sorted, each once.

    Raises ExportError for an invalid port.
    """
    if not all(type(port) is int and 0 < port < 65536 for port in ports):
        raise ExportError(f"the plan has a port of {service_id} that is none")
    return tuple(sorted(set(ports)))
