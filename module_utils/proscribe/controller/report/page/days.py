"""The trend of the last 90 days as a picture: a column for each day on which a run ended, and nothing for the others.

A day without a run is a gap. It is no zero, and nothing is drawn across it: nobody observed a host then.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from ....base.duration import parse_moment
from ....model.finding import NOT_APPLICABLE, OPEN_STATES, WAIVED
from ....model.types.history import PastRun
from ....wire.replies.shapes import truncate_text
from ..text.wording import counted, in_words

DAYS = 90
STEP = 8  # units of the drawing that a day has
HEIGHT, FOOT, ROOM = 120, 7, 6  # of the drawing; of the foot of a day with a run; above the highest column
LINE = 90  # characters of what runs left out
LEAST = 1.5  # a single host in thousands is still to be seen
RAN, MET = "ran", "compliant"  # the foot of a day: a run ended; and every host met the ban


class Piece(NamedTuple):
    """The hosts in one state."""

    state: str
    y: float
    height: float


class Day(NamedTuple):
    """A day with a run."""

    x: int
    words: str
    pieces: Sequence[Piece]  # from the foot upwards, the worst first
    foot: str


class Picture(NamedTuple):
    """The days, and the same in words."""

    days: Sequence[Day]
    title: str
    lines: Sequence[str]  # each short enough for the width of the file
    ends: tuple[str, str]
    width: int = DAYS * STEP
    height: int = HEIGHT


def picture(runs: Sequence[PastRun], finished: str, part: str = "") -> Picture | None:
    """The days up to the one on which a run had `finished`. `runs` are the last one of each day; nothing for less than
    two of them. `part` says what these runs left out, "" where they are over the whole.
    """
    if len(runs) < 2:
        return None  # and the time of a run without a history is not read
    last = parse_moment(finished).date()
    placed = [(DAYS - 1 - (last - parse_moment(run["finished"]).date()).days, run) for run in runs]
    shown = [(place, run) for place, run in placed if 0 <= place < DAYS]
    if not shown:
        return None
    most, when = max((_open(run), run["finished"][:10]) for _, run in shown)
    days = [_day(place, run, max(most, 1)) for place, run in shown]
    found = f"at most {most:,}, on {when}" if most else "none"
    lines = [
        f"{len(days)} days have a run. Not meeting the ban on these: {found}.",
        f"The last is {days[-1].words}.",
        *([f"Runs like this one: {truncate_text(part, LINE)}."] if part else []),
    ]
    title = f"Hosts that do not meet the ban, in the {DAYS} days to {last}"
    return Picture(days, title, lines, (str(last - datetime.timedelta(days=DAYS - 1)), str(last)))


def svg(drawn: Picture) -> str:
    """The picture as a file that needs nothing else."""
    from .rendering import render  # as in document.py

    return "".join(render("days.svg.j2", picture=drawn))


def _day(place: int, run: PastRun, most: int) -> Day:
    at, pieces = float(HEIGHT - FOOT), []
    for state in OPEN_STATES:
        if count := run["hosts"].get(state, 0):
            height = max(count * (HEIGHT - FOOT - ROOM) / most, LEAST)
            at -= height
            pieces.append(Piece(state, at, height))
    words, met = _words(run)
    return Day(place * STEP, f"{run['finished'][:10]}: {words}", pieces, MET if met else RAN)


def _words(run: PastRun) -> tuple[str, bool]:
    """What a run found, and whether every host met the ban."""
    counts = {state: count for state, count in run["hosts"].items() if count}
    hosts = sum(counts.values())
    wrong = ", ".join(f"{counts[state]:,} {in_words(state)}" for state in OPEN_STATES if state in counts)
    if wrong:
        return f"{wrong}, of {counted(hosts, 'host')}", False
    if hosts == counts.get(NOT_APPLICABLE, 0):  # nothing evaluated is no success
        return "nothing applied to any host", False
    waived = f", {counts[WAIVED]:,} by waivers" if WAIVED in counts else ""
    return f"every host met the ban ({counted(hosts, 'host')}{waived})", True


def _open(run: PastRun) -> int:
    return sum(run["hosts"].get(state, 0) for state in OPEN_STATES)
