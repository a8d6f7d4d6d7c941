"""The reader of host records: the controller checks the answer of a host before it trusts any part of the answer.

A managed host may be in hostile hands. Its answer cannot break the report of the other hosts. Its answer cannot claim a
milder state than the states of its rules and errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ...model.finding import (
    ERROR,
    EXTRA_RULE_GROUPS,
    MAX_FINDINGS,
    MAX_RULE_FINDINGS,
    MAX_RULES,
    RECORD_SCHEMA,
    STATES,
    UNKNOWN,
    find_worst_state,
    take_first_findings,
)
from ...model.plan import CONTROLS
from ...model.types.record import (
    ControlRecord,
    FindingRecord,
    FullScan,
    HostRecord,
    ObservedRecord,
    QuarantineTotals,
    RecordError,
    RuleRecord,
)
from ...model.vocabulary import MAX_QUARANTINE_USERS, PLATFORM_KEYS
from . import watch_record
from .value_readers import (
    MAX_NAME_LENGTH,
    MAX_TOKEN_LENGTH,
    UnusableAnswer,
    quote_content,
    read_choice,
    read_count,
    read_line,
    read_list,
    read_name,
    read_optional,
    require_mapping,
)

__all__ = [
    "RUN_ERROR",
    "UnusableAnswer",
    "read_finding_field",
    "read_record",
    "make_silent_record",
    "read_unnamed_record",
]

# The `control` of an error that belongs to no control: a second observation failed, or another task did.
RUN_ERROR = "run"
RULE_GROUPS = (*CONTROLS, *EXTRA_RULE_GROUPS)  # the controls, and the other groups that have rules

MAX_ERRORS = 100
MAX_USERS = 1000
SOFTWARE_KEYS: Final = ("package_systems", "user_package_systems", "browsers")
OPTIONAL_TEXT_KEYS: Final = ("found_at", "commit", "commit_trust", "catalog")  # keys that some records lack
MAX_SOFTWARE = 100
# Maximum characters of the fields of a finding. Paths of users may be long, and are cut. The project's code makes the
# other fields.
MAX_FIELD_LENGTHS = {
    "kind": MAX_TOKEN_LENGTH,
    "manager": MAX_TOKEN_LENGTH,
    "version": MAX_TOKEN_LENGTH,
    "path": MAX_NAME_LENGTH,
}


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
    if record.get("schema") != RECORD_SCHEMA:
        raise UnusableAnswer(f"schema is {quote_content(record.get('schema'))}, expected {RECORD_SCHEMA!r}")
    _require_few_findings(record.get("rules"))
    rules = read_list(_read_rule, record.get("rules"), "rules", MAX_RULES)
    evaluated = read_count(record.get("rules_evaluated"), "rules_evaluated")
    if evaluated < len(rules):
        raise UnusableAnswer(f"it lists {len(rules)} rules and says that it evaluated {evaluated}")
    if len({rule["rule"] for rule in rules}) < len(rules):
        raise UnusableAnswer("it lists a rule twice")
    errors = read_list(_read_error, record.get("errors"), "errors", MAX_ERRORS)
    # A control may fail without any rule in error. Its error must not leave the host compliant.
    states = [_read_state(record.get("state")), *(rule["state"] for rule in rules), *(ERROR for _ in errors[:1])]
    observed: ObservedRecord = {
        "schema": RECORD_SCHEMA,
        "state": find_worst_state(states) if evaluated else UNKNOWN,
        "reason": None,
        "plan": read_name(record.get("plan"), "plan", MAX_TOKEN_LENGTH),
        "checked_at": read_name(record.get("checked_at"), "checked_at", MAX_TOKEN_LENGTH),
        "platform": _read_platform(record.get("platform")),
        "rules_evaluated": evaluated,
        "rules_not_applicable": read_count(record.get("rules_not_applicable", 0), "rules_not_applicable"),
        "controls": _read_controls(record.get("controls", {}), rules, evaluated),
        "rules": rules,
        "attempts": _read_attempts(record.get("attempts", {})),
        "errors": errors,
        "duration_ms": read_count(record.get("duration_ms"), "duration_ms"),
    }
    _add_optional_parts(observed, record)
    return observed


def _add_optional_parts(observed: ObservedRecord, record: Mapping[Any, Any]) -> None:
    """Check the optional keys of a host's `record`, and add them to `observed`."""
    for key in OPTIONAL_TEXT_KEYS:
        if record.get(key) is not None:
            observed[key] = read_name(record[key], key, MAX_TOKEN_LENGTH)
    for kind in SOFTWARE_KEYS:
        if record.get(kind) is not None:
            observed[kind] = read_list(
                partial(read_name, label=kind, max_length=MAX_TOKEN_LENGTH), record[kind], kind, MAX_SOFTWARE
            )
    if (users := record.get("logged_in")) is not None:
        observed["logged_in"] = read_list(
            partial(read_name, label="logged_in", max_length=MAX_TOKEN_LENGTH), users, "logged_in"
        )[:MAX_USERS]
    if (scan := record.get("full_scan")) is not None:
        observed["full_scan"] = _read_full_scan(require_mapping(scan, "full_scan"))
    if (totals := record.get("quarantine")) is not None:
        observed["quarantine"] = _read_quarantine_totals(require_mapping(totals, "quarantine"))
    if (watch := record.get("watch")) is not None:
        observed["watch"] = watch_record.read_watch(watch)
    if (requests := record.get("requests")) is not None:
        observed["requests"], observed["requests_left_out"] = watch_record.read_requests(
            requests, record.get("requests_left_out")
        )


