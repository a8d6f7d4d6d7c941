"""Counts of hosts and rules. Every percentage comes with the counts behind it.

A percentage is rounded down to a decimal. Only the whole is 100, and no part above zero is shown as 0. So rounding
hides neither a single bad host in 20,000 nor a single good host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ....model.finding import COMPLIANT, NOT_APPLICABLE, REPAIRED, STATES, WAIVED
from ....model.types.record import HostRecord
from ....model.types.report import CountShare, ReportSummary, RuleCounts, UnsearchedRule
from .unobserved_corrections import UNOBSERVED_KEY as UNOBSERVED

# States of a host that needs no further action.
SETTLED_STATES = (COMPLIANT, REPAIRED, NOT_APPLICABLE)


def compute_share(numerator: int, denominator: int) -> CountShare:
    """Return a count, its whole, and the percentage. The percentage is None for a whole of 0.

    Raises ValueError for a count that is negative or greater than the whole.
    """
    if not 0 <= numerator <= denominator:
        raise ValueError(f"{numerator} of {denominator} is not a part of a whole")
    percent = None
    if denominator:
        tenths = numerator * 1000 // denominator
        percent = (1 if numerator and not tenths else tenths) / 10
    return {"numerator": numerator, "denominator": denominator, "percent": percent}


def count_states(states: Iterable[str]) -> dict[str, int]:
    """Count how often each state occurs, worst state first. A state that does not occur counts 0."""
    counts = dict.fromkeys(STATES, 0)
    for state in states:
        counts[state] += 1
    return counts


def is_evaluated(record: HostRecord) -> bool:
    """Return whether a host was evaluated: its record has at least one evaluated rule.

    A host without a usable answer has none (record.make_silent_record).
    """
    return int(record["rules_evaluated"]) > 0


def is_covered(record: HostRecord) -> bool:
    """Return whether a host's record describes its present state.

    The host was evaluated, and no run changed it after the observation.
    """
    return is_evaluated(record) and not record.get(UNOBSERVED)


def count_rule_states(record: HostRecord) -> dict[str, int]:
    """Count the rules of a record in each state.

    A record lists only rules that are not simply compliant. The rules that it does not list are compliant or not
    applicable; `rules_not_applicable` counts all rules that are not applicable.
    """
    counts = count_states(rule["state"] for rule in record["rules"])
    unlisted_count = record["rules_evaluated"] - len(record["rules"])
    unlisted_not_applicable = min(
        unlisted_count, max(0, record.get("rules_not_applicable", 0) - counts[NOT_APPLICABLE])
    )
    counts[NOT_APPLICABLE] += unlisted_not_applicable
    counts[COMPLIANT] += unlisted_count - unlisted_not_applicable
    return counts


def summarise_records(records: Sequence[HostRecord], not_served: int = 0) -> ReportSummary:
    """Compute the numbers of a run from the reconciled records, with a record for each expected host.

    `not_served` counts the hosts that Proscribe cannot serve. They increase the whole of the coverage, but not its
    covered part.
    """
    hosts = count_states(record["state"] for record in records)
    rules = dict.fromkeys(STATES, 0)
    for record in records:
        for state, count in count_rule_states(record).items():
            rules[state] += count
    # A host without applicable rules neither meets the ban nor breaks it. If it counted, the percentages would be too
    # good.
    applicable_count = len(records) - hosts[NOT_APPLICABLE]
    compliant_count = hosts[COMPLIANT] + hosts[REPAIRED]
    return {
        "hosts": hosts,
        "rules": rules,
        "not_served": not_served,
        "coverage": compute_share(sum(map(is_covered, records)), len(records) + not_served),
        "compliance_strict": compute_share(compliant_count, applicable_count),
        "compliance_with_waivers": compute_share(compliant_count + hosts[WAIVED], applicable_count),
    }


def count_unsearchable_rules(
    records: Iterable[HostRecord], reason: str, unsearchable_by_plan: Mapping[str, Sequence[str]] = {}
) -> list[UnsearchedRule]:
    """Count the hosts for each rule for which a host cannot be searched, for a reason.

    The number counts hosts whose record has a rule with a reason that begins with `reason`. It also counts hosts that
    answered for a plan with such a rule (`unsearchable_by_plan`: digest -> rules).
    """
    counts: Counter[str] = Counter()
    host_counts_by_plan: Counter[str | None] = Counter()
    for record in records:
        if is_evaluated(record):
            host_counts_by_plan[record["plan"]] += 1
        unsearchable_rules = [rule["rule"] for rule in record["rules"] if (rule.get("reason") or "").startswith(reason)]
        counts.update(unsearchable_rules)
    for digest, host_count in host_counts_by_plan.items():
        for name in unsearchable_by_plan.get(digest or "", ()):
            counts[name] += host_count
    return [{"rule": name, "hosts": host_count} for name, host_count in sorted(counts.items())]


def count_by_rule(records: Iterable[HostRecord], services: Collection[str] | None = None) -> list[RuleCounts]:
    """Count the hosts in each state for every rule that a record lists, sorted by the rule's name.

    `audited` is the number of hosts that only audit the rule's control; the key is missing for 0. `kind` is service or
    setting. The key is missing if `services`, the ids that plans name, are None (unknown). A host that does not list a
    rule meets the rule, or does not have the rule in its plan. Such a host is not counted here.
    """
    counts: dict[str, dict[str, int]] = {}
    audited: Counter[str] = Counter()
    for record in records:
        for rule in record["rules"]:
            rule_counts = counts.setdefault(rule["rule"], {})
            rule_counts[rule["state"]] = rule_counts.get(rule["state"], 0) + 1
            if rule.get("mode") == "audit":
                audited[rule["rule"]] += 1
    rule_entries: list[RuleCounts] = []
    for name, rule_counts in sorted(counts.items()):
        rule_entry: RuleCounts = {
            "rule": name,
            "counts": {state: rule_counts[state] for state in STATES if state in rule_counts},
        }
        if services is not None:
            rule_entry["kind"] = "service" if name.partition("/")[2] in services else "setting"
        if audited[name]:
            rule_entry["audited"] = audited[name]
        rule_entries.append(rule_entry)
    return rule_entries
