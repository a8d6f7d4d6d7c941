"""The trend of the last 90 days as a drawing: a column for each day on which a run ended.

A day without a run is a gap, not a zero. No line crosses it, because no host was observed on that day.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from ....base.duration import parse_moment
from ....model.finding import NOT_APPLICABLE, OPEN_STATES, WAIVED
from ....model.types.history import PastRun
from ....wire.answers.value_readers import truncate_text
from ..text.wording import format_count, format_key

TREND_DAYS = 90
DAY_WIDTH = 8  # width of a day, in units of the drawing
# Heights in units of the drawing: the whole drawing, the foot below each column, and the margin above the highest
# column.
DRAWING_HEIGHT, FOOT_HEIGHT, TOP_MARGIN = (
    120,
    7,
    6,
)
MAX_PART_LENGTH = 90  # most characters of the text about hosts and controls that the runs left out
MIN_PIECE_HEIGHT = 1.5  # least height of a piece, so that a single host in thousands stays visible
RAN_CLASS, COMPLIANT_CLASS = "ran", "compliant"  # CSS classes of the foot of a day: a run ended; every host met the ban


class DayPiece(NamedTuple):
    """The piece of a day's column for the hosts in a state that does not meet the ban.

    `y` is the upper end, in units of the drawing.
    """

    state: str
    y: float
    height: float


class TrendDay(NamedTuple):
    """A day with a run: its column in the drawing, and its text."""

    x: int
    words: str
    pieces: Sequence[DayPiece]  # from the bottom of the column upwards, worst state first
    foot: str  # CSS class of the foot: RAN_CLASS or COMPLIANT_CLASS


class TrendPicture(NamedTuple):
    """The drawing of the days, and its description in words."""

    days: Sequence[TrendDay]
    title: str
    lines: Sequence[str]  # each line fits the width of the drawing
    ends: tuple[str, str]  # the first and the last day of the drawing
    width: int = TREND_DAYS * DAY_WIDTH
    height: int = DRAWING_HEIGHT


def make_days_picture(runs: Sequence[PastRun], finished: str, left_out_text: str = "") -> TrendPicture | None:
    """Make the drawing of the days up to `finished`, the end of a run; None for fewer than two runs.

    The result is also None if no run ended within the TREND_DAYS days.
    `runs` are the last runs of each day. `left_out_text` describes the hosts and controls that these runs left out; ""
    if they left out none.
    """
    if len(runs) < 2:
        return None  # without a history, return before the time of the run is parsed
    last_date = parse_moment(finished).date()
    # (number of the run's day in the drawing, the run); the first day has the number 0
    numbered_runs = [(TREND_DAYS - 1 - (last_date - parse_moment(run["finished"]).date()).days, run) for run in runs]
    shown_runs = [(day_number, run) for day_number, run in numbered_runs if 0 <= day_number < TREND_DAYS]
    if not shown_runs:
        return None
    max_open, max_date = max((_count_open_hosts(run), run["finished"][:10]) for _, run in shown_runs)
    days = [_make_day(day_number, run, max(max_open, 1)) for day_number, run in shown_runs]
    open_text = f"at most {max_open:,}, on {max_date}" if max_open else "none"
    lines = [
        f"{len(days)} days have a run. Not meeting the ban on these: {open_text}.",
        f"The last is {days[-1].words}.",
        *([f"Runs like this one: {truncate_text(left_out_text, MAX_PART_LENGTH)}."] if left_out_text else []),
    ]
    title = f"Hosts that do not meet the ban, in the {TREND_DAYS} days to {last_date}"
    return TrendPicture(days, title, lines, (str(last_date - datetime.timedelta(days=TREND_DAYS - 1)), str(last_date)))


def render_svg(trend_picture: TrendPicture) -> str:
    """Render the drawing as an SVG file that loads no other files."""
    from .rendering import render_template  # imported here so that Jinja2 is loaded only when a page is written

    return "".join(render_template("days.svg.j2", picture=trend_picture))


def _make_day(day_number: int, run: PastRun, max_open: int) -> TrendDay:
    """Make the column of a day from its last run.

    `max_open` is the number of hosts at the full height.
    """
    y_position, pieces = float(DRAWING_HEIGHT - FOOT_HEIGHT), []
    for state in OPEN_STATES:
        if count := run["hosts"].get(state, 0):
            height = max(count * (DRAWING_HEIGHT - FOOT_HEIGHT - TOP_MARGIN) / max_open, MIN_PIECE_HEIGHT)
            y_position -= height
            pieces.append(DayPiece(state, y_position, height))
    day_text, is_compliant = _describe_run(run)
    return TrendDay(
        day_number * DAY_WIDTH,
        f"{run['finished'][:10]}: {day_text}",
        pieces,
        COMPLIANT_CLASS if is_compliant else RAN_CLASS,
    )


def _describe_run(run: PastRun) -> tuple[str, bool]:
    """Return the counts of a run in words, and whether every host met the ban."""
    state_counts = {state: count for state, count in run["hosts"].items() if count}
    host_count = sum(state_counts.values())
    open_text = ", ".join(
        f"{state_counts[state]:,} {format_key(state)}" for state in OPEN_STATES if state in state_counts
    )
    if open_text:
        return f"{open_text}, of {format_count(host_count, 'host')}", False
    if host_count == state_counts.get(NOT_APPLICABLE, 0):  # a run without an applicable rule is no success
        return "nothing applied to any host", False
    waived_text = f", {state_counts[WAIVED]:,} by waivers" if WAIVED in state_counts else ""
    return f"every host met the ban ({format_count(host_count, 'host')}{waived_text})", True


def _count_open_hosts(run: PastRun) -> int:
    """Count the hosts of a run that did not meet the ban."""
    return sum(run["hosts"].get(state, 0) for state in OPEN_STATES)
