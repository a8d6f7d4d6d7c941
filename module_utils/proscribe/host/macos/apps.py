"""The rules of `apps` on a Mac: the plan's applications by their bundle identifiers, its packages of Homebrew, and what
runs of either. A program that is known by its name alone is reported as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Mapping, Sequence

from ...model.finding import COMPLIANT, NO_IDENTIFIERS_REASON, NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ..controls.apps.systems.brew import KINDS
from ..system import ControlError, Host, ObservationError, escape_text
from .applications import HOMEBREW, Application, Found, application, find_brewed
from .programs import Program, listed

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection

BY_NAME = "known by its name alone"
MOST_BUNDLES = 2000  # that programs run from, of which the identifiers are read


def verdicts(host: Host, section: PlanSection, found: Found) -> list[RuleVerdict]:
    """A verdict for every service of the plan."""
    services = section["services"]
    ids = _index(services, lambda entry: [one.casefold() for one in entry.get("bundle_ids", ())])
    names = _index(services, lambda entry: entry["processes"])
    packages = {kind: _index(services, lambda entry: entry["packages"].get(kind, ())) for kind in KINDS}  # noqa: B023
    evidence: dict[str, list[Finding]] = {id_: [] for id_ in services}
    unseen = list(found.unseen)
    for one in found.applications:
        for service in ids.get(one.id.casefold(), ()):
            evidence[service].append(one.finding())
    brewed, missed = find_brewed(host, packages)
    for service, finding in brewed:
        evidence[service].append(finding)
    unseen += missed
    try:
        running = listed(host)
    except (ControlError, ObservationError) as why:
        running = []
        unseen.append(str(why))
    for service, finding in _running(host, running, found.applications, ids, names, packages):
        evidence[service].append(finding)
    missed_in_all = "; ".join(dict.fromkeys(unseen))
    return [_verdict(id_, entry, evidence[id_], missed_in_all) for id_, entry in services.items()]


def _index(services: Mapping[str, PlanEntry], of_entry: Callable[[PlanEntry], Iterable[str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for id_, entry in services.items():
        for name in of_entry(entry):
            index.setdefault(name, []).append(id_)
    return index


def _running(
    host: Host,
    programs: Iterable[Program],
    applications: Sequence[Application],
    ids: Mapping[str, list[str]],
    names: Mapping[str, list[str]],
    packages: Mapping[str, Mapping[str, list[str]]],
) -> list[tuple[str, Finding]]:
    """What runs of the services: (service, finding), once for each program of a user."""
    known = {one.path: one.id for one in applications}
    grouped: dict[tuple[str, int, str], list[Program]] = {}
    doubts: dict[tuple[str, int, str], str] = {}
    for program in programs:
        services, doubt = _services(host, program, known, ids, packages), ""
        if not services:
            services, doubt = names.get(program.path.rpartition("/")[2], []), BY_NAME
        for service in services:
            key = (service, program.uid, program.bundle or program.path)
            grouped.setdefault(key, []).append(program)
            doubts[key] = doubt
    found = []
    for (service, uid, path), members in sorted(grouped.items()):
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        detail = ", ".join(filter(None, (f"pid {members[0].pid}{more}", doubts[service, uid, path])))
        name = escape_text(members[0].path.rpartition("/")[2])
        scope = f"user:{host.find_account(uid).name}"
        found.append((service, Finding("process", name, "macos", "", scope, escape_text(path), detail)))
    return found


def _services(
    host: Host,
    program: Program,
    known: dict[str, str],
    ids: Mapping[str, list[str]],
    packages: Mapping[str, Mapping[str, list[str]]],
) -> list[str]:
    """The services whose application or package a program runs from. What the application is called is read once."""
    if bundle := program.bundle:
        if bundle not in known and len(known) < MOST_BUNDLES:
            known[bundle] = _identifier(host, bundle)
        if services := ids.get(known.get(bundle, "").casefold()):
            return services
    for prefix in HOMEBREW:
        for kind, room in KINDS.items():
            start = f"{prefix}/{room}/"
            if program.path.startswith(start):
                return packages[kind].get(program.path[len(start) :].partition("/")[0], [])
    return []


def _identifier(host: Host, bundle: str) -> str:
    try:
        one = application(host, bundle)
    except (ControlError, ObservationError):  # it may lie where nobody but its user can read
        return ""
    return one.id if one else ""


def _verdict(id_: str, entry: PlanEntry, found: Sequence[Finding], unseen: str) -> RuleVerdict:
    rule = f"apps/{id_}"
    on_macs = entry.get("bundle_ids") or any(entry["packages"].get(kind) for kind in KINDS)
    verdict = judge_rule(rule, entry, found, unseen if on_macs else "")
    if verdict.state == COMPLIANT and not on_macs:
        return RuleVerdict(
            rule, NOT_APPLICABLE, reason=f"{NO_IDENTIFIERS_REASON}: the catalogue has no application of it on macOS"
        )
    return verdict._replace(drifted=False)
