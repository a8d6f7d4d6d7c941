"""Correction of one control by the host itself, as a run does it, within the limits of the host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from ..controls.applying import carry_out
from ..controls.base import Changes
from ..system import ControlError, Host

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.plan import Plan
    from ..controls.base import Carried

    Change = Callable[..., ChangeAnswer]

MOST_REMOVALS = 25  # packages that one observation removes
LOAD_TIME = 20.0  # seconds for a new table of the firewall to be loaded


def correct_control(host: Host, plan: Plan, name: str, change: Change) -> ChangeAnswer:
    """Correct one control as a run does; the result of run.change. Raises ControlError, Unseen and ValueError."""
    if name == "firewall":
        return _correct_firewall(host, plan, change)
    return change(host, plan, name, doing=carry_out_limited)


def carry_out_limited(changes: Changes) -> Carried:
    """Carry changes out, but none of those that would remove very many packages. Raises ControlError."""
    removed = sum(len(one.before.splitlines()) or 1 for one in changes.actions if one.verb == "remove")
    if removed > MOST_REMOVALS:
        raise ControlError(
            f"{removed} packages would be removed, and the watch removes at most {MOST_REMOVALS} at once: the next run"
            " of the controller decides"
        )
    return carry_out(changes)


def _correct_firewall(host: Host, plan: Plan, change: Change) -> ChangeAnswer:
    """Correct the firewall. A table that was confirmed before is loaded at once. Another one is tried out as a run does
    it, with the timer that takes it back. No controller connects anew, so only what the host can see by itself confirms
    it: it still reaches the gateways and resolvers that it reached before.
    """
    from ..controls.firewall import confirm, program
    from ..system.forked import Limits, run_apart

    def tried() -> ChangeAnswer:
        return change(host, plan, "firewall", doing=confirm.trying(host, plan))

    # The candidate is loaded once the process that began it has ended, so that is not this one.
    done: ChangeAnswer = run_apart(lambda: confirm.in_turn(host, tried), Limits(seconds=600, memory=0))
    pending = done.pop("pending", None)
    if not pending or isinstance(pending, str):
        return done
    token = pending["token"]
    end = time.monotonic() + LOAD_TIME
    names = [f"{program.RUN}/{outcome}-{token}" for outcome in ("loaded", "failed")]
    while not any(map(host.stat, names)) and time.monotonic() < end:
        time.sleep(0.2)
    return confirm.keep(host, token)
