"""Queries of the history: present defects, duration of repairs, flapping rules, and the trend.

Every function takes a session that reads. Times are UTC texts as in the tables. `since` is such a time, "" for all.
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
from .database import HistorySession
from .plans import PlanServices
from .tables import DEPARTED_TABLE, DRIFT_CONDITION, HOST_COLUMNS, HOST_RULE, INCIDENTS_JOIN, NEW_PLANS_TABLE, HostRow

WHOLE_SCOPES = (json.dumps(list(CONTROLS)), "[]", "null")  # values of the column `controls` for a run over all controls
FLAP_THRESHOLD = 3  # number of drifts of a rule on a host from which the rule is reported as flapping

# States with which a remediated incident ends. Any other end state means that the policy or the ability to observe
# changed.
REMEDIATED_STATES = (COMPLIANT, REPAIRED)


class OpenRule(NamedTuple):
    """A rule that is not compliant at present, with the number of hosts on which it has this state."""

    rule: str  # "" for the host as a whole
    state: str
    hosts: int
    oldest: str  # begin (UTC) of the oldest incident of this rule and state
    newest: str  # begin (UTC) of the newest incident of this rule and state
    host: str  # host of the oldest incident of this rule and state
    evidence: str  # evidence at the begin of the oldest incident


class RuleIncident(NamedTuple):
    """An incident: a period in which a rule was in the same state on a host.

    `closed` is the end (UTC), "" for an open incident. `ended` is the state after the incident.
    """

    host: str
    rule: str
    state: str
    evidence: str
    opened: str
    closed: str
    ended: str
    last_seen: str  # when a run last observed the rule; for the host as a whole, when a run last expected the host


class RepairTimes(NamedTuple):
    """The number and the durations (seconds) of the remediations in the period.

    Rules of a control that became compliant on a host at the same time count as one remediation. So do the rules of an
    app.
    """

    number: int  # number of remediations
    median: int
    longest: int
    rules: int = 0  # number of rules in all remediations together
    hosts: int = 0  # number of hosts with a remediation


class FlappingRule(NamedTuple):
    """A rule that drifted FLAP_THRESHOLD times or more on a host within the period."""

    host: str
    rule: str
    times: int  # number of drifts
    last: str  # time (UTC) of the last drift


class UnseenHost(NamedTuple):
    """A host that no run has observed for some time."""

    host: str
    last_seen: str  # time (UTC) of the last observation; "" if no run ever observed the host


class QueryScope(NamedTuple):
    """The scope of a question to the history: a host, a rule, and the begin (UTC) of the period.

    "" stands for all hosts, all rules, or the whole history.
    """

    since: str = ""
    host: str = ""
    rule: str = ""

    def build_conditions(self) -> str:
        """Build the SQL conditions for INCIDENTS_JOIN, each with its AND.

        `build_parameters` returns their values.
        """
        return (" AND e.host = :host" if self.host else "") + (" AND b.rule = :rule" if self.rule else "")

    def build_parameters(self) -> dict[str, str]:
        """Return the values for the named parameters of the conditions."""
        return self._asdict()


# SQL for the subject of a remediation: the rule of an app, or else the control.
SUBJECT_SQL = f"""CASE WHEN b.rule LIKE 'apps/%' THEN b.rule
    {" ".join(f"WHEN b.rule LIKE '{control}/%' THEN '{control}'" for control in CONTROLS[1:])} ELSE '' END"""

# SQL for the time when a run last observed the rule of an incident of INCIDENTS_JOIN. `h` is the row of the host.
LAST_SEEN_SQL = f"""CASE WHEN e.closed IS NOT NULL THEN e.closed WHEN b.rule = '{HOST_RULE}' THEN h.asked
    {" ".join(f"WHEN b.rule LIKE '{control}/%' THEN h.{control}" for control in CONTROLS)} ELSE '' END"""


class IncidentStarts(Mapping[tuple[str, str], str]):
    """The begin of every present defect, by (host, rule).

    The class computes its entries on request, because a great fleet has millions of pairs.
    """

    def __init__(self, session: HistorySession) -> None:
        open_bundles = "SELECT DISTINCT bundle FROM proscribe_episode WHERE closed IS NULL"
        rules: dict[str, set[str]] = {}
        for bundle_id, rule in session.fetch_rows(
            f"SELECT id, rule FROM proscribe_bundle WHERE id IN ({open_bundles})"
        ):
            rules.setdefault(bundle_id, set()).add(rule)
        # Order by begin, so that the oldest incident of a rule counts. An earlier incident continues while its rule
        # cannot be observed.
        query = "SELECT host, opened, bundle FROM proscribe_episode WHERE closed IS NULL ORDER BY host, opened"
        self._hosts: dict[str, list[tuple[str, set[str]]]] = {}
        for host, opened, bundle in session.fetch_rows(query):
            self._hosts.setdefault(host, []).append((opened, rules[bundle]))

    def __getitem__(self, key: tuple[str, str]) -> str:
        """Return the begin (UTC) of the oldest open incident of a (host, rule). Raises KeyError without one."""
        host, rule = key
        for opened, rules in self._hosts.get(host, ()):
            if rule in rules:
                return opened
        raise KeyError(key)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for host, host_incidents in self._hosts.items():
            yield from ((host, rule) for rule in sorted(set().union(*(rules for _, rules in host_incidents))))

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def list_open_rules(session: HistorySession, scope: QueryScope) -> list[OpenRule]:
    """Return the present defects, a row for each rule and state: worst state first, then most hosts.

    Controls from which the ban was removed (lifted) are left out; lifts.py lists them.
    """
    condition = f" AND state <> '{LIFTED}'" + (" AND host = :host" if scope.host else "")
    # The inner query counts the hosts of each bundle and state. Of its rows, place 1 is the oldest incident.
    query = f"""SELECT b.rule, g.state, g.hosts, g.opened, g.newest, g.host, b.evidence FROM (
            SELECT bundle, state, opened, host, COUNT(*) OVER same AS hosts, MAX(opened) OVER same AS newest,
                ROW_NUMBER() OVER (PARTITION BY bundle, state ORDER BY opened, host) AS place
            FROM proscribe_episode WHERE closed IS NULL{condition} WINDOW same AS (PARTITION BY bundle, state)
        ) AS g JOIN proscribe_bundle b ON b.id = g.bundle
        WHERE g.place = 1{" AND b.rule = :rule" if scope.rule else ""}"""
    rules_by_state: dict[tuple[str, str], OpenRule] = {}
    for row in session.fetch_rows(query, scope.build_parameters()):
        present = OpenRule(*row)
        previous = rules_by_state.get((present.rule, present.state))
        if previous:  # other hosts have the rule in another bundle
            oldest = min(present, previous, key=lambda open_rule: (open_rule.oldest, open_rule.host))
            present = oldest._replace(hosts=present.hosts + previous.hosts, newest=max(present.newest, previous.newest))
        rules_by_state[present.rule, present.state] = present
    return sorted(
        rules_by_state.values(), key=lambda open_rule: (STATES.index(open_rule.state), -open_rule.hosts, open_rule.rule)
    )


def list_incidents(session: HistorySession, scope: QueryScope) -> Iterator[RuleIncident]:
    """Yield the incidents that are open or that ended within the period of the scope, newest first."""
    query = f"""SELECT e.host, b.rule, e.state, b.evidence, e.opened, COALESCE(e.closed, ''), COALESCE(e.ended, ''),
            COALESCE({LAST_SEEN_SQL}, '')
        FROM {INCIDENTS_JOIN} LEFT JOIN proscribe_host h ON h.name = e.host
        WHERE (e.closed IS NULL OR e.closed >= :since){scope.build_conditions()}
        ORDER BY e.opened DESC, e.host, b.rule"""
    return (RuleIncident(*row) for row in session.fetch_rows(query, scope.build_parameters()))


def list_hosts(session: HistorySession, name: str = "") -> list[HostRow]:
    """Return the rows of the hosts that runs expect, or of the host `name`; [] for an unknown name."""
    condition = " WHERE name = :name" if name else ""
    query = f"SELECT {', '.join(HOST_COLUMNS)} FROM proscribe_host{condition}"
    return [HostRow.read_columns(row) for row in session.fetch_rows(query, {"name": name})]


def find_last_expected(session: HistorySession, host: str) -> str | None:
    """Return when a run last expected a host (UTC); None for an unknown host.

    The host may have left the inventory since.
    """
    tables = ["proscribe_host", *([DEPARTED_TABLE] if session.has_table(DEPARTED_TABLE) else [])]
    expected_times = [
        row[0]
        for table in tables
        for row in session.fetch_rows(f"SELECT asked FROM {table} WHERE name = :host", {"host": host})
    ]
    return max(expected_times, default=None)


def has_incidents(session: HistorySession, host: str) -> bool:
    """Return whether the history has incidents of a host, also of a host that no run expects any more."""
    query = "SELECT 1 FROM proscribe_episode WHERE host = :host LIMIT 1"
    return bool(list(session.fetch_rows(query, {"host": host})))


def list_rules(session: HistorySession, host: str = "") -> set[str]:
    """Return the rules that have incidents in the history, on `host` or (for "") on any host."""
    condition = " WHERE e.host = :host" if host else ""
    query = (
        f"SELECT DISTINCT b.rule FROM {INCIDENTS_JOIN}{condition}"
        if host
        else "SELECT DISTINCT rule FROM proscribe_bundle"
    )
    return {row[0] for row in session.fetch_rows(query, {"host": host})} - {HOST_RULE}


def count_never_observed(host_rows: Sequence[HostRow], plans: PlanServices, only_control: str = "") -> dict[str, int]:
    """Count for each control the hosts whose plan has the control, and on which no run has ever observed it.

    A host with an unknown plan counts too. `only_control` is a control, or "" for all controls.
    """
    counts = dict.fromkeys([only_control] if only_control else CONTROLS, 0)
    for host in host_rows:
        planned_services = plans.get_services(host.plan) if host.plan else None
        for control in counts:
            if not host.observed_at.get(control) and (planned_services is None or control in planned_services):
                counts[control] += 1
    return {control: count for control, count in counts.items() if count}


def measure_repairs(session: HistorySession, scope: QueryScope) -> RepairTimes:
    """Measure how long it took to correct noncompliant rules, for corrections within the period.

    All numbers are 0 without such corrections.
    """
    end_states = ", ".join(f"'{end}'" for end in REMEDIATED_STATES)
    condition = (
        f"""e.closed >= :since AND e.state = '{NONCOMPLIANT}' AND e.ended IN ({end_states}){scope.build_conditions()}"""
    )
    query = f"""SELECT opened, closed, COUNT(*), SUM(rules) FROM (
            SELECT MIN(e.opened) AS opened, e.closed AS closed, COUNT(*) AS rules FROM {INCIDENTS_JOIN}
            WHERE {condition} GROUP BY e.host, e.closed, {SUBJECT_SQL}
        ) AS times GROUP BY opened, closed"""
    repair_rows = list(session.fetch_rows(query, scope.build_parameters()))
    # (seconds, number of remediations that took this time), shortest first
    durations = sorted(
        (round((parse_moment(closed) - parse_moment(opened)).total_seconds()), times)
        for opened, closed, times, _ in repair_rows
    )
    repair_count, rule_count = sum(times for _, times in durations), sum(int(row[3]) for row in repair_rows)
    host_count = next(
        session.fetch_rows(
            f"SELECT COUNT(DISTINCT e.host) FROM {INCIDENTS_JOIN} WHERE {condition}", scope.build_parameters()
        )
    )[0]
    # the median is the first duration that, with all shorter ones, covers half of the remediations
    running_count = 0
    for seconds, times in durations:
        running_count += times
        if running_count * 2 >= repair_count:
            return RepairTimes(repair_count, seconds, durations[-1][0], rule_count, host_count)
    return RepairTimes(0, 0, 0)


def list_flapping_rules(session: HistorySession, scope: QueryScope, limit: int = 50) -> list[FlappingRule]:
    """Return the rules that drifted FLAP_THRESHOLD times or more within the period, most drifts first."""
    period_condition = f"state = '{NONCOMPLIANT}' AND opened >= :since"
    drift_condition = f" AND {DRIFT_CONDITION}" if session.has_table(NEW_PLANS_TABLE) else ""
    # Few hosts have enough incidents for a flapping rule, so this condition keeps the number of joined rows small.
    hosts_query = (
        f"SELECT host FROM proscribe_episode WHERE {period_condition} GROUP BY host HAVING COUNT(*) >= {FLAP_THRESHOLD}"
    )
    query = f"""SELECT e.host, b.rule, COUNT(*) AS times, MAX(e.opened) FROM {INCIDENTS_JOIN}
        WHERE e.host IN ({hosts_query}) AND {period_condition}{drift_condition}{scope.build_conditions()}
        GROUP BY e.host, b.rule
        HAVING COUNT(*) >= {FLAP_THRESHOLD} ORDER BY times DESC, e.host, b.rule LIMIT {limit:d}"""
    return [FlappingRule(*row) for row in session.fetch_rows(query, scope.build_parameters())]


def list_unseen_hosts(session: HistorySession, scope: QueryScope, oldest_time: str) -> list[UnseenHost]:
    """Return the hosts on which no control was observed since `oldest_time` (UTC), longest unseen first."""
    # SQLite and PostgreSQL have different functions for the greatest of several values. So Python computes the newest
    # time.
    time_condition = " AND ".join(f"{control} < :before" for control in CONTROLS)
    host_condition = " AND name = :host" if scope.host else ""
    query = f"SELECT name, {', '.join(CONTROLS)} FROM proscribe_host WHERE {time_condition}{host_condition}"
    unseen_hosts = [
        UnseenHost(row[0], max(row[1:]))
        for row in session.fetch_rows(query, {"before": oldest_time, "host": scope.host})
    ]
    return sorted(unseen_hosts, key=lambda host: (host.last_seen, host.host))


def list_trend_runs(session: HistorySession, since: str = "", limit: int = 60, like_run: str = "") -> list[PastRun]:
    """Return a run and the earlier runs that are comparable with it, oldest first, at most `limit` runs.

    Comparable runs have the same inventory, limit and controls. The run is `like_run` if the history has it, and else
    the newest run over a whole inventory: a run over a part does not describe all hosts.
    """
    comparable_scope = _find_comparable_scope(session, like_run)
    if comparable_scope is None:
        return []
    query = f"""SELECT id, finished, mode, summary FROM proscribe_run WHERE inventory = :inventory AND scope = :scope
        AND controls = :controls AND finished >= :since ORDER BY finished DESC, id DESC LIMIT {limit:d}"""
    return [_make_past_run(*row) for row in session.fetch_rows(query, {**comparable_scope, "since": since})][::-1]


def list_daily_runs(session: HistorySession, until: str, day_count: int, like_run: str = "") -> list[PastRun]:
    """Return the last run of each of the `day_count` UTC days that end with the day of `until`, oldest first.

    A day without a run has no entry. The runs are comparable with `like_run`, as for `list_trend_runs`.
    """
    comparable_scope = _find_comparable_scope(session, like_run)
    if comparable_scope is None:
        return []
    query = """SELECT id, finished, mode, summary FROM (
            SELECT id, finished, mode, summary, ROW_NUMBER() OVER (
                PARTITION BY SUBSTR(finished, 1, 10) ORDER BY finished DESC, id DESC) AS place
            FROM proscribe_run WHERE inventory = :inventory AND scope = :scope AND controls = :controls
                AND finished >= :since AND finished <= :until
        ) AS of_day WHERE place = 1 ORDER BY finished"""
    # A date without a time sorts before all times of its day.
    since = (parse_moment(until) - datetime.timedelta(days=day_count - 1)).date().isoformat()
    return [
        _make_past_run(*row) for row in session.fetch_rows(query, {**comparable_scope, "since": since, "until": until})
    ]


def _find_comparable_scope(session: HistorySession, like_run: str) -> dict[str, str] | None:
    """Return the columns that comparable runs share, with their values.

    The values are those of the run `like_run`, or else of the newest run over a whole inventory. The result is None if
    the history has neither.
    """
    newest = f"""SELECT inventory, scope, controls FROM proscribe_run
        WHERE id = :like
        OR (scope = '' AND controls IN ({", ".join(f"'{controls_text}'" for controls_text in WHOLE_SCOPES)}))
        ORDER BY CASE WHEN id = :like THEN 0 ELSE 1 END, finished DESC, id DESC LIMIT 1"""
    scope_row = next(session.fetch_rows(newest, {"like": like_run}), None)
    return None if scope_row is None else dict(zip(("inventory", "scope", "controls"), scope_row))


def _make_past_run(run_id: str, finished: str, mode: str, summary: str) -> PastRun:
    """Make a point of the trend from a row of `proscribe_run`. `summary` is JSON."""
    summary_: ReportSummary = json.loads(summary)
    return {
        "run": run_id,
        "finished": finished,
        "mode": mode,
        "hosts": summary_["hosts"],
        "coverage": summary_["coverage"],
        "compliance_strict": summary_["compliance_strict"],
        "compliance_with_waivers": summary_["compliance_with_waivers"],
    }


def count_runs(session: HistorySession, since: str) -> tuple[int, str, str]:
    """Return the number of runs that ended since a UTC time, with the first and last of these ends.

    The ends are "" if no run ended.
    """
    query = "SELECT COUNT(*), MIN(finished), MAX(finished) FROM proscribe_run WHERE finished >= :since"
    count, first_end, last_end = next(session.fetch_rows(query, {"since": since}))
    return int(count), first_end or "", last_end or ""
