"""Execution of the changes of a control, in their order, with the results."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ...model.finding import MAX_FINDINGS, Finding
from ..system import ControlError, ObservationError
from .base import ChangeRefusal, Changes, ControlAction, make_diffs

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from .base import ChangeResult

CHANGE_FAILED = "could not be changed"
# Limits for the changes of one user, and of all users together. Together they stay below 300 s, the time that other
# runs wait for the lock of the host.
USER_TIMEOUT_SECONDS = 60.0
ALL_USERS_TIMEOUT_SECONDS = 200.0


class ChangesFailedError(ControlError):
    """Error for a control whose changes failed. `result` has the actions that succeeded.

    A failed change of a user's files is not such an error.
    """

    def __init__(self, message: str, result: ChangeResult) -> None:
        super().__init__(message, done=result["done"])
        self.result = result


def apply_changes(changes: Changes) -> ChangeResult:
    """Apply the actions in their order, and return the applied, the failed and the postponed actions.

    A change of a user's files runs in a forked process (system/forked_work.py). If it fails, the control does not fail:
    "left" of the result has the action and the reason. An action that runs a user's own tool is not applied: "later" of
    the result has it, for `run_user_tools`.

    Raises ChangesFailedError with the messages of the other failed actions. Its `result` has the applied actions.
    """
    if changes.save_before:
        with contextlib.suppress(ControlError, ObservationError):
            changes.save_before()
    done: list[str] = []
    failed: list[str] = []
    failed_for_users: list[tuple[ControlAction, str]] = []
    later: list[ControlAction] = []
    seconds_left: dict[str, float] = {}  # by user name; see `_apply_for_user`
    for action in changes.actions:
        if action.has_users_tool:
            later.append(action)
            continue
        try:
            outcome = _apply_for_user(action, seconds_left) if action.user else action.apply()
            done.append(f"{action} {outcome}" if isinstance(outcome, str) and outcome else str(action))
        except (ControlError, ObservationError) as error:
            if action.user:
                failed_for_users.append((action, str(error)))
                continue
            failed.append(f"{action}: {error}")
            if not changes.is_independent:
                break
    result: ChangeResult = {"left": failed_for_users, "done": done}
    if later:
        result["later"] = later
    if failed:
        raise ChangesFailedError("; ".join(failed), result)
    return result


def _apply_for_user(action: ControlAction, seconds_left: dict[str, float]) -> Any:
    """Apply an action on a user's files in a forked process, and return what the action returns.

    `seconds_left` has the seconds that each user may still take, by user name. The key "" has the seconds of all users
    together. This function subtracts the seconds that the action takes.

    Raises ControlError and ObservationError, also if no seconds are left.
    """
    from ..system.forked_work import WorkLimits, run_apart

    started = time.monotonic()
    user_seconds = seconds_left.setdefault(action.user, USER_TIMEOUT_SECONDS)
    all_users_seconds = seconds_left.setdefault("", ALL_USERS_TIMEOUT_SECONDS)
    if user_seconds <= 0:
        raise ControlError(f"over budget: earlier changes of {action.user}'s files took {USER_TIMEOUT_SECONDS:g} s")
    if all_users_seconds <= 0:
        raise ControlError(f"over budget: earlier changes of users' files took {ALL_USERS_TIMEOUT_SECONDS:g} s")
    try:
        return run_apart(action.apply, WorkLimits(seconds=min(user_seconds, all_users_seconds), memory=0))
    finally:
        seconds = time.monotonic() - started
        seconds_left[action.user] -= seconds
        seconds_left[""] -= seconds


def make_refusals(skipped: Iterable[tuple[ControlAction, str]]) -> list[ChangeRefusal]:
    """Make a refusal for each rule of the failed actions on users' files.

    `skipped` has the actions with the reasons: the key "left" of the result of `apply_changes`.
    """
    return [
        ChangeRefusal(rule, action.subject, f"{action.user}'s, {CHANGE_FAILED}: {reason}")
        for action, reason in skipped
        for rule in action.rules
    ]


def make_change_answer(
    changes: Changes, result: ChangeResult, refusals: Iterable[ChangeRefusal], findings: Sequence[Finding]
) -> ChangeAnswer:
    """Make the answer of an Ansible module that enforced a control.

    `result` is {} in check mode: then all planned actions count as applied. `refusals` are added to the refusals of
    `changes`. `findings` are the violations that were observed before the changes.
    """
    applied = list_applied_actions(changes.actions, result)
    answer: ChangeAnswer = {
        "changed": bool(applied),
        "actions": result.get("done", [str(action) for action in applied]),
        "diff": make_diffs(applied),
        "refused": [entry.serialise_refusal() for entry in (*changes.refusals, *refusals)],
        "findings": [finding.convert_to_dict() for finding in findings[:MAX_FINDINGS]],
    }
    if "pending" in result:
        answer["pending"] = result["pending"]
    if applied and changes.notes:
        answer["notes"] = list(changes.notes)
    if changes.removed_packages:
        answer["removed"] = [entry._asdict() for entry in changes.removed_packages]
    return answer


def list_applied_actions(planned_actions: Iterable[ControlAction], result: ChangeResult) -> list[ControlAction]:
    """Return the planned actions, except those that failed for a user ("left" in `result`)."""
    skipped_ids = [id(action) for action, _ in result.get("left", ())]
    return [action for action in planned_actions if id(action) not in skipped_ids]
