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
from .unobserved import KEY as UNOBSERVED

# The states of a host on which nothing is left to do.
MET = (COMPLIANT, REPAIRED, NOT_APPLICABLE)


def share(numerator: int, denominator: int) -> CountShare:
    """A part of a whole. Raises ValueError for one that is negative, or greater than its whole."""
    if not 0 <= numerator <= denominator:
        raise ValueError(f"{numerator} of {denominator} is not a part of a whole")
    percent = None
    if denominator:
        tenths = numerator * 1000 // denominator
        percent = (1 if numerator and not tenths else tenths) / 10
    return {"numerator": numerator, "denominator": denominator, "percent": percent}


def tally(states: Iterable[str]) -> dict[str, int]:
    """How often each state occurs, worst first; states that do not occur count 0."""
    counts = dict.fromkeys(STATES, 0)
    for state in states:
        counts[state] += 1
    return counts


def answered(record: HostRecord) -> bool:
    """Whether a host was evaluated at all: it answered for its plan, with at least one rule."""
    return int(record["rules_evaluated"]) > 0


def covered(record: HostRecord) -> bool:
    """Whether a host's record says how the host is now: it answered, and was not changed afterwards."""
    return answered(record) and not record.get(UNOBSERVED)


def rule_states(record: HostRecord) -> dict[str, int]:
    """How many rules of a record are in each state.

    A record lists only what is not plainly compliant. The rules it merely counts are compliant, or do not apply, as
    `rules_not_applicable` has it.
    """
    counts = tally(rule["state"] for rule in record["rules"])
    unlisted = record["rules_evaluated"] - len(record["rules"])
    idle = min(unlisted, max(0, record.get("rules_not_applicable", 0) - counts[NOT_APPLICABLE]))
    counts[NOT_APPLICABLE] += idle
    counts[COMPLIANT] += unlisted - idle
    return counts


def summarise(records: Sequence[HostRecord], not_served: int = 0) -> ReportSummary:
    """The numbers of a run, from one reconciled record for each expected host, and how many hosts cannot be served:
    these belong to the whole of the coverage, and never to its part.
    """
    hosts = tally(record["state"] for record in records)
    rules = dict.fromkeys(STATES, 0)
    for record in records:
        for state, count in rule_states(record).items():
            rules[state] += count
    # A host on which nothing applies neither meets the ban nor breaks it; counted in, it would flatter the rest.
    applicable = len(records) - hosts[NOT_APPLICABLE]
    met = hosts[COMPLIANT] + hosts[REPAIRED]
    return {
        "hosts": hosts,
        "rules": rules,
        "not_served": not_served,
        "coverage": share(sum(map(covered, records)), len(records) + not_served),
        "compliance_strict": share(met, applicable),
        "compliance_with_waivers": share(met + hosts[WAIVED], applicable),
    }


def nothing_known(records: Iterable[HostRecord], plans: Mapping[str, Sequence[str]]) -> list[UnidentifiedRule]:
    """The rules of which nothing is known to look for, by name. Each has the number of hosts that answered for a plan
    that says so (`plans`: digest -> rules), or on which there was nothing to look for.
    """
    counts: Counter[str] = Counter()
    hosts_with: Counter[str | None] = Counter()
    for record in records:
        if answered(record):
            hosts_with[record["plan"]] += 1
        idle = [r["rule"] for r in record["rules"] if (r.get("reason") or "").startswith(NO_IDENTIFIERS_REASON)]
        counts.update(idle)
    for digest, hosts in hosts_with.items():
        for rule in plans.get(digest or "", ()):
            counts[rule] += hosts
    return [{"rule": rule, "hosts": hosts} for rule, hosts in sorted(counts.items())]


def by_rule(records: Iterable[HostRecord], services: Collection[str] | None = None) -> list[RuleCounts]:
    """The counts of every rule that some host lists, by its name. `audited` is how many of the hosts only audit its
    control, where some do. `kind` is service or setting, where `services`, the ids that plans name, is known.

    A host that does not list a rule meets it, or does not have it in its plan; it is not counted here.
    """
    counts: dict[str, dict[str, int]] = {}
    audited: Counter[str] = Counter()
    for record in records:
        for rule in record["rules"]:
            mine = counts.setdefault(rule["rule"], {})
            mine[rule["state"]] = mine.get(rule["state"], 0) + 1
            if rule.get("mode") == "audit":
                audited[rule["rule"]] += 1
    found: list[RuleCounts] = []
    for name, mine in sorted(counts.items()):
        listed: RuleCounts = {"rule": name, "counts": {state: mine[state] for state in STATES if state in mine}}
        if services is not None:
            listed["kind"] = "service" if name.partition("/")[2] in services else "setting"
        if audited[name]:
            listed["audited"] = audited[name]
        found.append(listed)
    return found
