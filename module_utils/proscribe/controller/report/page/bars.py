"""Counts by state as a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.finding import STATES

BAR_WIDTH = 1000


class BarPiece(NamedTuple):
    """The piece of a bar that stands for a state.

    `x` and `width` are in units of the drawing.
    """

    state: str
    x: float
    width: float


def make_bar(counts: Mapping[str, int]) -> Sequence[BarPiece]:
    """Make the pieces of a bar, worst state first.

    A state with a single host in thousands stays visible. `counts` has the hosts by state. The bar is decoration: its
    caller also writes the counts as text.
    """
    total = sum(counts.values())
    states = [state for state in STATES if counts.get(state)]
    # Widen narrow pieces, so that they stay visible, and then shrink all pieces to the width of the bar.
    widths = {state: max(counts[state] * BAR_WIDTH / total, 6.0) for state in states}
    scale, x_offset, pieces = BAR_WIDTH / (sum(widths.values()) or 1), 0.0, []
    for state in states:
        width = widths[state] * scale
        gap = 0 if state == states[-1] else 2
        pieces.append(BarPiece(state, x_offset, max(width - gap, 2)))
        x_offset += width
    return pieces
