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
from ..evaluation.arithmetic import answered
from ..evaluation.scope import Run, controls_of
from ..evaluation.unobserved import KEY, Earlier
from .complete import UnreadableReport, read_records
from .files import opened, whole
from .pruning import NAME

FILE = "corrected.json"
MOST = 256 * 1024 * 1024  # bytes of the file

Open = dict[str, dict[str, str]]


def earlier(reports: Path, run: CompiledRun) -> dict[str, list[Earlier]]:
    """What earlier runs have left open of the hosts and the controls of a run, by host. What cannot be read any more is
    nobody's to say.
    """
    needed: dict[str, dict[str, list[str]]] = {}  # the controls by run and host
    for host, controls in read(reports).items():
        if host in run["hosts"]:
            for control in filter(_about(run).__contains__, controls):
                needed.setdefault(controls[control], {}).setdefault(host, []).append(control)
    found: dict[str, list[Earlier]] = {}
    for id_, hosts in sorted(needed.items()):
        with contextlib.suppress(OSError, UnreadableReport, KeyError, TypeError):
            for record in read_records(reports / id_):
                if record["host"] in hosts:
                    found.setdefault(record["host"], []).append(Earlier(id_, record, hosts[record["host"]]))
    return found


def _about(run: Run) -> tuple[str, ...]:
    """The controls that a run observes; with all of them, what is beside them too."""
    controls = controls_of(run)
    return (*controls, *EXTRA_RULE_GROUPS) if controls == CONTROLS else controls


def read(reports: Path) -> Open:
    """What is open; nothing where there is no file, or none that says it."""
    try:
        with opened(reports / FILE) as stream:
            value = json.loads(stream.read(MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    found: Open = {}
    for host, controls in value.items() if isinstance(value, dict) else ():
        if isinstance(controls, dict):
            named = {c: run for c, run in controls.items() if isinstance(run, str) and NAME.fullmatch(run)}
            found |= {host: named} if named else {}
    return found


def take(reports: Path, run: ReportRun, records: Sequence[HostRecord]) -> None:
    """Take what a run has seen, and what it leaves open itself. Raises OSError."""
    before = read(reports)
    if not before and not any(KEY in record for record in records):
        return
    after = {host: dict(controls) for host, controls in before.items()}
    about = _about(run)
    for record in records:
        mine = after.setdefault(record["host"], {})
        seen = about if answered(record) else ()
        # A run that was closed late says nothing of what a later one has left open; ids begin with when a run began.
        older = [control for control in (*about, *record.get(KEY, ())) if mine.get(control, "") <= run["id"]]
        for control in set(older).intersection(seen):
            mine.pop(control, None)
        mine |= dict.fromkeys(set(older).intersection(record.get(KEY, ())), run["id"])
    _write(reports, before, after)


def forget(reports: Path, lifted: Mapping[str, Collection[str]]) -> None:
    """Forget what was corrected of controls that are lifted now, by host. Raises OSError."""
    before = read(reports)
    after = {
        host: {control: run for control, run in controls.items() if control not in lifted.get(host, ())}
        for host, controls in before.items()
    }
    _write(reports, before, after)


def _write(reports: Path, before: Open, after: Open) -> None:
    after = {host: controls for host, controls in after.items() if controls}
    if not after:
        (reports / FILE).unlink(missing_ok=True)
    elif after != before:
        with whole(reports / FILE) as stream:
            json.dump(after, stream, indent=1)
