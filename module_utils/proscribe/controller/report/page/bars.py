"""Counts by state as one bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.finding import STATES

BAR_WIDTH = 1000


class BarPiece(NamedTuple):
    """What one state has of a bar, in units of its drawing."""

    state: str
    x: float
    width: float


def make_bar(counts: Mapping[str, int]) -> Sequence[BarPiece]:
    """The pieces, worst first; a state with a single host in thousands is still to be seen. Decoration for the eye:
    whoever uses it says the counts in words as well.
    """
    total = sum(counts.values())
    states = [state for state in STATES if counts.get(state)]
    widths = {state: max(counts[state] * BAR_WIDTH / total, 6.0) for state in states}
    scale, x_offset, pieces = BAR_WIDTH / (sum(widths.values()) or 1), 0.0, []
    for state in states:
        width = widths[state] * scale
        gap = 0 if state == states[-1] else 2
        pieces.append(BarPiece(state, x_offset, max(width - gap, 2)))
        x_offset += width
    return pieces
