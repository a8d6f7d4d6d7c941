"""Exemptions of a host from its table, and the reasons why they stay the same from run to run.

Only addresses in a refused network need an exemption. The networks that the plan names under `management` always get
one. Facts from files of the host are read anew each time: gateways, resolvers, package sources named by address, ports
of sshd, uids. Only an enforcing run can know the following facts. They are stored in the boot file, and an audit reads
them there:

    sources    addresses of package sources; they are kept as long as the host has a source of that name,
               because name resolution takes time and its results vary
    members    the only users to whom a service is refused, while the members of their groups are unknown
    port       port of the control connection, kept for good: its rule opens nothing to connections from the host
    peer       other side of the control connection, kept for good if the organisation has rules for incoming traffic

So a run from a timer, without SSH_CONNECTION and without a resolver, makes the same table as the run that loaded it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from ....base.lazy_patterns import MULTILINE, compile_pattern
from ....base.named_tuple import NamedTuple
from ...system import Host
from .. import management_exemptions
from . import carried_addresses
from .rule_syntax import (
    MANAGEMENT_REASON,
    OWN_RULES,
    RESTRICTED_SET_PREFIX,
    ExemptNetwork,
    FirewallExemptions,
    Network,
    format_network,
)
from .ruleset import get_own_rules, list_section_carriers, select_refused_entries

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection

SOURCE_REASON = "package source "
_REMEMBERED_SOURCE_PATTERN = compile_pattern(rf'([0-9a-f.:]+) comment "{SOURCE_REASON}([^"\n]+)"')
_CONTROL_MARK = 'accept comment "control'
_REMEMBERED_PEER_PATTERN = compile_pattern(rf"^\t\tip6? saddr (\S+) tcp dport (\d+) {_CONTROL_MARK}", MULTILINE)
_MAX_NAME_LENGTH = 100  # the comment of an element may have 128 characters
_ALL_NETWORKS = ("0.0.0.0/0", "::/0")

# Function that resolves the name of a package source to its addresses.
AddressResolver = Callable[[str], Sequence[str]]


class BlockedNetworks(NamedTuple):
    """Refused networks by service, in the notation of the plan.

    The organisation's own rules count as a service. `carriers` are the IPv6 prefixes whose addresses carry IPv4
    addresses.
    """

    networks_by_service: Mapping[str, frozenset[str]]
    carriers: carried_addresses.CarrierPrefixes = {}

    @classmethod
    def read_section(cls, section: PlanSection) -> BlockedNetworks:
        """Return the networks that the section `firewall` of a plan refuses."""
        return cls(
            {service_id: frozenset(networks) for service_id, networks in _list_refused_networks(section)},
            list_section_carriers(section),
        )

    def find_containing_services(self, network: Network) -> tuple[str, ...]:
        """Return the ids of the services with a refused network that contains all of the given network.

        If the given network is of IPv6, the IPv4 networks that its addresses carry are searched for too. To save time,
        the search is for the few networks that could contain it, not through all refused networks.
        """
        containing_networks = {
            format_network(part.supernet(new_prefix=length))
            for part in (network, *carried_addresses.list_carried_networks(network, self.carriers))
            for length in range(part.prefixlen + 1)
        }
        return tuple(
            service_id
            for service_id, service_networks in self.networks_by_service.items()
            if not containing_networks.isdisjoint(service_networks)
        )

    def find_overlapping_services(self, network: Network) -> tuple[str, ...]:
        """Return the ids of the services with a refused network that has at least one address of the given network."""
        containing_ids = self.find_containing_services(network)
        network_parts = (network, *carried_addresses.list_carried_networks(network, self.carriers))
        overlapping_ids = (
            service_id
            for service_id, texts in self.networks_by_service.items()
            if any(
                part.overlaps(refused_network)
                for refused_network in map(ipaddress.ip_network, texts)
                for part in network_parts
            )
        )
        return (
            containing_ids  # a single address overlaps only the networks that contain it
            if network.prefixlen == network.max_prefixlen
            else tuple(dict.fromkeys([*containing_ids, *overlapping_ids]))
        )


def collect_exemptions(
    host: Host,
    section: PlanSection,
    boot_file: str,
    resolve_addresses: AddressResolver | None = None,
    connections: Sequence[tuple[str, int]] = (),
    resolver_uids: Sequence[int] = (),
) -> FirewallExemptions:
    """Collect everything that the table of this host exempts.

    `boot_file` is the text of the boot file from an earlier run; "" if there is none. `resolver_uids` come from
    find_resolver_uids().

    Only an enforcing run passes the next two parameters. `resolve_addresses` resolves names of package sources.
    `connections` has (address of the other side, port on this host) for each control connection.
    """
    blocked = BlockedNetworks.read_section(section)
    uids_by_user = _find_waived_uids(host, section)
    remembered = _RememberedExemptions.parse_boot_file(boot_file)
    exempt_networks: list[ExemptNetwork] = []
    for text in section["settings"].get("management", ()):
        network = ipaddress.ip_network(text)
        # Only an enforcing run reports the services of these networks. An audit saves the search.
        exempt_networks.append(
            ExemptNetwork(
                network, MANAGEMENT_REASON, blocked.find_overlapping_services(network) if resolve_addresses else ()
            )
        )
    # If nothing is refused, no address needs an exemption, so no name has to be resolved.
    for address, reason in _list_needed_addresses(
        host, remembered, resolve_addresses if blocked.networks_by_service else None
    ):
        exempt_networks += _make_exempt_networks(address, reason, blocked)
    needs_tls = management_exemptions.is_resolver_tls_required(host)
    # If systemd-resolved queries over TLS only, a rule could refuse the port 853 of every resolver. So every resolver
    # gets an exemption, even outside of refused networks.
    resolvers = [
        exempt_network
        for text in management_exemptions.read_resolvers(host)
        for exempt_network in _make_exempt_networks(text, "resolver", blocked, needs_tls)
    ]
    return FirewallExemptions(
        exempt_networks=_select_widest(exempt_networks),
        resolvers=_select_widest(resolvers),
        resolver_ports=(53, 853) if needs_tls else (53,),
        ssh_ports=sorted(
            {*management_exemptions.read_ssh_ports(host), *remembered.ports, *(port for _, port in connections)}
        ),
        ephemeral_ports=_read_ephemeral_ports(host),
        controllers=_list_controllers(section, [*remembered.peers, *connections]),
        waived_uids=_group_known_uids(uids_by_user),
        restricted_uids=_find_restricted_uids(host, section, boot_file),
        resolver_uids=resolver_uids,
        unknown_users=[service_and_user for service_and_user, uid in uids_by_user.items() if uid is None],
    )


def _find_waived_uids(host: Host, section: PlanSection) -> dict[tuple[str, str], int | None]:
    """Return, by (service id, user name), the uid of each user with a waiver.

    The uid is None if the user does not exist on this host.
    """
    service_users = [
        (service_id, name)
        for service_id, entry in select_refused_entries(section).items()
        for name in list_exempted_users(entry)
    ]
    return {(service_id, name): host.find_user_id(name) for service_id, name in service_users}


def _group_known_uids(uids_by_user: Mapping[tuple[str, str], int | None]) -> dict[str, list[int]]:
    """Return, by service, the uids of users with a waiver who exist on this host."""
    uids_by_service: dict[str, list[int]] = {}
    for (service_id, _), uid in uids_by_user.items():
        if uid is not None:
            uids_by_service.setdefault(service_id, []).append(uid)
    return {service_id: sorted(set(uids)) for service_id, uids in uids_by_service.items()}


def list_exempted_users(entry: PlanEntry) -> list[str]:
    """Return the names of users to whom waivers permit a whole service."""
    # An exception for one version of a program does not count, because a network packet does not show the version.
    whole_exceptions = (
        exception for exception in entry.get("exceptions", ()) if exception.keys() <= {"waiver", "users"}
    )
    return [name for exception in whole_exceptions for name in exception.get("users", ())]


def _find_restricted_uids(host: Host, section: PlanSection, boot_file: str) -> dict[str, list[int]]:
    """Return, by service id, the uids of the only users to whom the service is refused.

    A service that is refused to everybody is left out. The key `only` of an entry has the members of groups as `users`.
    Its key `unresolved` exists while the members of a group are unknown. Meanwhile the users of an earlier run
    (`boot_file`) stay included. Otherwise a lost connection to the directory of accounts would open the service to
    them.
    """
    uids_by_service: dict[str, list[int]] = {}
    for service_id, entry in select_refused_entries(section).items():
        if "only" in entry:
            uids = {uid for name in entry["only"]["users"] if (uid := host.find_user_id(name)) is not None}
            if "unresolved" in entry["only"]:
                members_pattern = compile_pattern(
                    rf"\tset {RESTRICTED_SET_PREFIX}{service_id} \{{\s+type uid\s+elements = \{{([\d,\s]+)\}}"
                )
                match = members_pattern.search(boot_file)
                uids.update(map(int, match[1].replace(",", " ").split()) if match else ())
            uids_by_service[service_id] = sorted(uids)
    return uids_by_service


class _RememberedExemptions(NamedTuple):
    """Exemptions that an earlier run stored in the boot file.

    `sources` has (address, name of the package source, at most its last _MAX_NAME_LENGTH characters). `ports` are
    ports of control connections. `peers` has (address of the other side, port on this host).
    """

    sources: Sequence[tuple[str, str]]
    ports: Sequence[int]
    peers: Sequence[tuple[str, int]]

    @classmethod
    def parse_boot_file(cls, text: str) -> _RememberedExemptions:
        """Parse the exemptions in the text of a boot file. The text "" has none."""
        # The test for the text comes first, because the pattern is slow on large sets.
        sources = _REMEMBERED_SOURCE_PATTERN.findall(text) if SOURCE_REASON in text else []
        # the rule that accepts packets of SSH sessions: "tcp sport { 22, 2222 } tcp flags ..."
        port_list, mark, _ = text.partition("\n\t\ttcp sport ")[2].partition("\n")[0].partition(" tcp flags")
        ports = [port.strip() for port in port_list.strip("{ }").split(",")] if mark else []
        peers = _REMEMBERED_PEER_PATTERN.findall(text) if _CONTROL_MARK in text else []
        return cls(
            sources,
            [int(port) for port in ports if port.isdecimal()],
            [(address, int(port)) for address, port in peers],
        )


def _list_refused_networks(section: PlanSection) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield (service id, networks) for the networks that are refused to connections from this host.

    The same networks are refused to its containers and virtual machines. The organisation's own rules count as a
    service with the id OWN_RULES. Its rules for incoming traffic are left out.
    """
    for service_id, entry in select_refused_entries(section).items():
        yield service_id, entry["networks"]
    barring_rules = [
        rule for rule in get_own_rules(section) if rule["verdict"] != "accept" and rule["direction"] != "in"
    ]
    if barring_rules:
        yield OWN_RULES, [text for rule in barring_rules for text in rule["addresses"] or _ALL_NETWORKS]


