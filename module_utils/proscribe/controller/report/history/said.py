"""What host records say of each rule, as the history keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ....model.finding import ERROR, NOT_APPLICABLE, STATES, UNKNOWN, find_worst_state
from ....model.types.record import HostRecord, RuleRecord
from ..text.wording import clean_text, describe_finding, make_host_label
from .tables import HOST_RULE

UNOBSERVED_STATES = (ERROR, UNKNOWN)  # the states in which nobody could see how the rule stands
MAX_CACHED_RULES = 100_000  # rules, in the lists that hosts share
MAX_EVIDENCE_LENGTH = 300  # characters of evidence that are kept
UNSTORABLE_CHARACTERS = re.compile("[\0\ud800-\udfff]")  # what a database does not take in a text


class EvidenceReader:
    """What records say. Thousands of hosts list the very same rules, so what was said of them is remembered."""

    def __init__(self) -> None:
        self._evidence_by_rules: dict[
            tuple[str | int, ...], tuple[Sequence[RuleRecord], Mapping[str, tuple[str, str]]]
        ] = {}
        self._cached_count = 0

    def read_evidence(
        self, record: HostRecord, observed_controls: list[str], is_host_included: bool
    ) -> Mapping[str, tuple[str, str]]:
        """{rule: (state, evidence)} of the controls that were observed, and of the host as a whole (rule "")."""
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
            # With the rules themselves, so that none of their ids can become another's.
            self._evidence_by_rules[key] = tuple(rules), rule_evidence
        evidence = self._evidence_by_rules[key][1]
        listed_states = [rule["state"] for rule in rules]
        # The host is worse than its rules when it gave no answer, or when a correction or a task failed.
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
    if rule["state"] == NOT_APPLICABLE:
        return ""
    first_evidence = describe_finding(rule["findings"][0]) if rule["findings"] else rule["reason"] or ""
    more_count = len(rule["findings"]) - 1
    return _clean_text(f"{first_evidence} and {more_count} more" if more_count > 0 else first_evidence)


def make_storable_name(host: str) -> str:
    """Return a host's name as the history keeps it. An inventory may have one that no database takes."""
    return make_host_label(host) if UNSTORABLE_CHARACTERS.search(host) else host


def rename_record_host(record: HostRecord) -> HostRecord:
    """Return a record with the name that the history keeps."""
    name = make_storable_name(record["host"])
    return record if name == record["host"] else {**record, "host": name}


def _clean_text(text: object) -> str:
    """Text as it is kept: printable, since a database may refuse what does not print, and not endless."""
    return clean_text(str(text)[:MAX_EVIDENCE_LENGTH])
