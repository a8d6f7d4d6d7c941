"""Answers of the policy to a question, with the hosts grouped by answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.plans.host_plans import CompiledPlans
from ...compile.waivers.waiver_status import format_moment
from ...policy_errors import PolicyError, PolicyErrors
from ...report.text.wording import format_key, summarise_names
from .. import CommandError
from . import collected_facts, enforcement_points, expectations
from .question import Question, parse_question
from .reasons import DECIDING_CONTROLS, decide_answer, find_control_answers
from .reasons.reason import OFF, OPEN, STATUSES, ControlAnswer, EffectivePolicy
from .relations import Subject, find_subject

MAX_NAMED_HOSTS = 5
# Kinds of Relation (relations.py) that make a service a subject of the question. The other kinds only give remarks.
CONCERNED_KINDS = ("is", "blocks", "program", "file", "address")


class AnswerGroup(NamedTuple):
    """Hosts with the same answer, for the same reasons."""

    answer: str
    controls: Mapping[str, ControlAnswer]
    notes: tuple[str, ...]
    hosts: tuple[str, ...]
    known_count: int = 0  # number of hosts whose package systems and browsers are known
    oldest_time: str = ""  # time of the oldest of these facts: UTC
    point_answers: tuple[enforcement_points.PointAnswer, ...] = ()  # answers of the fed enforcement points
    # For each host with a record: time of the last observation, and state.
    observations: tuple[tuple[str, str], ...] = ()
    # Hosts on which the ban was lifted (removed) and that were not observed since, each with a text about the lift.
    lifted_hosts: tuple[tuple[str, str], ...] = ()


def explain_question(
    question: Question, compiled: CompiledPlans, facts_by_host: Mapping[str, collected_facts.HostFacts] = {}
) -> tuple[Subject, list[AnswerGroup]]:
    """Return the subject of a question, and the hosts grouped by answer. Raises CommandError for an unknown word.

    Groups are sorted by answer, most restrictive first, then by number of hosts. `facts_by_host` has the facts that
    records report about hosts.
    """
    subjects: dict[str, Subject] = {}
    last_error: CommandError | None = None
    for catalogue in {id(catalogue): catalogue for catalogue in compiled.catalogues.values()}.values():
        try:
            subjects[catalogue.version] = find_subject(question, catalogue)
        except CommandError as error:  # hosts may have different catalogues, and another one may have the word
            last_error = error
    if not subjects and last_error is not None:
        raise last_error
    # By a key that is equal for hosts with the same policy and facts, so that each answer is made once.
    answers_by_key: dict[str, dict[str, ControlAnswer]] = {}
    # By the text of all answers: answers of the controls, answers of the enforcement points, hosts with these answers.
    groups: dict[str, tuple[dict[str, ControlAnswer], tuple[enforcement_points.PointAnswer, ...], list[str]]] = {}
    point_answers_by_key: dict[str, tuple[enforcement_points.PointAnswer, ...]] = {}
    # The word may be unknown in some catalogues. The subject with most relations has the best headline.
    main_subject = max(subjects.values(), key=lambda candidate: len(candidate.relations))
    waiver_terms = {
        waiver.id: f" of {waiver.approved_by}, until {format_moment(waiver.expires)}" for waiver, _ in compiled.waivers
    }
    for host, digest in compiled.hosts.items():
        # A host whose catalogue does not have the word gets the answer for a subject without services.
        host_subject = subjects.get(compiled.catalogues[host].version, main_subject._replace(relations=()))
        restrictions = compiled.restrictions[host]
        host_facts = facts_by_host.get(host, collected_facts.NO_FACTS).drop_times()
        key = repr((digest, compiled.catalogues[host].version, restrictions, host_facts))
        if key not in answers_by_key:
            policy = EffectivePolicy(compiled.plans[digest], restrictions, waiver_terms, host_facts)
            answers_by_key[key], point_answers_by_key[key] = (
                find_control_answers(host_subject, policy),
                enforcement_points.list_point_answers(host_subject, policy),
            )
        groups.setdefault(
            repr((answers_by_key[key], point_answers_by_key[key])), (answers_by_key[key], point_answers_by_key[key], [])
        )[2].append(host)
    answer_groups = [
        AnswerGroup(
            decide_answer(main_subject, control_answers),
            control_answers,
            tuple(_describe_waivers(main_subject, compiled, hosts)),
            tuple(hosts),
            sum(facts_by_host.get(host, collected_facts.NO_FACTS).is_known for host in hosts),
            min(filter(None, (facts_by_host[host].oldest_time for host in hosts if host in facts_by_host)), default=""),
            fed_answers,
            tuple(
                (facts_by_host[host].observed_at, facts_by_host[host].state)
                for host in hosts
                if facts_by_host.get(host, collected_facts.NO_FACTS).state
            ),
            tuple(
                (host, facts_by_host[host].lifts_text)
                for host in hosts
                if facts_by_host.get(host, collected_facts.NO_FACTS).lifts_text
            ),
        )
        for control_answers, fed_answers, hosts in groups.values()
    ]
    return main_subject, sorted(
        answer_groups, key=lambda group: (STATUSES.index(group.answer), -len(group.hosts), group.hosts)
    )


def compare_expectations(
    file: Path,
    groups: Mapping[str, frozenset[str]],
    compiled: CompiledPlans,
    facts_by_host: Mapping[str, collected_facts.HostFacts] = {},
) -> list[expectations.ExpectationResult]:
    """Compare an organisation's expectations (expectations.py) with the answers of the compiled policy.

    Returns a result for each row of the file. `groups` has the hosts by group of the inventory, `facts_by_host` the
    facts from the newest records. Raises PolicyErrors for mistakes in the file.
    """
    document, rows = expectations.read_expectations(file, groups, tuple(compiled.hosts))
    results: list[expectations.ExpectationResult] = []
    errors: list[PolicyError] = []
    for expectation in rows:
        members = groups.get(expectation.hosts, frozenset({expectation.hosts}))
        chosen_hosts = {
            host: plan
            for host, plan in compiled.hosts.items()
            if expectation.hosts == expectations.EVERY_HOST or host in members
        }
        try:
            about, answer_groups = explain_question(
                parse_question(expectation.name), compiled._replace(hosts=chosen_hosts), facts_by_host
            )
        except CommandError:
            expected = "a host, a URL, an address, or a service, program or file of the catalogue"
            errors.append(document.make_error(expectation.path, expectation.name, expected))
            continue
        # If all deciding controls are off, nothing blocks the name. The headline of `explain` says open, too.
        answers = [
            (
                OPEN if group.answer == OFF else group.answer,
                group.hosts,
                _find_first_reason(group, DECIDING_CONTROLS[about.kind]),
            )
            for group in answer_groups
        ]
        results.append(expectations.make_result(expectation, answers))
    if errors:
        raise PolicyErrors(errors)
    return results


def _find_first_reason(group: AnswerGroup, deciding: Sequence[str]) -> str:
    """Return the text of the first reason for a group's answer; "" if nothing restricted matches.

    `deciding` are the controls that decide about the subject, in their order.
    """
    reasons = (reason for control in deciding for reason in group.controls[control].reasons)
    return next((reason.text for reason in reasons if reason.status == group.answer), "")


def _describe_waivers(subject: Subject, compiled: CompiledPlans, hosts: Sequence[str]) -> Iterator[str]:
    """Yield a text for each waiver of the subject on these hosts that has a problem. Users may rely on such a waiver.

    For example, the waiver waives nothing, or its review is overdue.
    """
    services = {service.id for service in subject.list_services(*CONCERNED_KINDS)}
    for waiver, judgement in compiled.waivers:
        concerned_hosts = set(judgement.hosts).intersection(hosts)
        if judgement.why and concerned_hosts and services.intersection(waiver.services):
            host_note = (
                ""
                if len(concerned_hosts) == len(hosts)
                else f" for {summarise_names(sorted(concerned_hosts), MAX_NAMED_HOSTS)}"
            )
            effect = "still waives" if judgement.is_waiving else f"waives nothing ({format_key(judgement.status)})"
            yield f"waiver {waiver.id}{host_note} {effect}: {judgement.why}"
