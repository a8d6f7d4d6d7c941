"""Hosts that a run corrected and could not observe again, and their later observation. Pure.

Such hosts are unknown until a later run observes them. Between the correction and the second observation a host may
fail, stop answering or be switched off. The run may also end. The first record then describes a state of the host that
has changed.
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

# key of a host record: the controls that were corrected and not observed again
UNOBSERVED_KEY: Final = "not_observed_again"
CORRECTED_REASON = "corrected, not observed again"
BEGUN_REASON = "its correction began and gave no answer, not observed again"


class UnobservedCorrection(NamedTuple):
    """The corrections of a host by an earlier run that could not observe the host again."""

    run_id: str  # id of the earlier run
    record: HostRecord  # record of the host in the report of the earlier run
    controls: Collection[str]  # the controls that were corrected and not observed again


def mark_unobserved(record: HostRecord, changes: Mapping[str, str], refused: Collection[str] = ()) -> HostRecord:
    """Return the record of a host that was changed after its observation, with doubtful rules as unknown.

    `changes` is {control: CORRECTED_REASON or BEGUN_REASON}. A noncompliant rule of these controls is doubtful. But
    the rules in `refused` are not: of these the host left something uncorrected, so they are still noncompliant.
    """
    noncompliant_rules = {rule["rule"] for rule in record["rules"] if rule["state"] == NONCOMPLIANT} - {*refused}
    doubtful_rules = {
        rule: changes[control] for rule in noncompliant_rules if (control := _get_control(rule)) in changes
    }
    # A correction that only began may have changed nothing, so it counts only for a control with a doubtful rule.
    unobserved_controls = [
        control
        for control, change in changes.items()
        if change == CORRECTED_REASON or control in map(_get_control, doubtful_rules)
    ]
    if not unobserved_controls:
        return record
    rules = [_mark_rule_unknown(rule, doubtful_rules.get(rule["rule"], "")) for rule in record["rules"]]
    # the host is at least unknown, and in error if its record has an error
    states = [UNKNOWN, *(rule["state"] for rule in rules), *(ERROR for _ in record["errors"][:1])]
    reason = record.get("reason") if doubtful_rules else CORRECTED_REASON
    return {
        **record,
        "reason": reason,
        UNOBSERVED_KEY: sorted(unobserved_controls),
        "state": find_worst_state(states),
        "rules": rules,
    }


def _get_control(rule: str) -> str:
    return rule.partition("/")[0]


def _mark_rule_unknown(rule: RuleRecord, reason: str) -> RuleRecord:
    """Return a rule with the state unknown and this additional reason; the rule as it is for the reason ""."""
    return {**rule, "state": UNKNOWN, "reason": "; ".join(filter(None, [reason, rule["reason"]]))} if reason else rule


def settle_corrections(
    record: HostRecord, corrections: Iterable[UnobservedCorrection], policies: Mapping[str, ControlPolicy]
) -> HostRecord:
    """Return the record of a host with the corrections of earlier runs that this run is the first to observe.

    A rule that an earlier run corrected is `repaired` if it is compliant now. `policies` has the policies of the host's
    plan, by control. A rule counts only under the same policy, because another policy may not have the rule.
    """
    for correction in corrections:
        rules = [rule for rule in _list_corrected_rules(correction) if _is_same_policy(rule, correction, policies)]
        record = _mark_repaired_rules(record, correction, rules)
    return record


def _list_corrected_rules(correction: UnobservedCorrection) -> list[RuleRecord]:
    """Return the rules that an earlier run corrected, or began to correct, without observing them again."""
    return [
        rule
        for rule in correction.record["rules"]
        if rule["state"] == UNKNOWN
        and _get_control(rule["rule"]) in correction.controls
        and rule["rule"] not in RULES_ON_REQUEST  # only a run with an option for this rule observes it
        and str(rule["reason"]).startswith((CORRECTED_REASON, BEGUN_REASON))
    ]


def _is_same_policy(rule: RuleRecord, correction: UnobservedCorrection, policies: Mapping[str, ControlPolicy]) -> bool:
    """Return whether the control of a rule has the same policy now as at the time of the correction."""
    control = _get_control(rule["rule"])
    previous_control, present_policy = (correction.record.get("controls") or {}).get(control), policies.get(control)
    return bool(
        previous_control
        and present_policy
        and previous_control.get("policy")
        and previous_control["policy"] == present_policy["policy"]
    )


def _mark_repaired_rules(
    record: HostRecord, correction: UnobservedCorrection, rules: Sequence[RuleRecord]
) -> HostRecord:
    """Return a record in which those of `rules` that are compliant now have the state `repaired`."""
    # a rule that the record does not list is compliant
    states = {rule["rule"]: rule["state"] for rule in record["rules"]}
    repaired_rules: list[RuleRecord] = [
        {
            **rule,
            "state": REPAIRED,
            "reason": f"{_get_first_reason(str(rule['reason']))} by {correction.run_id}; compliant now",
        }
        for rule in rules
        if _get_control(rule["rule"]) not in record.get(UNOBSERVED_KEY, ())
        and states.get(rule["rule"], COMPLIANT) == COMPLIANT
    ]
    if not repaired_rules:
        return record
    repaired_names = {rule["rule"] for rule in repaired_rules}
    other_rules = [rule for rule in record["rules"] if rule["rule"] not in repaired_names]
    return {
        **record,
        "found_at": str(correction.record["checked_at"]),
        "state": min([record["state"], REPAIRED], key=STATES.index),
        "rules_evaluated": max(record["rules_evaluated"], len(other_rules) + len(repaired_rules)),
        "rules": sorted([*other_rules, *repaired_rules], key=lambda rule: str(rule["rule"])),
    }


def _get_first_reason(reason: str) -> str:
    return CORRECTED_REASON if reason.startswith(CORRECTED_REASON) else BEGUN_REASON
