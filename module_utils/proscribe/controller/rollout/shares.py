"""What one host's share is of each limit that is about the whole fleet. Pure; controller only.

A host says itself how it stands, and whether its correction failed. So whatever it says, it takes a share of the
fleet's limits, and no more:

- `max_change`: it counts as one of the hosts. If the whole is too much with one host and not without it, that host is
  set aside, and the others go on. Of several, only those are set aside that claim more removals than one host's share.
- `max_failures`, and the first batch: one host that fails stops nobody, if another one was corrected.
- A host that was left as it is because of its users, or because another process was changing it, has not tried the
  change. It is set aside: it neither failed nor passed. Few hosts may be, and each further one has failed.

What many hosts have is no host's fault, but a mistake of the policy: that stops the run, as `max_change` says. Whoever
is set aside, what is changed is never more than `max_change` allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.finding import GATES, MORE_FINDINGS, NONCOMPLIANT
from ...model.types.record import ObservedRecord
from .limits import AUTO, CANARY_HOSTS, compute_share, count_allowed_hosts, count_allowed_removals

NO_FAILURES = "0%"  # of the hosts may fail

# One host's share of the removals of a whole fleet is a tenth, unless others have as many. Of the hosts to correct, so
# many may be set aside.
SHARE_DIVISOR = 10


def find_exceeded_limits(
    hosts: int, removals: int, max_change: Mapping[str, int | str], answered_count: int
) -> dict[str, int]:
    """The limits that a change of so many hosts with so many removals exceeds: {part: limit}."""
    allowed_counts = {
        "hosts": count_allowed_hosts(max_change, answered_count),
        "removals": count_allowed_removals(max_change, hosts),
    }
    change_counts = {"hosts": hosts, "removals": removals}
    return {part: limit for part, limit in allowed_counts.items() if limit is not None and change_counts[part] > limit}


def count_allowed_failures(max_failures: str, host_count: int) -> int:
    """How many of so many hosts may fail: a share of them, but one in any case, unless none may."""
    return 0 if max_failures == NO_FAILURES else max(1, compute_share(max_failures, host_count))


def count_allowed_canary_failures(max_failures: str, host_count: int) -> int:
    """The same of the first batch: one, if another one was corrected."""
    return min(1, count_allowed_failures(max_failures, host_count), host_count - 1)


def count_allowed_set_aside(max_failures: str, host_count: int) -> int:
    """Return how many of so many hosts may be set aside during a run: a tenth, but a canary batch in any case. None
    where none may fail.
    """
    return 0 if max_failures == NO_FAILURES else max(CANARY_HOSTS, host_count // SHARE_DIVISOR)


def has_only_user_problems(record: ObservedRecord, gate: str) -> bool:
    """Return True if nothing but users' own things keeps a host from passing its gate, as the host says it."""
    failing_rules = [rule for rule in record["rules"] if rule["state"] in GATES[gate]]
    users = {
        (finding["scope"] or "").partition("user:")[2]
        for rule in failing_rules
        for finding in rule["findings"]
        if finding["kind"] != MORE_FINDINGS
    }
    is_certain = all(rule["state"] == NONCOMPLIANT and rule["findings"] for rule in failing_rules)
    return bool(users) and is_certain and not record["errors"] and users.isdisjoint(("", "root"))


def select_set_aside(
    removal_counts: Mapping[str, int], max_change: Mapping[str, int | str], answered_count: int
) -> list[str]:
    """The hosts that are not corrected, so that the others can be. `removal_counts` says how many removals each host to correct
    has; `answered_count` is how many hosts answered.

    Where the whole is within the limits, nobody. Else the fewest without whom it is, those with the most removals
    first. Where no few hosts explain it, those that stand out all the same: what is then said of the whole, and what
    limit is printed, is not of their making.
    """
    total_removals = sum(removal_counts.values())
    exceeded_limits = find_exceeded_limits(len(removal_counts), total_removals, max_change, answered_count)
    if not exceeded_limits or len(removal_counts) == 1:
        return []
    max_set_aside = max(1, len(removal_counts) // SHARE_DIVISOR)
    ranked_hosts = sorted(removal_counts, key=removal_counts.__getitem__)[::-1]
    outlying_hosts: list[str] = []
    if "removals" in exceeded_limits:
        ordinary_count = removal_counts[ranked_hosts[max_set_aside]]  # as many as the others have, too
        max_removals = max(exceeded_limits["removals"] // SHARE_DIVISOR, ordinary_count)
        outlying_hosts = [host for host in ranked_hosts[:max_set_aside] if removal_counts[host] > max_removals]
    for count in range(1, max(len(outlying_hosts), 1) + 1):
        total_removals -= removal_counts[ranked_hosts[count - 1]]
        if not find_exceeded_limits(len(removal_counts) - count, total_removals, max_change, answered_count):
            return ranked_hosts[:count]
    return outlying_hosts


def compute_sufficient_limits(
    removal_counts: Sequence[int], exceeded_limits: Mapping[str, int], max_change: Mapping[str, int | str]
) -> dict[str, int | str]:
    """The whole value of `max_change` for hosts with these claims, where it is exceeded. It takes the place of what a
    team wrote, so it says again what that was. No number is one host's claim.
    """
    if not exceeded_limits:
        return {}
    removals = max_change["removals"]
    if "removals" in exceeded_limits:
        removals = sum(removal_counts) if sum(map(bool, removal_counts)) > 1 else AUTO
    return {"hosts": len(removal_counts), **({} if removals == AUTO else {"removals": removals})}
