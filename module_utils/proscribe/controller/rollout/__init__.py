"""The rollout of corrections: the hosts to correct, their order and batches, and the reasons to stop a run.

Everything is decided from the observations, before the first host is changed. Pure; controller only.
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

# Kind of the findings that count as removals of programs. A process does not count, because it is only ended.
REMOVED_KIND = "package"


class ComplianceAnswer(TypedDict):
    """The answer of `compliance_state` for an observed host, as far as the decision needs it."""

    record: ObservedRecord
    drifted: list[str]


class RolloutHost(NamedTuple):
    """The result of the first observation of a host, as far as the rollout depends on it."""

    name: str
    plan: str  # digest of the plan that the host received
    drifted_controls: tuple[str, ...]  # controls that would be corrected
    removal_count: int  # number of programs that the correction would remove


class PreviousRun(NamedTuple):
    """The previous run: its id, and the number of its compliant hosts among those that would be changed now."""

    run_id: str
    compliant_count: int


def evaluate_host(name: str, plan: str, answer: ComplianceAnswer) -> RolloutHost:
    """Return the controls to correct and the number of removals on a host, by its answer to the observation.

    `plan` is the digest of the plan that the host received.
    """
    record, drifted_controls = answer["record"], tuple(answer["drifted"])
    removed_programs: list[tuple[str, str]] = []  # rule, and scope of the finding: a user, or "" for the host
    if "apps" in drifted_controls:
        for rule in record["rules"]:
            if rule["state"] == NONCOMPLIANT and rule["rule"].startswith("apps/"):
                removed_programs += [
                    (rule["rule"], finding.get("scope") or "")
                    for finding in rule["findings"]
                    if finding["kind"] == REMOVED_KIND
                ]
    # A user may install any number of programs, and must not be able to stop the rollout. So the programs of a user
    # count once for each rule.
    user_programs = {removed_program for removed_program in removed_programs if removed_program[1].startswith("user:")}
    host_programs = [removed_program for removed_program in removed_programs if removed_program not in user_programs]
    return RolloutHost(name, plan, drifted_controls, len(host_programs) + len(user_programs))


class RolloutDecision(NamedTuple):
    """The decision of a run about its rollout. `hosts` are the hosts to correct, in this order."""

    hosts: tuple[str, ...]
    batches: tuple[int, ...]  # numbers of hosts
    reach: int  # the run stops after so many corrected hosts; the number of all hosts if it need not stop
    changes: Mapping[str, int]  # numbers of all changes: hosts, removals, and hosts by control
    stop: str  # why the run stops, for the message of `find_objection`; "" if it does not
    max_failures: str  # share of the hosts tried so far that may fail
    # Values of proscribe_max_change (keys: hosts, removals) that would allow all changes; empty if the present ones do.
    allow: Mapping[str, int | str]
    set_aside: Mapping[str, str]  # hosts that a real run leaves as they are: host -> reason


def decide_rollout(
    fleet: Sequence[RolloutHost],
    limits: RolloutLimits,
    is_dry_run: bool = False,
    previous_run: PreviousRun | None = None,
) -> RolloutDecision:
    """Decide the rollout for the hosts that answered.

    `limits` are as `limits.py` reads them. If the changes exceed proscribe_max_change, the run stops after its first
    batch. If already that batch exceeds the limits, the run stops before any change. A dry run (`is_dry_run`) changes
    nothing, so all its hosts are a single batch. Its other decisions are those of a real run. `previous_run` is only
    for the text.
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
        # A single batch is split, so that the run can stop after a first part.
        if len(sizes_of_batches) == 1:
            sizes_of_batches = [1, len(ordered_hosts) - 1] if len(ordered_hosts) > 1 else [1]
        canary_counts = _count_changes(ordered_hosts[: sizes_of_batches[0]])
        # The first batch (canary) is only corrected if it alone exceeds no limit.
        is_within_limits = all(canary_counts[part] <= limit for part, limit in exceeded_limits.items())
        host_limit = sizes_of_batches[0] if is_within_limits else 0
        # If no limit is exceeded, the run stops because a host is set aside and no host may fail. Then the text has the
        # counts of all hosts.
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
    """Describe why the batch that begins with `first_host` must not begin; "" if it may.

    `successful_hosts` have not failed so far. `set_aside_hosts` were left unchanged, and did not try the change. The
    first batch with a host that tried the change is the canary.
    """
    done_count = decision.hosts.index(first_host)
    if done_count >= decision.reach:
        return f"stopped {describe_stop_place(done_count)}: {decision.stop}"
    begun_hosts = list(decision.hosts[:done_count])
    spared_hosts = [host for host in begun_hosts if host in set_aside_hosts and host in successful_hosts]
    # Only so many hosts may be set aside. Each further one counts as tried, and as failed.
    spared_hosts = spared_hosts[: count_allowed_set_aside(decision.max_failures, len(decision.hosts))]
    tried_hosts = [host for host in begun_hosts if host not in spared_hosts]
    failed_count = sum(host not in successful_hosts or host in set_aside_hosts for host in tried_hosts)
    # Number of hosts before the batch that ended last. If none of them tried the change, that batch is the canary.
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
    """Describe where a run stops: after the `done_count` hosts of the first batch, or before any change if it is 0."""
    return f"after the canary batch ({format_count(done_count, 'host')})" if done_count else "before any change"


