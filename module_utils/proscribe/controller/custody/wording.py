"""The quarantines of a fleet in words: the table, what is said before anything moves, and how a run ended."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.quarantined import DONE_WORDS, PRUNE
from ...model.types.quarantine import ChosenItem
from ...model.words import QUARANTINED_KINDS
from ..report.text.layout import fitted, wrap
from ..report.text.layout import table as columns
from ..report.text.wording import clean, counted, moment
from . import TAKEN
from .outcome import Course, Fate

MANY = 10  # hosts, or items of one, that are listed one by one
HEADS = ("host", "id", "when", "user", "service", "what", "size", "kept until", "path")
UNITS = ("B", "KiB", "MiB", "GiB")

Rows = Sequence[ChosenItem]


def before(do: str, rows: Rows, check: bool) -> list[str]:
    """What is said before anything moves: of each thing what the next enforcing run makes of it, or that it goes for
    good.
    """
    if not rows:
        return [f"nothing in the quarantine matches; nothing is {DONE_WORDS[do]}"]
    will = "would be" if check else "will be"
    if do == PRUNE:
        size = sized(sum(row["bytes"] for row in rows))
        return [f"{counted(len(rows), 'item')} ({size}) {will} deleted and cannot be restored:", *_each(rows)]
    lost = losses(rows)
    head = f"{counted(len(rows), 'item')} {will} restored; the ban is not lifted"
    if lost:
        head += f", and the next enforcing run takes {len(lost):,} of them again"
    return [f"{head}:", *_each(rows, outlooks=True)]


def losses(rows: Rows) -> Rows:
    """What the next enforcing run takes again."""
    return [row for row in rows if row["next_run"]["state"] == TAKEN]


def not_accepted(rows: Rows) -> str:
    """Why nothing was restored: losses that nobody has accepted."""
    lost, ids = losses(rows), ", ".join(row["id"] for row in losses(rows)[:MANY])
    more = f" and {len(lost) - MANY:,} more" if len(lost) > MANY else ""
    return (
        f"nothing was restored: the next enforcing run takes {ids}{more} again. Have a waiver approved that covers them"
        " (docs/waivers.md), or give --accept-loss as well (quarantine_accept_loss=true) to restore them all the same"
    )


def _each(rows: Rows, outlooks: bool = False) -> list[str]:
    lines = []
    for row in rows:
        line = f"  {row['host']}  {row['id']}  {row['path']} ({row['user']}, {sized(row['bytes'])})"
        lines.append(clean(f"{line}: {_next(row)}" if outlooks else line))
    return lines


def _next(row: ChosenItem) -> str:
    next_run = row["next_run"]
    if next_run["state"] == TAKEN:
        return f"the next enforcing run takes it again: {next_run['why']}"
    return next_run["why"]


def table(course: Course, width: int) -> str:
    """What was found, one row for each thing (for what was taken in several parts, one for all of them)."""
    rows = [tuple(map(clean, _row(parts))) for parts in _together(course.rows)]
    lines = list(columns([HEADS, *rows], width)) if rows else []
    size = sized(sum(row["bytes"] for row in course.rows))
    hosts = f"{len(course.listed):,} of {counted(len(course.hosts), 'host')}"
    lines += ["", f"{counted(len(course.rows), 'item')}, {size}; {hosts} answered"]
    return "\n".join(["", *lines, *(fitted(line, width) for line in _unseen(course))])


def _together(rows: Rows) -> list[list[ChosenItem]]:
    found: dict[tuple[str, str], list[ChosenItem]] = {}
    for row in rows:
        found.setdefault((row["host"], row["group"] or row["id"]), []).append(row)
    return list(found.values())


def _row(parts: Rows) -> tuple[str, ...]:
    first = parts[0]
    what = QUARANTINED_KINDS.get(first["kind"], first["kind"])
    unfinished = "" if all(part["finished"] for part in parts) else ", unfinished"
    path = first["path"] if len(parts) == 1 else f"{first['path']} and {counted(len(parts) - 1, 'more part')}"
    return (
        first["host"],
        first["group"] or first["id"],
        moment(first["taken_at"]),
        first["user"],
        ", ".join(first["services"]),
        f"{what}{f' ({len(parts)} parts)' if len(parts) > 1 else ''}{unfinished}",
        sized(sum(part["bytes"] for part in parts)),
        first["kept_until"][:10] or "forever",
        path,
    )


def _unseen(course: Course) -> list[str]:
    """What was not observed, or could not be read."""
    silent = course.silent
    lines = [clean(f"unknown: {host}: {why}") for host, why in list(silent.items())[:MANY]]
    lines += [f"... and {counted(len(silent) - MANY, 'more host')}"] if len(silent) > MANY else []
    for host, seen in course.listed.items():
        lines += [clean(f"cannot be read: {host}: {one['id']}: {one['why']}") for one in seen["broken"][:MANY]]
        if more := len(seen["broken"]) - MANY:
            lines += [clean(f"{host}: {more:,} more that cannot be read")] if more > 0 else []
        if seen["left_out"]:
            lines.append(clean(f"{host}: {counted(seen['left_out'], 'more item')} that do not fit in one answer"))
    return lines


def ended(course: Course, *, check: bool, width: int) -> str:
    """How a run ended that restored or pruned: what was done, what was not and why, and what is so now."""
    fates = course.fates()
    done = [fate for fate in fates if fate.done]
    word = DONE_WORDS[course.do]
    done_text = f"{word} {_of(done, fates)}"
    head = f"would have {done_text}; nothing was changed" if check else done_text
    lines = wrap(f"{head}{_after(course.do, done, check)}", width)
    for fate in fates:
        if not fate.done:
            lines += wrap(clean(f"not {word}: {fate.row['host']}: {fate.row['id']}: {fate.why}"), width)
    return "\n".join(["", *lines, *(fitted(line, width) for line in _unseen(course))])


def _of(done: Sequence[Fate], fates: Sequence[Fate]) -> str:
    hosts = len({fate.row["host"] for fate in done})
    return f"{len(done):,} of {counted(len(fates), 'item')} on {counted(hosts, 'host')}"


def _after(do: str, done: Sequence[Fate], check: bool) -> str:
    """What is true after it."""
    if check or not done:
        return ""
    if do == PRUNE:
        return "; they cannot be restored"
    lost = len(losses([fate.row for fate in done]))
    again = f"; the next enforcing run takes {lost:,} of them again" if lost else ""
    return f"; the ban was not lifted{again}"


def sized(size: int) -> str:
    """Bytes in the unit that fits, floored: `4,096 B`, `12 MiB`."""
    number = size
    for unit in UNITS:
        if number < 10_000 or unit == UNITS[-1]:
            return f"{number:,} {unit}"
        number //= 1024
    return ""
