"""A check of many places, most of them users' own: what is odd in one of them hides nothing of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable

from ....system import ControlError, ObservationError
from ....system.types import summarise_reasons as summarise_reasons

if TYPE_CHECKING:
    from typing import TypeVar

    Place = TypeVar("Place")
    Seen = TypeVar("Seen")


def check_each(places: Iterable[Place], check: Callable[[Place], Iterable[Seen]]) -> tuple[list[Seen], list[str]]:
    """What `check` sees in each place, and why it could not see all of some."""
    found: list[Seen] = []
    unseen: list[str] = []
    for place in places:
        try:
            found += check(place)
        except (ObservationError, ControlError) as error:
            unseen.append(str(error))
    return found, unseen
