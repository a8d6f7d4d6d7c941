"""The trend: hosts that do not meet the ban, run by run, as a small drawing, in words, and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...finding import OPEN
from ..wording import counted, moment, ratio
from .markup import named, table, text, time

MOST = 60  # runs that are drawn
NUMBERS = ("coverage", "compliance_strict", "compliance_with_waivers")
WIDTH, HEIGHT = 360, 64

# A run of the history: {"run", "finished", "mode", "hosts": {state: number}, "coverage": {numerator, denominator,
# percent}, "compliance_strict": {...}, "compliance_with_waivers": {...}}
Run = Mapping[str, Any]


def drawing(trend: Sequence[Run], part: str = "") -> Iterator[str]:
    """One column for each run, oldest first, and what changed in words. Nothing for a single run. `part` says what
    these runs left out, "" where they are over the whole.
    """
    runs = trend[-MOST:]
    if len(runs) < 2:
        return
    top = max(1, *(_open(run) for run in runs))
    step = WIDTH / max(len(runs), 12)
    columns = "".join(_column(run, index * step, step, top) for index, run in enumerate(runs, max(0, 12 - len(runs))))
    first, last = runs[0], runs[-1]
    said = f"Hosts that do not meet the ban in {len(runs)} runs: at most {top:,}, in the last one {_open(last):,}"
    change = _change(runs[-2], last) + (f" (in runs like this one: {part})" if part else "")
    yield f'<figure class="trend"><figcaption>{text(change)}</figcaption>'
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(said)}">{columns}'
    yield f'<path class="axis" d="M0 {HEIGHT - 0.5}H{WIDTH}"/></svg>'
    yield f'<p class="ends"><span>{time(first["finished"])}</span><span>{time(last["finished"])}</span></p></figure>\n'


def _column(run: Run, x: float, step: float, top: int) -> str:
    at, parts = float(HEIGHT - 1), []
    for state in OPEN:  # drawn from the bottom: the worst stands on the line
        count = run["hosts"].get(state, 0)
        if count:
            height = max(count * (HEIGHT - 4) / top, 1.5)
            at -= height
            shape = f'x="{x:.1f}" y="{at:.1f}" width="{max(step - 1.5, 1):.1f}" height="{height:.1f}"'
            parts.append(f'<rect class="{state}" {shape}/>')
    words = ", ".join(f"{run['hosts'].get(state, 0):,} {named(state)}" for state in OPEN if run["hosts"].get(state))
    return (
        f"<g><title>{text(moment(run['finished']))}: {words or 'every host meets the ban'}</title>{''.join(parts)}</g>"
    )


def _open(run: Run) -> int:
    return sum(int(run["hosts"].get(state, 0)) for state in OPEN)


def until(trend: Sequence[Run], run: object) -> Sequence[Run]:
    """The trend up to a run: the page of an older run, made anew, knows nothing of what came later."""
    places = [place for place, one in enumerate(trend) if one["run"] == run]
    return trend[: places[-1] + 1] if places else trend


def _change(before: Run, now: Run) -> str:
    hosts, asked = sum(now["hosts"].values()), sum(before["hosts"].values())
    if hosts != asked:  # a limited run, or another inventory: the numbers say nothing without the whole
        return (
            f"Not meeting the ban: {_open(now):,} of {counted(hosts, 'host')}; before, {_open(before):,} of {asked:,}"
        )
    difference = _open(now) - _open(before)
    than = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} than" if difference else "as many as"
    return f"Not meeting the ban: {counted(_open(now), 'host')}, {than} before"


def numbers(trend: Sequence[Run]) -> Iterator[str]:
    """The same and more as a table, newest first."""
    if len(trend) < 2:
        return
    yield '<section id="trend">\n<h2>Earlier runs</h2>\n'
    yield f"<details><summary>{counted(min(len(trend), MOST), 'run')}, newest first</summary>\n"
    heads = [("when", "Finished"), ("", "Mode"), *(("number", state) for state in OPEN)]
    heads += [("", "Evaluated"), ("", "Compliant"), ("", "With waivers")]
    yield from table("Earlier runs", heads, map(_row, reversed(trend[-MOST:])))
    yield "</details>\n</section>\n"


def _row(run: Run) -> str:
    counts = "".join(f'<td class="number">{run["hosts"].get(state, 0):,}</td>' for state in OPEN)
    shares = "".join(f'<td class="share">{text(ratio(run[key]))}</td>' for key in NUMBERS)
    return f'<th scope="row" class="when">{time(run["finished"])}</th><td>{text(run["mode"])}</td>{counts}{shares}'
