"""The share of a host in each limit of the whole fleet. Pure; controller only.

A host itself reports its state, and the result of its correction. So whatever it reports, it takes no more than a share
of the fleet's limits:

    - `max_change`: it counts as a single host. If the whole exceeds a limit only because of a host, that
      host is set aside, and the others continue. Of several hosts, only those with more removals than a
      host's share are set aside.
    - `max_failures`, and the first batch: a single failed host stops no other host, if another host was
      corrected.
    - A host may be left as it is because of its users, or because another process was changing it. It has
      not tried the change. It is set aside, and neither failed nor passed. Only few hosts may be set aside;
      each further host failed.

A defect of many hosts is a mistake of the policy, not of a host: it stops the run, by `max_change`. Whatever hosts are
set aside, the changes never exceed `max_change`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.finding import GATES, MORE_FINDINGS, NONCOMPLIANT
from ...model.types.record import ObservedRecord
from .limits import AUTO, CANARY_HOSTS, compute_share, count_allowed_hosts, count_allowed_removals

NO_FAILURES = "0%"  # no host may fail

# The divisor for two limits. A host's share of the removals of a whole fleet is a tenth, unless others have as many. A
# tenth of the hosts to correct may be set aside.
SHARE_DIVISOR = 10


def find_exceeded_limits(
    hosts: int, removals: int, max_change: Mapping[str, int | str], answered_count: int
) -> dict[str, int]:
    """Return the limits that a change of so many hosts with so many removals exceeds: {part: limit}."""
    allowed_counts = {
        "hosts": count_allowed_hosts(max_change, answered_count),
        "removals": count_allowed_removals(max_change, hosts),
    }
    change_counts = {"hosts": hosts, "removals": removals}
    return {part: limit for part, limit in allowed_counts.items() if limit is not None and change_counts[part] > limit}


def count_allowed_failures(max_failures: str, host_count: int) -> int:
    """Count the hosts that may fail: a share of `host_count`, at least 1, or 0 if no host may fail."""
    return 0 if max_failures == NO_FAILURES else max(1, compute_share(max_failures, host_count))


def count_allowed_canary_failures(max_failures: str, host_count: int) -> int:
    """Count the hosts of the first batch that may fail: a single host, if another host was corrected."""
    return min(1, count_allowed_failures(max_failures, host_count), host_count - 1)


def count_allowed_set_aside(max_failures: str, host_count: int) -> int:
    """Count the hosts that may be set aside during a run.

    The number is a tenth of the hosts, at least a canary batch, or 0 if no host may fail.
    """
    return 0 if max_failures == NO_FAILURES else max(CANARY_HOSTS, host_count // SHARE_DIVISOR)


def has_only_user_problems(record: ObservedRecord, gate: str) -> bool:
    """Return whether only users' own findings keep a host from passing its gate, by the host's own report."""
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
    """Select the hosts that are not corrected, so that the others can be.

    `removal_counts` has the removals of each host to correct. `answered_count` is the number of hosts that answered. If
    the whole is within the limits, no host is selected. Otherwise the fewest hosts are selected without which it is,
    most removals first. If no few hosts explain it, the hosts that stand out are selected. So they cannot influence the
    text and the printed limit of the whole.
    """
    total_removals = sum(removal_counts.values())
    exceeded_limits = find_exceeded_limits(len(removal_counts), total_removals, max_change, answered_count)
    if not exceeded_limits or len(removal_counts) == 1:
        return []
    max_set_aside = max(1, len(removal_counts) // SHARE_DIVISOR)
    ranked_hosts = sorted(removal_counts, key=removal_counts.__getitem__)[::-1]
    outlying_hosts: list[str] = []
    if "removals" in exceeded_limits:
        ordinary_count = removal_counts[ranked_hosts[max_set_aside]]  # the removals of the other hosts
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
    """Compute a value of `max_change` that is sufficient for these hosts, if it is exceeded.

    The value replaces that of a team, so it repeats the unchanged parts. No number depends on the claim of a single
    host.
    """
    if not exceeded_limits:
        return {}
    removals = max_change["removals"]
    if "removals" in exceeded_limits:
        removals = sum(removal_counts) if sum(map(bool, removal_counts)) > 1 else AUTO
    return {"hosts": len(removal_counts), **({} if removals == AUTO else {"removals": removals})}
