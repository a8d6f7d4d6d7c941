"""The controller's end of a host record: what a host answered is checked before anything believes it.

A managed host may be in hostile hands. Its answer cannot break the report of the other hosts, and cannot call itself
milder than the rules and the errors it lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..finding import ERROR, RECORD_SCHEMA, STATES, UNKNOWN, Finding, worst
from ..plan import CONTROLS

QUARANTINE_OWNERS = 20


class Unusable(ValueError):
    """An answer that is no host record, and why."""


def read(host: str, answer: object) -> dict[str, Any]:
    """The answer as a host record of that inventory name, with every key of the schema. Raises Unusable."""
    record = _mapping(answer, "the record")
    if record.get("schema") != RECORD_SCHEMA:
        raise Unusable(f"schema is {str(record.get('schema'))[:40]!r}, expected {RECORD_SCHEMA!r}")
    rules = [_rule(rule) for rule in _list(record.get("rules"), "rules")]
    evaluated = _count(record.get("rules_evaluated"), "rules_evaluated")
    if evaluated < len(rules):
        raise Unusable(f"it lists {len(rules)} rules and says that it evaluated {evaluated}")
    names = {rule["rule"] for rule in rules}
    if len(names) < len(rules):
        raise Unusable("it lists a rule twice")
    errors = [_error(error) for error in _list(record.get("errors"), "errors")]
    # A control that could not look, and has no rules that say so, must not leave its host compliant.
    said = [_state(record.get("state")), *(rule["state"] for rule in rules), *(ERROR for _ in errors[:1])]
    return {
        "schema": RECORD_SCHEMA,
        "host": host,
        "state": worst(said) if evaluated else UNKNOWN,
        "reason": None,
        "plan": _text(record.get("plan"), "plan"),
        "checked_at": _text(record.get("checked_at"), "checked_at"),
        "platform": {str(key): str(value) for key, value in _mapping(record.get("platform"), "platform").items()},
        "rules_evaluated": evaluated,
        "rules_not_applicable": _count(record.get("rules_not_applicable", 0), "rules_not_applicable"),
        "rules": rules,
        "attempts": _attempts(record.get("attempts", {})),
        "errors": errors,
        "duration_ms": _count(record.get("duration_ms"), "duration_ms"),
        **_of_drift(record),
        **_of_scan(record.get("full_scan")),
        **_of_quarantine(record.get("quarantine")),
    }


def _of_scan(value: object) -> dict[str, Any]:
    """When all of a host's homes were read, and how many runs have begun since; other looks read what had changed."""
    if value is None:
        return {}
    scan = _mapping(value, "full_scan")
    return {
        "full_scan": {"at": _text(scan.get("at"), "full_scan.at"), "runs": _count(scan.get("runs"), "full_scan.runs")}
    }


def _of_quarantine(value: object) -> dict[str, Any]:
    """What a host's quarantine comes to, where there is something in it."""
    if value is None:
        return {}
    held = _mapping(value, "quarantine")
    owners = _mapping(held.get("owners"), "quarantine.owners")
    if len(owners) > QUARANTINE_OWNERS:
        raise Unusable(f"quarantine.owners has more than {QUARANTINE_OWNERS} entries")
    return {
        "quarantine": {
            "items": _count(held.get("items"), "quarantine.items"),
            "bytes": _count(held.get("bytes"), "quarantine.bytes"),
            "oldest": _text(held.get("oldest"), "quarantine.oldest"),
            "owners": {
                _text(name, "quarantine.owners"): _count(size, "quarantine.owners") for name, size in owners.items()
            },
        }
    }


def _of_drift(record: Mapping[Any, Any]) -> dict[str, Any]:
    """What a record has only where something had drifted, or where a host's own run kept it."""
    texts = {key: _text(record[key], key) for key in ("found_at", "commit") if record.get(key) is not None}
    if record.get("logged_in") is None:
        return texts
    return {**texts, "logged_in": [_text(name, "logged_in") for name in _list(record["logged_in"], "logged_in")]}


def silent(host: str, reason: str) -> dict[str, Any]:
    """The record of a host that gave no usable answer: unknown, with the reason, and nothing evaluated."""
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
        "rules": [],
        "attempts": {},
        "errors": [],
        "duration_ms": None,
    }


def _rule(value: object) -> dict[str, Any]:
    rule = _mapping(value, "a rule")
    return {
        "rule": _rule_name(rule.get("rule")),
        "state": _state(rule.get("state")),
        "waiver": _optional(rule.get("waiver"), "waiver"),
        "reason": _optional(rule.get("reason"), "reason"),
        "findings": [_finding(finding) for finding in _list(rule.get("findings"), "findings")],
    }


def _rule_name(value: object) -> str:
    name = _text(value, "rule")
    control, _, about = name.partition("/")
    if control not in CONTROLS or not about:
        raise Unusable(f"{name[:60]!r} is no rule of a control")
    return name


def _finding(value: object) -> dict[str, str | None]:
    finding = _mapping(value, "a finding")
    return {key: _optional(finding.get(key), key) for key in Finding._fields}


def _attempts(value: object) -> dict[str, int]:
    attempts = _mapping(value, "attempts")
    return {_text(rule, "a rule of attempts"): _count(packets, "attempts") for rule, packets in attempts.items()}


def _error(value: object) -> dict[str, str]:
    error = _mapping(value, "an error")
    return {key: _text(error.get(key), key) for key in ("control", "message")}


def _mapping(value: object, what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise Unusable(f"{what} is no mapping")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unusable(f"{what} is no list")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise Unusable(f"{what} is no text")
    return str(value)


def _optional(value: object, what: str) -> str | None:
    return None if value is None else _text(value, what)


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unusable(f"{what} is no count")
    return int(value)


def _state(value: object) -> str:
    if value not in STATES:
        raise Unusable(f"{str(value)[:40]!r} is no state")
    return str(value)
