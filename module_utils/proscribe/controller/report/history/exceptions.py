"""The waivers and what was observed under them, in the history: what an auditor asks of a year of exceptions.

A run stores a waiver anew only where its terms or its status have changed. What it observed under one is stored once
for each thing that it found on a host. Sessions as in queries.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from ....model.finding import WAIVED
from ....model.plan import format_canonical
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport, ReportRun
from ..evaluation.fleet_state import named
from ..text.wording import clean, evidence
from .database import Session
from .since_last_run import REQUEST, identity
from .tables import BETWEEN, USES, WAIVERS, insert

REMOVED = "removed"  # the status of a waiver that a run over its whole inventory did not have any more
PASSING = (
    "hosts",
    "status",
    "waives",
    "why",
    "review_overdue",
    "days_left",
)  # what changes without a change of its terms
MOST_HOSTS = 1000  # names of a waiver
MOST_USES = 20  # things found by one rule of a host
LONGEST = 300  # characters of what was found
LONGEST_INVENTORY = 400  # bytes of an inventory's name in a key: PostgreSQL takes 2,704 for all columns of one


class Stretch(NamedTuple):
    """A row of `proscribe_waiver`."""

    inventory: str
    id: str
    opened: str  # the end of the first run that had it so
    seen: str  # the end of the last one
    status: str
    facts: str
    hosts: str


class Use(NamedTuple):
    """What was found of a waiver's rule on a host."""

    inventory: str
    waiver: str
    host: str
    rule: str
    what: str
    first: str
    last: str
    attempts: int  # of what the host refused by this rule, at most


STRETCH = ", ".join(Stretch._fields)
ADD_WAIVER = f"{insert(WAIVERS, Stretch._fields)} ON CONFLICT (inventory, id, opened) DO NOTHING"
SEE_WAIVER = f"""UPDATE {WAIVERS} SET seen = :seen, hosts = :hosts
    WHERE inventory = :inventory AND id = :id AND opened = :opened"""
ADD_USE = f"""{insert(USES, ("id", *Use._fields))} ON CONFLICT (inventory, waiver, host, rule, id) DO UPDATE SET
    last = CASE WHEN excluded.last > {USES}.last THEN excluded.last ELSE {USES}.last END,
    attempts = CASE WHEN excluded.attempts > {USES}.attempts THEN excluded.attempts ELSE {USES}.attempts END"""


def waivers(session: Session, report: FleetReport) -> None:
    """Store the waivers of a run where they changed."""
    run = report["run"]
    inventory, finished, whole = _key_of_inventory(run), run["finished"], run.get("whole")
    newest = f"SELECT {STRETCH} FROM {WAIVERS} WHERE inventory = :inventory ORDER BY opened"
    known = {row[1]: Stretch(*row) for row in session.rows(newest, {"inventory": inventory})}
    adding: list[Stretch] = []
    seeing: list[Stretch] = []
    for waiver in report["waivers"]:
        id_ = clean(waiver["id"])
        before = known.pop(id_, None)
        if before and before.seen > finished:  # a run that ends late says nothing new
            continue
        facts = format_canonical({key: value for key, value in waiver.items() if key not in PASSING})
        hosts = json.dumps(sorted(map(clean, waiver.get("hosts") or ()))[:MOST_HOSTS])
        row = Stretch(inventory, id_, finished, finished, waiver["status"], facts, hosts)
        if before is None or (before.status, before.facts) != (row.status, row.facts):
            adding.append(row)
        else:
            seeing.append(before._replace(seen=finished, hosts=row.hosts if whole else before.hosts))
    if whole:
        gone = [one for one in known.values() if one.status != REMOVED and one.seen <= finished]
        adding += [one._replace(opened=finished, seen=finished, status=REMOVED) for one in gone]
    session.many(ADD_WAIVER, [one._asdict() for one in adding])
    columns = ("inventory", "id", "opened", "seen", "hosts")
    session.many(SEE_WAIVER, [{key: getattr(one, key) for key in columns} for one in seeing])


