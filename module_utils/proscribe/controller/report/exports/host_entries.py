"""A host record as the exports write it: lines about rules, and the number of compliant rules.

A record has facts outside its rules: a missing answer, a failed control, a state worse than all its listed rules. Here
they become lines like the others, so that no export can omit them. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ....model.finding import COMPLIANT, ERROR, NOT_APPLICABLE, STATES
from ....model.types.record import FindingRecord, HostRecord, RuleRecord
from ....model.vocabulary import EXTRA_STATES
from ..evaluation import watch_remark_groups
from ..evaluation.arithmetic import count_rule_states
from ..evaluation.control_modes import AUDIT
from ..evaluation.failures import list_failures
from ..text.wording import clean_text, describe_findings, format_count, format_key, make_host_label

# The rule of a line about a host as a whole. No control has this name.
HOST_RULE = "host/answer"
# The state of a host that Proscribe does not observe, such as a network device.
*_, NOT_SERVED = EXTRA_STATES
# The part after the control in the rule of a line about a failure: `apps/error`.
ERROR_SUBJECT = "error"
REFUSED_SUBJECT = "refused"  # the same for a refused correction, which is no failure

MAX_EVIDENCE = 20  # most findings that a sentence names; the CSV export has a row for each finding


DerivedForm = TypeVar("DerivedForm")


class RuleLine:
    """A line about a rule of a host, or about the host itself.

    Each text is printable. `waiver` is the id of the waiver that applies, and `reason` the reason of the state; "" for
    none. Thousands of hosts have equal lines. So a line also caches the forms that exports derive from it.
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
        # mode of the rule's control on that host; "" if the mode is unknown, or if the line is about no rule
        self.mode = mode
        self._derived_forms: dict[str, Any] = {}

    def cache_derived_form(self, name: str, derive: Callable[[RuleLine], DerivedForm]) -> DerivedForm:
        """Return the result of `derive` for this line, computed once and cached under `name`.

        Different functions need different names.
        """
        if name not in self._derived_forms:
            self._derived_forms[name] = derive(self)
        derived_form: DerivedForm = self._derived_forms[name]
        return derived_form

    @property
    def control(self) -> str:
        return self.rule.partition("/")[0]

    @property
    def text(self) -> str:
        """The line as a sentence: evidence, waiver and reason, with a note if the rule is only audited."""
        return self.cache_derived_form("text", _format_sentence)


def _format_sentence(line: RuleLine) -> str:
    """Format a line as a sentence: evidence, waiver and reason; the state if the line has none of these."""
    evidence_texts = describe_findings(line.findings)
    shown_texts = evidence_texts[:MAX_EVIDENCE]
    if len(evidence_texts) > MAX_EVIDENCE:
        shown_texts.append(f"and {len(evidence_texts) - MAX_EVIDENCE:,} more")
    notes = ([f"waiver {line.waiver}"] if line.waiver else []) + ([line.reason] if line.reason else [])
    notes += ["only audited: no run corrects it"] * (line.mode == AUDIT and line.state != NOT_APPLICABLE)
    return "; ".join(shown_texts + notes) or format_key(line.state)


class HostEntry(NamedTuple):
    """The data of an expected host for the exports, made from its record.

    `lines` are about the rules of the record, in their order, and after them about failures and the host as a whole.
    `compliant_count` is the number of compliant rules without a line. `not_applicable_count` is the number of rules
    without a line that do not apply.
    """

    host: str
    state: str
    lines: Sequence[RuleLine]
    compliant_count: int
    not_applicable_count: int
    record: HostRecord
    # Lines about events between two runs. They belong to no rule of a plan, and counts of rules leave them out.
    remark_lines: Sequence[RuleLine] = ()

    @property
    def rows(self) -> list[RuleLine]:
        """All lines of the host, and then its events between two runs.

        A compliant host has no lines, and gets a line about the host as a whole.
        """
        return [*(self.lines or [RuleLine(HOST_RULE, self.state, reason=self.summary)]), *self.remark_lines]

    @property
    def summary(self) -> str:
        """The numbers of the compliant and of the not applicable rules, which have no lines, in words."""
        compliant_text = (
            f"{format_count(self.compliant_count, 'rule')} {'holds' if self.compliant_count == 1 else 'hold'}"
        )
        not_applicable_text = (
            f"{format_count(self.not_applicable_count, 'rule')} "
            f"{'does' if self.not_applicable_count == 1 else 'do'} not apply"
        )
        return ", ".join(
            [compliant_text] * bool(self.compliant_count or not self.not_applicable_count)
            + [not_applicable_text] * bool(self.not_applicable_count)
        )


class RecordReader:
    """A reader of records for exports.

    It makes a line once for each rule that many records share as one object.
    """

    MAX_CACHED_LINES = 10_000  # most lines in the cache

    def __init__(self) -> None:
        self._lines: dict[int, tuple[RuleRecord, RuleLine]] = {}

    def read_record(self, record: HostRecord) -> HostEntry:
        """Make the entry of a host from its record, with lines for rules, failures and the host."""
        lines = [self._get_rule_line(rule) for rule in record["rules"]]
        for control, failure_state, message in list_failures(record):
            lines.append(
                RuleLine(
                    f"{clean_text(control)}/{ERROR_SUBJECT if failure_state == ERROR else REFUSED_SUBJECT}",
                    failure_state,
                    reason=clean_text(message),
                )
            )
        # Add a line about the host as a whole if it has a reason, such as that of a missing answer. Add it also if the
        # host is in a worse state than all its lines.
        state, reason = record["state"], clean_text(record["reason"] or "")
        if reason or (state not in (COMPLIANT, NOT_APPLICABLE) and _rank_worst_state(lines) > STATES.index(state)):
            lines.append(RuleLine(HOST_RULE, state, reason=reason or f"the host is {state}, whatever its rules say"))
        compliant_count = not_applicable_count = 0
        if record["rules_evaluated"]:  # a host without an answer has no counts
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
        """Return the line of a rule.

        Records that share the rule's object share the line.
        """
        cached_line = self._lines.get(id(rule))
        if cached_line is None:
            if len(self._lines) >= self.MAX_CACHED_LINES:
                self._lines.clear()
            waiver, reason = clean_text(rule["waiver"] or ""), clean_text(rule["reason"] or "")
            # Store the rule with the line, so that Python gives the rule's id to no other object.
            cached_line = self._lines[id(rule)] = (
                rule,
                RuleLine(
                    clean_text(rule["rule"]), rule["state"], waiver, reason, rule["findings"], rule.get("mode") or ""
                ),
            )
        return cached_line[1]


def _list_remark_lines(record: HostRecord) -> list[RuleLine]:
    """Return the events between two runs as lines, one for each kind of event, with its evidence."""
    findings_by_rule: dict[tuple[str, str], list[FindingRecord]] = {}
    for remark in watch_remark_groups.list_remarks(record):
        findings_by_rule.setdefault(remark.listed_rule, []).append(remark.finding.convert_to_dict())
    return [RuleLine(rule, state, findings=findings) for (rule, state), findings in findings_by_rule.items()]


def _rank_worst_state(lines: Sequence[RuleLine]) -> int:
    """Return the index in STATES (worst first) of the worst state of these lines; len(STATES) without lines."""
    return min(map(STATES.index, {line.state for line in lines}), default=len(STATES))
