"""Hosts counted by department, by control and by service, where the rows differ; and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.finding import NOT_APPLICABLE, STATES
from ..evaluation.groups import AUDITED_SUFFIX
from ..evaluation.modes import AUDIT
from ..text.wording import counted, in_words
from .bars import Piece, bar
from .breakdown import Breakdown, Counts, Missing

NO_DEPARTMENT = "no department"


class Row(NamedTuple):
    """The hosts under one name, by state: as a bar, and in words."""

    name: str  # "" for hosts of no department
    shown: str
    bar: Sequence[Piece]
    words: str
    note: str


class Table(NamedTuple):
    """One way to count them. `kind` is what the script filters by: department, control or service."""

    kind: str
    column: str
    heading: str
    note: str
    rows: Sequence[Row]


class Gap(NamedTuple):
    """What the same controls lack on as many hosts."""

    controls: str
    number: str
    hosts: str
    names: Sequence[str]


class Gaps(NamedTuple):
    """What is missing, without a bar: it is as much for everything before the first enforcing run."""

    heading: str
    note: str
    rows: Sequence[Gap]


def tables(breakdown: Breakdown, controls: Mapping[str, Mapping[str, object]]) -> Sequence[Table]:
    """The tables whose rows differ, of several hosts. What one host has, and what is the same for all rows, is said
    above. `controls` are the report's, by mode.
    """
    audited = {name for name, modes in controls.items() if modes.keys() == {AUDIT}}
    wrong = "Hosts with a rule that is not compliant."
    kinds = (
        ("department", "Department", "By department", "", breakdown.departments),
        ("control", "Control", "By control", wrong, breakdown.controls),
        ("service", "Service", "Services found", "Hosts on which something of the service was found.", breakdown.found),
    )
    found = []
    for kind, column, heading, note, counts in kinds:
        rows = [_row(name, of, AUDITED_SUFFIX * (kind == "control" and name in audited)) for name, of in counts.items()]
        found.append(Table(kind, column, heading, note, rows))
    return [one for one in found if len(breakdown.hosts) > 1 and _distinguishes(one)]


def _distinguishes(table: Table) -> bool:
    """Whether rows differ; which services were found differs by itself."""
    return len(table.rows if table.kind == "service" else {(row.words, row.note) for row in table.rows}) > 1


def gaps(breakdown: Breakdown) -> Sequence[Gaps]:
    """What is not in effect on some of several hosts: services that are not blocked, and settings."""
    services = "What blocks them is missing there, or could not be checked. It does not mean that somebody has them."
    kinds = (
        ("Services not blocked yet", services, "service", breakdown.unblocked),
        ("Settings not in effect", "They are missing there, or could not be checked.", "setting", breakdown.unset),
    )
    return [
        Gaps(heading, note, [_gap(one, noun) for one in missing])
        for heading, note, noun, missing in kinds
        if missing and len(breakdown.hosts) > 1
    ]


def _gap(one: Missing, noun: str) -> Gap:
    return Gap(", ".join(one.controls), counted(len(one.names), noun), _words(one.hosts), one.names)


def _row(name: str, counts: Counts, note: str) -> Row:
    shown = {state: count for state, count in counts.items() if state != NOT_APPLICABLE or len(counts) == 1}
    return Row(name, name or NO_DEPARTMENT, bar(shown), _words(counts), note)


def _words(counts: Counts) -> str:
    return ", ".join(f"{counts[state]:,} {in_words(state)}" for state in STATES if counts.get(state))
