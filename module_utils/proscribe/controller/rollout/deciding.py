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
from ..report.text.wording import some
from . import Answer, Decision, Seen, decide, seen, where
from .before import run_before

MOST_NAMED = 5  # hosts in one sentence
CHECK = "check"  # the mode of a run that only says what it would correct


class _Run:
    """A run, and what its hosts answered before one of them was changed."""

    def __init__(self, run: CompiledRun) -> None:
        self.run = run
        self.answers: dict[str, Seen] = {}
        self.decision: Decision | None = None
        self.aside: set[str] = set()


_now: _Run | None = None


def begins(run: CompiledRun | None) -> None:
    """A run begins that corrects; `run` is what `compile_plans` said of it. None for one that corrects nothing, and
    for a playbook that begins.
    """
    global _now
    _now = None if run is None else _Run(run)


def answered(host: str, observed: Answer) -> None:
    """A host answered, and goes on; `observed` is the result, with a record that was checked. What a host answers once
    it is decided is how well it was corrected.
    """
    if _now is not None and _now.decision is None:
        _now.answers[host] = seen(host, _now.run["hosts"].get(host, ""), observed)


def set_aside(host: str) -> None:
    """A host was left as it is, because of its users or of another process that was changing it."""
    if _now is not None:
        _now.aside.add(host)


def hosts_set_aside() -> frozenset[str]:
    """Return the hosts that were left as they are so far."""
    return frozenset(_now.aside if _now is not None else ())


def decided() -> Decision | None:
    """What was decided of the run; None for nothing yet."""
    return None if _now is None else _now.decision


def decision(warn: Callable[[str], None]) -> Decision | None:
    """The decision, made now if that was not before; None where no host answered. With --check, `warn` gets what a run
    that may change would do.
    """
    if _now is not None and _now.decision is None and _now.answers:
        fleet = [_now.answers[name] for name in _now.run["hosts"] if name in _now.answers]
        _now.decision = decision_on(fleet, _now.run, _now.run["mode"] == CHECK, warn)
    return decided()


def decision_on(fleet: Sequence[Seen], run: CompiledRun, dry: bool, warn: Callable[[str], None]) -> Decision:
    """The decision for hosts that answered. `run` is what `compile_plans` said of it."""
    made = decide(fleet, run["rollout"], dry)
    if made.stop:
        made = decide(fleet, run["rollout"], dry, run_before(Path(run["directory"]).parent, made.hosts))
        if dry:
            warn(f"a run without --check would stop {where(made.reach)}: {made.stop}")
    if dry and made.set_aside:
        why = next(iter(made.set_aside.values()))
        warn(f"a run without --check would leave out {some(list(made.set_aside), MOST_NAMED)}: {why}")
    return made