def _read_controls(content: object, rules: list[RuleRecord], evaluated: int) -> dict[str, ControlRecord]:
    """Return the counts of evaluated rules by control; {} from a host whose code does not send these counts yet.

    `rules` are the rules that the host lists, `evaluated` is the total number that it claims. Raises UnusableAnswer if
    the counts contradict them.
    """
    counts = {
        read_choice(control, RULE_GROUPS, "controls"): _read_control_counts(require_mapping(entry, "controls"))
        for control, entry in require_mapping(content, "controls", len(RULE_GROUPS)).items()
    }
    for control, control_counts in counts.items():
        listed_count = sum(rule["rule"].startswith(f"{control}/") for rule in rules)
        if control_counts["evaluated"] < max(listed_count, control_counts["not_applicable"]):
            raise UnusableAnswer(f"it counts {control_counts['evaluated']} rules of {control}, fewer than it lists")
    if sum(control_counts["evaluated"] for control_counts in counts.values()) > evaluated:
        raise UnusableAnswer(f"its controls count more rules than the {evaluated} that it says it evaluated")
    return counts


def _read_control_counts(entry: Mapping[Any, Any]) -> ControlRecord:
    """Return the numbers of evaluated rules and of rules that do not apply, of one control."""
    evaluated = read_count(entry.get("evaluated"), "controls.evaluated")
    return {
        "evaluated": evaluated,
        "not_applicable": read_count(entry.get("not_applicable"), "controls.not_applicable"),
    }


def _read_platform(content: object) -> dict[str, str]:
    platform = require_mapping(content, "platform")
    return {
        key: read_name(platform[key], key, MAX_TOKEN_LENGTH) for key in PLATFORM_KEYS if platform.get(key) is not None
    }


def _read_full_scan(scan: Mapping[Any, Any]) -> FullScan:
    return {
        "at": read_name(scan.get("at"), "full_scan.at", MAX_TOKEN_LENGTH),
        "runs": read_count(scan.get("runs"), "full_scan.runs"),
    }


