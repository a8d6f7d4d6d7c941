"""The plans of all hosts of a compilation, each compiled once for all hosts that share it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.plan import GroupPolicy, Plan
from ...enforcement_points.signature import ExportSigning
from ...policy_errors import MistakeCollector, PolicyError, PolicyErrors
from ..catalogue.catalogue_cache import CatalogueCache
from ..catalogue.catalogue_loader import Catalogue
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import find_approver_folders, find_waiver_folders
from ..restrictions import Restrictions
from ..waivers.approvers import ApproverList, read_approver_list, warn_of_unnamed_heads
from ..waivers.document import read_waivers
from ..waivers.judged_waivers import (
    JudgedWaiver,
    find_wrong_names,
    make_judgement_context,
    read_judged_waivers,
    warn_of_waiver,
)
from ..waivers.refusals import RequestRefusal, read_refusals, select_valid_refusals
from ..waivers.refusals import warn_of_disregarded as disregarding
from ..waivers.request_answers import add_answers, group_refusals_by_host
from ..waivers.revocations import RevocationMemory
from ..waivers.signatures import get_signature_path
from ..waivers.waiver import Waiver
from . import group_policy, timeline
from .host_policies import HostPolicies, find_plan_store, locate_mistakes, read_policy
from .plan_cache import PlanCache
from .plan_compiler import compile_body
from .service_selection import select_services

# A function that returns a plan without its digest. Arguments: the restrictions as text (part of the key of the cache),
# the catalogue, the restrictions, and the waivers and the day of the plan.
MakeBody = Callable[[str, Catalogue, Restrictions, timeline.PlanState], Plan]


class CompiledPlans(NamedTuple):
    """The result of compiling the policy for the hosts of a compilation. Nothing is written."""

    catalogues: Mapping[str, Catalogue]  # by host
    restrictions: Mapping[str, Restrictions]  # by host
    waivers: list[JudgedWaiver]  # sorted by id
    plans: dict[str, Plan]  # the plans in effect now; key: the digest
    hosts: dict[str, str]  # key: name of a host; value: the digest of its plan
    later: dict[str, Plan]  # plans that hosts with a watch take later without a run; key: the digest
    refusals: list[RequestRefusal]  # valid refusals of requests, the oldest first
    warnings: list[str]
    signing: ExportSigning = ExportSigning()  # the key and the signer files for exports (due_exports.py)
    revocation_memory: RevocationMemory | None = None


def compile_hosts(compile_input: CompileInput, now: datetime.datetime) -> CompiledPlans:
    """Compile the plans of all hosts. Raises PolicyErrors with every mistake of every host."""
    mistakes = MistakeCollector()
    store = find_plan_store(compile_input)
    compiled = compile_noting_mistakes(compile_input, now, mistakes, CatalogueCache(store), PlanCache(store))
    mistakes.raise_mistakes()
    return compiled


def compile_noting_mistakes(
    compile_input: CompileInput,
    now: datetime.datetime,
    mistakes: MistakeCollector,
    catalogues: CatalogueCache,
    cache: PlanCache,
) -> CompiledPlans:
    """Compile the plans of all hosts.

    Add all errors to `mistakes`, and do not stop at the first error. With errors, the result is incomplete: it may lack
    plans and waivers. `catalogues` and `cache` are the caches of catalogues and plans. A department without a head, the
    person who approves its waivers, is among the warnings.
    """
    policy = read_policy(compile_input, mistakes, catalogues)
    restrictions = policy.restrictions
    waivers: list[JudgedWaiver] = []
    revocation_memory = RevocationMemory(compile_input, restrictions)
    if mistakes:
        # Some services and restrictions are unknown, so the status of a waiver cannot be determined. Names of services
        # in waivers are not checked (None).
        with mistakes.collect_mistakes():
            valid_waivers, malformed, errors = read_waivers(find_waiver_folders(compile_input, restrictions))
            mistakes.add_mistakes(
                *errors, *find_wrong_names(valid_waivers, malformed, compile_input, restrictions, None, now)
            )
    else:
        with mistakes.collect_mistakes():
            waivers = read_judged_waivers(compile_input, restrictions, policy.service_ids, now, revocation_memory)
    approver_list: ApproverList = {}
    with mistakes.collect_mistakes():
        approver_list = read_approver_list(find_approver_folders(compile_input, restrictions), compile_input.groups)
    compiled = CompiledPlans(
        policy.catalogues, restrictions, waivers, {}, {}, {}, [], [], revocation_memory=revocation_memory
    )
    if mistakes:
        # No plans are made, but unknown services in restrictions are still reported.
        for host in compile_input.hosts:
            if host.name in policy.catalogues:
                with mistakes.collect_mistakes(), locate_mistakes(host):
                    select_services(policy.catalogues[host.name], restrictions[host.name])
        return compiled

    def make_body(text: str, catalogue: Catalogue, host_restrictions: Restrictions, state: timeline.PlanState) -> Plan:
        """Return a plan without its digest, from the cache if it has no waivers."""
        body = functools.partial(compile_body, catalogue, host_restrictions, state.waivers, state.day)
        if state.waivers:
            return body()
        return cache.get_body(
            catalogues.get_state_hash(catalogue), text, state.day >= host_restrictions.effective_from, body
        )

    warnings = [text for text in (warn_of_unnamed_heads(approver_list), *map(warn_of_waiver, waivers)) if text]
    with mistakes.collect_mistakes():
        refusals = read_refusals(find_waiver_folders(compile_input, restrictions))
        if refusals:
            refusals, disregarded_refusals = select_valid_refusals(
                refusals, make_judgement_context(compile_input, restrictions, revocation_memory)
            )
            warnings += [disregarding(disregarded_refusals)] if disregarded_refusals else []
        plans = _PlanCompiler(compile_input, policy, waivers, revocation_memory, refusals, now, make_body).compile_all(
            mistakes
        )
        compiled = compiled._replace(refusals=refusals, plans=plans.plans, hosts=plans.hosts, later=plans.later)
    return compiled._replace(warnings=warnings)


class _PlanSet(NamedTuple):
    """The plans of a run, with the fields `plans`, `hosts` and `later` of CompiledPlans."""

    plans: dict[str, Plan]
    hosts: dict[str, str]
    later: dict[str, Plan]


class _PlanCompiler:
    """A compiler of the plans of some hosts.

    Hosts with the same input are compiled once. If users of a host have requested an exception, its plans have the
    answers. Such plans are compiled for this host alone.
    """

    def __init__(
        self,
        compile_input: CompileInput,
        policy: HostPolicies,
        waivers: Sequence[JudgedWaiver],
        revocation_memory: RevocationMemory,
        refusals: Sequence[RequestRefusal],
        now: datetime.datetime,
        make_body: MakeBody,
    ) -> None:
        self._compile_input, self._now, self._make_plan_body = compile_input, now, make_body
        self._restrictions, self._catalogues = policy.restrictions, policy.catalogues
        watched_names = {host.name for host in compile_input.hosts if policy.restrictions[host.name].watch}
        self._transitions = (
            _find_transitions(compile_input, policy.restrictions, waivers, revocation_memory, now)
            if watched_names
            else {}
        )
        self._waiving_ids = {judged.waiver.id for judged in waivers if judged.judgement.is_waiving}
        self._waivers_by_host = self._collect_host_waivers(waivers, watched_names)
        self._refused_by_host = group_refusals_by_host(refusals)
        self._answering_by_host = _find_answering_waivers(waivers, policy.restrictions)
        # key: the value of the variable `proscribe_group_policy` of a domain controller
        self._group_policies: dict[tuple[group_policy.PolicyObjectSetting, ...], GroupPolicy] = {}
        # plans without digest; key: restrictions as text, id() of the catalogue, ids of waivers, True before the ban
        self._bodies: dict[tuple[str, int, tuple[str, ...], bool], Plan] = {}
        # key: id() of restrictions, which hosts with equal variables share; value: the restrictions as text
        self._texts: dict[int, str] = {}

    def _collect_host_waivers(
        self, waivers: Sequence[JudgedWaiver], watched_names: set[str]
    ) -> dict[str, list[Waiver]]:
        """Return the waivers of each host that waive now.

        For a host with a watch, also return waivers that waive later.
        """
        waivers_by_host: dict[str, list[Waiver]] = {host.name: [] for host in self._compile_input.hosts}
        for waiver, judgement in sorted(waivers, key=lambda judged: judged.waiver.ends):
            for name in judgement.hosts if judgement.is_waiving or self._transitions.get(waiver.id) else ():
                if name in waivers_by_host and (judgement.is_waiving or name in watched_names):
                    waivers_by_host[name].append(waiver)
        return waivers_by_host

    def compile_all(self, mistakes: MistakeCollector) -> _PlanSet:
        """Compile the plans of all hosts. Raises PolicyErrors with all of `mistakes`."""
        # The plans of an audience are joined for an export or a Group Policy object. They need no Group Policy parts,
        # and compiling these parts compiles audiences again.
        if not self._compile_input.audience:
            self._group_policies = _compile_group_policies(self._compile_input, self._restrictions, self._now, mistakes)
        chains = timeline.PlanChains()
        # the present plan and the later plans; key: restrictions as text, id() of the catalogue, ids of waivers, and
        # the name of a host that shares its plans with no other host, else ""
        compiled_chains: dict[tuple[str, int, tuple[str, ...], str], list[Plan]] = {}
        plans: dict[str, Plan] = {}
        hosts: dict[str, str] = {}
        for host in self._compile_input.hosts:
            name, host_restrictions, host_waivers = (
                host.name,
                self._restrictions[host.name],
                self._waivers_by_host[host.name],
            )
            unshared_host = name if self._has_requests(name) else ""
            key = (
                self._format_restrictions(host_restrictions),
                id(self._catalogues[name]),
                tuple(waiver.id for waiver in host_waivers),
                unshared_host,
            )
            with mistakes.collect_mistakes(), locate_mistakes(host):
                if key not in compiled_chains:
                    compiled_chains[key] = chains.link_plans(self._list_states(name))
                plan = compiled_chains[key][0]
                plans[plan["digest"]] = plan
                hosts[name] = plan["digest"]
        mistakes.raise_mistakes()
        later = {plan["digest"]: plan for chain in compiled_chains.values() for plan in chain[1:]}
        return _PlanSet(plans, hosts, later)

    def _format_restrictions(self, host_restrictions: Restrictions) -> str:
        """Return restrictions as text, a key by which hosts with equal restrictions share their plans.

        The network zone is left out: waivers depend on it, but no plan contains it.
        """
        return self._texts.get(id(host_restrictions)) or self._texts.setdefault(
            id(host_restrictions), repr(dataclasses.replace(host_restrictions, zone=""))
        )

    def _has_requests(self, host: str) -> bool:
        """Return True if users of a host have requested an exception, so that its plan has the answers.

        Only a host that enforces `apps` has the command for requests.
        """
        return self._restrictions[host].controls["apps"] == "enforce" and (
            host in self._refused_by_host
            or host in self._answering_by_host
            or any(waiver.request for waiver in self._waivers_by_host[host])
        )

    def _list_states(self, host: str) -> list[tuple[datetime.datetime, Plan]]:
        """Return the present and the later plans of a host without digests, each with the moment it takes effect."""
        host_restrictions, host_waivers = self._restrictions[host], self._waivers_by_host[host]
        begin_day = host_restrictions.effective_from if host_restrictions.watch else None
        states = timeline.iterate_states(
            host_waivers, self._waiving_ids, self._transitions if host_restrictions.watch else {}, begin_day, self._now
        )
        bodies = [(state, self._get_body(self._catalogues[host], host_restrictions, state)) for state in states]
        if not self._has_requests(host):
            return [(state.at, body) for state, body in bodies]
        refused_requests, signed_waivers = self._refused_by_host.get(host, {}), self._answering_by_host.get(host, ())
        return [
            (
                state.at,
                add_answers(
                    body,
                    refused_requests,
                    state.waivers,
                    [waiver for waiver in signed_waivers if waiver.ends <= state.at],
                ),
            )
            for state, body in bodies
        ]

    def _get_body(self, catalogue: Catalogue, host_restrictions: Restrictions, state: timeline.PlanState) -> Plan:
        """Return the plan without its digest for the waivers and the day in `state`.

        Hosts with equal restrictions, catalogue and waivers share the plan.
        """
        text = self._format_restrictions(host_restrictions)
        key = (
            text,
            id(catalogue),
            tuple(waiver.id for waiver in state.waivers),
            state.day < host_restrictions.effective_from,
        )
        if key not in self._bodies:
            body = self._make_plan_body(text, catalogue, host_restrictions, state)
            if host_restrictions.group_policy in self._group_policies:
                body = {**body, "group_policy": self._group_policies[host_restrictions.group_policy]}
            self._bodies[key] = body
        return self._bodies[key]


def _compile_group_policies(
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    now: datetime.datetime,
    mistakes: MistakeCollector,
) -> dict[tuple[group_policy.PolicyObjectSetting, ...], GroupPolicy]:
    """Compile the Group Policy parts of domain controllers.

    Add errors to `mistakes`. Key of the result: the value of the variable `proscribe_group_policy`, which several
    domain controllers may share.
    """
    compiled_policies: dict[tuple[group_policy.PolicyObjectSetting, ...], GroupPolicy] = {}
    compile_plans = functools.cache(functools.partial(compile_audience, compile_input, now))
    for host in compile_input.hosts:
        policy_objects = restrictions[host.name].group_policy
        if policy_objects and policy_objects not in compiled_policies:
            try:
                compiled_policies[policy_objects] = group_policy.compile_group_policy(
                    policy_objects, compile_input.groups, compile_plans
                )
            # Errors in the policy of the group's hosts have a place already. Other errors get the place of the
            # domain controller's variable.
            except PolicyErrors as exception:
                places = (
                    (error, error.location or host.locate_variable(error.key, error.found_value))
                    for error in exception.errors
                )
                mistakes.add_mistakes(
                    *(
                        PolicyError(place, mistake.key, mistake.found_value, mistake.expected)
                        for mistake, place in places
                    )
                )
    return compiled_policies


def compile_audience(compile_input: CompileInput, now: datetime.datetime, group: str) -> dict[str, Plan]:
    """Compile the plans of a group's hosts, served by Proscribe or not.

    Raises PolicyErrors. An enforcement point, such as a proxy or a Group Policy object, enforces these plans. Returns
    the plans by host.
    """
    known_hosts = {host.name: host for host in compile_input.hosts}
    read_variables = compile_input.variables_of or known_hosts.__getitem__
    hosts = [known_hosts.get(name) or read_variables(name) for name in sorted(compile_input.groups[group])]
    compiled = compile_hosts(dataclasses.replace(compile_input, hosts=hosts, audience=True), now)
    return {name: compiled.plans[digest] for name, digest in compiled.hosts.items()}


def _find_answering_waivers(
    waivers: Sequence[JudgedWaiver], restrictions: Mapping[str, Restrictions]
) -> dict[str, list[Waiver]]:
    """Return for each host the waivers that answer a user's request, sorted by their end.

    A waiver counts if it is signed, or if the host's rules need no signature. A draft without a signature answers
    nothing, and its end changes no plan. A waiver only for POSIX groups names no user, so it answers nothing.
    """
    waivers_by_host: dict[str, list[Waiver]] = {}
    for waiver, judgement in sorted(waivers, key=lambda judged: judged.waiver.ends):
        if not waiver.request or (waiver.posix_groups and not waiver.users):
            continue
        is_signed = get_signature_path(Path(waiver.file)).exists()
        for name in judgement.hosts:
            if is_signed or (name in restrictions and restrictions[name].waiver_signatures == "off"):
                waivers_by_host.setdefault(name, []).append(waiver)
    return waivers_by_host


def _find_transitions(
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    waivers: Sequence[JudgedWaiver],
    revocation_memory: RevocationMemory,
    now: datetime.datetime,
) -> dict[str, Sequence[timeline.WaiverTransition]]:
    """Return the future moments at which each waiver begins or ceases to waive.

    Key of the result: the id of the waiver. Ended waivers are left out.
    """
    if not waivers:
        return {}
    context = make_judgement_context(compile_input, restrictions, revocation_memory)
    return {
        judged.waiver.id: timeline.find_transitions(judged, context, now)
        for judged in waivers
        if now < judged.waiver.ends
    }
