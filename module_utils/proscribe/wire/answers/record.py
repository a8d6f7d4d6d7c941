"""The reader of host records: the controller checks the answer of a host before it trusts any part of the answer.

A managed host may be in hostile hands. Its answer cannot break the report of the other hosts. Its answer cannot claim a
milder state than the states of its rules and errors.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model.finding import (
    ERROR,
    MAX_FINDINGS,
    MAX_RULE_FINDINGS,
    RECORD_SCHEMA,
    UNKNOWN,
    find_worst_state,
    take_first_findings,
)
from ...model.types.annotations import RUN_ERROR
from ...model.types.record import HostRecord, ObservedRecord
from . import watch_record
from .typed_reader import read_typed
from .value_readers import UnusableAnswer, require_mapping

__all__ = ["RUN_ERROR", "UnusableAnswer", "read_record", "make_silent_record", "read_unnamed_record"]


def read_record(host: str, answer: object) -> HostRecord:
    """Return a host's answer as its checked record, with every required key.

    `host` is the inventory name, which the host does not know. Raises UnusableAnswer.
    """
    return {"schema": RECORD_SCHEMA, "host": host, **read_unnamed_record(answer)}


def read_result_record(answer: object) -> ObservedRecord:
    """Return a host's answer as a checked record for the result of an Ansible task.

    Ansible copies the lists and mappings of a result for each callback, which costs more than to read an answer.
    Ansible does not copy tuples, so the rules are a tuple. Raises UnusableAnswer.
    """
    record = read_unnamed_record(answer)
    return {**record, "rules": tuple(record["rules"])}  # type: ignore[typeddict-item]


def read_unnamed_record(answer: object) -> ObservedRecord:
    """Return a host's answer as a checked record without the name of the host.

    Raises UnusableAnswer.
    """
    record = require_mapping(answer, "the record")
    _require_few_findings(record.get("rules"))
    checked: ObservedRecord = read_typed(ObservedRecord, record, "the record")
    rules, evaluated = checked["rules"], checked["rules_evaluated"]
    if evaluated < len(rules):
        raise UnusableAnswer(f"it lists {len(rules)} rules and says that it evaluated {evaluated}")
    if len({rule["rule"] for rule in rules}) < len(rules):
        raise UnusableAnswer("it lists a rule twice")
    _require_consistent_counts(checked)
    for rule in rules:
        first_findings, count_finding = take_first_findings(rule["findings"], MAX_RULE_FINDINGS)
        if count_finding:
            rule["findings"] = [*first_findings, *count_finding]
    # A control may fail without any rule in error. Its error must not leave the host compliant.
    states = [checked["state"], *[rule["state"] for rule in rules], *(ERROR for _ in checked["errors"][:1])]
    checked["state"] = find_worst_state(states) if evaluated else UNKNOWN
    observed: ObservedRecord = {"schema": RECORD_SCHEMA, "state": checked["state"], "reason": None, **checked}
    if (watch := record.get("watch")) is not None:
        observed["watch"] = watch_record.read_watch(watch)
    if (requests := record.get("requests")) is not None:
        observed["requests"], observed["requests_left_out"] = watch_record.read_requests(
            requests, record.get("requests_left_out")
        )
    return observed


def _require_consistent_counts(record: ObservedRecord) -> None:
    """Raise UnusableAnswer if the numbers of evaluated rules by control contradict the other numbers of a record.

    A host whose code does not send these numbers yet has none.
    """
    counts = record.get("controls", {})
    rule_controls = [rule["rule"].partition("/")[0] for rule in record["rules"]]
    for control, control_counts in counts.items():
        if control_counts["evaluated"] < max(rule_controls.count(control), control_counts["not_applicable"]):
            raise UnusableAnswer(f"it counts {control_counts['evaluated']} rules of {control}, fewer than it lists")
    if sum([control_counts["evaluated"] for control_counts in counts.values()]) > record["rules_evaluated"]:
        raise UnusableAnswer(
            f"its controls count more rules than the {record['rules_evaluated']} that it says it evaluated"
        )


def _require_few_findings(rules: object) -> None:
    """Raise UnusableAnswer for a record with more findings than a host sends, before any finding is read."""
    rule_list = rules if isinstance(rules, (list, tuple)) else ()
    finding_lists = [rule.get("findings") for rule in rule_list if isinstance(rule, Mapping)]
    total = sum([len(findings) for findings in finding_lists if isinstance(findings, list)])
    if total > MAX_FINDINGS:
        raise UnusableAnswer(f"it has {total:,} findings, {MAX_FINDINGS:,} are the most")


def make_silent_record(host: str, reason: str) -> HostRecord:
    """Return the record of a host without a usable answer: unknown, with the reason, and nothing evaluated."""
    return {
        "schema": RECORD_SCHEMA,
        "host": host,
        "state": UNKNOWN,
        "reason": reason,
        "plan": None,
        "checked_at": None,
        "platform": {},
        "rules_evaluated": 0,
        "rules_not_applicable": 0,
        "controls": {},
        "rules": [],
        "attempts": {},
        "errors": [],
        "duration_ms": None,
    }
