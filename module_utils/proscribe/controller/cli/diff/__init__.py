"""`./proscribe diff`: the effect of a change of the policy on hosts and on exceptions. No host is touched."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...compile.inventory.reports_place import find_reports_folder
from ...compile.plans.departments import list_departments
from ...compile.plans.difference import CONTROL, IDENTIFIER, PLAN, SERVICE, SETTING, PlanChange, compare_plans
from ...compile.plans.hosts import CompiledPlans, compile_hosts
from ...report.text.layout import paint, row, screen_width, wrap
from ...report.text.wording import clean, counted, some
from .. import inventory
from .earlier_plans import Earlier, earlier
from .exceptions import ExceptionChange, compare_exceptions, read_exceptions

SCHEMA = "proscribe/plan-diff/1"
SAME, DIFFERENT = 0, 1
MOST_HOSTS = 5  # named per group
MOST_NAMES = 8  # of one kind, per change; --json has all
MOST_LINES = 40  # per group

EPILOG = """\
OLD is a git revision (HEAD~1, v0.2.0, main), a day or a length of time (2026-11-01, 7d), or a run: latest, its id, or
the path of its report. With a revision or a day, the catalogue, the inventory, the waivers and the directories of
proscribe_catalog_dirs are read at that revision, each from its own git repository. The current code compiles them with
the current time; the answer names the commits. A path without that revision is an error, unless --as-now reads it as it
is now. With a run, the plans of its hosts are compared with those that a run would give them now.

With a revision, it also compares who may approve waivers, whose signatures count, and all waivers. With --limit, it
compares hosts only.

