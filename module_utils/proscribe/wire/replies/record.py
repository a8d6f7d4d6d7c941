"""The controller's end of a host record: what a host answered is checked before anything believes it.

A managed host may be in hostile hands. Its answer cannot break the report of the other hosts, and cannot call itself
milder than the rules and the errors it lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ...model.finding import (
    BESIDE,
    ERROR,
    MOST_FINDINGS,
    MOST_FINDINGS_OF_RULE,
    MOST_RULES,
    RECORD_SCHEMA,
    STATES,
    UNKNOWN,
    first_findings,
    worst,
)
from ...model.plan import CONTROLS
from ...model.types.record import (
    Evidence,
    FullScan,
    Observed,
    OfControl,
    Quarantine,
    Record,
    RecordError,
    Rule,
)
from ...model.words import MOST_QUARANTINE_USERS, PLATFORM
from . import watched
from .shapes import NAME, TOKEN, Unusable, count, line, listed, mapping, name, one_of, optional, said

__all__ = ["RUN", "Unusable", "field", "read", "silent", "taken"]

# The `control` of an error that is not one control's: the host could not be observed again, or some task failed.
RUN = "run"
OBSERVED = (*CONTROLS, *BESIDE)  # what has rules

MOST_ERRORS = 100
MOST_USERS = 1000
SOFTWARE: Final = ("package_systems", "user_package_systems", "browsers")
TEXTS: Final = ("found_at", "commit", "commit_trust", "catalog")  # not in each record
MOST_SOFTWARE = 100
# Of a finding, in characters. Somebody's paths may be long, and are cut; the rest is words of ours.
LENGTHS = {"kind": TOKEN, "manager": TOKEN, "version": TOKEN, "path": NAME}


def read(host: str, answer: object) -> Record:
    """The answer as a host record of that inventory name, with every key of the schema. Raises Unusable."""
    return {"schema": RECORD_SCHEMA, "host": host, **taken(answer)}


def of_result(answer: object) -> Observed:
    """The answer as a part of a task's result. Raises Unusable. For each callback, Ansible copies the lists and
    mappings of a result, which costs more than to read an answer. So the rules are a tuple, which is not copied.
    """
    record = taken(answer)
    return {**record, "rules": tuple(record["rules"])}  # type: ignore[typeddict-item]


def taken(answer: object) -> Observed:
    """The answer as a host record of nobody yet. Raises Unusable."""
    record = mapping(answer, "the record")
    if record.get("schema") != RECORD_SCHEMA:
        raise Unusable(f"schema is {said(record.get('schema'))}, expected {RECORD_SCHEMA!r}")
    _require_few_findings(record.get("rules"))
    rules = listed(_rule, record.get("rules"), "rules", MOST_RULES)
    evaluated = count(record.get("rules_evaluated"), "rules_evaluated")
    if evaluated < len(rules):
        raise Unusable(f"it lists {len(rules)} rules and says that it evaluated {evaluated}")
    if len({rule["rule"] for rule in rules}) < len(rules):
        raise Unusable("it lists a rule twice")
    errors = listed(_error, record.get("errors"), "errors", MOST_ERRORS)
    # A control that could not look, and has no rules that say so, must not leave its host compliant.
    states = [_state(record.get("state")), *(rule["state"] for rule in rules), *(ERROR for _ in errors[:1])]
    observed: Observed = {
        "schema": RECORD_SCHEMA,
        "state": worst(states) if evaluated else UNKNOWN,
        "reason": None,
        "plan": name(record.get("plan"), "plan", TOKEN),
        "checked_at": name(record.get("checked_at"), "checked_at", TOKEN),
        "platform": _platform(record.get("platform")),
        "rules_evaluated": evaluated,
        "rules_not_applicable": count(record.get("rules_not_applicable", 0), "rules_not_applicable"),
        "controls": _controls(record.get("controls", {}), rules, evaluated),
        "rules": rules,
        "attempts": _attempts(record.get("attempts", {})),
        "errors": errors,
        "duration_ms": count(record.get("duration_ms"), "duration_ms"),
    }
    _add_beside(observed, record)
    return observed


def _add_beside(observed: Observed, record: Mapping[Any, Any]) -> None:
    """What a record has only where there is something to say: of drift, software, quarantine, watch and requests."""
    for key in TEXTS:
        if record.get(key) is not None:
            observed[key] = name(record[key], key, TOKEN)
    for kind in SOFTWARE:
        if record.get(kind) is not None:
            observed[kind] = listed(partial(name, what=kind, most=TOKEN), record[kind], kind, MOST_SOFTWARE)
    if (users := record.get("logged_in")) is not None:
        observed["logged_in"] = listed(partial(name, what="logged_in", most=TOKEN), users, "logged_in")[:MOST_USERS]
    if (scan := record.get("full_scan")) is not None:
        observed["full_scan"] = _scan(mapping(scan, "full_scan"))
    if (held := record.get("quarantine")) is not None:
        observed["quarantine"] = _quarantine(mapping(held, "quarantine"))
    if (watch := record.get("watch")) is not None:
        observed["watch"] = watched.watch(watch)
    if (sent := record.get("requests")) is not None:
        observed["requests"], observed["requests_left_out"] = watched.requests(sent, record.get("requests_left_out"))


def _controls(value: object, rules: list[Rule], evaluated: int) -> dict[str, OfControl]:
    """How many rules of each control were evaluated; nothing of a host whose code does not count them yet. It cannot
    count fewer than it lists, or more in all than it evaluated.
    """
    counts = {
        one_of(name_, OBSERVED, "controls"): _of_control(mapping(said_, "controls"))
        for name_, said_ in mapping(value, "controls", len(OBSERVED)).items()
    }
    for name_, counted in counts.items():
        listed_ = sum(rule["rule"].startswith(f"{name_}/") for rule in rules)
        if counted["evaluated"] < max(listed_, counted["not_applicable"]):
            raise Unusable(f"it counts {counted['evaluated']} rules of {name_}, fewer than it lists")
    if sum(counted["evaluated"] for counted in counts.values()) > evaluated:
        raise Unusable(f"its controls count more rules than the {evaluated} that it says it evaluated")
    return counts


def _of_control(given: Mapping[Any, Any]) -> OfControl:
    evaluated = count(given.get("evaluated"), "controls.evaluated")
    return {
        "evaluated": evaluated,
        "not_applicable": count(given.get("not_applicable"), "controls.not_applicable"),
    }


def _platform(value: object) -> dict[str, str]:
    platform = mapping(value, "platform")
    return {key: name(platform[key], key, TOKEN) for key in PLATFORM if platform.get(key) is not None}


def _scan(scan: Mapping[Any, Any]) -> FullScan:
    return {
        "at": name(scan.get("at"), "full_scan.at", TOKEN),
        "runs": count(scan.get("runs"), "full_scan.runs"),
    }


def _quarantine(held: Mapping[Any, Any]) -> Quarantine:
    sizes = mapping(held.get("owners"), "quarantine.owners", MOST_QUARANTINE_USERS)
    return {
        "items": count(held.get("items"), "quarantine.items"),
        "bytes": count(held.get("bytes"), "quarantine.bytes"),
        "oldest": name(held.get("oldest"), "quarantine.oldest", TOKEN),
        "owners": {
            name(owner, "quarantine.owners", TOKEN): count(size, "quarantine.owners") for owner, size in sizes.items()
        },
    }


def silent(host: str, reason: str) -> Record:
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
        "controls": {},
        "rules": [],
        "attempts": {},
        "errors": [],
        "duration_ms": None,
    }


def _rule(value: object) -> Rule:
    rule = mapping(value, "a rule")
    return {
        "rule": watched.rule_name(rule.get("rule")),
        "state": _state(rule.get("state")),
        "waiver": optional(_token, rule.get("waiver"), "waiver"),
        "reason": optional(line, rule.get("reason"), "reason"),
        "findings": _findings(rule.get("findings")),
    }


def _require_few_findings(rules: object) -> None:
    """Refuse a record with more findings than a host sends, before the first one is read."""
    several = rules if isinstance(rules, (list, tuple)) else ()
    found = [rule.get("findings") for rule in several if isinstance(rule, Mapping)]
    total = sum(len(findings) for findings in found if isinstance(findings, list))
    if total > MOST_FINDINGS:
        raise Unusable(f"it has {total:,} findings, {MOST_FINDINGS:,} are the most")


def _findings(value: object) -> list[Evidence]:
    """The findings of a rule: the first of too many, and a last one that says how many more there were."""
    found, more = first_findings(listed(lambda one: one, value, "findings"), MOST_FINDINGS_OF_RULE)
    return [*map(finding, found), *more]


def finding(value: object) -> Evidence:
    """A finding, with every key. Raises Unusable."""
    given = mapping(value, "a finding")
    kind, id_ = field("kind", given.get("kind")), field("id", given.get("id"))
    if kind is None or id_ is None:
        raise Unusable(f"a finding has no {'kind' if kind is None else 'id'}")
    return {
        "kind": kind,
        "id": id_,
        "manager": field("manager", given.get("manager")),
        "version": field("version", given.get("version")),
        "scope": field("scope", given.get("scope")),
        "path": field("path", given.get("path")),
        "detail": field("detail", given.get("detail")),
    }


def field(key: str, value: object) -> str | None:
    """A field of a finding, with the length that it may have."""
    if value is None:
        return None
    return line(value, key) if key == "detail" else name(value, key, LENGTHS.get(key, 500))


def _token(value: object, what: str) -> str:
    return name(value, what, TOKEN)


def _attempts(value: object) -> dict[str, int]:
    attempts = mapping(value, "attempts")
    return {_token(rule, "a rule of attempts"): count(packets, "attempts") for rule, packets in attempts.items()}


def _error(value: object) -> RecordError:
    error = mapping(value, "an error")
    control = one_of(error.get("control"), (*OBSERVED, RUN), "control")
    return {"control": control, "message": line(error.get("message"), "message")}


def _state(value: object) -> str:
    return one_of(value, STATES, "state")