def _list_controllers(section: PlanSection, peers: Sequence[tuple[str, int]]) -> list[tuple[Network, int]]:
    """Return (network, port) for each controller of this host, sorted.

    The list is empty if the organisation has no rules for incoming traffic: then nothing could refuse a controller.
    """
    if not any(rule["direction"] == "in" for rule in get_own_rules(section)):
        return []
    controllers = {(network, port) for address, port in peers if (network := parse_address(address))}
    return sorted(controllers, key=lambda peer: (peer[0].version, int(peer[0].network_address), peer[1]))


def _list_needed_addresses(
    host: Host, remembered: _RememberedExemptions, resolve_addresses: AddressResolver | None
) -> Iterator[tuple[str, str]]:
    """Yield (address, reason) for each address that the host needs on every port.

    Those are gateways and package sources. Names of package sources are resolved only with `resolve_addresses`. The
    `remembered` addresses of sources that the host still has are yielded in any case.
    """
    for address in management_exemptions.read_gateways(host):
        yield address, "default gateway"
    # by label: the name. The label is the end of the name, because the comment of a set's element is limited.
    sources = {name[-_MAX_NAME_LENGTH:]: name for name in management_exemptions.read_package_sources(host)}
    for address, source_label in remembered.sources:
        if source_label in sources:
            yield address, SOURCE_REASON + source_label
    for source_label, name in sources.items():
        for address in [name] if parse_address(name) else resolve_addresses(name) if resolve_addresses else ():
            yield address, SOURCE_REASON + source_label


