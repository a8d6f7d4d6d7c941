"""The exports of a report as text, for the terminal and the page."""

from __future__ import annotations

from ....model.types.report import FleetReport, ReportedExport
from ....model.vocabulary import POINT_STATES
from .wording import clean_text, format_readable_time

CURRENT_STATE, UNKNOWN_STATE = POINT_STATES[-1], POINT_STATES[-2]
MAX_NAMED_ADDRESSES = 3  # most client addresses that are named for an export
# Key: the state of an export. Value: the host state whose colour and sign show it.
HOST_STATE_OF_POINT = {
    **dict.fromkeys(POINT_STATES, "noncompliant"),
    UNKNOWN_STATE: UNKNOWN_STATE,
    CURRENT_STATE: "compliant",
}


def sort_points(report: FleetReport) -> list[ReportedExport]:
    """Return the exports to enforcement points in a report, worst state first."""
    return sorted(
        report.get("points") or (), key=lambda point: (POINT_STATES.index(point["state"]), point["directory"])
    )


def format_point_name(point: ReportedExport) -> str:
    """Format the name of an export to an enforcement point: its format, and its group if it has one."""
    return f"{point['format']} of group {point['group']}" if point["group"] else point["format"]


def describe_writing(point: ReportedExport) -> str:
    """Describe when an export was written, from which plan, until when it is valid, and who signed it.

    The text is `not known` if the time of writing is unknown.
    """
    if point["written"] is None:
        return "not known"
    texts = [format_readable_time(point["written"]), f"plan {clean_text(point['plan'])[:19]}"]
    texts += [f"valid until {format_readable_time(point['valid_until'])}"] if point["valid_until"] else []
    texts += [f"signed with {clean_text(point['signed_with'])}"] if point["signed_with"] else []
    return ", ".join(texts)


def describe_fetches(point: ReportedExport) -> str:
    """Describe which addresses fetched an export last, by the access log of the web server.

    An address that fetched the export before its last writing has an earlier export.
    """
    fetches = point["fetched_by"]
    if fetches is None:
        return f"not known: {clean_text(point['fetched_by_unknown'])}"
    since_text = f" since {format_readable_time(fetches['since'])}" if fetches["since"] else ""
    if not fetches["last"]:
        return f"nobody{since_text}, by the access log"
    written_at = point["written"] or ""
    fetch_texts = [
        f"{fetch['address']} on "
        f"{format_readable_time(fetch['at'])}{' (an earlier export)' if fetch['at'] < written_at else ''}"
        for fetch in fetches["last"][:MAX_NAMED_ADDRESSES]
    ]
    omitted_count = fetches["addresses"] - len(fetch_texts)
    return ", ".join([*fetch_texts, f"and {omitted_count:,} more"] if omitted_count > 0 else fetch_texts)
