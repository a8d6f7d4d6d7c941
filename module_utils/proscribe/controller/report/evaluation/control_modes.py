"""The mode of each control in a host's record: enforced, only audited, or off. Pure.

The policy decides the mode, so it comes from the plan and never from a host's answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ....model.finding import (
    COMPLIANT,
    ERROR,
    EXTRA_RULE_GROUPS,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    UNKNOWN,
    find_worst_state,
)
from ....model.plan import CONTROLS
from ....model.types.record import ControlRecord, HostRecord, RuleRecord
from ....model.types.run import ControlPolicy
from ....model.vocabulary import CONTROL_MODES
from ..text.wording import format_count
from .arithmetic import is_evaluated
from .failures import list_failures
from .unobserved_corrections import UNOBSERVED_KEY as UNOBSERVED

ENFORCE, AUDIT, OFF = CONTROL_MODES
OBSERVED_SYSTEMS = ("windows", "macos")  # operating systems, as records name them, on which Proscribe only observes
NOT_OBSERVED_KEY = "not_looked_at"  # replaces the state in the counts if the run did not observe the control


class ControlModes:
    """A converter that adds the mode of each control to the records of hosts.

    `policies` has the controls of each plan: {digest: {control: {mode, policy}}}. `observed` are the controls that the
    run observed. Hosts with an equal rule share one object for that rule.
    """

    def __init__(self, policies: Mapping[str, Mapping[str, ControlPolicy]], observed: Sequence[str]) -> None:
        self._policies = policies
        self._observed = observed
        # (id() of a rule, mode) -> (the rule, the rule with its mode)
        self._rules_with_mode: dict[tuple[int, str | None], tuple[RuleRecord, RuleRecord]] = {}

    def add_modes(self, record: HostRecord, digest: str) -> HostRecord:
        """Return a host's record with `controls` (as in report.md) and with a mode in each rule.

        The mode of a rule is that of its control. `digest` is the digest of the host's plan.
        """
        policies = self._policies.get(digest, {})
        rules = [self._add_rule_mode(rule, policies) for rule in record["rules"]]
        updated: HostRecord = {**record, "rules": rules}
        control_counts = record.get("controls") or {}
        names = [*CONTROLS, *(name for name in EXTRA_RULE_GROUPS if name in policies or name in control_counts)]
        controls = {
            name: self._summarise_control(name, updated, policies.get(name), control_counts.get(name)) for name in names
        }
        updated["controls"] = controls
        evaluated = sum(control["evaluated"] for control in controls.values())
        updated["rules_evaluated"] = max(record["rules_evaluated"], evaluated)
        return updated

    def _add_rule_mode(self, rule: RuleRecord, policies: Mapping[str, ControlPolicy]) -> RuleRecord:
        """Return a rule with the mode of its control (None if unknown).

        Hosts that share the rule share the result.
        """
        policy = policies.get(rule["rule"].partition("/")[0])
        mode = policy["mode"] if policy else None
        key = (id(rule), mode)
        if key not in self._rules_with_mode:
            # Store the rule too, so that Python gives its id to no other object.
            self._rules_with_mode[key] = (
                rule,
                {**rule, "mode": mode},
            )
        return self._rules_with_mode[key][1]

    def _summarise_control(
        self, name: str, record: HostRecord, policy: ControlPolicy | None, reported: ControlRecord | None
    ) -> ControlRecord:
        """Return the mode, the policy's digest, the state and the numbers of rules of one control of a host.

        `policy` is None if the host's plan lacks the control, or is unknown. `reported` are the numbers in the host's
        record, None if it has none. The state in the result is None in three cases. The run did not observe the
        control, the control is off, or nothing shows that the plan has the control.
        """
        mode, digest = (policy["mode"], policy["policy"]) if policy else (None, None)
        summary: ControlRecord = {"mode": mode, "policy": digest, "state": None, "evaluated": 0, "not_applicable": 0}
        is_observed = name in self._observed
        # the host's record shows whether a run over a part of the controls observed this group
        if name in EXTRA_RULE_GROUPS:
            is_observed = reported is not None or set(CONTROLS) <= {*self._observed}
        if not is_observed or mode == OFF:
            return summary
        if not is_evaluated(record):
            return {**summary, "state": UNKNOWN}
        listed_states = [rule["state"] for rule in record["rules"] if rule["rule"].partition("/")[0] == name]
        evaluated_count, not_applicable_count = (
            (reported["evaluated"], reported["not_applicable"]) if reported else (0, 0)
        )
        summary["evaluated"] = max(evaluated_count, len(listed_states))
        not_applicable_rules = summary["not_applicable"] = min(
            max(not_applicable_count, listed_states.count(NOT_APPLICABLE)), summary["evaluated"]
        )
        states = [*listed_states, *(state for control, state, _ in list_failures(record) if control == name)]
        states += [UNKNOWN] * (name in record.get(UNOBSERVED, ()))
        # a record does not list rules that are simply compliant, and need not list rules that are not applicable
        unlisted_count = summary["evaluated"] - len(listed_states)
        unlisted_not_applicable = min(unlisted_count, not_applicable_rules - listed_states.count(NOT_APPLICABLE))
        states += [COMPLIANT] * (unlisted_count > unlisted_not_applicable) + [NOT_APPLICABLE] * bool(
            unlisted_not_applicable
        )
        if not states and mode is None:  # nothing shows that the host's plan has this control
            return summary
        return {**summary, "state": find_worst_state(states)}  # the worst state is `unknown` if no rule was evaluated


def is_only_observed(record: HostRecord) -> bool:
    """Return whether the host's system, by its record, is one on which Proscribe never changes anything."""
    return (record.get("platform") or {}).get("os") in OBSERVED_SYSTEMS


