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
from .format import ReportExport, ReportFormat
from .record_lines import RecordReader

# Modules here that are no exports: what these share.
SHARED = frozenset({"event_changes", "event_kinds", "event_making", "event_texts", "format", "record_lines", "spool"})


@functools.cache
def list_export_formats() -> Mapping[str, ReportFormat]:
    """All exports by their names, those of one module together."""
    module_names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in SHARED)
    export_formats: list[ReportFormat] = [
        export_format for name in module_names for export_format in import_module(f".{name}", __name__).FORMATS
    ]
    return {export_format.name: export_format for export_format in export_formats}


def list_default_names() -> tuple[str, ...]:
    """The names of the exports that are written where the restrictions name none."""
    return tuple(export_format.name for export_format in list_export_formats().values() if export_format.is_default)


def list_fleet_state_names() -> frozenset[str]:
    """The names of the exports that are about all that is known, not about their run alone."""
    return frozenset(
        export_format.name for export_format in list_export_formats().values() if export_format.write_fleet_state
    )


def has_history_exports(names: Iterable[str]) -> bool:
    """Whether one of these exports lists what changed."""
    return any(list_export_formats()[name].make_from_history for name in names if name in list_export_formats())


def write_exports(
    directory: Path,
    report: FleetReport,
    records: Iterable[HostRecord],
    format_names: Collection[str],
    fleet_state: FleetState | None = None,
    transitions: RunTransitions | None = None,
) -> list[Path]:
    """Write the named exports of a report into its folder; returns their paths.

    `records` are the reconciled host records, one for each expected host; they are gone through once. Each file appears
    whole, and none of them if one fails. `fleet_state` is all that is known, for what is read long after the run (None:
    nothing but this run). `transitions` are those of the run (None: not known). Raises OSError, and ValueError for a name
    that is no export.
    """
    for name in format_names:
        if name not in list_export_formats():
            raise ValueError(f"there is no export {name!r}; expected some of {', '.join(list_export_formats())}")
    export_formats = [list_export_formats()[name] for name in format_names]
    paths = [directory / export_format.file_name for export_format in export_formats]
    if len(set(paths)) < len(paths):
        raise ValueError(f"two exports would be one file: {', '.join(format_names)}")
    if not format_names:
        return paths
    with contextlib.ExitStack() as stack:
        exports = []
        for export_format, path in zip(export_formats, paths):
            stream = stack.enter_context(replace_file(path))
            if fleet_state is not None and export_format.write_fleet_state:
                export_format.write_fleet_state(stream, report, fleet_state)
            else:
                exports.append(_make_export(export_format, stream, report, transitions))
        fill_exports(exports, report, records)
    return paths


def write_export(
    stream: TextIO,
    report: FleetReport,
    records: Iterable[HostRecord],
    format_name: str,
    transitions: RunTransitions | None = None,
) -> None:
    """Write one export of a report, by its name, to a stream: the same text as in its file."""
    fill_exports([_make_export(list_export_formats()[format_name], stream, report, transitions)], report, records)


def _make_export(
    export_format: ReportFormat, stream: TextIO, report: FleetReport, transitions: RunTransitions | None
) -> ReportExport:
    return (
        export_format.make_from_history(stream, report, transitions)
        if export_format.make_from_history
        else export_format.make_export(stream, report)
    )


def fill_exports(exports: Sequence[ReportExport], report: FleetReport, records: Iterable[HostRecord]) -> None:
    """Hand a report to exports: each host, then what comes after the last one."""
    reader = RecordReader()
    for record in records:
        host_entry = reader.read_record(record)
        for export in exports:
            export.add_host(host_entry)
    for unserved in report.get("not_served") or ():
        for export in exports:
            export.add_unserved_host(unserved["host"], unserved["why"])
    for export in exports:
        export.finish_export()


def refresh_exports(directory: Path, report: FleetReport, fleet_state: FleetState) -> None:
    """Write anew what an earlier report has about all that is known: who reads it there is to see what is known now.
    Raises OSError.
    """
    for export_format in list_export_formats().values():
        path = directory / export_format.file_name
        if export_format.write_fleet_state and path.is_file():
            with replace_file(path) as stream:
                export_format.write_fleet_state(stream, report, fleet_state)
