"""The plans of all hosts of a question, each compiled once for all hosts that share it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.plan import GroupPolicy, Plan
from ...enforcement_points.signature import Signing
from ...policy_errors import Mistakes, PolicyError, PolicyErrors
from ..catalogue.cache import Catalogues
from ..catalogue.loading import Catalogue
from ..inventory.inventory import Question
from ..inventory.policy_folders import folders_of_registers, folders_of_waivers
from ..restrictions import Restrictions
from ..waivers.authority import Register, read_register, unnamed_warning
from ..waivers.document import read_waivers
from ..waivers.reading import Judged, context_of, judged_waivers, warning, wrong_names
from ..waivers.refusals import Refusal, in_force, read_refusals
from ..waivers.refusals import warning as disregarding
from ..waivers.request_answers import refused_by_host, with_answers
from ..waivers.revocations import RevocationMemory
from ..waivers.signatures import signature_of
from ..waivers.waiver import Waiver
from . import group_policy, timeline
from .cache import PlanCache
from .chosen import chosen_services
from .compiling import compile_body
from .policy import Policy, placed, read_policy, store_of

MakeBody = Callable[[str, Catalogue, Restrictions, timeline.State], Plan]


class Compiled(NamedTuple):
    """What the policy comes to on the hosts of a question; nothing of it was written anywhere."""

    catalogues: Mapping[str, Catalogue]  # by host
    restrictions: Mapping[str, Restrictions]  # by host
    waivers: list[Judged]  # by id
    plans: dict[str, Plan]  # by digest
    hosts: dict[str, str]  # the digest of each host's plan
    later: dict[str, Plan]  # by digest: plans that follow them on hosts that observe themselves
    refusals: list[Refusal]  # of requests, those that count, the oldest first
    warnings: list[str]
    signing: Signing = Signing()  # of exports, as points.py reads it
    memory: RevocationMemory | None = None


def compile_hosts(question: Question, now: datetime.datetime) -> Compiled:
    """Compile the plans of all hosts. Raises PolicyErrors with every mistake of every host."""
    mistakes = Mistakes()
    store = store_of(question)
    compiled = compiled_in_part(question, now, mistakes, Catalogues(store), PlanCache(store))
    mistakes.settle()
    return compiled


def compiled_in_part(
    question: Question, now: datetime.datetime, mistakes: Mistakes, catalogues: Catalogues, cache: PlanCache
) -> Compiled:
    """What can be compiled, with what cannot in `mistakes`: a wrong restriction hides no wrong waiver."""
    policy = read_policy(question, mistakes, catalogues)
    restrictions = policy.restrictions
    waivers: list[Judged] = []
    memory = RevocationMemory(question, restrictions)
    if mistakes:
        # Services and restrictions are not all known, so no more of waivers and approvers is checked.
        with mistakes.noting():
            read, malformed, errors = read_waivers(folders_of_waivers(question, restrictions))
            mistakes.note(*errors, *wrong_names(read, malformed, question, restrictions, None, now))
    else:
        with mistakes.noting():
            waivers = judged_waivers(question, restrictions, policy.services, now, memory)
    register: Register = {}
    with mistakes.noting():
        register = read_register(folders_of_registers(question, restrictions), question.groups)
    compiled = Compiled(policy.catalogues, restrictions, waivers, {}, {}, {}, [], [], memory=memory)
    if mistakes:
        for host in question.hosts:
            if host.name in policy.catalogues:
                with mistakes.noting(), placed(host):
                    chosen_services(policy.catalogues[host.name], restrictions[host.name])
        return compiled

    def made(text: str, catalogue: Catalogue, own: Restrictions, state: timeline.State) -> Plan:
        body = functools.partial(compile_body, catalogue, own, state.waivers, state.day)
        if state.waivers:
            return body()
        return cache.body(catalogues.state(catalogue), text, state.day >= own.effective_from, body)

    warnings = [text for text in (unnamed_warning(register), *map(warning, waivers)) if text]
    with mistakes.noting():
        refusals = read_refusals(folders_of_waivers(question, restrictions))
        if refusals:
            refusals, disregarded = in_force(refusals, context_of(question, restrictions, memory))
            warnings += [disregarding(disregarded)] if disregarded else []
        plans = _Plans(question, policy, waivers, memory, refusals, now, made).compiled(mistakes)
        compiled = compiled._replace(refusals=refusals, plans=plans.plans, hosts=plans.hosts, later=plans.later)
    return compiled._replace(warnings=warnings)


class _Made(NamedTuple):
    """The distinct plans by digest, each host's digest, and the plans that follow these."""

    plans: dict[str, Plan]
    hosts: dict[str, str]
    later: dict[str, Plan]


