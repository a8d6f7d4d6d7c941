"""Compile a whole run: every host's plan, stored once for all hosts that share it, and what the report has to know."""

from __future__ import annotations

import datetime
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..plan import canonical
from .catalogue import Catalogue, load
from .errors import PolicyError, PolicyErrors
from .inventory import HostVariables, Question, waiver_folders
from .plans import compile_plan, upcoming_services
from .restrictions import Restrictions, read_restrictions
from .waivers import Known, Waiver, load_waivers


def compile_run(question: Question, now: datetime.datetime | None = None) -> dict[str, Any]:
    """Compile the plans of all hosts, write each to the plan store, and return the run.

    The run: {id, playbook, mode, started, catalog_version, inventory, limit, controls, directory, plans, hosts {name:
    digest}, gate {name: gate}, upcoming [...], waivers [...], warnings [...]}. Raises PolicyErrors with every mistake
    of every host; then nothing was written.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    catalogues: dict[tuple[Path, ...], Catalogue] = {}
    restrictions = _restrictions(question)
    for host in question.hosts:
        folders = _catalogue_folders(question.project, host, restrictions[host.name])
        if folders not in catalogues:
            catalogues[folders] = load(folders)
    known = Known(
        services=frozenset(id_ for catalogue in catalogues.values() for id_ in catalogue.services),
        hosts=frozenset(question.groups.get("all", frozenset()) | {host.name for host in question.hosts}),
        groups=frozenset(question.groups),
    )
    waivers = load_waivers(waiver_folders(question.inventory), known)
    plans, hosts = _plans(question, restrictions, catalogues, waivers, now)

    reports = Path(os.environ.get("PROSCRIBE_REPORTS") or question.project / "reports").absolute()
    store = reports / "plans"
    for digest, plan in plans.items():
        _store(store, digest, plan)
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{question.mode}-{secrets.token_hex(2)}"
    described = [_describe(waiver, question, now) for waiver in waivers]
    return {
        "id": id_,
        "playbook": question.playbook,
        "mode": question.mode,
        "started": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "catalog_version": "+".join(sorted({catalogue.version for catalogue in catalogues.values()})),
        "inventory": question.inventory,
        "limit": question.limit,
        "controls": question.controls,
        "directory": str(reports / f"{id_}.partial"),
        "plans": str(store),
        "hosts": hosts,
        "gate": {name: r.compliance_gate for name, r in restrictions.items() if r.compliance_gate != "never"},
        "upcoming": sorted(
            {canonical(item): item for plan in plans.values() for item in upcoming_services(plan)}.values(),
            key=canonical,
        ),
        "waivers": described,
        "warnings": [_warning(waiver) for waiver in described if waiver["status"] != "active"],
    }


def _restrictions(question: Question) -> dict[str, Restrictions]:
    """Every host's restrictions; a mistake that many hosts share is told once."""
    read: dict[str, Restrictions] = {}
    errors: dict[str, PolicyError] = {}
    for host in question.hosts:
        try:
            read[host.name] = read_restrictions(host.values, host.where)
        except PolicyErrors as wrong:
            errors |= {str(error): error for error in wrong.errors}
    if errors:
        raise PolicyErrors(list(errors.values()))
    return read


def _catalogue_folders(project: Path, host: HostVariables, restrictions: Restrictions) -> tuple[Path, ...]:
    own = [Path(host.folder, folder) for folder in restrictions.catalog_dirs]
    for folder in own:
        if not folder.is_dir():
            name = "proscribe_catalog_dirs"
            raise PolicyErrors(
                [PolicyError(host.where(name), name, str(folder), "a directory with <category>/<id>.yml files")]
            )
    return (project / "catalog", *own)


def _plans(
    question: Question,
    restrictions: dict[str, Restrictions],
    catalogues: dict[tuple[Path, ...], Catalogue],
    waivers: Sequence[Waiver],
    now: datetime.datetime,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The distinct plans by digest, and each host's digest. Hosts with one answer to everything are compiled once."""
    active = [waiver for waiver in waivers if waiver.status(now) == "active"]
    groups_of: dict[str, set[str]] = {host.name: set() for host in question.hosts}
    for group, members in question.groups.items():
        for name in members & groups_of.keys():
            groups_of[name].add(group)
    today = now.astimezone().date()  # the controller's day
    compiled: dict[str, dict[str, Any]] = {}
    plans: dict[str, dict[str, Any]] = {}
    hosts: dict[str, str] = {}
    errors: dict[str, PolicyError] = {}
    for host in question.hosts:
        own = restrictions[host.name]
        mine = sorted(
            (waiver for waiver in active if waiver.covers(host.name, groups_of[host.name])), key=lambda w: w.expires
        )
        folders = _catalogue_folders(question.project, host, own)
        key = repr((own, folders, [waiver.id for waiver in mine]))
        if key not in compiled:
            try:
                compiled[key] = compile_plan(catalogues[folders], own, mine, today)
            except PolicyErrors as wrong:
                for error in wrong.errors:
                    told = PolicyError(host.where(error.key), error.key, error.value, error.expected)
                    errors[str(told)] = told
                continue
        plan = compiled[key]
        plans[plan["digest"]] = plan
        hosts[host.name] = plan["digest"]
    if errors:
        raise PolicyErrors(list(errors.values()))
    return plans, hosts


def _store(store: Path, digest: str, plan: dict[str, Any]) -> None:
    """Keep a plan in the store under its digest: whole or not at all, once."""
    path = store / f"{digest.removeprefix('sha256:')}.json"
    if path.exists():
        return
    for folder in (store.parent, store):  # they hold names of users and of what they installed
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=store, delete=False, encoding="utf-8") as beside:
        beside.write(canonical(plan))
    Path(beside.name).rename(path)


def _describe(waiver: Waiver, question: Question, now: datetime.datetime) -> dict[str, Any]:
    """A waiver as the report shows it, with the hosts of this run that it is for."""
    in_groups = frozenset().union(*(question.groups.get(group, frozenset()) for group in waiver.groups))
    return {
        "id": waiver.id,
        "status": waiver.status(now),
        "expires": f"{waiver.expires:%Y-%m-%dT%H:%M:%SZ}",
        "hosts": sorted(host.name for host in question.hosts if host.name in waiver.hosts or host.name in in_groups),
        "services": list(waiver.services),
        "controls": list(waiver.controls),
        "approved_by": waiver.approved_by,
        "reason": waiver.reason,
        "file": waiver.file,
    }


def _warning(waiver: dict[str, Any]) -> str:
    what = "has expired" if waiver["status"] == "expired" else "is not valid yet"
    return f"waiver {waiver['id']} {what} ({waiver['file']}: expires {waiver['expires']}) and waives nothing"
