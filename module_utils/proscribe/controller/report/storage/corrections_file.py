"""Corrections that runs could not observe: `corrected.json` beside the reports, {host: {control: run}}.

The report of that run has the evidence. The first run that observes the control again reports the result, and removes
the entry. The file exists only while it has entries. It is written while the fleet state is locked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ....model.types.report import ReportRun
from ....model.types.run import CompiledRun
from ...files import replace_file
from ..evaluation.arithmetic import is_evaluated
from ..evaluation.scope import AnyRun, list_observed_controls
from ..evaluation.unobserved_corrections import UNOBSERVED_KEY, UnobservedCorrection
from .pruning import RUN_ID_PATTERN
from .report_directory import FILE_MODE, open_report_file
from .report_reader import UnreadableReport, read_records

CORRECTED_FILE = "corrected.json"
MAX_FILE_BYTES = 256 * 1024 * 1024  # most characters of the file that are read

OpenControls = dict[str, dict[str, str]]  # {host: {control: id of the run that corrected the control}}


def list_unobserved_corrections(reports: Path, run: CompiledRun) -> dict[str, list[UnobservedCorrection]]:
    """Return by host the corrections of earlier runs that this run can observe for the first time.

    Corrections in a report that cannot be read any more are ignored.
    """
    needed_controls: dict[str, dict[str, list[str]]] = {}  # run id -> host -> controls
    for host, controls in read_open_controls(reports).items():
        if host in run["hosts"]:
            for control in filter(_list_covered_controls(run).__contains__, controls):
                needed_controls.setdefault(controls[control], {}).setdefault(host, []).append(control)
    corrections: dict[str, list[UnobservedCorrection]] = {}
    for run_id, hosts in sorted(needed_controls.items()):
        with contextlib.suppress(OSError, UnreadableReport, KeyError, TypeError):
            for record in read_records(reports / run_id):
                if record["host"] in hosts:
                    corrections.setdefault(record["host"], []).append(
                        UnobservedCorrection(run_id, record, hosts[record["host"]])
                    )
    return corrections


def _list_covered_controls(run: AnyRun) -> tuple[str, ...]:
    """Return the controls that a run observes.

    A run over all controls also observes the groups of EXTRA_RULE_GROUPS, which are no controls.
    """
    controls = list_observed_controls(run)
    return (*controls, *EXTRA_RULE_GROUPS) if controls == CONTROLS else controls


def read_open_controls(reports: Path) -> OpenControls:
    """Read the controls that runs corrected and could not observe again: {host: {control: run}}.

    The run is the id of the run that corrected. The result is {} without a valid file.
    """
    try:
        with open_report_file(reports / CORRECTED_FILE) as stream:
            document = json.loads(stream.read(MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    open_controls: OpenControls = {}
    for host, controls in document.items() if isinstance(document, dict) else ():
        if isinstance(controls, dict):
            valid_controls = {
                control: run_id
                for control, run_id in controls.items()
                if isinstance(run_id, str) and RUN_ID_PATTERN.fullmatch(run_id)
            }
            open_controls |= {host: valid_controls} if valid_controls else {}
    return open_controls


def update_open_controls(reports: Path, run: ReportRun, records: Sequence[HostRecord]) -> None:
    """Update the file after a run. Raises OSError.

    The controls that the run observed are removed. The controls that the run corrected and could not observe again are
    added.
    """
    stored_controls = read_open_controls(reports)
    if not stored_controls and not any(UNOBSERVED_KEY in record for record in records):
        return
    updated_controls = {host: dict(controls) for host, controls in stored_controls.items()}
    covered_controls = _list_covered_controls(run)
    for record in records:
        host_controls = updated_controls.setdefault(record["host"], {})
        observed_controls = covered_controls if is_evaluated(record) else ()
        # If this run was killed, a later run completes its report. Then the entries of newer runs must stay. The ids of
        # runs begin with their start times, so a smaller id is an older run.
        older_controls = [
            control
            for control in (*covered_controls, *record.get(UNOBSERVED_KEY, ()))
            if host_controls.get(control, "") <= run["id"]
        ]
        for control in set(older_controls).intersection(observed_controls):
            host_controls.pop(control, None)
        host_controls |= dict.fromkeys(set(older_controls).intersection(record.get(UNOBSERVED_KEY, ())), run["id"])
    _write_open_controls(reports, stored_controls, updated_controls)


def forget_lifted_controls(reports: Path, lifted_controls: Mapping[str, Collection[str]]) -> None:
    """Remove the controls from the file whose ban was removed (lifted). Raises OSError.

    `lifted_controls` has the controls by host.
    """
    stored_controls = read_open_controls(reports)
    updated_controls = {
        host: {control: run_id for control, run_id in controls.items() if control not in lifted_controls.get(host, ())}
        for host, controls in stored_controls.items()
    }
    _write_open_controls(reports, stored_controls, updated_controls)


def _write_open_controls(reports: Path, stored_controls: OpenControls, updated_controls: OpenControls) -> None:
    """Write the file if it changes, or delete the file if no control is left. Raises OSError."""
    updated_controls = {host: controls for host, controls in updated_controls.items() if controls}
    if not updated_controls:
        (reports / CORRECTED_FILE).unlink(missing_ok=True)
    elif updated_controls != stored_controls:
        with replace_file(reports / CORRECTED_FILE, FILE_MODE) as stream:
            json.dump(updated_controls, stream, indent=1)
