"""Hosts that a run corrected, and could not observe again: they count as unknown until a later run observes them. Pure.

Between the correction and the second observation a host may fail, fall silent or be switched off, and a run may end.
The first record then describes the host as it was before, which it is not any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ....model.finding import (
    COMPLIANT,
    ERROR,
    NONCOMPLIANT,
    REPAIRED,
    RULES_ON_REQUEST,
    STATES,
    UNKNOWN,
    find_worst_state,
)
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.run import ControlPolicy

KEY: Final = "not_observed_again"  # of a host record: the controls that this is about
CORRECTED = "corrected, not observed again"
BEGUN = "its correction began and gave no answer, not observed again"


class Earlier(NamedTuple):
    """What an earlier run has left open of a host."""

    run: str
    record: HostRecord
    controls: Collection[str]


def marked(record: HostRecord, changes: Mapping[str, str], refused: Collection[str] = ()) -> HostRecord:
    """The record of a host that was changed after it was made: {control: CORRECTED or BEGUN}. What was wrong there and
    was not `refused` is not known any more.
    """
    wrong = {rule["rule"] for rule in record["rules"] if rule["state"] == NONCOMPLIANT} - {*refused}
    doubtful = {rule: changes[control] for rule in wrong if (control := _control_of(rule)) in changes}
    about = [control for control, how in changes.items() if how == CORRECTED or control in map(_control_of, doubtful)]
    if not about:
        return record
    rules = [_doubted(rule, doubtful.get(rule["rule"], "")) for rule in record["rules"]]
    states = [UNKNOWN, *(rule["state"] for rule in rules), *(ERROR for _ in record["errors"][:1])]
    reason = record.get("reason") if doubtful else CORRECTED
    return {**record, "reason": reason, KEY: sorted(about), "state": find_worst_state(states), "rules": rules}


def _control_of(rule: str) -> str:
    return rule.partition("/")[0]


def _doubted(rule: RuleRecord, why: str) -> RuleRecord:
    return {**rule, "state": UNKNOWN, "reason": "; ".join(filter(None, [why, rule["reason"]]))} if why else rule


def settled(record: HostRecord, earlier: Iterable[Earlier], policies: Mapping[str, ControlPolicy]) -> HostRecord:
    """The record of a host with what earlier runs corrected there and this one is the first to see compliant: these
    rules are `repaired`. `policies` says what its plan has of each control: a rule of another policy may be gone.
    """
    for one in earlier:
        rules = [rule for rule in _corrected(one) if _is_same_policy(rule, one, policies)]
        record = _repaired(record, one, rules)
    return record


def _corrected(earlier: Earlier) -> list[RuleRecord]:
    """The rules that a run has corrected, or begun to, and left open."""
    return [
        rule
        for rule in earlier.record["rules"]
        if rule["state"] == UNKNOWN
        and _control_of(rule["rule"]) in earlier.controls
        and rule["rule"] not in RULES_ON_REQUEST  # a run without the request says nothing of it
        and str(rule["reason"]).startswith((CORRECTED, BEGUN))
    ]


def _is_same_policy(rule: RuleRecord, earlier: Earlier, policies: Mapping[str, ControlPolicy]) -> bool:
    control = _control_of(rule["rule"])
    then, now = (earlier.record.get("controls") or {}).get(control), policies.get(control)
    return bool(then and now and then.get("policy") and then["policy"] == now["policy"])


def _repaired(record: HostRecord, earlier: Earlier, rules: Sequence[RuleRecord]) -> HostRecord:
    states = {rule["rule"]: rule["state"] for rule in record["rules"]}
    seen: list[RuleRecord] = [
        {**rule, "state": REPAIRED, "reason": f"{_first(str(rule['reason']))} by {earlier.run}; compliant now"}
        for rule in rules
        if _control_of(rule["rule"]) not in record.get(KEY, ()) and states.get(rule["rule"], COMPLIANT) == COMPLIANT
    ]
    if not seen:
        return record
    names = {rule["rule"] for rule in seen}
    others = [rule for rule in record["rules"] if rule["rule"] not in names]
    return {
        **record,
        "found_at": str(earlier.record["checked_at"]),
        "state": min([record["state"], REPAIRED], key=STATES.index),
        "rules_evaluated": max(record["rules_evaluated"], len(others) + len(seen)),
        "rules": sorted([*others, *seen], key=lambda rule: str(rule["rule"])),
    }


def _first(reason: str) -> str:
    return CORRECTED if reason.startswith(CORRECTED) else BEGUN
