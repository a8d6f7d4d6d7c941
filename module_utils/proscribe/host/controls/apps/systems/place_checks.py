"""Check of many places, most of them controlled by users: an error at one place hides no results of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable

from ....system import ControlError, ObservationError
from ....system.types import summarise_reasons as summarise_reasons

if TYPE_CHECKING:
    from typing import TypeVar

    CheckedPlace = TypeVar("CheckedPlace")
    PlaceEntry = TypeVar("PlaceEntry")


def check_each(
    places: Iterable[CheckedPlace], check: Callable[[CheckedPlace], Iterable[PlaceEntry]]
) -> tuple[list[PlaceEntry], list[str]]:
    """Return the results of `check` for all places together, and the messages of the errors ([] if none failed).

    If the check of a place fails midway, its results before the error are included.
    """
    entries: list[PlaceEntry] = []
    gaps: list[str] = []
    for place in places:
        try:
            entries += check(place)
        except (ObservationError, ControlError) as error:
            gaps.append(str(error))
    return entries, gaps