Exit code 0: nothing changes; 1: some hosts have another policy, or exceptions change; 2: the question or the policy has
a mistake. A host without an earlier plan counts as having another policy.

  ./proscribe diff HEAD~1
  ./proscribe diff v0.2.0 -i inventory/prod --limit finance
  ./proscribe diff 7d -i /srv/inventory
  ./proscribe diff HEAD~1 -i /srv/inventory --as-now .
  ./proscribe diff latest --json"""


class Group(NamedTuple):
    """The hosts for which the same changes."""

    changes: tuple[PlanChange, ...]
    hosts: tuple[str, ...]


class Compared(NamedTuple):
    """The answer. `fresh` are hosts without an earlier plan, `gone` those that are no longer asked anything."""

    groups: tuple[Group, ...]
    fresh: tuple[str, ...]
    gone: tuple[str, ...]
    compared: int  # hosts with a plan before and now
    exceptions: tuple[ExceptionChange, ...] = ()

    @property
    def different(self) -> bool:
        """Return True if any host has another policy, or an exception changes."""
        return bool(self.groups or self.fresh or self.gone or self.exceptions)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the word."""
    parser.description = "Show the effect of a change of the catalogue or the policy, and on which hosts."
    parser.epilog = EPILOG
    parser.add_argument("old", metavar="OLD", help="what to compare with: a git revision, a day, or a run")
    parser.add_argument(
        "--old-inventory", action="append", default=[], metavar="PATH", help="the inventory at that revision"
    )
    parser.add_argument(
        "--as-now",
        action="append",
        default=[],
        metavar="PATH",
        help="a checkout, inventory or directory without that revision, read as it is now",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with every name")
    inventory.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer on the standard output; returns the exit code."""
    now = datetime.datetime.now(datetime.timezone.utc)
    question = inventory.question(arguments)
    before = earlier(arguments.old, arguments, now, find_reports_folder(question.hosts, question.inventory))
    compiled = compile_hosts(question, now)
    found = compare(before, compiled, whole=not arguments.limit)
    if before.exceptions is not None and not arguments.limit:
        exceptions = compare_exceptions(before.exceptions, read_exceptions(question, compiled, now))
        found = found._replace(exceptions=tuple(exceptions))
    departments = list_departments(question, compiled.restrictions)
    if arguments.json:
        print(json.dumps(as_json(before, found, departments), indent=2))
    else:
        width = screen_width()
        print("\n".join(render(before, found, departments, width, sys.stdout.isatty())))
    return DIFFERENT if found.different else SAME


def compare(before: Earlier, now: CompiledPlans, whole: bool = True) -> Compared:
    """The hosts of `now` by what changes for them, most hosts first; each pair of plans is compared once.

    Unless `now` is the `whole` inventory, a host that it does not have is not gone.
    """
    pairs: dict[tuple[str, str], tuple[PlanChange, ...]] = {}
    groups: dict[tuple[PlanChange, ...], list[str]] = {}
    fresh: list[str] = []
    for host, digest in now.hosts.items():
        was = before.hosts.get(host)
        if was is None:
            fresh.append(host)
        elif was != digest:
            pair = (was, digest)
            if pair not in pairs:
                pairs[pair] = compare_plans(before.plans[was], now.plans[digest])
            groups.setdefault(pairs[pair], []).append(host)
    # Plans that differ in nothing that can be said ask the same of a host.
    found = [Group(changes, tuple(sorted(hosts))) for changes, hosts in groups.items() if changes]
    gone = sorted(set(before.hosts) - set(now.hosts)) if whole else []
    return Compared(
        groups=tuple(sorted(found, key=lambda group: (-len(group.hosts), group.hosts))),
        fresh=tuple(sorted(fresh)),
        gone=tuple(gone),
        compared=len(now.hosts) - len(fresh),
    )


def totals(changes: Iterable[PlanChange]) -> dict[str, dict[str, int]]:
    """How many of what come, go or change: {"services": {added, removed, changed}, "domains": {added, removed}, ...}.

    What many hosts share counts once; what comes or goes with its service counts too.
    """
    counts: dict[str, dict[str, set[tuple[str, str]]]] = {}

    def count(noun: str, how: str, key: tuple[str, str]) -> None:
        counts.setdefault(noun, {}).setdefault(how, set()).add(key)

    for change in dict.fromkeys(changes):
        if change.kind == SERVICE:
            how = "added" if not change.before else "removed" if not change.after else "changed"
            count("services", how, (change.service, ""))
            for kind, number in change.counts:
                for index in range(number if how != "changed" else 0):
                    count(kind.partition(".")[0], how, (f"{change.service} {kind}", str(index)))
        elif change.kind == IDENTIFIER:
            noun = change.subject.partition(".")[0]
            for how, names in (("added", change.added), ("removed", change.removed)):
                for name in names:
                    count(noun, how, (change.service, name))
        else:
            noun = {CONTROL: "controls", SETTING: "settings", PLAN: change.subject}[change.kind]
            count(noun, "changed", (change.control, change.subject))
    return {noun: {how: len(keys) for how, keys in by_how.items()} for noun, by_how in counts.items()}


def of_departments(hosts: Sequence[str], departments: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """The departments of some hosts: how many of them, of how many that each has."""
    compared = set(hosts)
    found = {name: (len(compared.intersection(members)), len(members)) for name, members in departments.items()}
    return {name: counts for name, counts in found.items() if counts[0]}


def render(
    before: Earlier, found: Compared, departments: Mapping[str, Sequence[str]], width: int, colours: bool
) -> Iterator[str]:
    """The answer in lines: the short one, then each group of hosts with what changes for it."""
    changed = sum(len(group.hosts) for group in found.groups)
    head = f"{clean(before.name)} -> now: "
    head += (
        f"{changed:,} of {counted(found.compared, 'host')} have another policy"
        if changed
        else (f"nothing changes on {counted(found.compared, 'host')}")
    )
    yield from (paint(line, "bold", colours=colours) for line in wrap(head, width))
    summary = totals(change for group in found.groups for change in group.changes)
    if summary:
        yield from wrap("; ".join(f"{noun} {_counts(by_how)}" for noun, by_how in summary.items()), width)
    for hosts, what in ((found.fresh, "without an earlier plan"), (found.gone, "no longer with a plan")):
        if hosts:
            yield from wrap(f"{counted(len(hosts), 'host')} {what}: {some(hosts, MOST_HOSTS)}", width)
    for note in before.notes:
        yield from wrap(f"note: {clean(note)}", width)
    # First, so that no long list of hosts hides a new approver where the text is cut.
    for change in found.exceptions:
        yield from ("", clean(change.title))
        for sign, colour, texts in (("-", "red", change.removed), ("+", "green", change.added)):
            for text in texts:
                first, *rest = wrap(clean(text), width - 4)
                yield f"  {paint(sign, colour, colours=colours)} {first}"
                yield from (f"    {line}" for line in rest)
    for group in found.groups:
        whose = ", ".join(
            f"{clean(name)} {part:,} of {whole:,}"
            for name, (part, whole) in of_departments(group.hosts, departments).items()
        )
        yield ""
        several = counted(len(group.hosts), "host") + (f" ({whose})" if whose else "")
        yield from wrap(f"{several}: {some(group.hosts, MOST_HOSTS)}", width)
        yield from _lines(group.changes, width, colours)


def _lines(changes: Sequence[PlanChange], width: int, colours: bool) -> Iterator[str]:
    widths = (2 + len("firewall"), min(30, max(len(_subject(change)) for change in changes)))
    control = None
    for change in changes[:MOST_LINES]:
        first = f"  {change.control or 'all'}" if change.control != control else ""
        control = change.control
        sign, colour = _sign(change)
        lines = row(first, _subject(change), f"{sign} {_text(change)}", widths, width)
        yield lines[0].replace(f"  {sign} ", "  " + paint(sign, colour, colours=colours) + " ", 1)
        yield from lines[1:]
    if (more := len(changes) - MOST_LINES) > 0:
        yield f"  and {counted(more, 'more change')}; --json has them all"


def _subject(change: PlanChange) -> str:
    return clean(change.service or change.subject or "the control")


def _sign(change: PlanChange) -> tuple[str, str]:
    if change.kind == SERVICE and not change.before:
        return "+", "green"
    if change.kind == SERVICE and not change.after:
        return "-", "red"
    return "~", "yellow"


def _text(change: PlanChange) -> str:
    if change.kind == SERVICE and not (change.before and change.after):
        counts = ", ".join(f"{kind} {number:,}" for kind, number in change.counts)
        return clean(f"{change.after or f'no longer {change.before}'}{f': {counts}' if counts else ''}")
    named = [
        f"{sign}{len(names):,} ({some(names, MOST_NAMES)})"
        for sign, names in (("+", change.added), ("-", change.removed))
        if names
    ]
    subject = f"{change.subject} " if change.service and change.subject else ""
    if named:
        return clean(subject + " ".join(named))
    return clean(f"{subject}{change.before or 'nothing'} -> {change.after or 'nothing'}")


def _counts(by_how: Mapping[str, int]) -> str:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    return " ".join(f"{signs[how]}{by_how[how]:,}" for how in signs if how in by_how)


def as_json(before: Earlier, found: Compared, departments: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """The answer for machines."""
    return {
        "schema": SCHEMA,
        "old": before.name,
        "commits": [{"path": str(top), "commit": commit} for top, commit in before.commits.items()],
        "notes": list(before.notes),
        "different": found.different,
        "hosts": {
            "compared": found.compared,
            "changed": sum(len(group.hosts) for group in found.groups),
            "without_earlier_plan": list(found.fresh),
            "gone": list(found.gone),
        },
        "exceptions": [change._asdict() for change in found.exceptions],
        "totals": totals(change for group in found.groups for change in group.changes),
        "groups": [
            {
                "hosts": list(group.hosts),
                "departments": {
                    name: {"hosts": part, "of": whole}
                    for name, (part, whole) in of_departments(group.hosts, departments).items()
                },
                "changes": [change.convert_to_dict() for change in group.changes],
            }
            for group in found.groups
        ],
    }