def is_correctable(record: HostRecord) -> bool:
    """Return whether a run that enforces would correct the host.

    Such a host is noncompliant because of a control that is not only audited there. A control of unknown mode counts as
    enforced. A host whose system is only observed is never corrected.
    """
    controls = record.get("controls") or {}
    if is_only_observed(record):
        return False
    if not any(control["mode"] for control in controls.values()):  # no mode is known
        return record["state"] == NONCOMPLIANT
    open_controls = [control for control in controls.values() if control["state"] in (NONCOMPLIANT, ERROR)]
    return record["state"] == NONCOMPLIANT and any(control["mode"] != AUDIT for control in open_controls)


def has_audited_noncompliance(record: HostRecord) -> bool:
    """Return whether the host has a noncompliant control that is only audited there."""
    controls = (record.get("controls") or {}).values()
    return any(control["mode"] == AUDIT and control["state"] == NONCOMPLIANT for control in controls)


def count_by_control(records: Iterable[HostRecord]) -> dict[str, dict[str, dict[str, int]]]:
    """Count hosts by control, mode and state: {control: {mode: {state or not_looked_at: number of hosts}}}.

    A control that is off has no state: {"off": {"off": number of hosts}}. Records without modes are not counted.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        for name, control in (record.get("controls") or {}).items():
            if mode := control["mode"]:
                counts[name, mode, OFF if mode == OFF else control["state"] or NOT_OBSERVED_KEY] += 1
    counts_by_control: dict[str, dict[str, dict[str, int]]] = {}
    for (name, mode, state), hosts in sorted(
        counts.items(), key=lambda entry: (*CONTROLS, *EXTRA_RULE_GROUPS).index(entry[0][0])
    ):
        counts_by_control.setdefault(name, {}).setdefault(mode, {})[state] = hosts
    return counts_by_control


def describe_unenforced_controls(controls: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Describe the controls that are not enforced on all hosts.

    A text is such as `only audited: browser, dns on 2 hosts` or `off: firewall`. `controls` has the counts by control,
    mode and state.
    """
    descriptions = []
    for mode, mode_text in ((AUDIT, "only audited"), (OFF, "off")):
        names = []
        for name, modes in controls.items():
            hosts = sum(modes.get(mode, {}).values())
            if hosts:
                is_everywhere = hosts == sum(sum(states.values()) for states in modes.values())
                names.append(name if is_everywhere else f"{name} on {format_count(hosts, 'host')}")
        descriptions += [f"{mode_text}: {', '.join(names)}"] if names else []
    return descriptions
