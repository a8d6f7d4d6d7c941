"""Hosts that a run corrected, and could not observe again: they count as unknown until a later run observes them. Pure.

Between the correction and the second observation a host may fail, fall silent or be switched off, and a run may end.
The first record then describes the host as it was before, which it is not any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, ON_REQUEST, REPAIRED, STATES, UNKNOWN, worst
from ....model.types.record import Record, Rule

KEY = "not_observed_again"  # of a host record: the controls that this is about
CORRECTED = "corrected, not observed again"
BEGUN = "its correction began and gave no answer, not observed again"


class Earlier(NamedTuple):
    """What an earlier run has left open of a host."""

    run: str
    record: Record
    controls: Collection[str]


def marked(record: Record, changes: Mapping[str, str], refused: Collection[str] = ()) -> Mapping[str, Any]:
    """The record of a host that was changed after it was made: {control: CORRECTED or BEGUN}. What was wrong there and
    was not `refused` is not known any more.
    """
    doubtful = {
        rule["rule"]: changes[control]
        for rule in record["rules"]
        if (control := control_of(rule)) in changes and rule["state"] == NONCOMPLIANT and rule["rule"] not in refused
    }
    about = [
        control
        for control, how in changes.items()
        if how == CORRECTED or any(control_of({"rule": rule}) == control for rule in doubtful)
    ]
    if not about:
        return record
    rules = [_doubted(rule, doubtful.get(rule["rule"], "")) for rule in record["rules"]]
    states = [UNKNOWN, *(rule["state"] for rule in rules), *(ERROR for _ in record["errors"][:1])]
    reason = {} if doubtful else {"reason": CORRECTED}
    return {**record, **reason, KEY: sorted(about), "state": worst(states), "rules": rules}


def control_of(rule: Rule) -> str:
    """The control of a rule."""
    return str(rule["rule"]).partition("/")[0]


def _doubted(rule: Rule, why: str) -> Mapping[str, Any]:
    return {**rule, "state": UNKNOWN, "reason": "; ".join(filter(None, [why, rule["reason"]]))} if why else rule


def settled(record: Record, earlier: Iterable[Earlier], policies: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of a host with what earlier runs corrected there and this one is the first to see compliant: these
    rules are `repaired`. `policies` says what its plan has of each control: a rule of another policy may be gone.
    """
    for one in earlier:
        rules = [rule for rule in _corrected(one) if _is_same_policy(rule, one, policies)]
        record = _repaired(record, one, rules)
    return record


def _corrected(earlier: Earlier) -> list[Mapping[str, Any]]:
    """The rules that a run has corrected, or begun to, and left open."""
    return [
        rule
        for rule in earlier.record["rules"]
        if rule["state"] == UNKNOWN
        and control_of(rule) in earlier.controls
        and rule["rule"] not in ON_REQUEST  # a run without the request says nothing of it
        and str(rule["reason"]).startswith((CORRECTED, BEGUN))
    ]


def _is_same_policy(rule: Rule, earlier: Earlier, policies: Mapping[str, Mapping[str, Any]]) -> bool:
    control = control_of(rule)
    then = (earlier.record.get("controls") or {}).get(control) or {}
    now = policies.get(control) or {}
    return bool(then.get("policy")) and then["policy"] == now.get("policy")


def _repaired(record: Record, earlier: Earlier, rules: Sequence[Rule]) -> Mapping[str, Any]:
    states = {rule["rule"]: rule["state"] for rule in record["rules"]}
    seen = [
        {**rule, "state": REPAIRED, "reason": f"{_first(rule['reason'])} by {earlier.run}; compliant now"}
        for rule in rules
        if control_of(rule) not in record.get(KEY, ()) and states.get(rule["rule"], COMPLIANT) == COMPLIANT
    ]
    if not seen:
        return record
    names = {rule["rule"] for rule in seen}
    others = [rule for rule in record["rules"] if rule["rule"] not in names]
    return {
        **record,
        "found_at": earlier.record["checked_at"],
        "state": min([record["state"], REPAIRED], key=STATES.index),
        "rules_evaluated": max(record["rules_evaluated"], len(others) + len(seen)),
        "rules": sorted([*others, *seen], key=lambda rule: str(rule["rule"])),
    }


def _first(reason: str) -> str:
    return CORRECTED if reason.startswith(CORRECTED) else BEGUN