def _read_quarantine_totals(totals: Mapping[Any, Any]) -> QuarantineTotals:
    """Return the totals of a host's quarantine; the sizes are in bytes."""
    sizes = require_mapping(totals.get("owners"), "quarantine.owners", MAX_QUARANTINE_USERS)
    return {
        "items": read_count(totals.get("items"), "quarantine.items"),
        "bytes": read_count(totals.get("bytes"), "quarantine.bytes"),
        "oldest": read_name(totals.get("oldest"), "quarantine.oldest", MAX_TOKEN_LENGTH),
        "owners": {
            read_name(owner, "quarantine.owners", MAX_TOKEN_LENGTH): read_count(size, "quarantine.owners")
            for owner, size in sizes.items()
        },
    }


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


def _read_rule(content: object) -> RuleRecord:
    """Return a rule of a host record, checked, with every required key of RuleRecord."""
    rule = require_mapping(content, "a rule")
    return {
        "rule": watch_record.read_rule_name(rule.get("rule")),
        "state": _read_state(rule.get("state")),
        "waiver": read_optional(_read_token, rule.get("waiver"), "waiver"),
        "reason": read_optional(read_line, rule.get("reason"), "reason"),
        "findings": _read_findings(rule.get("findings")),
    }


def _require_few_findings(rules: object) -> None:
    """Raise UnusableAnswer for a record with more findings than a host sends, before any finding is read."""
    rule_list = rules if isinstance(rules, (list, tuple)) else ()
    finding_lists = [rule.get("findings") for rule in rule_list if isinstance(rule, Mapping)]
    total = sum(len(findings) for findings in finding_lists if isinstance(findings, list))
    if total > MAX_FINDINGS:
        raise UnusableAnswer(f"it has {total:,} findings, {MAX_FINDINGS:,} are the most")


def _read_findings(content: object) -> list[FindingRecord]:
    """Return the findings of a rule.

    If there are too many, the last finding counts the others.
    """
    first_findings, count_finding = take_first_findings(
        read_list(lambda entry: entry, content, "findings"), MAX_RULE_FINDINGS
    )
    return [*map(read_finding, first_findings), *count_finding]


def read_finding(content: object) -> FindingRecord:
    """Return a finding of a host, checked, with every key of FindingRecord.

    Raises UnusableAnswer.
    """
    entry = require_mapping(content, "a finding")
    kind, finding_id = read_finding_field("kind", entry.get("kind")), read_finding_field("id", entry.get("id"))
    if kind is None or finding_id is None:
        raise UnusableAnswer(f"a finding has no {'kind' if kind is None else 'id'}")
    return {
        "kind": kind,
        "id": finding_id,
        "manager": read_finding_field("manager", entry.get("manager")),
        "version": read_finding_field("version", entry.get("version")),
        "scope": read_finding_field("scope", entry.get("scope")),
        "path": read_finding_field("path", entry.get("path")),
        "detail": read_finding_field("detail", entry.get("detail")),
    }


def read_finding_field(key: str, content: object) -> str | None:
    """Return the field `key` of a finding, checked and cut to its maximum length; None for a missing field."""
    if content is None:
        return None
    return read_line(content, key) if key == "detail" else read_name(content, key, MAX_FIELD_LENGTHS.get(key, 500))


def _read_token(content: object, label: str) -> str:
    return read_name(content, label, MAX_TOKEN_LENGTH)


def _read_attempts(content: object) -> dict[str, int]:
    """Return the number of refused attempts, by name of the rule."""
    attempts = require_mapping(content, "attempts")
    return {
        _read_token(rule, "a rule of attempts"): read_count(packets, "attempts") for rule, packets in attempts.items()
    }


def _read_error(content: object) -> RecordError:
    """Return a failure of a control, or of the run (RUN_ERROR)."""
    error = require_mapping(content, "an error")
    control = read_choice(error.get("control"), (*RULE_GROUPS, RUN_ERROR), "control")
    return {"control": control, "message": read_line(error.get("message"), "message")}


def _read_state(content: object) -> str:
    return read_choice(content, STATES, "state")
