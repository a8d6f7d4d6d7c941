"""Compile a whole run: every host's plan, stored once for all hosts that share it, and what the report has to know."""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..plan import canonical
from ..report.scope import Scope
from ..store import PLANS, Store, Untrusted
from . import lockout, retired
from .catalogue import Catalogue, load
from .departments import departments_of
from .errors import InWords, PolicyError, PolicyErrors
from .inventory import HostVariables, Question, left_out
from .plans import compile_plan, upcoming_services
from .policy_folders import catalogue_folders, folders_of_waivers
from .reporting import one_for_all, policies, reporting, rule_count
from .restrictions import Restrictions, read_restrictions
from .waivers import Judged, Waiver, judged_waivers, seen
from .waivers.reading import described, judge_all, warning

# The restrictions that say how far a run reaches at once.
ROLLOUT = ("batches", "max_change", "max_failures")
LIFT = "lift"


class Compiled(NamedTuple):
    """What the policy comes to on the hosts of a question; nothing of it was written anywhere."""

    catalogues: dict[str, Catalogue]  # by host
    restrictions: dict[str, Restrictions]  # by host
    waivers: list[Judged]  # by id
    plans: dict[str, dict[str, Any]]  # by digest
    hosts: dict[str, str]  # the digest of each host's plan


def compile_hosts(question: Question, now: datetime.datetime) -> Compiled:
    """Compile the plans of all hosts. Raises PolicyErrors with every mistake of every host."""
    restrictions, of_host = _policy(question)
    waivers = judged_waivers(question, restrictions, _services(of_host), now)
    plans, hosts = _plans(question, restrictions, of_host, waivers, now)
    return Compiled(of_host, restrictions, waivers, plans, hosts)


def waivers_of(question: Question, now: datetime.datetime) -> list[Judged]:
    """The waivers of a question by id, each with its standing; no plan is compiled. Raises PolicyErrors."""
    restrictions, of_host = _policy(question)
    return judged_waivers(question, restrictions, _services(of_host), now)


def judge(waiver: Waiver, question: Question, now: datetime.datetime) -> Judged:
    """A waiver that stands in no folder yet, as `waivers_of` would have it. Raises PolicyErrors."""
    restrictions, of_host = _policy(question)
    return judge_all([waiver], question, restrictions, _services(of_host), now)[0]


def _policy(question: Question) -> tuple[dict[str, Restrictions], dict[str, Catalogue]]:
    """The restrictions and the catalogue of each host."""
    retired.refuse(question)
    catalogues: dict[tuple[Path, ...], Catalogue] = {}
    restrictions = read_all(question.hosts)
    folders_of: dict[str, tuple[Path, ...]] = {}
    for host in question.hosts:
        folders = catalogue_folders(question, host, restrictions[host.name])
        folders_of[host.name] = folders
        if folders not in catalogues:
            catalogues[folders] = load(folders)
    return restrictions, {name: catalogues[folders] for name, folders in folders_of.items()}


def _services(catalogues: dict[str, Catalogue]) -> set[str]:
    distinct = {id(catalogue): catalogue for catalogue in catalogues.values()}
    return {service for catalogue in distinct.values() for service in catalogue.services}


