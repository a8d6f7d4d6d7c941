"""Choice of a host's backend: the backend that fits its resolver, or the backend that the restrictions name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host
from .backends.declaration import SERVER_KIND, STUB_KIND
from .backends.filter_backends import FILTER_BACKENDS, load_backend
from .resolver_observation import DnsObservation, observe_resolution

if TYPE_CHECKING:
    from ....model.types.plan import ControlSettings, Plan

HOSTS_BACKEND = "hosts"


class BackendChoice(NamedTuple):
    """Chosen backend of a host, with the observation of its name resolution."""

    backend_name: str
    observation: DnsObservation
    possible_backends: tuple[str, ...]  # filters that run here or have files of Proscribe here
    fallback_reason: str = ""  # reason why no filter was chosen, but the hosts file; "" otherwise


def choose_backend(host: Host, settings: ControlSettings) -> BackendChoice:
    """Return the backend of a host.

    The setting `backend` is "auto", or the name of a backend. With "auto", the best filter that fits the host is
    chosen. If none fits, the hosts file is chosen. Raises ControlError if the settings name a backend that the host
    cannot have.
    """
    setting = settings.get("backend", "auto")
    # FILTER_BACKENDS has, by name: (kind, unit, paths of Proscribe's files)
    traced_backends = {
        name for name, (_, _, paths) in FILTER_BACKENDS.items() if any(has_trace(host, path) for path in paths)
    }
    observation = observe_resolution(
        host,
        [unit for _, unit, _ in FILTER_BACKENDS.values()],
        is_every_unit=setting not in ("auto", HOSTS_BACKEND) or bool(traced_backends),
    )
    possible_backends = tuple(
        name
        for name, (_, unit, _) in FILTER_BACKENDS.items()
        if name in traced_backends or unit in observation.pids_by_unit
    )
    if setting == HOSTS_BACKEND:
        return BackendChoice(HOSTS_BACKEND, observation, possible_backends)
    if setting != "auto":
        if obstacle := load_backend(setting).find_obstacle(host, observation):
            raise ControlError(f"proscribe_dns_backend is {setting}, which this host cannot have: {obstacle}")
        return BackendChoice(setting, observation, possible_backends)
    # this reason stays if no filter fits; otherwise the obstacle of the last filter counts
    servers = " or ".join(name for name, (kind, _, _) in FILTER_BACKENDS.items() if kind == SERVER_KIND)
    fallback_reason = f"this host has no resolver of its own that could filter: install and use {servers}"
    for name in _list_fitting_backends(host, observation):
        fallback_reason = load_backend(name).find_obstacle(host, observation)
        if not fallback_reason:
            return BackendChoice(name, observation, possible_backends)
    return BackendChoice(HOSTS_BACKEND, observation, possible_backends, fallback_reason)


def list_resolver_users(host: Host, plan: Plan) -> list[str]:
    """Return the accounts that query name servers for all programs of a host. Raises ControlError.

    The firewall needs these accounts if it forces all DNS through the filter. The list is empty if the plan does not
    enforce dns, or if the host has no filter. Then every account has to query name servers itself.
    """
    section = plan["controls"].get("dns")
    if section is None or section["mode"] != "enforce":
        return []
    choice = choose_backend(host, section["settings"])
    return (
        []
        if choice.backend_name == HOSTS_BACKEND
        else load_backend(choice.backend_name).list_asking_users(host, choice.observation)
    )


def has_trace(host: Host, path: str) -> bool:
    """Return whether Proscribe left something at a path.

    For root, that includes directories that Proscribe created for the file. An ordinary user cannot find those.
    """
    return host.has_traces(path) if host.privileged else host.find_entry(path) is not None


def _list_fitting_backends(host: Host, observation: DnsObservation) -> list[str]:
    """Return the names of the filters that fit a host's name resolution, the best filter first."""
    units = {name: unit for name, (kind, unit, _) in FILTER_BACKENDS.items() if kind == SERVER_KIND}
    if not observation.local_address:  # programs query systemd-resolved, another machine, or nothing
        if observation.is_stub_first:
            return [name for name, (kind, _, _) in FILTER_BACKENDS.items() if kind == STUB_KIND]
        is_server_running = any(observation.pids_by_unit.get(unit) for unit in units.values())
        return ["networkmanager"] if observation.conf_writer and not is_server_running else []
    # programs query another resolver of this host, directly or through systemd-resolved
    servers = [name for name, unit in units.items() if unit in observation.pids_by_unit]
    names = [name for name in servers if observation.pids_by_unit[units[name]]]
    if observation.pids_by_unit.get("NetworkManager.service"):
        from .backends import networkmanager

        if networkmanager.read_dns_mode(host) == "dnsmasq" or host.find_entry(networkmanager.SWITCH_PATH) is not None:
            names.append("networkmanager")
    return list(dict.fromkeys([*names, *servers]))  # an enabled resolver counts although it does not run at the moment
