"""Counting hosts and rules. Numbers always come with the counts they are made of.

A percentage is floored to one decimal. Only all of them are 100, and a number that is not zero is never shown as 0. So
neither one bad host in 20,000 nor one good one can vanish in the rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ....model.finding import COMPLIANT, NO_IDENTIFIERS_REASON, NOT_APPLICABLE, REPAIRED, STATES, WAIVED
from ....model.types.record import HostRecord
from ....model.types.report import CountShare, ReportSummary, RuleCounts, UnidentifiedRule
from .unobserved import UNOBSERVED_KEY as UNOBSERVED

# The states of a host on which nothing is left to do.
SETTLED_STATES = (COMPLIANT, REPAIRED, NOT_APPLICABLE)


def compute_share(numerator: int, denominator: int) -> CountShare:
    """A part of a whole. Raises ValueError for one that is negative, or greater than its whole."""
    if not 0 <= numerator <= denominator:
        raise ValueError(f"{numerator} of {denominator} is not a part of a whole")
    percent = None
    if denominator:
        tenths = numerator * 1000 // denominator
        percent = (1 if numerator and not tenths else tenths) / 10
    return {"numerator": numerator, "denominator": denominator, "percent": percent}


def count_states(states: Iterable[str]) -> dict[str, int]:
    """How often each state occurs, worst first; states that do not occur count 0."""
    counts = dict.fromkeys(STATES, 0)
    for state in states:
        counts[state] += 1
    return counts


def has_answered(record: HostRecord) -> bool:
    """Whether a host was evaluated at all: it answered for its plan, with at least one rule."""
    return int(record["rules_evaluated"]) > 0


def is_covered(record: HostRecord) -> bool:
    """Whether a host's record says how the host is now: it answered, and was not changed afterwards."""
    return has_answered(record) and not record.get(UNOBSERVED)


def count_rule_states(record: HostRecord) -> dict[str, int]:
    """How many rules of a record are in each state.

    A record lists only what is not plainly compliant. The rules it merely counts are compliant, or do not apply, as
    `rules_not_applicable` has it.
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
    """The numbers of a run, from one reconciled record for each expected host, and how many hosts cannot be served:
    these belong to the whole of the coverage, and never to its part.
    """
    hosts = count_states(record["state"] for record in records)
    rules = dict.fromkeys(STATES, 0)
    for record in records:
        for state, count in count_rule_states(record).items():
            rules[state] += count
    # A host on which nothing applies neither meets the ban nor breaks it; counted in, it would flatter the rest.
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
    records: Iterable[HostRecord], unsearchable_by_plan: Mapping[str, Sequence[str]]
) -> list[UnidentifiedRule]:
    """The rules of which nothing is known to look for, by name. Each has the number of hosts that answered for a plan
    that says so (`unsearchable_by_plan`: digest -> rules), or on which there was nothing to look for.
    """
    counts: Counter[str] = Counter()
    hosts_with: Counter[str | None] = Counter()
    for record in records:
        if has_answered(record):
            hosts_with[record["plan"]] += 1
        unsearchable_rules = [
            r["rule"] for r in record["rules"] if (r.get("reason") or "").startswith(NO_IDENTIFIERS_REASON)
        ]
        counts.update(unsearchable_rules)
    for digest, hosts in hosts_with.items():
        for rule in unsearchable_by_plan.get(digest or "", ()):
            counts[rule] += hosts
    return [{"rule": rule, "hosts": hosts} for rule, hosts in sorted(counts.items())]


def count_by_rule(records: Iterable[HostRecord], services: Collection[str] | None = None) -> list[RuleCounts]:
    """The counts of every rule that some host lists, by its name. `audited` is how many of the hosts only audit its
    control, where some do. `kind` is service or setting, where `services`, the ids that plans name, is known.

    A host that does not list a rule meets it, or does not have it in its plan; it is not counted here.
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
