"""The exports of a report in words, for the terminal and the page."""

from __future__ import annotations

from ....model.types.report import FleetReport, ReportedExport
from ....model.words import POINT_STATES
from .wording import clean, moment

CURRENT, UNKNOWN = POINT_STATES[-1], POINT_STATES[-2]
NAMED = 3  # addresses that fetched an export
# Their colours and signs are those of a host's states.
LIKE = {**dict.fromkeys(POINT_STATES, "noncompliant"), UNKNOWN: UNKNOWN, CURRENT: "compliant"}


def points_of(report: FleetReport) -> list[ReportedExport]:
    """The exports of a report, worst first."""
    return sorted(report.get("points") or (), key=lambda one: (POINT_STATES.index(one["state"]), one["directory"]))


def name_of(point: ReportedExport) -> str:
    """The format, and the group that it is for."""
    return f"{point['format']} of group {point['group']}" if point["group"] else point["format"]


def written(point: ReportedExport) -> str:
    """When it was written, by which plan, signed by which key."""
    if point["written"] is None:
        return "not known"
    said = [moment(point["written"]), f"plan {clean(point['plan'])[:19]}"]
    said += [f"valid until {moment(point['valid_until'])}"] if point["valid_until"] else []
    said += [f"signed with {clean(point['signed_with'])}"] if point["signed_with"] else []
    return ", ".join(said)


def fetched(point: ReportedExport) -> str:
    """Who fetched it last."""
    by = point["fetched_by"]
    if by is None:
        return f"not known: {clean(point['fetched_by_unknown'])}"
    since = f" since {moment(by['since'])}" if by["since"] else ""
    if not by["last"]:
        return f"nobody{since}, by the access log"
    before = point["written"] or ""
    said = [
        f"{one['address']} on {moment(one['at'])}{' (an earlier export)' if one['at'] < before else ''}"
        for one in by["last"][:NAMED]
    ]
    more = by["addresses"] - len(said)
    return ", ".join([*said, f"and {more:,} more"] if more > 0 else said)