def _make_exempt_networks(
    address: str, reason: str, blocked: BlockedNetworks, is_always: bool = False
) -> list[ExemptNetwork]:
    """Return the exemption for an address, in a list; [] for an address outside of all refused networks.

    With `is_always`, such an address gets an exemption too. A loopback address or another text never gets an exemption.
    """
    network = parse_address(address)
    services = blocked.find_containing_services(network) if network else ()
    return [ExemptNetwork(network, reason, services)] if network and (services or is_always) else []


def parse_address(address: str) -> Network | None:
    """Parse an address as a network with one address.

    Returns None for other text, and for a loopback address.
    """
    try:
        network = ipaddress.ip_network(address)
    except ValueError:
        return None
    return None if network.is_loopback else network


def _select_widest(exempt_networks: Sequence[ExemptNetwork]) -> list[ExemptNetwork]:
    """Return the exemptions without those that lie inside another, sorted by address.

    The reason: nft rejects overlapping intervals.
    """
    widest_by_network: dict[Network, ExemptNetwork] = {}
    for exempt_network in sorted(exempt_networks, key=lambda exempt_network: exempt_network.network.prefixlen):
        if not any(network.overlaps(exempt_network.network) for network in widest_by_network):
            widest_by_network[exempt_network.network] = exempt_network
    return sorted(
        widest_by_network.values(),
        key=lambda exempt_network: (exempt_network.network.version, int(exempt_network.network.network_address)),
    )


def _read_ephemeral_ports(host: Host) -> tuple[int, int]:
    """Return the first and the last local port that the kernel gives to connections from this host."""
    words = (host.read_text("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else FirewallExemptions().ephemeral_ports
