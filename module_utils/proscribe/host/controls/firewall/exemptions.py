"""What the ruleset must let pass on this host, and how it stays the same from run to run.

An address is exempted only if it lies in a network that is refused, or the plan names it under `management`. What files
of the host say (gateways, resolvers, sources named by address, ports of sshd, numbers of users) is read anew each time.
What only an enforcing run can know is remembered in the boot file, and an audit takes it from there instead of
resolving anew:

    sources    addresses of package sources, while one has the name: resolving takes time, and answers differ
    members    to whom alone a service is refused, while the members of their groups are not known
    port       of the control connection, for good: its rule opens nothing to connections that start on the host
    peer       its other side, for good where the organisation has rules for what comes in

So a timer without SSH_CONNECTION and without a resolver sees the same ruleset as the run that loaded it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from ....base.patterns import MULTILINE, compile_pattern
from ....base.tuples import NamedTuple
from ...system import Host
from .. import management_exemptions
from . import carried
from .rule_text import MANAGEMENT, MEMBERS, OWN_RULES, Exempt, Exemptions, Network, spelled
from .ruleset import carried_by, own_rules, refused

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection

SOURCE = "package source "
_REMEMBERED_SOURCE = compile_pattern(rf'([0-9a-f.:]+) comment "{SOURCE}([^"\n]+)"')
_CONTROL = 'accept comment "control'
_REMEMBERED_PEER = compile_pattern(rf"^\t\tip6? saddr (\S+) tcp dport (\d+) {_CONTROL}", MULTILINE)
_LONGEST_NAME = 100  # characters; the comment of an element may have 128
_EVERYWHERE = ("0.0.0.0/0", "::/0")

# Gives the addresses of a name of a package source.
Resolver = Callable[[str], Sequence[str]]


class Blocked(NamedTuple):
    """The networks that are refused, as they are spelled, by service; the organisation's own rules are one of them."""

    networks: Mapping[str, frozenset[str]]
    among: carried.Carriers = {}

    @classmethod
    def by(cls, section: PlanSection) -> Blocked:
        """What a plan's section refuses."""
        return cls({id_: frozenset(networks) for id_, networks in _refused(section)}, carried_by(section))

    def of(self, network: Network) -> tuple[str, ...]:
        """The services in one of whose networks an address, or all of a network, lies.

        Searches only the few networks that can contain it, not all of them.
        """
        wider = {
            spelled(inner.supernet(new_prefix=length))
            for inner in (network, *carried.carried_in(network, self.among))
            for length in range(inner.prefixlen + 1)
        }
        return tuple(id_ for id_, spellings in self.networks.items() if not wider.isdisjoint(spellings))

    def met_by(self, network: Network) -> tuple[str, ...]:
        """The services one of whose networks has an address in common with a network."""
        within = self.of(network)
        inner = (network, *carried.carried_in(network, self.among))
        parts = (
            id_
            for id_, texts in self.networks.items()
            if any(one.overlaps(refused) for refused in map(ipaddress.ip_network, texts) for one in inner)
        )
        return within if network.prefixlen == network.max_prefixlen else tuple(dict.fromkeys([*within, *parts]))


def collect(
    host: Host,
    section: PlanSection,
    boot_file: str,
    resolve: Resolver | None = None,
    connections: Sequence[tuple[str, int]] = (),
    askers: Sequence[int] = (),
) -> Exemptions:
    """The management exemptions of a host. `boot_file` is what an earlier run left (""). An enforcing run adds
    `resolve`, and its control connections (address of the other side, port on this one). `askers` are those of
    `forced_dns`.
    """
    blocked = Blocked.by(section)
    numbers = _numbers(host, section)
    known = _Remembered.in_file(boot_file)
    found: list[Exempt] = []
    for text in section["settings"].get("management", ()):
        network = ipaddress.ip_network(text)
        # An enforcing run reports in whose networks these lie; an audit need not search them all.
        found.append(Exempt(network, MANAGEMENT, blocked.met_by(network) if resolve else ()))
    for address, reason in _addresses(host, known, resolve if blocked.networks else None):
        found += _exempt(address, reason, blocked)
    need_tls = management_exemptions.is_resolver_tls_required(host)
    resolvers = [
        entry
        for text in management_exemptions.read_resolvers(host)
        for entry in _exempt(text, "resolver", blocked, need_tls)
    ]
    return Exemptions(
        exempt=_widest(found),
        resolvers=_widest(resolvers),
        resolver_ports=(53, 853) if need_tls else (53,),
        ssh_ports=sorted(
            {*management_exemptions.read_ssh_ports(host), *known.ports, *(port for _, port in connections)}
        ),
        ephemeral=_ephemeral(host),
        controllers=_controllers(section, [*known.peers, *connections]),
        users=_known_users(numbers),
        only=_members(host, section, boot_file),
        askers=askers,
        unknown_users=[of for of, number in numbers.items() if number is None],
    )


