"""Changes of a control, carried out in their order, and what came of them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ...model.finding import MAX_FINDINGS, Finding
from ..system import ControlError, ObservationError
from .base import Action, Changes, Refusal, differences

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from .base import Carried

FAILED = "could not be changed"
# Seconds for all that is changed of one user's, and of all users' together: other runs wait 300 s for the host's lock.
PATIENCE = 60.0
PATIENCE_FOR_ALL = 200.0


class ChangesFailed(ControlError):
    """Actions of the host that failed, with what was `carried` out all the same."""

    def __init__(self, message: str, carried: Carried) -> None:
        super().__init__(message, done=carried["done"])
        self.carried = carried


def carry_out(changes: Changes) -> Carried:
    """Do the actions in their order. Raises ChangesFailed with what failed, and with what was done in `done`.

    What is a user's is changed apart (system/forked.py). Where that fails it is his finding and nobody's failure. An
    action that runs a user's tool is not done here: it is in `later`.
    """
    if changes.beforehand:
        with contextlib.suppress(ControlError, ObservationError):
            changes.beforehand()
    done: list[str] = []
    failed: list[str] = []
    left: list[tuple[Action, str]] = []
    later: list[Action] = []
    patience: dict[str, float] = {}
    for action in changes.actions:
        if action.has_users_tool:
            later.append(action)
            continue
        try:
            ended = _on_behalf(action, patience) if action.user else action.apply()
            done.append(f"{action} {ended}" if isinstance(ended, str) and ended else str(action))
        except (ControlError, ObservationError) as error:
            if action.user:
                left.append((action, str(error)))
                continue
            failed.append(f"{action}: {error}")
            if not changes.independent:
                break
    carried: Carried = {"left": left, "done": done}
    if later:
        carried["later"] = later
    if failed:
        raise ChangesFailed("; ".join(failed), carried)
    return carried


def _on_behalf(action: Action, patience: dict[str, float]) -> Any:
    """Change something of a user's, in the time that is left for that. Raises ControlError or Unseen."""
    from ..system.forked import WorkLimits, run_apart

    started = time.monotonic()
    of_user = patience.setdefault(action.user, PATIENCE)
    of_all = patience.setdefault("", PATIENCE_FOR_ALL)
    if of_user <= 0:
        raise ControlError(f"over budget: what was changed before of {action.user}'s took {PATIENCE:g} s")
    if of_all <= 0:
        raise ControlError(f"over budget: what was changed before of users' took {PATIENCE_FOR_ALL:g} s")
    try:
        return run_apart(action.apply, WorkLimits(seconds=min(of_user, of_all), memory=0))
    finally:
        seconds = time.monotonic() - started
        patience[action.user] -= seconds
        patience[""] -= seconds


def refusals(left: Iterable[tuple[Action, str]]) -> list[Refusal]:
    """What `carry_out` left as it is, as what it is: not done, and why."""
    return [Refusal(rule, a.subject, f"{a.user}'s, {FAILED}: {why}") for a, why in left for rule in a.rules]


def answer_of_change(
    changes: Changes, carried: Carried, refused: Iterable[Refusal], found: Sequence[Finding]
) -> ChangeAnswer:
    """What the enforcing modules answer. `refused` is beside what enforcing itself refused."""
    acted = done_of(changes.actions, carried)
    answer: ChangeAnswer = {
        "changed": bool(acted),
        "actions": carried.get("done", [str(action) for action in acted]),
        "diff": differences(acted),
        "refused": [one.as_dict() for one in (*changes.refused, *refused)],
        "findings": [finding.convert_to_dict() for finding in found[:MAX_FINDINGS]],
    }
    if "pending" in carried:
        answer["pending"] = carried["pending"]
    if acted and changes.notes:
        answer["notes"] = list(changes.notes)
    if changes.removed:
        answer["removed"] = [one._asdict() for one in changes.removed]
    return answer


def done_of(planned: Iterable[Action], carried: Carried) -> list[Action]:
    """The planned actions without those that were left as they are."""
    undone = [id(action) for action, _ in carried.get("left", ())]
    return [action for action in planned if id(action) not in undone]
