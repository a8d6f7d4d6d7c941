"""The identifiers of a service that each control searches for or blocks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ....model.types.plan import ControlIdentifiers
from ..catalogue.catalogue_loader import Catalogue, Service
from ..reading.networks import merge_networks
from ..reading.package_names import NAMES
from ..reading.windows_signing import derive_publisher_id
from ..restrictions.readers import ALL_FEEDS

# PACKAGE_SYSTEMS: hosts search for packages with these systems. Packages of Windows hosts are compared on the
# controller. The catalogue also has names for Chocolatey, which no control uses.
PACKAGE_SYSTEMS = tuple(sorted(NAMES))
WINDOWS_PACKAGE_SYSTEMS = ("appx", "winget")
# Public DNS resolvers are blocked on these ports only, because the same machines have other uses, too.
RESOLVER_PORTS = (53, 443, 853)
# Key: kind of a feed. Value: the control that uses the feed.
CONTROL_BY_FEED_KIND = {"domains": "dns", "networks": "firewall"}

Part = TypeVar("Part", bound=Mapping[str, object])


def drop_empty_keys(part: Part, required_keys: Collection[str] = ()) -> Part:
    """Return a mapping of a plan without its empty keys, except `required_keys`."""
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
        # A service's name alone detects too little. A host without findings would wrongly be reported compliant.
        return {}
    identifiers["names"] = list(service.names)
    return drop_empty_keys(identifiers, required_keys=("packages", "processes", "paths"))


def _list_publishers(service: Service) -> dict[str, list[str]]:
    """Return the publishers of a service's Windows programs (`programs`) and of its app packages (`appx`).

    App packages have the form `publisher\\name`. A package is left out if its publisher is not in the catalogue.
    """
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
    # Services of class encrypted_dns are left out: programs query such resolvers, but users do not open them as pages.
    # The DNS filter blocks their names, and a separate browser policy turns encrypted DNS off. The block lists of
    # browsers accept only a thousand names.
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
    # Hosts of web clients below a listed domain are included too: some DNS backends do not cover subdomains.
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
    """Return the identifiers of a service that a control searches for or blocks.

    They include the values of the service's feeds (long lists in separate files). `feeds` has the ids of the selected
    feeds, or is ALL_FEEDS. Results are cached in the catalogue.
    """
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
    """Return a service's identifiers for the control `apps` without its web addresses.

    Returns {} if only the service's names would remain.
    """
    remaining = identifiers.copy()
    remaining.pop("web_hosts", None)
    remaining.pop("web_allow", None)
    return remaining if any(content for key, content in remaining.items() if key != "names") else {}


def list_program_identifiers(service: Service) -> ControlIdentifiers:
    """Return the identifiers of a service's programs; {} for a service that has only web pages."""
    return remove_web_identifiers(_list_app_identifiers(service))


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Return True if a host name equals one of the domains, or is a subdomain of one."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)