def _order_hosts(hosts: Sequence[RolloutHost]) -> list[RolloutHost]:
    """Order hosts so that the first batches try every plan.

    Hosts of the same plan come in pairs. So the results show whether a single host fails, or a plan.
    """
    hosts_by_plan: dict[str, list[RolloutHost]] = {}
    for host in hosts:
        hosts_by_plan.setdefault(host.plan, []).append(host)
    # The most common plan comes first, because the first batch (canary) should represent most hosts.
    pairs_by_plan = [_pair_hosts(plan_hosts) for plan_hosts in sorted(hosts_by_plan.values(), key=len, reverse=True)]
    return [host for pairs in itertools.zip_longest(*pairs_by_plan, fillvalue=[]) for pair in pairs for host in pair]


def _pair_hosts(hosts: Sequence[RolloutHost]) -> list[Sequence[RolloutHost]]:
    """Split hosts into pairs, in order; the last pair may have a single host."""
    return [hosts[index : index + 2] for index in range(0, len(hosts), 2)]


def _count_changes(hosts: Sequence[RolloutHost]) -> dict[str, int]:
    """Count the changes if these hosts are corrected: `hosts`, `removals` (of programs), and hosts by control."""
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
    """Return the hosts that are set aside (not corrected) because of their many removals: host -> reason.

    `exceeded_limits` are the limits of proscribe_max_change that all hosts together exceed. `answered_count` is the
    number of hosts that answered.
    """
    removal_counts = {host.name: host.removal_count for host in changing_hosts}
    return {
        name: f"set aside and left as found: it has {format_count(removal_counts[name], 'removal')}, and with it the "
        f"whole is more "
        f"than proscribe_max_change allows ({_describe_limits(exceeded_limits)})"
        for name in select_set_aside(removal_counts, limits["max_change"], answered_count)
    }


def _describe_limits(exceeded_limits: Mapping[str, int]) -> str:
    """Return the exceeded limits as text, such as `10 hosts and 200 removals`."""
    return " and ".join(
        format_count(limit, "host" if part == "hosts" else "removal") for part, limit in exceeded_limits.items()
    )


def _describe_stop(
    change_counts: Mapping[str, int],
    exceeded_limits: Mapping[str, int],
    answered_count: int,
    previous_run: PreviousRun | None,
) -> str:
    """Describe why a run stops: the changes that it would make, and the limits that they exceed.

    `answered_count` is the number of hosts that answered. With `previous_run`, the text has the number of these hosts
    that were compliant in that run.
    """
    by_control = ", ".join(
        f"{control} on {change_counts[control]:,}" for control in CONTROLS if control in change_counts
    )
    change_text = (
        f"would change {format_count(change_counts['hosts'], 'host')} of the {answered_count:,} that "
        f"answered ({by_control})"
    )
    if change_counts["removals"]:
        change_text += f" and remove {format_count(change_counts['removals'], 'program')}"
    message = f"the whole {change_text}, and proscribe_max_change allows {_describe_limits(exceeded_limits)}"
    if previous_run is not None:
        message += (
            f"; in the previous run ({previous_run.run_id}), {previous_run.compliant_count:,} of these hosts "
            f"were compliant"
        )
    return message
