"""What hosts say while a run goes on, kept until it is reconciled. Knows nothing of Ansible but the order of events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from ....model import removed
from ....model.finding import ERROR, LIFTED, NONCOMPLIANT, Finding, find_worst_state, mark_repaired_rules
from ....model.plan import format_canonical
from ....model.quarantined import parse_moved_id
from ....model.removed import RemovedPackage
from ....model.types.record import HostRecord, OtherRun, RecordedAction, RecordError, RuleRecord
from ....model.types.report import RolloutReport
from ....model.types.run import CompiledRun
from ....wire.replies.record import RUN_ERROR, UnusableAnswer, read_record
from ..evaluation.modes import Modes
from ..evaluation.reconcile import CHANGED, Clock, Fleet, Note, reconcile
from ..evaluation.scope import NOT_KNOWN, NOT_REACHED, controls_of
from ..evaluation.unobserved import BEGUN, CORRECTED, Earlier, marked, settled
from ..text.wording import some
from .known_rules import require_known_rules

# What a run keeps of evidence that no other host reported, in rules and findings: so much of each host, and what more
# there is of the first that come. A host with everything wrong lacks the same as others do, and has some of its own.
SHARE = 200
ROOM = 100_000
LEFT_OUT = "left out: hosts of this run have more than a report has room for"


class Decided(TypedDict):
    """Which hosts are corrected, and how: a part of `rollout.Decision`."""

    hosts: Sequence[str]
    batches: Sequence[int]
    allow: Mapping[str, int | str]
    set_aside: Mapping[str, str]


class Rollout(NamedTuple):
    """How far a run that corrects came."""

    to_correct: int  # hosts
    batches: tuple[int, ...]  # their sizes, as decided
    not_reached: tuple[str, ...]  # hosts that had to be corrected, and whose turn did not come
    why: str  # in words; "" where every host had its turn
    allow: Mapping[str, int | str]  # what proscribe_max_change has to be for all of them, where that was the reason
    set_aside: Mapping[str, str]  # hosts that were left as found, so that the others could be corrected, each with why

    def as_dict(self) -> RolloutReport:
        """As it stands in report.json. The hosts' names are in a file of their own."""
        return {
            "to_correct": self.to_correct,
            "batches": list(self.batches),
            "not_reached": len(self.not_reached),
            "why": self.why or None,
            "allow": dict(self.allow),
            "set_aside": [{"host": host, "why": why} for host, why in self.set_aside.items()],
        }


@dataclass
class Heard:
    """What one host has said so far."""

    records: list[HostRecord] = field(default_factory=list)
    actions: list[RecordedAction] = field(default_factory=list)  # in their order
    errors: list[RecordError] = field(default_factory=list)
    other_runs: list[OtherRun] = field(default_factory=list)  # with which this run had to share the host
    failed: bool = False  # something went wrong after the host had been seen
    reason: str = ""  # why there is no record
    touched: bool = False  # an enforcing module was started
    # since the last record: {control: CORRECTED, BEGUN or LIFTED}, and the rules that were left as they are
    changes: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    removed: list[RemovedPackage] = field(default_factory=list)  # of a lift: what it does not install again


