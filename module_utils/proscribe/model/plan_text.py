"""The text of a plan, as it is sent to hosts: what several controls have of one service is in it once.

A plan repeats for each control the name of a service, its hosts, and the mode that nearly all have. The text has what
is of one service together:

    {...the plan, "services": {"<service id>": {"name": "...", "hosts": [what its lists of hosts begin with],
                                                "<control>": {...what is left of its entry...}}},
     "controls": {"<control>": {...without services...}}}

An entry without `name` has that of its service, one without `mode` that of its control, and `OMITTED` keys that it does
not have are empty. Its lists of hosts (`HOSTS`) have what follows the service's. With the whole catalogue that is two
thirds of the plan's own JSON. The digest is always of the whole plan.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any, Mapping

from .plan import canonical

if TYPE_CHECKING:
    from .types.plan import Entry, Plan

HOSTS = ("web_hosts", "domains")
OMITTED: dict[str, dict[str, Any]] = {
    "apps": {"packages": {}, "processes": [], "paths": []},
    "browser": {"domains": [], "urls": [], "allow": []},
    "firewall": {"ports": []},
    "dns": {"domains": [], "allow": []},
}


def serialised(plan: Plan) -> str:
    """A plan as canonical JSON, short where it can be. `whole` gives the same plan again, of any that has controls."""
    short = _short(plan)
    return canonical(short if whole(short) == plan else plan)


def whole(short: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that a text stands for, read as JSON; one that was not shortened is returned as it is."""
    if "services" not in short:
        return dict(short)
    controls: dict[str, dict[str, Any]] = {}
    for control, section in short["controls"].items():
        entries = {}
        for id_, service in short["services"].items():
            if control in service:
                left = service[control]
                entry = {"name": service["name"], "mode": section["mode"], **OMITTED[control], **left}
                entries[id_] = entry | {key: [*service["hosts"], *left[key]] for key in HOSTS if key in left}
        controls[control] = {**section, "services": entries}
    return {key: value for key, value in short.items() if key != "services"} | {"controls": controls}


def _short(plan: Plan) -> dict[str, Any]:
    entries: dict[str, dict[str, Mapping[str, Any]]] = {}
    for control, section in plan["controls"].items():
        for id_, entry in section["services"].items():
            entries.setdefault(id_, {})[control] = entry
    services = {}
    for id_, listed in entries.items():
        common = _common(list(listed.values()))
        usual = {control: {**OMITTED[control], "mode": plan["controls"][control]["mode"]} for control in listed}
        left = {control: _left(entry, common, usual[control]) for control, entry in listed.items()}
        services[id_] = {**common, **left}
    controls = {
        control: {key: value for key, value in section.items() if key != "services"}
        for control, section in plan["controls"].items()
    }
    return {**plan, "services": services, "controls": controls}


def _common(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    hosts = [entry[key] for entry in entries for key in HOSTS if entry.get(key)]
    return {"name": entries[0]["name"], "hosts": os.path.commonprefix(hosts) or []}


def _left(entry: Entry, service: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    usual = {**usual, "name": service["name"]}
    left = {key: value for key, value in entry.items() if key not in usual or value != usual[key]}
    return left | {key: left[key][len(service["hosts"]) :] for key in HOSTS if key in left}
