"""The text of a plan for hosts, which has the data that several controls share only once.

A plan repeats for each control the name of a service, its hosts, and the usual mode. The text has the data of a service
together:

    {...the plan, "services": {"<service id>": {"name": "...", "hosts": [the common start of its lists of hosts],
                                                "<control>": {...the rest of its entry...}}},
     "controls": {"<control>": {...without services...}}}

An entry without `name` has the name of its service, and an entry without `mode` the mode of its control. Missing keys
of `OMITTED_KEYS` are empty. Its lists of hosts (`HOST_LISTS`) follow the hosts of the service. With the whole catalogue
the text is two thirds of the plan's own JSON. The digest is always of the whole plan.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any, Mapping

from .plan import format_canonical

if TYPE_CHECKING:
    from typing import Literal

    from .types.plan import Plan, PlanEntry

HOST_LISTS: tuple[Literal["web_hosts", "domains"], ...] = ("web_hosts", "domains")
OMITTED_KEYS: dict[str, dict[str, object]] = {
    "apps": {"packages": {}, "processes": [], "paths": []},
    "browser": {"domains": [], "urls": [], "allow": []},
    "firewall": {"ports": []},
    "dns": {"domains": [], "allow": []},
}


def serialise_plan(plan: Plan) -> str:
    """Return a plan as canonical JSON for a host.

    The JSON has the short form of the plan if `expand_plan` restores the same plan from that form. Otherwise the JSON
    has the whole plan.
    """
    short = _shorten_plan(plan)
    return format_canonical(short if expand_plan(short) == plan else plan)


def expand_plan(short: Mapping[str, Any]) -> Plan:
    """Return the whole plan from its short form, which was read from JSON.

    A whole plan is returned unchanged.
    """
    plan: Any = {key: content for key, content in short.items() if key != "services"}
    if "services" in short:
        services = short["services"]
        plan["controls"] = {
            name: _expand_section(name, section, services) for name, section in short["controls"].items()
        }
    expanded: Plan = plan
    return expanded


def _expand_section(control: str, section: Mapping[str, object], services: Mapping[str, Any]) -> dict[str, object]:
    """Return the section of a control with its services, as a whole plan has it.

    `services` are those of the short form: {name, hosts, and for each control the rest of the entry}.
    """
    entries: dict[str, dict[str, object]] = {}
    for service_id, service in services.items():
        if control in service:
            own_part = service[control]
            entries[service_id] = {
                "name": service["name"],
                "mode": section["mode"],
                **OMITTED_KEYS.get(control, {}),
                **own_part,
            }
            entries[service_id] |= {key: [*service["hosts"], *own_part[key]] for key in HOST_LISTS if key in own_part}
    return {**section, "services": entries}


def _shorten_plan(plan: Plan) -> dict[str, object]:
    """Return the short form of a plan: services once, each with its name, common hosts, and the rest by control."""
    entries: dict[str, dict[str, PlanEntry]] = {}
    for control, section in plan["controls"].items():
        for service_id, entry in section["services"].items():
            entries.setdefault(service_id, {})[control] = entry
    services = {}
    for service_id, by_control in entries.items():
        listed_entries = list(by_control.values())
        name = listed_entries[0]["name"]
        # the hosts with which all lists of hosts of the service begin; commonprefix compares lists, too
        hosts = (
            os.path.commonprefix(
                [listed_entry[key] for listed_entry in listed_entries for key in HOST_LISTS if listed_entry.get(key)]
            )
            or []
        )
        service: dict[str, object] = {"name": name, "hosts": hosts}
        for control, entry in by_control.items():
            usual = {**OMITTED_KEYS.get(control, {}), "mode": plan["controls"][control]["mode"], "name": name}
            service[control] = _strip_usual(entry, len(hosts), usual)
        services[service_id] = service
    controls = {
        control: {key: content for key, content in section.items() if key != "services"}
        for control, section in plan["controls"].items()
    }
    return {**plan, "services": services, "controls": controls}


def _strip_usual(entry: PlanEntry, host_count: int, usual: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of a service's entry that differ from the usual values, and its hosts after the common hosts.

    `usual` has the values that the service and the control imply. `host_count` is the number of common hosts.
    """
    own_part = {key: content for key, content in entry.items() if key not in usual or content != usual[key]}
    return own_part | {key: entry[key][host_count:] for key in HOST_LISTS if key in own_part}
