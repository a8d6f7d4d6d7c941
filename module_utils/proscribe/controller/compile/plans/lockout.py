"""A check that no policy cuts off the operators of the hosts. It stops a run before any host changes.

The networks in `proscribe_management` are exempted on every host, and reported. It is a mistake of the policy to block
other addresses that are obviously needed:
    - a service's network that contains the address of a managed host, or of this controller.
    - a service's network that lies in proscribe_management, and so would never be refused.
    - a rule of the organisation that refuses outgoing traffic to this controller's address.
    - a rule of the organisation that refuses SSH from this controller's address.
    - a rule of the organisation that refuses SSH from everywhere, without proscribe_management.
Addresses are those in the inventory (`ansible_host`, or the host's name); no name is resolved. This controller's
addresses are those from which it would reach the hosts. Each host itself checks the rest: its gateways, resolvers,
package sources and the connection over which it is managed.
"""

from __future__ import annotations

import bisect
import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....host.controls.firewall.carried_addresses import list_carried_networks
from ....host.controls.firewall.ruleset import list_section_carriers
from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import OrganisationRule, Plan, PlanSection
from ...policy_errors import PolicyError
from ..inventory.host_variables import HostVariables
from ..reading.networks import Network, parse_network
from ..restrictions import PREFIX

_RULES_VARIABLE = f"{PREFIX}firewall_rules"
_MANAGEMENT_VARIABLE = f"{PREFIX}management"
_EXEMPTION_HINT = f"or name it in {_MANAGEMENT_VARIABLE} if it has to stay reachable"


class ReachableAddresses(NamedTuple):
    """Addresses that have to stay reachable, sorted, each with a text about its owner for messages."""

    # key: IP version (4 or 6); values: (address as a number, text about the owner)
    addresses: Mapping[int, Sequence[tuple[int, str]]]

    @classmethod
    def parse_addresses(cls, addresses: Mapping[str, str]) -> ReachableAddresses:
        """Parse addresses.

        Key: an address; value: a text about its owner. Loopback addresses are left out.
        """
        numbers_by_version: dict[int, list[tuple[int, str]]] = {4: [], 6: []}
        for text, owner in addresses.items():
            address = ipaddress.ip_address(text)
            if not address.is_loopback:
                numbers_by_version[address.version].append((int(address), f"{text}, {owner}"))
        return cls({version: sorted(listed) for version, listed in numbers_by_version.items()})

    def find_inside(self, network: Network, exempt_networks: Sequence[Network]) -> str:
        """Return a text about the first of these addresses in `network` and in no exempt network; "" if there is none.

        The text has the address and its owner.
        """
        listed = self.addresses[network.version]
        index = bisect.bisect_left(listed, (int(network.network_address), ""))
        last_address = int(network.broadcast_address)
        for number, owner in map(listed.__getitem__, range(index, len(listed))):
            if number > last_address:
                break
            if not any(n.version == network.version and _is_in_network(n, number) for n in exempt_networks):
                return owner
        return ""

    def extract_carried(self, section: PlanSection, exempt_networks: Sequence[Network]) -> ReachableAddresses:
        """Return the IPv4 addresses that are embedded in these IPv6 addresses.

        A host behind a translator (NAT64) has such an IPv6 address. If the firewall blocks the IPv4 network, it also
        blocks the IPv6 address. `section` has the translators' prefixes. IPv6 addresses in exempt networks are left
        out.
        """
        listed = self.addresses[6]
        embedded_addresses: list[tuple[int, str]] = []
        prefixes = list_section_carriers(section)
        for prefix in map(parse_network, prefixes):
            first = bisect.bisect_left(listed, (int(prefix.network_address), ""))
            last = bisect.bisect_left(listed, (int(prefix.broadcast_address) + 1, ""))
            for number, owner in listed[first:last]:
                if not any(network.version == 6 and _is_in_network(network, number) for network in exempt_networks):
                    embedded_networks = list_carried_networks(ipaddress.IPv6Network(number), prefixes)
                    embedded_addresses += [(int(network.network_address), owner) for network in embedded_networks]
        return ReachableAddresses({4: sorted(set(embedded_addresses)), 6: []})


