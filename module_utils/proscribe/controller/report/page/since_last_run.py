"""What hosts did between two runs, and what their users request: the page's two sections on it."""

from __future__ import annotations

from ....model.types.report import FleetReport
from ..evaluation.since_last_run import (
    ENDED,
    FROZEN,
    INCIDENT,
    STALE,
    UNOBSERVED,
    WatchRemark,
    describe_waiting_requests,
)
from ..text.wording import clean, counted, moment
from .breakdown import Breakdown
from .listings import MOST, Listing, beyond

ORDER = (INCIDENT, ENDED, FROZEN, STALE, UNOBSERVED)
FEW = 12


def sentence(one: WatchRemark) -> str:
    """A remark on one host, with what it is about."""
    if one.kind == ENDED:
        return f"{clean(one.rule)}: {clean(one.program)} of {clean(one.user)} {one.text}"
    return f"{clean(one.rule)}: {one.text}" if one.rule else one.text


def happened(report: FleetReport, breakdown: Breakdown) -> Listing | None:
    """What happened, most often first; then hosts whose watcher is frozen, or holds a plan that no run renews, or has
    not observed them.
    """
    watch = report.get("watch")
    if not watch:
        return None
    found = [(one, host.name) for host in breakdown.hosts for one in host.remarks]
    found.sort(key=lambda item: (ORDER.index(item[0].kind), -item[0].times))
    rows = [(host, _about(one), _what(one)) for one, host in found[:MOST]]
    note = f"{counted(watch['hosts'], 'host')} of this run observe and correct themselves between two runs."
    if watch["left_out"]:
        note += f" Their journals have {counted(watch['left_out'], 'entry').replace('entrys', 'entries')} more."
    columns = (("what", "Host"), ("", "About"), ("", "What happened"))
    more, nothing = beyond(found, "event", "hosts.jsonl"), "Nothing was open, and no program was ended."
    heading = "Between two runs"
    return Listing("between", heading, heading, columns, rows, "event", FEW, note=note, more=more, nothing=nothing)


def _about(one: WatchRemark) -> str:
    return f"{one.rule}, {one.user}" if one.kind == ENDED else one.rule or "the watcher"


def _what(one: WatchRemark) -> str:
    last = f"; the last time on {moment(one.last)}" if one.times > 1 else ""
    return f"{one.program} {one.text}{last}" if one.kind == ENDED else f"{one.text}{last}"


def requests(report: FleetReport, breakdown: Breakdown) -> Listing | None:
    """The requests that wait, oldest first. What users typed stands here as they typed it."""
    if not describe_waiting_requests(report):
        return None
    found = [(one, host.name) for host in breakdown.hosts for one in host.requests]
    found.sort(key=lambda item: (item[0]["at"], item[1]))
    rows = [
        (host, one["user"], one["service"], one["reason"], moment(one["at"]), one["id"]) for one, host in found[:MOST]
    ]
    columns = (("what", "Host"), ("", "User"), ("", "Service"), ("", "Reason"), ("", "Since"), ("", "Request"))
    note = f"{describe_waiting_requests(report)}. The command below, under Next, lists them; a waiver is made of one, or it is refused."
    more = beyond(found, "request", "hosts.jsonl")
    return Listing("requests", "Requests", "Requests", columns, rows, "request", FEW, note=note, more=more)
