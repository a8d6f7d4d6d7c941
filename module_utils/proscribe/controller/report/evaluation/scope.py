"""The scope of a run: which hosts of the inventory it covers, and which controls of them. Pure.

A run over a part (`--limit`, `--tags`) says nothing of the rest. It never stands for the whole, in no output.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from ....model.types.run import CompiledRun
from ....wire import installation
from ..text.wording import clean, counted, some

# The project's example inventory, as runs name it: a first audit of the machine that it stands on uses it.
EXAMPLE = str(installation.PROJECT_DIRECTORY / "inventory")

# Why a host has no record that nobody asked, or that had not answered: the run ended before its end.
NOT_REACHED = "not reached: the run was interrupted"
NOT_KNOWN = "not known whether it was reached: the journal or the report of the run could not be written"

FEW_MISSING = 12  # hosts without a record that are named

Run = CompiledRun | ReportRun


class Scope(NamedTuple):
    """What a run has to observe: the sources of its inventory, its --limit, and its controls (none: all)."""

    inventory: Sequence[str] = ()
    limit: str = ""
    controls: Sequence[str] = ()


def controls_of(run: Run) -> tuple[str, ...]:
    """The controls that a run observed, in their order."""
    selected = run.get("controls") or CONTROLS
    return tuple(control for control in CONTROLS if control in selected)


def left_out(run: Run) -> int | None:
    """How many hosts of the inventory a run did not ask; None where only its --limit says that there may be some."""
    left = run.get("left_out")
    if left is None:
        return None if run.get("limit") else 0
    return left if isinstance(left, int) else len(left)


def is_whole(run: Run) -> bool:
    """Whether a run asked every host of its inventory for every control. One that was interrupted never did."""
    return left_out(run) == 0 and controls_of(run) == CONTROLS and not run.get("interrupted")


def reached(records: Iterable[HostRecord]) -> list[HostRecord]:
    """The records of the hosts that a run asked before it was interrupted; of the others it says nothing."""
    return [record for record in records if record["reason"] not in (NOT_REACHED, NOT_KNOWN)]


def cut_short(report: FleetReport) -> str:
    """Why the run of a fleet report did not come to its end, in words; "" for one that did."""
    interrupted = report["run"].get("interrupted")
    if interrupted:
        return f"interrupted: {interrupted['why']}"
    rollout = report.get("rollout")
    return (rollout["why"] or "") if rollout else ""


def department_only(report: FleetReport) -> list[str]:
    """What the report of one department has to say of its hosts; [] for a report of all."""
    department = report.get("department")
    if not department:
        return []
    name, missing = clean(department["name"]), department["missing"]
    said = [f"department {name} alone"]
    if missing:
        said.append(f"no record of {some(missing, FEW_MISSING)}")
    if department["partial"]:
        said.append(f"the run was over a part of all hosts, and {name} may have more")
    return said


def same_inventory(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Whether two runs are over one inventory. The order in which its sources are named does not matter."""
    return _sources(one) == _sources(other)


def _sources(inventory: Sequence[str] | None) -> set[str]:
    return {source.rstrip("/") for source in inventory or ()}


def covers(earlier: Run, scope: Scope) -> bool:
    """Whether an earlier run observed all that a run with this scope observes."""
    if not same_inventory(earlier.get("inventory"), scope.inventory):
        return False
    hosts = left_out(earlier) == 0 or (bool(scope.limit) and earlier.get("limit") == scope.limit)
    return hosts and set(scope.controls or CONTROLS) <= set(controls_of(earlier))


def parts(run: Run) -> list[str]:
    """What a run over a part left out, in words for a headline; nothing for a whole one."""
    restrictions = []
    left = left_out(run)
    if left != 0:
        limit = f" (--limit {clean(run['limit'])})" if run.get("limit") else ""
        restrictions.append(
            f"{counted(left, 'host')} not selected{limit}" if left else f"limited to {clean(run['limit'])}"
        )
    if controls_of(run) != CONTROLS:
        restrictions.append(f"{' and '.join(controls_of(run))} only")
    return restrictions


def in_effect(run: Run) -> str:
    """What a run can say where all is as required: `the ban is in effect`, or the controls of it that it observed."""
    controls = controls_of(run)
    if controls == CONTROLS:
        return "the ban is in effect"
    return f"the ban's {' and '.join(controls)} {'are' if len(controls) > 1 else 'is'} in effect"
