"""Tables of hosts by department, control and service, if the rows differ, and tables of missing blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.finding import NOT_APPLICABLE, STATES
from ..evaluation.control_modes import AUDIT
from ..evaluation.finding_groups import AUDITED_SUFFIX
from ..text.wording import format_count, format_key
from .bars import BarPiece, make_bar
from .breakdown import FleetBreakdown, MissingNames, StateCounts

NO_DEPARTMENT = "no department"


class CountRow(NamedTuple):
    """A row of a table of counts: the hosts under a name, by state, as a bar and in words."""

    name: str  # "" in the row of the hosts without a department
    shown: str  # the name as the page shows it
    bar: Sequence[BarPiece]
    words: str
    note: str  # follows `words`; "" for none


class CountTable(NamedTuple):
    """A table of hosts counted by state.

    `kind` is the filter that the page's script sets for a row: department, control or service.
    """

    kind: str
    column: str
    heading: str
    note: str
    rows: Sequence[CountRow]


class MissingRow(NamedTuple):
    """Services or settings that are not in effect in the same controls, on the same number of hosts."""

    controls: str
    number: str  # number of the names, with its noun: `3 services`
    hosts: str  # numbers of hosts by state, in words
    names: Sequence[str]


class MissingTable(NamedTuple):
    """A table of blocks that are missing on hosts.

    It has no bars, because before the first enforcing run all bars would be equal.
    """

    heading: str
    note: str
    rows: Sequence[MissingRow]


def make_count_tables(breakdown: FleetBreakdown, controls: Mapping[str, Mapping[str, object]]) -> Sequence[CountTable]:
    """Make the tables of hosts by department, control and service.

    A table is left out if the report has a single host, or if all rows are equal. Such a table would show nothing new.
    `controls` are the counts of the report: {control: {mode: counts}}.
    """
    # controls that every host only audits
    audited_controls = {name for name, modes in controls.items() if modes.keys() == {AUDIT}}
    control_note = "Hosts with a rule that is not compliant."
    table_kinds = (
        ("department", "Department", "By department", "", breakdown.department_counts),
        ("control", "Control", "By control", control_note, breakdown.control_counts),
        (
            "service",
            "Service",
            "Services found",
            "Hosts on which something of the service was found.",
            breakdown.found_counts,
        ),
    )
    count_tables = []
    for kind, column, heading, note, counts in table_kinds:
        rows = [
            _make_count_row(name, state_counts, AUDITED_SUFFIX * (kind == "control" and name in audited_controls))
            for name, state_counts in counts.items()
        ]
        count_tables.append(CountTable(kind, column, heading, note, rows))
    return [
        count_table for count_table in count_tables if len(breakdown.hosts) > 1 and _has_different_rows(count_table)
    ]


def _has_different_rows(table: CountTable) -> bool:
    """Return whether a table has different rows, so that it is worth showing.

    Several services always count as different.
    """
    return len(table.rows if table.kind == "service" else {(row.words, row.note) for row in table.rows}) > 1


def make_missing_tables(breakdown: FleetBreakdown) -> Sequence[MissingTable]:
    """Make the tables of services that are not blocked and of settings that are not in effect.

    They are left out for a single host.
    """
    service_note = (
        "What blocks them is missing there, or could not be checked. It does not mean that somebody has them."
    )
    table_kinds = (
        ("Services not blocked yet", service_note, "service", breakdown.unblocked_services),
        (
            "Settings not in effect",
            "They are missing there, or could not be checked.",
            "setting",
            breakdown.unset_settings,
        ),
    )
    return [
        MissingTable(heading, note, [_make_missing_row(missing_names, noun) for missing_names in missing_list])
        for heading, note, noun, missing_list in table_kinds
        if missing_list and len(breakdown.hosts) > 1
    ]


def _make_missing_row(missing: MissingNames, noun: str) -> MissingRow:
    """Make a row in words from services or settings that are not in effect.

    `noun` is the noun for a name.
    """
    return MissingRow(
        ", ".join(missing.controls),
        format_count(len(missing.names), noun),
        _describe_counts(missing.hosts),
        missing.names,
    )


def _make_count_row(name: str, counts: StateCounts, note: str) -> CountRow:
    """Make a row of hosts by state.

    The bar leaves out hosts to which nothing applies, unless there are no others.
    """
    shown_counts = {state: count for state, count in counts.items() if state != NOT_APPLICABLE or len(counts) == 1}
    return CountRow(name, name or NO_DEPARTMENT, make_bar(shown_counts), _describe_counts(counts), note)


def _describe_counts(counts: StateCounts) -> str:
    return ", ".join(f"{counts[state]:,} {format_key(state)}" for state in STATES if counts.get(state))
