"""Selection from a list that is too long: owners take turns and the newest comes first, so none pushes out another.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Hashable, List, Sequence

if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")


def select_in_turns(
    entries: Sequence[Item], get_owner: Callable[[Item], Hashable], limit: int, measure: Callable[[Item], int]
) -> List[Item]:
    """Return the newest items of each owner in turn, with a total size of at most `limit`.

    `entries` has the oldest item first. The result has the same order.
    """
    queues: Dict[Hashable, List[int]] = {}
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
