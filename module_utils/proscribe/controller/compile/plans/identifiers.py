"""What each control searches for, or closes, of a service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ....model.types.plan import ControlIdentifiers
from ..catalogue.loading import Catalogue, Service
from ..reading.networks import merged
from ..reading.package_names import NAMES
from ..reading.windows_signing import publisher_id
from ..restrictions.readers import ALL_FEEDS

# The package systems whose names hosts search, and those of Windows, whose names are compared on the controller. The
# catalogue also has names for Chocolatey.
PACKAGE_SYSTEMS = tuple(sorted(NAMES))
OF_WINDOWS = ("appx", "winget")
# Addresses of public resolvers are blocked for name resolution only; the same machines answer to other purposes too.
RESOLVER_PORTS = (53, 443, 853)
# Which control a kind of feed is for.
FEEDS_OF = {"domains": "dns", "networks": "firewall"}

Part = TypeVar("Part", bound=Mapping[str, object])


def filled(part: Part, always: Collection[str] = ()) -> Part:
    """A part of a plan without the keys that are empty, but for those that are `always` there."""
    made: Any = {key: value for key, value in part.items() if value or key in always}
    return made  # type: ignore[no-any-return]


def _apps(service: Service) -> ControlIdentifiers:
    found: ControlIdentifiers = {
        "packages": _packages(service, PACKAGE_SYSTEMS),
        "processes": list(service.processes),
        "paths": list(service.paths),
        "desktop_files": list(service.desktop_files),
        "markers": _lists(service.markers),
        "windows": list(service.windows_programs),
        "windows_processes": list(service.windows_processes),
        "windows_registered": _lists(service.windows_registered),
        "windows_packages": _packages(service, OF_WINDOWS),
        "windows_publishers": _publishers(service),
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
    if not any(value for key, value in found.items() if key != "web_allow"):
        return {}  # a name alone finds too little to say that all is well
    found["names"] = list(service.names)
    return filled(found, always=("packages", "processes", "paths"))


def _publishers(service: Service) -> dict[str, list[str]]:
    """Who signs its programs on Windows, and each app package of which the publisher is known: `publisher\\name`."""
    of_apps = {publisher_id(one): one for one in service.windows_publishers.get("appx", ())}
    families = [name.rpartition("_") for name in service.packages.get("appx", ())]
    apps = [f"{of_apps[id_]}\\{name}" for name, _, id_ in families if id_ in of_apps]
    return filled({"programs": list(service.windows_publishers.get("programs", ())), "appx": apps})


def _packages(service: Service, systems: Iterable[str]) -> dict[str, list[str]]:
    return {system: list(service.packages[system]) for system in systems if service.packages.get(system)}


def _lists(tuples: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {key: list(names) for key, names in tuples.items()}


def _browser(service: Service) -> ControlIdentifiers:
    # Programs query resolvers, people do not open them: the DNS filter has their names, and browsers have a policy for
    # it. The lists of browsers take a thousand names.
    domains = [] if service.service_class == "encrypted_dns" else list(service.domains)
    urls, extensions = list(service.urls), _lists(service.browser_extensions)
    if not domains and not urls and not extensions:
        return {}
    found: ControlIdentifiers = {"domains": domains, "urls": urls, "allow": list(service.allow_domains)}
    return {**found, "extensions": extensions} if extensions else found


def _firewall(service: Service) -> ControlIdentifiers:
    return {"networks": merged(service.networks), "ports": _ports(service)} if service.networks else {}


def _ports(service: Service) -> list[int]:
    return list(RESOLVER_PORTS) if service.service_class == "encrypted_dns" else []


def _dns(service: Service) -> ControlIdentifiers:
    # A web client's host below one of the domains is named too: a backend without sub-domains can then cover it.
    below = [url for url in service.urls if "/" not in url and is_below(url, service.domains)]
    mail = [host for host in service.mail_hosts if host not in service.shared_domains]
    names = list(dict.fromkeys([*service.domains, *below, *mail]))
    canaries = list(service.nxdomain_canaries)
    if not names and not canaries:
        return {}
    found: ControlIdentifiers = {"domains": names, "allow": list(service.allow_domains)}
    return {**found, "canaries": canaries} if canaries else found


IDENTIFIERS: Mapping[str, Callable[[Service], ControlIdentifiers]] = {
    "apps": _apps,
    "browser": _browser,
    "firewall": _firewall,
    "dns": _dns,
}


def identifiers_of(
    catalogue: Catalogue, control: str, service: Service, feeds: str | tuple[str, ...]
) -> ControlIdentifiers:
    """What a control searches for, with the values of those of these feeds that are of the service."""
    key = (control, service.id, feeds)
    if key not in catalogue.follows:
        values = [
            value
            for id_, feed in catalogue.feeds.items()
            if (feed.service, FEEDS_OF[feed.kind]) == (service.id, control) and (feeds == ALL_FEEDS or id_ in feeds)
            for value in feed.values
        ]
        found = IDENTIFIERS[control](service)
        catalogue.follows[key] = _with_feeds(control, service, found, values) if values else found
    return catalogue.follows[key]


def _with_feeds(control: str, service: Service, found: ControlIdentifiers, values: Sequence[str]) -> ControlIdentifiers:
    if control == "dns":
        domains = list(dict.fromkeys([*found.get("domains", ()), *values]))
        return {**found, "allow": list(service.allow_domains), "domains": domains}
    return {"networks": merged([*service.networks, *values]), "ports": _ports(service)}


def without_web(identifiers: ControlIdentifiers) -> ControlIdentifiers:
    """A service's identifiers in `apps` without its web addresses; nothing if it has no others."""
    left = identifiers.copy()
    left.pop("web_hosts", None)
    left.pop("web_allow", None)
    return left if any(value for key, value in left.items() if key != "names") else {}


def programs_of(service: Service) -> ControlIdentifiers:
    """What is known of a service's programs; {} of one that is only pages."""
    return without_web(_apps(service))


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of the domains or lies below one (on a label border)."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)
