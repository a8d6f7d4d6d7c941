"""The incidents that began or ended in a run, by the history. Sessions as in queries.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ....model.finding import NONCOMPLIANT, OPEN_STATES, WAIVED
from .database import HistorySession
from .queries import FLAP_THRESHOLD
from .tables import DRIFT_CONDITION, INCIDENTS_JOIN, NEW_PLANS_TABLE


class IncidentChange(NamedTuple):
    """An incident that began or ended in a run."""

    host: str
    rule: str  # "" for the host as a whole
    state: str
    evidence: str
    opened: str  # begin (UTC) of the incident
    ended: str  # state with which the incident ended; "" for an open incident


def list_incident_changes(session: HistorySession, run: str) -> list[IncidentChange]:
    """Return the incidents that began or ended in a run, ordered by host and rule.

    Waivers and lifts are left out.
    """
    open_states = ", ".join(f"'{state}'" for state in OPEN_STATES)
    query = f"""SELECT e.host, b.rule, e.state, b.evidence, e.opened, COALESCE(e.ended, '') FROM {INCIDENTS_JOIN}
        WHERE (e.opened_run = :run OR e.closed_run = :run) AND e.state IN ({open_states})
        ORDER BY e.host, b.rule, e.opened"""
    return [IncidentChange(*row) for row in session.fetch_rows(query, {"run": run})]


def count_drifts(session: HistorySession, run: str, since: str) -> Mapping[tuple[str, str], int]:
    """Count the drifts of each (host, rule) since a UTC time, on hosts with changes in this run."""
    drift_condition = f" AND {DRIFT_CONDITION}" if session.has_table(NEW_PLANS_TABLE) else ""
    hosts_query = "SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run"
    query = f"""SELECT e.host, b.rule, COUNT(*) FROM {INCIDENTS_JOIN}
        WHERE e.state = '{NONCOMPLIANT}' AND e.opened >= :since
        AND e.host IN ({hosts_query}){drift_condition} GROUP BY e.host, b.rule"""
    return {(host, rule): int(count) for host, rule, count in session.fetch_rows(query, {"run": run, "since": since})}


def list_new_plan_controls(session: HistorySession, run: str) -> frozenset[tuple[str, str]]:
    """Return the pairs (host, control) whose defects in this run are no drift, because the plan is new."""
    if not session.has_table(NEW_PLANS_TABLE):
        return frozenset()
    rows = session.fetch_rows(f"SELECT host, control FROM {NEW_PLANS_TABLE} WHERE run = :run", {"run": run})
    return frozenset((host, control) for host, control in rows)


def list_unwaived_rules(session: HistorySession, run: str) -> frozenset[tuple[str, str]]:
    """Return the pairs (host, rule) that a waiver covered until this run, and does not cover in it."""
    query = f"SELECT e.host, b.rule FROM {INCIDENTS_JOIN} WHERE e.closed_run = :run AND e.state = '{WAIVED}'"
    return frozenset((host, rule) for host, rule in session.fetch_rows(query, {"run": run}))


def select_repeated_drift(
    counts: Mapping[tuple[str, str], int], broken_rules: set[tuple[str, str]]
) -> dict[str, list[str]]:
    """Return the rules that have drifted repeatedly and drifted again in this run, by host.

    `counts` has the number of drifts by (host, rule). `broken_rules` are the pairs (host, rule) that became
    noncompliant in this run. A rule has drifted repeatedly after FLAP_THRESHOLD drifts.
    """
    rules_by_host: dict[str, list[str]] = {}
    for host, rule in sorted(broken_rules):
        if rule and counts.get((host, rule), 0) >= FLAP_THRESHOLD:
            rules_by_host.setdefault(host, []).append(rule)
    return rules_by_host


def is_first_run(session: HistorySession, run: str) -> bool:
    """Return whether no earlier run over the same inventory is stored, so that nothing can have drifted."""
    query = """SELECT COUNT(*) FROM proscribe_run r JOIN proscribe_run t ON t.id = :run
        WHERE r.inventory = t.inventory AND r.finished < t.finished"""
    return not next(session.fetch_rows(query, {"run": run}))[0]
