"""Texts about the quarantines of a fleet: the table of items, and an operation's announcement and results."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.quarantine_ids import DONE_WORDS, PRUNE
from ...model.types.quarantine import ChosenItem
from ...model.vocabulary import QUARANTINED_KINDS
from ..report.text.terminal_layout import fit_lines, wrap_text
from ..report.text.terminal_layout import format_table as columns
from ..report.text.wording import clean_text, format_count, format_readable_time
from . import TAKEN_AGAIN
from .quarantine_run import OperationOutcome, QuarantineRun

MAX_LISTED = 10  # most hosts, ids, or unreadable items of a host that a text lists one by one
TABLE_HEADINGS = ("host", "id", "when", "user", "service", "what", "size", "kept until", "path")
SIZE_UNITS = ("B", "KiB", "MiB", "GiB")

QuarantineRows = Sequence[ChosenItem]


def describe_operation(operation: str, rows: QuarantineRows, is_check: bool) -> list[str]:
    """Return the lines that announce an operation (restore or prune) before any file moves.

    For a restore, each item has a prediction: whether the next enforcing run takes the item again. A prune deletes
    items for good. With `is_check` nothing will be changed.
    """
    if not rows:
        return [f"nothing in the quarantine matches; nothing is {DONE_WORDS[operation]}"]
    verb = "would be" if is_check else "will be"
    if operation == PRUNE:
        size = format_size(sum(row["bytes"] for row in rows))
        return [
            f"{format_count(len(rows), 'item')} ({size}) {verb} deleted and cannot be restored:",
            *_format_items(rows),
        ]
    lost_rows = list_losses(rows)
    headline = f"{format_count(len(rows), 'item')} {verb} restored; the ban is not lifted"
    if lost_rows:
        headline += f", and the next enforcing run takes {len(lost_rows):,} of them again"
    return [f"{headline}:", *_format_items(rows, with_outlooks=True)]


def list_losses(rows: QuarantineRows) -> QuarantineRows:
    """Return the items that the next enforcing run would take into quarantine again after a restore."""
    return [row for row in rows if row["next_run"]["state"] == TAKEN_AGAIN]


def describe_unaccepted_losses(rows: QuarantineRows) -> str:
    """Describe why nothing was restored: the next run would take items again, and --accept-loss is missing."""
    lost_rows, ids = list_losses(rows), ", ".join(row["id"] for row in list_losses(rows)[:MAX_LISTED])
    more_text = f" and {len(lost_rows) - MAX_LISTED:,} more" if len(lost_rows) > MAX_LISTED else ""
    return (
        f"nothing was restored: the next enforcing run takes {ids}{more_text} again. Have a waiver approved that "
        f"covers them"
        " (docs/waivers.md), or give --accept-loss as well (quarantine_accept_loss=true) to restore them all the same"
    )


def _format_items(rows: QuarantineRows, with_outlooks: bool = False) -> list[str]:
    """Return a line for each item; with `with_outlooks` also the predicted effect of the next enforcing run."""
    lines = []
    for row in rows:
        line = f"  {row['host']}  {row['id']}  {row['path']} ({row['user']}, {format_size(row['bytes'])})"
        lines.append(clean_text(f"{line}: {_describe_outlook(row)}" if with_outlooks else line))
    return lines


def _describe_outlook(row: ChosenItem) -> str:
    """Return a phrase with the predicted effect of the next enforcing run on a restored item."""
    next_run = row["next_run"]
    if next_run["state"] == TAKEN_AGAIN:
        return f"the next enforcing run takes it again: {next_run['why']}"
    return next_run["why"]


def format_quarantine_table(quarantine_run: QuarantineRun, width: int) -> str:
    """Format the selected items as a table, with a single row for all parts of an item.

    Below the table are the totals, the hosts without an answer, and unreadable items.
    """
    rows = [tuple(map(clean_text, _format_row(parts))) for parts in _group_rows(quarantine_run.rows)]
    lines = list(columns([TABLE_HEADINGS, *rows], width)) if rows else []
    size_text = format_size(sum(row["bytes"] for row in quarantine_run.rows))
    hosts_text = f"{len(quarantine_run.listed_quarantines):,} of {format_count(len(quarantine_run.hosts), 'host')}"
    lines += ["", f"{format_count(len(quarantine_run.rows), 'item')}, {size_text}; {hosts_text} answered"]
    return "\n".join(["", *lines, *(fit_lines(line, width) for line in _describe_unseen(quarantine_run))])


def _group_rows(rows: QuarantineRows) -> list[list[ChosenItem]]:
    """Return the items, each as the list of its parts, which were taken into quarantine together."""
    rows_by_group: dict[tuple[str, str], list[ChosenItem]] = {}
    for row in rows:
        rows_by_group.setdefault((row["host"], row["group"] or row["id"]), []).append(row)
    return list(rows_by_group.values())


def _format_row(parts: QuarantineRows) -> tuple[str, ...]:
    """Return the table cells of an item.

    `parts` are the quarantined parts of the item that were taken together.
    """
    first_part = parts[0]
    kind_text = QUARANTINED_KINDS.get(first_part["kind"], first_part["kind"])
    unfinished_text = "" if all(part["finished"] for part in parts) else ", unfinished"
    path = (
        first_part["path"]
        if len(parts) == 1
        else f"{first_part['path']} and {format_count(len(parts) - 1, 'more part')}"
    )
    return (
        first_part["host"],
        first_part["group"] or first_part["id"],
        format_readable_time(first_part["taken_at"]),
        first_part["user"],
        ", ".join(first_part["services"]),
        f"{kind_text}{f' ({len(parts)} parts)' if len(parts) > 1 else ''}{unfinished_text}",
        format_size(sum(part["bytes"] for part in parts)),
        first_part["kept_until"][:10] or "forever",
        path,
    )


def _describe_unseen(quarantine_run: QuarantineRun) -> list[str]:
    """Return lines about hosts without an answer, unreadable items, and items that an answer left out."""
    silent_hosts = quarantine_run.silent_hosts
    lines = [clean_text(f"unknown: {host}: {reason}") for host, reason in list(silent_hosts.items())[:MAX_LISTED]]
    lines += (
        [f"... and {format_count(len(silent_hosts) - MAX_LISTED, 'more host')}"]
        if len(silent_hosts) > MAX_LISTED
        else []
    )
    for host, quarantine_answer in quarantine_run.listed_quarantines.items():
        lines += [
            clean_text(f"cannot be read: {host}: {broken_item['id']}: {broken_item['why']}")
            for broken_item in quarantine_answer["broken"][:MAX_LISTED]
        ]
        # A negative number means that all unreadable items are listed.
        if more_count := len(quarantine_answer["broken"]) - MAX_LISTED:
            lines += [clean_text(f"{host}: {more_count:,} more that cannot be read")] if more_count > 0 else []
        if quarantine_answer["left_out"]:
            lines.append(
                clean_text(
                    f"{host}: {format_count(quarantine_answer['left_out'], 'more item')} that do not fit in one answer"
                )
            )
    return lines


def describe_result(quarantine_run: QuarantineRun, *, is_check: bool, width: int) -> str:
    """Describe the results of a restore or prune: items done, the reasons for the others, and consequences."""
    outcomes = quarantine_run.list_outcomes()
    done_outcomes = [item_outcome for item_outcome in outcomes if item_outcome.is_done]
    participle = DONE_WORDS[quarantine_run.do]
    done_text = f"{participle} {_count_done(done_outcomes, outcomes)}"
    headline = f"would have {done_text}; nothing was changed" if is_check else done_text
    lines = wrap_text(f"{headline}{_describe_consequences(quarantine_run.do, done_outcomes, is_check)}", width)
    for item_outcome in outcomes:
        if not item_outcome.is_done:
            lines += wrap_text(
                clean_text(
                    f"not {participle}: {item_outcome.row['host']}: {item_outcome.row['id']}: {item_outcome.reason}"
                ),
                width,
            )
    return "\n".join(["", *lines, *(fit_lines(line, width) for line in _describe_unseen(quarantine_run))])


def _count_done(done_outcomes: Sequence[OperationOutcome], outcomes: Sequence[OperationOutcome]) -> str:
    """Return a phrase: how many of the items are done, on how many hosts."""
    host_count = len({item_outcome.row["host"] for item_outcome in done_outcomes})
    return f"{len(done_outcomes):,} of {format_count(len(outcomes), 'item')} on {format_count(host_count, 'host')}"


def _describe_consequences(operation: str, done_outcomes: Sequence[OperationOutcome], is_check: bool) -> str:
    """Return the consequences of a restore or prune, as the end of a sentence; "" if nothing was changed."""
    if is_check or not done_outcomes:
        return ""
    if operation == PRUNE:
        return "; they cannot be restored"
    lost_count = len(list_losses([item_outcome.row for item_outcome in done_outcomes]))
    loss_text = f"; the next enforcing run takes {lost_count:,} of them again" if lost_count else ""
    return f"; the ban was not lifted{loss_text}"


def format_size(size: int) -> str:
    """Format a number of bytes in a suitable unit, rounded down: `4,096 B`, `12 MiB`."""
    quantity = size
    for unit in SIZE_UNITS:
        if quantity < 10_000 or unit == SIZE_UNITS[-1]:
            return f"{quantity:,} {unit}"
        quantity //= 1024
    return ""
