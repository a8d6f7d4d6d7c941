"""What an operator does with a host's quarantine: list what it holds, restore it, or prune it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Sequence

from ..model.quarantined import DONE_WORDS, LIST
from .controls.applying import carry_out, done_of
from .controls.base import Changes, differences
from .system import ControlError, Host, Unseen

if TYPE_CHECKING:
    from typing import TypeVar

    from ..model.types.answer import QuarantineAnswer
    from .controls.base import Carried

    Seen = TypeVar("Seen")

MISSED = 5  # items that a message names


def in_quarantine(host: Host, do: str, ids: Sequence[str], dry_run: bool = False) -> QuarantineAnswer:
    """List what a host's quarantine holds, or restore or prune what it has under these ids, and nothing else.

    Where something was not done, the answer says so as a failure. Raises ControlError.
    """
    from .controls.apps.quarantine import operator

    host.require_root()
    if do == LIST:
        answer = _seen(lambda: operator.listed(host))
        answer["changed"] = False
        return answer
    with host.exclusive():
        found = _seen(lambda: operator.chosen(host, do, ids))
        planned = [one.action for one in found if one.action is not None]
        carried: Carried = {} if dry_run else carry_out(Changes(planned, independent=True))
    outcomes = operator.outcomes(found, carried.get("left", []))
    acted = done_of(planned, carried)
    done: QuarantineAnswer = {
        "outcomes": outcomes,
        "changed": bool(acted),
        "actions": carried.get("done", [str(action) for action in acted]),
        "diff": differences(acted),
    }
    if missed := [one for one in outcomes if not one["done"]]:
        few = "; ".join(f"{one['id']}: {one['why']}" for one in missed[:MISSED])
        rest = f" (and {len(missed) - MISSED} more)" if missed[MISSED:] else ""
        done["failed"], done["msg"] = True, f"not {DONE_WORDS[do]}: {few}{rest}"
    return done


def _seen(observe: Callable[[], Seen]) -> Seen:
    """What an observation says that a change needs. Raises ControlError where it cannot be seen."""
    try:
        return observe()
    except Unseen as unseen:
        raise ControlError(str(unseen)) from None
