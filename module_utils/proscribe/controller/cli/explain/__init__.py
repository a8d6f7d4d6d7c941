"""`./proscribe explain`: what is closed where, and why, told from the policy alone. No host is touched."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....model.plan import CONTROLS
from ...compile.inventory.inventory import Question as Hosts
from ...compile.inventory.reports_place import reports_of
from ...compile.plans.hosts import Compiled, compile_hosts
from ...compile.waivers.standing import moment
from ...policy_errors import PolicyError, PolicyErrors
from ...report.text.layout import paint, row, screen_width, wrap
from ...report.text.wording import clean, counted, in_words, some
from ...report.text.wording import moment as times
from .. import Refused, inventory, say
from . import expectations, facts, points
from .question import Question, read
from .reasons import DECIDING, answers, decided
from .reasons.reason import AUDITED, BLOCKED, DEPENDS, OFF, OPEN, STATUSES, Answer, Policy, Reason
from .relations import ADDRESS, NAME, Subject, remarks, subject

SCHEMA = "proscribe/explanation/1"
OPEN_EVERYWHERE, CLOSED_SOMEWHERE = 0, 1
AS_EXPECTED, DIFFERENT = 0, 1
COLOUR = {BLOCKED: "red", DEPENDS: "yellow", AUDITED: "yellow"}
MOST_HOSTS = 5  # named per group
CONCERNED = ("is", "blocks", "program", "file", "address")  # how a question has to touch a service to be about it

EPILOG = """\
NAME may be a host (mail.google.com), a URL, an address or a network (with a port: 9.9.9.9:853, [2620:fe::fe]:853),
a service (gmail), a program: a package, flatpak, process or path (org.telegram.desktop), a file (WeChat.AppImage),
or a browser extension by its id.
The newest reports say which package systems and browsers a host has; without a report, the answer covers each of them.

