"""Operations of an operator on a host's quarantine: list its items, restore them, or prune them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Sequence

from ..model.quarantine_ids import DONE_WORDS, LIST
from .controls.base import Changes, make_diffs
from .controls.change_execution import apply_changes, list_applied_actions
from .system import ControlError, Host, ObservationError

if TYPE_CHECKING:
    from typing import TypeVar

    from ..model.types.answer import QuarantineAnswer
    from .controls.base import ChangeResult

    Seen = TypeVar("Seen")

MAX_NAMED_ITEMS = 5  # failed items that a message names; the others are counted


def run_quarantine_operation(host: Host, do: str, ids: Sequence[str], dry_run: bool = False) -> QuarantineAnswer:
    """List the items of a host's quarantine, or restore or prune the items with these `ids`.

    `do` is the operation: LIST, RESTORE or PRUNE (model/quarantine_ids.py). LIST ignores `ids`. If an item was not
    processed, the answer has {failed, msg}. With `dry_run`, the changes are only reported. Raises ControlError.
    """
    from .controls.apps.quarantine import operator

    host.require_root()
    if do == LIST:
        answer = _observe_or_fail(lambda: operator.make_quarantine_answer(host))
        answer["changed"] = False
        return answer
    with host.lock_host():
        entries = _observe_or_fail(lambda: operator.choose_entries(host, do, ids))
        # an item that cannot be restored or pruned has no action; its outcome has the reason
        planned = [entry.action for entry in entries if entry.action is not None]
        carried: ChangeResult = {} if dry_run else apply_changes(Changes(planned, is_independent=True))
    outcomes = operator.make_outcomes(entries, carried.get("left", []))
    acted = list_applied_actions(planned, carried)
    result: QuarantineAnswer = {
        "outcomes": outcomes,
        "changed": bool(acted),
        "actions": carried.get("done", [str(action) for action in acted]),
        "diff": make_diffs(acted),
    }
    if missed := [entry for entry in outcomes if not entry["done"]]:
        reasons = "; ".join(f"{entry['id']}: {entry['why']}" for entry in missed[:MAX_NAMED_ITEMS])
        more = f" (and {len(missed) - MAX_NAMED_ITEMS} more)" if missed[MAX_NAMED_ITEMS:] else ""
        result["failed"], result["msg"] = True, f"not {DONE_WORDS[do]}: {reasons}{more}"
    return result


def _observe_or_fail(observe: Callable[[], Seen]) -> Seen:
    """Call `observe` and return its result. Raises ControlError instead of its ObservationError.

    A change needs the observation, so without the observation the change fails.
    """
    try:
        return observe()
    except ObservationError as unseen:
        raise ControlError(str(unseen)) from None