class Uses:
    """What the records of a run have under its waivers. Thousands of hosts list the very same rule, which is read once.
    A waiver that the run does not have is one host's claim, and so is left out.
    """

    def __init__(self, report: FleetReport) -> None:
        self._inventory = _key_of_inventory(report["run"])
        self._waivers = frozenset(waiver["id"] for waiver in report["waivers"])
        self._same: dict[int, tuple[RuleRecord, list[tuple[str, str]]]] = {}

    def record(self, session: Session, records: Iterable[tuple[HostRecord, str]]) -> None:
        """Store what these records have, each with the time of its observation."""
        session.many(ADD_USE, [row for record, at in records for row in self._of(record, at)])

    def _of(self, record: HostRecord, at: str) -> Iterable[dict[str, object]]:
        for rule in record["rules"]:
            if rule["state"] != WAIVED or rule["waiver"] not in self._waivers:
                continue
            name, refused = clean(rule["rule"]), (record.get("attempts") or {}).get(rule["rule"], 0)
            for id_, what in self._found(rule):
                use = Use(self._inventory, clean(rule["waiver"] or ""), record["host"], name, what, at, at, refused)
                yield {"id": id_, **use._asdict()}

    def _found(self, rule: RuleRecord) -> list[tuple[str, str]]:
        known = self._same.get(id(rule))
        if known is None:
            if len(self._same) > 10_000:
                self._same.clear()
            texts = dict.fromkeys(clean(evidence(one)[:LONGEST]) for one in rule["findings"][:MOST_USES])
            found = [(identity(text), text) for text in texts]
            known = self._same[id(rule)] = rule, found
        return known[1]


def _key_of_inventory(run: ReportRun) -> str:
    """The inventory of a run in keys; of many or long sources, the beginning with a digest of all."""
    inventory = named(run)
    beginning = inventory.encode()[:LONGEST_INVENTORY].decode(errors="ignore")
    return inventory if inventory == beginning else f"{beginning}... ({identity(inventory)})"


def stretches(session: Session, since: str) -> list[Stretch]:
    """Every stretch of the waivers that some run had since then, oldest first within a waiver."""
    if not session.has(WAIVERS):
        return []
    recent = f"SELECT id FROM {WAIVERS} o WHERE o.inventory = w.inventory AND o.seen >= :since"
    query = f"SELECT {STRETCH} FROM {WAIVERS} w WHERE id IN ({recent}) ORDER BY inventory, id, opened"
    return [Stretch(*row) for row in session.rows(query, {"since": since})]


def revoked(session: Session, inventory: str) -> list[tuple[str, str, str, str]]:
    """Return the revocations that runs of an inventory had in waivers: id, by whom, from when on (UTC), why."""
    if not session.has(WAIVERS):
        return []
    query = f"SELECT id, facts FROM {WAIVERS} WHERE inventory = :inventory AND facts NOT LIKE '%\"revoked\":null%'"
    rows = [(row[0], json.loads(row[1]).get("revoked")) for row in session.rows(query, {"inventory": inventory})]
    return [(id_, clean(block["by"]), clean(block["on"]), clean(block["why"])) for id_, block in rows if block]


def uses(session: Session, since: str) -> list[Use]:
    """What was found under waivers since then, oldest first."""
    if not session.has(USES):
        return []
    query = f"SELECT {', '.join(Use._fields)} FROM {USES} WHERE last >= :since ORDER BY first, host, rule, what"
    return [Use(*row) for row in session.rows(query, {"since": since})]


def requests(session: Session, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The requests of these ids that some run has seen: {id: {host, user, service, reason, at}}."""
    if not session.has(BETWEEN):
        return {}
    expected = set(ids)
    query = f"SELECT program, host, who, rule, detail, first FROM {BETWEEN} WHERE kind = '{REQUEST}' ORDER BY first"
    names = ("host", "user", "service", "reason", "at")
    return {row[0]: dict(zip(names, row[1:])) for row in session.rows(query) if row[0] in expected}


def unanswered(session: Session, since: str, answered: Iterable[str]) -> list[dict[str, str]]:
    """The requests since then that no waiver names: [{id, host, user, service, reason, at}]."""
    if not session.has(BETWEEN):
        return []
    known = set(answered)
    query = f"""SELECT program, host, who, rule, detail, first FROM {BETWEEN}
        WHERE kind = '{REQUEST}' AND first >= :since ORDER BY first, host, program"""
    names = ("id", "host", "user", "service", "reason", "at")
    return [dict(zip(names, row)) for row in session.rows(query, {"since": since}) if row[0] not in known]


def prune(session: Session, before: str) -> None:
    """Forget waivers that no run has had since, and what was found under them."""
    session.run(f"DELETE FROM {WAIVERS} WHERE seen < :before", {"before": before})
    session.run(f"DELETE FROM {USES} WHERE last < :before", {"before": before})
