"""Changes of a control, carried out in their order, and what came of them."""

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
# Seconds for all that is changed of one user's, and of all users' together: other runs wait 300 s for the host's lock.
USER_TIMEOUT_SECONDS = 60.0
ALL_USERS_TIMEOUT_SECONDS = 200.0


class ChangesFailedError(ControlError):
    """Actions of the host that failed, with what was `result` out all the same."""

    def __init__(self, message: str, result: ChangeResult) -> None:
        super().__init__(message, done=result["done"])
        self.result = result


def apply_changes(changes: Changes) -> ChangeResult:
    """Do the actions in their order. Raises ChangesFailedError with what failed, and with what was done in `done`.

    What is a user's is changed apart (system/forked.py). Where that fails it is his finding and nobody's failure. An
    action that runs a user's tool is not done here: it is in `later`.
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
    """Change something of a user's, in the time that is left for that. Raises ControlError or Unseen."""
    from ..system.forked import WorkLimits, run_apart

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
    """What `apply_changes` left as it is, as what it is: not done, and why."""
    return [
        ChangeRefusal(rule, action.subject, f"{action.user}'s, {CHANGE_FAILED}: {reason}")
        for action, reason in skipped
        for rule in action.rules
    ]


def make_change_answer(
    changes: Changes, result: ChangeResult, refusals: Iterable[ChangeRefusal], findings: Sequence[Finding]
) -> ChangeAnswer:
    """What the enforcing modules answer. `refusals` is beside what enforcing itself refused."""
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
    """The planned actions without those that were left as they are."""
    skipped_ids = [id(action) for action, _ in result.get("left", ())]
    return [action for action in planned_actions if id(action) not in skipped_ids]
