"""The waivers and their uses in the history, for an audit of a year of exceptions.

A run stores a waiver anew only if its terms or its status have changed. Each finding of a host under a waiver is stored
once. Sessions as in queries.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from ....model.finding import WAIVED
from ....model.plan import format_canonical
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport, ReportRun
from ..evaluation.fleet_state import name_run_inventory
from ..text.wording import clean_text, describe_finding
from .database import HistorySession
from .incident_entries import REQUEST_KIND, hash_names
from .tables import BETWEEN_TABLE, USES_TABLE, WAIVERS_TABLE, make_insert_statement

REMOVED_STATUS = "removed"  # status of a waiver that the last run over its whole inventory did not have any more
# Keys of a waiver that may change from run to run while its terms stay the same.
VOLATILE_KEYS = (
    "hosts",
    "status",
    "waives",
    "why",
    "review_overdue",
    "days_left",
)
MAX_WAIVER_HOSTS = 1000  # most hosts of a waiver that are stored
MAX_RULE_USES = 20  # most findings that are stored for a rule of a host
MAX_FINDING_LENGTH = 300  # most characters of a stored finding
# Most bytes of an inventory's name in a key. PostgreSQL allows 2,704 bytes for all columns of a key.
MAX_INVENTORY_KEY_BYTES = 400


class WaiverPeriod(NamedTuple):
    """A row of `proscribe_waiver`: a period in which a waiver had the same terms and status.

    `facts` is the waiver as JSON, without VOLATILE_KEYS. `hosts` is a JSON list.
    """

    inventory: str
    id: str
    opened: str  # end (UTC) of the first run with these terms and this status
    seen: str  # end (UTC) of the last run with these terms and this status
    status: str
    facts: str
    hosts: str


class WaiverUse(NamedTuple):
    """A finding on a host that a waiver permits, with the first and the last time of its observation."""

    inventory: str
    waiver: str  # id of the waiver
    host: str
    rule: str
    what: str  # the finding in words
    first: str
    last: str
    attempts: int  # greatest number of refused attempts that the host reported for this rule


PERIOD_COLUMNS = ", ".join(WaiverPeriod._fields)
ADD_WAIVER = (
    f"{make_insert_statement(WAIVERS_TABLE, WaiverPeriod._fields)} ON CONFLICT (inventory, id, opened) DO NOTHING"
)
UPDATE_WAIVER = f"""UPDATE {WAIVERS_TABLE} SET seen = :seen, hosts = :hosts
    WHERE inventory = :inventory AND id = :id AND opened = :opened"""
ADD_USE = f"""{make_insert_statement(USES_TABLE, ("id", *WaiverUse._fields))}
    ON CONFLICT (inventory, waiver, host, rule, id) DO UPDATE SET
    last = CASE WHEN excluded.last > {USES_TABLE}.last THEN excluded.last ELSE {USES_TABLE}.last END,
    attempts = CASE WHEN excluded.attempts > {USES_TABLE}.attempts
        THEN excluded.attempts ELSE {USES_TABLE}.attempts END"""


def store_waivers(session: HistorySession, report: FleetReport) -> None:
    """Store the waivers of a run: a new period for each waiver that changed.

    An unchanged waiver gets the end of this run as the last time of its period. A run over the whole inventory also
    ends the waivers that it does not have any more: they get a period with the status REMOVED_STATUS.
    """
    run = report["run"]
    inventory, finished, is_whole = _make_inventory_key(run), run["finished"], run.get("whole")
    newest_query = f"SELECT {PERIOD_COLUMNS} FROM {WAIVERS_TABLE} WHERE inventory = :inventory ORDER BY opened"
    # a later row of the same waiver replaces an earlier one, so the newest period of each waiver remains
    known_periods = {row[1]: WaiverPeriod(*row) for row in session.fetch_rows(newest_query, {"inventory": inventory})}
    added_periods: list[WaiverPeriod] = []
    updated_periods: list[WaiverPeriod] = []
    for waiver in report["waivers"]:
        waiver_id = clean_text(waiver["id"])
        previous_period = known_periods.pop(waiver_id, None)
        if previous_period and previous_period.seen > finished:  # a later run has already stored newer facts
            continue
        facts = format_canonical({key: content for key, content in waiver.items() if key not in VOLATILE_KEYS})
        hosts = json.dumps(sorted(map(clean_text, waiver.get("hosts") or ()))[:MAX_WAIVER_HOSTS])
        row = WaiverPeriod(inventory, waiver_id, finished, finished, waiver["status"], facts, hosts)
        if previous_period is None or (previous_period.status, previous_period.facts) != (row.status, row.facts):
            added_periods.append(row)
        else:  # a run over a part does not know all hosts of the waiver
            updated_periods.append(
                previous_period._replace(seen=finished, hosts=row.hosts if is_whole else previous_period.hosts)
            )
    if is_whole:
        removed_periods = [
            period for period in known_periods.values() if period.status != REMOVED_STATUS and period.seen <= finished
        ]
        added_periods += [
            period._replace(opened=finished, seen=finished, status=REMOVED_STATUS) for period in removed_periods
        ]
    session.execute_for_rows(ADD_WAIVER, [period._asdict() for period in added_periods])
    columns = ("inventory", "id", "opened", "seen", "hosts")
    session.execute_for_rows(
        UPDATE_WAIVER, [{key: getattr(period, key) for key in columns} for period in updated_periods]
    )


class WaiverUseWriter:
    """A writer of the findings that waivers permit. It reads a rule that thousands of hosts share once.

    A record may name a waiver that the run does not have. Only that host claims such a waiver, so it is left out.
    """

    def __init__(self, report: FleetReport) -> None:
        self._inventory = _make_inventory_key(report["run"])
        self._waivers = frozenset(waiver["id"] for waiver in report["waivers"])
        # id() of a rule -> (the rule, pairs (id, description) of its findings)
        self._findings_by_rule: dict[int, tuple[RuleRecord, list[tuple[str, str]]]] = {}

    def store_uses(self, session: HistorySession, records: Iterable[tuple[HostRecord, str]]) -> None:
        """Store the permitted findings of these records.

        Each record comes with its observation time (UTC).
        """
        session.execute_for_rows(
            ADD_USE,
            [row for record, observation_time in records for row in self._make_use_rows(record, observation_time)],
        )

    def _make_use_rows(self, record: HostRecord, observation_time: str) -> Iterable[dict[str, object]]:
        """Yield the rows for the permitted findings of a record."""
        for rule in record["rules"]:
            if rule["state"] != WAIVED or rule["waiver"] not in self._waivers:
                continue
            name, attempt_count = clean_text(rule["rule"]), (record.get("attempts") or {}).get(rule["rule"], 0)
            for finding_id, description in self._list_findings(rule):
                use = WaiverUse(
                    self._inventory,
                    clean_text(rule["waiver"] or ""),
                    record["host"],
                    name,
                    description,
                    observation_time,
                    observation_time,
                    attempt_count,
                )
                yield {"id": finding_id, **use._asdict()}

    def _list_findings(self, rule: RuleRecord) -> list[tuple[str, str]]:
        """Return the findings of a rule as pairs (id, description).

        Records that share the rule share the result.
        """
        cached = self._findings_by_rule.get(id(rule))
        if cached is None:
            if len(self._findings_by_rule) > 10_000:  # limits the memory
                self._findings_by_rule.clear()
            texts = dict.fromkeys(
                clean_text(describe_finding(finding)[:MAX_FINDING_LENGTH])
                for finding in rule["findings"][:MAX_RULE_USES]
            )
            findings = [(hash_names(text), text) for text in texts]
            cached = self._findings_by_rule[id(rule)] = rule, findings
        return cached[1]


def _make_inventory_key(run: ReportRun) -> str:
    """Return the inventory of a run as a text that fits into a key of the database.

    Long sources are cut, and a digest of all sources is added.
    """
    inventory = name_run_inventory(run)
    beginning = inventory.encode()[:MAX_INVENTORY_KEY_BYTES].decode(errors="ignore")
    return inventory if inventory == beginning else f"{beginning}... ({hash_names(inventory)})"


def list_waiver_periods(session: HistorySession, since: str) -> list[WaiverPeriod]:
    """Return all periods of the waivers that a run had since a UTC time, oldest first within a waiver."""
    if not session.has_table(WAIVERS_TABLE):
        return []
    recent_query = f"SELECT id FROM {WAIVERS_TABLE} o WHERE o.inventory = w.inventory AND o.seen >= :since"
    query = (
        f"SELECT {PERIOD_COLUMNS} FROM {WAIVERS_TABLE} w WHERE id IN ({recent_query}) ORDER BY inventory, id, opened"
    )
    return [WaiverPeriod(*row) for row in session.fetch_rows(query, {"since": since})]


def list_revocations(session: HistorySession, inventory: str) -> list[tuple[str, str, str, str]]:
    """Return the revocations of waivers over an inventory as (waiver's id, revoker, start (UTC), reason)."""
    if not session.has_table(WAIVERS_TABLE):
        return []
    query = (
        f"SELECT id, facts FROM {WAIVERS_TABLE} WHERE inventory = :inventory AND facts NOT LIKE '%\"revoked\":null%'"
    )
    rows = [(row[0], json.loads(row[1]).get("revoked")) for row in session.fetch_rows(query, {"inventory": inventory})]
    return [
        (waiver_id, clean_text(revocation["by"]), clean_text(revocation["on"]), clean_text(revocation["why"]))
        for waiver_id, revocation in rows
        if revocation
    ]


def list_waiver_uses(session: HistorySession, since: str) -> list[WaiverUse]:
    """Return the findings that waivers permitted since a UTC time, oldest first."""
    if not session.has_table(USES_TABLE):
        return []
    query = (
        f"SELECT {', '.join(WaiverUse._fields)} FROM {USES_TABLE} WHERE last >= :since ORDER BY first, host, rule, what"
    )
    return [WaiverUse(*row) for row in session.fetch_rows(query, {"since": since})]


def find_requests(session: HistorySession, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the requests of users with these ids, as far as runs have reported them.

    The result is {id: {host, user, service, reason, at}}.
    """
    if not session.has_table(BETWEEN_TABLE):
        return {}
    expected_ids = set(ids)
    # in the row of a request, `program` is its id, `rule` its service and `detail` its reason
    query = (
        f"SELECT program, host, who, rule, detail, first FROM {BETWEEN_TABLE} WHERE kind = '{REQUEST_KIND}' ORDER "
        f"BY first"
    )
    names = ("host", "user", "service", "reason", "at")
    return {row[0]: dict(zip(names, row[1:])) for row in session.fetch_rows(query) if row[0] in expected_ids}


def list_unanswered_requests(session: HistorySession, since: str, answered_ids: Iterable[str]) -> list[dict[str, str]]:
    """Return the requests of users since a UTC time whose ids are not among `answered_ids`, as dictionaries.

    Their keys are id, host, user, service, reason and at.
    """
    if not session.has_table(BETWEEN_TABLE):
        return []
    known_ids = set(answered_ids)
    query = f"""SELECT program, host, who, rule, detail, first FROM {BETWEEN_TABLE}
        WHERE kind = '{REQUEST_KIND}' AND first >= :since ORDER BY first, host, program"""
    names = ("id", "host", "user", "service", "reason", "at")
    return [dict(zip(names, row)) for row in session.fetch_rows(query, {"since": since}) if row[0] not in known_ids]


def prune_waivers(session: HistorySession, oldest_time: str) -> None:
    """Delete the waivers that no run has had since a UTC time, and permitted findings not observed since then."""
    session.execute_statement(f"DELETE FROM {WAIVERS_TABLE} WHERE seen < :before", {"before": oldest_time})
    session.execute_statement(f"DELETE FROM {USES_TABLE} WHERE last < :before", {"before": oldest_time})
