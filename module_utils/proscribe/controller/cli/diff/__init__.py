"""Command `./proscribe diff`: effect of a policy change on hosts and on exceptions. No host is contacted.

Exceptions are the waivers, and the approvers and keys that make waivers valid.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...compile.inventory.reports_folder import find_reports_folder
from ...compile.plans.departments import list_departments
from ...compile.plans.difference import CONTROL, IDENTIFIER, PLAN, SERVICE, SETTING, PlanChange, compare_plans
from ...compile.plans.host_plans import CompiledPlans, compile_hosts
from ...report.text.terminal_layout import apply_styles, format_table_row, get_screen_width, wrap_text
from ...report.text.wording import clean_text, format_count, summarise_names
from .. import inventory
from .earlier_plans import EarlierPlans, read_earlier_plans
from .exception_changes import ExceptionChange, compare_exceptions, read_exceptions

SCHEMA = "proscribe/plan-diff/1"
SAME, DIFFERENT = 0, 1
MAX_NAMED_HOSTS = 5
MAX_NAMED_IDENTIFIERS = 8  # that the text names per kind and change; --json has all
MAX_CHANGE_LINES = 40  # most lines of text per group of hosts

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


class ChangeGroup(NamedTuple):
    """Hosts with the same changes of their plans."""

    changes: tuple[PlanChange, ...]
    hosts: tuple[str, ...]


class PlanComparison(NamedTuple):
    """The comparison of hosts' earlier plans with their current plans.

    `new_hosts` have no earlier plan. `gone_hosts` have no plan any more.
    """

    groups: tuple[ChangeGroup, ...]
    new_hosts: tuple[str, ...]
    gone_hosts: tuple[str, ...]
    compared_count: int  # hosts with an earlier and a current plan
    exceptions: tuple[ExceptionChange, ...] = ()

    @property
    def is_different(self) -> bool:
        """Return True if any host has another policy, or an exception changes."""
        return bool(self.groups or self.new_hosts or self.gone_hosts or self.exceptions)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the argument OLD and the options of `./proscribe diff` to its parser."""
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
    inventory.add_inventory_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare earlier plans with those of the current policy, print the result and return the exit code.

    EPILOG explains the exit codes. Without --limit and with a revision as OLD, exceptions are compared, too.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    compile_input = inventory.read_compile_input(arguments)
    earlier_plans = read_earlier_plans(
        arguments.old, arguments, now, find_reports_folder(compile_input.hosts, compile_input.inventory)
    )
    compiled = compile_hosts(compile_input, now)
    comparison = compare_host_plans(earlier_plans, compiled, is_whole_inventory=not arguments.limit)
    if earlier_plans.exceptions is not None and not arguments.limit:
        exceptions = compare_exceptions(earlier_plans.exceptions, read_exceptions(compile_input, compiled, now))
        comparison = comparison._replace(exceptions=tuple(exceptions))
    departments = list_departments(compile_input, compiled.restrictions)
    if arguments.json:
        print(json.dumps(make_diff_document(earlier_plans, comparison, departments), indent=2))
    else:
        width = get_screen_width()
        print("\n".join(format_comparison(earlier_plans, comparison, departments, width, sys.stdout.isatty())))
    return DIFFERENT if comparison.is_different else SAME


def compare_host_plans(
    earlier_plans: EarlierPlans, compiled: CompiledPlans, is_whole_inventory: bool = True
) -> PlanComparison:
    """Group the hosts of `compiled` by their changes, largest group first.

    Each pair of plans is compared once. Unless `is_whole_inventory` is true, the command was limited to some hosts.
    Then a host without a current plan does not count as gone.
    """
    pairs: dict[tuple[str, str], tuple[PlanChange, ...]] = {}
    groups: dict[tuple[PlanChange, ...], list[str]] = {}
    new_hosts: list[str] = []
    for host, digest in compiled.hosts.items():
        earlier_digest = earlier_plans.hosts.get(host)
        if earlier_digest is None:
            new_hosts.append(host)
        elif earlier_digest != digest:
            pair = (earlier_digest, digest)
            if pair not in pairs:
                pairs[pair] = compare_plans(earlier_plans.plans[earlier_digest], compiled.plans[digest])
            groups.setdefault(pairs[pair], []).append(host)
    # Two plans can differ only in details that have no effect on a host. Then there are no changes, and no group.
    change_groups = [ChangeGroup(changes, tuple(sorted(hosts))) for changes, hosts in groups.items() if changes]
    gone_hosts = sorted(set(earlier_plans.hosts) - set(compiled.hosts)) if is_whole_inventory else []
    return PlanComparison(
        groups=tuple(sorted(change_groups, key=lambda group: (-len(group.hosts), group.hosts))),
        new_hosts=tuple(sorted(new_hosts)),
        gone_hosts=tuple(gone_hosts),
        compared_count=len(compiled.hosts) - len(new_hosts),
    )


