"""What the records of some hosts change in the history: the rows to write for them.

What cannot be seen does not end what was seen: while a rule is `unknown` or `error`, its `noncompliant` incident stays
open. And a rule ends as `withdrawn`, not as repaired, when the host's plan does not ask for it any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ....model.finding import (
    COMPLIANT,
    ERROR,
    EXTRA_RULE_GROUPS,
    LIFTED,
    NONCOMPLIANT,
    OPEN_STATES,
    REPAIRED,
    RULES_ON_REQUEST,
    WAIVED,
    find_worst_state,
)
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ..evaluation.arithmetic import answered
from ..evaluation.lifts import make_lift_rule
from ..evaluation.observed import is_observed_since, observed_at
from .database import Session
from .incident_groups import Bundles, Rules
from .plans import Plans
from .said import BLIND, Said
from .tables import HOST, HOST_COLUMNS, WITHDRAWN, HostRow, RunRow, among, select_hosts, select_open

OPENING = (*OPEN_STATES, WAIVED)  # the states that open an incident


class Going(NamedTuple):
    """An open incident of a host."""

    bundle: str
    state: str
    opened: str
    opened_run: str


class Batch:
    """The changes that some hosts' records make: rows for DROP_INCIDENT, ADD_INCIDENT, SET_HOST and ADD_NEW_PLAN, in
    that order, and how many rules began and ended.
    """

    def __init__(
        self, session: Session, run: RunRow, records: list[HostRecord], plans: Plans, bundles: Bundles, said: Said
    ) -> None:
        self.run, self.plans, self.bundles, self.said = run, plans, bundles, said
        self.controls: list[str] = json.loads(run.controls) or list(CONTROLS)
        self.dropping: list[dict[str, str]] = []
        self.adding: list[dict[str, str | None]] = []
        self.hosts: list[dict[str, str]] = []
        self.new_plans: list[dict[str, str]] = []
        self.opened = self.closed = 0
        names = among([record["host"] for record in records])
        known = {row[0]: HostRow(*row) for row in session.rows(select_hosts(len(names)), names)}
        going: dict[str, list[Going]] = {}
        for host, *incident in session.rows(select_open(len(names)), names):
            going.setdefault(host, []).append(Going(*incident))
        bundles.load(incident.bundle for incidents in going.values() for incident in incidents)
        for record in records:
            host = record["host"]
            self._take(record, known.get(host, HostRow(host)), going.get(host, ()))

    def _take(self, record: HostRecord, before: HostRow, going: Iterable[Going]) -> None:
        at = observed_at(record, self.run.started, self.run.finished)
        # A run that ends late may bring an older observation than the known one; it says nothing new.
        fresh = [control for control in self.controls if at >= getattr(before, control)] if answered(record) else []
        if fresh:
            fresh += [name for name in EXTRA_RULE_GROUPS if self._about(name, record)]
        going = list(going)
        unobserved = self._lifted_since(record, going)
        fresh = [control for control in fresh if control not in unobserved]
        expected = self.run.finished >= before.expected_at
        said = self.said.of(record, fresh, about_host=expected)
        about = {*fresh, HOST} if expected else set(fresh)
        open_: set[tuple[str, str]] = set()
        for incident in going:
            rules = self.bundles.rules(incident.bundle)
            open_.update((rule, incident.state) for rule in rules)
            ended: dict[str, dict[str, str]] = {}  # how it ended ("" if it did not): for which rules
            for rule, evidence_ in rules.items():
                now = self._end(rule, incident.state, said, before.plan, record["plan"] or "", about)
                ended.setdefault(now, {})[rule] = evidence_
            if set(ended) != {""}:
                self._split(record["host"], incident, ended, at)
        beginning: dict[tuple[str, str, str], dict[str, str]] = {}
        for rule, (state, what) in said.items():
            control = rule.partition("/")[0]
            place = rule if control == "apps" else control  # an app is found in its own place on each host
            if state in OPENING and (rule, state) not in open_:
                beginning.setdefault((state, place, ""), {})[rule] = what
            elif state == REPAIRED and not open_ & {(rule, NONCOMPLIANT), (rule, ERROR)}:
                # It began after the last run and ended within this one.
                beginning.setdefault((NONCOMPLIANT, place, REPAIRED), {})[rule] = what
        for (state, _, end), rules in beginning.items():
            self._add(record["host"], rules, Going("", state, at, self.run.id), end, at)
            self.opened += len(rules)
        wrong = {
            rule.partition("/")[0] for (state, *_), rules in beginning.items() if state in OPEN_STATES for rule in rules
        }
        self.new_plans += [
            {"host": record["host"], "run": self.run.id, "control": control}
            for control in sorted(wrong - {HOST})
            if before.plan != (record["plan"] or "") or not getattr(before, control, before.plan)
        ]
        if expected or fresh:
            self.hosts.append(self._host(record, before, fresh, at, expected))

    def _lifted_since(self, record: HostRecord, going: Iterable[Going]) -> set[str]:
        """Return the controls that were lifted after a host was observed."""
        lifted: set[str] = set()
        for incident in going:
            if incident.state == LIFTED and not is_observed_since(
                incident.opened, record, self.run.mode, self.run.started, self.run.finished
            ):
                lifted.update(rule.partition("/")[0] for rule in self.bundles.rules(incident.bundle))
        return lifted

    def _about(self, name: str, record: HostRecord) -> bool:
        """Whether a record says how something beside the controls is: all of these were observed, or it was too."""
        return len(self.controls) == len(CONTROLS) or name in (record.get("controls") or {})

    def _end(
        self, rule: str, state: str, said: Mapping[str, tuple[str, str]], old: str, new: str, about: set[str]
    ) -> str:
        """How an incident of that rule and state ends by a record; "" where it goes on or was not observed."""
        control = rule.partition("/")[0]
        if control not in about:
            return ""
        if rule == make_lift_rule(control):  # what is observed now takes its place
            states = [now for named, (now, _) in said.items() if named.partition("/")[0] == control]
            return find_worst_state(states) if states else COMPLIANT
        if rule not in said:
            if rule in RULES_ON_REQUEST:
                return ""
            return WITHDRAWN if self._withdrawn(rule, old, new) else COMPLIANT
        now = said[rule][0]
        return "" if now == state or (now in BLIND and state not in BLIND) else now

    def _split(self, host: str, incident: Going, ended: Mapping[str, Rules], at: str) -> None:
        """End an incident, for its rules as they ended; it goes on for those that did not."""
        self.dropping.append({"host": host, "bundle": incident.bundle, "state": incident.state})
        for end, rules in ended.items():
            self._add(host, rules, incident, end, at)
            self.closed += len(rules) if end else 0

    def _add(self, host: str, rules: Rules, incident: Going, end: str, at: str) -> None:
        row = {**incident._asdict(), "host": host, "bundle": self.bundles.of(rules)}
        closed = {"closed": at, "closed_run": self.run.id, "ended": end}
        self.adding.append({**row, **(closed if end else dict.fromkeys(closed))})

    def _withdrawn(self, rule: str, old: str, new: str) -> bool:
        """Whether a rule is not seen any more because the plan does not ask for it any more."""
        control, _, service = rule.partition("/")
        services = self.plans.services(new)
        if not service or services is None:
            return False
        if control not in services:
            return True
        before = self.plans.services(old)
        # A rule that is no service of the old plan is a setting, of which plans do not list the rules.
        return before is not None and service in before.get(control, ()) and service not in services[control]

    def _host(
        self, record: HostRecord, before: HostRow, fresh: Iterable[str], at: str, expected: bool
    ) -> dict[str, str]:
        row = before._replace(**dict.fromkeys([control for control in fresh if control not in EXTRA_RULE_GROUPS], at))
        if fresh:
            row = row._replace(plan=record["plan"] or "")
        if expected:
            row = row._replace(inventory=self.run.inventory, run=self.run.id, expected_at=self.run.finished)
        return dict(zip(HOST_COLUMNS, row))
