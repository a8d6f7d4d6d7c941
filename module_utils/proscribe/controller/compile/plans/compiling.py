"""Catalogue + restrictions + waivers -> the plan of a host.

Pure: no file is read, no host is observed, no clock is read.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....base.duration import spelled
from ....model.plan import CONTROLS, RESTRICTED, SCHEMA, sealed
from ....model.types.plan import Entry, Plan
from ...policy_errors import PolicyError, PolicyErrors, close_to
from ..catalogue.claims import above
from ..catalogue.loading import Catalogue, Service
from ..catalogue.schema import BOTH, CATEGORIES
from ..reading.networks import merged
from ..reading.package_names import NAMES
from ..restrictions import PREFIX, Restrictions, by_group
from ..restrictions.readers import ALL_FEEDS
from ..waivers import Waiver
from ..waivers.limits import limited
from .browsers import open_names, places, unlisted
from .unmanaged_browsers import unmanaged_browsers

# The package systems whose names hosts search, and those of Windows, whose names are compared on the controller. The
# catalogue also has names for Chocolatey.
PACKAGE_SYSTEMS = tuple(sorted(NAMES))
OF_WINDOWS = ("appx", "winget")
# Addresses of public resolvers are blocked for name resolution only; the same machines answer to other purposes too.
RESOLVER_PORTS = (53, 443, 853)


def compile_plan(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> dict[str, Any]:
    """The plan of every host that has these restrictions and these waivers (the active ones that cover it).

    `today` decides whether the ban is in force. Raises PolicyErrors for a service id that the catalogue does not have.
    """
    return sealed(compile_body(catalogue, restrictions, waivers, today))


def compile_body(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> dict[str, Any]:
    """As `compile_plan`, without the digest, and without what follows this plan on a host (timeline.py)."""
    chosen = chosen_services(catalogue, restrictions)
    upcoming = today < restrictions.effective_from
    controls: dict[str, Any] = {}
    for control in CONTROLS:
        if restrictions.controls[control] == "off":
            continue
        waived, parts = _waived(control, waivers)
        services: dict[str, Any] = {}
        nothing_known: list[str] = []
        by_tenant: list[str] = []
        for service, enforced in chosen:
            groups = by_group.groups_of(restrictions.groups_restricted, service.id)
            if groups and control not in groups:
                continue
            identifiers = _identifiers(catalogue, control, service, restrictions.feeds if enforced else ())
            if enforced and not identifiers:
                nothing_known.append(service.id)
            if separated_by_tenant(service, restrictions):
                by_tenant += [service.id] if enforced and identifiers and control != "apps" else []
                identifiers = without_web(identifiers) if control == "apps" else {}
            if not identifiers:
                continue
            entry: Entry = {"name": service.name}
            if not enforced:
                entry["mode"] = "report"
            elif control == "apps" and serves_both(service, restrictions):
                entry |= {"mode": "report", "serves_both": True}
            elif upcoming:
                entry |= {"mode": "upcoming", "effective_from": restrictions.effective_from.isoformat()}
            else:
                entry |= _standing(
                    restrictions.controls[control], waived.get(service.id, ()), parts.get(service.id, ())
                )
            if groups:
                entry["only"] = {"posix_groups": groups[control]}
            services[service.id] = {**entry, **identifiers}
        if control in WEB_NAMES:
            _allow_permitted(services, catalogue, *WEB_NAMES[control])
        controls[control] = {
            "mode": restrictions.controls[control],
            "services": services,
            "settings": _settings(control, restrictions, upcoming),
            **({"nothing_known": nothing_known} if nothing_known else {}),
            **({"by_tenant": by_tenant} if by_tenant else {}),
        }
        if control == "apps" and restrictions.unmanaged_browsers != "off":
            mode = "report" if upcoming else restrictions.unmanaged_browsers
            found = unmanaged_browsers(catalogue, mode, [service for service, _ in chosen])
            controls[control]["settings"]["unmanaged_browsers"] = found
    if "browser" in controls:
        _unlisted(controls, catalogue)
    browsers = places(catalogue)
    body = {"schema": SCHEMA, "contact": restrictions.contact, "browsers": browsers, "controls": controls}
    if restrictions.request_url:
        body["request_url"] = restrictions.request_url
    if restrictions.watch:
        body["watch"] = {"every": restrictions.watch, "max_age": restrictions.watch_max_age}
        if named := _named(controls, waivers):
            body["waivers"] = named
    return {**body, "catalog": catalogue.release.version} if catalogue.release.version else body


def _unlisted(controls: Mapping[str, Any], catalogue: Catalogue) -> None:
    """Say of the browser's section which names do not fit into the lists that browsers take, and which of these no DNS
    filter closes.
    """
    services = controls["browser"]["services"]
    front_doors = {id_: catalogue.services[id_].front_doors for id_ in services}
    for id_, texts in unlisted(controls["browser"], front_doors).items():
        services[id_]["unlisted"] = texts
        services[id_]["open"] = open_names(texts, controls.get("dns", {}), id_)


def _waived(control: str, waivers: Iterable[Waiver]) -> tuple[dict[str, list[Waiver]], dict[str, list[Waiver]]]:
    """By service: the waivers that open it whole, and those that open a part of it (to users, a version, a path)."""
    whole: dict[str, list[Waiver]] = {}
    parts: dict[str, list[Waiver]] = {}
    for waiver in (waiver for waiver in waivers if control in waiver.controls):
        for service in waiver.services:
            (parts if waiver.partial else whole).setdefault(service, []).append(waiver)
    return whole, parts


def _standing(mode: str, whole: Sequence[Waiver], parts: Sequence[Waiver]) -> dict[str, Any]:
    """The mode of a service that is in force, and what waivers make of it; those that end last come last.

    Of several that open it whole the last one counts; one that is open at all times before those that have hours. Where
    all have hours, the others are exceptions that are narrowed by their hours alone.
    """
    if always := [waiver.id for waiver in whole if not waiver.hours]:
        return {"mode": "waived", "waiver": always[-1]}
    *others, last = whole if whole else (None,)
    entry: Entry = {"mode": mode}
    if last is not None:
        entry = {"mode": "waived", "waiver": last.id, "hours": _windows(last), "otherwise": mode}
    exceptions = [
        {"waiver": waiver.id, **waiver.partial, **({"hours": _windows(waiver)} if waiver.hours else {})}
        for waiver in (*(waiver for waiver in others if waiver is not None), *parts)
    ]
    return {**entry, "exceptions": sorted(exceptions, key=lambda one: one["waiver"])} if exceptions else entry


def _windows(waiver: Waiver) -> list[list[int]]:
    return [list(window) for window in waiver.windows]


def _named(controls: Mapping[str, Any], waivers: Iterable[Waiver]) -> dict[str, Any]:
    """What a host says to people of the waivers that its plan names."""
    services: dict[str, set[str]] = {}
    for entry in (entry for section in controls.values() for entry in section["services"].values()):
        for one in (entry, *entry.get("exceptions", ())):
            if "waiver" in one:
                services.setdefault(one["waiver"], set()).add(entry["name"])
    return {
        waiver.id: {
            "expires": spelled(waiver.ends),
            "users": list(waiver.users),
            "services": sorted(services[waiver.id]),
            **({"posix_groups": list(waiver.posix_groups)} if waiver.posix_groups else {}),
            **({"request": waiver.request} if waiver.request else {}),
            **({"limits": limits} if (limits := limited(controls, waiver.id, waiver.services)) else {}),
        }
        for waiver in waivers
        if waiver.id in services
    }


def upcoming_services(plan: Plan) -> list[dict[str, str]]:
    """What a plan announces: service, control, and the day from which it is in force."""
    return [
        {"service": service, "control": control, "effective_from": entry["effective_from"]}
        for control, section in plan["controls"].items()
        for service, entry in section["services"].items()
        if entry["mode"] == "upcoming"
    ]


def chosen_services(catalogue: Catalogue, restrictions: Restrictions) -> list[tuple[Service, bool]]:
    """The services that a host's restrictions name, by id, each with whether it is more than reported.

    Raises PolicyErrors for ids that the catalogue does not have.
    """
    errors = [
        PolicyError("", f"{PREFIX}services_{name}", id_, "a service of the catalogue" + _near(id_, catalogue))
        for name in ("include", "exclude")
        for id_ in getattr(restrictions, f"services_{name}")
        if id_ not in catalogue.services
    ]
    errors += [
        PolicyError("", f"{PREFIX}feeds[{index}]", id_, "a feed of the catalogue" + close_to(id_, catalogue.feeds))
        for index, id_ in enumerate(restrictions.feeds if isinstance(restrictions.feeds, tuple) else ())
        if id_ not in catalogue.feeds
    ]
    errors += by_group.mistakes(
        restrictions.groups_restricted,
        catalogue.services,
        lambda id_: _not_restricted(catalogue.services[id_], restrictions),
        lambda control, id_: _finds(catalogue, restrictions, control, catalogue.services[id_]),
    )
    if errors:
        raise PolicyErrors(errors)
    services = [catalogue.services[id_] for id_ in sorted(catalogue.services)]
    return [
        # named one by one: also what the catalogue or its category alone would only report
        (service, _enforced(service, restrictions))
        for service in services
        if not left_out(service, restrictions)
    ]


def _near(id_: str, catalogue: Catalogue) -> str:
    if id_ in CATEGORIES:
        return f"; {id_!r} is a category: {PREFIX}categories has these"
    return close_to(id_, catalogue.services)


def _enforced(service: Service, restrictions: Restrictions) -> bool:
    named = service.id in restrictions.services_include
    return named or (service.enforce and service.category in restrictions.categories)


def left_out(service: Service, restrictions: Restrictions) -> str:
    """Why the restrictions leave a service alone, in words; "" where they name it."""
    if service.id in restrictions.services_include:
        return ""
    if service.id in restrictions.services_exclude:
        return f"{PREFIX}services_exclude names it"
    if service.category not in (*restrictions.categories, *restrictions.categories_reported):
        return f"its category, {service.category}, is not among {PREFIX}categories"
    if service.audience not in restrictions.audiences:
        return f"its audience, {service.audience}, is not among {PREFIX}audiences"
    return ""


def _not_restricted(service: Service, restrictions: Restrictions) -> str:
    """Why the restrictions do not restrict a service, in words; "" where they do."""
    if why := left_out(service, restrictions):
        return why
    only_reported = f"it is only reported, unless {PREFIX}services_include names it"
    return "" if _enforced(service, restrictions) else only_reported


def _finds(catalogue: Catalogue, restrictions: Restrictions, control: str, service: Service) -> bool:
    """Whether a control is on and can find more of a service than its pages in browsers."""
    if restrictions.controls[control] == "off" or (control != "apps" and separated_by_tenant(service, restrictions)):
        return False
    if control == "apps" and serves_both(service, restrictions):
        return False
    identifiers = _identifiers(catalogue, control, service, restrictions.feeds)
    return bool(without_web(identifiers) if control == "apps" else identifiers)


def separated_by_tenant(service: Service, restrictions: Restrictions) -> bool:
    """Whether personal and business accounts share this service's hosts and the organisation has business ones.

    Then the hosts stay open, and the browser's tenant control distinguishes the accounts.
    """
    return bool(service.tenants and restrictions.tenants[service.tenants])


def serves_both(service: Service, restrictions: Restrictions) -> bool:
    """Whether this service's programs serve permitted accounts, too, and the organisation does not want them removed.

    Then they are reported and stay; the browser, the DNS filter and the policies of tenants distinguish the accounts.
    """
    return service.programs == BOTH and restrictions.programs_for_both == "report"


def _apps(service: Service) -> dict[str, Any]:
    packages = {system: list(service.packages[system]) for system in PACKAGE_SYSTEMS if service.packages.get(system)}
    found = {"packages": packages, "processes": list(service.processes), "paths": list(service.paths)}
    more = {
        "desktop_files": list(service.desktop_files),
        "markers": {key: list(names) for key, names in service.markers.items()},
        "windows": list(service.windows_programs),
        "windows_processes": list(service.windows_processes),
        "windows_registered": {key: list(names) for key, names in service.windows_registered.items()},
        "windows_packages": {key: list(service.packages[key]) for key in OF_WINDOWS if service.packages.get(key)},
        "bundle_ids": list(service.bundle_ids),
        "web_hosts": [
            *service.domains,
            *(url for url in service.urls if "/" in url or not is_below(url, service.domains)),
        ],
        "web_allow": list(service.allow_domains),
    }
    found |= {key: names for key, names in more.items() if names}
    if not any(value for key, value in found.items() if key != "web_allow"):
        return {}  # a name alone finds too little to say that all is well
    return {**found, "names": list(service.names)} if service.names else found


def _browser(service: Service) -> dict[str, Any]:
    # Programs query resolvers, people do not open them: the DNS filter has their names, and browsers have a policy for
    # it. The lists of browsers take a thousand names.
    domains = [] if service.service_class == "encrypted_dns" else list(service.domains)
    found: dict[str, Any] = {"domains": domains, "urls": list(service.urls)}
    extensions = {store: list(ids) for store, ids in service.browser_extensions.items()}
    if not any(found.values()) and not extensions:
        return {}
    return {**found, "allow": list(service.allow_domains), **({"extensions": extensions} if extensions else {})}


def _firewall(service: Service) -> dict[str, Any]:
    if not service.networks:
        return {}
    return {"networks": merged(service.networks), **_ports(service)}


def _ports(service: Service) -> dict[str, list[int]]:
    return {"ports": list(RESOLVER_PORTS) if service.service_class == "encrypted_dns" else []}


def _dns(service: Service) -> dict[str, Any]:
    # A web client's host below one of the domains is named too: a backend without sub-domains can then cover it.
    below = [url for url in service.urls if "/" not in url and is_below(url, service.domains)]
    mail = [host for host in service.mail_hosts if host not in service.shared_domains]
    names = list(dict.fromkeys([*service.domains, *below, *mail]))
    canaries = list(service.nxdomain_canaries)
    if not names and not canaries:
        return {}
    return {"domains": names, "allow": list(service.allow_domains), **({"canaries": canaries} if canaries else {})}


def without_web(identifiers: Mapping[str, Any]) -> dict[str, Any]:
    """A service's identifiers in `apps` without its web addresses; nothing if it has no others."""
    left = {key: names for key, names in identifiers.items() if not key.startswith("web_")}
    return left if any(value for key, value in left.items() if key != "names") else {}


