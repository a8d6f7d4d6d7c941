"""What the history answers: since when, how long until it was put right, what comes back again and again, the trend.

Every function takes a session that reads. Times are UTC texts as the tables have them; `since` is one, "" for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ...duration import moment_of
from ...finding import COMPLIANT, NONCOMPLIANT, REPAIRED, STATES
from ...plan import CONTROLS
from .database import Session
from .recording import HOST

FLAPS = 3  # so many drifts of one rule on one host within the period are told as flapping

# An episode that ended like this was put right; any other end is a change of the policy, or of what could be seen.
RIGHT = (COMPLIANT, REPAIRED)


class Wrong(NamedTuple):
    """A rule in a state other than compliant, on so many hosts, now."""

    rule: str  # "" for the host as a whole
    state: str
    hosts: int
    oldest: str  # when the first of these episodes began
    newest: str  # when the last one did
    host: str  # the host of the oldest episode
    evidence: str  # what was found there when it began


class Episode(NamedTuple):
    """A stretch of time in which a rule was in one state on a host. `closed` is "" while it goes on."""

    host: str
    rule: str
    state: str
    evidence: str
    opened: str
    closed: str
    ended: str
    last_seen: str  # when a run last looked and saw it so; of the host as a whole, when a run last asked


class Repairs(NamedTuple):
    """What was put right in the period: how many episodes, and how long they lasted, in seconds."""

    number: int
    median: int
    longest: int


class Flap(NamedTuple):
    """A rule that drifted so often on a host within the period."""

    host: str
    rule: str
    times: int
    last: str


class Unseen(NamedTuple):
    """A host that no run has seen since; "" if it never answered."""

    host: str
    last_seen: str


class Scope(NamedTuple):
    """What an answer is about: everything, or one host, or one rule, or both; and since when."""

    since: str = ""
    host: str = ""
    rule: str = ""

    def where(self, table: str = "") -> str:
        """The conditions for episodes, each with its AND; `values` has their values."""
        conditions = [f" AND {table}{key} = :{key}" for key in ("host", "rule") if getattr(self, key)]
        return "".join(conditions)

    def values(self) -> dict[str, str]:
        """The values of the conditions."""
        return self._asdict()


# When a run last looked at the rule of an episode `e` on its host `h`.
LAST_SEEN = f"""CASE WHEN e.closed IS NOT NULL THEN e.closed WHEN e.rule = '{HOST}' THEN h.asked
    {" ".join(f"WHEN e.rule LIKE '{control}/%' THEN h.{control}" for control in CONTROLS)} ELSE '' END"""


def first_seen(session: Session) -> dict[tuple[str, str], str]:
    """For every rule that is not as it should be, by (host, rule): when that began."""
    query = "SELECT host, rule, MIN(opened) FROM proscribe_episode WHERE closed IS NULL GROUP BY host, rule"
    return {(host, rule): opened for host, rule, opened in session.rows(query)}


def wrong(session: Session, scope: Scope) -> list[Wrong]:
    """What is not as it should be now, one row for each rule and state: worst state first, then most hosts."""
    query = f"""SELECT rule, state, hosts, opened, newest, host, evidence FROM (
            SELECT rule, state, opened, host, evidence,
                COUNT(*) OVER same AS hosts, MAX(opened) OVER same AS newest,
                ROW_NUMBER() OVER (PARTITION BY rule, state ORDER BY opened, host) AS place
            FROM proscribe_episode WHERE closed IS NULL{scope.where()}
            WINDOW same AS (PARTITION BY rule, state)
        ) AS numbered WHERE place = 1"""
    found = [Wrong(*row) for row in session.rows(query, scope.values())]
    return sorted(found, key=lambda one: (STATES.index(one.state), -one.hosts, one.rule))


def episodes(session: Session, scope: Scope) -> Iterator[Episode]:
    """The episodes that go on or ended within the period, the newest first."""
    query = f"""SELECT e.host, e.rule, e.state, e.evidence, e.opened, COALESCE(e.closed, ''), COALESCE(e.ended, ''),
            COALESCE({LAST_SEEN}, '')
        FROM proscribe_episode e LEFT JOIN proscribe_host h ON h.name = e.host
        WHERE (e.closed IS NULL OR e.closed >= :since){scope.where("e.")} ORDER BY e.opened DESC, e.host, e.rule"""
    return (Episode(*row) for row in session.rows(query, scope.values()))


def repairs(session: Session, scope: Scope) -> Repairs:
    """What was noncompliant and was put right within the period."""
    query = f"""SELECT opened, closed FROM proscribe_episode WHERE closed >= :since AND state = '{NONCOMPLIANT}'
        AND ended IN ({", ".join(f"'{end}'" for end in RIGHT)}){scope.where()}"""
    took = sorted(
        round((moment_of(closed) - moment_of(opened)).total_seconds())
        for opened, closed in session.rows(query, scope.values())
    )
    return Repairs(len(took), took[(len(took) - 1) // 2], took[-1]) if took else Repairs(0, 0, 0)


def flapping(session: Session, scope: Scope, most: int = 50) -> list[Flap]:
    """What drifted FLAPS times or more within the period, most often first."""
    query = f"""SELECT host, rule, COUNT(*) AS times, MAX(opened) FROM proscribe_episode
        WHERE state = '{NONCOMPLIANT}' AND opened >= :since{scope.where()} GROUP BY host, rule
        HAVING COUNT(*) >= {FLAPS} ORDER BY times DESC, host, rule LIMIT {most:d}"""
    return [Flap(*row) for row in session.rows(query, scope.values())]


def unseen(session: Session, scope: Scope, before: str) -> list[Unseen]:
    """The hosts of which no control was seen since `before`, longest unseen first."""
    # SQLite's MAX of several values is PostgreSQL's GREATEST, so the newest is found here.
    old = " AND ".join(f"{control} < :before" for control in CONTROLS)
    one = " AND name = :host" if scope.host else ""
    query = f"SELECT name, {', '.join(CONTROLS)} FROM proscribe_host WHERE {old}{one}"
    found = [Unseen(row[0], max(row[1:])) for row in session.rows(query, {"before": before, "host": scope.host})]
    return sorted(found, key=lambda host: (host.last_seen, host.host))


def trend(session: Session, since: str = "", most: int = 60) -> list[dict[str, Any]]:
    """The newest run and the runs before it that can be compared with it (same inventory, limit and controls), oldest
    first, at most so many: [{run, finished, mode, hosts {state: count}, coverage, compliance_strict,
    compliance_with_waivers}].
    """
    newest = "SELECT inventory, scope, controls FROM proscribe_run ORDER BY finished DESC, id DESC LIMIT 1"
    like: Sequence[Any] | None = next(session.rows(newest), None)
    if like is None:
        return []
    query = f"""SELECT id, finished, mode, summary FROM proscribe_run WHERE inventory = :inventory AND scope = :scope
        AND controls = :controls AND finished >= :since ORDER BY finished DESC, id DESC LIMIT {most:d}"""
    values = {**dict(zip(("inventory", "scope", "controls"), like)), "since": since}
    return [_point(*row) for row in session.rows(query, values)][::-1]


def _point(id_: str, finished: str, mode: str, summary: str) -> dict[str, Any]:
    said = json.loads(summary)
    numbers = ("hosts", "coverage", "compliance_strict", "compliance_with_waivers")
    return {"run": id_, "finished": finished, "mode": mode, **{key: said[key] for key in numbers}}


def runs(session: Session, since: str) -> tuple[int, str, str]:
    """How many runs ended within the period, and when the first and the last of them did ("" for none)."""
    query = "SELECT COUNT(*), MIN(finished), MAX(finished) FROM proscribe_run WHERE finished >= :since"
    count, first, last = next(session.rows(query, {"since": since}))
    return int(count), first or "", last or ""
