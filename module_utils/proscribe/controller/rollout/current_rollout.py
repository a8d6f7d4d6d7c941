"""The rollout decision of the current run: the hosts that the correcting play changes, and their batches.

The decision is made in Ansible's main process, which computes the hosts and the batches of that play. A worker process
for the decision would cost as much as observing ten hosts. The callback plugin `proscribe_report`, in the same process,
passes the answers of the hosts to this module. The action plugin `rollout` runs in the workers of the play. Ansible
forks the workers later, so they have the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ...model.finding import COMPLIANT, NOT_APPLICABLE, REPAIRED, WAIVED
from ...model.types.run import CompiledRun
from ..report.storage.report_reader import UnknownRun, UnreadableReport, find_run, read_records
from ..report.text.wording import summarise_names
from . import (
    ComplianceAnswer,
    PreviousRun,
    RolloutDecision,
    RolloutHost,
    decide_rollout,
    describe_stop_place,
    evaluate_host,
)

MAX_NAMED_HOSTS = 5  # most hosts that a warning names
CHECK_MODE = "check"  # mode of a run with --check, which changes nothing and only shows the corrections
_COMPLIANT_STATES = (WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE)


class _RolloutRun:
    """A run that corrects hosts, with the answers that the hosts gave before any host was changed."""

    def __init__(self, compiled_run: CompiledRun) -> None:
        self.compiled_run = compiled_run
        self.evaluated_hosts: dict[str, RolloutHost] = {}
        self.decision: RolloutDecision | None = None
        self.set_aside_hosts: set[str] = set()


_current_run: _RolloutRun | None = None


def begin_rollout(compiled_run: CompiledRun | None) -> None:
    """Register the start of a run that corrects; `compiled_run` is the result of `compile_plans`.

    `compiled_run` is None at the start of a playbook, and for a run that corrects nothing. Then there is no rollout.
    """
    global _current_run
    _current_run = None if compiled_run is None else _RolloutRun(compiled_run)


def record_host_answer(host: str, answer: ComplianceAnswer) -> None:
    """Store a host's answer to the observation, with a checked host record.

    Answers after the rollout decision are ignored: they show the result of the correction.
    """
    if _current_run is not None and _current_run.decision is None:
        _current_run.evaluated_hosts[host] = evaluate_host(
            host, _current_run.compiled_run["hosts"].get(host, ""), answer
        )


def record_set_aside(host: str) -> None:
    """Store that a host is set aside (left unchanged).

    The reason is its users, or another process that was changing the host.
    """
    if _current_run is not None:
        _current_run.set_aside_hosts.add(host)


def list_set_aside_hosts() -> frozenset[str]:
    """Return the hosts that were set aside (left unchanged) in this run so far."""
    return frozenset(_current_run.set_aside_hosts if _current_run is not None else ())


def get_decision() -> RolloutDecision | None:
    """Return the rollout decision of the run; None if it is not yet made."""
    return None if _current_run is None else _current_run.decision


def make_decision(warn: Callable[[str], None]) -> RolloutDecision | None:
    """Return the rollout decision of the run, and make it if that is not done yet; None if no host answered.

    With --check, `warn` is called with the limits at which a run without --check would stop.
    """
    if _current_run is not None and _current_run.decision is None and _current_run.evaluated_hosts:
        fleet = [
            _current_run.evaluated_hosts[name]
            for name in _current_run.compiled_run["hosts"]
            if name in _current_run.evaluated_hosts
        ]
        _current_run.decision = decide_for_fleet(
            fleet, _current_run.compiled_run, _current_run.compiled_run["mode"] == CHECK_MODE, warn
        )
    return get_decision()


def decide_for_fleet(
    fleet: Sequence[RolloutHost], compiled_run: CompiledRun, is_dry_run: bool, warn: Callable[[str], None]
) -> RolloutDecision:
    """Decide the rollout for the hosts that answered. `compiled_run` is the result of `compile_plans`.

    If the run must stop, the decision is made twice. The second time, its message also compares the hosts with the
    previous run. With `is_dry_run`, `warn` is called with the limits at which a real run would stop.
    """
    rollout_decision = decide_rollout(fleet, compiled_run["rollout"], is_dry_run)
    if rollout_decision.stop:
        rollout_decision = decide_rollout(
            fleet,
            compiled_run["rollout"],
            is_dry_run,
            read_previous_run(Path(compiled_run["directory"]).parent, rollout_decision.hosts),
        )
        if is_dry_run:
            warn(
                f"a run without --check would stop {describe_stop_place(rollout_decision.reach)}: "
                f"{rollout_decision.stop}"
            )
    if is_dry_run and rollout_decision.set_aside:
        reason = next(iter(rollout_decision.set_aside.values()))
        warn(
            f"a run without --check would leave out "
            f"{summarise_names(list(rollout_decision.set_aside), MAX_NAMED_HOSTS)}: {reason}"
        )
    return rollout_decision


def read_previous_run(reports_directory: Path, hosts: Collection[str]) -> PreviousRun | None:
    """Return the id of the newest complete run, and how many of these hosts were compliant in it.

    `reports_directory` has a directory for each run. Returns None if no report can be read.
    """
    try:
        directory = find_run(reports_directory)
        states = {record["host"]: record.get("state") for record in read_records(directory)}
    except (UnknownRun, UnreadableReport, OSError):
        return None
    return PreviousRun(directory.name, sum(states.get(host) in _COMPLIANT_STATES for host in hosts))
