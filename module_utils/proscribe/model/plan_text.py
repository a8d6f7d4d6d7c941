"""The text of a plan, as it is sent to hosts: what several controls have of one service is in it once.

A plan repeats for each control the name of a service, its hosts, and the mode that nearly all have. The text has what
is of one service together:

    {...the plan, "services": {"<service id>": {"name": "...", "hosts": [what its lists of hosts begin with],
                                                "<control>": {...what is left of its entry...}}},
     "controls": {"<control>": {...without services...}}}

An entry without `name` has that of its service, and one without `mode` that of its control. `OMITTED` keys that it does
not have are empty. Its lists of hosts (`HOSTS`) have what follows the service's. With the whole catalogue that is two
thirds of the plan's own JSON. The digest is always of the whole plan.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any, Mapping

from .plan import canonical

if TYPE_CHECKING:
    from typing import Literal

    from .types.plan import Entry, Plan

HOSTS: tuple[Literal["web_hosts", "domains"], ...] = ("web_hosts", "domains")
OMITTED: dict[str, dict[str, object]] = {
    "apps": {"packages": {}, "processes": [], "paths": []},
    "browser": {"domains": [], "urls": [], "allow": []},
    "firewall": {"ports": []},
    "dns": {"domains": [], "allow": []},
}


def serialised(plan: Plan) -> str:
    """A plan as canonical JSON, short where it can be. `whole` gives the same plan again, of any that has controls."""
    short = _short(plan)
    return canonical(short if whole(short) == plan else plan)


def whole(short: Mapping[str, Any]) -> Plan:
    """The plan that a text stands for, read as JSON; one that was not shortened is returned as it is."""
    plan: Any = {key: value for key, value in short.items() if key != "services"}
    if "services" in short:
        services = short["services"]
        plan["controls"] = {name: _whole(name, section, services) for name, section in short["controls"].items()}
    found: Plan = plan
    return found


def _whole(control: str, section: Mapping[str, object], services: Mapping[str, Any]) -> dict[str, object]:
    """A control with its services, as a plan has it."""
    entries: dict[str, dict[str, object]] = {}
    for id_, service in services.items():
        if control in service:
            left = service[control]
            entries[id_] = {"name": service["name"], "mode": section["mode"], **OMITTED[control], **left}
            entries[id_] |= {key: [*service["hosts"], *left[key]] for key in HOSTS if key in left}
    return {**section, "services": entries}


def _short(plan: Plan) -> dict[str, object]:
    entries: dict[str, dict[str, Entry]] = {}
    for control, section in plan["controls"].items():
        for id_, entry in section["services"].items():
            entries.setdefault(id_, {})[control] = entry
    services = {}
    for id_, by_control in entries.items():
        listed = list(by_control.values())
        name = listed[0]["name"]
        hosts = os.path.commonprefix([one[key] for one in listed for key in HOSTS if one.get(key)]) or []
        service: dict[str, object] = {"name": name, "hosts": hosts}
        for control, entry in by_control.items():
            usual = {**OMITTED[control], "mode": plan["controls"][control]["mode"], "name": name}
            service[control] = _left(entry, len(hosts), usual)
        services[id_] = service
    controls = {
        control: {key: value for key, value in section.items() if key != "services"}
        for control, section in plan["controls"].items()
    }
    return {**plan, "services": services, "controls": controls}


def _left(entry: Entry, hosts: int, usual: Mapping[str, object]) -> dict[str, object]:
    """What an entry has that its service and its control do not say, without so many of its hosts."""
    left = {key: value for key, value in entry.items() if key not in usual or value != usual[key]}
    return left | {key: entry[key][hosts:] for key in HOSTS if key in left}
