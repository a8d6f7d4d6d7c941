"""The changes that the records of some hosts make in the history: the rows to write.

An observed incident does not end because a later run cannot observe it. While a rule is `unknown` or `error`, its
`noncompliant` incident stays open. A rule ends as `withdrawn`, not as repaired, if the host's plan does not contain it
any more.
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
from ..evaluation.arithmetic import is_evaluated
from ..evaluation.lifts import make_lift_rule
from ..evaluation.observation_time import is_observed_since, read_observation_time
from .database import HistorySession
from .plans import PlanServices
from .record_evidence import UNOBSERVED_STATES, EvidenceReader
from .rule_bundles import EvidenceByRule, RuleBundles
from .tables import (
    HOST_RULE,
    WITHDRAWN,
    HostRow,
    RunRow,
    make_hosts_query,
    make_open_incidents_query,
    make_parameters,
)

OPENING_STATES = (*OPEN_STATES, WAIVED)  # states of a rule in which it has an open incident


class OpenIncident(NamedTuple):
    """An incident of a host that has not ended: a state of some rules."""

    bundle: str  # id of the bundle of these rules (rule_bundles.py); "" if the bundle is not registered yet
    state: str
    opened: str  # begin (UTC) of the incident
    opened_run: str  # id of the run in which the incident began


class BatchChanges:
    """The rows of the history that change by the records of some hosts.

    The rows are for the statements DROP_INCIDENT, ADD_INCIDENT, SET_HOST and ADD_NEW_PLAN, in that order.
    `opened_count` and `closed_count` are the numbers of rules whose incidents began and ended.
    """

    def __init__(
        self,
        session: HistorySession,
        run: RunRow,
        records: list[HostRecord],
        plan_services: PlanServices,
        bundles: RuleBundles,
        evidence_reader: EvidenceReader,
    ) -> None:
        self.run, self.plan_services, self.bundles, self.evidence_reader = run, plan_services, bundles, evidence_reader
        self.controls: list[str] = json.loads(run.controls) or list(CONTROLS)  # the controls that the run observed
        # rows for DROP_INCIDENT, ADD_INCIDENT, SET_HOST and ADD_NEW_PLAN
        self.dropped_incidents: list[dict[str, str]] = []
        self.added_incidents: list[dict[str, str | None]] = []
        self.host_rows: list[dict[str, str]] = []
        self.new_plans: list[dict[str, str]] = []
        self.opened_count = self.closed_count = 0
        parameters = make_parameters([record["host"] for record in records])
        known_hosts = {
            row[0]: HostRow.read_columns(row)
            for row in session.fetch_rows(make_hosts_query(len(parameters)), parameters)
        }
        open_incidents: dict[str, list[OpenIncident]] = {}
        for host, *incident in session.fetch_rows(make_open_incidents_query(len(parameters)), parameters):
            open_incidents.setdefault(host, []).append(OpenIncident(*incident))
        bundles.load_bundles(incident.bundle for incidents in open_incidents.values() for incident in incidents)
        for record in records:
            host = record["host"]
            self._add_record(record, known_hosts.get(host, HostRow(host)), open_incidents.get(host, ()))

    def _add_record(self, record: HostRecord, previous_host: HostRow, open_incidents: Iterable[OpenIncident]) -> None:
        """Add the changes that a record makes: incidents that begin or end, and the row of the host."""
        observation_time = read_observation_time(record, self.run.started, self.run.finished)
        # A run that ends late may have observed the host before another, stored run did. Its observation is ignored
        # then.
        observed_controls = (
            [control for control in self.controls if observation_time >= previous_host.observed_at.get(control, "")]
            if is_evaluated(record)
            else []
        )
        # Group policy and the watch have no column for their observation time, so they follow the controls.
        if observed_controls:
            observed_controls += [name for name in EXTRA_RULE_GROUPS if self._is_reported(name, record)]
        open_incidents = list(open_incidents)
        lifted_controls = self._list_lifted_controls(record, open_incidents)
        observed_controls = [control for control in observed_controls if control not in lifted_controls]
        # False if a later run that expected the host is already stored: that run decides about the host as a whole.
        is_expected = self.run.finished >= previous_host.expected_at
        evidence_by_rule = self.evidence_reader.read_evidence(record, observed_controls, is_host_included=is_expected)
        covered_controls = {*observed_controls, HOST_RULE} if is_expected else set(observed_controls)
        open_states: set[tuple[str, str]] = set()  # (rule, state) of the incidents that were open before this run
        for incident in open_incidents:
            rules = self.bundles.get_rules(incident.bundle)
            open_states.update((rule, incident.state) for rule in rules)
            # state at the end ("" for an incident that continues) -> its rules
            rules_by_end: dict[str, dict[str, str]] = {}
            for rule, evidence in rules.items():
                end_state = self._determine_end(
                    rule, incident.state, evidence_by_rule, previous_host.plan, record["plan"] or "", covered_controls
                )
                rules_by_end.setdefault(end_state, {})[rule] = evidence
            if set(rules_by_end) != {""}:
                self._split_incident(record["host"], incident, rules_by_end, observation_time)
        # (state, app or control, state at the end or "" for an open incident) -> evidence by rule
        new_incidents: dict[tuple[str, str, str], dict[str, str]] = {}
        for rule, (state, description) in evidence_by_rule.items():
            control = rule.partition("/")[0]
            # each app has a separate incident, because its path differs from host to host
            subject = rule if control == "apps" else control
            if state in OPENING_STATES and (rule, state) not in open_states:
                new_incidents.setdefault((state, subject, ""), {})[rule] = description
            elif state == REPAIRED and not open_states & {(rule, NONCOMPLIANT), (rule, ERROR)}:
                # The defect began after the last run, and this run corrected it.
                new_incidents.setdefault((NONCOMPLIANT, subject, REPAIRED), {})[rule] = description
        for (state, _, end), rules in new_incidents.items():
            self._add_incident(
                record["host"], rules, OpenIncident("", state, observation_time, self.run.id), end, observation_time
            )
            self.opened_count += len(rules)
        open_controls = {
            rule.partition("/")[0]
            for (state, *_), rules in new_incidents.items()
            if state in OPEN_STATES
            for rule in rules
        }
        # Defects under a new plan are no drift, because no run observed the host as compliant under that plan.
        self.new_plans += [
            {"host": record["host"], "run": self.run.id, "control": control}
            for control in sorted(open_controls - {HOST_RULE})
            if previous_host.plan != (record["plan"] or "") or not previous_host.is_observed(control)
        ]
        if is_expected or observed_controls:
            self.host_rows.append(
                self._make_host_row(record, previous_host, observed_controls, observation_time, is_expected)
            )

    def _list_lifted_controls(self, record: HostRecord, open_incidents: Iterable[OpenIncident]) -> set[str]:
        """Return the controls from which the ban was removed (lifted) after this observation of the host."""
        lifted_controls: set[str] = set()
        for incident in open_incidents:
            if incident.state == LIFTED and not is_observed_since(
                incident.opened, record, self.run.mode, self.run.started, self.run.finished
            ):
                lifted_controls.update(rule.partition("/")[0] for rule in self.bundles.get_rules(incident.bundle))
        return lifted_controls

    def _is_reported(self, name: str, record: HostRecord) -> bool:
        """Return whether a record describes group policy or the watch (`name`), which are no controls.

        A record describes them if the run observed all controls, or if the record lists the name.
        """
        return len(self.controls) == len(CONTROLS) or name in (record.get("controls") or {})

    def _determine_end(
        self,
        rule: str,
        state: str,
        evidence_by_rule: Mapping[str, tuple[str, str]],
        old_plan: str,
        new_plan: str,
        covered_controls: set[str],
    ) -> str:
        """Return the state with which the incident of a rule ends; "" if it does not end.

        `state` is the state of the incident. `evidence_by_rule` is {rule: (state, evidence)} of the record. The plans
        are digests: `old_plan` of the host's last answer, and `new_plan` of the record. `covered_controls` are the
        controls that the record describes.
        """
        control = rule.partition("/")[0]
        if control not in covered_controls:
            return ""
        if rule == make_lift_rule(control):  # the present observation of the control ends the lift
            states = [
                new_state
                for named_rule, (new_state, _) in evidence_by_rule.items()
                if named_rule.partition("/")[0] == control
            ]
            return find_worst_state(states) if states else COMPLIANT
        if rule not in evidence_by_rule:
            if rule in RULES_ON_REQUEST:  # only a run with an option for this rule observes it
                return ""
            return WITHDRAWN if self._is_withdrawn(rule, old_plan, new_plan) else COMPLIANT
        new_state = evidence_by_rule[rule][0]
        # an observed incident continues while its rule cannot be observed
        return (
            ""
            if new_state == state or (new_state in UNOBSERVED_STATES and state not in UNOBSERVED_STATES)
            else new_state
        )

    def _split_incident(
        self, host: str, incident: OpenIncident, rules_by_end: Mapping[str, EvidenceByRule], observation_time: str
    ) -> None:
        """End an incident for some of its rules, and continue it for the others.

        `rules_by_end` has the rules by their new state; "" for rules whose incident continues.
        """
        self.dropped_incidents.append({"host": host, "bundle": incident.bundle, "state": incident.state})
        for end, rules in rules_by_end.items():
            self._add_incident(host, rules, incident, end, observation_time)
            self.closed_count += len(rules) if end else 0

    def _add_incident(
        self, host: str, rules: EvidenceByRule, incident: OpenIncident, end: str, observation_time: str
    ) -> None:
        """Add the row of an incident for these rules.

        `end` is the state with which it ended; "" if it continues.
        """
        row = {**incident._asdict(), "host": host, "bundle": self.bundles.register_bundle(rules)}
        closing_columns = {"closed": observation_time, "closed_run": self.run.id, "ended": end}
        self.added_incidents.append({**row, **(closing_columns if end else dict.fromkeys(closing_columns))})

    def _is_withdrawn(self, rule: str, old_plan: str, new_plan: str) -> bool:
        """Return whether a rule is missing because the host's new plan lacks its service.

        `old_plan` and `new_plan` are digests. The result is False if a needed plan is not stored any more.
        """
        control, _, service = rule.partition("/")
        services = self.plan_services.get_services(new_plan)
        if not service or services is None:
            return False
        if control not in services:
            return True
        old_services = self.plan_services.get_services(old_plan)
        # Plans list services, but not settings. So a rule that is no service of the old plan is a setting.
        return (
            old_services is not None and service in old_services.get(control, ()) and service not in services[control]
        )

    def _make_host_row(
        self,
        record: HostRecord,
        previous_host: HostRow,
        observed_controls: Iterable[str],
        observation_time: str,
        is_expected: bool,
    ) -> dict[str, str]:
        """Return the new row of a host, with the observation time for each control that the run observed.

        If `is_expected`, this run is the newest run that expected the host, and the row names it.
        """
        new_times = {name: observation_time for name in observed_controls if name not in EXTRA_RULE_GROUPS}
        row = previous_host._replace(observed_at={**previous_host.observed_at, **new_times})
        if observed_controls:
            row = row._replace(plan=record["plan"] or "")
        if is_expected:
            row = row._replace(inventory=self.run.inventory, run=self.run.id, expected_at=self.run.finished)
        return row.make_columns()
