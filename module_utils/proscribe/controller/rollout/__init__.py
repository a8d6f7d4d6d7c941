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
from ..report.text.wording import format_count
from .limits import compute_batch_sizes
from .shares import (
    compute_sufficient_limits,
    count_allowed_canary_failures,
    count_allowed_failures,
    count_allowed_set_aside,
    find_exceeded_limits,
    select_set_aside,
)

# Evidence against an app that is a program which would be removed; a process is only ended.
REMOVED_KIND = "package"


class ComplianceAnswer(TypedDict):
    """What `compliance_state` answers for a host that was observed, as far as it matters here."""

    record: ObservedRecord
    drifted: list[str]


class RolloutHost(NamedTuple):
    """What the first observation of one host comes to."""

    name: str
    plan: str  # the digest of the plan that it was sent
    drifted_controls: tuple[str, ...]  # the controls that would be corrected
    removal_count: int  # how many programs that would remove


class PreviousRun(NamedTuple):
    """The run before: its id, and how many of the hosts that would be changed now had no problem then."""

    run_id: str
    compliant_count: int


def evaluate_host(name: str, plan: str, answer: ComplianceAnswer) -> RolloutHost:
    """What the answer of a host that was sent that plan comes to."""
    record, drifted_controls = answer["record"], tuple(answer["drifted"])
    removed_programs: list[tuple[str, str]] = []
    if "apps" in drifted_controls:
        for rule in record["rules"]:
            if rule["state"] == NONCOMPLIANT and rule["rule"].startswith("apps/"):
                removed_programs += [
                    (rule["rule"], finding.get("scope") or "")
                    for finding in rule["findings"]
                    if finding["kind"] == REMOVED_KIND
                ]
    # A user may install as much as he likes for himself: that stops nobody's rollout, so it counts once for each rule.
    user_programs = {removed_program for removed_program in removed_programs if removed_program[1].startswith("user:")}
    host_programs = [removed_program for removed_program in removed_programs if removed_program not in user_programs]
    return RolloutHost(name, plan, drifted_controls, len(host_programs) + len(user_programs))


class RolloutDecision(NamedTuple):
    """What a run is going to do. `hosts` come in the order in which they are corrected."""

    hosts: tuple[str, ...]
    batches: tuple[int, ...]  # sizes
    reach: int  # the run stops when so many hosts have been corrected; all of them if there is nothing against it
    changes: Mapping[str, int]  # what the whole comes to: hosts, removals, and hosts by control
    stop: str  # why it stops, in words (see `stopped`); "" if it does not
    max_failures: str  # the share of the hosts tried so far that may fail
    allow: Mapping[str, int | str]  # what proscribe_max_change would have to be for all of them; empty if it is enough
    set_aside: Mapping[str, str]  # hosts that a real run leaves as they are, each with why


def decide_rollout(
    fleet: Sequence[RolloutHost],
    limits: RolloutLimits,
    is_dry_run: bool = False,
    previous_run: PreviousRun | None = None,
) -> RolloutDecision:
    """The decision for a fleet of hosts that answered.

    `limits` are as `limits.py` reads them. In a `is_dry_run` run nothing changes, so it is one batch of all hosts; the rest is
    as in a real run all the same. `previous_run` is for the words only.
    """
    changing_hosts = [host for host in fleet if host.drifted_controls]
    whole_counts = _count_changes(changing_hosts)
    whole_exceeded = find_exceeded_limits(
        whole_counts["hosts"], whole_counts["removals"], limits["max_change"], len(fleet)
    )
    set_aside_reasons = _list_set_aside_reasons(changing_hosts, whole_exceeded, limits, len(fleet))
    ordered_hosts = _order_hosts([host for host in changing_hosts if host.name not in set_aside_reasons])
    sizes_of_batches = compute_batch_sizes(limits["batches"], len(ordered_hosts))
    change_counts = _count_changes(ordered_hosts)
    exceeded_limits = find_exceeded_limits(
        change_counts["hosts"], change_counts["removals"], limits["max_change"], len(fleet)
    )
    host_limit, stop_reason = len(ordered_hosts), ""
    if exceeded_limits or (
        set_aside_reasons and not count_allowed_failures(limits["max_failures"], len(changing_hosts))
    ):
        if len(sizes_of_batches) == 1:
            sizes_of_batches = [1, len(ordered_hosts) - 1] if len(ordered_hosts) > 1 else [1]
        canary_counts = _count_changes(ordered_hosts[: sizes_of_batches[0]])
        is_within_limits = all(canary_counts[part] <= limit for part, limit in exceeded_limits.items())
        host_limit = sizes_of_batches[0] if is_within_limits else 0
        # Where none may fail, one that is set aside stops the others too.
        stop_reason = _describe_stop(
            *((change_counts, exceeded_limits) if exceeded_limits else (whole_counts, whole_exceeded)),
            len(fleet),
            previous_run,
        )
    host_names = [host.name for host in ordered_hosts]
    if is_dry_run:
        host_names += set_aside_reasons
        sizes_of_batches = [len(host_names)] if host_names else []
    return RolloutDecision(
        hosts=tuple(host_names),
        batches=tuple(sizes_of_batches),
        reach=host_limit,
        changes=change_counts,
        stop=stop_reason,
        max_failures=limits["max_failures"],
        allow=compute_sufficient_limits(
            [host.removal_count for host in ordered_hosts], exceeded_limits, limits["max_change"]
        ),
        set_aside=set_aside_reasons,
    )


