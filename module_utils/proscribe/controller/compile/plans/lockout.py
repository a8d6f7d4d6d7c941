"""A policy that would cut off those who run it stops here, before any host is touched.

What the organisation named in `proscribe_management` is exempted on every host, and reported. What nobody named and
is plainly needed is a mistake of the policy:

- a service's network that contains the address of a managed host, or of this controller;

- a service's network that lies in proscribe_management, and so would never be refused;

- an own rule that refuses what goes out to this controller's address;

- an own rule that refuses SSH from this controller's address, or from everywhere while nothing is in
  proscribe_management.

Addresses are those that the inventory names (`ansible_host`, or the host's own name); nothing is resolved. This
controller's are those from which it would reach them. Each host itself checks what only it can know: its
gateways, resolvers, package sources and the connection over which it is managed.
"""

from __future__ import annotations

import bisect
import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....host.controls.firewall.carried import carried_in
from ....host.controls.firewall.ruleset import carried_by
from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import OrganisationRule, Plan, PlanSection
from ...policy_errors import PolicyError
from ..inventory.inventory import HostVariables
from ..reading.networks import Network, parsed
from ..restrictions import PREFIX

_RULES = f"{PREFIX}firewall_rules"
_MANAGEMENT = f"{PREFIX}management"
_OR_NAME = f"or name it in {_MANAGEMENT} if it has to stay reachable"


class Needed(NamedTuple):
    """Addresses that have to stay reachable, in order, each with whose it is."""

    addresses: Mapping[int, Sequence[tuple[int, str]]]  # by version

    @classmethod
    def of(cls, addresses: Mapping[str, str]) -> Needed:
        found: dict[int, list[tuple[int, str]]] = {4: [], 6: []}
        for text, owner in addresses.items():
            address = ipaddress.ip_address(text)
            if not address.is_loopback:
                found[address.version].append((int(address), f"{text}, {owner}"))
        return cls({version: sorted(listed) for version, listed in found.items()})

    def inside(self, network: Network, spared: Sequence[Network]) -> str:
        """The first address in a network that none of `spared` contains, with whose it is; "" if there is none."""
        listed = self.addresses[network.version]
        at = bisect.bisect_left(listed, (int(network.network_address), ""))
        last = int(network.broadcast_address)
        for number, owner in map(listed.__getitem__, range(at, len(listed))):
            if number > last:
                break
            if not any(n.version == network.version and _contains(n, number) for n in spared):
                return owner
        return ""

    def carried(self, section: PlanSection, spared: Sequence[Network]) -> Needed:
        """Return the IPv4 addresses that lie in those IPv6 addresses that no network of `spared` contains.

        A host behind a translator has such an address.
        """
        listed = self.addresses[6]
        carried: list[tuple[int, str]] = []
        among = carried_by(section)
        for outer in map(parsed, among):
            first = bisect.bisect_left(listed, (int(outer.network_address), ""))
            last = bisect.bisect_left(listed, (int(outer.broadcast_address) + 1, ""))
            for number, owner in listed[first:last]:
                if not any(network.version == 6 and _contains(network, number) for network in spared):
                    inner = carried_in(ipaddress.IPv6Network(number), among)
                    carried += [(int(network.network_address), owner) for network in inner]
        return Needed({4: sorted(set(carried)), 6: []})


def find(
    hosts: Iterable[HostVariables], plans: Mapping[str, Plan], later: Mapping[str, Plan] = {}
) -> tuple[list[PolicyError], list[str]]:
    """The mistakes, and what is exempted though a policy names it, in words. `plans` are the hosts' plans by name, and
    `later` those that follow them, by digest: they take effect without a run that could refuse them.
    """
    hosts = list(hosts)
    managed = {host.address: f"the address of host {host.name}" for host in hosts if host.address}
    own = dict.fromkeys(controller_addresses(managed), "this controller's own address")
    services, controller = Needed.of({**managed, **own}), Needed.of(own)
    errors: dict[str, PolicyError] = {}
    said: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    for host in hosts:
        for begins, plan in _following(plans[host.name], later):
            section = plan["controls"].get("firewall")
            if section is None or (plan["digest"], host.ssh_port) in seen:
                continue
            seen.add((plan["digest"], host.ssh_port))
            spared = [parsed(text) for text in section["settings"]["management"]]
            for error in [*_services(section, services, spared), *_own_rules(section, controller, spared, host)]:
                if str(error) not in errors and begins:
                    expected = f"{error.expected}; it would be in force from {begins} on"
                    error = PolicyError(error.where, error.key, error.value, expected)
                errors.setdefault(str(error), error)
            said.update(dict.fromkeys(() if begins else _exempted(section, spared)))
    return list(errors.values()), list(said)


