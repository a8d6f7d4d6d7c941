"""What `apps` does about a service or a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...compile.plans import PACKAGE_SYSTEMS
from ...report.wording import some
from ..relations import ADDRESS, EXTENSION, NAME, Subject
from .reason import OPEN, Policy, Reason, by_mode, missing, off


def reasons(about: Subject, policy: Policy) -> Iterator[Reason]:
    """What the control says."""
    section = policy.section("apps")
    if about.kind == ADDRESS:
        return
    if section is None:
        yield off("apps")
        return
    for service in about.services("is", "program", "blocks"):
        entry = section["services"].get(service.id)
        if entry is None:
            if about.kind != NAME:
                yield missing(policy, "apps", service, "the catalogue has no program of it for Linux")
            continue
        for relation in (r for r in about.relations if r.service.id == service.id):
            system, _, what = relation.what.partition(" ")
            if relation.how != "program":
                yield from by_mode(policy, service.id, entry, _programs(entry))
            elif what in entry["packages"].get(system, ()) or system in ("process", "path"):
                yield from by_mode(policy, service.id, entry, f"{system} {what} belongs to {service.name}")
            elif system in PACKAGE_SYSTEMS or system == "desktop":
                yield Reason(OPEN, f"{relation.what}: found by the program it belongs to, not by itself", service.id)
            elif not what.startswith(EXTENSION):
                yield Reason(OPEN, f"{relation.what}: no host here is looked at for it", service.id)


def _programs(entry: Mapping[str, Any]) -> str:
    packages = [f"{system} {package}" for system, listed in entry["packages"].items() for package in listed]
    others = [*packages, *(f"process {program}" for program in entry["processes"]), *entry["paths"]]
    return f"its programs: {some(others, 4)}" if others else "its web addresses, installed as apps"
