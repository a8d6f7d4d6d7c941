"""The trend: hosts that do not meet the ban, run by run, as a small drawing, as text, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....model.finding import OPEN_STATES
from ....model.types.history import PastRun
from ..text.wording import format_count, format_key

MAX_RUNS = 60  # most runs in the drawing and the table
TABLE_COLUMNS = (  # (CSS class, heading) of the table's columns; see templates/trend.html.j2
    ("when", "Finished"),
    ("", "Mode"),
    *(("number", state) for state in OPEN_STATES),
    ("", "Evaluated"),
    ("", "Compliant"),
    ("", "With waivers"),
)
DRAWING_WIDTH, DRAWING_HEIGHT = 360, 64


class RunColumn(NamedTuple):
    """A run in the drawing: its text, and its pieces from the bottom as (state, x, y, width, height)."""

    finished: str
    words: str
    pieces: Sequence[tuple[str, float, float, float, float]]


class TrendDrawing(NamedTuple):
    """The drawing of the trend: a column for each run, oldest first, and the change in words.

    `change` compares the last two runs. `summary` describes all runs, for readers who cannot see the drawing. `ends`
    are the times of the first and the last run.
    """

    columns: Sequence[RunColumn]
    change: str
    summary: str
    ends: tuple[str, str]
    width: int = DRAWING_WIDTH
    height: int = DRAWING_HEIGHT


def make_trend_drawing(trend: Sequence[PastRun], left_out_text: str = "") -> TrendDrawing | None:
    """Make the drawing of the last runs; None for fewer than two runs.

    `left_out_text` describes the hosts and controls that these runs left out; "" if they left out none.
    """
    runs = trend[-MAX_RUNS:]
    if len(runs) < 2:
        return None
    max_open = max(1, *(_count_open_hosts(run) for run in runs))
    # The drawing has room for 12 columns or more. Fewer runs stand at its right end, with columns of the same width.
    column_width = DRAWING_WIDTH / max(len(runs), 12)
    columns = [
        _make_run_column(run, index * column_width, column_width, max_open)
        for index, run in enumerate(runs, max(0, 12 - len(runs)))
    ]
    first_run, last_run = runs[0], runs[-1]
    summary = (
        f"Hosts that do not meet the ban in {len(runs)} runs: at most {max_open:,}, in the last one "
        f"{_count_open_hosts(last_run):,}"
    )
    change_text = _describe_change(runs[-2], last_run) + (
        f" (in runs like this one: {left_out_text})" if left_out_text else ""
    )
    return TrendDrawing(columns, change_text, summary, (first_run["finished"], last_run["finished"]))


def _make_run_column(run: PastRun, x: float, column_width: float, max_open: int) -> RunColumn:
    """Make the column of a run at `x`.

    `max_open` is the number of hosts at the full height.
    """
    counts = {state: count for state in OPEN_STATES if (count := run["hosts"].get(state, 0))}
    y_position, pieces = float(DRAWING_HEIGHT - 1), []
    for state, count in counts.items():  # the pieces stand on each other from the bottom, worst state first
        height = max(count * (DRAWING_HEIGHT - 4) / max_open, 1.5)  # at least 1.5, so that a single host is visible
        y_position -= height
        pieces.append((state, x, y_position, max(column_width - 1.5, 1), height))
    run_text = ", ".join(f"{count:,} {format_key(state)}" for state, count in counts.items())
    return RunColumn(run["finished"], run_text or "every host meets the ban", pieces)


def _count_open_hosts(run: PastRun) -> int:
    """Count the hosts of a run that did not meet the ban."""
    return sum(run["hosts"].get(state, 0) for state in OPEN_STATES)


def select_runs_until(trend: Sequence[PastRun], run_id: object) -> Sequence[PastRun]:
    """Return the trend up to the run `run_id`; the whole trend if that run is not in the trend.

    The page of an older run may be written again later, and shows no later runs.
    """
    positions = [position for position, past_run in enumerate(trend) if past_run["run"] == run_id]
    return trend[: positions[-1] + 1] if positions else trend


def _describe_change(earlier_run: PastRun, last_run: PastRun) -> str:
    """Describe how the number of hosts that do not meet the ban changed between two runs."""
    host_count, earlier_host_count = sum(last_run["hosts"].values()), sum(earlier_run["hosts"].values())
    # The runs have different hosts, because of a limit or another inventory. So the text shows both totals.
    if host_count != earlier_host_count:
        earlier_text = f"before, {_count_open_hosts(earlier_run):,} of {earlier_host_count:,}"
        return (
            f"Not meeting the ban: {_count_open_hosts(last_run):,} of {format_count(host_count, 'host')}; "
            f"{earlier_text}"
        )
    difference = _count_open_hosts(last_run) - _count_open_hosts(earlier_run)
    comparison = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} than" if difference else "as many as"
    return f"Not meeting the ban: {format_count(_count_open_hosts(last_run), 'host')}, {comparison} before"


def select_table_runs(trend: Sequence[PastRun]) -> Sequence[PastRun]:
    """Return the runs of the trend's table, newest first; () for fewer than two runs."""
    return trend[-MAX_RUNS:][::-1] if len(trend) > 1 else ()