def programs_of(service: Service) -> Mapping[str, Any]:
    """What is known of a service's programs; {} of one that is only pages."""
    return without_web(_apps(service))


# What a control names hosts by, and the hosts below them that stay reachable.
WEB_NAMES = {"apps": ("web_hosts", "web_allow"), "browser": ("domains", "allow"), "dns": ("domains", "allow")}
IDENTIFIERS = {"apps": _apps, "browser": _browser, "firewall": _firewall, "dns": _dns}


def _dns_with_feed(service: Service, identifiers: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    domains = identifiers.get("domains", [])
    return {"allow": list(service.allow_domains), **identifiers, "domains": list(dict.fromkeys([*domains, *names]))}


def _firewall_with_feed(service: Service, identifiers: Mapping[str, Any], networks: Sequence[str]) -> dict[str, Any]:
    return {**_ports(service), **identifiers, "networks": merged([*service.networks, *networks])}


# Which control a kind of feed is for, and how its values join the identifiers of their service.
FEEDS_OF = {"domains": "dns", "networks": "firewall"}
WITH_FEED = {"dns": _dns_with_feed, "firewall": _firewall_with_feed}


def _command_for_requests() -> str:
    """The digest of the command by which users request an exception."""
    from ....host.controls.apps.requests import (
        command_text,  # with all of `apps`, which compiling needs for nothing else
    )

    return command_text.digest()


def _settings(control: str, restrictions: Restrictions, upcoming: bool) -> dict[str, Any]:
    tenants = {provider: list(names) for provider, names in restrictions.tenants.items() if names and not upcoming}
    if control == "apps":
        return {
            "user_notice": restrictions.user_notice,
            "refusal_notice": restrictions.refusal_notice,
            "grace": restrictions.end_grace,
            "quarantine_keep": restrictions.quarantine_keep,
            "exec_control": "off" if upcoming else restrictions.exec_control,
            "full_scan_every": restrictions.full_scan_every,
            "network_homes": restrictions.network_homes,
            **({"requests": _command_for_requests()} if restrictions.requests and not upcoming else {}),
        }
    if control == "browser":
        return {
            "browsers": {} if upcoming else dict(restrictions.browser_settings),
            "extensions_allowed": [] if upcoming else list(restrictions.browser_extensions_allowed),
            "tenants": tenants,
        }
    if control == "firewall":
        return {
            "dns_over_tls": "unmanaged" if upcoming else "blocked",
            "quic": "unmanaged" if upcoming else restrictions.firewall_quic,
            "log": restrictions.firewall_log,
            "confirm_within": restrictions.firewall_confirm_within,
            "rules": [] if upcoming else list(restrictions.firewall_rules),
            "management": list(restrictions.management),
            "force_dns": restrictions.dns_force and restrictions.controls["dns"] == "enforce" and not upcoming,
        }
    if control == "dns":
        return {"backend": restrictions.dns_backend, "upstreams": list(restrictions.dns_upstreams)}
    return {}


def _identifiers(
    catalogue: Catalogue, control: str, service: Service, feeds: str | tuple[str, ...]
) -> Mapping[str, Any]:
    """What a control searches for, with the values of those of these feeds that are of the service."""
    key = (control, service.id, feeds)
    if key not in catalogue.follows:
        identifiers = IDENTIFIERS[control](service)
        more = [
            value
            for id_, feed in catalogue.feeds.items()
            if (feed.service, FEEDS_OF[feed.kind]) == (service.id, control) and (feeds == ALL_FEEDS or id_ in feeds)
            for value in feed.values
        ]
        catalogue.follows[key] = WITH_FEED[control](service, identifiers, more) if more else identifiers
    return catalogue.follows[key]  # type: ignore[no-any-return]


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of the domains or lies below one (on a label border)."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def _allow_permitted(services: dict[str, Any], catalogue: Catalogue, named: str, allowed: str) -> None:
    """Let names through that lie below a restricted domain but belong to a service that is not restricted here. One
    that is waived at some hours names in `opens` what it lets through then, by the service that does.
    """
    restricted = {id_: entry for id_, entry in services.items() if entry.get("otherwise", entry["mode"]) in RESTRICTED}
    naming: dict[str, list[str]] = {}  # the services that restrict a name
    for id_, entry in restricted.items():
        for name in dict.fromkeys(entry.get(named, ())):
            naming.setdefault(name, []).append(id_)
    always: dict[str, set[str]] = {}
    some = {id_ for id_, entry in restricted.items() if "only" in entry}  # restricted for some users only
    opens: dict[str, dict[str, set[str]]] = {
        id_: {} for id_, entry in restricted.items() if "otherwise" in entry and id_ not in some
    }
    for id_, service in catalogue.services.items():
        if id_ in restricted and id_ not in opens and id_ not in some:
            continue
        below = opens.get(id_, always)
        for domain in service.domains:
            own, *names = above(domain)
            around = {one for name in names for one in naming.get(name, ())}
            for one in around.difference(naming.get(own, ())):
                below.setdefault(one, set()).add(domain)
    for id_, found in opens.items():
        if found:
            services[id_]["opens"] = {one: sorted(found[one]) for one in sorted(found)}
    for id_, entry in restricted.items():
        if id_ in always or allowed in entry:
            entry[allowed] = sorted({*entry.get(allowed, ()), *always.get(id_, ())})
