"""Check of many places, most of them controlled by users.

An error at one place does not hide the results of the others.
"""

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
    """Return the results of `check` for all places together, and the errors of the places where it failed.

    For a place that fails midway, the results before the error are kept.
    """
    entries: list[PlaceEntry] = []
    gaps: list[str] = []
    for place in places:
        try:
            entries += check(place)
        except (ObservationError, ControlError) as error:
            gaps.append(str(error))
    return entries, gaps