def find_lockouts(
    hosts: Iterable[HostVariables], plans: Mapping[str, Plan], later_plans: Mapping[str, Plan] = {}
) -> tuple[list[PolicyError], list[str]]:
    """Return the mistakes of the policy, and texts about management networks that it blocks but that stay reachable.

    `plans` has the hosts' plans by host. `later_plans` has the plans that follow, by digest. They are checked as well,
    because they take effect without a run that could refuse them.
    """
    hosts = list(hosts)
    managed_addresses = {host.address: f"the address of host {host.name}" for host in hosts if host.address}
    own_addresses = dict.fromkeys(find_controller_addresses(managed_addresses), "this controller's own address")
    needed_addresses, controller_addresses = (
        ReachableAddresses.parse_addresses({**managed_addresses, **own_addresses}),
        ReachableAddresses.parse_addresses(own_addresses),
    )
    errors: dict[str, PolicyError] = {}
    exemptions: dict[str, None] = {}
    checked_plans: set[tuple[str, int]] = set()
    for host in hosts:
        for begin, plan in _iterate_later_plans(plans[host.name], later_plans):
            section = plan["controls"].get("firewall")
            if section is None or (plan["digest"], host.ssh_port) in checked_plans:
                continue
            checked_plans.add((plan["digest"], host.ssh_port))
            exempt_networks = [parse_network(text) for text in section["settings"]["management"]]
            # An error of a later plan has the moment at which the plan takes effect (`begin`).
            for error in [
                *_check_services(section, needed_addresses, exempt_networks),
                *_check_own_rules(section, controller_addresses, exempt_networks, host),
            ]:
                if str(error) not in errors and begin:
                    expected = f"{error.expected}; it would be in force from {begin} on"
                    error = PolicyError(error.location, error.key, error.found_value, expected)
                errors.setdefault(str(error), error)
            exemptions.update(dict.fromkeys(() if begin else _describe_exemptions(section, exempt_networks)))
    return list(errors.values()), list(exemptions)


def _iterate_later_plans(plan: Plan, later_plans: Mapping[str, Plan]) -> Iterator[tuple[str, Plan]]:
    """Yield (moment, plan) for a plan and for the plans that follow it.

    The plan takes effect at the moment; "" for the first plan, which is in effect now.
    """
    begin = ""
    while True:
        yield begin, plan
        next_plan = plan.get("later")
        if not next_plan or next_plan["plan"] not in later_plans:
            return
        begin, plan = next_plan["at"], later_plans[next_plan["plan"]]


def find_controller_addresses(hosts: Iterable[str]) -> set[str]:
    """Return the addresses from which this controller would reach these hosts. The kernel answers; nothing is sent."""
    addresses = set()
    with contextlib.ExitStack() as stack:
        sockets: dict[socket.AddressFamily, socket.socket] = {}
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with contextlib.suppress(OSError):
                if family not in sockets:
                    sockets[family] = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                sockets[family].connect((host, 9))
                addresses.add(str(sockets[family].getsockname()[0]).partition("%")[0])
    return addresses


def _check_services(
    section: PlanSection, addresses: ReachableAddresses, exempt_networks: Sequence[Network]
) -> Iterator[PolicyError]:
    """Yield a mistake for each blocked network that contains a needed address, or lies in `proscribe_management`."""
    # IPv4 addresses in the IPv6 addresses of hosts behind a translator (NAT64)
    embedded = addresses.extract_carried(section, exempt_networks)
    for id_, text, network in _iterate_restricted_networks(section):
        if owner := addresses.find_inside(network, exempt_networks) or embedded.find_inside(network, exempt_networks):
            expected = f"no network that contains {owner}: remove it, exclude the service, {_EXEMPTION_HINT}"
            yield PolicyError(f"service {id_}", "networks", text, expected)
        for wider in exempt_networks:
            if wider.version == network.version and _is_subnetwork(network, wider):
                expected = (
                    f"networks that {_MANAGEMENT_VARIABLE} does not contain ({wider}): this one would never be refused"
                )
                yield PolicyError(f"service {id_}", "networks", text, expected)


