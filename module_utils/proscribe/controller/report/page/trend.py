"""The trend: hosts that do not meet the ban, run by run, as a small drawing, in words, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....model.finding import OPEN_STATES
from ....model.types.history import PastRun
from ..text.wording import counted, in_words

MOST = 60  # runs that are drawn
COLUMNS = (  # of the table; see templates/trend.html.j2
    ("when", "Finished"),
    ("", "Mode"),
    *(("number", state) for state in OPEN_STATES),
    ("", "Evaluated"),
    ("", "Compliant"),
    ("", "With waivers"),
)
WIDTH, HEIGHT = 360, 64


class Column(NamedTuple):
    """A run in the drawing: its words, and its pieces from the bottom as (state, x, y, width, height)."""

    finished: str
    words: str
    pieces: Sequence[tuple[str, float, float, float, float]]


class Drawing(NamedTuple):
    """One column for each run, oldest first, between two times, and what changed in words."""

    columns: Sequence[Column]
    change: str
    said: str
    ends: tuple[str, str]
    width: int = WIDTH
    height: int = HEIGHT


def drawing(trend: Sequence[PastRun], part: str = "") -> Drawing | None:
    """The last runs. Nothing for a single run. `part` says what these runs left out, "" where they are over the
    whole.
    """
    runs = trend[-MOST:]
    if len(runs) < 2:
        return None
    top = max(1, *(_open(run) for run in runs))
    step = WIDTH / max(len(runs), 12)
    columns = [_column(run, index * step, step, top) for index, run in enumerate(runs, max(0, 12 - len(runs)))]
    first, last = runs[0], runs[-1]
    said = f"Hosts that do not meet the ban in {len(runs)} runs: at most {top:,}, in the last one {_open(last):,}"
    change = _change(runs[-2], last) + (f" (in runs like this one: {part})" if part else "")
    return Drawing(columns, change, said, (first["finished"], last["finished"]))


def _column(run: PastRun, x: float, step: float, top: int) -> Column:
    counts = {state: count for state in OPEN_STATES if (count := run["hosts"].get(state, 0))}
    at, pieces = float(HEIGHT - 1), []
    for state, count in counts.items():  # drawn from the bottom: the worst stands on the line
        height = max(count * (HEIGHT - 4) / top, 1.5)
        at -= height
        pieces.append((state, x, at, max(step - 1.5, 1), height))
    words = ", ".join(f"{count:,} {in_words(state)}" for state, count in counts.items())
    return Column(run["finished"], words or "every host meets the ban", pieces)


def _open(run: PastRun) -> int:
    return sum(run["hosts"].get(state, 0) for state in OPEN_STATES)


def until(trend: Sequence[PastRun], run: object) -> Sequence[PastRun]:
    """The trend up to a run: the page of an older run, made anew, knows nothing of what came later."""
    places = [place for place, one in enumerate(trend) if one["run"] == run]
    return trend[: places[-1] + 1] if places else trend


def _change(before: PastRun, now: PastRun) -> str:
    hosts, hosts_before = sum(now["hosts"].values()), sum(before["hosts"].values())
    if hosts != hosts_before:  # a limited run, or another inventory: the numbers say nothing without the whole
        less = f"before, {_open(before):,} of {hosts_before:,}"
        return f"Not meeting the ban: {_open(now):,} of {counted(hosts, 'host')}; {less}"
    difference = _open(now) - _open(before)
    than = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} than" if difference else "as many as"
    return f"Not meeting the ban: {counted(_open(now), 'host')}, {than} before"


def numbers(trend: Sequence[PastRun]) -> Sequence[PastRun]:
    """The runs of the table, newest first; nothing for a single run."""
    return trend[-MOST:][::-1] if len(trend) > 1 else ()
