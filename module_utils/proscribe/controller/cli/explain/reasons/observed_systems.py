"""Answers of the controls on systems that are only observed: Windows, macOS. Pure.

Runs change nothing on these systems. Whatever a control blocks on Linux is `audited` there: it counts against the
host. Programs have other names than on Linux, so `apps` has its own reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .....host.controls.apps.systems.brew import PACKAGE_DIRECTORIES
from .....model.types.plan import PlanEntry
from ....compile.controls.apps import WINDOWS_PACKAGE_SYSTEMS
from ..relations import EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from .reason import AUDITED, BLOCKED, DEPENDS, OPEN, EffectivePolicy, Reason, explain_entry, explain_missing_entry

SYSTEM_NAMES = {"windows": "Windows", "macos": "macOS"}
# The controls that a run observes on each system (docs/windows_and_macs.md). Rules of other controls stay unknown.
OBSERVED_CONTROLS = {"windows": ("apps", "browser"), "macos": ("apps", "browser", "dns")}
PACKAGE_SYSTEMS = {"windows": WINDOWS_PACKAGE_SYSTEMS, "macos": PACKAGE_DIRECTORIES}
PROGRAM_KEYS = {
    "windows": ("windows", "windows_processes", "windows_shared_processes", "windows_registered", "windows_packages"),
    "macos": ("bundle_ids",),
}


def convert_reasons(
    control: str, subject: Subject, policy: EffectivePolicy, on_linux: Iterable[Reason]
) -> Iterator[Reason]:
    """Yield the reasons of a control on a Windows host or a Mac. An answer that blocks becomes AUDITED.

    `on_linux` has the reasons of a Linux host with the same plan. They also apply here, except for `apps`, because
    programs have other names. A note explains that the host is only observed, or the control is not.
    """
    system = policy.facts.os
    reasons = (
        _explain_programs(subject, policy)
        if control == "apps" and policy.find_section("apps") is not None
        else on_linux
    )
    note = f"{SYSTEM_NAMES[system]} is only observed, nothing is changed"
    if control not in OBSERVED_CONTROLS[system]:
        note = f"{control} is not observed on {SYSTEM_NAMES[system]}, so its rules are unknown"
    for reason in reasons:
        is_closing = reason.status in (BLOCKED, DEPENDS, AUDITED)
        yield reason._replace(status=AUDITED, text=f"{reason.text}; {note}") if is_closing else reason


def _explain_programs(subject: Subject, policy: EffectivePolicy) -> Iterator[Reason]:
    """Yield the reasons of the control `apps` for a subject on a Windows host or a Mac.

    Only identifiers that a run observes on this system count. Nothing blocks on these systems, so convert_reasons()
    turns BLOCKED into AUDITED.
    """
    system, section = policy.facts.os, policy.find_section("apps")
    if subject.kind == FILE:
        yield Reason(OPEN, f"no files are looked for on {SYSTEM_NAMES[system]}")
    if section is None or subject.kind not in (NAME, PROGRAM, SERVICE):
        return
    for relation in subject.relations:
        service = relation.service
        entry = section["services"].get(service.id)
        if relation.kind == "program":
            kind, _, name = relation.identifier.partition(" ")
            if name.startswith(EXTENSION):
                continue
            if entry is None:
                yield explain_missing_entry(policy, "apps", service, "the catalogue has no program of it")
            elif _is_observed_package(kind, name, entry, system):
                yield from explain_entry(policy, service.id, entry, f"{relation.identifier} belongs to {service.name}")
            else:
                yield Reason(OPEN, f"{relation.identifier} is not looked for on {SYSTEM_NAMES[system]}", service.id)
        elif relation.kind in ("is", "blocks"):
            if entry is not None and _has_program(entry, system):
                yield from explain_entry(policy, service.id, entry, f"its programs for {SYSTEM_NAMES[system]}")
            elif subject.kind != NAME:
                yield explain_missing_entry(
                    policy, "apps", service, f"the catalogue has no program of it for {SYSTEM_NAMES[system]}"
                )


def _is_observed_package(kind: str, name: str, entry: PlanEntry, system: str) -> bool:
    """Return whether a run observes a package or process of a service on this system.

    `kind` is a package system or `process`; processes are only observed on macOS.
    """
    packages = entry.get("windows_packages", {}) if system == "windows" else entry["packages"]
    by_process = system == "macos" and kind == "process" and name in entry["processes"]
    return by_process or (kind in PACKAGE_SYSTEMS[system] and name in packages.get(kind, ()))


def _has_program(entry: PlanEntry, system: str) -> bool:
    """Return whether the plan has any identifier of a service that a run observes on this system."""
    if system == "macos" and any(entry["packages"].get(kind) for kind in PACKAGE_DIRECTORIES):
        return True
    return any(entry.get(key) for key in PROGRAM_KEYS[system])
