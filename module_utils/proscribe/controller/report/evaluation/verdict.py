"""The end of a run as an exit code, from its evaluation and from the gates of its hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, GATES, NONCOMPLIANT, UNKNOWN
from ....model.types.record import HostRecord
from ....model.types.report import ReportVerdict
from ..text.wording import clean_text, format_count, summarise_names
from .arithmetic import is_covered
from .baseline import BaselineDeviation

ANSIBLE_EXIT = "ansible"  # the run ends with Ansible's own exit code
NONCOMPLIANT_EXIT = "10"
INCOMPLETE_EXIT = "11"
NOTHING_EXIT = "12"
STOPPED_EXIT = "13"
INTERRUPTED_EXIT = "14"
MISTAKE_EXIT = "2"  # a host failed (Ansible's own code), or the call of a command was wrong
BROKEN_EXIT = "250"  # Ansible's own code for an unexpected error: the report itself failed
# If several exit codes apply, the first in this order counts.
EXITS_BY_PRIORITY = (
    BROKEN_EXIT,
    INTERRUPTED_EXIT,
    NOTHING_EXIT,
    STOPPED_EXIT,
    NONCOMPLIANT_EXIT,
    INCOMPLETE_EXIT,
    MISTAKE_EXIT,
)


class RunVerdict(NamedTuple):
    """The exit code of a run (or ANSIBLE_EXIT), and its reason in words for the terminal."""

    exit_code: str
    reason: str = ""

    def make_report_verdict(self, gate_levels: Iterable[str], is_compared: bool, ansible_failed: bool) -> ReportVerdict:
        """Return the verdict as report.json has it.

        `gate_levels` are the gates of the hosts. `gate` in the result is the strictest of them, or None without a gate.
        If the run `is_compared` with a baseline, the gate is at least `noncompliant`.
        """
        gate = select_strictest_gate(gate_levels)
        if is_compared and gate == "never":
            gate = "noncompliant"
        has_failed = ansible_failed or self.exit_code == MISTAKE_EXIT
        # Without a gate, failed hosts do not count. An exit code besides these two means that the run has not passed.
        return {
            "gate": None if gate == "never" else gate,
            "passed": self.exit_code in (ANSIBLE_EXIT, MISTAKE_EXIT) and (gate == "never" or not has_failed),
            "exit": None if self.exit_code == ANSIBLE_EXIT else int(self.exit_code),
            "reason": self.reason or None,
        }


def select_strictest_gate(gate_levels: Iterable[str]) -> str:
    """Return the strictest of the hosts' compliance gates; `never` if there is none.

    An unknown gate counts as the strictest.
    """
    order = list(GATES)
    return max(gate_levels, key=lambda gate: order.index(gate) if gate in order else len(order), default=order[0])


def judge_run(
    records: Sequence[HostRecord], gate_levels: Iterable[str], ansible_failed: bool, not_served: int = 0
) -> RunVerdict:
    """Return the verdict on a run that observed hosts, by its reconciled records and the gates of its hosts.

    `ansible_failed`: Ansible itself ends with an error (a host failed or was unreachable, and no task ignored it).
    `not_served` is the number of hosts that Proscribe cannot observe because of their kind.
    """
    gate = select_strictest_gate(gate_levels)
    states = {record["state"] for record in records}
    is_any_covered = any(map(is_covered, records))
    if not records:
        explanation = (
            f"{format_count(not_served, 'host')} not served, and there is no other"
            if not_served
            else "no host was selected"
        )
        return RunVerdict(NOTHING_EXIT, f"nothing was evaluated: {explanation}")
    if not is_any_covered and not ansible_failed:
        return RunVerdict(NOTHING_EXIT, "nothing was evaluated: no host answered for a single rule")
    if gate != "never" and states & {ERROR, NONCOMPLIANT}:
        return RunVerdict(NONCOMPLIANT_EXIT, f"the compliance gate ({gate}) is not met: hosts are noncompliant")
    # the gate is `incomplete`, or an unknown gate
    if gate not in ("never", "noncompliant") and (UNKNOWN in states or not all(map(is_covered, records))):
        return RunVerdict(INCOMPLETE_EXIT, f"the compliance gate ({gate}) is not met: hosts are unknown")
    if gate not in ("never", "noncompliant") and not_served:
        reason = f"{format_count(not_served, 'host')} not served: leave them out by proscribe_hosts, if that is meant"
        return RunVerdict(INCOMPLETE_EXIT, f"the compliance gate ({gate}) is not met: {reason}")
    return _judge_failed_hosts([record["host"] for record in records if record["state"] == ERROR], ansible_failed)


def _judge_failed_hosts(hosts: Sequence[str], ansible_failed: bool) -> RunVerdict:
    """Return the verdict on the failed hosts of a run, if nothing worse decides.

    Ansible's own exit code is enough if Ansible knows of a failure: a failed task. It does not know of an error in a
    host's record. `hosts` are the failed hosts.
    """
    if not hosts or ansible_failed:
        return RunVerdict(ANSIBLE_EXIT)
    return RunVerdict(
        MISTAKE_EXIT,
        f"{format_count(len(hosts), 'host')} failed: {summarise_names([clean_text(host) for host in hosts], 5)}",
    )


def judge_new_problems(
    records: Sequence[HostRecord],
    gate_levels: Iterable[str],
    ansible_failed: bool,
    deviations: Sequence[BaselineDeviation],
    not_served: int = 0,
) -> RunVerdict:
    """Return the verdict on a run that is compared with an earlier run, the baseline.

    Only `deviations`, the defects that the baseline lacks, count for the gate. The gate is at least `noncompliant`,
    because a comparison requires a verdict.
    """
    # without a gate, the verdict is only on runs that evaluated nothing, and on failed hosts
    ungated_verdict = judge_run(records, (), ansible_failed, not_served)
    if ungated_verdict.exit_code not in (ANSIBLE_EXIT, MISTAKE_EXIT):
        return ungated_verdict
    gate = select_strictest_gate(gate_levels)
    if noncompliant := [deviation for deviation in deviations if deviation.state in (ERROR, NONCOMPLIANT)]:
        return RunVerdict(NONCOMPLIANT_EXIT, f"not there in the baseline: {_describe_deviations(noncompliant)}")
    if gate not in ("never", "noncompliant") and deviations:
        return RunVerdict(INCOMPLETE_EXIT, f"not unknown in the baseline: {_describe_deviations(deviations)}")
    # a host whose error the baseline had too is accepted, as are all defects of the baseline
    return RunVerdict(ANSIBLE_EXIT)


def judge_stopped_run(decided_verdict: RunVerdict, reason: str, not_reached: int) -> RunVerdict:
    """Return the verdict on a run that was stopped before it reached every host that needs correction.

    `decided_verdict` is the verdict so far. It stays if it is more important than the stop.
    """
    if decided_verdict.exit_code in (BROKEN_EXIT, NOTHING_EXIT):
        return decided_verdict
    left_text = f"{format_count(not_reached, 'host')} left as found"
    return RunVerdict(STOPPED_EXIT, f"{clean_text(reason)}; {left_text}")


def judge_set_aside_hosts(decided_verdict: RunVerdict, hosts: Sequence[str]) -> RunVerdict:
    """Return the verdict on a run that left `hosts` uncorrected, so that the others could be corrected."""
    return (
        decided_verdict
        if decided_verdict.exit_code in (BROKEN_EXIT, NOTHING_EXIT)
        else RunVerdict(STOPPED_EXIT, describe_set_aside_hosts(hosts))
    )


def describe_set_aside_hosts(hosts: Sequence[str]) -> str:
    """Describe the hosts that the run left uncorrected because of the limit proscribe_max_change."""
    return (
        f"{summarise_names(hosts, 5)} set aside and left as found: the whole would be more than "
        f"proscribe_max_change allows"
    )


def judge_interrupted_run(reason: str) -> RunVerdict:
    """Return the verdict on a run that was interrupted. The results before the interruption do not count."""
    return RunVerdict(INTERRUPTED_EXIT, f"the run was interrupted: {clean_text(reason)}")


def _describe_deviations(deviations: Sequence[BaselineDeviation]) -> str:
    """Describe the first defects with host, rule and evidence, and count the others."""
    return summarise_names(
        [
            clean_text(" ".join(part for part in (deviation.host, deviation.rule, deviation.what) if part))
            for deviation in deviations
        ],
        5,
    )


def judge_lift_run(expected_hosts: Collection[str], lifted_hosts: Collection[str], ansible_failed: bool) -> RunVerdict:
    """Return the verdict on a run that removed the ban from hosts (a lift)."""
    if lifted_hosts or ansible_failed:
        return _judge_failed_hosts([host for host in expected_hosts if host not in lifted_hosts], ansible_failed)
    return RunVerdict(NOTHING_EXIT, "nothing was lifted: no host was " + ("reached" if expected_hosts else "selected"))


def judge_quarantine_run(
    expected_count: int, answered_count: int, ansible_failed: bool, broken_count: int = 0
) -> RunVerdict:
    """Return the verdict on a run that lists or changes the quarantines of hosts.

    `answered_count` of the `expected_count` hosts listed their quarantine. `broken_count` is the number of entries that
    cannot be read.
    """
    if broken_count:
        entries = "1 entry" if broken_count == 1 else f"{broken_count:,} entries"
        return RunVerdict(MISTAKE_EXIT, f"{entries} of the quarantine cannot be read; look into it on the host")
    if answered_count or ansible_failed:
        return RunVerdict(ANSIBLE_EXIT)
    return RunVerdict(
        NOTHING_EXIT, "no quarantine was read: no host " + ("answered" if expected_count else "was selected")
    )


def select_worst_exit(exits: Iterable[str]) -> str:
    """Return the exit code of a playbook with several runs: the first of EXITS_BY_PRIORITY that a run has."""
    present_exits = set(exits)
    return next((code for code in EXITS_BY_PRIORITY if code in present_exits), ANSIBLE_EXIT)
