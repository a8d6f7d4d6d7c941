"""Hosts counted by department, by control, by service and by setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...finding import NOT_APPLICABLE, STATES
from ..evaluation.groups import AUDITED
from ..evaluation.modes import AUDIT
from ..text.wording import in_words
from .bars import Piece, bar
from .breakdown import Breakdown, Counts

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
    rows: Sequence[Row]


def tables(breakdown: Breakdown, controls: Mapping[str, Mapping[str, Any]]) -> Sequence[Table]:
    """The tables that have rows; `controls` are the report's, by mode."""
    audited = {name for name, modes in controls.items() if modes.keys() == {AUDIT}}
    kinds = (
        ("department", "Department", "By department", breakdown.departments),
        ("control", "Control", "By control", breakdown.controls),
        ("service", "Service", "By service", breakdown.services),
        ("service", "Setting", "By setting", breakdown.settings),
    )
    return [
        Table(
            kind,
            column,
            heading,
            [_row(name, of, AUDITED * (kind == "control" and name in audited)) for name, of in counts.items()],
        )
        for kind, column, heading, counts in kinds
        if counts
    ]


def _row(name: str, counts: Counts, note: str) -> Row:
    words = ", ".join(f"{counts[state]:,} {in_words(state)}" for state in STATES if counts.get(state))
    shown = {state: count for state, count in counts.items() if state != NOT_APPLICABLE or len(counts) == 1}
    return Row(name, name or NO_DEPARTMENT, bar(shown), words, note)
