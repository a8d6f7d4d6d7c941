"""Events of a report, made host after host: a function for each kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from ....model.finding import (
    COMPLIANT,
    ERROR,
    EXTRA_RULE_GROUPS,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    UNKNOWN,
    find_worst_state,
)
from ....model.plan import CONTROLS
from ....model.types import event as types
from ....model.types.record import RecordedAction, RecordError, UserRequest
from ....model.types.report import FleetReport
from ....model.vocabulary import EVENT_SCHEMA, EVENT_STATES
from ..evaluation.observation_time import read_observation_time
from ..evaluation.scope import describe_interruption
from ..evaluation.watch_remark_groups import ENDED, WatchRemark, list_remarks
from ..history.incident_entries import hash_names
from ..history.incident_entries import identify_remark as identity_of
from ..history.tables import GONE
from ..history.transitions import IncidentSpan, RunTransitions
from ..text.wording import clean_text, make_host_label
from . import event_kinds as kinds
from .event_history import EarlierStates, group_rule_lines
from .event_texts import (
    MAX_LIST_BYTES,
    MAX_NAME_BYTES,
    MAX_SHORT_BYTES,
    MAX_TEXT_BYTES,
    EventContext,
    describe_rule_state,
    list_errors,
    list_names,
    truncate_optional_text,
    truncate_text,
)
from .format import encode_compact_json
from .host_entries import NOT_SERVED, HostEntry, RuleLine

AnyEvent = (
    types.HostEvent
    | types.RuleEvent
    | types.ActionEvent
    | types.BetweenEvent
    | types.RequestEvent
    | types.GateEvent
    | types.RunEvent
)


class EventMaker:
    """A maker of the events of a report.

    The maker passes each event to `emit_event`, host after host. `transitions` are the changes of the run, from the
    history (None: unknown). With `only_changed`, events without a known change are not made. Beyond `max_events`,
    events are only counted in `left_out_count`. Events of the gate and of the run are always made.
    """

    def __init__(
        self,
        report: FleetReport,
        transitions: RunTransitions | None,
        emit_event: Callable[[kinds.EncodedEvent], object],
        only_changed: bool = False,
        max_events: float = math.inf,
    ) -> None:
        self._report, self._run = report, report["run"]
        self._transitions, self._emit, self._only_changed = transitions, emit_event, only_changed
        self._run_id = clean_text(self._run["id"])
        self._short_id = truncate_text(self._run_id, MAX_SHORT_BYTES)
        release = self._run.get("catalog")
        self._catalog = truncate_optional_text(release and release["version"], MAX_SHORT_BYTES)
        # True if the run changed hosts. A merged report (`parts`) is about several runs, so its actions are not new.
        self._is_enforced = self._run["mode"] == "enforce" and not self._run.get("parts")
        # The value of `changed` for an event without a known change: False, or None if the history does not have the
        # run.
        self._unchanged_value = None if transitions is None else False
        self._max_events, self._made_count, self.left_out_count = max_events, 0, 0
        self._changed_counts: Counter[str] = Counter()
        self._hosts_with_changes: set[str] = set()

    def add_host(self, host_entry: HostEntry) -> None:
        """Emit the events of an expected host.

        They are about its state, its rules, its actions, the time between two runs, and users' requests.
        """
        record = host_entry.record
        name = record["host"]  # the history stores hosts by their names in the inventory
        spans: Sequence[IncidentSpan] = ()
        new_ids: frozenset[str] = frozenset()
        if self._transitions is not None:
            spans, new_ids = self._transitions.list_spans(name), self._transitions.list_new_remark_ids(name)
            if spans or new_ids:
                self._hosts_with_changes.add(name)
        actions = record.get("actions") or ()
        if self._only_changed and not spans and not actions and not new_ids:  # nothing changed on this host
            return
        earlier_states = EarlierStates.read_spans(spans)
        observed_time = read_observation_time(record, self._run["started"], self._run["finished"])
        host_context = EventContext.make_context(host_entry.host, observed_time, record["plan"])
        self._emit_host_event(host_entry, earlier_states, host_context)
        # Only the first lines of the entry are about rules. The host's event has the failures, and the reason.
        rule_lines = host_entry.lines[: len(record["rules"])]
        listed_rules = {line.rule for line in rule_lines}
        # Rules of ended incidents that the record does not list, mostly because they are compliant now. The history may
        # have a state that is not in the schema of events.
        ended_lines = [
            RuleLine(rule, state if (state := earlier_states.end_states[rule]) in EVENT_STATES else UNKNOWN)
            for rule in sorted(earlier_states.end_states.keys() - listed_rules - {""})
        ]
        for lines in (rule_lines, ended_lines):
            for line, *same_cause in group_rule_lines(lines, earlier_states):
                self._emit_rule_event(host_context, line, earlier_states, same_cause)
        for index, action in enumerate(actions):
            self._emit_action_event(host_context, index, action)
        for remark in list_remarks(record):
            self._emit_remark_event(host_context, remark, new_ids)
        for request in record.get("requests") or ():
            self._emit_request_event(host_context, request, new_ids)

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Emit the event of a host that Proscribe does not serve."""
        self._emit_host_state(
            EventContext.make_context(make_host_label(host), self._run["finished"]),
            NOT_SERVED,
            None,
            self._unchanged_value,
            reason,
        )

    def finish_export(self) -> None:
        """Emit the last events: of hosts that have left the inventory, of the gate, and of the run."""
        if self._transitions is not None:
            for host in self._transitions.iterate_hosts():
                if host not in self._hosts_with_changes:  # the host has no record, because it left the inventory
                    previous = find_worst_state(span.state for span in self._transitions.list_spans(host))
                    self._emit_host_state(
                        EventContext.make_context(make_host_label(host), self._run["finished"]), GONE, previous, True
                    )
        self._emit_gate_event()
        self._emit_run_event()

    # -- a method for each kind
    # ------------------------------------------------------------------------------------------

    def _skip_event(self, kind: str, is_changed: bool | None) -> bool:
        """Return whether an event of this kind is left out, and count the event.

        An event is left out if only changed events are made, or if there are too many events. `is_changed` is None if
        changes are unknown.
        """
        if self._only_changed and not is_changed:
            return True
        if is_changed:
            self._changed_counts[kind] += 1
        if self._made_count >= self._max_events:
            self.left_out_count += 1
            return True
        self._made_count += 1
        return False

    def _is_observed(self, rule: str) -> bool:
        """Return whether the run observed the control of a rule.

        The rule "" is the host as a whole: always True.
        """
        controls = self._run.get("controls")
        if not rule or controls is None:
            return True
        control = rule.partition("/")[0]
        # Group policy and the watch are no controls. Only a run over all controls observes them.
        return control in controls or (control in EXTRA_RULE_GROUPS and set(CONTROLS) <= {*controls})

    def _emit_host_event(
        self, host_entry: HostEntry, earlier_states: EarlierStates, host_context: EventContext
    ) -> None:
        """Emit the event about the state of a host, with its previous state if the history has it."""
        record, state = host_entry.record, host_entry.state
        previous, is_changed = None, self._unchanged_value
        if earlier_states.changed_rules:
            states = [
                state_before for rule, state_before in earlier_states.previous_states.items() if self._is_observed(rule)
            ]
            # The state of the host as a whole (the rule "") counts first. While a host does not answer, it is unknown,
            # although the earlier incidents of its rules stay open in the history.
            previous = earlier_states.previous_states.get("") or (find_worst_state(states) if states else None)
            # Without a known previous state, only a host that is in order counts as unchanged.
            is_changed = state != previous if previous else state not in (COMPLIANT, NOT_APPLICABLE)
        evaluated_count = record["rules_evaluated"]
        self._emit_host_state(
            host_context, state, previous, is_changed, record["reason"], record["errors"], evaluated_count
        )

    def _emit_host_state(
        self,
        host_context: EventContext,
        state: str,
        previous: str | None,
        is_changed: bool | None,
        reason: str | None = None,
        errors: Sequence[RecordError] = (),
        evaluated_count: int = 0,
    ) -> None:
        """Emit an event with the state of a host, unless events without a change are left out.

        `previous` is the state before this run, None if unknown. `is_changed` is None if changes are unknown. `reason`
        is why the host has no valid answer or is not served. `evaluated_count` is the number of its evaluated rules.
        """
        if self._skip_event(kinds.HOST, is_changed):
            return
        listed_errors, left_out_count = list_errors(errors)
        event: types.HostEvent = {
            **self._make_common_fields(kinds.HOST, host_context, is_changed),
            "state": state,
            "previous": previous,
            "reason": truncate_optional_text(reason, MAX_TEXT_BYTES),
            "plan": host_context.plan,
            "controls": self._run.get("controls"),
            "rules_evaluated": evaluated_count,
            "errors": listed_errors,
            "errors_left_out": left_out_count,
        }
        self._emit_encoded(
            event, kinds.SYSLOG_SEVERITIES.get(state, kinds.INFORMATION_SEVERITY), host_context.host, state=state
        )

    def _emit_rule_event(
        self,
        host_context: EventContext,
        line: RuleLine,
        earlier_states: EarlierStates,
        same_cause_lines: Sequence[RuleLine],
    ) -> None:
        """Emit the event about a rule and about the rules that changed in the same way for the same cause.

        `line` has the rule, and `same_cause_lines` the other rules.
        """
        is_changed = True if line.rule in earlier_states.changed_rules else self._unchanged_value
        if self._skip_event(kinds.RULE, is_changed):
            return
        other_rules, left_out_count = list_names([other_line.rule for other_line in same_cause_lines], MAX_SHORT_BYTES)
        event: types.RuleEvent = {
            **self._make_common_fields(kinds.RULE, host_context, is_changed, line.rule),
            **line.cache_derived_form("events", describe_rule_state),
            "same_cause": other_rules,
            "same_cause_left_out": left_out_count,
            "previous": earlier_states.previous_states.get(line.rule) if is_changed else None,
            "since": earlier_states.incident_starts.get(line.rule) if is_changed else None,
            "plan": host_context.plan,
        }
        self._emit_encoded(
            event,
            kinds.SYSLOG_SEVERITIES.get(line.state, kinds.INFORMATION_SEVERITY),
            host_context.host,
            line.rule,
            line.state,
        )

    def _emit_action_event(self, host_context: EventContext, index: int, action: RecordedAction) -> None:
        """Emit the event about an action of the run on a host.

        The event counts as a change only if the run enforced. A dry run lists actions that it would take.
        `index` is the position of the action, for the event's id.
        """
        if self._skip_event(kinds.ACTION, self._is_enforced):
            return
        event: types.ActionEvent = {
            **self._make_common_fields(kinds.ACTION, host_context, self._is_enforced, subject=str(index)),
            "control": truncate_text(action["control"], MAX_SHORT_BYTES),
            "action": truncate_text(action["action"], MAX_LIST_BYTES),
            "quarantine_id": truncate_optional_text(action.get("quarantine_id"), MAX_SHORT_BYTES),
            "plan": host_context.plan,
        }
        self._emit_encoded(event, kinds.NORMAL_SEVERITY, host_context.host)

    def _emit_remark_event(self, host_context: EventContext, remark: WatchRemark, new_ids: frozenset[str]) -> None:
        """Emit the event about an event on a host between two runs, such as an ended program.

        `new_ids` are the ids of the events and requests that no earlier run reported.
        """
        remark_id = identity_of(remark)
        is_changed = True if remark_id in new_ids else self._unchanged_value
        if self._skip_event(kinds.BETWEEN, is_changed):
            return
        users, left_out_count = list_names(remark.users)
        event: types.BetweenEvent = {
            **self._make_common_fields(kinds.BETWEEN, host_context, is_changed, subject=remark_id),
            "what": remark.kind,
            "rule": truncate_optional_text(remark.rule, MAX_NAME_BYTES),
            "program": truncate_optional_text(remark.program, MAX_TEXT_BYTES),
            "user": truncate_optional_text(remark.user, MAX_SHORT_BYTES),
            "first": remark.first or None,
            "last": remark.last or None,
            "times": remark.times,
            "corrected": remark.corrected,
            "users": users,
            "users_left_out": left_out_count,
            "until": remark.until or None,
            "reason": truncate_optional_text(remark.reason, MAX_TEXT_BYTES),
            "plan": host_context.plan,
        }
        self._emit_encoded(
            event,
            kinds.NORMAL_SEVERITY if remark.kind == ENDED else kinds.SYSLOG_SEVERITIES[NONCOMPLIANT],
            host_context.host,
        )

    def _emit_request_event(self, host_context: EventContext, request: UserRequest, new_ids: frozenset[str]) -> None:
        """Emit the event about a user's request for an exception.

        `new_ids` are the ids of the events and requests that no earlier run reported.
        """
        request_id = hash_names(kinds.REQUEST, request["service"], request["id"], request["user"])
        is_changed = True if request_id in new_ids else self._unchanged_value
        if self._skip_event(kinds.REQUEST, is_changed):
            return
        event: types.RequestEvent = {
            **self._make_common_fields(kinds.REQUEST, host_context, is_changed, subject=request_id),
            "request": truncate_text(request["id"], MAX_SHORT_BYTES),
            "user": truncate_text(request["user"], MAX_SHORT_BYTES),
            "service": truncate_text(request["service"], MAX_SHORT_BYTES),
            "reason": truncate_text(request["reason"], MAX_TEXT_BYTES),
            "requested": request["at"],
            "plan": host_context.plan,
        }
        self._emit_encoded(event, kinds.NORMAL_SEVERITY, host_context.host)

    def _emit_gate_event(self) -> None:
        """Emit the event about the run's verdict, if the run has a compliance gate or an exit code."""
        verdict = self._run.get("verdict")
        if not verdict or (not verdict["gate"] and verdict["exit"] is None):
            return
        event: types.GateEvent = {
            **self._make_common_fields(kinds.GATE, EventContext.make_context("", self._run["finished"]), True),
            "gate": verdict["gate"],
            "passed": verdict["passed"],
            "exit": verdict["exit"],
            "reason": truncate_optional_text(verdict["reason"], MAX_TEXT_BYTES),
        }
        self._emit_encoded(event, kinds.INFORMATION_SEVERITY if verdict["passed"] else kinds.SYSLOG_SEVERITIES[ERROR])

    def _emit_run_event(self) -> None:
        """Emit the event about the run as a whole: its facts, its counts, and the number of its events."""
        run, summary = self._run, self._report["summary"]
        event: types.RunEvent = {
            **self._make_common_fields(kinds.RUN, EventContext.make_context("", run["finished"]), True),
            "playbook": truncate_text(run["playbook"], MAX_NAME_BYTES),
            "started": truncate_text(run["started"], MAX_NAME_BYTES),
            "finished": truncate_text(run["finished"], MAX_NAME_BYTES),
            "inventory": truncate_text(", ".join(map(str, run.get("inventory") or ())), MAX_NAME_BYTES),
            "limit": truncate_optional_text(run.get("limit"), MAX_NAME_BYTES),
            "catalog_version": truncate_text(run["catalog_version"], MAX_NAME_BYTES),
            "stopped": truncate_optional_text(describe_interruption(self._report), MAX_NAME_BYTES),
            "whole": bool(run.get("whole")),
            "controls": run.get("controls"),
            "expected_hosts": run["expected_hosts"],
            "hosts": summary["hosts"],
            "rules": summary["rules"],
            "not_served": summary.get("not_served", 0),
            "coverage": summary["coverage"],
            "compliance_strict": summary["compliance_strict"],
            "compliance_with_waivers": summary["compliance_with_waivers"],
            # Count changed events only, so that the numbers are equal with and without `only_changed`.
            "events": None if self._transitions is None else self._count_changed_events(),
            "events_left_out": self.left_out_count,
            "warnings": len(self._report.get("warnings") or ()),
        }
        self._emit_encoded(event, kinds.INFORMATION_SEVERITY)

    def _count_changed_events(self) -> types.EventCounts:
        """Return the number of changed events by kind, without the events of the gate and of the run."""
        counts = self._changed_counts
        return {
            "host": counts[kinds.HOST],
            "rule": counts[kinds.RULE],
            "action": counts[kinds.ACTION],
            "between": counts[kinds.BETWEEN],
            "request": counts[kinds.REQUEST],
        }

    def _make_common_fields(
        self, kind: str, host_context: EventContext, is_changed: bool | None, rule: str = "", subject: str = ""
    ) -> types.EventLine:
        """Return the fields that every event has.

        `is_changed` is None if changes are unknown. `rule` and `subject` distinguish the ids of events of the same kind
        and host.
        """
        return {
            "schema": EVENT_SCHEMA,
            "kind": kind,
            "id": hash_names(self._run_id, kind, host_context.host, rule, subject),
            "time": host_context.time,
            "run": self._short_id,
            "mode": self._run["mode"],
            "catalog": self._catalog,
            "host": truncate_optional_text(host_context.host, MAX_NAME_BYTES),
            "changed": is_changed,
        }

    def _emit_encoded(self, event: AnyEvent, severity: int, host: str = "", rule: str = "", state: str = "") -> None:
        self._emit(
            kinds.EncodedEvent(encode_compact_json(event), event["kind"], host, rule, state, event["changed"], severity)
        )
