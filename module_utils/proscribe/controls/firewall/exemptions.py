"""What the ruleset must let pass on this host, and how it stays the same from run to run.

An address is exempted only if it lies in a network that is refused, or the plan names it under `management`. What files
of the host say (gateways, resolvers, sources named by address, ports of sshd) is read anew each time. What only an
enforcing run can know is remembered in the boot file, and an audit takes it from there instead of asking anew:

    addresses of package sources     resolving takes time and answers differ; kept while a source has the name
    port of the control connection   kept for good, because its rule opens nothing to connections that start on the host

So a timer without SSH_CONNECTION and without a resolver sees the same ruleset as the run that loaded it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Iterator, Mapping, Sequence

from ...host import Host
from .. import lifelines
from .ruleset import Exempt, Lifelines, Network, networks, refused

SOURCE = "package source "
_REMEMBERED_SOURCE = re.compile(rf'(\S+) comment "{SOURCE}([^"]+)"')
_REMEMBERED_PORTS = re.compile(r"^\t\ttcp sport (?:\{ )?([0-9, ]+?)(?: \})? tcp flags", re.MULTILINE)
_LONGEST_NAME = 100  # characters; the comment of an element may have 128

# Gives the addresses of a name of a package source.
Resolver = Callable[[str], Sequence[str]]


def collect(
    host: Host, section: Mapping[str, Any], boot_file: str, resolve: Resolver | None = None, ports: Sequence[int] = ()
) -> Lifelines:
    """The lifelines of a host. `boot_file` is what an earlier run left (""), `resolve` and `ports` (of the control
    connections) are what an enforcing run adds.
    """
    blocked = {id_: networks(entry) for id_, entry in refused(section).items()}
    found: list[Exempt] = []
    for text in section["settings"].get("management", ()):
        network = ipaddress.ip_network(text)
        found.append(Exempt(network, "management", _services(network, blocked)))
    for address, reason in _addresses(host, boot_file, resolve if blocked else None):
        found += _exempt(address, reason, blocked)
    need_tls = lifelines.resolvers_need_tls(host)
    asked = [entry for text in lifelines.resolvers(host) for entry in _exempt(text, "resolver", blocked, need_tls)]
    remembered = _REMEMBERED_PORTS.search(boot_file)
    known = [int(port) for port in remembered[1].split(",")] if remembered else []
    return Lifelines(
        exempt=_widest(found),
        resolvers=_widest(asked),
        resolver_ports=(53, 853) if need_tls else (53,),
        ssh_ports=sorted({*lifelines.ssh_ports(host), *known, *ports}),
        ephemeral=_ephemeral(host),
    )


def _addresses(host: Host, boot_file: str, resolve: Resolver | None) -> Iterator[tuple[str, str]]:
    """Addresses that the host needs whole, each with the reason."""
    for address in lifelines.gateways(host):
        yield address, "default gateway"
    sources = {name[-_LONGEST_NAME:]: name for name in lifelines.package_sources(host)}
    for address, label in _REMEMBERED_SOURCE.findall(boot_file):
        if label in sources:
            yield address, SOURCE + label
    for label, name in sources.items():
        for address in [name] if network_of(name) else resolve(name) if resolve else ():
            yield address, SOURCE + label


def _exempt(address: str, reason: str, blocked: Mapping[str, list[Network]], always: bool = False) -> list[Exempt]:
    network = network_of(address)
    services = _services(network, blocked) if network else ()
    return [Exempt(network, reason, services)] if network and (services or always) else []


def network_of(address: str) -> Network | None:
    """An address as a network of one; None for what is no address, or is the host's own loopback."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError:
        return None
    return None if network.is_loopback else network


def _services(network: Network, blocked: Mapping[str, list[Network]]) -> tuple[str, ...]:
    """The services in whose networks some addresses lie."""
    return tuple(id_ for id_, nets in blocked.items() if any(network.overlaps(net) for net in nets))


def _widest(found: Sequence[Exempt]) -> list[Exempt]:
    """One entry for each address, the widest: nft takes no intervals that overlap. In the order of the addresses."""
    kept: dict[Network, Exempt] = {}
    for entry in sorted(found, key=lambda entry: entry.network.prefixlen):
        if not any(_contains(network, entry.network) for network in kept):
            kept[entry.network] = entry
    return sorted(kept.values(), key=lambda entry: (entry.network.version, int(entry.network.network_address)))


def _contains(outer: Network, inner: Network) -> bool:
    return outer.overlaps(inner) and outer.prefixlen <= inner.prefixlen


def _ephemeral(host: Host) -> tuple[int, int]:
    words = (host.text("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else Lifelines().ephemeral
