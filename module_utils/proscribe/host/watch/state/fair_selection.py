"""Selection from a list that is too long. No input or output here.

Owners take turns, so no owner pushes out another owner's items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Hashable, List, Sequence

if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")


def select_in_turns(
    entries: Sequence[Item], get_owner: Callable[[Item], Hashable], limit: int, measure: Callable[[Item], int]
) -> List[Item]:
    """Return items up to a total size: the newest item of each owner in turn, then the next newest.

    `measure` returns the size of an item, and `limit` is the largest total size. `entries` begins with the oldest item,
    and the result keeps this order.
    """
    queues: Dict[Hashable, List[int]] = {}  # by owner: the indexes of his items, the newest last
    for index, entry in enumerate(entries):
        queues.setdefault(get_owner(entry), []).append(index)
    chosen: List[int] = []
    waiting = list(queues.values())
    while waiting:
        for queue in waiting:
            index = queue.pop()
            limit -= measure(entries[index])
            if limit < 0:
                return [entries[index] for index in sorted(chosen)]
            chosen.append(index)
        waiting = [queue for queue in waiting if queue]
    return [entries[index] for index in sorted(chosen)]
