"""Which backend a host gets: the one that fits the resolver it asks, or the one that the restrictions name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.tuples import NamedTuple
from ...system import ControlError, Host
from .backends.declaration import SERVER, STUB
from .backends.registry import FILTERS, backend
from .observed import Observed, observe_resolution

if TYPE_CHECKING:
    from ....model.types.plan import ControlSettings, Plan

HOSTS = "hosts"


class Choice(NamedTuple):
    """A host's backend."""

    name: str
    observed: Observed
    traced: tuple[str, ...]  # the filters that this host could have traces of
    why: str = ""  # why it is the hosts file


def choose(host: Host, settings: ControlSettings) -> Choice:
    """The backend for a host. Raises ControlError for one that the restrictions name and that the host cannot have."""
    setting = settings.get("backend", "auto")
    left = {name for name, (_, _, paths) in FILTERS.items() if any(trace(host, path) for path in paths)}
    observed = observe_resolution(
        host, [unit for _, unit, _ in FILTERS.values()], every=setting not in ("auto", HOSTS) or bool(left)
    )
    traced = tuple(name for name, (_, unit, _) in FILTERS.items() if name in left or unit in observed.units)
    if setting == HOSTS:
        return Choice(HOSTS, observed, traced)
    if setting != "auto":
        if lack := backend(setting).missing(host, observed):
            raise ControlError(f"proscribe_dns_backend is {setting}, which this host cannot have: {lack}")
        return Choice(setting, observed, traced)
    servers = " or ".join(name for name, (kind, _, _) in FILTERS.items() if kind == SERVER)
    why = f"this host has no resolver of its own that could filter: install and use {servers}"
    for name in _fitting(host, observed):
        why = backend(name).missing(host, observed)
        if not why:
            return Choice(name, observed, traced)
    return Choice(HOSTS, observed, traced, why)


def resolver_users(host: Host, plan: Plan) -> list[str]:
    """The accounts that ask name servers for a host, sorted, for the firewall's forced DNS. None where the host has no
    filter of its own: then plain DNS must stay open for all. Raises ControlError like `observe`.
    """
    section = plan["controls"].get("dns")
    if section is None or section["mode"] != "enforce":
        return []
    choice = choose(host, section["settings"])
    return [] if choice.name == HOSTS else backend(choice.name).users(host, choice.observed)


def trace(host: Host, path: str) -> bool:
    """Whether something of ours is at a path; an ordinary user cannot see the directories made for it."""
    return host.has_traces(path) if host.privileged else host.find_entry(path) is not None


def _fitting(host: Host, observed: Observed) -> list[str]:
    """The filters that fit a host's name resolution, the best one first."""
    units = {name: unit for name, (kind, unit, _) in FILTERS.items() if kind == SERVER}
    if not observed.local:
        if observed.stub:
            return [name for name, (kind, _, _) in FILTERS.items() if kind == STUB]
        busy = any(observed.units.get(unit) for unit in units.values())
        return ["networkmanager"] if observed.written_by and not busy else []
    servers = [name for name, unit in units.items() if unit in observed.units]
    names = [name for name in servers if observed.units[units[name]]]
    if observed.units.get("NetworkManager.service"):
        from .backends import networkmanager

        if networkmanager.mode(host) == "dnsmasq" or host.find_entry(networkmanager.SWITCH) is not None:
            names.append("networkmanager")
    return list(dict.fromkeys([*names, *servers]))  # one that is meant to run and does not is still the host's resolver
