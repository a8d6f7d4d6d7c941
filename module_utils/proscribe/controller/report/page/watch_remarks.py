"""The sections on events between two runs and on requests of users."""

from __future__ import annotations

from ....model.types.report import FleetReport
from ..evaluation.watch_remark_groups import (
    ENDED,
    FROZEN,
    INCIDENT,
    STALE,
    UNOBSERVED,
    WatchRemark,
    describe_waiting_requests,
)
from ..text.wording import clean_text, format_count, format_readable_time
from .breakdown import FleetBreakdown
from .listings import MAX_ROWS, TableListing, describe_omitted_rows

REMARK_ORDER = (INCIDENT, ENDED, FROZEN, STALE, UNOBSERVED)
INITIAL_ROW_COUNT = 12


def describe_remark(remark: WatchRemark) -> str:
    """Describe an event on a host between two runs, with its rule or program."""
    if remark.kind == ENDED:
        return f"{clean_text(remark.rule)}: {clean_text(remark.program)} of {clean_text(remark.user)} {remark.text}"
    return f"{clean_text(remark.rule)}: {remark.text}" if remark.rule else remark.text


def make_remark_listing(report: FleetReport, breakdown: FleetBreakdown) -> TableListing | None:
    """Make the table of events on hosts between two runs; None if no host has a watch.

    The table has incidents and then ended programs, each with the most frequent first. After these it has watchers that
    are frozen, have a plan without renewal, or have not observed their host.
    """
    watch = report.get("watch")
    if not watch:
        return None
    host_remarks = [(remark, host.name) for host in breakdown.hosts for remark in host.remarks]
    host_remarks.sort(key=lambda host_remark: (REMARK_ORDER.index(host_remark[0].kind), -host_remark[0].times))
    rows = [(host, _format_subject(remark), _format_event(remark)) for remark, host in host_remarks[:MAX_ROWS]]
    note = f"{format_count(watch['hosts'], 'host')} of this run observe and correct themselves between two runs."
    if watch["left_out"]:
        note += f" Their journals have {format_count(watch['left_out'], 'entry').replace('entrys', 'entries')} more."
    columns = (("what", "Host"), ("", "About"), ("", "What happened"))
    more_text, empty_text = (
        describe_omitted_rows(host_remarks, "event", "hosts.jsonl"),
        "Nothing was open, and no program was ended.",
    )
    heading = "Between two runs"
    return TableListing(
        "between",
        heading,
        heading,
        columns,
        rows,
        "event",
        INITIAL_ROW_COUNT,
        note=note,
        more=more_text,
        nothing=empty_text,
    )


def _format_subject(remark: WatchRemark) -> str:
    """Return the subject of an event: its rule, for an ended program with the program's user, or the watcher."""
    return f"{remark.rule}, {remark.user}" if remark.kind == ENDED else remark.rule or "the watcher"


def _format_event(remark: WatchRemark) -> str:
    """Describe an event on a host between two runs, with the last time if it occurred repeatedly."""
    last_text = f"; the last time on {format_readable_time(remark.last)}" if remark.times > 1 else ""
    return f"{remark.program} {remark.text}{last_text}" if remark.kind == ENDED else f"{remark.text}{last_text}"


def make_request_listing(report: FleetReport, breakdown: FleetBreakdown) -> TableListing | None:
    """Make the table of users' requests that wait for an answer, oldest first; None for none."""
    if not describe_waiting_requests(report):
        return None
    host_requests = [(request, host.name) for host in breakdown.hosts for request in host.requests]
    host_requests.sort(key=lambda host_request: (host_request[0]["at"], host_request[1]))
    rows = [
        (
            host,
            request["user"],
            request["service"],
            request["reason"],
            format_readable_time(request["at"]),
            request["id"],
        )
        for request, host in host_requests[:MAX_ROWS]
    ]
    columns = (("what", "Host"), ("", "User"), ("", "Service"), ("", "Reason"), ("", "Since"), ("", "Request"))
    note = (
        f"{describe_waiting_requests(report)}. The command below, under Next, lists them; a waiver is made of one, "
        f"or it is refused."
    )
    more_text = describe_omitted_rows(host_requests, "request", "hosts.jsonl")
    return TableListing(
        "requests", "Requests", "Requests", columns, rows, "request", INITIAL_ROW_COUNT, note=note, more=more_text
    )