def count_changes(changes: Iterable[PlanChange]) -> dict[str, dict[str, int]]:
    """Count the changes: {"services": {added, removed, changed}, "domains": {added, removed}, ...}.

    A change that many hosts share counts once. Identifiers that are added or removed with their service count, too.
    """
    counts: dict[str, dict[str, set[tuple[str, str]]]] = {}

    def add_change(noun: str, direction: str, key: tuple[str, str]) -> None:
        counts.setdefault(noun, {}).setdefault(direction, set()).add(key)

    for change in dict.fromkeys(changes):
        if change.kind == SERVICE:
            direction = "added" if not change.before else "removed" if not change.after else "changed"
            add_change("services", direction, (change.service, ""))
            for kind, identifier_count in change.counts:
                # A change of a whole service has only the number of its identifiers, so an index stands for each name.
                for index in range(identifier_count if direction != "changed" else 0):
                    add_change(kind.partition(".")[0], direction, (f"{change.service} {kind}", str(index)))
        elif change.kind == IDENTIFIER:
            noun = change.subject.partition(".")[0]
            for direction, names in (("added", change.added), ("removed", change.removed)):
                for name in names:
                    add_change(noun, direction, (change.service, name))
        else:
            noun = {CONTROL: "controls", SETTING: "settings", PLAN: change.subject}[change.kind]
            add_change(noun, "changed", (change.control, change.subject))
    return {
        noun: {direction: len(keys) for direction, keys in by_direction.items()}
        for noun, by_direction in counts.items()
    }


def count_department_hosts(
    hosts: Sequence[str], departments: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, int]]:
    """Return two numbers for each department: the given hosts in it, and all its hosts.

    Departments without any of the given hosts are left out.
    """
    compared = set(hosts)
    counts_by_department = {
        name: (len(compared.intersection(members)), len(members)) for name, members in departments.items()
    }
    return {name: counts for name, counts in counts_by_department.items() if counts[0]}


def format_comparison(
    earlier_plans: EarlierPlans,
    comparison: PlanComparison,
    departments: Mapping[str, Sequence[str]],
    width: int,
    colours: bool,
) -> Iterator[str]:
    """Yield the lines of the result: a summary, the changed exceptions, then each group of hosts with its changes.

    `departments` has the hosts by department. `width` is that of the screen, in characters.
    """
    changed_count = sum(len(group.hosts) for group in comparison.groups)
    header = f"{clean_text(earlier_plans.name)} -> now: "
    header += (
        f"{changed_count:,} of {format_count(comparison.compared_count, 'host')} have another policy"
        if changed_count
        else (f"nothing changes on {format_count(comparison.compared_count, 'host')}")
    )
    yield from (apply_styles(line, "bold", colours=colours) for line in wrap_text(header, width))
    summary = count_changes(change for group in comparison.groups for change in group.changes)
    if summary:
        yield from wrap_text(
            "; ".join(f"{noun} {_format_counts(by_direction)}" for noun, by_direction in summary.items()), width
        )
    for hosts, description in (
        (comparison.new_hosts, "without an earlier plan"),
        (comparison.gone_hosts, "no longer with a plan"),
    ):
        if hosts:
            yield from wrap_text(
                f"{format_count(len(hosts), 'host')} {description}: {summarise_names(hosts, MAX_NAMED_HOSTS)}", width
            )
    for note in earlier_plans.notes:
        yield from wrap_text(f"note: {clean_text(note)}", width)
    # Exceptions come first, so that no long list of hosts hides a new approver if the text is cut.
    for change in comparison.exceptions:
        yield from ("", clean_text(change.title))
        for sign, colour, texts in (("-", "red", change.removed), ("+", "green", change.added)):
            for text in texts:
                first, *rest = wrap_text(clean_text(text), width - 4)
                yield f"  {apply_styles(sign, colour, colours=colours)} {first}"
                yield from (f"    {line}" for line in rest)
    for group in comparison.groups:
        department_text = ", ".join(
            f"{clean_text(name)} {affected:,} of {total:,}"
            for name, (affected, total) in count_department_hosts(group.hosts, departments).items()
        )
        yield ""
        host_text = format_count(len(group.hosts), "host") + (f" ({department_text})" if department_text else "")
        yield from wrap_text(f"{host_text}: {summarise_names(group.hosts, MAX_NAMED_HOSTS)}", width)
        yield from _format_changes(group.changes, width, colours)


