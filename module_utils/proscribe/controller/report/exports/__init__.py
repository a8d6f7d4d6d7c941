"""The report in the formats of other tools: a file each, all written in one pass over the host records.

An export is a module here: a class with `add_host(host_entry)`, called for each expected host, and `finish_export()`.
The module declares it in `FORMATS`. The rest follows from `FORMATS`: the values of `proscribe_exports` and `report
--format`, the table of docs/exports.md, and the tests that every export passes.

An export gets the stream of its file and the fleet report. It stores only a few bytes of each host, because fleets have
100,000 hosts. Every expected host is in every export; a host that did not answer is unknown there, never compliant.
Every host that is not served is listed as not served.
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
from ...files import replace_file
from ..evaluation.fleet_state import FleetState
from ..history.transitions import RunTransitions
from ..storage.report_directory import FILE_MODE
from .format import ReportExport, ReportFormat
from .host_entries import RecordReader

# Modules in this directory that are no exports. The exports share them.
SHARED = frozenset(
    {"event_history", "event_kinds", "event_maker", "event_texts", "format", "host_entries", "text_spool"}
)


@functools.cache
def list_export_formats() -> Mapping[str, ReportFormat]:
    """Return all exports by name.

    The exports of the same module are adjacent.
    """
    module_names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in SHARED)
    export_formats: list[ReportFormat] = [
        export_format for name in module_names for export_format in import_module(f".{name}", __name__).FORMATS
    ]
    return {export_format.name: export_format for export_format in export_formats}


def list_default_names() -> tuple[str, ...]:
    """Return the names of the exports that are written by default."""
    return tuple(export_format.name for export_format in list_export_formats().values() if export_format.is_default)


def list_fleet_state_names() -> frozenset[str]:
    """Return the names of the exports that describe all known hosts, not only the hosts of a single run."""
    return frozenset(
        export_format.name for export_format in list_export_formats().values() if export_format.write_fleet_state
    )


def has_history_exports(names: Iterable[str]) -> bool:
    """Return whether one of these exports lists the changes of a run, and so needs the history.

    Names of unknown exports are ignored.
    """
    return any(list_export_formats()[name].make_from_history for name in names if name in list_export_formats())


def write_exports(
    directory: Path,
    report: FleetReport,
    records: Iterable[HostRecord],
    format_names: Collection[str],
    fleet_state: FleetState | None = None,
    transitions: RunTransitions | None = None,
) -> list[Path]:
    """Write the named exports of a report into its directory, and return their paths.

    `records` are the reconciled records of all expected hosts; they are read once. Each file appears whole, and no file
    appears if an export fails. `fleet_state` has all known hosts (None: only this run is known). Exports that are read
    long after the run, such as the metrics, describe these hosts. `transitions` are the changes of the run, from the
    history (None: unknown). Raises OSError, and ValueError for an unknown export.
    """
    for name in format_names:
        if name not in list_export_formats():
            raise ValueError(f"there is no export {name!r}; expected some of {', '.join(list_export_formats())}")
    export_formats = [list_export_formats()[name] for name in format_names]
    paths = [directory / export_format.file_name for export_format in export_formats]
    if len(set(paths)) < len(paths):  # an export and its variant have the same file, such as `sarif` and `sarif_open`
        raise ValueError(f"two exports would be one file: {', '.join(format_names)}")
    if not format_names:
        return paths
    with contextlib.ExitStack() as stack:
        exports = []
        for export_format, path in zip(export_formats, paths):
            stream = stack.enter_context(replace_file(path, FILE_MODE))
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
    """Write the export `format_name` of a report to a stream, with the same text as in its file.

    `transitions` are the changes of the run, from the history (None: unknown).
    """
    fill_exports([_make_export(list_export_formats()[format_name], stream, report, transitions)], report, records)


def _make_export(
    export_format: ReportFormat, stream: TextIO, report: FleetReport, transitions: RunTransitions | None
) -> ReportExport:
    """Make an export that writes to the stream, with the changes of the run if the export lists changes."""
    return (
        export_format.make_from_history(stream, report, transitions)
        if export_format.make_from_history
        else export_format.make_export(stream, report)
    )


def fill_exports(exports: Sequence[ReportExport], report: FleetReport, records: Iterable[HostRecord]) -> None:
    """Pass all hosts of a report to several exports, reading each record once, and finish the exports."""
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
    """Rewrite the exports beside an earlier report that describe all known hosts. Raises OSError.

    Programs that read these files expect the present state. An export that the earlier report lacks is not created.
    """
    for export_format in list_export_formats().values():
        path = directory / export_format.file_name
        if export_format.write_fleet_state and path.is_file():
            with replace_file(path, FILE_MODE) as stream:
                export_format.write_fleet_state(stream, report, fleet_state)
