"""What `apps` does about a service, a program or a file's name, on a host with its package systems."""

from __future__ import annotations

from collections.abc import Iterator

from .....host.controls.apps.portable.names import AppNames
from .....model.types.plan import PlanEntry, PlanSection
from ....compile.plans.identifiers import PACKAGE_SYSTEMS
from ....report.text.wording import some
from .. import file_names
from ..relations import ADDRESS, EXTENSION, FILE, NAME, Relation, Subject
from .reason import BLOCKED, DEPENDS, OPEN, Policy, Reason, by_mode, missing, off

# What is known by its name alone is reported and left: any program can have it (host/controls/apps/running.py).
BY_NAME = "which is reported by its name, and ended or moved where more than its name shows that"
NO_PACKAGE = "none in a package system of this host"
UNKNOWN = "no run has said yet which package systems it has"


def reasons(about: Subject, policy: Policy) -> Iterator[Reason]:
    """What the control says."""
    section = policy.section("apps")
    if about.kind in (ADDRESS, EXTENSION):
        return
    if section is None:
        yield off("apps")
        return
    if about.kind == FILE and not file_names.scanned(about.question.word):
        yield Reason(OPEN, "no files are looked for there: what lies there belongs to the host's package systems")
        return
    if about.kind == FILE and not about.relations:
        yield Reason(OPEN, "files are recognised by name, and no restricted program has this name")
        return
    for service in about.services("is", "program", "blocks", "file"):
        entry = section["services"].get(service.id)
        if entry is None:
            if about.kind != NAME:
                yield missing(policy, "apps", service, "the catalogue has no program of it for Linux")
            continue
        for relation in (r for r in about.relations if r.service.id == service.id):
            if relation.how == "program":
                yield from _program(relation, policy, entry)
            elif relation.how == "file":
                yield from _file(about.question.word, policy, service.id, section)
            elif relation.how in ("is", "blocks"):
                yield from _service(policy, service.id, entry)


def _program(relation: Relation, policy: Policy, entry: PlanEntry) -> Iterator[Reason]:
    system, _, what = relation.what.partition(" ")
    id_, name = relation.service.id, relation.service.name
    belongs = f"{relation.what} belongs to {name}"
    if what in entry["packages"].get(system, ()):
        has = policy.facts.has(system)
        if has:
            yield from by_mode(policy, id_, entry, belongs)
        elif has is None:
            yield from _where(by_mode(policy, id_, entry, belongs), f"where the host has {system}; {UNKNOWN}")
        else:
            yield Reason(OPEN, f"{belongs}, and this host has no {system}", id_)
    elif system == "path":
        yield from by_mode(policy, id_, entry, belongs)
    elif system == "process":
        yield from _where(by_mode(policy, id_, entry, belongs), BY_NAME)
    elif system == "program":
        yield from _where(by_mode(policy, id_, entry, f"a program called {what.split()[0]}"), "where the mark is in it")
    elif system == "desktop":
        how = "where it starts with the session, or lies beside a program in a directory of the app's name"
        yield from _where(by_mode(policy, id_, entry, belongs), how)
    elif system in PACKAGE_SYSTEMS:
        yield Reason(OPEN, f"{relation.what}: found by the program it belongs to, not by itself", id_)
    elif not what.startswith(EXTENSION):
        yield Reason(OPEN, f"{relation.what}: no host here is checked for it", id_)


def _file(word: str, policy: Policy, service: str, section: PlanSection) -> Iterator[Reason]:
    """A file's name decides whether the host checks it. The file's content decides the rest; only the host knows it."""
    name = word.rpartition("/")[2]
    entry = section["services"][service]
    hows = [how for id_, how in file_names.fitting(word, AppNames(section["services"])) if id_ == service]
    if not hows:
        yield Reason(OPEN, f"{name}: this host's plan has no such name of {entry['name']}", service)
    for how in hows:
        text = file_names.does(how, name, entry["name"], entry["mode"])
        for reason in by_mode(policy, service, entry, text):
            yield reason._replace(status=DEPENDS) if reason.status == BLOCKED else reason


def _service(policy: Policy, id_: str, entry: PlanEntry) -> Iterator[Reason]:
    """What of a service can be found on this host."""
    has = {system: policy.facts.has(system) for system in entry["packages"]}
    packages = [f"{key} {package}" for key, listed in entry["packages"].items() if has[key] for package in listed]
    unsure = [f"{key} {package}" for key, listed in entry["packages"].items() if has[key] is None for package in listed]
    named = [f"process {program}" for program in entry["processes"]]
    named += [f"program {name}" for name in entry.get("markers", {}).get("programs", ())]
    named += [f"Windows program {name}" for name in entry.get("windows", ())]
    text = f"its programs: {some([*packages, *entry['paths'], *unsure, *named], 4)}"
    if packages or entry["paths"]:
        yield from by_mode(policy, id_, entry, text)
    elif unsure:
        where = f"where the host has {' or '.join(key for key in has if has[key] is None)}; {UNKNOWN}"
        yield from _where(by_mode(policy, id_, entry, text), where)
    elif named:
        yield from _where(by_mode(policy, id_, entry, text), f"{NO_PACKAGE}, {BY_NAME}")
    elif entry.get("web_hosts"):
        yield from by_mode(policy, id_, entry, "its web addresses, installed as apps")
    else:
        without = " or ".join(entry["packages"]) or "program of it"
        yield Reason(OPEN, f"nothing of it is known that could be here: this host has no {without}", id_)


def _where(reasons_: Iterator[Reason], where: str) -> Iterator[Reason]:
    """Reasons that are so only on a condition that nobody but the host knows."""
    for reason in reasons_:
        if reason.status in (BLOCKED, DEPENDS) and not reason.waiver:
            yield reason._replace(status=DEPENDS, text=f"{reason.text}, {where}")
        else:
            yield reason