def _format_changes(changes: Sequence[PlanChange], width: int, colours: bool) -> Iterator[str]:
    """Yield the lines for the changes of a group of hosts: control, service or setting, change.

    The control is only in the first line of its changes. After MAX_CHANGE_LINES changes, a line has the number of the
    others.
    """
    widths = (2 + len("firewall"), min(30, max(len(_format_subject(change)) for change in changes)))
    control = None
    for change in changes[:MAX_CHANGE_LINES]:
        first = f"  {change.control or 'all'}" if change.control != control else ""
        control = change.control
        sign, colour = _choose_sign(change)
        lines = format_table_row(first, _format_subject(change), f"{sign} {_format_change(change)}", widths, width)
        yield lines[0].replace(f"  {sign} ", "  " + apply_styles(sign, colour, colours=colours) + " ", 1)
        yield from lines[1:]
    if (omitted_count := len(changes) - MAX_CHANGE_LINES) > 0:
        yield f"  and {format_count(omitted_count, 'more change')}; --json has them all"


def _format_subject(change: PlanChange) -> str:
    """Return the service or the setting that a change concerns; `the control` for a change of a control's mode."""
    return clean_text(change.service or change.subject or "the control")


def _choose_sign(change: PlanChange) -> tuple[str, str]:
    """Return the sign and colour of a change: `+` for a new service, `-` for a gone one, else `~`."""
    if change.kind == SERVICE and not change.before:
        return "+", "green"
    if change.kind == SERVICE and not change.after:
        return "-", "red"
    return "~", "yellow"


def _format_change(change: PlanChange) -> str:
    """Return a change as text: the new status of a service, or the values before and after.

    A service that comes or goes has the numbers of its identifiers. Changed identifiers have their names.
    """
    if change.kind == SERVICE and not (change.before and change.after):
        counts = ", ".join(f"{kind} {number:,}" for kind, number in change.counts)
        return clean_text(f"{change.after or f'no longer {change.before}'}{f': {counts}' if counts else ''}")
    name_texts = [
        f"{sign}{len(names):,} ({summarise_names(names, MAX_NAMED_IDENTIFIERS)})"
        for sign, names in (("+", change.added), ("-", change.removed))
        if names
    ]
    subject = f"{change.subject} " if change.service and change.subject else ""
    if name_texts:
        return clean_text(subject + " ".join(name_texts))
    return clean_text(f"{subject}{change.before or 'nothing'} -> {change.after or 'nothing'}")


def _format_counts(by_direction: Mapping[str, int]) -> str:
    """Return numbers of changes as text, such as `+3 -1 ~2` for added, removed and changed."""
    signs = {"added": "+", "removed": "-", "changed": "~"}
    return " ".join(
        f"{signs[direction]}{by_direction[direction]:,}" for direction in signs if direction in by_direction
    )


def make_diff_document(
    earlier_plans: EarlierPlans, comparison: PlanComparison, departments: Mapping[str, Sequence[str]]
) -> dict[str, object]:
    """Return the result as data for --json, with every name. `departments` has the hosts by department."""
    return {
        "schema": SCHEMA,
        "old": earlier_plans.name,
        "commits": [{"path": str(top), "commit": commit} for top, commit in earlier_plans.commits.items()],
        "notes": list(earlier_plans.notes),
        "different": comparison.is_different,
        "hosts": {
            "compared": comparison.compared_count,
            "changed": sum(len(group.hosts) for group in comparison.groups),
            "without_earlier_plan": list(comparison.new_hosts),
            "gone": list(comparison.gone_hosts),
        },
        "exceptions": [change._asdict() for change in comparison.exceptions],
        "totals": count_changes(change for group in comparison.groups for change in group.changes),
        "groups": [
            {
                "hosts": list(group.hosts),
                "departments": {
                    name: {"hosts": affected, "of": total}
                    for name, (affected, total) in count_department_hosts(group.hosts, departments).items()
                },
                "changes": [change.convert_to_dict() for change in group.changes],
            }
            for group in comparison.groups
        ],
    }