class _Plans:
    """Compiles the plans of some hosts. Hosts with one answer to everything are compiled once; one whose users have
    requested something has plans of its own.
    """

    def __init__(
        self,
        question: Question,
        policy: Policy,
        waivers: Sequence[Judged],
        memory: RevocationMemory,
        refusals: Sequence[Refusal],
        now: datetime.datetime,
        made: MakeBody,
    ) -> None:
        self._question, self._now, self._made = question, now, made
        self._restrictions, self._catalogues = policy.restrictions, policy.catalogues
        watched = {host.name for host in question.hosts if policy.restrictions[host.name].watch}
        self._turns = _turns(question, policy.restrictions, waivers, memory, now) if watched else {}
        self._waiving = {judged.waiver.id for judged in waivers if judged.standing.waives}
        self._concern = self._concerning(waivers, watched)
        self._refused = refused_by_host(refusals)
        self._answering = _answering(waivers, policy.restrictions)
        self._objects: dict[tuple[group_policy.Object, ...], GroupPolicy] = {}
        self._bodies: dict[tuple[str, int, tuple[str, ...], bool], Plan] = {}
        self._texts: dict[int, str] = {}  # by restrictions; hosts whose variables are equal share them

    def _concerning(self, waivers: Sequence[Judged], watched: set[str]) -> dict[str, list[Waiver]]:
        """The waivers of each host that waive there now, or later on one that observes itself."""
        found: dict[str, list[Waiver]] = {host.name: [] for host in self._question.hosts}
        for waiver, worth in sorted(waivers, key=lambda judged: judged.waiver.ends):
            for name in worth.hosts if worth.waives or self._turns.get(waiver.id) else ():
                if name in found and (worth.waives or name in watched):
                    found[name].append(waiver)
        return found

    def compiled(self, mistakes: Mistakes) -> _Made:
        """The plans of all hosts. Raises PolicyErrors with those of `mistakes`."""
        if not self._question.audience:
            self._objects = _objects(self._question, self._restrictions, self._now, mistakes)
        chains = timeline.Chains()
        compiled: dict[tuple[str, int, tuple[str, ...], str], list[Plan]] = {}
        plans: dict[str, Plan] = {}
        hosts: dict[str, str] = {}
        for host in self._question.hosts:
            name, own, mine = host.name, self._restrictions[host.name], self._concern[host.name]
            alone = name if self._has_requests(name) else ""
            key = (self._text(own), id(self._catalogues[name]), tuple(waiver.id for waiver in mine), alone)
            with mistakes.noting(), placed(host):
                if key not in compiled:
                    compiled[key] = chains.linked(self._states(name))
                plan = compiled[key][0]
                plans[plan["digest"]] = plan
                hosts[name] = plan["digest"]
        mistakes.settle()
        later = {plan["digest"]: plan for chain in compiled.values() for plan in chain[1:]}
        return _Made(plans, hosts, later)

    def _text(self, own: Restrictions) -> str:
        """Restrictions as text. A zone is for waivers to name, and no part of a plan."""
        return self._texts.get(id(own)) or self._texts.setdefault(id(own), repr(dataclasses.replace(own, zone="")))

    def _has_requests(self, host: str) -> bool:
        """Whether users of a host have requested something, so that its plan has the answers."""
        return self._restrictions[host].controls["apps"] == "enforce" and (
            host in self._refused or host in self._answering or any(waiver.request for waiver in self._concern[host])
        )

    def _states(self, host: str) -> list[tuple[datetime.datetime, Plan]]:
        """What the plan of a host consists of from each moment on."""
        own, mine = self._restrictions[host], self._concern[host]
        begins = own.effective_from if own.watch else None
        states = timeline.states(mine, self._waiving, self._turns if own.watch else {}, begins, self._now)
        found = [(state, self._body(self._catalogues[host], own, state)) for state in states]
        if not self._has_requests(host):
            return [(state.at, body) for state, body in found]
        refused, signed = self._refused.get(host, {}), self._answering.get(host, ())
        return [
            (state.at, with_answers(body, refused, state.waivers, [one for one in signed if one.ends <= state.at]))
            for state, body in found
        ]

    def _body(self, catalogue: Catalogue, own: Restrictions, state: timeline.State) -> Plan:
        text = self._text(own)
        key = (text, id(catalogue), tuple(waiver.id for waiver in state.waivers), state.day < own.effective_from)
        if key not in self._bodies:
            body = self._made(text, catalogue, own, state)
            if own.group_policy in self._objects:
                body = {**body, "group_policy": self._objects[own.group_policy]}
            self._bodies[key] = body
        return self._bodies[key]


def _objects(
    question: Question, restrictions: Mapping[str, Restrictions], now: datetime.datetime, mistakes: Mistakes
) -> dict[tuple[group_policy.Object, ...], GroupPolicy]:
    """What domain controllers have of Group Policy, by the variable. Notes the mistakes."""
    found: dict[tuple[group_policy.Object, ...], GroupPolicy] = {}
    plans_of = functools.cache(functools.partial(audience, question, now))
    for host in question.hosts:
        own = restrictions[host.name].group_policy
        if own and own not in found:
            try:
                found[own] = group_policy.section(own, question.groups, plans_of)
            except PolicyErrors as wrong:  # those of a group's hosts know where they are
                places = ((error, error.where or host.where(error.key, error.value)) for error in wrong.errors)
                mistakes.note(*(PolicyError(where, e.key, e.value, e.expected) for e, where in places))
    return found


def audience(question: Question, now: datetime.datetime, group: str) -> dict[str, Plan]:
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
    question: Question,
    restrictions: Mapping[str, Restrictions],
    waivers: Sequence[Judged],
    memory: RevocationMemory,
    now: datetime.datetime,
) -> dict[str, Sequence[timeline.Turn]]:
    """When each waiver that is not over begins to waive, or ends."""
    if not waivers:
        return {}
    context = context_of(question, restrictions, memory)
    return {one.waiver.id: timeline.turns(one, context, now) for one in waivers if now < one.waiver.ends}