def compile_run(question: Question, now: datetime.datetime | None = None) -> dict[str, Any]:
    """Compile the plans of all hosts, write each to the plan store, and return the run.

    The run: {id, playbook, mode, started, catalog_version, inventory, limit, controls, directory, plans, code and
    packed (what goes to hosts, see store.py), hosts {name: digest}, departments {name: [hosts]}, probe [hosts],
    gate {name: gate}, policies {digest: what `policies` says of the plan},
    services [ids that some plan names],
    left_out [hosts of the inventory that are not asked], rollout {batches, max_change, max_failures},
    (what `reporting` says), upcoming [...], waivers [...], warnings [...]}. Raises PolicyErrors with every mistake of
    every host; then nothing was written.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    catalogues, restrictions, waivers, plans, hosts = compile_hosts(question, now)
    errors, exempted = lockout.find(question.hosts, {name: plans[digest] for name, digest in hosts.items()})
    if errors:
        raise PolicyErrors(errors)
    reports = Path(os.environ.get("PROSCRIBE_REPORTS") or question.project / "reports").absolute()
    asked = Scope(question.inventory, question.limit, question.controls)
    agreed = reporting(question.hosts, restrictions, reports, asked)
    store = Store(reports / PLANS)
    try:
        store.require()
    except Untrusted as wrong:
        raise PolicyErrors([PolicyError(wrong.path, "", InWords(wrong.found), wrong.expected)]) from None
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{question.mode}-{secrets.token_hex(2)}"
    gone: list[str] = []
    if question.mode != LIFT:  # it opens everything, so no approval can be missed
        folders = folders_of_waivers(question, restrictions)
        gone = seen.require_found(store, question, restrictions, waivers, folders, id_, now)
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
        "plans": str(store.directory),
        **store.prepare(plans),
        "hosts": hosts,
        "departments": departments_of(question, restrictions),
        "left_out": left_out(question),
        "policies": {digest: policies(plan) for digest, plan in plans.items()},
        "services": sorted(
            {id_ for plan in plans.values() for part in plan["controls"].values() for id_ in part["services"]}
        ),
        "rules": {digest: rule_count(plan, question.controls) for digest, plan in plans.items()},
        "probe": [name for name, r in restrictions.items() if r.probe],
        "gate": {name: r.compliance_gate for name, r in restrictions.items() if r.compliance_gate != "never"},
        "rollout": {name: one_for_all(name, question.hosts, restrictions) for name in ROLLOUT},
        **agreed,
        "upcoming": sorted(
            {canonical(item): item for plan in plans.values() for item in upcoming_services(plan)}.values(),
            key=canonical,
        ),
        "waivers": [described(judged, question) for judged in waivers],
        "warnings": [
            *(told for judged in waivers if (told := warning(judged))),
            *gone,
            *exempted,
            *_untold(restrictions),
        ],
    }


def _untold(restrictions: dict[str, Restrictions]) -> list[str]:
    """A warning where an organisation's tenants keep hosts open, and nothing tells their accounts from others'."""
    hosts = sorted(
        name for name, own in restrictions.items() if any(own.tenants.values()) and own.controls["browser"] == "off"
    )
    if not hosts:
        return []
    more = f" (and {len(hosts) - 1} more)" if len(hosts) > 1 else ""
    return [
        f"proscribe_tenants keeps what private and business accounts share open on {hosts[0]}{more}, and with the"
        " control browser off nothing there tells these accounts apart: enforce browser, or leave the tenants out"
    ]


def read_all(hosts: Sequence[HostVariables]) -> dict[str, Restrictions]:
    """Every host's restrictions. Raises PolicyErrors; a mistake that many hosts share is told once."""
    read: dict[str, Restrictions] = {}
    errors: dict[str, PolicyError] = {}
    for host in hosts:
        try:
            read[host.name] = read_restrictions(host.values, host.where)
        except PolicyErrors as wrong:
            errors |= {str(error): error for error in wrong.errors}
    if errors:
        raise PolicyErrors(list(errors.values()))
    return read


def _plans(
    question: Question,
    restrictions: dict[str, Restrictions],
    catalogues: dict[str, Catalogue],
    waivers: Sequence[Judged],
    now: datetime.datetime,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The distinct plans by digest, and each host's digest. Hosts with one answer to everything are compiled once."""
    waived: dict[str, list[Waiver]] = {host.name: [] for host in question.hosts}
    for waiver, worth in sorted(waivers, key=lambda judged: judged.waiver.ends):
        for name in worth.hosts if worth.waives else ():
            if name in waived:
                waived[name].append(waiver)
    today = now.astimezone().date()  # the controller's day
    compiled: dict[str, dict[str, Any]] = {}
    plans: dict[str, dict[str, Any]] = {}
    hosts: dict[str, str] = {}
    errors: dict[str, PolicyError] = {}
    for host in question.hosts:
        own = restrictions[host.name]
        mine, catalogue = waived[host.name], catalogues[host.name]
        key = repr((own, id(catalogue), [waiver.id for waiver in mine]))
        if key not in compiled:
            try:
                compiled[key] = compile_plan(catalogue, own, mine, today)
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
