"""How far a change reaches at once: which hosts are corrected in what order and batches, and when a run has to stop.

Everything is decided from what was observed, before the first host is changed. Pure; controller only.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypedDict

from ...model.finding import NONCOMPLIANT
from ...model.plan import CONTROLS
from ...model.types.record import ObservedRecord
from ...model.types.run import RolloutLimits
from ..report.text.wording import counted
from .limits import batch_sizes
from .shares import enough, may_be_set_aside, may_fail, may_fail_of_canary, over, set_aside

# Evidence against an app that is a program which would be removed; a process is only ended.
REMOVED = "package"


class Answer(TypedDict):
    """What `compliance_state` answers for a host that was observed, as far as it matters here."""

    record: ObservedRecord
    drifted: list[str]


class Seen(NamedTuple):
    """What the first observation of one host comes to."""

    name: str
    plan: str  # the digest of the plan that it was sent
    drifted: tuple[str, ...]  # the controls that would be corrected
    removals: int  # how many programs that would remove


class Before(NamedTuple):
    """The run before: its id, and how many of the hosts that would be changed now had no problem then."""

    run: str
    well: int


def seen(name: str, plan: str, observed: Answer) -> Seen:
    """What the answer of a host that was sent that plan comes to."""
    record, drifted = observed["record"], tuple(observed["drifted"])
    removed: list[tuple[str, str]] = []
    if "apps" in drifted:
        for rule in record["rules"]:
            if rule["state"] == NONCOMPLIANT and rule["rule"].startswith("apps/"):
                removed += [(rule["rule"], f.get("scope") or "") for f in rule["findings"] if f["kind"] == REMOVED]
    # A user may install as much as he likes for himself: that stops nobody's rollout, so it counts once for each rule.
    of_users = {one for one in removed if one[1].startswith("user:")}
    of_host = [one for one in removed if one not in of_users]
    return Seen(name, plan, drifted, len(of_host) + len(of_users))


class Decision(NamedTuple):
    """What a run is going to do. `hosts` come in the order in which they are corrected."""

    hosts: tuple[str, ...]
    batches: tuple[int, ...]  # sizes
    reach: int  # the run stops when so many hosts have been corrected; all of them if there is nothing against it
    changes: Mapping[str, int]  # what the whole comes to: hosts, removals, and hosts by control
    stop: str  # why it stops, in words (see `stopped`); "" if it does not
    max_failures: str  # the share of the hosts tried so far that may fail
    allow: Mapping[str, int | str]  # what proscribe_max_change would have to be for all of them; empty if it is enough
    set_aside: Mapping[str, str]  # hosts that a real run leaves as they are, each with why


def decide(fleet: Sequence[Seen], limits: RolloutLimits, dry: bool = False, before: Before | None = None) -> Decision:
    """The decision for a fleet of hosts that answered.

    `limits` are as `limits.py` reads them. In a `dry` run nothing changes, so it is one batch of all hosts; the rest is
    as in a real run all the same. `before` is for the words only.
    """
    changing = [host for host in fleet if host.drifted]
    whole = _changes(changing)
    too_much = over(whole["hosts"], whole["removals"], limits["max_change"], len(fleet))
    aside = _set_aside(changing, too_much, limits, len(fleet))
    ordered = _ordered([host for host in changing if host.name not in aside])
    sizes = batch_sizes(limits["batches"], len(ordered))
    changes = _changes(ordered)
    exceeded = over(changes["hosts"], changes["removals"], limits["max_change"], len(fleet))
    reach, stop = len(ordered), ""
    if exceeded or (aside and not may_fail(limits["max_failures"], len(changing))):
        if len(sizes) == 1:
            sizes = [1, len(ordered) - 1] if len(ordered) > 1 else [1]
        canary = _changes(ordered[: sizes[0]])
        within = all(canary[part] <= limit for part, limit in exceeded.items())
        reach = sizes[0] if within else 0
        # Where none may fail, one that is set aside stops the others too.
        stop = _described(*((changes, exceeded) if exceeded else (whole, too_much)), len(fleet), before)
    hosts = [host.name for host in ordered]
    if dry:
        hosts += aside
        sizes = [len(hosts)] if hosts else []
    return Decision(
        hosts=tuple(hosts),
        batches=tuple(sizes),
        reach=reach,
        changes=changes,
        stop=stop,
        max_failures=limits["max_failures"],
        allow=enough([host.removals for host in ordered], exceeded, limits["max_change"]),
        set_aside=aside,
    )


def objection(decision: Decision, first: str, alive: Collection[str], aside: Collection[str] = ()) -> str:
    """Why the batch that begins with the host `first` must not begin; "" if it may.

    `alive` are the hosts that have not failed so far. Those of `aside` were left as they are and have tried nothing:
    the first batch of which a host has tried something is the canary.
    """
    done = decision.hosts.index(first)
    if done >= decision.reach:
        return f"stopped {where(done)}: {decision.stop}"
    began = list(decision.hosts[:done])
    spared = [host for host in began if host in aside and host in alive]
    spared = spared[: may_be_set_aside(decision.max_failures, len(decision.hosts))]
    tried = [host for host in began if host not in spared]
    lost = sum(host not in alive or host in aside for host in tried)
    before = max(itertools.takewhile(lambda end: end < done, itertools.accumulate(decision.batches)), default=0)
    canary = not set(tried).intersection(began[:before])
    may = (may_fail_of_canary if canary else may_fail)(decision.max_failures, len(tried))
    if tried and lost > may:
        allowed = str(may or "none") if canary else f"{decision.max_failures} (proscribe_max_failures)"
        after = where(done) if done == decision.batches[0] else f"after {counted(done, 'host')}"
        return f"stopped {after}: {lost:,} of {len(tried):,} failed, and {allowed} may"
    return ""


def where(done: int) -> str:
    """Where a run stops, in words, once `done` hosts of its first batch, or none, have had their turn."""
    return f"after the canary batch ({counted(done, 'host')})" if done else "before any change"


def _ordered(hosts: Sequence[Seen]) -> list[Seen]:
    """The hosts, but those of different plans by turns: so the first batches try every kind of host there is. They come
    in pairs: so a host that fails is distinguished from a plan that does.
    """
    kinds: dict[str, list[Seen]] = {}
    for host in hosts:
        kinds.setdefault(host.plan, []).append(host)
    # The most common kind first: it is what a canary should be.
    turns = [_pairs(kind) for kind in sorted(kinds.values(), key=len, reverse=True)]
    return [host for turn in itertools.zip_longest(*turns, fillvalue=[]) for pair in turn for host in pair]


def _pairs(hosts: Sequence[Seen]) -> list[Sequence[Seen]]:
    return [hosts[place : place + 2] for place in range(0, len(hosts), 2)]


def _changes(hosts: Sequence[Seen]) -> dict[str, int]:
    """What the correction of these hosts comes to."""
    return {
        "hosts": len(hosts),
        "removals": sum(host.removals for host in hosts),
        **{control: many for control in CONTROLS if (many := sum(control in host.drifted for host in hosts))},
    }


def _set_aside(
    changing: Sequence[Seen], exceeded: Mapping[str, int], limits: RolloutLimits, answered: int
) -> dict[str, str]:
    """The hosts that are set aside, each with why; `exceeded` are the limits that the whole exceeds."""
    claims = {host.name: host.removals for host in changing}
    return {
        name: f"set aside and left as found: it has {counted(claims[name], 'removal')}, and with it the whole is more "
        f"than proscribe_max_change allows ({_allowed(exceeded)})"
        for name in set_aside(claims, limits["max_change"], answered)
    }


def _allowed(exceeded: Mapping[str, int]) -> str:
    return " and ".join(counted(limit, "host" if part == "hosts" else "removal") for part, limit in exceeded.items())


def _described(changes: Mapping[str, int], exceeded: Mapping[str, int], answered: int, before: Before | None) -> str:
    by_control = ", ".join(f"{control} on {changes[control]:,}" for control in CONTROLS if control in changes)
    would = f"would change {counted(changes['hosts'], 'host')} of the {answered:,} that answered ({by_control})"
    if changes["removals"]:
        would += f" and remove {counted(changes['removals'], 'program')}"
    message = f"the whole {would}, and proscribe_max_change allows {_allowed(exceeded)}"
    if before is not None:
        message += f"; in the previous run ({before.run}), {before.well:,} of these hosts were compliant"
    return message
