"""The runs in the history: incidents that begin, end and continue.

Only changes are written. A defect opens an incident, which stays open and untouched while runs observe the same state.
For most hosts, a run stores only their observation time. Rules that begin together are a single row
(rule_bundles.py), which is split if they do not end together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ..evaluation.observation_time import read_observation_time
from ..evaluation.scope import EXAMPLE_INVENTORY as EXAMPLE_INVENTORY
from ..evaluation.scope import count_left_out_hosts
from . import incident_entries, waiver_history
from .batch import BatchChanges
from .database import HistorySession
from .plans import PlanServices
from .record_evidence import EvidenceReader
from .rule_bundles import RuleBundles
from .tables import ADD_INCIDENT, ADD_NEW_PLAN, ADD_RUN, DEPARTED_TABLE, DROP_INCIDENT, GONE, SET_HOST, RunRow

HOSTS_PER_QUERY = 500  # most hosts in a query

# Proscribe's example inventory, as the column `inventory` has it. The query finds runs over it that did more than
# audit.
EXAMPLE_SOURCES = json.dumps([EXAMPLE_INVENTORY])
EXAMPLE_USED_QUERY = "SELECT id FROM proscribe_run WHERE inventory = :example AND mode <> 'audit' LIMIT 1"


class IncidentCounts(NamedTuple):
    """The numbers of rules, over all hosts, whose defects began and ended in a run."""

    opened: int = 0
    closed: int = 0


def record_run(
    session: HistorySession, report: FleetReport, records: Iterable[HostRecord], plans: PlanServices
) -> IncidentCounts:
    """Store a run and its reconciled records, and return how many rules began and ended to be a defect.

    A run that is already stored stays as it is, and the numbers are 0.
    """
    run = _make_run_row(report)
    if list(session.fetch_rows("SELECT id FROM proscribe_run WHERE id = :id", {"id": run.id})):
        return IncidentCounts()
    opened_count = closed_count = 0
    bundles, evidence_reader, use_writer = (
        RuleBundles(session),
        EvidenceReader(),
        waiver_history.WaiverUseWriter(report),
    )
    remaining_records = iter(records)
    while batch := list(islice(remaining_records, HOSTS_PER_QUERY)):
        changes = BatchChanges(session, run, batch, plans, bundles, evidence_reader)
        bundles.save_bundles()
        session.execute_for_rows(DROP_INCIDENT, changes.dropped_incidents)
        session.execute_for_rows(ADD_INCIDENT, changes.added_incidents)
        session.execute_for_rows(SET_HOST, changes.host_rows)
        session.execute_for_rows(ADD_NEW_PLAN, changes.new_plans)
        incident_entries.record_entries(session, run.id, batch)
        use_writer.store_uses(
            session,
            ((host_record, read_observation_time(host_record, run.started, run.finished)) for host_record in batch),
        )
        opened_count, closed_count = opened_count + changes.opened_count, closed_count + changes.closed_count
    _close_departed_hosts(session, run)
    waiver_history.store_waivers(session, report)
    session.execute_statement(ADD_RUN, run._asdict())
    return IncidentCounts(opened_count, closed_count)


def _make_run_row(report: FleetReport) -> RunRow:
    """Make the row of a run from its report."""
    run = report["run"]
    return RunRow(
        run["id"],
        run["playbook"],
        run["mode"],
        run["started"],
        run["finished"],
        inventory=json.dumps(run["inventory"]),
        # "" is only for a run over the whole inventory. A run may leave hosts out without a --limit. A merged run may
        # cover all hosts although its slices had limits.
        scope=""
        if count_left_out_hosts(run) == 0 and not run.get("interrupted")
        else run["limit"] or "part of the hosts",
        controls=json.dumps(run["controls"]),
        summary=json.dumps(report["summary"]),
    )


def _close_departed_hosts(session: HistorySession, run: RunRow) -> None:
    """End the incidents of hosts that have left the inventory, and move these hosts to DEPARTED_TABLE.

    A host has left if a run over the whole inventory does not have it. Hosts of the example inventory leave with the
    first run over another inventory.
    """
    # A run over a part shows nothing about other hosts. If a newer run over the inventory is stored, that run decides.
    newer_query = "SELECT id FROM proscribe_run WHERE inventory = :inventory AND finished > :finished"
    if run.scope or list(session.fetch_rows(newer_query, {"inventory": run.inventory, "finished": run.finished})):
        return
    inventory_parameters = ":inventory"
    if run.inventory != EXAMPLE_SOURCES and not list(
        session.fetch_rows(EXAMPLE_USED_QUERY, {"example": EXAMPLE_SOURCES})
    ):
        # runs over the example inventory only audited, so its hosts leave now
        inventory_parameters = ":inventory, :example"
    departed_condition = f"inventory IN ({inventory_parameters}) AND run <> :run AND asked <= :asked"
    parameters = {"inventory": run.inventory, "example": EXAMPLE_SOURCES, "run": run.id, "asked": run.finished}
    session.execute_statement(
        f"""UPDATE proscribe_episode SET closed = :asked, closed_run = :run, ended = '{GONE}'
        WHERE closed IS NULL AND host IN (SELECT name FROM proscribe_host WHERE {departed_condition})""",
        parameters,
    )
    session.execute_statement(
        f"""INSERT INTO {DEPARTED_TABLE} (name, inventory, asked) SELECT name, inventory, asked FROM proscribe_host
        WHERE {departed_condition}
        ON CONFLICT (name) DO UPDATE SET inventory = excluded.inventory, asked = excluded.asked""",
        parameters,
    )
    session.execute_statement(f"DELETE FROM proscribe_host WHERE {departed_condition}", parameters)


def prune_history(session: HistorySession, oldest_time: str) -> None:
    """Delete runs and incidents that ended before a UTC time, and hosts that no run has expected since.

    Waivers, their uses, events between two runs and requests are deleted by the same time.
    """
    parameters = {"before": oldest_time}
    departed_query = "SELECT name FROM proscribe_host WHERE asked < :before"
    session.execute_statement(
        f"DELETE FROM proscribe_episode WHERE closed < :before OR host IN ({departed_query})", parameters
    )
    session.execute_statement("DELETE FROM proscribe_host WHERE asked < :before", parameters)
    session.execute_statement(f"DELETE FROM {DEPARTED_TABLE} WHERE asked < :before", parameters)
    session.execute_statement(
        "DELETE FROM proscribe_new_plan WHERE run IN (SELECT id FROM proscribe_run WHERE finished < :before)",
        parameters,
    )
    session.execute_statement("DELETE FROM proscribe_run WHERE finished < :before", parameters)
    session.execute_statement("DELETE FROM proscribe_bundle WHERE id NOT IN (SELECT bundle FROM proscribe_episode)")
    incident_entries.prune_entries(session, oldest_time)
    waiver_history.prune_waivers(session, oldest_time)
