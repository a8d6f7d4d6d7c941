"""Reasons of the control `apps` for a service, a program or a file name, by a host's package systems."""

from __future__ import annotations

from collections.abc import Iterator

from .....host.controls.apps.portable.app_names import AppNames
from .....model.types.plan import PlanEntry, PlanSection
from ....compile.controls.apps import PACKAGE_SYSTEMS
from ....report.text.wording import summarise_names
from .. import file_names
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Relation, Subject
from .reason import (
    BLOCKED,
    DEPENDS,
    OPEN,
    EffectivePolicy,
    Reason,
    explain_entry,
    explain_missing_entry,
    make_off_reason,
)

# A program that is known by its name alone is reported, and neither ended nor moved: any program can have that name
# (host/controls/apps/running_programs.py).
BY_NAME_NOTE = "which is reported by its name, and ended or moved where more than its name shows that"
NO_PACKAGE_NOTE = "none in a package system of this host"
UNKNOWN_NOTE = "no run has said yet which package systems it has"

DECIDED_KINDS = (SERVICE, PROGRAM, FILE)


def find_reasons(subject: Subject, policy: EffectivePolicy) -> Iterator[Reason]:
    """Yield the reasons of the control `apps` for the subject of a question; none for an address or an extension."""
    section = policy.find_section("apps")
    if subject.kind in (ADDRESS, EXTENSION):
        return
    if section is None:
        yield make_off_reason("apps")
        return
    if subject.kind == FILE and not file_names.is_scanned(subject.question.text):
        yield Reason(OPEN, "no files are looked for there: what lies there belongs to the host's package systems")
        return
    if subject.kind == FILE and not subject.relations:
        yield Reason(OPEN, "files are recognised by name, and no restricted program has this name")
        return
    for service in subject.list_services("is", "program", "blocks", "file"):
        entry = section["services"].get(service.id)
        if entry is None:
            if subject.kind != NAME:
                yield explain_missing_entry(policy, "apps", service, "the catalogue has no program of it for Linux")
            continue
        for relation in (candidate for candidate in subject.relations if candidate.service.id == service.id):
            if relation.kind == "program":
                yield from _explain_program(relation, policy, entry)
            elif relation.kind == "file":
                yield from _explain_file(subject.question.text, policy, service.id, section)
            elif relation.kind in ("is", "blocks"):
                yield from _explain_service(policy, service.id, entry)


def _explain_program(relation: Relation, policy: EffectivePolicy, entry: PlanEntry) -> Iterator[Reason]:
    """Yield the reasons for an identifier of a program that the question names, such as `apt telegram-desktop`.

    The kind of the identifier decides what the host needs: the package system, a mark in the file, or more. Where only
    the host knows this, BLOCKED becomes DEPENDS.
    """
    identifier_kind, _, identifier = relation.identifier.partition(" ")
    service_id, name = relation.service.id, relation.service.name
    ownership = f"{relation.identifier} belongs to {name}"
    if identifier in entry["packages"].get(identifier_kind, ()):
        is_present = policy.facts.has_package_system(identifier_kind)
        if is_present:
            yield from explain_entry(policy, service_id, entry, ownership)
        elif is_present is None:
            yield from _add_condition(
                explain_entry(policy, service_id, entry, ownership),
                f"where the host has {identifier_kind}; {UNKNOWN_NOTE}",
            )
        else:
            yield Reason(OPEN, f"{ownership}, and this host has no {identifier_kind}", service_id)
    elif identifier_kind == "path":
        yield from explain_entry(policy, service_id, entry, ownership)
    elif identifier_kind == "process":
        yield from _add_condition(explain_entry(policy, service_id, entry, ownership), BY_NAME_NOTE)
    elif identifier_kind == "program":
        yield from _add_condition(
            explain_entry(policy, service_id, entry, f"a program called {identifier.split()[0]}"),
            "where the mark is in it",
        )
    elif identifier_kind == "desktop":
        condition = "where it starts with the session, or lies beside a program in a directory of the app's name"
        yield from _add_condition(explain_entry(policy, service_id, entry, ownership), condition)
    elif identifier_kind in PACKAGE_SYSTEMS:
        yield Reason(OPEN, f"{relation.identifier}: found by the program it belongs to, not by itself", service_id)
    elif not identifier.startswith(EXTENSION):
        yield Reason(OPEN, f"{relation.identifier}: no host here is checked for it", service_id)


def _explain_file(word: str, policy: EffectivePolicy, restricted_id: str, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons for a file with the name of a restricted service's app. `word` is its name or path.

    The file's name decides whether the host's file scan checks it. Its content, which only the host knows, decides the
    rest. So BLOCKED becomes DEPENDS.
    """
    name = word.rpartition("/")[2]
    entry = section["services"][restricted_id]
    match_kinds = [
        match_kind
        for service_id, match_kind in file_names.match_file_name(word, AppNames(section["services"]))
        if service_id == restricted_id
    ]
    if not match_kinds:
        yield Reason(OPEN, f"{name}: this host's plan has no such name of {entry['name']}", restricted_id)
    for match_kind in match_kinds:
        text = file_names.describe_file_scan(match_kind, name, entry["name"], entry["mode"])
        for reason in explain_entry(policy, restricted_id, entry, text):
            yield reason._replace(status=DEPENDS) if reason.status == BLOCKED else reason


def _explain_service(policy: EffectivePolicy, service_id: str, entry: PlanEntry) -> Iterator[Reason]:
    """Yield the reasons for the programs of a service that this host can have.

    Packages of a system that the host lacks do not count. If only uncertain programs remain, BLOCKED becomes DEPENDS.
    """
    presence = {system: policy.facts.has_package_system(system) for system in entry["packages"]}
    packages = [
        f"{key} {package}"
        for key, package_names in entry["packages"].items()
        if presence[key]
        for package in package_names
    ]
    uncertain_packages = [
        f"{key} {package}"
        for key, package_names in entry["packages"].items()
        if presence[key] is None
        for package in package_names
    ]
    program_names = [f"process {program}" for program in entry["processes"]]
    program_names += [f"program {name}" for name in entry.get("markers", {}).get("programs", ())]
    program_names += [f"Windows program {name}" for name in entry.get("windows", ())]
    text = f"its programs: {summarise_names([*packages, *entry['paths'], *uncertain_packages, *program_names], 4)}"
    if packages or entry["paths"]:
        yield from explain_entry(policy, service_id, entry, text)
    elif uncertain_packages:
        condition = (
            f"where the host has {' or '.join(key for key in presence if presence[key] is None)}; {UNKNOWN_NOTE}"
        )
        yield from _add_condition(explain_entry(policy, service_id, entry, text), condition)
    elif program_names:
        yield from _add_condition(explain_entry(policy, service_id, entry, text), f"{NO_PACKAGE_NOTE}, {BY_NAME_NOTE}")
    elif entry.get("web_hosts"):
        yield from explain_entry(policy, service_id, entry, "its web addresses, installed as apps")
    else:
        missing_systems = " or ".join(entry["packages"]) or "program of it"
        yield Reason(OPEN, f"nothing of it is known that could be here: this host has no {missing_systems}", service_id)


def _add_condition(reasons: Iterator[Reason], condition: str) -> Iterator[Reason]:
    """Yield the reasons with a condition that only the host can evaluate, so that BLOCKED becomes DEPENDS.

    Reasons of waivers, and reasons that do not block, stay unchanged.
    """
    for reason in reasons:
        if reason.status in (BLOCKED, DEPENDS) and not reason.waiver:
            yield reason._replace(status=DEPENDS, text=f"{reason.text}, {condition}")
        else:
            yield reason