def find_objection(
    decision: RolloutDecision, first_host: str, successful_hosts: Collection[str], set_aside_hosts: Collection[str] = ()
) -> str:
    """Why the batch that begins with the host `first_host` must not begin; "" if it may.

    `successful_hosts` are the hosts that have not failed so far. Those of `set_aside_hosts` were left as they are and have tried nothing:
    the first batch of which a host has tried something is the canary.
    """
    done_count = decision.hosts.index(first_host)
    if done_count >= decision.reach:
        return f"stopped {describe_stop_place(done_count)}: {decision.stop}"
    begun_hosts = list(decision.hosts[:done_count])
    spared_hosts = [host for host in begun_hosts if host in set_aside_hosts and host in successful_hosts]
    spared_hosts = spared_hosts[: count_allowed_set_aside(decision.max_failures, len(decision.hosts))]
    tried_hosts = [host for host in begun_hosts if host not in spared_hosts]
    failed_count = sum(host not in successful_hosts or host in set_aside_hosts for host in tried_hosts)
    batch_start = max(
        itertools.takewhile(lambda end: end < done_count, itertools.accumulate(decision.batches)), default=0
    )
    is_canary = not set(tried_hosts).intersection(begun_hosts[:batch_start])
    max_failures = (count_allowed_canary_failures if is_canary else count_allowed_failures)(
        decision.max_failures, len(tried_hosts)
    )
    if tried_hosts and failed_count > max_failures:
        allowed_text = str(max_failures or "none") if is_canary else f"{decision.max_failures} (proscribe_max_failures)"
        place = (
            describe_stop_place(done_count)
            if done_count == decision.batches[0]
            else f"after {format_count(done_count, 'host')}"
        )
        return f"stopped {place}: {failed_count:,} of {len(tried_hosts):,} failed, and {allowed_text} may"
    return ""


def describe_stop_place(done_count: int) -> str:
    """Where a run stops, in words, once `done_count` hosts of its first batch, or none, have had their turn."""
    return f"after the canary batch ({format_count(done_count, 'host')})" if done_count else "before any change"


def _order_hosts(hosts: Sequence[RolloutHost]) -> list[RolloutHost]:
    """The hosts, but those of different plans by turns: so the first batches try every kind of host there is. They come
    in pairs: so a host that fails is distinguished from a plan that does.
    """
    hosts_by_plan: dict[str, list[RolloutHost]] = {}
    for host in hosts:
        hosts_by_plan.setdefault(host.plan, []).append(host)
    # The most common kind first: it is what a canary should be.
    pairs_by_plan = [_pair_hosts(plan_hosts) for plan_hosts in sorted(hosts_by_plan.values(), key=len, reverse=True)]
    return [host for pairs in itertools.zip_longest(*pairs_by_plan, fillvalue=[]) for pair in pairs for host in pair]


def _pair_hosts(hosts: Sequence[RolloutHost]) -> list[Sequence[RolloutHost]]:
    return [hosts[index : index + 2] for index in range(0, len(hosts), 2)]


def _count_changes(hosts: Sequence[RolloutHost]) -> dict[str, int]:
    """What the correction of these hosts comes to."""
    return {
        "hosts": len(hosts),
        "removals": sum(host.removal_count for host in hosts),
        **{
            control: control_count
            for control in CONTROLS
            if (control_count := sum(control in host.drifted_controls for host in hosts))
        },
    }


def _list_set_aside_reasons(
    changing_hosts: Sequence[RolloutHost],
    exceeded_limits: Mapping[str, int],
    limits: RolloutLimits,
    answered_count: int,
) -> dict[str, str]:
    """The hosts that are set aside, each with why; `exceeded_limits` are the limits that the whole exceeds."""
    removal_counts = {host.name: host.removal_count for host in changing_hosts}
    return {
        name: f"set aside and left as found: it has {format_count(removal_counts[name], 'removal')}, and with it the whole is more "
        f"than proscribe_max_change allows ({_describe_limits(exceeded_limits)})"
        for name in select_set_aside(removal_counts, limits["max_change"], answered_count)
    }


def _describe_limits(exceeded_limits: Mapping[str, int]) -> str:
    return " and ".join(
        format_count(limit, "host" if part == "hosts" else "removal") for part, limit in exceeded_limits.items()
    )


def _describe_stop(
    change_counts: Mapping[str, int],
    exceeded_limits: Mapping[str, int],
    answered_count: int,
    previous_run: PreviousRun | None,
) -> str:
    by_control = ", ".join(
        f"{control} on {change_counts[control]:,}" for control in CONTROLS if control in change_counts
    )
    change_text = f"would change {format_count(change_counts['hosts'], 'host')} of the {answered_count:,} that answered ({by_control})"
    if change_counts["removals"]:
        change_text += f" and remove {format_count(change_counts['removals'], 'program')}"
    message = f"the whole {change_text}, and proscribe_max_change allows {_describe_limits(exceeded_limits)}"
    if previous_run is not None:
        message += f"; in the previous run ({previous_run.run_id}), {previous_run.compliant_count:,} of these hosts were compliant"
    return message
