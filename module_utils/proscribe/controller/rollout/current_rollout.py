"""The decision of the current run, for the play that corrects.

The decision is made in Ansible's main process, which computes the hosts and the batches of that play. A worker for the
decision would cost as much as observing ten hosts. The callback `proscribe_report` in the same process passes the
answers of the hosts. The workers of the play run the action `rollout`; Ansible forks them later. This module joins
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...model.types.run import CompiledRun
from ..report.text.wording import summarise_names
from . import ComplianceAnswer, RolloutDecision, RolloutHost, decide_rollout, describe_stop_place, evaluate_host
from .previous_run import read_previous_run

MAX_NAMED_HOSTS = 5  # hosts in a sentence
CHECK_MODE = "check"  # the mode of a run that only shows its corrections


class _RolloutRun:
    """A run, and the answers of its hosts before any of them was changed."""

    def __init__(self, compiled_run: CompiledRun) -> None:
        self.compiled_run = compiled_run
        self.evaluated_hosts: dict[str, RolloutHost] = {}
        self.decision: RolloutDecision | None = None
        self.set_aside_hosts: set[str] = set()


_current_run: _RolloutRun | None = None


def begin_rollout(compiled_run: CompiledRun | None) -> None:
    """Register the begin of a run that corrects; `compiled_run` is the result of `compile_plans`.

    None is for a run that corrects nothing, and for the begin of a playbook.
    """
    global _current_run
    _current_run = None if compiled_run is None else _RolloutRun(compiled_run)


def record_host_answer(host: str, answer: ComplianceAnswer) -> None:
    """Store the answer of a host; `answer` is the result, with a checked record.

    Answers after the decision are ignored: they show the result of the correction.
    """
    if _current_run is not None and _current_run.decision is None:
        _current_run.evaluated_hosts[host] = evaluate_host(
            host, _current_run.compiled_run["hosts"].get(host, ""), answer
        )


def record_set_aside(host: str) -> None:
    """Store that a host was left as it is, because of its users or of a process that was changing it."""
    if _current_run is not None:
        _current_run.set_aside_hosts.add(host)


def list_set_aside_hosts() -> frozenset[str]:
    """Return the hosts that were left as they are so far."""
    return frozenset(_current_run.set_aside_hosts if _current_run is not None else ())


def get_decision() -> RolloutDecision | None:
    """Return the decision of the run; None before it is made."""
    return None if _current_run is None else _current_run.decision


def make_decision(warn: Callable[[str], None]) -> RolloutDecision | None:
    """Return the decision, made now if necessary; None if no host answered.

    With --check, `warn` gets the limits that a real run would reach.
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
    """Decide the rollout for the hosts that answered. `compiled_run` is the result of `compile_plans`."""
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
