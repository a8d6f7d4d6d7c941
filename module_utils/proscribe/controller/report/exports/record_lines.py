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
from ..text.wording import clean_text, describe_findings, format_count, format_key, make_host_label

# The rule of what is said of a host as a whole. No control is called so.
HOST_RULE = "host/answer"
# What stands for a state where a host is not served.
*_, NOT_SERVED = EXTRA_STATES
# What an error of a control, or of the run, is filed under: `apps/error`.
ERROR_SUBJECT = "error"
REFUSED_SUBJECT = "refused"  # and what it has left as it is, which is no failure

MAX_EVIDENCE = 20  # pieces of evidence that a sentence names; the CSV export has a row for each


DerivedForm = TypeVar("DerivedForm")


class RuleLine:
    """What a host says of one rule. All text is one line, printable.

    Thousands of hosts say the same, so a line also keeps what the exports made of it.
    """

    __slots__ = ("_derived_forms", "findings", "mode", "reason", "rule", "state", "waiver")

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
        self._derived_forms: dict[str, Any] = {}

    def cache_derived_form(self, name: str, derive: Callable[[RuleLine], DerivedForm]) -> DerivedForm:
        """What `derive` makes of this line, made once and stored under `name`; another `derive` needs another name."""
        if name not in self._derived_forms:
            self._derived_forms[name] = derive(self)
        derived_form: DerivedForm = self._derived_forms[name]
        return derived_form

    @property
    def control(self) -> str:
        return self.rule.partition("/")[0]

    @property
    def text(self) -> str:
        """It in a sentence: the evidence, the waiver, the reason, and that it is only audited, where it is."""
        return self.cache_derived_form("text", _format_sentence)


def _format_sentence(line: RuleLine) -> str:
    evidence_texts = describe_findings(line.findings)
    shown_texts = evidence_texts[:MAX_EVIDENCE]
    if len(evidence_texts) > MAX_EVIDENCE:
        shown_texts.append(f"and {len(evidence_texts) - MAX_EVIDENCE:,} more")
    notes = ([f"waiver {line.waiver}"] if line.waiver else []) + ([line.reason] if line.reason else [])
    notes += ["only audited: no run corrects it"] * (line.mode == AUDIT and line.state != NOT_APPLICABLE)
    return "; ".join(shown_texts + notes) or format_key(line.state)


class HostEntry(NamedTuple):
    """One expected host. `compliant_count` rules are plainly compliant and `not_applicable_count` ones do not apply; neither has a line."""

    host: str
    state: str
    lines: Sequence[RuleLine]
    compliant_count: int
    not_applicable_count: int
    record: HostRecord
    # What happened between two runs: no rule of a plan says it, and it does not count.
    remark_lines: Sequence[RuleLine] = ()

    @property
    def rows(self) -> list[RuleLine]:
        """A line at least for each host: of a compliant one, that it is; then what happened between two runs."""
        return [*(self.lines or [RuleLine(HOST_RULE, self.state, reason=self.summary)]), *self.remark_lines]

    @property
    def summary(self) -> str:
        """How many rules have no line, and why not."""
        compliant_text = (
            f"{format_count(self.compliant_count, 'rule')} {'holds' if self.compliant_count == 1 else 'hold'}"
        )
        not_applicable_text = f"{format_count(self.not_applicable_count, 'rule')} {'does' if self.not_applicable_count == 1 else 'do'} not apply"
        return ", ".join(
            [compliant_text] * bool(self.compliant_count or not self.not_applicable_count)
            + [not_applicable_text] * bool(self.not_applicable_count)
        )


class RecordReader:
    """Reads records into answers, with one line for the rules that many of them share as one dictionary."""

    MAX_CACHED_LINES = 10_000  # lines that are kept

    def __init__(self) -> None:
        self._lines: dict[int, tuple[RuleRecord, RuleLine]] = {}

    def read_record(self, record: HostRecord) -> HostEntry:
        """The answer that a reconciled host record is."""
        lines = [self._get_rule_line(rule) for rule in record["rules"]]
        for control, failure_state, message in list_failures(record):
            lines.append(
                RuleLine(
                    f"{clean_text(control)}/{ERROR_SUBJECT if failure_state == ERROR else REFUSED_SUBJECT}",
                    failure_state,
                    reason=clean_text(message),
                )
            )
        # The state of a host is never milder than its lines, but it may be worse: then that is a line too.
        state, reason = record["state"], clean_text(record["reason"] or "")
        if reason or (state not in (COMPLIANT, NOT_APPLICABLE) and _rank_worst_state(lines) > STATES.index(state)):
            lines.append(RuleLine(HOST_RULE, state, reason=reason or f"the host is {state}, whatever its rules say"))
        compliant_count = not_applicable_count = 0
        if record["rules_evaluated"]:
            state_counts = count_rule_states(record)
            listed_states = [rule["state"] for rule in record["rules"]]
            compliant_count = state_counts[COMPLIANT] - listed_states.count(COMPLIANT)
            not_applicable_count = state_counts[NOT_APPLICABLE] - listed_states.count(NOT_APPLICABLE)
        return HostEntry(
            make_host_label(record["host"]),
            state,
            lines,
            compliant_count,
            not_applicable_count,
            record,
            _list_remark_lines(record),
        )

    def _get_rule_line(self, rule: RuleRecord) -> RuleLine:
        cached_line = self._lines.get(id(rule))
        if cached_line is None:
            if len(self._lines) >= self.MAX_CACHED_LINES:
                self._lines.clear()
            waiver, reason = clean_text(rule["waiver"] or ""), clean_text(rule["reason"] or "")
            # The rule is kept with its line, so that no other can come to have its identity.
            cached_line = self._lines[id(rule)] = (
                rule,
                RuleLine(
                    clean_text(rule["rule"]), rule["state"], waiver, reason, rule["findings"], rule.get("mode") or ""
                ),
            )
        return cached_line[1]


def _list_remark_lines(record: HostRecord) -> list[RuleLine]:
    """One line for each kind of thing that happened, with its evidence."""
    findings_by_rule: dict[tuple[str, str], list[FindingRecord]] = {}
    for remark in since_last_run.list_remarks(record):
        findings_by_rule.setdefault(remark.listed_rule, []).append(remark.finding.convert_to_dict())
    return [RuleLine(rule, state, findings=findings) for (rule, state), findings in findings_by_rule.items()]


def _rank_worst_state(lines: Sequence[RuleLine]) -> int:
    return min(map(STATES.index, {line.state for line in lines}), default=len(STATES))
