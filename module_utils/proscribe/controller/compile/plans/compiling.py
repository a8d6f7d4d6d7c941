"""Catalogue + restrictions + waivers -> the plan of a host.

Pure: no file is read, no host is observed, no clock is read.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from ....base.duration import format_moment
from ....model.plan import CONTROLS, PLAN_SCHEMA, RESTRICTED_MODES, add_digest
from ....model.types.plan import (
    ControlSettings,
    Hours,
    PartialWaiver,
    Plan,
    PlanEntry,
    PlanSection,
    PlanWaiver,
    ServicePolicy,
)
from ....model.types.run import UpcomingRestriction
from ..catalogue.claims import above
from ..catalogue.loading import Catalogue, Service
from ..restrictions import Restrictions, by_group
from ..waivers.limits import limited
from ..waivers.waiver import Waiver
from .browsers import note_front_doors, places
from .chosen import chosen_services, separated_by_tenant, serves_both
from .identifiers import identifiers_of, without_web
from .unmanaged_browsers import choose_mode, unmanaged_browsers


def compile_plan(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> Plan:
    """The plan of every host that has these restrictions and these waivers (the active ones that cover it).

    `today` decides whether the ban is in force. Raises PolicyErrors for a service id that the catalogue does not have.
    """
    return add_digest(compile_body(catalogue, restrictions, waivers, today))


def compile_body(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> Plan:
    """As `compile_plan`, without the digest, and without what follows this plan on a host (timeline.py)."""
    upcoming = today < restrictions.effective_from
    chosen = chosen_services(catalogue, restrictions)
    controls = {
        control: _section(control, catalogue, restrictions, chosen, waivers, upcoming)
        for control in CONTROLS
        if restrictions.controls[control] != "off"
    }
    if "browser" in controls:
        note_front_doors(controls["browser"], catalogue)
    body: Plan = {
        "schema": PLAN_SCHEMA,
        "contact": restrictions.contact,
        "browsers": places(catalogue),
        "controls": controls,
    }
    if restrictions.request_url:
        body["request_url"] = restrictions.request_url
    if restrictions.watch:
        body["watch"] = {"every": restrictions.watch, "max_age": restrictions.watch_max_age}
        if named := _named(controls, waivers):
            body["waivers"] = named
    if catalogue.release.version:
        body["catalog"] = catalogue.release.version
    return body


def _section(
    control: str,
    catalogue: Catalogue,
    restrictions: Restrictions,
    chosen: Sequence[tuple[Service, bool]],
    waivers: Sequence[Waiver],
    upcoming: bool,
) -> PlanSection:
    mode = restrictions.controls[control]
    section: PlanSection = {"mode": mode, "services": {}, "settings": _settings(control, restrictions, upcoming)}
    waived, parts = _waived(control, waivers)
    for service, enforced in chosen:
        groups = by_group.groups_of(restrictions.groups_restricted, service.id)
        if groups and control not in groups:
            continue
        identifiers = identifiers_of(catalogue, control, service, restrictions.feeds if enforced else ())
        if enforced and not identifiers:
            section.setdefault("nothing_known", []).append(service.id)
        if separated_by_tenant(service, restrictions):
            if enforced and identifiers and control != "apps":
                section.setdefault("by_tenant", []).append(service.id)
            identifiers = without_web(identifiers) if control == "apps" else {}
        if not identifiers:
            continue
        standing: ServicePolicy = {"mode": "report"}
        if enforced and control == "apps" and serves_both(service, restrictions):
            identifiers = {**identifiers, "serves_both": True}
        elif enforced and upcoming:
            standing = {"mode": "upcoming", "effective_from": restrictions.effective_from.isoformat()}
        elif enforced:
            standing = _in_force(mode, waived.get(service.id, ()), parts.get(service.id, ()))
        if groups:
            standing["only"] = {"posix_groups": groups[control]}
        section["services"][service.id] = {**standing, "name": service.name, **identifiers}
    if control != "firewall":
        _allow_permitted(section["services"], catalogue, control)
    if control == "apps" and restrictions.unmanaged_browsers != "off":
        mode = "report" if upcoming else choose_mode(restrictions)
        found = unmanaged_browsers(catalogue, mode, [service for service, _ in chosen])
        section["settings"]["unmanaged_browsers"] = found
    return section


def _waived(control: str, waivers: Iterable[Waiver]) -> tuple[dict[str, list[Waiver]], dict[str, list[Waiver]]]:
    """By service: the waivers that open it whole, and those that open a part of it (to users, a version, a path)."""
    whole: dict[str, list[Waiver]] = {}
    parts: dict[str, list[Waiver]] = {}
    for waiver in (waiver for waiver in waivers if control in waiver.controls):
        for service in waiver.services:
            (parts if waiver.partial else whole).setdefault(service, []).append(waiver)
    return whole, parts


def _in_force(mode: str, whole: Sequence[Waiver], parts: Sequence[Waiver]) -> ServicePolicy:
    """The mode of a service that is in force, and what waivers make of it; those that end last come last.

    Of several that open it whole the last one counts; one that is open at all times before those that have hours. Where
    all have hours, the others are exceptions that are narrowed by their hours alone.
    """
    if always := [waiver.id for waiver in whole if not waiver.hours]:
        return {"mode": "waived", "waiver": always[-1]}
    standing: ServicePolicy = {"mode": mode}
    if whole:
        last = whole[-1]
        standing = {"mode": "waived", "waiver": last.id, "hours": _windows(last), "otherwise": mode}
    if exceptions := [_exempted(waiver) for waiver in (*whole[:-1], *parts)]:
        standing["exceptions"] = sorted(exceptions, key=lambda one: one["waiver"])
    return standing


def _exempted(waiver: Waiver) -> PartialWaiver:
    exempted: PartialWaiver = {"waiver": waiver.id, **waiver.partial}
    if waiver.hours:
        exempted["hours"] = _windows(waiver)
    return exempted


def _windows(waiver: Waiver) -> Hours:
    return [list(window) for window in waiver.windows]


def _named(controls: Mapping[str, PlanSection], waivers: Iterable[Waiver]) -> dict[str, PlanWaiver]:
    """What a host says to people of the waivers that its plan names."""
    services: dict[str, set[str]] = {}
    for entry in (entry for section in controls.values() for entry in section["services"].values()):
        for one in (entry, *entry.get("exceptions", ())):
            if "waiver" in one:
                services.setdefault(one["waiver"], set()).add(entry["name"])
    found: dict[str, PlanWaiver] = {}
    for waiver in (waiver for waiver in waivers if waiver.id in services):
        named: PlanWaiver = {
            "expires": format_moment(waiver.ends),
            "users": list(waiver.users),
            "services": sorted(services[waiver.id]),
        }
        if waiver.posix_groups:
            named["posix_groups"] = list(waiver.posix_groups)
        if waiver.request:
            named["request"] = waiver.request
        if limits := limited(controls, waiver.id, waiver.services):
            named["limits"] = limits
        found[waiver.id] = named
    return found


def upcoming_services(plan: Plan) -> list[UpcomingRestriction]:
    """What a plan announces: service, control, and the day from which it is in force."""
    return [
        {"service": service, "control": control, "effective_from": entry["effective_from"]}
        for control, section in plan["controls"].items()
        for service, entry in section["services"].items()
        if entry["mode"] == "upcoming"
    ]


def _command_for_requests() -> str:
    """The digest of the command by which users request an exception."""
    # Only here, since this loads all of `apps`, which compiling needs for nothing else.
    from ....host.controls.apps.requests import command_text

    return command_text.hash_command()


def _settings(control: str, restrictions: Restrictions, upcoming: bool) -> ControlSettings:
    if control == "apps":
        settings: ControlSettings = {
            "user_notice": restrictions.user_notice,
            "refusal_notice": restrictions.refusal_notice,
            "grace": restrictions.end_grace,
            "quarantine_keep": restrictions.quarantine_keep,
            "exec_control": "off" if upcoming else restrictions.exec_control,
            "applocker": restrictions.applocker,
            "full_scan_every": restrictions.full_scan_every,
            "network_homes": restrictions.network_homes,
        }
        if restrictions.requests and not upcoming:
            settings["requests"] = _command_for_requests()
        return settings
    if control == "browser":
        tenants = {provider: list(names) for provider, names in restrictions.tenants.items() if names and not upcoming}
        return {
            "browsers": {} if upcoming else dict(restrictions.browser_settings),
            "extensions_allowed": [] if upcoming else list(restrictions.browser_extensions_allowed),
            "tenants": tenants,
        }
    if control == "firewall":
        chosen: ControlSettings = {}  # what few organisations set: a plan without it stays as it is
        if restrictions.firewall_nat64:
            chosen["nat64"] = list(restrictions.firewall_nat64)
        if restrictions.firewall_local_ssh and not upcoming:
            chosen["local_ssh"] = restrictions.firewall_local_ssh
        return {
            **chosen,
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


def _allow_permitted(services: Mapping[str, PlanEntry], catalogue: Catalogue, control: str) -> None:
    """Let names through that lie below a restricted domain but belong to a service that is not restricted here. One
    that is waived at some hours names in `opens` what it lets through then, by the service that does.
    """
    restricted = {
        id_: entry for id_, entry in services.items() if entry.get("otherwise", entry["mode"]) in RESTRICTED_MODES
    }
    naming: dict[str, list[str]] = {}  # the services that restrict a name
    for id_, entry in restricted.items():
        for name in dict.fromkeys(entry.get("web_hosts", ()) if control == "apps" else entry.get("domains", ())):
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
        permitted = always.get(id_, set())
        if control == "apps" and (permitted or "web_allow" in entry):
            entry["web_allow"] = sorted(permitted.union(entry.get("web_allow", ())))
        elif control != "apps" and (permitted or "allow" in entry):
            entry["allow"] = sorted(permitted.union(entry.get("allow", ())))
