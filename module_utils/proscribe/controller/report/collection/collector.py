"""The collector of a run's answers and events. It depends on Ansible only by the order of events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from ....model import removal_record
from ....model.finding import ERROR, LIFTED, NONCOMPLIANT, Finding, find_worst_state, mark_repaired_rules
from ....model.plan import format_canonical
from ....model.quarantine_ids import parse_moved_id
from ....model.removal_record import RemovedPackage
from ....model.types.record import HostRecord, OtherRun, RecordedAction, RecordError, RuleRecord
from ....model.types.report import RolloutReport
from ....model.types.run import CompiledRun
from ....wire.answers.record import RUN_ERROR, UnusableAnswer, read_record
from ..evaluation.control_modes import ControlModes
from ..evaluation.reconciliation import CHANGED, Fleet, RecordNote, StaleLimits, reconcile_records
from ..evaluation.scope import NOT_KNOWN_REASON, NOT_REACHED_REASON, list_observed_controls
from ..evaluation.unobserved_corrections import (
    BEGUN_REASON,
    CORRECTED_REASON,
    UnobservedCorrection,
    mark_unobserved,
    settle_corrections,
)
from ..text.wording import summarise_names
from .known_rules import require_known_rules

# Limits of the stored evidence, counted in rules and findings. Evidence that another host reported already does not
# count. So even a host with many defects needs little, because most of its defects are also on other hosts. Each host
# may add HOST_EVIDENCE_SHARE. Beyond it, all hosts together may add SHARED_EVIDENCE_ROOM, the first hosts first.
HOST_EVIDENCE_SHARE = 200
SHARED_EVIDENCE_ROOM = 100_000
LEFT_OUT_REASON = "left out: hosts of this run have more than a report has room for"


class CorrectionDecision(TypedDict):
    """The decision of the task `rollout`: the hosts to correct, and their batches.

    The keys are a part of `rollout.Decision`.
    """

    hosts: Sequence[str]  # the hosts to correct, in order
    batches: Sequence[int]  # number of hosts in each batch
    # values of proscribe_max_change that would allow all changes; empty if the present values do
    allow: Mapping[str, int | str]
    set_aside: Mapping[str, str]  # hosts to leave uncorrected so that the others can be corrected: host -> reason


class RolloutProgress(NamedTuple):
    """The progress of a run that corrects hosts in batches."""

    to_correct: int  # number of hosts that need a correction
    batches: tuple[int, ...]  # number of hosts in each batch, as the task `rollout` decided
    not_reached: tuple[str, ...]  # hosts that need a correction and that the run did not reach
    reason: str  # why hosts were not reached, in words; "" if every host was reached
    # Values of proscribe_max_change that would allow all changes, if that limit stopped the run.
    allow: Mapping[str, int | str]
    # hosts that were left uncorrected so that the others could be corrected: host -> reason
    set_aside: Mapping[str, str]

    def make_rollout_report(self) -> RolloutReport:
        """Return the progress as report.json has it, with the number of the hosts that were not reached.

        A separate file has the names of those hosts.
        """
        return {
            "to_correct": self.to_correct,
            "batches": list(self.batches),
            "not_reached": len(self.not_reached),
            "why": self.reason or None,
            "allow": dict(self.allow),
            "set_aside": [{"host": host, "why": reason} for host, reason in self.set_aside.items()],
        }


@dataclass
class HostRunState:
    """The state of a host in the run, as the events of the host have reported it so far."""

    records: list[HostRecord] = field(default_factory=list)
    actions: list[RecordedAction] = field(default_factory=list)  # in the order in which the host reported them
    errors: list[RecordError] = field(default_factory=list)
    other_runs: list[OtherRun] = field(default_factory=list)  # other runs that changed the host during this run
    has_failed: bool = False  # true if a control failed, or another task failed after the host had answered
    reason: str = ""  # why the host has no record; "" if no event has a reason
    is_touched: bool = False  # true if a module that changes the host was started
    # Changes since the host's last record: CORRECTED_REASON, BEGUN_REASON or LIFTED, by control.
    changes: dict[str, str] = field(default_factory=dict)
    # Rules of which the host has left something uncorrected since its last record.
    refused: set[str] = field(default_factory=set)
    # packages that enforcing removed; a lift does not install them again
    removed: list[RemovedPackage] = field(default_factory=list)


class Collector:
    """A collector of the events of a run. `run` is the result of `compile_plans`.

    The collector passes each event to `store_event`, with the values from which journal_replay.py repeats the event.
    `store_event` writes them to the journal.
    """

    def __init__(self, run: CompiledRun) -> None:
        self.run = run
        self.store_event: Callable[..., None] = lambda event, *values: None
        self.interruption_reason = ""  # why the run ended early, in words; "" if it did not
        self.lacks_events = False  # true if the journal of the run could not be written, so that events are missing
        # By host: corrections of earlier runs whose result no run has observed yet.
        self.corrections: Mapping[str, Sequence[UnobservedCorrection]] = {}
        self.host_states: dict[str, HostRunState] = {}
        self._notes: list[RecordNote] = []
        self._rules: dict[str, RuleRecord] = {}  # each distinct rule once, by its JSON text
        self._evidence_room = SHARED_EVIDENCE_ROOM  # the rest that hosts may still add beyond their shares
        services = run.get("services")
        self._services = None if services is None else frozenset(services)
        self._decision: CorrectionDecision | None = None  # None before the task `rollout`, and in a run without it
        self._stop_reason = ""  # why the run was stopped before a batch began; "" if it was not
        # The state of `count_progress`, which runs after every event. It examines only hosts with events since its last
        # call.
        self._new_hosts: set[str] = set()
        self._answered_hosts: set[str] = set()
        self._bad_hosts: set[str] = set()  # answered hosts that are noncompliant or failed

    @property
    def expected(self) -> Mapping[str, str]:
        """The hosts that have to answer, each with the digest of its plan."""
        return self.run["hosts"]

    @property
    def is_changing(self) -> bool:
        """True if the run observes, corrects and observes again, so that a second record is no duplicate."""
        return self.run["mode"] in ("enforce", "check")

    def answered(self, host: str, answer: object) -> HostRecord | None:
        """Check and store the record that a host sent, and return the checked record.

        An invalid record counts as a failure, and the host becomes unknown. The result is None then.
        """
        host_state = self._get_host_state(host)
        try:
            record = read_record(host, answer)
            if self._services is not None:
                require_known_rules(record, self._services, self.expected.get(host, ""))
        except UnusableAnswer as error:
            self.failed(host, None, f"its answer is no host record: {error}")
            return None
        record["rules"] = self._reuse_rules(record["rules"])
        record["plan"], record["schema"] = sys.intern(record["plan"] or ""), sys.intern(record["schema"])
        record["state"] = sys.intern(record["state"])
        self.store_event("answered", host, record)
        # In a run that corrects, each role of a play observes the host again. Only the first and the last record count.
        host_state.records[1 if self.is_changing else len(host_state.records) :] = [record]
        host_state.changes, host_state.refused = {}, set()
        return record

    def began(self, host: str, control: str) -> None:
        """Register the start of an enforcing module on a host.

        Until the module answers, its changes are unknown.
        """
        if self.run["mode"] in ("enforce", "lift"):
            self.store_event("began", host, control)
            host_state = self._get_host_state(host)
            host_state.is_touched = True
            host_state.changes.setdefault(control, BEGUN_REASON)

    def skipped(self, host: str, control: str) -> None:
        """Register that an enforcing module did not start on a host after `began`, or changed nothing."""
        changes = self._get_host_state(host).changes
        if changes.get(control) == BEGUN_REASON:
            self.store_event("skipped", host, control)
            del changes[control]

    def changed(self, host: str, control: str, result: Mapping[str, object], is_dry_run: bool = False) -> None:
        """Store the result of a module that changes a host, whether the module succeeded or failed.

        Of `result`, the lists `actions`, `refused`, `other_runs` and `removed` are stored; a missing list is empty. If
        `is_dry_run`, the module ran in check mode, so its actions are the changes that it would have made. A change in
        a run that only audits is an error of the host.
        """
        stored_result = {key: result[key] for key in ("actions", "refused") if isinstance(result.get(key), list)}
        self.store_event("changed", host, control, stored_result, is_dry_run)
        host_state = self._get_host_state(host)
        host_state.is_touched = True
        actions = [str(action) for action in _get_list(result, "actions")]
        if actions and not is_dry_run and self.run["mode"] == "enforce":
            host_state.changes[control] = CORRECTED_REASON
        elif not is_dry_run and self.run["mode"] == "lift":
            host_state.changes[control] = LIFTED
        # The module answered and changed nothing. A crashed module sends no list of actions: its changes stay unknown.
        elif "actions" in stored_result and host_state.changes.get(control) == BEGUN_REASON:
            del host_state.changes[control]
        for action in actions:
            action_entry: RecordedAction = {"control": control, "action": action}
            if id_ := "" if is_dry_run else parse_moved_id(action):
                action_entry["quarantine_id"] = id_
            host_state.actions.append(action_entry)
        host_state.other_runs += [
            {"control": control, "by": other_run["by"], "since": other_run["since"], "waited": other_run["waited"]}
            for other_run in _get_list(result, "other_runs")
        ]
        host_state.removed += map(removal_record.read_removed_package, _get_list(result, "removed"))
        for refusal in _get_list(result, "refused"):
            if isinstance(refusal, Mapping):
                message = f"{refusal.get('rule')}: {refusal.get('subject')} was left as it is: {refusal.get('reason')}"
                host_state.errors.append({"control": control, "message": message, "refused": str(refusal.get("rule"))})
                host_state.refused.add(str(refusal.get("rule")))
        if actions and not is_dry_run and self.run["mode"] == "audit":
            message = f"changed in a run that only audits: {summarise_names(actions, 3)}"
            host_state.errors.append({"control": control, "message": message})
            host_state.has_failed = True
            self._notes.append(RecordNote(host, CHANGED, message))

    def failed(self, host: str, control: str | None, message: str) -> None:
        """Store a failed task of a host.

        `control` is the control that the task enforced; None for other tasks.
        """
        self.store_event("failed", host, control, message)
        self._record_failure(host, control, message)

    def _record_failure(self, host: str, control: str | None, message: str) -> None:
        """Add a failure to the errors of a host.

        If the host sent no record, the failure is also the reason for the missing record. `control` is None for a task
        that belongs to no control.
        """
        host_state = self._get_host_state(host)
        if control:
            host_state.is_touched = True
            if self.run["mode"] == "lift":  # the lift of the control may be incomplete
                host_state.changes[control] = BEGUN_REASON
        if control or host_state.records:
            error: RecordError = {"control": control or RUN_ERROR, "message": message}
            # In a play with roles, a host that is set aside fails in each role with the same message.
            host_state.errors += [] if error in host_state.errors else [error]
            host_state.has_failed = True
        if not host_state.records:
            host_state.reason = f"failed: {message}"

    def has_failed_control(self, host: str) -> bool:
        """Return whether a task for a control failed on the host.

        The host's record then contains the reason.
        """
        host_state = self.host_states.get(host)
        return (
            host_state is not None
            and host_state.has_failed
            and any(error["control"] != RUN_ERROR for error in host_state.errors)
        )

    def unreachable(self, host: str, message: str) -> None:
        """Store that a host could not be reached, or was lost during the run."""
        self.store_event("unreachable", host, message)
        host_state = self._get_host_state(host)
        if host_state.records:
            self._record_failure(host, None, f"unreachable after it had been seen: {message}")
        else:
            host_state.reason = f"unreachable: {message}"

    def decided(self, rollout: CorrectionDecision) -> None:
        """Store the decision of the task `rollout`: the hosts to correct, and the hosts that are set aside.

        A play with `serial` makes a decision for each batch, and the decisions are joined.
        """
        self.store_event("decided", rollout)
        if self._decision is not None:
            previous = self._decision
            rollout = {
                "hosts": [*previous["hosts"], *rollout["hosts"]],
                "batches": [*previous["batches"], *rollout["batches"]],
                "allow": {**previous["allow"], **rollout["allow"]},
                "set_aside": {**previous["set_aside"], **rollout["set_aside"]},
            }
        self._decision = rollout
        for host, reason in self._list_set_aside_hosts().items():
            self._record_failure(host, None, reason)

    def stopped(self, reason: str) -> None:
        """Store why the run was stopped before a batch began. The stop is not a failure of any host."""
        self.store_event("stopped", reason)
        self._stop_reason = reason

    def measure_rollout(self) -> RolloutProgress | None:
        """Return the progress of the corrections; None if the run corrects nothing, as in an audit."""
        if self._decision is None:
            return None
        hosts, set_aside_hosts = self._decision["hosts"], self._list_set_aside_hosts()
        missed_hosts = [host for host in hosts if not self._is_tried(host)]
        # If no event has a reason, Ansible has ended the play because every host of a batch failed.
        reason = self._stop_reason or (
            (self.interruption_reason or "stopped, because every host of a batch failed") if missed_hosts else ""
        )
        batches = tuple(self._decision["batches"])
        return RolloutProgress(
            len(hosts) + len(set_aside_hosts),
            batches,
            tuple(missed_hosts),
            reason,
            self._decision["allow"],
            set_aside_hosts,
        )

    def _list_set_aside_hosts(self) -> Mapping[str, str]:
        """Return by host why this run leaves it uncorrected so that others can be corrected.

        A dry run leaves no host out, because it shows the changes on those hosts too.
        """
        return self._decision["set_aside"] if self._decision and self.run["mode"] == "enforce" else {}

    def _is_tried(self, host: str) -> bool:
        """Return whether the run began to correct the host, or failed on it."""
        host_state = self.host_states.get(host)
        return host_state is not None and (
            host_state.is_touched or host_state.has_failed or len(host_state.records) > 1
        )

    def count_progress(self) -> tuple[int, int]:
        """Count the expected hosts with an event so far, and those of them that are noncompliant or failed."""
        for host in (host for host in self._new_hosts if host in self.expected):
            host_state = self.host_states[host]
            self._answered_hosts.add(host)
            if host_state.has_failed or any(
                record["state"] in (ERROR, NONCOMPLIANT) for record in host_state.records[-1:]
            ):
                self._bad_hosts.add(host)
            else:
                self._bad_hosts.discard(host)
        self._new_hosts.clear()
        return len(self._answered_hosts), len(self._bad_hosts)

    def reconcile_hosts(self, now: str = "") -> Fleet:
        """Return the fleet: a record for every expected host, made from the collected events.

        `now` (2026-11-25T08:00:00Z) is the time for the age of records. If `now` is "", no record is too old.
        """
        records = [record for host_state in self.host_states.values() for record in self._settle_records(host_state)]
        silence_reason = NOT_KNOWN_REASON if self.lacks_events else NOT_REACHED_REASON
        # in an interrupted run, every host without an event has the same reason
        reasons = dict.fromkeys(self.expected, silence_reason) if self.interruption_reason else {}
        reasons |= {host: host_state.reason for host, host_state in self.host_states.items() if host_state.reason}
        stale_limits = StaleLimits.make_stale_limits(self.run, now) if now else None
        control_modes = ControlModes(self.run.get("policies") or {}, list_observed_controls(self.run))
        fleet = reconcile_records(self.expected, records, reasons, stale_limits, self.run.get("rules"), control_modes)
        return fleet._replace(notes=[*fleet.notes, *self._notes])

    def _settle_records(self, host_state: HostRunState) -> Sequence[HostRecord]:
        """Return the valid records of a host, completed with the errors and actions that its events reported.

        A run that changes hosts observes a host twice. Two records for the same plan become one record. In that record,
        a corrected rule has the state `repaired`.
        """
        records = list(host_state.records)
        if self.is_changing and len(records) > 1 and records[0]["plan"] == records[1]["plan"]:
            merged = mark_repaired_rules(records[0], records[1])
            evaluated_count = max(merged["rules_evaluated"], len(merged["rules"]))
            rules = self._reuse_rules(merged["rules"])
            records = [{**merged, "host": records[1]["host"], "rules_evaluated": evaluated_count, "rules": rules}]
        if not records:
            return []
        records[-1] = self._settle_corrections(records[-1])
        if not self.is_changing:
            return [self._add_errors(record, host_state) for record in records]
        records[-1] = mark_unobserved(records[-1], host_state.changes, host_state.refused)
        last_record: HostRecord = {**self._add_errors(records[-1], host_state), "actions": host_state.actions}
        if host_state.other_runs:
            last_record["other_runs"] = host_state.other_runs
        return [*records[:-1], last_record]

    def _settle_corrections(self, record: HostRecord) -> HostRecord:
        """Return a record with the corrections of earlier runs that this run is the first to observe.

        The earlier runs could not observe the host again after the correction.
        """
        corrections = self.corrections.get(record["host"])
        if not corrections or not record["rules_evaluated"]:
            return record
        return settle_corrections(record, corrections, (self.run.get("policies") or {}).get(record["plan"] or "") or {})

    @staticmethod
    def _add_errors(record: HostRecord, host_state: HostRunState) -> HostRecord:
        """Return a record with the errors of the run on this host.

        If a task failed, the state becomes at least `error`.
        """
        if not host_state.errors:
            return record
        state = find_worst_state([record["state"], ERROR]) if host_state.has_failed else record["state"]
        return {**record, "state": state, "errors": [*record["errors"], *host_state.errors]}

    def _reuse_rules(self, rules: Sequence[RuleRecord]) -> list[RuleRecord]:
        """Return the rules of a host, with equal rules of earlier hosts as the same objects.

        Thousands of hosts list the same evidence, so each distinct rule is stored once. A host may add new evidence up
        to its share, and then from the common room of the run. A rule beyond both is stored without its evidence.
        """
        evidence_share, reused_rules = HOST_EVIDENCE_SHARE, list[RuleRecord]()
        for rule in rules:
            content = format_canonical(rule)
            if content not in self._rules:
                size = 1 + len(rule["findings"])
                if evidence_share >= size:
                    evidence_share -= size
                elif self._evidence_room >= size:
                    self._evidence_room -= size
                else:
                    rule = _drop_evidence(rule)
                    content = format_canonical(rule)
            reused_rules.append(self._rules.setdefault(content, rule))
        return reused_rules

    def _get_host_state(self, host: str) -> HostRunState:
        self._new_hosts.add(host)
        return self.host_states.setdefault(host, HostRunState())


def _drop_evidence(rule: RuleRecord) -> RuleRecord:
    """Return a rule without its evidence.

    The result is equal on all hosts that report the rule in this state.
    """
    findings = [Finding("more", f"findings that are {LEFT_OUT_REASON}").convert_to_dict()] if rule["findings"] else []
    return {**rule, "reason": rule["reason"] and LEFT_OUT_REASON, "findings": findings}


def _get_list(result: Mapping[str, object], key: str) -> Sequence[Any]:
    """Return a list in the result of a module; [] if the key is missing or has no list."""
    content = result.get(key)
    return content if isinstance(content, list) else []
