"""Writing a lift into the history: what was wrong is over there, and that a control is lifted goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from ....model.finding import LIFTED, UNKNOWN
from ....model.plan import CONTROLS
from ..evaluation.lifts import LiftResult, make_lift_rule
from ..evaluation.scope import Run
from .batch import Going
from .database import Session
from .incident_groups import Bundles, Rules
from .queries import Scope
from .tables import (
    ADD_INCIDENT,
    DROP_INCIDENT,
    HOST,
    HOST_COLUMNS,
    SET_HOST,
    HostRow,
    among,
    select_hosts,
    select_open,
)

BATCH = 500  # hosts that are asked for in one query
UNSURE = "its lift failed or gave no answer"


class LiftedNow(NamedTuple):
    """Controls that one run lifted on some hosts, and that no run has observed since."""

    run: str
    controls: tuple[str, ...]
    oldest: str
    hosts: int
    host: str  # the first of them


def record(session: Session, run: Run, at: str, results: Mapping[str, LiftResult]) -> None:
    """Write what a run has lifted by then (UTC): end what was open of it, and begin that it is lifted."""
    bundles, inventory = Bundles(session), json.dumps(run["inventory"])
    remaining = iter(results.items())
    while batch := dict(islice(remaining, BATCH)):
        names = among(list(batch))
        known = {row[0] for row in session.rows(select_hosts(len(names)), names)}
        open_: dict[str, list[Going]] = {}
        for host, *incident in session.rows(select_open(len(names)), names):
            open_.setdefault(host, []).append(Going(*incident))
        bundles.load(incident.bundle for incidents in open_.values() for incident in incidents)
        changes = _Changes(run["id"], at, bundles)
        for host, result in batch.items():
            changes.take(host, result, open_.get(host, ()))
        bundles.save()
        session.many(DROP_INCIDENT, changes.dropping)
        session.many(ADD_INCIDENT, changes.adding)
        rows = [HostRow(host, inventory, run["id"], at) for host in batch if host not in known]
        session.many(SET_HOST, [dict(zip(HOST_COLUMNS, row)) for row in rows])


class _Changes:
    """The rows that the lifts of some hosts drop and add."""

    def __init__(self, run: str, at: str, bundles: Bundles) -> None:
        self._run, self._at, self._bundles = run, at, bundles
        self.dropping: list[dict[str, str]] = []
        self.adding: list[dict[str, str | None]] = []

    def take(self, host: str, result: LiftResult, open_incidents: Iterable[Going]) -> None:
        """Take the lift of one host, on which these incidents are open."""
        open_rules: set[tuple[str, str]] = set()
        for incident in open_incidents:
            rules = self._bundles.rules(incident.bundle)
            over = {r: text for r, text in rules.items() if incident.state != LIFTED and _is_over(r, result)}
            rest = {rule: text for rule, text in rules.items() if rule not in over}
            open_rules.update((rule, incident.state) for rule in rest)
            if over:
                self.dropping.append({"host": host, "bundle": incident.bundle, "state": incident.state})
                self._add(host, over, incident, ended=LIFTED)
                self._add(host, rest, incident)
        for controls, state, text in ((result.lifted, LIFTED, ""), (result.unsure, UNKNOWN, UNSURE)):
            begun = {rule: text for rule in map(make_lift_rule, controls) if (rule, state) not in open_rules}
            self._add(host, begun, Going("", state, self._at, self._run))

    def _add(self, host: str, rules: Rules, incident: Going, ended: str = "") -> None:
        if rules:
            row = {**incident._asdict(), "host": host, "bundle": self._bundles.of(rules)}
            closed = {"closed": self._at, "closed_run": self._run, "ended": ended}
            self.adding.append({**row, **(closed if ended else dict.fromkeys(closed))})


def _is_over(rule: str, result: LiftResult) -> bool:
    """Tell whether a lift ends the incident of a rule; that of the host as a whole ends with all controls."""
    if rule == HOST:
        return set(CONTROLS) <= {*result.lifted}
    return rule.partition("/")[0] in result.lifted


def list_lifted_hosts(session: Session, scope: Scope) -> list[LiftedNow]:
    """Return what is lifted now, the newest lift first."""
    where = " AND e.host = :host" if scope.host else ""
    query = f"""SELECT e.host, e.opened_run, e.opened, b.rule FROM proscribe_episode e
        JOIN proscribe_bundle b ON b.id = e.bundle WHERE e.closed IS NULL AND e.state = '{LIFTED}'{where}
        ORDER BY e.opened DESC, e.host, b.rule"""
    controls: dict[tuple[str, str, str], set[str]] = {}
    for host, run, opened, rule in session.rows(query, scope.values()):
        controls.setdefault((run, opened, host), set()).add(rule.partition("/")[0])
    return list(_group_hosts(controls, scope.rule.partition("/")[0]))


def _group_hosts(controls: Mapping[tuple[str, str, str], set[str]], control: str) -> Iterator[LiftedNow]:
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (run, opened, host), names in controls.items():
        if not control or control in names:
            order = [*(name for name in CONTROLS if name in names), *sorted(names.difference(CONTROLS))]
            groups.setdefault((run, opened, tuple(order)), []).append(host)
    for (run, opened, lifted_controls), hosts in groups.items():
        yield LiftedNow(run, lifted_controls, opened, len(hosts), hosts[0])
