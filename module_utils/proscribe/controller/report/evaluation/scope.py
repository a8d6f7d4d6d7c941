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
from ..text.wording import clean_text, format_count, summarise_names

# The project's example inventory, as runs name it: a first audit of the machine that it stands on uses it.
EXAMPLE_INVENTORY = str(installation.PROJECT_DIRECTORY / "inventory")

# Why a host has no record that nobody asked, or that had not answered: the run ended before its end.
NOT_REACHED_REASON = "not reached: the run was interrupted"
NOT_KNOWN_REASON = "not known whether it was reached: the journal or the report of the run could not be written"

MAX_NAMED_MISSING = 12  # hosts without a record that are named

AnyRun = CompiledRun | ReportRun


class RunScope(NamedTuple):
    """What a run has to observe: the sources of its inventory, its --limit, and its controls (none: all)."""

    inventory: Sequence[str] = ()
    limit: str = ""
    controls: Sequence[str] = ()


def list_observed_controls(run: AnyRun) -> tuple[str, ...]:
    """The controls that a run observed, in their order."""
    selected = run.get("controls") or CONTROLS
    return tuple(control for control in CONTROLS if control in selected)


def count_left_out_hosts(run: AnyRun) -> int | None:
    """How many hosts of the inventory a run did not ask; None where only its --limit says that there may be some."""
    left_out = run.get("left_out")
    if left_out is None:
        return None if run.get("limit") else 0
    return left_out if isinstance(left_out, int) else len(left_out)


def is_whole_run(run: AnyRun) -> bool:
    """Whether a run asked every host of its inventory for every control. One that was interrupted never did."""
    return count_left_out_hosts(run) == 0 and list_observed_controls(run) == CONTROLS and not run.get("interrupted")


def select_reached_records(records: Iterable[HostRecord]) -> list[HostRecord]:
    """The records of the hosts that a run asked before it was interrupted; of the others it says nothing."""
    return [record for record in records if record["reason"] not in (NOT_REACHED_REASON, NOT_KNOWN_REASON)]


def describe_interruption(report: FleetReport) -> str:
    """Why the run of a fleet report did not come to its end, in words; "" for one that did."""
    interrupted = report["run"].get("interrupted")
    if interrupted:
        return f"interrupted: {interrupted['why']}"
    rollout = report.get("rollout")
    return (rollout["why"] or "") if rollout else ""


def describe_department(report: FleetReport) -> list[str]:
    """What the report of one department has to say of its hosts; [] for a report of all."""
    department = report.get("department")
    if not department:
        return []
    name, missing = clean_text(department["name"]), department["missing"]
    remarks = [f"department {name} alone"]
    if missing:
        remarks.append(f"no record of {summarise_names(missing, MAX_NAMED_MISSING)}")
    if department["partial"]:
        remarks.append(f"the run was over a part of all hosts, and {name} may have more")
    return remarks


def is_same_inventory(first_sources: Sequence[str] | None, second_sources: Sequence[str] | None) -> bool:
    """Whether two runs are over one inventory. The order in which its sources are named does not matter."""
    return _normalise_sources(first_sources) == _normalise_sources(second_sources)


def _normalise_sources(inventory: Sequence[str] | None) -> set[str]:
    return {source.rstrip("/") for source in inventory or ()}


def is_scope_covered(earlier_run: AnyRun, scope: RunScope) -> bool:
    """Whether an earlier run observed all that a run with this scope observes."""
    if not is_same_inventory(earlier_run.get("inventory"), scope.inventory):
        return False
    has_all_hosts = count_left_out_hosts(earlier_run) == 0 or (
        bool(scope.limit) and earlier_run.get("limit") == scope.limit
    )
    return has_all_hosts and set(scope.controls or CONTROLS) <= set(list_observed_controls(earlier_run))


def describe_restrictions(run: AnyRun) -> list[str]:
    """What a run over a part left out, in words for a headline; nothing for a whole one."""
    restrictions = []
    left_out_count = count_left_out_hosts(run)
    if left_out_count != 0:
        limit = f" (--limit {clean_text(run['limit'])})" if run.get("limit") else ""
        restrictions.append(
            f"{format_count(left_out_count, 'host')} not selected{limit}"
            if left_out_count
            else f"limited to {clean_text(run['limit'])}"
        )
    if list_observed_controls(run) != CONTROLS:
        restrictions.append(f"{' and '.join(list_observed_controls(run))} only")
    return restrictions


def describe_ban_effect(run: AnyRun) -> str:
    """What a run can say where all is as required: `the ban is in effect`, or the controls of it that it observed."""
    controls = list_observed_controls(run)
    if controls == CONTROLS:
        return "the ban is in effect"
    return f"the ban's {' and '.join(controls)} {'are' if len(controls) > 1 else 'is'} in effect"
