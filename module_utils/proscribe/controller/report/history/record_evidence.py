"""The evidence of each rule in host records, as the history stores it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ....model.finding import ERROR, NOT_APPLICABLE, STATES, UNKNOWN, find_worst_state
from ....model.types.record import HostRecord, RuleRecord
from ..text.wording import clean_text, describe_finding, make_host_label
from .tables import HOST_RULE

UNOBSERVED_STATES = (ERROR, UNKNOWN)  # states of a rule that could not be observed
MAX_CACHED_RULES = 100_000  # most rules in the cached rule lists that hosts share
MAX_EVIDENCE_LENGTH = 300  # most characters of evidence that are stored
UNSTORABLE_CHARACTERS = re.compile("[\0\ud800-\udfff]")  # characters that a database rejects in a text


class EvidenceReader:
    """A reader of the evidence in records. It caches the result for rules that thousands of hosts share."""

    def __init__(self) -> None:
        # The evidence of each list of rules. The key has the observed controls, then the id() of each rule, because
        # hosts share rules as objects. The value has the rules, and {name of the rule: (state, evidence)}.
        self._evidence_by_rules: dict[
            tuple[str | int, ...], tuple[Sequence[RuleRecord], Mapping[str, tuple[str, str]]]
        ] = {}
        self._cached_count = 0  # number of rules in `_evidence_by_rules`

    def read_evidence(
        self, record: HostRecord, observed_controls: list[str], is_host_included: bool
    ) -> Mapping[str, tuple[str, str]]:
        """Return {rule: (state, evidence)} for the rules of the observed controls.

        If `is_host_included` is true, the result may also have HOST_RULE (""), the rule of the host as a whole. It is
        there if the host is in a worse state than its rules.
        """
        rules = record["rules"]
        key: tuple[str | int, ...] = (*observed_controls, *map(id, rules))
        if key not in self._evidence_by_rules:
            if self._cached_count > MAX_CACHED_RULES:
                self._evidence_by_rules.clear()
                self._cached_count = 0
            self._cached_count += 1 + len(rules)
            rule_evidence = {
                _clean_text(rule["rule"]): (rule["state"], _format_evidence(rule))
                for rule in rules
                if rule["rule"].partition("/")[0] in observed_controls
            }
            # Store the rules too, so that Python gives their ids to no other objects.
            self._evidence_by_rules[key] = tuple(rules), rule_evidence
        evidence = self._evidence_by_rules[key][1]
        listed_states = [rule["state"] for rule in rules]
        # A host may be in a worse state than its rules: it gave no answer, or a correction or a task failed.
        if (
            is_host_included
            and record["state"] in UNOBSERVED_STATES
            and (not listed_states or _rank_state(record["state"]) < _rank_state(find_worst_state(listed_states)))
        ):
            errors = "; ".join(str(error["message"]) for error in record["errors"])
            return {
                HOST_RULE: (record["state"], _clean_text(record["reason"] or errors or record["state"])),
                **evidence,
            }
        return evidence


def _rank_state(state: str) -> int:
    return STATES.index(state)


def _format_evidence(rule: RuleRecord) -> str:
    """Format the first evidence of a rule and the number of more findings.

    The text is "" for a rule that is not applicable.
    """
    if rule["state"] == NOT_APPLICABLE:
        return ""
    first_evidence = describe_finding(rule["findings"][0]) if rule["findings"] else rule["reason"] or ""
    more_count = len(rule["findings"]) - 1
    return _clean_text(f"{first_evidence} and {more_count} more" if more_count > 0 else first_evidence)


def make_storable_name(host: str) -> str:
    """Return a host's name as the history stores it.

    An inventory may have names with characters that databases reject. Such characters are replaced.
    """
    return make_host_label(host) if UNSTORABLE_CHARACTERS.search(host) else host


def rename_record_host(record: HostRecord) -> HostRecord:
    """Return a record with its host's name as the history stores that name."""
    name = make_storable_name(record["host"])
    return record if name == record["host"] else {**record, "host": name}


def _clean_text(text: object) -> str:
    """Return a text as the history stores it: printable, and at most MAX_EVIDENCE_LENGTH characters long.

    Databases may reject other characters.
    """
    return clean_text(str(text)[:MAX_EVIDENCE_LENGTH])