def _numbers(host: Host, section: PlanSection) -> dict[tuple[str, str], int | None]:
    """The number, on this host, of each user whom a waiver lets through to a service, by service and name."""
    named = [(id_, name) for id_, entry in refused(section).items() for name in exempted_users(entry)]
    return {(id_, name): host.find_user_id(name) for id_, name in named}


def _known_users(numbers: Mapping[tuple[str, str], int | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for (id_, _), number in numbers.items():
        if number is not None:
            found.setdefault(id_, []).append(number)
    return {id_: sorted(set(listed)) for id_, listed in found.items()}


def exempted_users(entry: PlanEntry) -> list[str]:
    """The names of the users whom a waiver lets through, of a service's part of the plan."""
    whole = (e for e in entry.get("exceptions", ()) if e.keys() <= {"waiver", "users"})  # packets have no version
    return [name for exception in whole for name in exception.get("users", ())]


def _members(host: Host, section: PlanSection, boot_file: str) -> dict[str, list[int]]:
    """The numbers of those to whom alone a service is refused, by service. While a group's members are not known, whom
    an earlier run refused stays among them: else a cut line to the directory would let everybody through.
    """
    found: dict[str, list[int]] = {}
    for id_, entry in refused(section).items():
        if "only" in entry:
            numbers = {number for name in entry["only"]["users"] if (number := host.find_user_id(name)) is not None}
            if "unresolved" in entry["only"]:
                members = compile_pattern(rf"\tset {MEMBERS}{id_} \{{\s+type uid\s+elements = \{{([\d,\s]+)\}}")
                before = members.search(boot_file)
                numbers.update(map(int, before[1].replace(",", " ").split()) if before else ())
            found[id_] = sorted(numbers)
    return found


class _Remembered(NamedTuple):
    """What an earlier run left in the boot file."""

    sources: Sequence[tuple[str, str]]
    ports: Sequence[int]
    peers: Sequence[tuple[str, int]]

    @classmethod
    def in_file(cls, text: str) -> _Remembered:
        sources = _REMEMBERED_SOURCE.findall(text) if SOURCE in text else []  # large sets have many lines to check
        listed, mark, _ = text.partition("\n\t\ttcp sport ")[2].partition("\n")[0].partition(" tcp flags")
        ports = [port.strip() for port in listed.strip("{ }").split(",")] if mark else []
        peers = _REMEMBERED_PEER.findall(text) if _CONTROL in text else []
        return cls(
            sources,
            [int(port) for port in ports if port.isdecimal()],
            [(address, int(port)) for address, port in peers],
        )


def _refused(section: PlanSection) -> Iterator[tuple[str, Sequence[str]]]:
    """What is refused to connections from this host, and to containers and virtual machines behind it."""
    for id_, entry in refused(section).items():
        yield id_, entry["networks"]
    barring = [rule for rule in own_rules(section) if rule["verdict"] != "accept" and rule["direction"] != "in"]
    if barring:
        yield OWN_RULES, [text for rule in barring for text in rule["addresses"] or _EVERYWHERE]


def _controllers(section: PlanSection, peers: Sequence[tuple[str, int]]) -> list[tuple[Network, int]]:
    """Who manages this host, where rules for what comes in could keep them out."""
    if not any(rule["direction"] == "in" for rule in own_rules(section)):
        return []
    found = {(network, port) for address, port in peers if (network := network_of(address))}
    return sorted(found, key=lambda peer: (peer[0].version, int(peer[0].network_address), peer[1]))


def _addresses(host: Host, known: _Remembered, resolve: Resolver | None) -> Iterator[tuple[str, str]]:
    """Addresses that the host needs whole, each with the reason."""
    for address in management_exemptions.read_gateways(host):
        yield address, "default gateway"
    sources = {name[-_LONGEST_NAME:]: name for name in management_exemptions.read_package_sources(host)}
    for address, label in known.sources:
        if label in sources:
            yield address, SOURCE + label
    for label, name in sources.items():
        for address in [name] if network_of(name) else resolve(name) if resolve else ():
            yield address, SOURCE + label


def _exempt(address: str, reason: str, blocked: Blocked, always: bool = False) -> list[Exempt]:
    network = network_of(address)
    services = blocked.of(network) if network else ()
    return [Exempt(network, reason, services)] if network and (services or always) else []


def network_of(address: str) -> Network | None:
    """An address as a network of one; None for what is no address, or is the host's own loopback."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError:
        return None
    return None if network.is_loopback else network


def _widest(found: Sequence[Exempt]) -> list[Exempt]:
    """One entry for each address, the widest: nft takes no intervals that overlap. In the order of the addresses."""
    widest: dict[Network, Exempt] = {}
    for entry in sorted(found, key=lambda entry: entry.network.prefixlen):
        if not any(network.overlaps(entry.network) for network in widest):
            widest[entry.network] = entry
    return sorted(widest.values(), key=lambda entry: (entry.network.version, int(entry.network.network_address)))


def _ephemeral(host: Host) -> tuple[int, int]:
    words = (host.read_text("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else Exemptions().ephemeral
