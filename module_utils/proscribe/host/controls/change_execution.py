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
    """Apply the actions in their order.

    Raises ChangesFailedError with the messages of the failed actions; `result` of the error has the applied actions. A
    forked process changes the files of a user (system/forked_work.py). If that fails, the control does not fail: "left"
    of the result has the action and the reason. An action that runs a user's own tool is not applied: "later" of the
    result has it.
    """
    if changes.save_before:
        with contextlib.suppress(ControlError, ObservationError):
            changes.save_before()
    done: list[str] = []
    failed: list[str] = []
    skipped: list[tuple[ControlAction, str]] = []
    later: list[ControlAction] = []
    seconds_left: dict[str, float] = {}
    for action in changes.actions:
        if action.has_users_tool:
            later.append(action)
            continue
        try:
            outcome = _apply_for_user(action, seconds_left) if action.user else action.apply()
            done.append(f"{action} {outcome}" if isinstance(outcome, str) and outcome else str(action))
        except (ControlError, ObservationError) as error:
            if action.user:
                skipped.append((action, str(error)))
                continue
            failed.append(f"{action}: {error}")
            if not changes.is_independent:
                break
    result: ChangeResult = {"left": skipped, "done": done}
    if later:
        result["later"] = later
    if failed:
        raise ChangesFailedError("; ".join(failed), result)
    return result


def _apply_for_user(action: ControlAction, seconds_left: dict[str, float]) -> Any:
    """Apply an action on a user's files, in a forked process. Raises ControlError and ObservationError.

    `seconds_left` has the seconds that each user may still take, by user name. The key "" has those of all users
    together. They are reduced by the seconds taken.
    """
    from ..system.forked_work import WorkLimits, run_apart

    started = time.monotonic()
    user_seconds = seconds_left.setdefault(action.user, USER_TIMEOUT_SECONDS)
    all_users_seconds = seconds_left.setdefault("", ALL_USERS_TIMEOUT_SECONDS)
    if user_seconds <= 0:
        raise ControlError(f"over budget: what was changed before of {action.user}'s took {USER_TIMEOUT_SECONDS:g} s")
    if all_users_seconds <= 0:
        raise ControlError(f"over budget: what was changed before of users' took {ALL_USERS_TIMEOUT_SECONDS:g} s")
    try:
        return run_apart(action.apply, WorkLimits(seconds=min(user_seconds, all_users_seconds), memory=0))
    finally:
        seconds = time.monotonic() - started
        seconds_left[action.user] -= seconds
        seconds_left[""] -= seconds


def make_refusals(skipped: Iterable[tuple[ControlAction, str]]) -> list[ChangeRefusal]:
    """Make the refusals for the actions that `apply_changes` skipped, with the reasons."""
    return [
        ChangeRefusal(rule, action.subject, f"{action.user}'s, {CHANGE_FAILED}: {reason}")
        for action, reason in skipped
        for rule in action.rules
    ]


def make_change_answer(
    changes: Changes, result: ChangeResult, refusals: Iterable[ChangeRefusal], findings: Sequence[Finding]
) -> ChangeAnswer:
    """Make the answer of an Ansible module that enforced a control.

    `refusals` are added to the refusals of `changes`.
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
    """Return the planned actions that were not skipped."""
    skipped_ids = [id(action) for action, _ in result.get("left", ())]
    return [action for action in planned_actions if id(action) not in skipped_ids]
