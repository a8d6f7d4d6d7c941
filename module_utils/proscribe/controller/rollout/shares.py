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
from .limits import AUTO, CANARY, allowed_hosts, allowed_removals, share

NONE = "0%"  # of the hosts may fail

# One host's share of the removals of a whole fleet is a tenth, unless others have as many. Of the hosts to correct, so
# many may be set aside.
TENTH = 10


def over(hosts: int, removals: int, max_change: Mapping[str, int | str], answered: int) -> dict[str, int]:
    """The limits that a change of so many hosts with so many removals exceeds: {part: limit}."""
    allowed = {"hosts": allowed_hosts(max_change, answered), "removals": allowed_removals(max_change, hosts)}
    size = {"hosts": hosts, "removals": removals}
    return {part: limit for part, limit in allowed.items() if limit is not None and size[part] > limit}


def may_fail(max_failures: str, of: int) -> int:
    """How many of so many hosts may fail: a share of them, but one in any case, unless none may."""
    return 0 if max_failures == NONE else max(1, share(max_failures, of))


def may_fail_of_canary(max_failures: str, of: int) -> int:
    """The same of the first batch: one, if another one was corrected."""
    return min(1, may_fail(max_failures, of), of - 1)


def may_be_set_aside(max_failures: str, of: int) -> int:
    """Return how many of so many hosts may be set aside during a run: a tenth, but a canary batch in any case. None
    where none may fail.
    """
    return 0 if max_failures == NONE else max(CANARY, of // TENTH)


def is_held_by_users(record: ObservedRecord, gate: str) -> bool:
    """Return True if nothing but users' own things keeps a host from passing its gate, as the host says it."""
    wrong = [rule for rule in record["rules"] if rule["state"] in GATES[gate]]
    users = {
        (finding["scope"] or "").partition("user:")[2]
        for rule in wrong
        for finding in rule["findings"]
        if finding["kind"] != MORE_FINDINGS
    }
    certain = all(rule["state"] == NONCOMPLIANT and rule["findings"] for rule in wrong)
    return bool(users) and certain and not record["errors"] and users.isdisjoint(("", "root"))


def set_aside(claims: Mapping[str, int], max_change: Mapping[str, int | str], answered: int) -> list[str]:
    """The hosts that are not corrected, so that the others can be. `claims` says how many removals each host to correct
    has; `answered` is how many hosts answered.

    Where the whole is within the limits, nobody. Else the fewest without whom it is, those with the most removals
    first. Where no few hosts explain it, those that stand out all the same: what is then said of the whole, and what
    limit is printed, is not of their making.
    """
    total = sum(claims.values())
    exceeded = over(len(claims), total, max_change, answered)
    if not exceeded or len(claims) == 1:
        return []
    few = max(1, len(claims) // TENTH)
    ranked = sorted(claims, key=claims.__getitem__)[::-1]
    greedy: list[str] = []
    if "removals" in exceeded:
        ordinary = claims[ranked[few]]  # as many as the others have, too
        most = max(exceeded["removals"] // TENTH, ordinary)
        greedy = [host for host in ranked[:few] if claims[host] > most]
    for count in range(1, max(len(greedy), 1) + 1):
        total -= claims[ranked[count - 1]]
        if not over(len(claims) - count, total, max_change, answered):
            return ranked[:count]
    return greedy


def enough(
    claims: Sequence[int], exceeded: Mapping[str, int], max_change: Mapping[str, int | str]
) -> dict[str, int | str]:
    """The whole value of `max_change` for hosts with these claims, where it is exceeded. It takes the place of what a
    team wrote, so it says again what that was. No number is one host's claim.
    """
    if not exceeded:
        return {}
    removals = max_change["removals"]
    if "removals" in exceeded:
        removals = sum(claims) if sum(map(bool, claims)) > 1 else AUTO
    return {"hosts": len(claims), **({} if removals == AUTO else {"removals": removals})}
