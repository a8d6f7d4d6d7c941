"""The compilation of a host's plan from catalogue, restrictions and waivers.

Pure: it reads no file and no clock, and observes no host.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from ....base.duration import format_moment
from ....model.plan import CONTROLS, PLAN_SCHEMA, RESTRICTED_MODES, add_digest
from ....model.types.plan import (
    Hours,
    PartialWaiver,
    Plan,
    PlanEntry,
    PlanSection,
    PlanWaiver,
    ServicePolicy,
)
from ....model.types.run import UpcomingRestriction
from ..catalogue.catalogue_loader import Catalogue, Service
from ..catalogue.name_conflicts import list_name_and_parents
from ..controls import COMPILERS
from ..restrictions import Restrictions, group_restrictions
from ..waivers.limits import describe_limits
from ..waivers.waiver import Waiver
from .browser_policy_places import list_policy_places, note_front_doors
from .identifiers import get_identifiers, remove_web_identifiers
from .service_selection import has_permitted_programs, is_separated_by_tenant, select_services
from .unmanaged_browsers import choose_mode, make_unmanaged_entry


def compile_plan(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> Plan:
    """Compile the plan of every host that has these restrictions and these waivers.

    `waivers` are the active waivers of the host. `today` decides if the ban is in force. Raises PolicyErrors for a
    service id that the catalogue does not have.
    """
    return add_digest(compile_body(catalogue, restrictions, waivers, today))


def compile_body(
    catalogue: Catalogue, restrictions: Restrictions, waivers: Sequence[Waiver], today: datetime.date
) -> Plan:
    """Compile a plan as `compile_plan` does, but without its digest and its link to a later plan (timeline.py)."""
    is_upcoming = today < restrictions.effective_from  # the ban is not yet in force
    selected_services = select_services(catalogue, restrictions)
    controls = {
        control: _compile_section(control, catalogue, restrictions, selected_services, waivers, is_upcoming)
        for control in CONTROLS
        if restrictions.controls[control] != "off"
    }
    if "browser" in controls:
        note_front_doors(controls["browser"], catalogue)
    body: Plan = {
        "schema": PLAN_SCHEMA,
        "contact": restrictions.contact,
        "browsers": list_policy_places(catalogue),
        "controls": controls,
    }
    if restrictions.request_url:
        body["request_url"] = restrictions.request_url
    if restrictions.watch:
        body["watch"] = {"every": restrictions.watch, "max_age": restrictions.watch_max_age}
        if named_waivers := _describe_named_waivers(controls, waivers):
            body["waivers"] = named_waivers
    if catalogue.release.version:
        body["catalog"] = catalogue.release.version
    return body


def _compile_section(
    control: str,
    catalogue: Catalogue,
    restrictions: Restrictions,
    selected_services: Sequence[tuple[Service, bool]],
    waivers: Sequence[Waiver],
    is_upcoming: bool,
) -> PlanSection:
    """Return the section of a control in a plan: its mode, its services with their identifiers, and its settings.

    `selected_services` has True for each service that is enforced; other services are only reported. `is_upcoming` is
    True if the ban is not yet in force.

    Two keys of the section list enforced services that this control does not block. `nothing_known`: the catalogue has
    no identifiers of the service for the control. `by_tenant`: the service's sites stay open, because a browser policy
    admits only the organisation's own accounts there.
    """
    mode = restrictions.controls[control]
    section: PlanSection = {
        "mode": mode,
        "services": {},
        "settings": COMPILERS[control].make_settings(restrictions, is_upcoming),
    }
    full_waivers, partial_waivers = _group_waivers(control, waivers)
    for service, is_enforced in selected_services:
        groups = group_restrictions.find_groups(restrictions.groups_restricted, service.id)
        if groups and control not in groups:  # restricted for members of groups only, by other controls
            continue
        identifiers = get_identifiers(catalogue, control, service, restrictions.feeds if is_enforced else ())
        if is_enforced and not identifiers:
            section.setdefault("nothing_known", []).append(service.id)
        if is_separated_by_tenant(service, restrictions):
            if is_enforced and identifiers and control != "apps":
                section.setdefault("by_tenant", []).append(service.id)
            # The sites stay open. Only `apps` still has something to find: the programs.
            identifiers = remove_web_identifiers(identifiers) if control == "apps" else {}
        if not identifiers:
            continue
        service_policy: ServicePolicy = {"mode": "report"}
        if is_enforced and control == "apps" and has_permitted_programs(service, restrictions):
            # The programs serve permitted accounts, too, so they are only reported.
            identifiers = {**identifiers, "serves_both": True}
        elif is_enforced and is_upcoming:
            service_policy = {"mode": "upcoming", "effective_from": restrictions.effective_from.isoformat()}
        elif is_enforced:
            service_policy = _make_service_policy(
                mode, full_waivers.get(service.id, ()), partial_waivers.get(service.id, ())
            )
        if groups:
            service_policy["only"] = {"posix_groups": groups[control]}
        section["services"][service.id] = {**service_policy, "name": service.name, **identifiers}
    if control != "firewall":
        _allow_permitted_names(section["services"], catalogue, control)
    if control == "apps" and restrictions.unmanaged_browsers != "off":
        mode = "report" if is_upcoming else choose_mode(restrictions)
        browsers_entry = make_unmanaged_entry(catalogue, mode, [service for service, _ in selected_services])
        section["settings"]["unmanaged_browsers"] = browsers_entry
    return section


def _group_waivers(control: str, waivers: Iterable[Waiver]) -> tuple[dict[str, list[Waiver]], dict[str, list[Waiver]]]:
    """Return two mappings from service ids to the waivers for a control.

    The first has waivers for whole services. The second has waivers for a part of a service: some users, versions or
    paths.
    """
    full_waivers: dict[str, list[Waiver]] = {}
    partial_waivers: dict[str, list[Waiver]] = {}
    for waiver in (waiver for waiver in waivers if control in waiver.controls):
        for service_id in waiver.services:
            (partial_waivers if waiver.narrowing else full_waivers).setdefault(service_id, []).append(waiver)
    return full_waivers, partial_waivers


def _make_service_policy(mode: str, full_waivers: Sequence[Waiver], partial_waivers: Sequence[Waiver]) -> ServicePolicy:
    """Return the mode of a service whose ban is in force, with the effect of its waivers.

    `full_waivers` are for the whole service, `partial_waivers` for some users, versions or paths. Both are sorted by
    their end. `mode` is the mode of the control.

    A full waiver without hours waives the service at all times; the one that ends last counts. If all full waivers have
    hours, the last gives the hours (`hours`), and `otherwise` is the mode outside these hours. The earlier full
    waivers become exceptions that are limited by their hours alone.
    """
    if unlimited_ids := [waiver.id for waiver in full_waivers if not waiver.hours]:
        return {"mode": "waived", "waiver": unlimited_ids[-1]}
    service_policy: ServicePolicy = {"mode": mode}
    if full_waivers:
        last_waiver = full_waivers[-1]
        service_policy = {
            "mode": "waived",
            "waiver": last_waiver.id,
            "hours": _list_hour_windows(last_waiver),
            "otherwise": mode,
        }
    if exceptions := [_make_exception(waiver) for waiver in (*full_waivers[:-1], *partial_waivers)]:
        service_policy["exceptions"] = sorted(exceptions, key=lambda exception: exception["waiver"])
    return service_policy


def _make_exception(waiver: Waiver) -> PartialWaiver:
    """Return a waiver as an exception in a plan: its id, its limits (users, versions, paths) and its hours."""
    exception: PartialWaiver = {"waiver": waiver.id, **waiver.narrowing}
    if waiver.hours:
        exception["hours"] = _list_hour_windows(waiver)
    return exception


def _list_hour_windows(waiver: Waiver) -> Hours:
    """Return the weekly hours of a waiver as [day, first minute, end minute], with lists as in JSON."""
    return [list(window) for window in waiver.weekly_windows]


def _describe_named_waivers(controls: Mapping[str, PlanSection], waivers: Iterable[Waiver]) -> dict[str, PlanWaiver]:
    """Return descriptions of waivers for users of a host.

    Key: the id of a waiver in a section of the plan.
    """
    services: dict[str, set[str]] = {}
    for entry in (entry for section in controls.values() for entry in section["services"].values()):
        for part in (entry, *entry.get("exceptions", ())):
            if "waiver" in part:
                services.setdefault(part["waiver"], set()).add(entry["name"])
    descriptions: dict[str, PlanWaiver] = {}
    for waiver in (waiver for waiver in waivers if waiver.id in services):
        description: PlanWaiver = {
            "expires": format_moment(waiver.ends),
            "users": list(waiver.users),
            "services": sorted(services[waiver.id]),
        }
        if waiver.posix_groups:
            description["posix_groups"] = list(waiver.posix_groups)
        if waiver.request:
            description["request"] = waiver.request
        if limits := describe_limits(controls, waiver.id, waiver.services):
            description["limits"] = limits
        descriptions[waiver.id] = description
    return descriptions


def list_upcoming_services(plan: Plan) -> list[UpcomingRestriction]:
    """Return the upcoming restrictions of a plan: service, control, and the day from which each is in force."""
    return [
        {"service": service_id, "control": control, "effective_from": entry["effective_from"]}
        for control, section in plan["controls"].items()
        for service_id, entry in section["services"].items()
        if entry["mode"] == "upcoming"
    ]


def _allow_permitted_names(services: Mapping[str, PlanEntry], catalogue: Catalogue, control: str) -> None:
    """Allow names below a restricted domain that belong to a service without restriction.

    A restricted domain blocks all names below it. So the entries of restricted services get the names that stay open.
    They are in `web_allow` for the control `apps`, and in `allow` for other controls.

    A service that is waived only at some hours gets the key `opens`. It has the names that are open at these hours, by
    the id of the service that blocks the names.
    """
    # restricted now, or outside the hours of a waiver (`otherwise`)
    restricted = {
        id_: entry for id_, entry in services.items() if entry.get("otherwise", entry["mode"]) in RESTRICTED_MODES
    }
    ids_by_name: dict[str, list[str]] = {}  # key: a name; value: the ids of the services that restrict it
    for id_, entry in restricted.items():
        for name in dict.fromkeys(entry.get("web_hosts", ()) if control == "apps" else entry.get("domains", ())):
            ids_by_name.setdefault(name, []).append(id_)
    # key: the id of a service that blocks the names; value: the names that are open at all times
    always_allowed: dict[str, set[str]] = {}
    partly_restricted = {id_ for id_, entry in restricted.items() if "only" in entry}  # restricted for some users only
    # key: the id of a service that is waived at some hours; value: the content of its key `opens`
    opened_names: dict[str, dict[str, set[str]]] = {
        id_: {} for id_, entry in restricted.items() if "otherwise" in entry and id_ not in partly_restricted
    }
    for id_, service in catalogue.services.items():
        # A service that is restricted for everybody and at all times needs no open names. A service that is restricted
        # for some users needs them for the other users.
        if id_ in restricted and id_ not in opened_names and id_ not in partly_restricted:
            continue
        allowed_names = opened_names.get(id_, always_allowed)
        for domain in service.domains:
            full_name, *parent_names = list_name_and_parents(domain)
            surrounding_ids = {surrounding_id for name in parent_names for surrounding_id in ids_by_name.get(name, ())}
            for surrounding_id in surrounding_ids.difference(ids_by_name.get(full_name, ())):
                allowed_names.setdefault(surrounding_id, set()).add(domain)
    for id_, opened in opened_names.items():
        if opened:
            services[id_]["opens"] = {
                surrounding_id: sorted(opened[surrounding_id]) for surrounding_id in sorted(opened)
            }
    for id_, entry in restricted.items():
        permitted = always_allowed.get(id_, set())
        if control == "apps" and (permitted or "web_allow" in entry):
            entry["web_allow"] = sorted(permitted.union(entry.get("web_allow", ())))
        elif control != "apps" and (permitted or "allow" in entry):
            entry["allow"] = sorted(permitted.union(entry.get("allow", ())))
