"""Correction of one drifted control by the host's watcher, as a run does, but with fewer removals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterable

from ..controls.base import Changes, ControlAction
from ..controls.change_execution import ChangesFailedError, apply_changes
from ..system import Host, format_one_line

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.plan import Plan
    from ...model.types.watch import UncorrectedControl
    from ..controls.base import ChangeResult

    Change = Callable[..., ChangeAnswer]

MAX_REMOVALS = 25  # most packages that one correction removes for the host, and for each user
MAX_REASON_LENGTH = 300  # characters of a reason in the stored entry
MAX_NAMED_USERS = 20  # users of a control that are named; the others are counted
LOAD_TIMEOUT_SECONDS = 20.0  # for a new firewall table to be loaded


def correct_control(
    host: Host, plan: Plan, name: str, change: Change, doing: Callable[[Changes], ChangeResult]
) -> ChangeAnswer:
    """Correct the control `name` as a run does, by calling `change` (host_operations.change).

    Returns the result of `change`. `doing` carries out all changes except those of the firewall. Raises ControlError,
    ObservationError and ValueError.
    """
    if name == "firewall":
        return _correct_firewall(host, plan, change)
    return change(host, plan, name, doing=doing)


class LimitedChanges:
    """Function that applies the changes of a control, but never removes more than MAX_REMOVALS packages of one owner.

    An owner is the host or one user. From an owner who would lose more, no package is removed: the cause may be a
    mistake in the policy. The owners are separate, so the many packages of one owner block no correction of another.
    `unchanged` has the actions that were not done for users, with the reasons. After users' tools have run, `unchanged`
    also has what these tools left.
    """

    def __init__(self) -> None:
        self.unchanged: list[tuple[ControlAction, str]] = []

    def __call__(self, changes: Changes) -> ChangeResult:
        """Carry out changes within the limit for removals.

        Raises ChangesFailedError as `apply_changes` does. After all other changes, ChangesFailedError is also raised if
        the host itself would lose too many packages.
        """
        counts: dict[str, int] = {}  # packages that would be removed, by user; "" stands for the host
        for action in filter(_is_removal, changes.actions):
            # `before` has a line for each package that the action removes
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
    """Return what was not corrected in a control, as one entry for each user, with the first reason.

    `unchanged` are the actions that were not done, with the reasons. After MAX_NAMED_USERS users, one last entry has
    the number of the others.
    """
    reasons: dict[str, str] = {}
    for action, reason in unchanged:
        reasons.setdefault(action.user, reason)
    uncorrected = [make_uncorrected(control, user, reason) for user, reason in list(reasons.items())[:MAX_NAMED_USERS]]
    if len(reasons) > MAX_NAMED_USERS:
        uncorrected.append(make_uncorrected(control, "", f"and {len(reasons) - MAX_NAMED_USERS:,} more users"))
    return uncorrected


def make_uncorrected(control: str, user: str, reason: str) -> UncorrectedControl:
    """Return the entry for an uncorrected part of a control; `user` is "" for a part of the host itself."""
    return {"control": control, "user": user, "reason": format_one_line(reason)[:MAX_REASON_LENGTH]}


def _correct_firewall(host: Host, plan: Plan, change: Change) -> ChangeAnswer:
    """Correct the firewall, and return the result of `change`, or of the confirmation of a new table.

    A table that was confirmed before is loaded immediately. Another table is tried out as in a run, with a timer that
    restores the old table. No controller reconnects, so only the host itself confirms the new table. The host must
    still reach the gateways and resolvers that it reached before.
    """
    from ..controls.firewall import change_trial, program
    from ..system.forked_work import WorkLimits, run_apart

    def try_candidate() -> ChangeAnswer:
        return change(host, plan, "firewall", doing=change_trial.make_trial_application(host, plan))

    # A new table is loaded only after the process that began its trial has ended. So a separate process begins the
    # trial.
    answer: ChangeAnswer = run_apart(
        lambda: change_trial.run_without_pending_change(host, try_candidate), WorkLimits(seconds=600, memory=0)
    )
    # the trial of a new table that waits for its confirmation
    pending = answer.pop("pending", None)
    if not pending or isinstance(pending, str):
        return answer
    token = pending["token"]
    deadline = time.monotonic() + LOAD_TIMEOUT_SECONDS
    names = [f"{program.CHANGE_DIRECTORY}/{outcome}-{token}" for outcome in ("loaded", "failed")]
    while not any(map(host.find_entry, names)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return change_trial.confirm_trial(host, token)
