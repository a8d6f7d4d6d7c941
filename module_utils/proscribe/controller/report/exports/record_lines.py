"""A host record as the exports write it: lines about rules, and the number of rules that simply hold.

A record says some things outside its rules: no answer at all, a control that failed, a state worse than that of any
rule it lists. Here they become lines like the others, so that no export can lose them. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ....model.finding import COMPLIANT, ERROR, NOT_APPLICABLE, STATES
from ....model.types.record import FindingRecord, HostRecord, RuleRecord
from ....model.words import EXTRA_STATES
from ..evaluation import since_last_run
from ..evaluation.arithmetic import count_rule_states
from ..evaluation.failures import list_failures
from ..evaluation.modes import AUDIT
from ..text.wording import clean, counted, evidences, host_label, in_words

# The rule of what is said of a host as a whole. No control is called so.
HOST = "host/answer"
# What stands for a state where a host is not served.
*_, NOT_SERVED = EXTRA_STATES
# What an error of a control, or of the run, is filed under: `apps/error`.
ERRORS = "error"
REFUSED = "refused"  # and what it has left as it is, which is no failure

SEVERAL = 20  # pieces of evidence that a sentence names; the CSV export has a row for each


Made = TypeVar("Made")


class Line:
    """What a host says of one rule. All text is one line, printable.

    Thousands of hosts say the same, so a line also keeps what the exports made of it.
    """

    __slots__ = ("_made", "findings", "mode", "reason", "rule", "state", "waiver")

    def __init__(
        self,
        rule: str,
        state: str,
        waiver: str = "",
        reason: str = "",
        findings: Sequence[FindingRecord] = (),
        mode: str = "",
    ) -> None:
        self.rule, self.state, self.waiver, self.reason, self.findings = rule, state, waiver, reason, findings
        self.mode = mode  # of its control on that host; "" where that is not known, or the line is no rule's
        self._made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[Line], Made]) -> Made:
        """What `make` makes of this line, made once and stored under `name`; another `make` needs another name."""
        if name not in self._made:
            self._made[name] = make(self)
        made: Made = self._made[name]
        return made

    @property
    def control(self) -> str:
        return self.rule.partition("/")[0]

    @property
    def text(self) -> str:
        """It in a sentence: the evidence, the waiver, the reason, and that it is only audited, where it is."""
        return self.once("text", _sentence)


def _sentence(line: Line) -> str:
    found = evidences(line.findings)
    shown = found[:SEVERAL]
    if len(found) > SEVERAL:
        shown.append(f"and {len(found) - SEVERAL:,} more")
    notes = ([f"waiver {line.waiver}"] if line.waiver else []) + ([line.reason] if line.reason else [])
    notes += ["only audited: no run corrects it"] * (line.mode == AUDIT and line.state != NOT_APPLICABLE)
    return "; ".join(shown + notes) or in_words(line.state)


class Answer(NamedTuple):
    """One expected host. `compliant` rules are plainly compliant and `idle` ones do not apply; neither has a line."""

    host: str
    state: str
    lines: Sequence[Line]
    compliant: int
    idle: int
    record: HostRecord
    # What happened between two runs: no rule of a plan says it, and it does not count.
    between: Sequence[Line] = ()

    @property
    def rows(self) -> list[Line]:
        """A line at least for each host: of a compliant one, that it is; then what happened between two runs."""
        return [*(self.lines or [Line(HOST, self.state, reason=self.summary)]), *self.between]

    @property
    def summary(self) -> str:
        """How many rules have no line, and why not."""
        compliant = f"{counted(self.compliant, 'rule')} {'holds' if self.compliant == 1 else 'hold'}"
        idle = f"{counted(self.idle, 'rule')} {'does' if self.idle == 1 else 'do'} not apply"
        return ", ".join([compliant] * bool(self.compliant or not self.idle) + [idle] * bool(self.idle))


class Reader:
    """Reads records into answers, with one line for the rules that many of them share as one dictionary."""

    MOST = 10_000  # lines that are kept

    def __init__(self) -> None:
        self._lines: dict[int, tuple[RuleRecord, Line]] = {}

    def read(self, record: HostRecord) -> Answer:
        """The answer that a reconciled host record is."""
        lines = [self._line(rule) for rule in record["rules"]]
        for control, state_, message in list_failures(record):
            lines.append(
                Line(f"{clean(control)}/{ERRORS if state_ == ERROR else REFUSED}", state_, reason=clean(message))
            )
        # The state of a host is never milder than its lines, but it may be worse: then that is a line too.
        state, reason = record["state"], clean(record["reason"] or "")
        if reason or (state not in (COMPLIANT, NOT_APPLICABLE) and _rank(lines) > STATES.index(state)):
            lines.append(Line(HOST, state, reason=reason or f"the host is {state}, whatever its rules say"))
        compliant = idle = 0
        if record["rules_evaluated"]:
            counts = count_rule_states(record)
            listed = [rule["state"] for rule in record["rules"]]
            compliant = counts[COMPLIANT] - listed.count(COMPLIANT)
            idle = counts[NOT_APPLICABLE] - listed.count(NOT_APPLICABLE)
        return Answer(host_label(record["host"]), state, lines, compliant, idle, record, _between(record))

    def _line(self, rule: RuleRecord) -> Line:
        known = self._lines.get(id(rule))
        if known is None:
            if len(self._lines) >= self.MOST:
                self._lines.clear()
            waiver, reason = clean(rule["waiver"] or ""), clean(rule["reason"] or "")
            # The rule is kept with its line, so that no other can come to have its identity.
            known = self._lines[id(rule)] = (
                rule,
                Line(clean(rule["rule"]), rule["state"], waiver, reason, rule["findings"], rule.get("mode") or ""),
            )
        return known[1]


def _between(record: HostRecord) -> list[Line]:
    """One line for each kind of thing that happened, with its evidence."""
    filed: dict[tuple[str, str], list[FindingRecord]] = {}
    for one in since_last_run.list_remarks(record):
        filed.setdefault(one.listed_rule, []).append(one.finding.convert_to_dict())
    return [Line(rule, state, findings=found) for (rule, state), found in filed.items()]


def _rank(lines: Sequence[Line]) -> int:
    return min(map(STATES.index, {line.state for line in lines}), default=len(STATES))
