"""One plan for a point that serves many hosts: the strictest of theirs, and never wider than any of them.

A point knows neither hosts nor users nor hours. So a service is open there only where it is waived on every host of the
choice, at all times and for everybody. What differs otherwise is no decision: the choice of hosts is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from ...model.plan import CONTROLS, RESTRICTED_MODES, add_digest
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ..report.text.wording import some
from .declaration import BY_TENANT, Decision, LeftOut, NotExportable

# What hosts' plans have beside the policy: what follows later, whom to answer what.
OF_HOSTS: tuple[Literal["digest", "later", "waivers", "answers", "group_policy"], ...] = (
    *("digest", "later", "waivers", "answers", "group_policy"),
)
# What waivers make of an entry beside its mode, and of those of other services (allow).
WAIVED: tuple[Literal["waiver", "hours", "otherwise", "opens", "exceptions", "allow"], ...] = (
    *("waiver", "hours", "otherwise", "opens", "exceptions", "allow"),
)
NARROWED = {
    "users": "users",
    "posix_groups": "groups of users",
    "versions": "versions",
    "paths": "paths",
    "hours": "hours",
}
MOST_HOSTS = 5  # named per waiver


def decide(plans: Mapping[str, Plan], at: datetime, group: str = "", needed: Sequence[str] = CONTROLS) -> Decision:
    """The decision for hosts, by their plans. `needed` are the controls that a format takes: in the others, hosts may
    differ. Raises NotExportable, also where each of these controls is off.
    """
    plan, left_out = join(plans, needed)
    off = [control for control in needed if control not in plan["controls"]]
    if len(off) == len(needed):
        names = " and ".join(off)
        raise NotExportable(f"nothing to export: {names} is off in proscribe_controls of {_hosts(sorted(plans))}")
    left_out += tuple(LeftOut("", f"the control {control}", "It is off in proscribe_controls.") for control in off)
    # Browsers distinguish the accounts; a format of their section says whether it can.
    left_out += tuple(one for control in needed if control != "browser" for one in open_for_tenants(plan, control))
    return Decision(plan, plan.get("digest", ""), plan.get("catalog", ""), group, tuple(sorted(plans)), at, left_out)


def open_for_tenants(plan: Plan, control: str) -> list[LeftOut]:
    """The restricted services that a control leaves open for the organisation's tenants."""
    section = plan["controls"].get(control)
    services = section.get("by_tenant", ()) if section else ()
    return [LeftOut(f"{control}/{id_}", "the service", BY_TENANT) for id_ in services]


def join(plans: Mapping[str, Plan], needed: Sequence[str] = CONTROLS) -> tuple[Plan, tuple[LeftOut, ...]]:
    """The one plan of hosts, sealed, by their plans, and what of theirs is not in it. It is the very plan of the hosts
    where all have one and no waiver is narrowed. Raises NotExportable for hosts that differ in more than waivers.
    """
    if not plans:
        raise NotExportable("no host was chosen")
    hosts: dict[str, list[str]] = {}  # by the digest of their plan
    for host in sorted(plans):
        hosts.setdefault(plans[host].get("digest", ""), []).append(host)
    first, *others = distinct = [plans[group[0]] for group in hosts.values()]
    audience = list(hosts.values())
    for other, its in zip(others, audience[1:]):
        if where := _difference(_policy(first, needed), _policy(other, needed)):
            raise NotExportable(
                f"the hosts {audience[0][0]} and {its[0]} have different policies: {where} differs. An export is one"
                " decision for all of its hosts: choose hosts that have one policy, with --group or --limit"
            )
    left_out: list[LeftOut] = []
    joined = first.copy()
    for key in OF_HOSTS:
        joined.pop(key, None)
    joined["controls"] = controls = dict(first["controls"])
    for control, section in first["controls"].items():
        if control in needed:
            controls[control] = _section(control, [plan["controls"][control] for plan in distinct], audience, left_out)
        elif any(plan["controls"].get(control) != section for plan in distinct):
            del controls[control]
    same = len(distinct) == 1 and controls == first["controls"]
    return (first if same else add_digest(joined)), tuple(left_out)


def _policy(plan: Plan, needed: Sequence[str]) -> dict[str, object]:
    """What of a plan has to be the same on all hosts."""
    sections = {control: section for control, section in plan["controls"].items() if control in needed}
    return {
        **{key: value for key, value in plan.items() if key not in OF_HOSTS},
        "controls": {
            control: {
                **{key: value for key, value in section.items() if key != "nothing_known"},
                "services": {
                    id_: {
                        **{key: value for key, value in entry.items() if key not in WAIVED},
                        "mode": usual_mode(entry, section),
                    }
                    for id_, entry in section["services"].items()
                },
            }
            for control, section in sections.items()
        },
    }


