"""Limits on the effect of a single host on a rollout through the fleet. Pure; controller only.

A host itself reports its state, and the result of its correction. It may report anything. So a single host must not use
up the limits of the whole fleet:

    - `max_change`: a host counts once. If the fleet exceeds a limit only because of a few hosts, these hosts
      are set aside (not corrected), and the others continue. Several hosts are set aside only if each has
      more removals than a host's share (SHARE_DIVISOR).
    - `max_failures`, and the first batch: a single failed host stops no other host, if another host was
      corrected.
    - A host may be left unchanged because of its users, or because another process was changing it. Such a
      host has not tried the change. It is set aside, and has neither failed nor passed. Only few hosts may
      be set aside; each further host counts as failed.

A defect of many hosts is a mistake of the policy, not of a host: it stops the run, by `max_change`. Whatever hosts are
set aside, the changes never exceed `max_change`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.finding import GATES, MORE_FINDINGS, NONCOMPLIANT
from ...model.types.record import ObservedRecord
from .limits import AUTO, CANARY_HOSTS, compute_share, count_allowed_hosts, count_allowed_removals

NO_FAILURES = "0%"  # value of max_failures with which no host may fail

# A divisor for two limits. A host may have a tenth of the removals that the fleet is allowed, or as many as other hosts
# have. A tenth of the hosts to correct may be set aside.
SHARE_DIVISOR = 10


def find_exceeded_limits(
    hosts: int, removals: int, max_change: Mapping[str, int | str], answered_count: int
) -> dict[str, int]:
    """Return the limits of `max_change` that a change exceeds: limit by "hosts" or "removals"; {} if none.

    The change is of `hosts` hosts with `removals` removals in all.
    """
    allowed_counts = {
        "hosts": count_allowed_hosts(max_change, answered_count),
        "removals": count_allowed_removals(max_change, hosts),
    }
    change_counts = {"hosts": hosts, "removals": removals}
    return {part: limit for part, limit in allowed_counts.items() if limit is not None and change_counts[part] > limit}


def count_allowed_failures(max_failures: str, host_count: int) -> int:
    """Return the most hosts that may fail: the share `max_failures` of `host_count`, at least 1; 0 for "0%"."""
    return 0 if max_failures == NO_FAILURES else max(1, compute_share(max_failures, host_count))


def count_allowed_canary_failures(max_failures: str, host_count: int) -> int:
    """Return the most hosts of the first batch that may fail: 1 or 0.

    A single host may fail if another host was corrected. So the result is 0 for a batch of a single host, and for
    `max_failures` "0%".
    """
    return min(1, count_allowed_failures(max_failures, host_count), host_count - 1)


def count_allowed_set_aside(max_failures: str, host_count: int) -> int:
    """Return the most hosts that may be set aside (left unchanged) during a run.

    This is a tenth of the hosts, but at least CANARY_HOSTS; 0 if no host may fail.
    """
    return 0 if max_failures == NO_FAILURES else max(CANARY_HOSTS, host_count // SHARE_DIVISOR)


def has_only_user_problems(record: ObservedRecord, gate: str) -> bool:
    """Return whether a host fails the gate only because of findings of users other than root.

    The gate (proscribe_compliance_gate) names the states of rules with which a host fails a run. The host itself
    reports its findings, so the result cannot be trusted. An unknown rule or an error gives False.
    """
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
    """Select the hosts that are not corrected, so that the others can be corrected within the limits.

    `removal_counts` has the number of removals of each host to correct. `answered_count` is the number of hosts that
    answered. If all hosts together are within the limits, no host is selected. Otherwise the fewest hosts are selected
    that must be left out for this, those with most removals first. If a few hosts are not the cause, hosts with
    unusually many removals are selected. So such a host cannot influence the message or the limit that the run
    proposes.
    """
    total_removals = sum(removal_counts.values())
    exceeded_limits = find_exceeded_limits(len(removal_counts), total_removals, max_change, answered_count)
    if not exceeded_limits or len(removal_counts) == 1:
        return []
    max_set_aside = max(1, len(removal_counts) // SHARE_DIVISOR)
    ranked_hosts = sorted(removal_counts, key=removal_counts.__getitem__)[::-1]
    outlying_hosts: list[str] = []
    if "removals" in exceeded_limits:
        # At most `max_set_aside` hosts can be left for a later run. This is the most removals of any other host.
        ordinary_count = removal_counts[ranked_hosts[max_set_aside]]
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
    """Compute a value of `max_change` that permits these hosts to change; {} if no limit is exceeded.

    The value is proposed in place of the team's setting, so it repeats unchanged limits. The number of removals is a
    sum only if several hosts have removals. So it does not depend on what a single host reports.
    """
    if not exceeded_limits:
        return {}
    removals = max_change["removals"]
    if "removals" in exceeded_limits:
        removals = sum(removal_counts) if sum(map(bool, removal_counts)) > 1 else AUTO
    return {"hosts": len(removal_counts), **({} if removals == AUTO else {"removals": removals})}