Answers: blocked; depends (on something that only the host knows, and the reason says on what); audited (counts against
the host, nothing is changed); waived; tenants (open to the organisation's own accounts); upcoming; reported; open.

Exit code 0: open on all chosen hosts; 1: a control blocks it on some host (or may: depends); 2: the question or the
policy has a mistake. With --expect, 0: all as expected; 1: some name has another answer.

A file for --expect has names by hosts (all, a group, a host) and answer:
  all:
    blocked: [web.whatsapp.com, https://drive.google.com/drive]
    open: [www.google.com, mail.example.org]

  ./proscribe explain https://drive.google.com/drive -i inventory/prod
  ./proscribe explain 149.154.167.99 --host finance-01
  ./proscribe explain whatsapp --at 2027-01-01T00:00:00+08:00 --json"""


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the word."""
    parser.description = (
        "Show whether a name, an address, a service or a program is blocked, by which control, and why."
    )
    parser.epilog = EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", metavar="NAME", nargs="?", help="what to explain")
    what.add_argument("--expect", metavar="FILE", help="compare a file of names and expected answers with the policy")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--at", type=at, metavar="TIME", help="as of that time, with its zone (default: now)")
    parser.add_argument("--host", dest="limit", metavar="HOST", default="", help="only this host: the same as --limit")
    inventory.add_options(parser)


def at(text: str) -> datetime.datetime:
    """An option's point in time. Raises ArgumentTypeError for one without a zone."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time with its zone, such as 2027-01-01T00:00:00+08:00")
    return time.astimezone(datetime.timezone.utc)


def run(arguments: argparse.Namespace) -> int:
    """Answer on the standard output; returns the exit code."""
    question = read(arguments.name) if arguments.name else None
    now = arguments.at or datetime.datetime.now(datetime.timezone.utc)
    hosts, aside = _hosts(arguments)
    compiled = compile_hosts(hosts, now)
    known = facts.known(reports_of(hosts.hosts, hosts.inventory), compiled.hosts)
    known.update(dict.fromkeys(hosts.windows, facts.Facts(os="windows")))
    if question is None:
        results = compare(Path(arguments.expect), hosts.groups, compiled, known)
        if arguments.json:
            print(json.dumps(expectations.as_json(arguments.expect, results), indent=2))
        else:
            print(expectations.render(arguments.expect, results, screen_width()))
        return DIFFERENT if any(result.differences for result in results) else AS_EXPECTED
    try:
        about, groups = explain(question, compiled, known)
    except Refused as refused:
        raise Refused(f"{refused}{_of_another_kind(question.word, hosts, compiled)}") from None
    if arguments.json:
        print(json.dumps({**as_json(about, groups), "audience": bool(aside)}, indent=2))
    else:
        colours = sys.stdout.isatty()
        if aside:
            say(aside)
        print(render(about, groups, screen_width(), colours))
    closed = any(group.answer in (BLOCKED, DEPENDS) for group in groups)
    return CLOSED_SOMEWHERE if closed else OPEN_EVERYWHERE


def _hosts(arguments: argparse.Namespace) -> tuple[Hosts, str]:
    """The hosts that are chosen, and "". Where runs leave all of them out they are an audience, for which exports
    decide: with that in words.
    """
    try:
        return inventory.question(arguments), ""
    except inventory.NoneServed as none:
        why = f"{none}. What follows is what exports decide for them as an audience, and no run observes it."
        return inventory.question(arguments, served=False), why


def _of_another_kind(word: str, hosts: Hosts, compiled: Compiled) -> str:
    """What a word is, where it is known as something else, and how that is asked about; "" where it is not."""
    services = {service.id: service for one in compiled.catalogues.values() for service in one.services.values()}
    if word in hosts.groups or any(word == host.name for host in hosts.hosts):
        kind = "group" if word in hosts.groups else "host"
        return f". It is a {kind} of the inventory: name what is to be explained there, with --host {word}"
    if members := sorted(id_ for id_, service in services.items() if service.category == word):
        return f". It is a category of services: explain one of {some(members, MOST_HOSTS)}"
    if word in CONTROLS:
        return ". It is a control: each explanation names what every control does"
    if any(word == waiver.id for waiver, _ in compiled.waivers):
        return ". It is a waiver: waiver list shows it"
    return ""


def explain(
    question: Question, compiled: Compiled, known: Mapping[str, facts.Facts] = {}
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
    terms = {waiver.id: f" of {waiver.approved_by}, until {moment(waiver.expires)}" for waiver, _ in compiled.waivers}
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
        )
        for said, fed, hosts in groups.values()
    ]
    return about, sorted(found, key=lambda group: (STATUSES.index(group.answer), -len(group.hosts), group.hosts))


def compare(
    file: Path, groups: Mapping[str, frozenset[str]], compiled: Compiled, known: Mapping[str, facts.Facts] = {}
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
            _, found = explain(read(row_.name), compiled._replace(hosts=chosen), known)
        except Refused:
            known_names = "a host, a URL, an address, or a service, program or file of the catalogue"
            errors.append(document.error(row_.path, row_.name, known_names))
            continue
        results.append(expectations.result(row_, [(one.answer, one.hosts, _why(one)) for one in found]))
    if errors:
        raise PolicyErrors(errors)
    return results


def _why(group: Group) -> str:
    """The first reason of a group's answer; "" where nothing restricted fits."""
    reasons = (reason for answer in group.controls.values() for reason in answer.reasons)
    return next((reason.text for reason in reasons if reason.status == group.answer), "")


def _notes(about: Subject, compiled: Compiled, hosts: Sequence[str]) -> Iterator[str]:
    """The waivers that somebody may count on here: those that waive nothing, and those whose review is overdue."""
    services = {service.id for service in about.services(*CONCERNED)}
    for waiver, worth in compiled.waivers:
        for_these = set(worth.hosts).intersection(hosts)
        if worth.why and for_these and services.intersection(waiver.services):
            where = "" if len(for_these) == len(hosts) else f" for {some(sorted(for_these), MOST_HOSTS)}"
            does = "still waives" if worth.waives else f"waives nothing ({in_words(worth.status)})"
            yield f"waiver {waiver.id}{where} {does}: {worth.why}"


def headline(about: Subject, groups: Sequence[Group]) -> str:
    """The short answer."""
    counts: dict[str, int] = {}
    for group in groups:
        counts[group.answer] = counts.get(group.answer, 0) + len(group.hosts)
    total = sum(counts.values())
    services = about.services(*CONCERNED)
    who = f" ({some([f'{service.name}: {service.id}' for service in services], 3)})" if services else ""
    if len(counts) == 1:
        (status,) = counts
        where = "on every host asked for" if total > 1 else f"on {groups[0].hosts[0]}"
        answer = f"{_is(status)} {where}"
    else:
        answer = ", ".join(f"{_is(status)} on {count:,} of {total:,} hosts" for status, count in counts.items())
    unknown = "" if about.relations else "; no service of the catalogue has it"
    return clean(f"{about.question.word}{who}: policy: {answer}{unknown}{_last_seen(groups, total)}")


def _last_seen(groups: Sequence[Group], total: int) -> str:
    """What the newest observations of the hosts said: the policy alone says nothing of them. "" where there is none."""
    seen = [one for group in groups for one in group.seen]
    if not seen:
        return ""
    states = Counter(state for _, state in seen)
    said = [f"{counts:,} {in_words(state)}" for state, counts in states.most_common()]
    if len(seen) < total:
        said.append(f"{total - len(seen):,} never")
    if total == 1:
        return f"; last seen {times(seen[0][0])}: {in_words(seen[0][1])}"
    return f"; last seen: {', '.join(said)} (the oldest {times(min(seen)[0])})"


def _is(status: str) -> str:
    return {OFF: OPEN, DEPENDS: "it depends (see below)"}.get(status, status)


def render(about: Subject, groups: Sequence[Group], width: int, colours: bool) -> str:
    """The answer as text: the short one, then each group of hosts with every control's reasons."""
    lines = [paint(line, "bold", colours=colours) for line in wrap(headline(about, groups), width)]
    lines += [line for remark in remarks(about) for line in wrap(clean(remark), width)]
    widths = (2 + max(map(len, CONTROLS)), max(map(len, STATUSES)))
    for group in groups:
        several = f"on {counted(len(group.hosts), 'host')}: " if len(group.hosts) > 1 else "on "
        lines += ["", *wrap(several + some(group.hosts, MOST_HOSTS), width)]
        lines += wrap(f"  {_of_hosts(group)}", width) if about.kind != ADDRESS else []
        for control, answer in group.controls.items():
            decides_here = about.kind in (NAME, ADDRESS) and control in DECIDING[NAME]
            reasons = answer.reasons or [Reason(answer.status, _nothing(about))] * decides_here
            first = f"  {control}"
            for reason in reasons:
                aside = "" if reason.status == answer.status else f"({reason.status}) "
                status = answer.status if first else ""
                text = row(first, status, aside + clean(reason.text), widths, width)
                lines += [_painted(text[0], status, colours), *text[1:]]
                first = ""
        if group.given:
            also = ", ".join(map(str, group.given))
            lines += wrap(f"  also given to: {clean(also)}", width)
        lines += [line for note in group.notes for line in wrap(f"  {clean(note)}", width)]
    return "\n".join(lines)


def _of_hosts(group: Group) -> str:
    """How much is known of the hosts of a group, besides their plan."""
    missing = len(group.hosts) - group.known
    since = f"package systems and browsers as of {times(group.oldest)}" if group.known and group.oldest else ""
    none = f"of {counted(missing, 'host')} no run has said which package systems and browsers it has" if missing else ""
    return f"({'; '.join(filter(None, (since, f'{none}: answered for each' if none else '')))})"


def _nothing(about: Subject) -> str:
    return "nothing restricted here fits" if about.relations else "not restricted"


def _painted(line: str, status: str, colours: bool) -> str:
    return (
        line.replace(f" {status}", " " + paint(status, COLOUR[status], colours=colours), 1)
        if status in COLOUR
        else line
    )


def as_json(about: Subject, groups: Iterable[Group]) -> dict[str, Any]:
    """The explanation for machines."""
    question = about.question
    return {
        "schema": SCHEMA,
        "asked": {
            "text": question.word,
            "kind": about.kind,
            "host": question.host or None,
            "path": question.path or None,
            "port": question.port,
            "network": str(question.network) if question.network is not None else None,
        },
        "services": [
            {
                "service": r.service.id,
                "name": r.service.name,
                "category": r.service.category,
                "by": r.how,
                "what": r.what,
            }
            for r in about.relations
        ],
        "remarks": remarks(about),
        "answers": [
            {
                "answer": group.answer,
                "hosts": list(group.hosts),
                "facts": {"hosts": group.known, "oldest": group.oldest or None},
                "controls": {
                    control: {
                        "answer": answer.status,
                        "reasons": [
                            {
                                "answer": reason.status,
                                "text": reason.text,
                                "service": reason.service or None,
                                "waiver": reason.waiver or None,
                            }
                            for reason in answer.reasons
                        ],
                    }
                    for control, answer in group.controls.items()
                },
                "given_to": [
                    {"format": one.format, "answer": one.answer or None, "why": one.why or None} for one in group.given
                ],
                "notes": list(group.notes),
            }
            for group in groups
        ],
    }