def usual_mode(entry: PlanEntry, section: PlanSection) -> str:
    """The mode of a service without its waivers."""
    return entry.get("otherwise", section["mode"]) if entry["mode"] == "waived" else entry["mode"]


def _difference(one: object, other: object) -> str:
    """Where two plans first differ, as `controls.browser.settings.quic`; "" where they do not."""
    if one == other:
        return ""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        key = next(key for key in sorted({*one, *other}) if one.get(key) != other.get(key))
        deeper = _difference(one.get(key), other.get(key))
        return key if deeper == "." else f"{key}.{deeper}"
    return "."


def _section(
    control: str, sections: Sequence[PlanSection], hosts: Sequence[list[str]], left_out: list[LeftOut]
) -> PlanSection:
    """A section of the joined plan, of the different ones and the hosts that have each. The first of them, where
    nothing is to be changed.
    """
    first = sections[0]
    services = {
        id_: _entry(f"{control}/{id_}", [(one["services"][id_], one) for one in sections], hosts, left_out)
        for id_ in first["services"]
    }
    if all(entry is first["services"][id_] for id_, entry in services.items()):
        return first
    return {**first, "services": services}


def _entry(
    rule: str,
    entries: Sequence[tuple[PlanEntry, PlanSection]],
    hosts: Sequence[list[str]],
    left_out: list[LeftOut],
) -> PlanEntry:
    """A service of the joined plan: waived if it is everywhere, at all hours; else as it is without waivers."""
    first, section = entries[0]
    mode = usual_mode(first, section)
    if "only" in first:
        members = some(first["only"]["posix_groups"], MOST_HOSTS)
        why = f"It is restricted for the members of {members} only. This point knows no users, so it stays open there."
        left_out.append(LeftOut(rule, "the service", why))
        return {**first, "mode": "report"}
    if mode == "upcoming":
        left_out.append(LeftOut(rule, "the service", f"It is restricted from {first['effective_from']} on."))
    elif first.get("serves_both"):
        left_out.append(LeftOut(rule, "the programs", "They serve permitted accounts, too, so they are only reported."))
    elif mode not in RESTRICTED_MODES:
        left_out.append(LeftOut(rule, "the service", "It is reported where it is found, and not restricted."))
    permitted = set.intersection(*(set(entry.get("allow", ())) for entry, _ in entries))
    joined = first.copy()
    for key in WAIVED:
        joined.pop(key, None)
    if "allow" in first:
        joined["allow"] = [name for name in first["allow"] if name in permitted]
    if all(entry["mode"] == "waived" and "hours" not in entry for entry, _ in entries):
        joined["mode"], joined["waiver"] = "waived", first["waiver"]
    else:
        joined["mode"] = mode
        left_out.extend(_not_waived(rule, [entry for entry, _ in entries], hosts))
    return first if joined == first else joined


def _not_waived(rule: str, entries: Sequence[PlanEntry], hosts: Sequence[list[str]]) -> Iterator[LeftOut]:
    """The waivers of a service that the point does not get, each once, with the hosts that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry, its in zip(entries, hosts):
        # What else an entry has under such a key, as `paths`, are identifiers.
        whole = [(entry["waiver"], _why({"hours": entry.get("hours")}))] if entry["mode"] == "waived" else []
        for key in (*whole, *((one["waiver"], _why(one)) for one in entry.get("exceptions", ()))):
            found.setdefault(key, []).extend(its)
    for (waiver, why), its in sorted(found.items()):
        yield LeftOut(rule, f"waiver {waiver} for {_hosts(sorted(its))}", why)


def _why(one: Mapping[str, object]) -> str:
    narrowed = [name for key, name in NARROWED.items() if one.get(key)]
    if narrowed:
        return f"This point does not know {' or '.join(narrowed)}, so the service stays blocked for all."
    return "Not every host of this export has the waiver, so the service stays blocked for all."


def _hosts(names: Iterable[str]) -> str:
    listed = list(names)
    return f"host{'s' if len(listed) > 1 else ''} {some(listed, MOST_HOSTS)}"


def waived(decision: Decision, controls: Iterable[str]) -> dict[str, str]:
    """The rules of some controls that waivers open at the point, each with its waiver."""
    return {
        f"{control}/{id_}": entry["waiver"]
        for control in decision.plan["controls"].keys() & set(controls)
        for id_, entry in decision.plan["controls"][control]["services"].items()
        if entry["mode"] == "waived"
    }
