"""Changes of a control, carried out in their order."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from ..system import ControlError, Unseen
from .base import Action, Changes

if TYPE_CHECKING:
    from .base import Carried

PATIENCE = 600.0  # seconds for all that is changed of one user's


def carry_out(changes: Changes) -> Carried:
    """Do the actions in their order. Raises ControlError with what failed, and with what was done in `done`.

    What is a user's is changed apart (system/forked.py). Where that fails it is his finding and nobody's failure.
    """
    if changes.beforehand:
        with contextlib.suppress(ControlError, Unseen):
            changes.beforehand()
    done: list[str] = []
    failed: list[str] = []
    left: list[tuple[Action, str]] = []
    patience: dict[str, float] = {}
    for action in changes.actions:
        try:
            ended = _on_behalf(action, patience) if action.user else action.apply()
            done.append(f"{action} {ended}" if isinstance(ended, str) and ended else str(action))
        except (ControlError, Unseen) as error:
            if action.user:
                left.append((action, str(error)))
                continue
            failed.append(f"{action}: {error}")
            if not changes.independent:
                break
    if failed:
        raise ControlError("; ".join(failed), done=done)
    return {"left": left, "done": done}


def _on_behalf(action: Action, patience: dict[str, float]) -> Any:
    """Change something of a user's, in the time that is left for that. Raises ControlError or Unseen."""
    from ..system.forked import Limits, run_apart

    started = time.monotonic()
    left = patience.setdefault(action.user, PATIENCE)
    if left <= 0:
        raise ControlError(f"what was changed before of {action.user}'s took {PATIENCE:g} s")
    try:
        return run_apart(action.apply, Limits(seconds=left, memory=0))
    finally:
        patience[action.user] -= time.monotonic() - started
