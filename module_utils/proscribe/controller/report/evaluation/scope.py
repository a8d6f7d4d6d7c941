"""The scope of a run: the hosts of the inventory that it covers, and their controls. Pure.

A run over a part (`--limit`, `--tags`) proves nothing about the rest. No output presents it as a run over the whole.
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

# The path of Proscribe's example inventory, as the reports of runs have it. A first audit of the local machine uses it.
EXAMPLE_INVENTORY = str(installation.PROJECT_DIRECTORY / "inventory")

# The reasons for a missing record after an interrupted run. The second applies if events of the run are lost.
NOT_REACHED_REASON = "not reached: the run was interrupted"
NOT_KNOWN_REASON = "not known whether it was reached: the journal or the report of the run could not be written"

MAX_NAMED_MISSING = 12  # most hosts without a record that a remark names

AnyRun = CompiledRun | ReportRun


class RunScope(NamedTuple):
    """The scope of a run: the sources of its inventory, its --limit, and its controls (empty: all)."""

    inventory: Sequence[str] = ()
    limit: str = ""
    controls: Sequence[str] = ()


def list_observed_controls(run: AnyRun) -> tuple[str, ...]:
    """Return the controls that a run observed, in the order of CONTROLS."""
    selected = run.get("controls") or CONTROLS
    return tuple(control for control in CONTROLS if control in selected)


def count_left_out_hosts(run: AnyRun) -> int | None:
    """Count the hosts of the inventory that a run left out.

    None means that the number is unknown: the run has a --limit, and its report has no number.
    """
    left_out = run.get("left_out")
    if left_out is None:
        return None if run.get("limit") else 0
    return left_out if isinstance(left_out, int) else len(left_out)


def is_whole_run(run: AnyRun) -> bool:
    """Return whether a run covered every host and every control. An interrupted run never did."""
    return count_left_out_hosts(run) == 0 and list_observed_controls(run) == CONTROLS and not run.get("interrupted")


def select_reached_records(records: Iterable[HostRecord]) -> list[HostRecord]:
    """Return the records of the hosts that a run reached before it was interrupted.

    An interrupted run proves nothing about the hosts that it did not reach.
    """
    return [record for record in records if record["reason"] not in (NOT_REACHED_REASON, NOT_KNOWN_REASON)]


def describe_interruption(report: FleetReport) -> str:
    """Describe why the run of a fleet report ended early; "" if it did not."""
    interrupted = report["run"].get("interrupted")
    if interrupted:
        return f"interrupted: {interrupted['why']}"
    rollout = report.get("rollout")
    return (rollout["why"] or "") if rollout else ""


def describe_department(report: FleetReport) -> list[str]:
    """Describe the limits of a report about a single department; [] for a report about all hosts."""
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
    """Return whether two inventories have the same sources, in any order."""
    return _normalise_sources(first_sources) == _normalise_sources(second_sources)


def _normalise_sources(inventory: Sequence[str] | None) -> set[str]:
    return {source.rstrip("/") for source in inventory or ()}


def is_scope_covered(earlier_run: AnyRun, scope: RunScope) -> bool:
    """Return whether an earlier run observed every host and every control of this scope."""
    if not is_same_inventory(earlier_run.get("inventory"), scope.inventory):
        return False
    # the same --limit selects the same hosts of the inventory
    has_all_hosts = count_left_out_hosts(earlier_run) == 0 or (
        bool(scope.limit) and earlier_run.get("limit") == scope.limit
    )
    return has_all_hosts and set(scope.controls or CONTROLS) <= set(list_observed_controls(earlier_run))


def describe_restrictions(run: AnyRun) -> list[str]:
    """Describe the hosts and controls that a run left out, for a headline; [] for a run over the whole."""
    restrictions = []
    left_out_count = count_left_out_hosts(run)
    if left_out_count != 0:  # the number is None if only the limit is known
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
    """Describe a fully compliant run: `the ban is in effect`, or the same for the observed controls alone."""
    controls = list_observed_controls(run)
    if controls == CONTROLS:
        return "the ban is in effect"
    return f"the ban's {' and '.join(controls)} {'are' if len(controls) > 1 else 'is'} in effect"
