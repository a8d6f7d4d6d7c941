"""What each control searches for, or closes, of a service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ....model.types.plan import ControlIdentifiers
from ..catalogue.loading import Catalogue, Service
from ..reading.networks import merge_networks
from ..reading.package_names import NAMES
from ..reading.windows_signing import derive_publisher_id
from ..restrictions.readers import ALL_FEEDS

# The package systems whose names hosts search, and those of Windows, whose names are compared on the controller. The
# catalogue also has names for Chocolatey.
PACKAGE_SYSTEMS = tuple(sorted(NAMES))
WINDOWS_PACKAGE_SYSTEMS = ("appx", "winget")
# Addresses of public resolvers are blocked for name resolution only; the same machines answer to other purposes too.
RESOLVER_PORTS = (53, 443, 853)
# Which control a kind of feed is for.
CONTROL_BY_FEED_KIND = {"domains": "dns", "networks": "firewall"}

Part = TypeVar("Part", bound=Mapping[str, object])


def drop_empty_keys(part: Part, required_keys: Collection[str] = ()) -> Part:
    """A part of a plan without the keys that are empty, but for those that are `required_keys` there."""
    filled_part: Any = {key: content for key, content in part.items() if content or key in required_keys}
    return filled_part  # type: ignore[no-any-return]


def _list_app_identifiers(service: Service) -> ControlIdentifiers:
    identifiers: ControlIdentifiers = {
        "packages": _list_packages(service, PACKAGE_SYSTEMS),
        "processes": list(service.processes),
        "paths": list(service.paths),
        "desktop_files": list(service.desktop_files),
        "markers": _convert_to_lists(service.markers),
        "windows": list(service.windows_programs),
        "windows_processes": list(service.windows_processes),
        "windows_registered": _convert_to_lists(service.windows_registered),
        "windows_packages": _list_packages(service, WINDOWS_PACKAGE_SYSTEMS),
        "windows_publishers": _list_publishers(service),
        "windows_installers": list(service.windows_installers),
        "bundle_ids": list(service.bundle_ids),
        "mac_apps": list(service.mac_apps),
        "signing_ids": list(service.signing_ids),
        "team_ids": list(service.team_ids),
        "web_hosts": [
            *service.domains,
            *(url for url in service.urls if "/" in url or not is_below(url, service.domains)),
        ],
        "web_allow": list(service.allow_domains),
    }
    if not any(content for key, content in identifiers.items() if key != "web_allow"):
        return {}  # a name alone finds too little to say that all is well
    identifiers["names"] = list(service.names)
    return drop_empty_keys(identifiers, required_keys=("packages", "processes", "paths"))


def _list_publishers(service: Service) -> dict[str, list[str]]:
    """Who signs its programs on Windows, and each app package of which the publisher is known: `publisher\\name`."""
    publisher_by_id = {
        derive_publisher_id(publisher): publisher for publisher in service.windows_publishers.get("appx", ())
    }
    families = [name.rpartition("_") for name in service.packages.get("appx", ())]
    apps = [f"{publisher_by_id[id_]}\\{name}" for name, _, id_ in families if id_ in publisher_by_id]
    return drop_empty_keys({"programs": list(service.windows_publishers.get("programs", ())), "appx": apps})


def _list_packages(service: Service, systems: Iterable[str]) -> dict[str, list[str]]:
    return {system: list(service.packages[system]) for system in systems if service.packages.get(system)}


def _convert_to_lists(tuples: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {key: list(names) for key, names in tuples.items()}


def _list_browser_identifiers(service: Service) -> ControlIdentifiers:
    # Programs query resolvers, people do not open them: the DNS filter has their names, and browsers have a policy for
    # it. The lists of browsers take a thousand names.
    domains = [] if service.service_class == "encrypted_dns" else list(service.domains)
    urls, extensions = list(service.urls), _convert_to_lists(service.browser_extensions)
    if not domains and not urls and not extensions:
        return {}
    identifiers: ControlIdentifiers = {"domains": domains, "urls": urls, "allow": list(service.allow_domains)}
    return {**identifiers, "extensions": extensions} if extensions else identifiers


def _list_firewall_identifiers(service: Service) -> ControlIdentifiers:
    return {"networks": merge_networks(service.networks), "ports": _list_ports(service)} if service.networks else {}


def _list_ports(service: Service) -> list[int]:
    return list(RESOLVER_PORTS) if service.service_class == "encrypted_dns" else []


def _list_dns_identifiers(service: Service) -> ControlIdentifiers:
    # A web client's host below one of the domains is named too: a backend without sub-domains can then cover it.
    below = [url for url in service.urls if "/" not in url and is_below(url, service.domains)]
    mail = [host for host in service.mail_hosts if host not in service.shared_domains]
    names = list(dict.fromkeys([*service.domains, *below, *mail]))
    canaries = list(service.nxdomain_canaries)
    if not names and not canaries:
        return {}
    identifiers: ControlIdentifiers = {"domains": names, "allow": list(service.allow_domains)}
    return {**identifiers, "canaries": canaries} if canaries else identifiers


IDENTIFIER_READERS: Mapping[str, Callable[[Service], ControlIdentifiers]] = {
    "apps": _list_app_identifiers,
    "browser": _list_browser_identifiers,
    "firewall": _list_firewall_identifiers,
    "dns": _list_dns_identifiers,
}


def get_identifiers(
    catalogue: Catalogue, control: str, service: Service, feeds: str | tuple[str, ...]
) -> ControlIdentifiers:
    """What a control searches for, with the values of those of these feeds that are of the service."""
    key = (control, service.id, feeds)
    if key not in catalogue.identifier_cache:
        values = [
            feed_value
            for id_, feed in catalogue.feeds.items()
            if (feed.service, CONTROL_BY_FEED_KIND[feed.kind]) == (service.id, control)
            and (feeds == ALL_FEEDS or id_ in feeds)
            for feed_value in feed.values
        ]
        identifiers = IDENTIFIER_READERS[control](service)
        catalogue.identifier_cache[key] = (
            _add_feed_values(control, service, identifiers, values) if values else identifiers
        )
    return catalogue.identifier_cache[key]


def _add_feed_values(
    control: str, service: Service, identifiers: ControlIdentifiers, values: Sequence[str]
) -> ControlIdentifiers:
    if control == "dns":
        domains = list(dict.fromkeys([*identifiers.get("domains", ()), *values]))
        return {**identifiers, "allow": list(service.allow_domains), "domains": domains}
    return {"networks": merge_networks([*service.networks, *values]), "ports": _list_ports(service)}


def remove_web_identifiers(identifiers: ControlIdentifiers) -> ControlIdentifiers:
    """A service's identifiers in `apps` without its web addresses; nothing if it has no others."""
    remaining = identifiers.copy()
    remaining.pop("web_hosts", None)
    remaining.pop("web_allow", None)
    return remaining if any(content for key, content in remaining.items() if key != "names") else {}


def list_program_identifiers(service: Service) -> ControlIdentifiers:
    """What is known of a service's programs; {} of one that is only pages."""
    return remove_web_identifiers(_list_app_identifiers(service))


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of the domains or lies below one (on a label border)."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)
