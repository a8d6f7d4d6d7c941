"""Compile a whole run: every host's plan, stored once for all hosts that share it, and what the report has to know."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....model.finding import GROUP_POLICY
from ....model.plan import canonical
from ....model.types.plan import Plan
from ....wire import installation
from ....wire.store import PLANS, Store, Untrusted
from ....wire.watch_sent import named_for_hosts
from ...policy_errors import Described, Mistakes, PolicyError, PolicyErrors
from ...report.evaluation.scope import Scope
from ..catalogue import freshness
from ..catalogue.cache import Catalogues
from ..catalogue.loading import Catalogue
from ..inventory import retired
from ..inventory.inventory import HostVariables, Question, left_out, read_as_hosts
from ..inventory.nested import nested
from ..inventory.policy_folders import catalogue_folders, folders_of_registers, folders_of_waivers
from ..inventory.reporting import nothing_known, one_for_all, policies, reporting, rule_count
from ..inventory.reports_place import reports_of, require_reports
from ..restrictions import PREFIX, STORED, Restrictions, by_group, read_in_part
from ..waivers import Judged, Waiver, judged_waivers, waiver_log
from ..waivers.authority import read_register
from ..waivers.document import Named, read_waivers
from ..waivers.reading import context_of, described, judge_all, warning, wrong_names
from ..waivers.refusals import Refusal, in_force, read_refusals
from ..waivers.refusals import warning as disregarding
from ..waivers.request_answers import refused_by_host, with_answers
from ..waivers.signatures import signature_of
from . import group_policy, lockout, timeline
from .cache import PlanCache
from .compiling import chosen_services, compile_body, upcoming_services
from .departments import departments_of

# The restrictions that say how far a run reaches at once.
ROLLOUT = ("batches", "max_change", "max_failures")
LIFT = "lift"


class Compiled(NamedTuple):
    """What the policy comes to on the hosts of a question; nothing of it was written anywhere."""

    catalogues: dict[str, Catalogue]  # by host
    restrictions: dict[str, Restrictions]  # by host
    waivers: list[Judged]  # by id
    plans: dict[str, Plan]  # by digest
    hosts: dict[str, str]  # the digest of each host's plan
    later: dict[str, dict[str, Any]]  # by digest: plans that follow them on hosts that observe themselves
    refusals: list[Refusal]  # of requests, those that count, the oldest first
    warnings: list[str]


def compile_hosts(question: Question, now: datetime.datetime) -> Compiled:
    """Compile the plans of all hosts. Raises PolicyErrors with every mistake of every host."""
    mistakes = Mistakes()
    store = _store(question)
    compiled = _compiled(question, now, mistakes, Catalogues(store), PlanCache(store))
    mistakes.settle()
    return compiled


def _store(question: Question) -> Store:
    """The plan store, as far as it is known before the mistakes of the policy are."""
    reports = installation.reports()
    with contextlib.suppress(PolicyErrors):
        reports = reports_of(question.hosts, question.inventory)
    return Store(reports / PLANS)


def _compiled(
    question: Question, now: datetime.datetime, mistakes: Mistakes, catalogues: Catalogues, cache: PlanCache
) -> Compiled:
    """What can be compiled, with what cannot in `mistakes`: a wrong restriction hides no wrong waiver."""
    restrictions, of_host = _policy(question, mistakes, catalogues)
    waivers: list[Judged] = []
    if mistakes:
        # Services and restrictions are not all known, so no more of waivers and approvers is checked.
        with mistakes.noting():
            read, malformed, errors = read_waivers(folders_of_waivers(question, restrictions))
            mistakes.note(*errors, *wrong_names(read, malformed, question, restrictions, None, now))
    else:
        with mistakes.noting():
            waivers = judged_waivers(question, restrictions, _services(of_host), now)
    with mistakes.noting():
        read_register(folders_of_registers(question, restrictions), question.groups)
    if mistakes:
        for host in question.hosts:
            if host.name in of_host:
                with mistakes.noting(), placed(host):
                    chosen_services(of_host[host.name], restrictions[host.name])
        return Compiled(of_host, restrictions, waivers, {}, {}, {}, [], [])
    plans: dict[str, Plan] = {}
    hosts: dict[str, str] = {}
    later: dict[str, dict[str, Any]] = {}
    refusals: list[Refusal] = []
    warnings = [text for judged in waivers if (text := warning(judged))]
    with mistakes.noting():
        if refusals := read_refusals(folders_of_waivers(question, restrictions)):
            refusals, disregarded = in_force(refusals, context_of(question, restrictions))
            warnings += [disregarding(disregarded)] if disregarded else []

        def made(policy: str, catalogue: Catalogue, own: Restrictions, state: timeline.State) -> dict[str, Any]:
            compiled = functools.partial(compile_body, catalogue, own, state.waivers, state.day)
            if state.waivers:
                return compiled()
            return cache.body(catalogues.state(catalogue), policy, state.day >= own.effective_from, compiled)

        plans, hosts, later = _plans(question, restrictions, of_host, waivers, refusals, now, made)
    return Compiled(of_host, restrictions, waivers, plans, hosts, later, refusals, warnings)


def waivers_of(question: Question, now: datetime.datetime) -> list[Judged]:
    """The waivers of a question by id, each with its standing; no plan is compiled. Raises PolicyErrors."""
    restrictions, of_host = _sound_policy(question)
    return judged_waivers(question, restrictions, _services(of_host), now)


def judge(waiver: Waiver, question: Question, now: datetime.datetime) -> Judged:
    """A waiver that is in no folder yet, as `waivers_of` would have it. Raises PolicyErrors."""
    restrictions, of_host = _sound_policy(question)
    return judge_all([waiver], question, restrictions, _services(of_host), now)[0]


def wrong_in(malformed: Named | None, question: Question, now: datetime.datetime) -> list[PolicyError]:
    """What a waiver that is in no folder yet, and has other mistakes, names and nothing has. Raises PolicyErrors."""
    restrictions, of_host = _sound_policy(question)
    named = [malformed] if malformed else []
    return list(wrong_names([], named, question, restrictions, _services(of_host), now))


def _sound_policy(question: Question) -> tuple[dict[str, Restrictions], dict[str, Catalogue]]:
    """The restrictions and the catalogue of each host. Raises PolicyErrors."""
    mistakes = Mistakes()
    policy = _policy(question, mistakes, Catalogues(_store(question)))
    mistakes.settle()
    return policy


def _policy(
    question: Question, mistakes: Mistakes, catalogues: Catalogues
) -> tuple[dict[str, Restrictions], dict[str, Catalogue]]:
    """The restrictions of each host, with the defaults for what is wrong in them, and its catalogue where that can be
    read. Notes the mistakes.
    """
    retired.refuse(question)  # alone: another command does now what it did
    mistakes.note(*nested(question.inventory))
    restrictions: dict[str, Restrictions] = {}
    folders_of: dict[str, tuple[Path, ...]] = {}
    sound: dict[tuple[int, str], tuple[Restrictions, tuple[Path, ...]]] = {}  # by values and folder of a host
    for host in question.hosts:
        same = (id(host.values), host.folder)
        if same in sound and not host.wrong:
            restrictions[host.name], folders_of[host.name] = sound[same]
            continue
        own, errors = read_in_part(host.values, host.where)
        restrictions[host.name] = own
        mistakes.note(*host.wrong, *errors)
        unsure = any(error.key.startswith(f"{PREFIX}catalog_dirs") for error in (*host.wrong, *errors))
        with mistakes.noting():
            folders = catalogue_folders(question, host, own)
            mistakes.note(*(taken := list(_taken_for_hosts(host, folders[1:], question.inventory))))
            folders_of.update({} if unsure else {host.name: folders})
            if not (host.wrong or errors or taken):
                sound[same] = own, folders
    loaded: dict[tuple[Path, ...], Catalogue] = {}
    for folders in dict.fromkeys(folders_of.values()) or [(question.project / "catalog",)]:
        with mistakes.noting():
            loaded[folders] = catalogues.load(folders)
    return restrictions, {host: loaded[own] for host, own in folders_of.items() if own in loaded}


def _services(catalogues: dict[str, Catalogue]) -> set[str]:
    distinct = {id(catalogue): catalogue for catalogue in catalogues.values()}
    return {service for catalogue in distinct.values() for service in catalogue.services}


def compile_run(question: Question, now: datetime.datetime | None = None) -> dict[str, Any]:
    """Compile the plans of all hosts, write each to the plan store, and return the run.

    The run: {id, playbook, mode, started, catalog_version, catalog (its release: {version, released}), inventory,
    limit, pattern (proscribe_hosts), not_served {name: why}, windows [hosts that are only observed], controls,
    directory, plans, code and packed (what goes to hosts, see store.py), hosts {name: digest},
    departments {name: [hosts]}, probe and audit_stored [hosts], gate {name: gate}, policies {digest: what `policies`
    says of the plan}, services [ids that some plan names], left_out [hosts of the inventory that are not observed],
    rollout {batches, max_change, max_failures}, (what `reporting` says), upcoming [...], waivers [...],
    warnings [...]}.

    Raises PolicyErrors with every mistake of every host; then nothing was written.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    mistakes = Mistakes()
    known = _store(question)
    loading, cache = Catalogues(known), PlanCache(known)
    compiled = _compiled(question, now, mistakes, loading, cache)
    catalogues, restrictions, waivers, plans, hosts, later, _, warnings = compiled
    exempted: list[str] = []
    if hosts:
        changed = [host for host in question.hosts if host.name not in question.windows]
        errors, exempted = lockout.find(changed, {name: plans[digest] for name, digest in hosts.items()}, later)
        mistakes.note(*errors)
    # What is wrong on a host has its default, which says nothing of whether the hosts agree.
    sound = [host for host in question.hosts if not mistakes or not _wrong(host)]
    sure = {host.name: restrictions[host.name] for host in sound}
    scope = Scope(question.inventory, question.limit, question.controls)
    reports = Path()
    agreed: dict[str, Any] = {}
    with mistakes.noting():
        reports = require_reports(sound, question.inventory)
        agreed = reporting(sound, sure, reports, scope)
    rollout: dict[str, Any] = {}
    for name in ROLLOUT:
        with mistakes.noting():
            rollout[name] = one_for_all(name, sound, sure)
    max_age = 0
    with mistakes.noting():
        max_age = one_for_all("catalog_max_age", sound, sure)
    mistakes.settle()
    store = Store(reports / PLANS)
    try:
        store.require()
    except Untrusted as wrong:
        raise PolicyErrors([PolicyError(wrong.path, "", Described(wrong.found), wrong.expected)]) from None
    loading.note_down()
    cache.note_down()
    for digest, plan in later.items():
        store.add(plan, digest)
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{question.mode}-{secrets.token_hex(2)}"
    gone: list[str] = []
    if question.mode != LIFT:  # it opens everything, so no approval can be missed
        folders = folders_of_waivers(question, restrictions)
        gone = waiver_log.require_found(store, question, restrictions, waivers, folders, id_, now)
    return {
        "id": id_,
        "playbook": question.playbook,
        "mode": question.mode,
        "started": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "catalog_version": "+".join(sorted({catalogue.version for catalogue in catalogues.values()})),
        "catalog": _release(catalogues),
        "inventory": question.inventory,
        "limit": question.limit,
        "pattern": question.pattern,
        "not_served": dict(question.not_served),
        "windows": list(question.windows),
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
        "nothing_known": {digest: nothing_known(plan, question.controls) for digest, plan in plans.items()},
        "probe": [name for name, r in restrictions.items() if r.probe and name not in question.windows],
        "audit_stored": [
            name for name, r in restrictions.items() if r.audit_with == STORED and name not in question.windows
        ],
        "gate": {name: r.compliance_gate for name, r in restrictions.items() if r.compliance_gate != "never"},
        "rollout": rollout,
        **({"watch": named_for_hosts()} if any("watch" in plan for plan in plans.values()) else {}),
        **agreed,
        "upcoming": sorted(
            {canonical(item): item for plan in plans.values() for item in upcoming_services(plan)}.values(),
            key=canonical,
        ),
        "waivers": [described(judged, question) for judged in waivers],
        "warnings": [
            *warnings,
            *gone,
            *exempted,
            *_stale(catalogues, restrictions, hosts, now, max_age),
            *_unseparated(restrictions),
            *_open_to_members(restrictions),
            *_only_observed(question),
        ],
    }


