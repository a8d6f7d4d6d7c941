"""Correction of one control by the host itself, as a run does it, within the limits of the host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterable

from ..controls.applying import ChangesFailedError, apply_changes
from ..controls.base import Changes, ControlAction
from ..system import Host, format_one_line

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.plan import Plan
    from ...model.types.watch import UncorrectedControl
    from ..controls.base import ChangeResult

    Change = Callable[..., ChangeAnswer]

MAX_REMOVALS = 25  # packages of the host, and of each user, that one observation removes
MAX_REASON_LENGTH = 300  # characters of a reason
MAX_NAMED_USERS = 20  # users of a control that are named
LOAD_TIMEOUT_SECONDS = 20.0  # seconds for a new table of the firewall to be loaded


def correct_control(
    host: Host, plan: Plan, name: str, change: Change, doing: Callable[[Changes], ChangeResult]
) -> ChangeAnswer:
    """Correct one control as a run does; the result of run.change. `doing` carries changes out, but not those of the
    firewall. Raises ControlError, Unseen and ValueError.
    """
    if name == "firewall":
        return _correct_firewall(host, plan, change)
    return change(host, plan, name, doing=doing)


class LimitedChanges:
    """Carries changes out, but no removals of an owner who would lose more packages than one observation removes.

    The host and each user are owners of their own: the many packages of one keep no other from being corrected. Of such
    an owner all packages stay, since a mistake of the policy may be why there are so many. `unchanged` has what was not
    changed of users' things, with the reasons. What users' tools leave is added to it when they have run.
    """

    def __init__(self) -> None:
        self.unchanged: list[tuple[ControlAction, str]] = []

    def __call__(self, changes: Changes) -> ChangeResult:
        """Carry changes out within the limit. Raises ChangesFailedError as `apply_changes` does, and for the host's own packages
        once everything else is done.
        """
        counts: dict[str, int] = {}
        for action in filter(_is_removal, changes.actions):
            counts[action.user] = counts.get(action.user, 0) + (len(action.before.splitlines()) or 1)
        large_users = {user for user, count in counts.items() if count > MAX_REMOVALS}
        unchanged_actions = [action for action in changes.actions if _is_removal(action) and action.user in large_users]
        unchanged_ids = set(map(id, unchanged_actions))
        self.unchanged += [(action, _explain_removal_limit(action.user)) for action in unchanged_actions if action.user]
        failures = []
        try:
            carried = apply_changes(
                changes._replace(actions=[action for action in changes.actions if id(action) not in unchanged_ids])
            )
        except ChangesFailedError as error:
            carried = error.result
            failures.append(str(error))
        self.unchanged += carried["left"]
        carried["left"] = self.unchanged
        if "" in large_users:
            failures.append(
                f"{counts['']} packages of the host would be removed, and the watch removes at most {MAX_REMOVALS} at"
                " once: the next run of the controller decides"
            )
        if failures:
            raise ChangesFailedError("; ".join(failures), carried)
        return carried


def _is_removal(action: ControlAction) -> bool:
    return action.verb == "remove"


def _explain_removal_limit(user: str) -> str:
    return (
        f"the watch removes at most {MAX_REMOVALS} packages of one user at once, and {user} has more: the next run of"
        " the controller removes them"
    )


def list_uncorrected_by_user(control: str, unchanged: Iterable[tuple[ControlAction, str]]) -> list[UncorrectedControl]:
    """Return why changes of users' things were not made: the first reason of each user, and the number of users that
    are not named.
    """
    reasons: dict[str, str] = {}
    for action, reason in unchanged:
        reasons.setdefault(action.user, reason)
    uncorrected = [make_uncorrected(control, user, reason) for user, reason in list(reasons.items())[:MAX_NAMED_USERS]]
    if len(reasons) > MAX_NAMED_USERS:
        uncorrected.append(make_uncorrected(control, "", f"and {len(reasons) - MAX_NAMED_USERS:,} more users"))
    return uncorrected


def make_uncorrected(control: str, user: str, reason: str) -> UncorrectedControl:
    """Describe what was not corrected of a control; `user` is "" for what is the host's."""
    return {"control": control, "user": user, "reason": format_one_line(reason)[:MAX_REASON_LENGTH]}


def _correct_firewall(host: Host, plan: Plan, change: Change) -> ChangeAnswer:
    """Correct the firewall. A table that was confirmed before is loaded at once. Another one is tried out as a run does
    it, with the timer that takes it back. No controller connects anew, so only what the host can see by itself confirms
    it: it still reaches the gateways and resolvers that it reached before.
    """
    from ..controls.firewall import confirm, program
    from ..system.forked import WorkLimits, run_apart

    def try_candidate() -> ChangeAnswer:
        return change(host, plan, "firewall", doing=confirm.make_trial_application(host, plan))

    # The candidate is loaded once the process that began it has ended, so that is not this one.
    answer: ChangeAnswer = run_apart(
        lambda: confirm.run_without_pending_change(host, try_candidate), WorkLimits(seconds=600, memory=0)
    )
    pending = answer.pop("pending", None)
    if not pending or isinstance(pending, str):
        return answer
    token = pending["token"]
    deadline = time.monotonic() + LOAD_TIMEOUT_SECONDS
    names = [f"{program.CHANGE_DIRECTORY}/{outcome}-{token}" for outcome in ("loaded", "failed")]
    while not any(map(host.find_entry, names)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return confirm.confirm_trial(host, token)
