"""Writing a run into the history: what began, what ended, what went on.

Only changes are written. A rule that is not as it should be opens an incident, which stays open, untouched, for as long
as runs see the same. For most hosts, a run notes only that they were seen. Rules that begin together are one row
(incident_groups.py), which is split when they do not end together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ..evaluation.observed import observed_at
from ..evaluation.scope import EXAMPLE as EXAMPLE_INVENTORY
from ..evaluation.scope import left_out
from . import exceptions, since_last_run
from .batch import Batch
from .database import Session
from .incident_groups import Bundles
from .plans import Plans
from .said import Said
from .tables import ADD_INCIDENT, ADD_NEW_PLAN, ADD_RUN, DEPARTED, DROP_INCIDENT, GONE, SET_HOST, RunRow

BATCH = 500  # hosts that are asked for in one query

# The project's example inventory, as runs have it, and whether it was used for more than to see where one stands.
EXAMPLE = json.dumps([EXAMPLE_INVENTORY])
USED = "SELECT id FROM proscribe_run WHERE inventory = :example AND mode <> 'audit' LIMIT 1"


class Written(NamedTuple):
    """What a run changed in the history: how many rules, over all hosts, it saw begin and end."""

    opened: int = 0
    closed: int = 0


def record(session: Session, report: FleetReport, records: Iterable[HostRecord], plans: Plans) -> Written:
    """Write a run and its (reconciled) records. A run that is there already is left as it is."""
    run = _row(report)
    if list(session.rows("SELECT id FROM proscribe_run WHERE id = :id", {"id": run.id})):
        return Written()
    opened = closed = 0
    bundles, said, uses = Bundles(session), Said(), exceptions.Uses(report)
    remaining = iter(records)
    while batch := list(islice(remaining, BATCH)):
        changes = Batch(session, run, batch, plans, bundles, said)
        bundles.save()
        session.many(DROP_INCIDENT, changes.dropping)
        session.many(ADD_INCIDENT, changes.adding)
        session.many(SET_HOST, changes.hosts)
        session.many(ADD_NEW_PLAN, changes.new_plans)
        since_last_run.record(session, run.id, batch)
        uses.record(session, ((one, observed_at(one, run.started, run.finished)) for one in batch))
        opened, closed = opened + changes.opened, closed + changes.closed
    _gone(session, run)
    exceptions.waivers(session, report)
    session.run(ADD_RUN, run._asdict())
    return Written(opened, closed)


def _row(report: FleetReport) -> RunRow:
    run = report["run"]
    return RunRow(
        run["id"],
        run["playbook"],
        run["mode"],
        run["started"],
        run["finished"],
        inventory=json.dumps(run["inventory"]),
        # A run that left hosts out for another reason than a --limit is none of the whole either.
        # The limits of slices are no limit of the run that they come to.
        scope="" if left_out(run) == 0 and not run.get("interrupted") else run["limit"] or "part of the hosts",
        controls=json.dumps(run["controls"]),
        summary=json.dumps(report["summary"]),
    )


def _gone(session: Session, run: RunRow) -> None:
    """Close what is open of hosts that have left the inventory: a later run of all of it did not ask them. So
    have those of the example inventory, once there is another one.
    """
    newer = "SELECT id FROM proscribe_run WHERE inventory = :inventory AND finished > :finished"
    if run.scope or list(session.rows(newer, {"inventory": run.inventory, "finished": run.finished})):
        return
    mine = ":inventory"
    if run.inventory != EXAMPLE and not list(session.rows(USED, {"example": EXAMPLE})):
        mine = ":inventory, :example"  # the first audit, before there was an inventory of one's own, is over
    left = f"inventory IN ({mine}) AND run <> :run AND asked <= :asked"
    values = {"inventory": run.inventory, "example": EXAMPLE, "run": run.id, "asked": run.finished}
    session.run(
        f"""UPDATE proscribe_episode SET closed = :asked, closed_run = :run, ended = '{GONE}'
        WHERE closed IS NULL AND host IN (SELECT name FROM proscribe_host WHERE {left})""",
        values,
    )
    session.run(
        f"""INSERT INTO {DEPARTED} (name, inventory, asked) SELECT name, inventory, asked FROM proscribe_host
        WHERE {left} ON CONFLICT (name) DO UPDATE SET inventory = excluded.inventory, asked = excluded.asked""",
        values,
    )
    session.run(f"DELETE FROM proscribe_host WHERE {left}", values)


def prune(session: Session, before: str) -> None:
    """Delete runs and incidents that ended before that time, and hosts that nobody asked since, with all of theirs."""
    values = {"before": before}
    lost = "SELECT name FROM proscribe_host WHERE asked < :before"
    session.run(f"DELETE FROM proscribe_episode WHERE closed < :before OR host IN ({lost})", values)
    session.run("DELETE FROM proscribe_host WHERE asked < :before", values)
    session.run(f"DELETE FROM {DEPARTED} WHERE asked < :before", values)
    session.run(
        "DELETE FROM proscribe_new_plan WHERE run IN (SELECT id FROM proscribe_run WHERE finished < :before)", values
    )
    session.run("DELETE FROM proscribe_run WHERE finished < :before", values)
    session.run("DELETE FROM proscribe_bundle WHERE id NOT IN (SELECT bundle FROM proscribe_episode)")
    since_last_run.prune(session, before)
    exceptions.prune(session, before)
