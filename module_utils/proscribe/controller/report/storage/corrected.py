"""What runs have corrected and could not observe again: `corrected.json` beside the reports, {host: {control: run}}.

The report of that run has the evidence. The first run that observes the control again says what became of it, and takes
it out. The file is only there as long as something is open. Written in the turn of the fleet state.
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
from ..evaluation.arithmetic import has_answered
from ..evaluation.scope import AnyRun, list_observed_controls
from ..evaluation.unobserved import UNOBSERVED_KEY, UnobservedCorrection
from .complete import UnreadableReport, read_records
from .files import open_report_file, replace_file
from .pruning import RUN_ID_PATTERN

CORRECTED_FILE = "corrected.json"
MAX_FILE_BYTES = 256 * 1024 * 1024  # bytes of the file

OpenControls = dict[str, dict[str, str]]


def list_unobserved_corrections(reports: Path, run: CompiledRun) -> dict[str, list[UnobservedCorrection]]:
    """What earlier runs have left open of the hosts and the controls of a run, by host. What cannot be read any more is
    nobody's to say.
    """
    needed_controls: dict[str, dict[str, list[str]]] = {}  # the controls by run and host
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
    """The controls that a run observes; with all of them, what is beside them too."""
    controls = list_observed_controls(run)
    return (*controls, *EXTRA_RULE_GROUPS) if controls == CONTROLS else controls


def read_open_controls(reports: Path) -> OpenControls:
    """What is open; nothing where there is no file, or none that says it."""
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
    """Take what a run has seen, and what it leaves open itself. Raises OSError."""
    stored_controls = read_open_controls(reports)
    if not stored_controls and not any(UNOBSERVED_KEY in record for record in records):
        return
    updated_controls = {host: dict(controls) for host, controls in stored_controls.items()}
    covered_controls = _list_covered_controls(run)
    for record in records:
        host_controls = updated_controls.setdefault(record["host"], {})
        observed_controls = covered_controls if has_answered(record) else ()
        # A run that was closed late says nothing of what a later one has left open; ids begin with when a run began.
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
    """Forget what was corrected of controls that are lifted now, by host. Raises OSError."""
    stored_controls = read_open_controls(reports)
    updated_controls = {
        host: {control: run_id for control, run_id in controls.items() if control not in lifted_controls.get(host, ())}
        for host, controls in stored_controls.items()
    }
    _write_open_controls(reports, stored_controls, updated_controls)


def _write_open_controls(reports: Path, stored_controls: OpenControls, updated_controls: OpenControls) -> None:
    updated_controls = {host: controls for host, controls in updated_controls.items() if controls}
    if not updated_controls:
        (reports / CORRECTED_FILE).unlink(missing_ok=True)
    elif updated_controls != stored_controls:
        with replace_file(reports / CORRECTED_FILE) as stream:
            json.dump(updated_controls, stream, indent=1)
