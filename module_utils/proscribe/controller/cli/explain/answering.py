"""What the policy answers, and which hosts have the same answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.plans.hosts import CompiledPlans
from ...compile.waivers.standing import format_moment
from ...policy_errors import PolicyError, PolicyErrors
from ...report.text.wording import in_words, some
from .. import Refused
from . import expectations, facts, points
from .question import Question, read
from .reasons import DECIDING, answers, decided
from .reasons.reason import STATUSES, Answer, Policy
from .relations import Subject, subject

MOST_HOSTS = 5  # named per group
CONCERNED = ("is", "blocks", "program", "file", "address")  # how a question has to touch a service to be about it


class Group(NamedTuple):
    """The hosts that have one answer."""

    answer: str
    controls: Mapping[str, Answer]
    notes: tuple[str, ...]
    hosts: tuple[str, ...]
    known: int = 0  # of how many of them the package systems and browsers are known
    oldest: str = ""  # when the oldest of that was seen: UTC
    given: tuple[points.Given, ...] = ()  # what the enforcement points that are fed do
    seen: tuple[tuple[str, str], ...] = ()  # of each host that has a record: when it was last observed, and its state
    lifted: tuple[tuple[str, str], ...] = ()  # hosts of which controls were lifted and not observed since, with words


def explain(
    question: Question, compiled: CompiledPlans, known: Mapping[str, facts.Facts] = {}
) -> tuple[Subject, list[Group]]:
    """What was asked about, and the hosts by their answer: the most closed first, then the most hosts. `known` is what
    records say of hosts.

    Raises Refused for a word that nobody knows.
    """
    subjects: dict[str, Subject] = {}
    unknown: Refused | None = None
    for catalogue in {id(catalogue): catalogue for catalogue in compiled.catalogues.values()}.values():
        try:
            subjects[catalogue.version] = subject(question, catalogue)
        except Refused as refused:  # another catalogue, of other hosts, may have the word
            unknown = refused
    if not subjects and unknown is not None:
        raise unknown
    said: dict[str, dict[str, Answer]] = {}
    groups: dict[str, tuple[dict[str, Answer], tuple[points.Given, ...], list[str]]] = {}
    given: dict[str, tuple[points.Given, ...]] = {}
    about = max(subjects.values(), key=lambda one: len(one.relations))
    terms = {
        waiver.id: f" of {waiver.approved_by}, until {format_moment(waiver.expires)}" for waiver, _ in compiled.waivers
    }
    for host, digest in compiled.hosts.items():
        own = subjects.get(compiled.catalogues[host].version, about._replace(relations=()))
        restrictions = compiled.restrictions[host]
        has = known.get(host, facts.NOTHING).without_time()
        key = repr((digest, compiled.catalogues[host].version, restrictions, has))
        if key not in said:
            policy = Policy(compiled.plans[digest], restrictions, terms, has)
            said[key], given[key] = answers(own, policy), points.given(own, policy)
        groups.setdefault(repr((said[key], given[key])), (said[key], given[key], []))[2].append(host)
    found = [
        Group(
            decided(about, said),
            said,
            tuple(_notes(about, compiled, hosts)),
            tuple(hosts),
            sum(known.get(host, facts.NOTHING).known for host in hosts),
            min(filter(None, (known[host].at for host in hosts if host in known)), default=""),
            fed,
            tuple((known[host].observed, known[host].state) for host in hosts if known.get(host, facts.NOTHING).state),
            tuple((host, known[host].lifts) for host in hosts if known.get(host, facts.NOTHING).lifts),
        )
        for said, fed, hosts in groups.values()
    ]
    return about, sorted(found, key=lambda group: (STATUSES.index(group.answer), -len(group.hosts), group.hosts))


def compare(
    file: Path, groups: Mapping[str, frozenset[str]], compiled: CompiledPlans, known: Mapping[str, facts.Facts] = {}
) -> list[expectations.Result]:
    """What an organisation expects of the compiled policy (see expectations.py), and what the policy answers. Raises
    PolicyErrors for mistakes in the file.
    """
    document, rows = expectations.read(file, groups, tuple(compiled.hosts))
    results: list[expectations.Result] = []
    errors: list[PolicyError] = []
    for row_ in rows:
        members = groups.get(row_.hosts, frozenset({row_.hosts}))
        chosen = {
            host: plan
            for host, plan in compiled.hosts.items()
            if row_.hosts == expectations.EVERY_HOST or host in members
        }
        try:
            about, found = explain(read(row_.name), compiled._replace(hosts=chosen), known)
        except Refused:
            known_names = "a host, a URL, an address, or a service, program or file of the catalogue"
            errors.append(document.make_error(row_.path, row_.name, known_names))
            continue
        answers_ = [(one.answer, one.hosts, _why(one, DECIDING[about.kind])) for one in found]
        results.append(expectations.result(row_, answers_))
    if errors:
        raise PolicyErrors(errors)
    return results


def _why(group: Group, deciding: Sequence[str]) -> str:
    """The first reason of a group's answer, of a control that decides; "" where nothing restricted fits."""
    reasons = (reason for control in deciding for reason in group.controls[control].reasons)
    return next((reason.text for reason in reasons if reason.status == group.answer), "")


def _notes(about: Subject, compiled: CompiledPlans, hosts: Sequence[str]) -> Iterator[str]:
    """The waivers that somebody may count on here: those that waive nothing, and those whose review is overdue."""
    services = {service.id for service in about.services(*CONCERNED)}
    for waiver, worth in compiled.waivers:
        for_these = set(worth.hosts).intersection(hosts)
        if worth.why and for_these and services.intersection(waiver.services):
            where = "" if len(for_these) == len(hosts) else f" for {some(sorted(for_these), MOST_HOSTS)}"
            does = "still waives" if worth.is_waiving else f"waives nothing ({in_words(worth.status)})"
            yield f"waiver {waiver.id}{where} {does}: {worth.why}"
