"""What is too much is cut so that none pushes out another: each in its turn, the newest first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Hashable, List, Sequence

if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")


def in_turns(
    items: Sequence[Item], whose: Callable[[Item], Hashable], most: int, size: Callable[[Item], int]
) -> List[Item]:
    """The newest items of each in turn, as long as their sizes come to at most `most`; in the order that they had.
    `items` has the oldest first.
    """
    queues: Dict[Hashable, List[int]] = {}
    for place, item in enumerate(items):
        queues.setdefault(whose(item), []).append(place)
    chosen: List[int] = []
    waiting = list(queues.values())
    while waiting:
        for queue in waiting:
            place = queue.pop()
            most -= size(items[place])
            if most < 0:
                return [items[place] for place in sorted(chosen)]
            chosen.append(place)
        waiting = [queue for queue in waiting if queue]
    return [items[place] for place in sorted(chosen)]
