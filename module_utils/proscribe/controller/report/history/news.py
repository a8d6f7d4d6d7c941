"""What the history knows of what one run saw begin and end. Sessions as in queries.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ....model.finding import NONCOMPLIANT, OPEN_STATES, WAIVED
from .database import Session
from .queries import FLAPS
from .tables import DRIFTED, NEW_PLANS, STORY


class Change(NamedTuple):
    """An incident that began or ended in the run. `rule` is "" for the whole host, `ended` is "" while it goes on."""

    host: str
    rule: str
    state: str
    evidence: str
    opened: str
    ended: str


def changes(session: Session, run: str) -> list[Change]:
    """What began or ended in a run, by host and rule."""
    wrong = ", ".join(f"'{state}'" for state in OPEN_STATES)
    query = f"""SELECT e.host, b.rule, e.state, b.evidence, e.opened, COALESCE(e.ended, '') FROM {STORY}
        WHERE (e.opened_run = :run OR e.closed_run = :run) AND e.state IN ({wrong})
        ORDER BY e.host, b.rule, e.opened"""
    return [Change(*row) for row in session.rows(query, {"run": run})]


def times(session: Session, run: str, since: str) -> Mapping[tuple[str, str], int]:
    """Return how often the rules that a run saw break or mend have drifted since then, by (host, rule)."""
    drift = f" AND {DRIFTED}" if session.has(NEW_PLANS) else ""
    here = "SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run"
    query = f"""SELECT e.host, b.rule, COUNT(*) FROM {STORY} WHERE e.state = '{NONCOMPLIANT}' AND e.opened >= :since
        AND e.host IN ({here}){drift} GROUP BY e.host, b.rule"""
    return {(host, rule): int(count) for host, rule, count in session.rows(query, {"run": run, "since": since})}


def under_new_plans(session: Session, run: str) -> frozenset[tuple[str, str]]:
    """Return the controls, as (host, control), on which a run opened incidents that are no drift."""
    if not session.has(NEW_PLANS):
        return frozenset()
    rows = session.rows(f"SELECT host, control FROM {NEW_PLANS} WHERE run = :run", {"run": run})
    return frozenset((host, control) for host, control in rows)


def no_longer_waived(session: Session, run: str) -> frozenset[tuple[str, str]]:
    """Return the rules, as (host, rule), that a waiver covered until this run."""
    query = f"SELECT e.host, b.rule FROM {STORY} WHERE e.closed_run = :run AND e.state = '{WAIVED}'"
    return frozenset((host, rule) for host, rule in session.rows(query, {"run": run}))


def again_and_again(counts: Mapping[tuple[str, str], int], broken: set[tuple[str, str]]) -> dict[str, list[str]]:
    """The hosts on which a rule has drifted FLAPS times or more and did so just now, with these rules."""
    found: dict[str, list[str]] = {}
    for host, rule in sorted(broken):
        if rule and counts.get((host, rule), 0) >= FLAPS:
            found.setdefault(host, []).append(rule)
    return found


def is_first(session: Session, run: str) -> bool:
    """Whether there was no run of the same inventory before this one: nothing can have drifted then."""
    query = """SELECT COUNT(*) FROM proscribe_run r JOIN proscribe_run t ON t.id = :run
        WHERE r.inventory = t.inventory AND r.finished < t.finished"""
    return not next(session.rows(query, {"run": run}))[0]