def _release(catalogues: dict[str, Catalogue]) -> dict[str, str]:
    """The release of the catalogue that the hosts of a run have; of several, all."""
    releases = sorted({catalogue.release for catalogue in catalogues.values()})
    return {name: "+".join(dict.fromkeys(getattr(one, name) for one in releases)) for name in ("version", "released")}


def _stale(
    catalogues: dict[str, Catalogue],
    restrictions: dict[str, Restrictions],
    hosts: dict[str, str],
    now: datetime.datetime,
    max_age: int,
) -> list[str]:
    """A warning where something that is enforced was not checked for too long (seconds; 0 for any time)."""
    if not max_age:
        return []
    found: set[freshness.Stale] = set()
    distinct = {(hosts[name], id(one)): (restrictions[name], one) for name, one in catalogues.items()}  # by plan
    for own, catalogue in distinct.values():
        ids = {service.id for service, enforced in chosen_services(catalogue, own) if enforced}
        found.update(freshness.stale(catalogue, ids, now.date(), max_age // 86400))
    return [freshness.warning(freshness.oldest_first(found), max_age // 86400)] if found else []


def _wrong(host: HostVariables) -> bool:
    return bool(host.wrong or read_in_part(host.values, host.where)[1])


def _only_observed(question: Question) -> list[str]:
    """A warning where a run corrects hosts, and some of them are Windows hosts."""
    if question.mode == "audit" or not question.windows:
        return []
    first, *others = question.windows
    more = f" (and {len(others)} more)" if others else ""
    return [f"Windows hosts are only observed, and nothing is corrected on them: {first}{more}"]


def _unseparated(restrictions: dict[str, Restrictions]) -> list[str]:
    """A warning where an organisation's tenants keep hosts open, and nothing distinguishes its accounts from others."""
    hosts = sorted(
        name for name, own in restrictions.items() if any(own.tenants.values()) and own.controls["browser"] == "off"
    )
    if not hosts:
        return []
    more = f" (and {len(hosts) - 1} more)" if len(hosts) > 1 else ""
    return [
        f"proscribe_tenants keeps what private and business accounts share open on {hosts[0]}{more}, and with the"
        " control browser off nothing there distinguishes these accounts: enforce browser, or remove the tenants"
    ]


def _open_to_members(restrictions: dict[str, Restrictions]) -> list[str]:
    """A warning for what stays open to those for whom it is restricted, where a control cannot tell users apart."""
    found: dict[str, list[str]] = {}
    for name, own in restrictions.items():
        for text in by_group.open_elsewhere(own.groups_restricted, own.controls):
            found.setdefault(text, []).append(name)
    return [
        f"{by_group.VARIABLE} on {hosts[0]}{f' (and {len(hosts) - 1} more)' if hosts[1:] else ''}: {text}"
        for text, hosts in ((text, sorted(named)) for text, named in found.items())
    ]


def read_all(hosts: Sequence[HostVariables]) -> dict[str, Restrictions]:
    """Every host's restrictions. Raises PolicyErrors; a mistake that many hosts share is listed once."""
    mistakes = Mistakes()
    read: dict[str, Restrictions] = {}
    for host in hosts:
        read[host.name], errors = read_in_part(host.values, host.where)
        mistakes.note(*host.wrong, *errors)
    mistakes.settle()
    return read


@contextlib.contextmanager
def placed(host: HostVariables) -> Iterator[None]:
    """Mistakes of a block that are about a host's variables, raised with where these were set."""
    try:
        yield
    except PolicyErrors as wrong:
        errors = [PolicyError(host.where(e.key, e.value), e.key, e.value, e.expected) for e in wrong.errors]
        raise PolicyErrors(errors) from None


def _taken_for_hosts(host: HostVariables, folders: Sequence[Path], sources: list[str]) -> Iterator[PolicyError]:
    """The folders of a host's own catalogue that Ansible takes for a part of the inventory: a service would be a group
    `packages` there, with a warning for each of its keys.
    """
    name = f"{PREFIX}catalog_dirs"
    for folder in folders:
        if read_as_hosts(folder, sources):
            expected = (
                "a folder that Ansible does not read as hosts: call it catalog, put it beside the inventory's folder,"
                " or name it in inventory_ignore_patterns of ansible.cfg"
            )
            yield PolicyError(host.where(name), name, str(folder), expected)


def _plans(
    question: Question,
    restrictions: dict[str, Restrictions],
    catalogues: dict[str, Catalogue],
    waivers: Sequence[Judged],
    refusals: Sequence[Refusal],
    now: datetime.datetime,
    made_body: Callable[[str, Catalogue, Restrictions, timeline.State], dict[str, Any]],
) -> tuple[dict[str, dict[str, Any]], dict[str, str], dict[str, dict[str, Any]]]:
    """The distinct plans by digest, each host's digest, and the plans that follow these. Hosts with one answer to
    everything are compiled once; one whose users have requested something has plans of its own.
    """
    watched = {host.name for host in question.hosts if restrictions[host.name].watch}
    turns = _turns(question, restrictions, waivers, now) if watched else {}
    waiving = {judged.waiver.id for judged in waivers if judged.standing.waives}
    concern: dict[str, list[Waiver]] = {host.name: [] for host in question.hosts}  # now, or later on a watched one
    for waiver, worth in sorted(waivers, key=lambda judged: judged.waiver.ends):
        for name in worth.hosts if worth.waives or turns.get(waiver.id) else ():
            if name in concern and (worth.waives or name in watched):
                concern[name].append(waiver)
    refused = refused_by_host(refusals)
    answering = _answering(waivers, restrictions)
    chains = timeline.Chains()
    bodies: dict[tuple[str, int, tuple[str, ...], bool], dict[str, Any]] = {}
    compiled: dict[tuple[str, int, tuple[str, ...], str], list[dict[str, Any]]] = {}
    plans: dict[str, Plan] = {}
    hosts: dict[str, str] = {}
    mistakes = Mistakes()
    policy_of: dict[int, str] = {}  # by restrictions; hosts whose variables are equal share them

    objects = {} if question.audience else _objects(question, restrictions, now, mistakes)

    def body(policy: str, catalogue: Catalogue, own: Restrictions, state: timeline.State) -> dict[str, Any]:
        ids = tuple(waiver.id for waiver in state.waivers)
        key = (policy, id(catalogue), ids, state.day < own.effective_from)
        if key not in bodies:
            bodies[key] = made_body(policy, catalogue, own, state)
            if own.group_policy in objects:
                bodies[key] = {**bodies[key], GROUP_POLICY: objects[own.group_policy]}
        return bodies[key]

    for host in question.hosts:
        own = restrictions[host.name]
        mine, catalogue = concern[host.name], catalogues[host.name]
        # A zone is for waivers to name, and no part of a plan.
        policy = policy_of.get(id(own)) or policy_of.setdefault(id(own), repr(dataclasses.replace(own, zone="")))
        requested = own.controls["apps"] == "enforce" and (
            host.name in refused or host.name in answering or any(waiver.request for waiver in mine)
        )
        key = (policy, id(catalogue), tuple(waiver.id for waiver in mine), host.name if requested else "")
        with mistakes.noting(), placed(host):
            if key not in compiled:
                begins = own.effective_from if own.watch else None
                states = timeline.states(mine, waiving, turns if own.watch else {}, begins, now)
                found = [(state, body(policy, catalogue, own, state)) for state in states]
                if requested:
                    answered = refused.get(host.name, {})
                    signed = answering.get(host.name, ())
                    found = [
                        (state, with_answers(made, answered, state.waivers, [w for w in signed if w.ends <= state.at]))
                        for state, made in found
                    ]
                compiled[key] = chains.linked([(state.at, made) for state, made in found])
            plan = compiled[key][0]
            plans[plan["digest"]] = plan
            hosts[host.name] = plan["digest"]
    mistakes.settle()
    later = {plan["digest"]: plan for chain in compiled.values() for plan in chain[1:]}
    return plans, hosts, later


def _objects(
    question: Question, restrictions: Mapping[str, Restrictions], now: datetime.datetime, mistakes: Mistakes
) -> dict[tuple[group_policy.Object, ...], Any]:
    """What domain controllers have of Group Policy, by the variable. Notes the mistakes."""
    found: dict[tuple[group_policy.Object, ...], Any] = {}
    plans_of = functools.cache(functools.partial(_audience, question, now))
    for host in question.hosts:
        own = restrictions[host.name].group_policy
        if own and own not in found:
            try:
                found[own] = group_policy.section(own, question.groups, plans_of)
            except PolicyErrors as wrong:  # those of a group's hosts know where they are
                places = ((error, error.where or host.where(error.key, error.value)) for error in wrong.errors)
                mistakes.note(*(PolicyError(where, e.key, e.value, e.expected) for e, where in places))
    return found


def _audience(question: Question, now: datetime.datetime, group: str) -> dict[str, dict[str, Any]]:
    """The plans of a group's hosts, whether Proscribe serves them or not. Raises PolicyErrors."""
    known = {host.name: host for host in question.hosts}
    read = question.variables_of or known.__getitem__
    hosts = [known.get(name) or read(name) for name in sorted(question.groups[group])]
    compiled = compile_hosts(dataclasses.replace(question, hosts=hosts, audience=True), now)
    return {name: compiled.plans[digest] for name, digest in compiled.hosts.items()}


def _answering(waivers: Sequence[Judged], restrictions: Mapping[str, Restrictions]) -> dict[str, list[Waiver]]:
    """The waivers that answer a request and were signed, by host, those that end first before the others. A draft that
    nobody signed has answered nothing, and its end is no moment at which a plan changes.
    """
    found: dict[str, list[Waiver]] = {}
    for waiver, worth in sorted(waivers, key=lambda judged: judged.waiver.ends):
        if not waiver.request or (waiver.posix_groups and not waiver.users):
            continue
        signed = signature_of(Path(waiver.file)).exists()
        for name in worth.hosts:
            if signed or (name in restrictions and restrictions[name].waiver_signatures == "off"):
                found.setdefault(name, []).append(waiver)
    return found


def _turns(
    question: Question, restrictions: dict[str, Restrictions], waivers: Sequence[Judged], now: datetime.datetime
) -> dict[str, Sequence[timeline.Turn]]:
    """When each waiver that is not over begins to waive, or ends."""
    if not waivers:
        return {}
    context = context_of(question, restrictions)
    return {one.waiver.id: timeline.turns(one, context, now) for one in waivers if now < one.waiver.ends}