def _check_own_rules(
    section: PlanSection, controller: ReachableAddresses, exempt_networks: Sequence[Network], host: HostVariables
) -> Iterator[PolicyError]:
    """Yield a mistake for each firewall rule of the organisation that would cut off the controller."""
    # IPv4 addresses in the IPv6 address of a controller behind a translator (NAT64)
    embedded = controller.extract_carried(section, exempt_networks)
    for index, rule in enumerate(section["settings"]["rules"]):
        if rule["verdict"] == "accept" or rule["direction"] == "forward":
            continue
        if rule["direction"] == "in":
            if not _is_ssh_affected(rule, host.ssh_port):
                continue
            if not rule["addresses"] and not exempt_networks:
                expected = (
                    f"{_MANAGEMENT_VARIABLE} to name where the hosts are managed from: this rule refuses SSH "
                    f"from everywhere"
                )
                yield PolicyError(
                    host.locate_variable(_RULES_VARIABLE), f"{_RULES_VARIABLE}[{index}]", rule["verdict"], expected
                )
                continue
        # A rule without addresses matches all addresses. An outgoing rule of this kind is not checked here.
        everywhere = ("0.0.0.0/0", "::/0") if rule["direction"] == "in" else ()
        for text in rule["addresses"] or everywhere:
            outgoing = embedded if rule["direction"] == "out" else ReachableAddresses.parse_addresses({})
            if owner := controller.find_inside(parse_network(text), exempt_networks) or outgoing.find_inside(
                parse_network(text), exempt_networks
            ):
                expected = f"addresses without {owner}, {_EXEMPTION_HINT}"
                yield PolicyError(
                    host.locate_variable(_RULES_VARIABLE), f"{_RULES_VARIABLE}[{index}].addresses", text, expected
                )


def _is_ssh_affected(rule: OrganisationRule, port: int) -> bool:
    """Return True if a rule for incoming traffic matches a controller's SSH connections."""
    spans = [(int(first), int(last or first)) for first, _, last in (text.partition("-") for text in rule["ports"])]
    return rule["protocol"] in ("tcp", "any") and (not spans or any(first <= port <= last for first, last in spans))


def _describe_exemptions(section: PlanSection, exempt_networks: Sequence[Network]) -> Iterator[str]:
    """Yield a text for each management network inside a blocked network: it stays reachable."""
    for id_, text, network in _iterate_restricted_networks(section) if exempt_networks else ():
        for exempt_network in exempt_networks:
            if exempt_network.version == network.version and _is_subnetwork(exempt_network, network):
                yield (
                    f"{_MANAGEMENT_VARIABLE} {exempt_network} lies in {text} of {id_}: it stays reachable on the hosts "
                    f"that name it"
                )


def _iterate_restricted_networks(section: PlanSection) -> Iterator[tuple[str, str, Network]]:
    """Yield (service id, network as text, network) for each network that a firewall section blocks.

    A network that is open only in the hours of a waiver counts as blocked (`otherwise`).
    """
    for id_, entry in section["services"].items():
        for text in entry["networks"] if entry.get("otherwise", entry["mode"]) in RESTRICTED_MODES else ():
            yield id_, text, parse_network(text)


def _is_in_network(network: Network, number: int) -> bool:
    return int(network.network_address) <= number <= int(network.broadcast_address)


def _is_subnetwork(inner: Network, outer: Network) -> bool:
    return inner.prefixlen >= outer.prefixlen and _is_in_network(outer, int(inner.network_address))