class Collector:
    """Collects the events of one run; `run` is what `compile_plans` returned for it.

    The collector calls `note` with each event and the values that replay it. journal.py stores them, and replay.py
    reads them.
    """

    def __init__(self, run: CompiledRun) -> None:
        self.run = run
        self.note: Callable[..., None] = lambda event, *values: None
        self.interrupted = ""  # in words: why the run ended before its end
        self.lacks_events = False  # of a run whose journal could not be written
        self.earlier: Mapping[str, Sequence[Earlier]] = {}  # what earlier runs have left open, by host
        self.heard: dict[str, Heard] = {}
        self._notes: list[Note] = []
        self._rules: dict[str, RuleRecord] = {}
        self._room = ROOM
        services = run.get("services")
        self._services = None if services is None else frozenset(services)
        self._rollout: Decided | None = None
        self._stop = ""
        # For `progress`, which is called after every event: it reads only the hosts that are new since the last call.
        self._new: set[str] = set()
        self._came: set[str] = set()
        self._bad: set[str] = set()

    @property
    def expected(self) -> Mapping[str, str]:
        """The hosts that have to answer, each with the digest of its plan."""
        return self.run["hosts"]

    @property
    def changing(self) -> bool:
        """Whether the run observes, corrects and observes again, so that a second record is no duplicate."""
        return self.run["mode"] in ("enforce", "check")

    def answered(self, host: str, answer: object) -> HostRecord | None:
        """Take a host's record; returns it as checked, or None when it is no record (the host is unknown then)."""
        heard = self._of(host)
        try:
            record = read_record(host, answer)
            if self._services is not None:
                require_known_rules(record, self._services, self.expected.get(host, ""))
        except UnusableAnswer as wrong:
            self.failed(host, None, f"its answer is no host record: {wrong}")
            return None
        record["rules"] = self._shared(record["rules"])
        record["plan"], record["schema"] = sys.intern(record["plan"] or ""), sys.intern(record["schema"])
        record["state"] = sys.intern(record["state"])
        self.note("answered", host, record)
        # In a run that corrects, the first one and the last one count; roles of one play observe once more each.
        heard.records[1 if self.changing else len(heard.records) :] = [record]
        heard.changes, heard.refused = {}, set()
        return record

    def began(self, host: str, control: str) -> None:
        """An enforcing module starts on a host. Until it answers, nobody knows what it has done."""
        if self.run["mode"] in ("enforce", "lift"):
            self.note("began", host, control)
            heard = self._of(host)
            heard.touched = True
            heard.changes.setdefault(control, BEGUN)

    def skipped(self, host: str, control: str) -> None:
        """An enforcing module did not start on a host after all, or did nothing there."""
        changes = self._of(host).changes
        if changes.get(control) == BEGUN:
            self.note("skipped", host, control)
            del changes[control]

    def changed(self, host: str, control: str, result: Mapping[str, object], dry: bool = False) -> None:
        """Take the result of an enforcing module, failed or not. `dry`: it ran in check mode, so that its actions are
        what it would have done.
        """
        said = {key: result[key] for key in ("actions", "refused") if isinstance(result.get(key), list)}
        self.note("changed", host, control, said, dry)
        heard = self._of(host)
        heard.touched = True
        actions = [str(action) for action in _items(result, "actions")]
        if actions and not dry and self.run["mode"] == "enforce":
            heard.changes[control] = CORRECTED
        elif not dry and self.run["mode"] == "lift":
            heard.changes[control] = LIFTED
        elif "actions" in said and heard.changes.get(control) == BEGUN:  # a module that broke says nothing of them
            del heard.changes[control]
        for action in actions:
            done: RecordedAction = {"control": control, "action": action}
            if id_ := "" if dry else parse_moved_id(action):
                done["quarantine_id"] = id_
            heard.actions.append(done)
        heard.other_runs += [
            {"control": control, "by": other["by"], "since": other["since"], "waited": other["waited"]}
            for other in _items(result, "other_runs")
        ]
        heard.removed += map(removed.read_removed_package, _items(result, "removed"))
        for refusal in _items(result, "refused"):
            if isinstance(refusal, Mapping):
                message = f"{refusal.get('rule')}: {refusal.get('subject')} was left as it is: {refusal.get('reason')}"
                heard.errors.append({"control": control, "message": message, "refused": str(refusal.get("rule"))})
                heard.refused.add(str(refusal.get("rule")))
        if actions and not dry and self.run["mode"] == "audit":
            message = f"changed in a run that only audits: {some(actions, 3)}"
            heard.errors.append({"control": control, "message": message})
            heard.failed = True
            self._notes.append(Note(host, CHANGED, message))

    def failed(self, host: str, control: str | None, message: str) -> None:
        """A task failed on a host; `control` is the control that was being enforced, None for any other task."""
        self.note("failed", host, control, message)
        self._failed(host, control, message)

    def _failed(self, host: str, control: str | None, message: str) -> None:
        heard = self._of(host)
        if control:
            heard.touched = True
            if self.run["mode"] == "lift":
                heard.changes[control] = BEGUN
        if control or heard.records:
            error: RecordError = {"control": control or RUN_ERROR, "message": message}
            # A host that is set aside fails in a play with roles, too, with the same words.
            heard.errors += [] if error in heard.errors else [error]
            heard.failed = True
        if not heard.records:
            heard.reason = f"failed: {message}"

    def has_failed_control(self, host: str) -> bool:
        """Return True if a control failed on the host, so that its record has the reason."""
        heard = self.heard.get(host)
        return heard is not None and heard.failed and any(error["control"] != RUN_ERROR for error in heard.errors)

    def unreachable(self, host: str, message: str) -> None:
        """A host could not be reached, or not any more."""
        self.note("unreachable", host, message)
        heard = self._of(host)
        if heard.records:
            self._failed(host, None, f"unreachable after it had been seen: {message}")
        else:
            heard.reason = f"unreachable: {message}"

    def decided(self, rollout: Decided) -> None:
        """Take the decision which hosts are corrected; in a play with `serial` there is one for each batch."""
        self.note("decided", rollout)
        if self._rollout is not None:
            before = self._rollout
            rollout = {
                "hosts": [*before["hosts"], *rollout["hosts"]],
                "batches": [*before["batches"], *rollout["batches"]],
                "allow": {**before["allow"], **rollout["allow"]},
                "set_aside": {**before["set_aside"], **rollout["set_aside"]},
            }
        self._rollout = rollout
        for host, why in self._set_aside().items():
            self._failed(host, None, why)

    def stopped(self, why: str) -> None:
        """The run was stopped before a batch began; no host failed by that."""
        self.note("stopped", why)
        self._stop = why

    def rollout(self) -> Rollout | None:
        """How far the correcting came; None in a run that decided nothing, such as an audit."""
        if self._rollout is None:
            return None
        hosts, aside = self._rollout["hosts"], self._set_aside()
        missed = [host for host in hosts if not self._tried(host)]
        why = self._stop or ((self.interrupted or "stopped, because every host of a batch failed") if missed else "")
        batches = tuple(self._rollout["batches"])
        return Rollout(len(hosts) + len(aside), batches, tuple(missed), why, self._rollout["allow"], aside)

    def _set_aside(self) -> Mapping[str, str]:
        """The hosts that this run leaves as found; a dry one shows what it would change on them, too."""
        return self._rollout["set_aside"] if self._rollout and self.run["mode"] == "enforce" else {}

    def _tried(self, host: str) -> bool:
        heard = self.heard.get(host)
        return heard is not None and (heard.touched or heard.failed or len(heard.records) > 1)

    def progress(self) -> tuple[int, int]:
        """How many expected hosts were heard of, and how many of them are noncompliant or in error by now."""
        for host in (host for host in self._new if host in self.expected):
            heard = self.heard[host]
            self._came.add(host)
            if heard.failed or any(record["state"] in (ERROR, NONCOMPLIANT) for record in heard.records[-1:]):
                self._bad.add(host)
            else:
                self._bad.discard(host)
        self._new.clear()
        return len(self._came), len(self._bad)

    def fleet(self, now: str = "") -> Fleet:
        """Reconcile what was heard with what was expected; `now` (2026-11-25T08:00:00Z) makes old records stale."""
        records = [record for heard in self.heard.values() for record in self._settled(heard)]
        unheard = NOT_KNOWN if self.lacks_events else NOT_REACHED
        reasons = dict.fromkeys(self.expected, unheard) if self.interrupted else {}
        reasons |= {host: heard.reason for host, heard in self.heard.items() if heard.reason}
        clock = Clock.of(self.run, now) if now else None
        modes = Modes(self.run.get("policies") or {}, controls_of(self.run))
        fleet = reconcile(self.expected, records, reasons, clock, self.run.get("rules"), modes)
        return fleet._replace(notes=[*fleet.notes, *self._notes])

    def _settled(self, heard: Heard) -> Sequence[HostRecord]:
        """A host's records as they count: in a run that changes hosts, the second one together with the first."""
        records = list(heard.records)
        if self.changing and len(records) > 1 and records[0]["plan"] == records[1]["plan"]:
            merged = mark_repaired_rules(records[0], records[1])
            evaluated = max(merged["rules_evaluated"], len(merged["rules"]))
            rules = self._shared(merged["rules"])
            records = [{**merged, "host": records[1]["host"], "rules_evaluated": evaluated, "rules": rules}]
        if not records:
            return []
        records[-1] = self._with_earlier(records[-1])
        if not self.changing:
            return [self._with_errors(record, heard) for record in records]
        records[-1] = marked(records[-1], heard.changes, heard.refused)
        last: HostRecord = {**self._with_errors(records[-1], heard), "actions": heard.actions}
        if heard.other_runs:
            last["other_runs"] = heard.other_runs
        return [*records[:-1], last]

    def _with_earlier(self, record: HostRecord) -> HostRecord:
        """A record with what earlier runs have corrected there and could not observe."""
        earlier = self.earlier.get(record["host"])
        if not earlier or not record["rules_evaluated"]:
            return record
        return settled(record, earlier, (self.run.get("policies") or {}).get(record["plan"] or "") or {})

    @staticmethod
    def _with_errors(record: HostRecord, heard: Heard) -> HostRecord:
        if not heard.errors:
            return record
        state = find_worst_state([record["state"], ERROR]) if heard.failed else record["state"]
        return {**record, "state": state, "errors": [*record["errors"], *heard.errors]}

    def _shared(self, rules: Sequence[RuleRecord]) -> list[RuleRecord]:
        """The rules, with one copy of each that thousands of hosts list with the same evidence.

        Each host has a share of its own. What exceeds this share and the room of the run is reported without evidence.
        """
        left, found = SHARE, list[RuleRecord]()
        for rule in rules:
            content = format_canonical(rule)
            if content not in self._rules:
                size = 1 + len(rule["findings"])
                if left >= size:
                    left -= size
                elif self._room >= size:
                    self._room -= size
                else:
                    rule = _without_evidence(rule)
                    content = format_canonical(rule)
            found.append(self._rules.setdefault(content, rule))
        return found

    def _of(self, host: str) -> Heard:
        self._new.add(host)
        return self.heard.setdefault(host, Heard())


def _without_evidence(rule: RuleRecord) -> RuleRecord:
    """A rule as all hosts have it that report one in this state."""
    findings = [Finding("more", f"findings that are {LEFT_OUT}").convert_to_dict()] if rule["findings"] else []
    return {**rule, "reason": rule["reason"] and LEFT_OUT, "findings": findings}


def _items(result: Mapping[str, object], key: str) -> Sequence[Any]:
    value = result.get(key)
    return value if isinstance(value, list) else []
