"""The decision of the run that goes on, for the play that corrects.

It is made in Ansible's main process, where the hosts and the batches of that play are worked out: to fork a worker for
it costs as much as observing ten hosts. The callback `proscribe_report` lives in the same process and says what the
hosts answer. The workers of the play, in which the action `rollout` runs, are forked from it after that. What joins
them is this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...model.types.run import CompiledRun
from ..report.text.wording import summarise_names
from . import ComplianceAnswer, RolloutDecision, RolloutHost, decide_rollout, describe_stop_place, evaluate_host
from .before import read_previous_run

MAX_NAMED_HOSTS = 5  # hosts in one sentence
CHECK_MODE = "check"  # the mode of a run that only says what it would correct


class _RolloutRun:
    """A run, and what its hosts answered before one of them was changed."""

    def __init__(self, compiled_run: CompiledRun) -> None:
        self.compiled_run = compiled_run
        self.evaluated_hosts: dict[str, RolloutHost] = {}
        self.decision: RolloutDecision | None = None
        self.set_aside_hosts: set[str] = set()


_current_run: _RolloutRun | None = None


def begin_rollout(compiled_run: CompiledRun | None) -> None:
    """A run begins that corrects; `compiled_run` is what `compile_plans` said of it. None for one that corrects nothing, and
    for a playbook that begins.
    """
    global _current_run
    _current_run = None if compiled_run is None else _RolloutRun(compiled_run)


def record_host_answer(host: str, answer: ComplianceAnswer) -> None:
    """A host answered, and goes on; `answer` is the result, with a record that was checked. What a host answers once
    it is decided is how well it was corrected.
    """
    if _current_run is not None and _current_run.decision is None:
        _current_run.evaluated_hosts[host] = evaluate_host(
            host, _current_run.compiled_run["hosts"].get(host, ""), answer
        )


def record_set_aside(host: str) -> None:
    """A host was left as it is, because of its users or of another process that was changing it."""
    if _current_run is not None:
        _current_run.set_aside_hosts.add(host)


def list_set_aside_hosts() -> frozenset[str]:
    """Return the hosts that were left as they are so far."""
    return frozenset(_current_run.set_aside_hosts if _current_run is not None else ())


def get_decision() -> RolloutDecision | None:
    """What was decided of the run; None for nothing yet."""
    return None if _current_run is None else _current_run.decision


def make_decision(warn: Callable[[str], None]) -> RolloutDecision | None:
    """The decision, made now if that was not before; None where no host answered. With --check, `warn` gets what a run
    that may change would do.
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
    """The decision for hosts that answered. `compiled_run` is what `compile_plans` said of it."""
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
                f"a run without --check would stop {describe_stop_place(rollout_decision.reach)}: {rollout_decision.stop}"
            )
    if is_dry_run and rollout_decision.set_aside:
        reason = next(iter(rollout_decision.set_aside.values()))
        warn(
            f"a run without --check would leave out {summarise_names(list(rollout_decision.set_aside), MAX_NAMED_HOSTS)}: {reason}"
        )
    return rollout_decision