def _following(plan: Plan, later: Mapping[str, Plan]) -> Iterator[tuple[str, Plan]]:
    """A plan and those that follow it, each with when it begins; "" for the first."""
    begins = ""
    while True:
        yield begins, plan
        follows = plan.get("later")
        if not follows or follows["plan"] not in later:
            return
        begins, plan = follows["at"], later[follows["plan"]]


def controller_addresses(hosts: Iterable[str]) -> set[str]:
    """The addresses from which this controller would reach some others. Nothing is sent: only the kernel is queried."""
    found = set()
    with contextlib.ExitStack() as stack:
        towards: dict[socket.AddressFamily, socket.socket] = {}
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with contextlib.suppress(OSError):
                if family not in towards:
                    towards[family] = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                towards[family].connect((host, 9))
                found.add(str(towards[family].getsockname()[0]).partition("%")[0])
    return found


def _services(section: PlanSection, needed: Needed, spared: Sequence[Network]) -> Iterator[PolicyError]:
    carried = needed.carried(section, spared)
    for id_, text, network in _restricted(section):
        if owner := needed.inside(network, spared) or carried.inside(network, spared):
            expected = f"no network that contains {owner}: remove it, exclude the service, {_OR_NAME}"
            yield PolicyError(f"service {id_}", "networks", text, expected)
        for wider in spared:
            if wider.version == network.version and _within(network, wider):
                expected = f"networks that {_MANAGEMENT} does not contain ({wider}): this one would never be refused"
                yield PolicyError(f"service {id_}", "networks", text, expected)


def _own_rules(
    section: PlanSection, controller: Needed, spared: Sequence[Network], host: HostVariables
) -> Iterator[PolicyError]:
    carried = controller.carried(section, spared)
    for index, rule in enumerate(section["settings"]["rules"]):
        if rule["verdict"] == "accept" or rule["direction"] == "forward":
            continue
        if rule["direction"] == "in":
            if not _meets_ssh(rule, host.ssh_port):
                continue
            if not rule["addresses"] and not spared:
                expected = (
                    f"{_MANAGEMENT} to name where the hosts are managed from: this rule refuses SSH from everywhere"
                )
                yield PolicyError(host.where(_RULES), f"{_RULES}[{index}]", rule["verdict"], expected)
                continue
        everywhere = ("0.0.0.0/0", "::/0") if rule["direction"] == "in" else ()
        for text in rule["addresses"] or everywhere:
            going = carried if rule["direction"] == "out" else Needed.of({})
            if owner := controller.inside(parsed(text), spared) or going.inside(parsed(text), spared):
                expected = f"addresses without {owner}, {_OR_NAME}"
                yield PolicyError(host.where(_RULES), f"{_RULES}[{index}].addresses", text, expected)


def _meets_ssh(rule: OrganisationRule, port: int) -> bool:
    """Whether a rule for what comes in meets the connections of a controller."""
    spans = [(int(first), int(last or first)) for first, _, last in (text.partition("-") for text in rule["ports"])]
    return rule["protocol"] in ("tcp", "any") and (not spans or any(first <= port <= last for first, last in spans))


def _exempted(section: PlanSection, spared: Sequence[Network]) -> Iterator[str]:
    for id_, text, network in _restricted(section) if spared else ():
        for narrower in spared:
            if narrower.version == network.version and _within(narrower, network):
                yield f"{_MANAGEMENT} {narrower} lies in {text} of {id_}: it stays reachable on the hosts that name it"


def _restricted(section: PlanSection) -> Iterator[tuple[str, str, Network]]:
    for id_, entry in section["services"].items():
        for text in entry["networks"] if entry.get("otherwise", entry["mode"]) in RESTRICTED_MODES else ():
            yield id_, text, parsed(text)


def _contains(network: Network, number: int) -> bool:
    return int(network.network_address) <= number <= int(network.broadcast_address)


def _within(inner: Network, outer: Network) -> bool:
    return inner.prefixlen >= outer.prefixlen and _contains(outer, int(inner.network_address))
