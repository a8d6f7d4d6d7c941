"""The lifts of the ban in the history: open incidents end, and an incident with the state lifted begins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from ....model.finding import LIFTED, UNKNOWN
from ....model.plan import CONTROLS
from ..evaluation.lifts import LiftResult, make_lift_rule
from ..evaluation.scope import AnyRun
from .batch import OpenIncident
from .database import HistorySession
from .queries import QueryScope
from .rule_bundles import EvidenceByRule, RuleBundles
from .tables import (
    ADD_INCIDENT,
    DROP_INCIDENT,
    HOST_RULE,
    SET_HOST,
    HostRow,
    make_hosts_query,
    make_open_incidents_query,
    make_parameters,
)

HOSTS_PER_QUERY = 500  # most hosts in a query
UNSURE_TEXT = "its lift failed or gave no answer"


class LiftSummary(NamedTuple):
    """The controls from which a run removed the ban on some hosts (a lift).

    No run has observed these controls there since.
    """

    run: str  # id of the run
    controls: tuple[str, ...]
    oldest: str  # time (UTC) of the lift
    hosts: int  # number of hosts
    host: str  # the first of the hosts, by name


def record_lift(session: HistorySession, run: AnyRun, lifted_at: str, results: Mapping[str, LiftResult]) -> None:
    """Store the lifts (removals of the ban) that a run made at `lifted_at` (UTC).

    The open incidents of the lifted controls end, and an incident with the state `lifted` begins for each control.
    """
    bundles, inventory = RuleBundles(session), json.dumps(run["inventory"])
    remaining_results = iter(results.items())
    while batch := dict(islice(remaining_results, HOSTS_PER_QUERY)):
        parameters = make_parameters(list(batch))
        known_hosts = {row[0] for row in session.fetch_rows(make_hosts_query(len(parameters)), parameters)}
        open_incidents: dict[str, list[OpenIncident]] = {}
        for host, *incident in session.fetch_rows(make_open_incidents_query(len(parameters)), parameters):
            open_incidents.setdefault(host, []).append(OpenIncident(*incident))
        bundles.load_bundles(incident.bundle for incidents in open_incidents.values() for incident in incidents)
        changes = _LiftChanges(run["id"], lifted_at, bundles)
        for host, result in batch.items():
            changes.add_lift(host, result, open_incidents.get(host, ()))
        bundles.save_bundles()
        session.execute_for_rows(DROP_INCIDENT, changes.dropped_incidents)
        session.execute_for_rows(ADD_INCIDENT, changes.added_incidents)
        rows = [HostRow(host, inventory, run["id"], lifted_at) for host in batch if host not in known_hosts]
        session.execute_for_rows(SET_HOST, [row.make_columns() for row in rows])


class _LiftChanges:
    """The rows of the history that the lifts of some hosts delete and add.

    The rows are for the statements DROP_INCIDENT and ADD_INCIDENT.
    """

    def __init__(self, run_id: str, lifted_at: str, bundles: RuleBundles) -> None:
        self._run_id, self._lifted_at, self._bundles = run_id, lifted_at, bundles
        self.dropped_incidents: list[dict[str, str]] = []
        self.added_incidents: list[dict[str, str | None]] = []

    def add_lift(self, host: str, result: LiftResult, open_incidents: Iterable[OpenIncident]) -> None:
        """Add the changes by the lift (removal of the ban) of a host.

        Its open incidents end, and an incident for each lifted control begins.
        """
        open_rules: set[tuple[str, str]] = set()  # (rule, state) of the incidents that continue
        for incident in open_incidents:
            rules = self._bundles.get_rules(incident.bundle)
            ended_rules = {
                rule: text
                for rule, text in rules.items()
                if incident.state != LIFTED and _is_ended_by_lift(rule, result)
            }
            remaining_rules = {rule: text for rule, text in rules.items() if rule not in ended_rules}
            open_rules.update((rule, incident.state) for rule in remaining_rules)
            if ended_rules:  # the incident becomes an ended incident, and one for the rules that continue
                self.dropped_incidents.append({"host": host, "bundle": incident.bundle, "state": incident.state})
                self._add_incident(host, ended_rules, incident, end_state=LIFTED)
                self._add_incident(host, remaining_rules, incident)
        # An earlier lift of the same control has such a rule already; its incident continues.
        for controls, state, text in ((result.lifted, LIFTED, ""), (result.unsure, UNKNOWN, UNSURE_TEXT)):
            lift_rules = {rule: text for rule in map(make_lift_rule, controls) if (rule, state) not in open_rules}
            self._add_incident(host, lift_rules, OpenIncident("", state, self._lifted_at, self._run_id))

    def _add_incident(self, host: str, rules: EvidenceByRule, incident: OpenIncident, end_state: str = "") -> None:
        """Add the row of an incident for these rules; no row without rules.

        The state and the begin are those of `incident`. `end_state` is the state with which the incident ends now, ""
        if it continues.
        """
        if rules:
            row = {**incident._asdict(), "host": host, "bundle": self._bundles.register_bundle(rules)}
            closing_columns = {"closed": self._lifted_at, "closed_run": self._run_id, "ended": end_state}
            self.added_incidents.append({**row, **(closing_columns if end_state else dict.fromkeys(closing_columns))})


def _is_ended_by_lift(rule: str, result: LiftResult) -> bool:
    """Return whether a lift ends the incident of a rule.

    A lift of all controls also ends the incident of the host as a whole.
    """
    if rule == HOST_RULE:
        return set(CONTROLS) <= {*result.lifted}
    return rule.partition("/")[0] in result.lifted


def list_lifted_hosts(session: HistorySession, scope: QueryScope) -> list[LiftSummary]:
    """Return the lifts after which no run has observed the controls, the newest lift first.

    The host and the control of `scope` select the lifts; its period does not.
    """
    condition = " AND e.host = :host" if scope.host else ""
    query = f"""SELECT e.host, e.opened_run, e.opened, b.rule FROM proscribe_episode e
        JOIN proscribe_bundle b ON b.id = e.bundle WHERE e.closed IS NULL AND e.state = '{LIFTED}'{condition}
        ORDER BY e.opened DESC, e.host, b.rule"""
    controls: dict[tuple[str, str, str], set[str]] = {}
    for host, run, opened, rule in session.fetch_rows(query, scope.build_parameters()):
        controls.setdefault((run, opened, host), set()).add(rule.partition("/")[0])
    return list(_group_lifted_hosts(controls, scope.rule.partition("/")[0]))


def _group_lifted_hosts(controls: Mapping[tuple[str, str, str], set[str]], control: str) -> Iterator[LiftSummary]:
    """Yield the lifts, each with all hosts that have the same lifted controls by the same run.

    `controls` is {(run, time, host): lifted controls}. Only lifts of `control` are yielded ("" for all lifts).
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (run, opened, host), lifted_names in controls.items():
        if not control or control in lifted_names:
            ordered_controls = [
                *(name for name in CONTROLS if name in lifted_names),
                *sorted(lifted_names.difference(CONTROLS)),
            ]
            groups.setdefault((run, opened, tuple(ordered_controls)), []).append(host)
    for (run, opened, lifted_controls), hosts in groups.items():
        yield LiftSummary(run, lifted_controls, opened, len(hosts), hosts[0])
