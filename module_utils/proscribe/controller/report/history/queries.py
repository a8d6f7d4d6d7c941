"""Queries of the history: since when rules are wrong, how long remediation took, which rules flap, and the trend.

Every function takes a session that reads. Times are UTC texts as the tables have them; `since` is one, "" for ever.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ....base.duration import parse_moment
from ....model.finding import COMPLIANT, LIFTED, NONCOMPLIANT, REPAIRED, STATES
from ....model.plan import CONTROLS
from ....model.types.history import PastRun
from ....model.types.report import ReportSummary
from .database import Session
from .plans import Plans
from .tables import DEPARTED, DRIFTED, HOST, HOST_COLUMNS, NEW_PLANS, STORY, HostRow

WHOLE = (json.dumps(list(CONTROLS)), "[]", "null")  # how a run over all controls has them in the history
FLAPS = 3  # so many drifts of one rule on one host within the period are reported as flapping

# An incident that ended like this was remediated. Any other end is a change of the policy, or of what could be seen.
RIGHT = (COMPLIANT, REPAIRED)


class Wrong(NamedTuple):
    """A rule in a state other than compliant, on so many hosts, now."""

    rule: str  # "" for the host as a whole
    state: str
    hosts: int
    oldest: str  # when the first of these incidents began
    newest: str  # when the last one did
    host: str  # the host of the oldest incident
    evidence: str  # what was found there when it began


class Incident(NamedTuple):
    """A stretch of time in which a rule was in one state on a host. `closed` is "" while it goes on."""

    host: str
    rule: str
    state: str
    evidence: str
    opened: str
    closed: str
    ended: str
    last_seen: str  # when a run last observed it so; of the host as a whole, when a run last asked


class Repairs(NamedTuple):
    """How often something was remediated in the period, and how long that took, in seconds.

    Rules of one control on one host, or of one app there, that came back into line together count once.
    """

    number: int
    median: int
    longest: int
    rules: int = 0  # in all these times together
    hosts: int = 0


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

    def where(self) -> str:
        """The conditions for STORY, each with its AND; `values` has their values."""
        return (" AND e.host = :host" if self.host else "") + (" AND b.rule = :rule" if self.rule else "")

    def values(self) -> dict[str, str]:
        """The values of the conditions."""
        return self._asdict()


# What comes back into line together: an app is a thing of its own, of the others the control.
PLACE = f"""CASE WHEN b.rule LIKE 'apps/%' THEN b.rule
    {" ".join(f"WHEN b.rule LIKE '{control}/%' THEN '{control}'" for control in CONTROLS[1:])} ELSE '' END"""

# When a run last observed the rule of an incident of STORY on its host `h`.
LAST_SEEN = f"""CASE WHEN e.closed IS NOT NULL THEN e.closed WHEN b.rule = '{HOST}' THEN h.asked
    {" ".join(f"WHEN b.rule LIKE '{control}/%' THEN h.{control}" for control in CONTROLS)} ELSE '' END"""


class Since(Mapping[tuple[str, str], str]):
    """For every rule that is not as it should be, by (host, rule): when that began. A mapping, but not one entry for
    each pair, of which a great fleet has millions.
    """

    def __init__(self, session: Session) -> None:
        going = "SELECT DISTINCT bundle FROM proscribe_episode WHERE closed IS NULL"
        rules: dict[str, set[str]] = {}
        for id_, rule in session.rows(f"SELECT id, rule FROM proscribe_bundle WHERE id IN ({going})"):
            rules.setdefault(id_, set()).add(rule)
        # Oldest first: while a rule cannot be seen, what was seen before goes on.
        query = "SELECT host, opened, bundle FROM proscribe_episode WHERE closed IS NULL ORDER BY host, opened"
        self._hosts: dict[str, list[tuple[str, set[str]]]] = {}
        for host, opened, bundle in session.rows(query):
            self._hosts.setdefault(host, []).append((opened, rules[bundle]))

    def __getitem__(self, key: tuple[str, str]) -> str:
        host, rule = key
        for opened, rules in self._hosts.get(host, ()):
            if rule in rules:
                return opened
        raise KeyError(key)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for host, incidents_ in self._hosts.items():
            yield from ((host, rule) for rule in sorted(set().union(*(rules for _, rules in incidents_))))

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def wrong(session: Session, scope: Scope) -> list[Wrong]:
    """What is not as it should be now, one row for each rule and state: worst state first, then most hosts. What is
    lifted is apart (lifts.py).
    """
    one = f" AND state <> '{LIFTED}'" + (" AND host = :host" if scope.host else "")
    query = f"""SELECT b.rule, g.state, g.hosts, g.opened, g.newest, g.host, b.evidence FROM (
            SELECT bundle, state, opened, host, COUNT(*) OVER same AS hosts, MAX(opened) OVER same AS newest,
                ROW_NUMBER() OVER (PARTITION BY bundle, state ORDER BY opened, host) AS place
            FROM proscribe_episode WHERE closed IS NULL{one} WINDOW same AS (PARTITION BY bundle, state)
        ) AS g JOIN proscribe_bundle b ON b.id = g.bundle
        WHERE g.place = 1{" AND b.rule = :rule" if scope.rule else ""}"""
    found: dict[tuple[str, str], Wrong] = {}
    for row in session.rows(query, scope.values()):
        now = Wrong(*row)
        before = found.get((now.rule, now.state))
        if before:  # on other hosts, in another bundle
            first = min(now, before, key=lambda one: (one.oldest, one.host))
            now = first._replace(hosts=now.hosts + before.hosts, newest=max(now.newest, before.newest))
        found[now.rule, now.state] = now
    return sorted(found.values(), key=lambda one: (STATES.index(one.state), -one.hosts, one.rule))


def incidents(session: Session, scope: Scope) -> Iterator[Incident]:
    """The incidents that go on or ended within the period, the newest first."""
    query = f"""SELECT e.host, b.rule, e.state, b.evidence, e.opened, COALESCE(e.closed, ''), COALESCE(e.ended, ''),
            COALESCE({LAST_SEEN}, '')
        FROM {STORY} LEFT JOIN proscribe_host h ON h.name = e.host
        WHERE (e.closed IS NULL OR e.closed >= :since){scope.where()} ORDER BY e.opened DESC, e.host, b.rule"""
    return (Incident(*row) for row in session.rows(query, scope.values()))


def hosts(session: Session, name: str = "") -> list[HostRow]:
    """The hosts that runs ask for, or the one of that name; [] for a name that none of them has."""
    one = " WHERE name = :name" if name else ""
    query = f"SELECT {', '.join(HOST_COLUMNS)} FROM proscribe_host{one}"
    return [HostRow(*row) for row in session.rows(query, {"name": name})]


def last_expected(session: Session, host: str) -> str | None:
    """Return when a run last expected a host, also one that has left its inventory; None for an unknown host."""
    tables = ["proscribe_host", *([DEPARTED] if session.has(DEPARTED) else [])]
    found = [
        row[0]
        for table in tables
        for row in session.rows(f"SELECT asked FROM {table} WHERE name = :host", {"host": host})
    ]
    return max(found, default=None)


def has_past(session: Session, host: str) -> bool:
    """Whether the history has incidents of a host, also of one that no run asks for any more."""
    query = "SELECT 1 FROM proscribe_episode WHERE host = :host LIMIT 1"
    return bool(list(session.rows(query, {"host": host})))


def rules(session: Session, host: str = "") -> set[str]:
    """The rules of which the history has incidents, on one host or on any."""
    one = " WHERE e.host = :host" if host else ""
    query = f"SELECT DISTINCT b.rule FROM {STORY}{one}" if host else "SELECT DISTINCT rule FROM proscribe_bundle"
    return {row[0] for row in session.rows(query, {"host": host})} - {HOST}


def never(found: Sequence[HostRow], plans: Plans, only: str = "") -> dict[str, int]:
    """By control: on how many of some hosts no run has ever observed it, though their plan has it (or nobody knows
    their plan). `only` is a control, or "" for all.
    """
    counts = dict.fromkeys([only] if only else CONTROLS, 0)
    for host in found:
        has = plans.services(host.plan) if host.plan else None
        for control in counts:
            if not getattr(host, control) and (has is None or control in has):
                counts[control] += 1
    return {control: count for control, count in counts.items() if count}


def repairs(session: Session, scope: Scope) -> Repairs:
    """What was noncompliant and was remediated within the period."""
    right = ", ".join(f"'{end}'" for end in RIGHT)
    ended = f"""e.closed >= :since AND e.state = '{NONCOMPLIANT}' AND e.ended IN ({right}){scope.where()}"""
    query = f"""SELECT opened, closed, COUNT(*), SUM(rules) FROM (
            SELECT MIN(e.opened) AS opened, e.closed AS closed, COUNT(*) AS rules FROM {STORY}
            WHERE {ended} GROUP BY e.host, e.closed, {PLACE}
        ) AS times GROUP BY opened, closed"""
    found = list(session.rows(query, scope.values()))
    took = sorted(
        (round((parse_moment(closed) - parse_moment(opened)).total_seconds()), times)
        for opened, closed, times, _ in found
    )
    number, rules = sum(times for _, times in took), sum(int(row[3]) for row in found)
    hosts = next(session.rows(f"SELECT COUNT(DISTINCT e.host) FROM {STORY} WHERE {ended}", scope.values()))[0]
    reached = 0
    for seconds, times in took:
        reached += times
        if reached * 2 >= number:
            return Repairs(number, seconds, took[-1][0], rules, hosts)
    return Repairs(0, 0, 0)


def flapping(session: Session, scope: Scope, most: int = 50) -> list[Flap]:
    """What drifted FLAPS times or more within the period, most often first."""
    within = f"state = '{NONCOMPLIANT}' AND opened >= :since"
    drift = f" AND {DRIFTED}" if session.has(NEW_PLANS) else ""
    often = f"SELECT host FROM proscribe_episode WHERE {within} GROUP BY host HAVING COUNT(*) >= {FLAPS}"
    query = f"""SELECT e.host, b.rule, COUNT(*) AS times, MAX(e.opened) FROM {STORY}
        WHERE e.host IN ({often}) AND {within}{drift}{scope.where()} GROUP BY e.host, b.rule
        HAVING COUNT(*) >= {FLAPS} ORDER BY times DESC, e.host, b.rule LIMIT {most:d}"""
    return [Flap(*row) for row in session.rows(query, scope.values())]


def unseen(session: Session, scope: Scope, before: str) -> list[Unseen]:
    """The hosts of which no control was seen since `before`, longest unseen first."""
    # SQLite's MAX of several values is PostgreSQL's MAX_COUNT, so the newest is found here.
    old = " AND ".join(f"{control} < :before" for control in CONTROLS)
    one = " AND name = :host" if scope.host else ""
    query = f"SELECT name, {', '.join(CONTROLS)} FROM proscribe_host WHERE {old}{one}"
    found = [Unseen(row[0], max(row[1:])) for row in session.rows(query, {"before": before, "host": scope.host})]
    return sorted(found, key=lambda host: (host.last_seen, host.host))


def trend(session: Session, since: str = "", most: int = 60, like_run: str = "") -> list[PastRun]:
    """A run and the runs before it that can be compared with it (same inventory, limit and controls), oldest first, at
    most so many.

    The run is `like_run`, where it is known, and else the newest one over the whole of an inventory: one over a part
    says nothing of all hosts.
    """
    like = _comparable(session, like_run)
    if like is None:
        return []
    query = f"""SELECT id, finished, mode, summary FROM proscribe_run WHERE inventory = :inventory AND scope = :scope
        AND controls = :controls AND finished >= :since ORDER BY finished DESC, id DESC LIMIT {most:d}"""
    return [_point(*row) for row in session.rows(query, {**like, "since": since})][::-1]


def days(session: Session, until: str, number: int, like_run: str = "") -> list[PastRun]:
    """The last run of each day, of so many UTC days up to a time, oldest first. A day without a run has none. The runs
    are those that `trend` compares.
    """
    like = _comparable(session, like_run)
    if like is None:
        return []
    query = """SELECT id, finished, mode, summary FROM (
            SELECT id, finished, mode, summary, ROW_NUMBER() OVER (
                PARTITION BY SUBSTR(finished, 1, 10) ORDER BY finished DESC, id DESC) AS place
            FROM proscribe_run WHERE inventory = :inventory AND scope = :scope AND controls = :controls
                AND finished >= :since AND finished <= :until
        ) AS of_day WHERE place = 1 ORDER BY finished"""
    since = (
        (parse_moment(until) - datetime.timedelta(days=number - 1)).date().isoformat()
    )  # sorts before all of its day
    return [_point(*row) for row in session.rows(query, {**like, "since": since, "until": until})]


def _comparable(session: Session, like_run: str) -> dict[str, str] | None:
    """What a run has in common with those that can be compared with it; None where there is no such run."""
    newest = f"""SELECT inventory, scope, controls FROM proscribe_run
        WHERE id = :like OR (scope = '' AND controls IN ({", ".join(f"'{one}'" for one in WHOLE)}))
        ORDER BY CASE WHEN id = :like THEN 0 ELSE 1 END, finished DESC, id DESC LIMIT 1"""
    like = next(session.rows(newest, {"like": like_run}), None)
    return None if like is None else dict(zip(("inventory", "scope", "controls"), like))


def _point(id_: str, finished: str, mode: str, summary: str) -> PastRun:
    said: ReportSummary = json.loads(summary)
    return {
        "run": id_,
        "finished": finished,
        "mode": mode,
        "hosts": said["hosts"],
        "coverage": said["coverage"],
        "compliance_strict": said["compliance_strict"],
        "compliance_with_waivers": said["compliance_with_waivers"],
    }


def runs(session: Session, since: str) -> tuple[int, str, str]:
    """How many runs ended within the period, and when the first and the last of them did ("" for none)."""
    query = "SELECT COUNT(*), MIN(finished), MAX(finished) FROM proscribe_run WHERE finished >= :since"
    count, first, last = next(session.rows(query, {"since": since}))
    return int(count), first or "", last or ""
