"""The report in other tools' formats: one file each, all written in one pass over the host records.

An export is a module here: a class with `add(answer)`, called for each expected host, and `finish()`, and what the
module declares of it in `FORMATS`. Everything else follows from that: what `proscribe_exports` and `report --format`
may name, the table of docs/exports.md, and the tests of what holds for every export.

An export gets the stream of its file and the fleet report, and never holds more of a host than a few bytes: fleets have
100,000 of them. Every expected host is in every export, and one that did not answer is unknown there, never compliant.
So is every host that is not served, by that name.
"""

from __future__ import annotations

import contextlib
import functools
import pkgutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TextIO

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ..evaluation.fleet_state import FleetState
from ..history.transitions import RunTransitions
from ..storage.files import replace_file
from .format import Export, Format
from .record_lines import Reader

# Modules here that are no exports: what these share.
SHARED = frozenset({"event_changes", "event_kinds", "event_making", "event_texts", "format", "record_lines", "spool"})


@functools.cache
def formats() -> Mapping[str, Format]:
    """All exports by their names, those of one module together."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in SHARED)
    declared: list[Format] = [one for name in modules for one in import_module(f".{name}", __name__).FORMATS]
    return {one.name: one for one in declared}


def usual() -> tuple[str, ...]:
    """The names of the exports that are written where the restrictions name none."""
    return tuple(one.name for one in formats().values() if one.usual)


def of_all_known() -> frozenset[str]:
    """The names of the exports that are about all that is known, not about their run alone."""
    return frozenset(one.name for one in formats().values() if one.write_fleet_state)


def of_history(names: Iterable[str]) -> bool:
    """Whether one of these exports lists what changed."""
    return any(formats()[name].make_from_history for name in names if name in formats())


def write(
    directory: Path,
    report: FleetReport,
    records: Iterable[HostRecord],
    names: Collection[str],
    fleet_state: FleetState | None = None,
    changes: RunTransitions | None = None,
) -> list[Path]:
    """Write the named exports of a report into its folder; returns their paths.

    `records` are the reconciled host records, one for each expected host; they are gone through once. Each file appears
    whole, and none of them if one fails. `fleet_state` is all that is known, for what is read long after the run (None:
    nothing but this run). `changes` are those of the run (None: not known). Raises OSError, and ValueError for a name
    that is no export.
    """
    for name in names:
        if name not in formats():
            raise ValueError(f"there is no export {name!r}; expected some of {', '.join(formats())}")
    chosen = [formats()[name] for name in names]
    paths = [directory / one.file for one in chosen]
    if len(set(paths)) < len(paths):
        raise ValueError(f"two exports would be one file: {', '.join(names)}")
    if not names:
        return paths
    with contextlib.ExitStack() as stack:
        exports = []
        for one, path in zip(chosen, paths):
            stream = stack.enter_context(replace_file(path))
            if fleet_state is not None and one.write_fleet_state:
                one.write_fleet_state(stream, report, fleet_state)
            else:
                exports.append(_made(one, stream, report, changes))
        fill(exports, report, records)
    return paths


def pour(
    stream: TextIO, report: FleetReport, records: Iterable[HostRecord], name: str, changes: RunTransitions | None = None
) -> None:
    """Write one export of a report, by its name, to a stream: the same text as in its file."""
    fill([_made(formats()[name], stream, report, changes)], report, records)


def _made(one: Format, stream: TextIO, report: FleetReport, changes: RunTransitions | None) -> Export:
    return one.make_from_history(stream, report, changes) if one.make_from_history else one.make(stream, report)


def fill(exports: Sequence[Export], report: FleetReport, records: Iterable[HostRecord]) -> None:
    """Hand a report to exports: each host, then what comes after the last one."""
    answers = Reader()
    for record in records:
        answer = answers.read(record)
        for export in exports:
            export.add(answer)
    for one in report.get("not_served") or ():
        for export in exports:
            export.not_served(one["host"], one["why"])
    for export in exports:
        export.finish()


def refresh(directory: Path, report: FleetReport, fleet_state: FleetState) -> None:
    """Write anew what an earlier report has about all that is known: who reads it there is to see what is known now.
    Raises OSError.
    """
    for one in formats().values():
        path = directory / one.file
        if one.write_fleet_state and path.is_file():
            with replace_file(path) as stream:
                one.write_fleet_state(stream, report, fleet_state)
