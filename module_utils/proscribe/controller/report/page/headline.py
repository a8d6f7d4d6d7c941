"""The first screen of the page: the effect of the ban, the numbers of hosts, and the trend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, STATES, UNKNOWN, WAIVED
from ....model.plan import CONTROLS
from ....model.types.history import PastRun
from ....model.types.report import CountShare, FleetReport, ReportRun
from ..evaluation import watch_remark_groups
from ..evaluation.control_modes import describe_unenforced_controls
from ..evaluation.scope import count_left_out_hosts, describe_ban_effect, describe_department, describe_restrictions
from ..text.wording import clean_text, describe_idle_ban, format_count, format_key
from .bars import BarPiece, make_bar
from .trend import TrendDrawing, make_trend_drawing


def format_title(report: FleetReport) -> str:
    """Format the verdict on the fleet as a sentence, the title of the page.

    The first fact that applies decides: no host, a lift (removal of the ban), noncompliant hosts, unknown hosts. The
    next fact is a ban that applies nowhere yet. Otherwise the ban is in effect, and the title has its limits.
    """
    hosts = report["summary"]["hosts"]
    expected_count = report["run"]["expected_hosts"]
    not_served_count = report["summary"].get("not_served") or 0
    if not expected_count and not_served_count:
        return "Proscribe serves none of these hosts"
    if not expected_count:
        return "No host was selected"
    noncompliant_count = hosts[ERROR] + hosts[NONCOMPLIANT]
    if report.get("lifted"):
        return _format_lifted_title(report, noncompliant_count)
    if expected_count == 1 and (noncompliant_count or hosts[UNKNOWN]):
        return (
            "This host is not compliant"
            if noncompliant_count
            else "Whether the ban is in effect on this host is unknown"
        )
    scope_text = _format_scope(report)
    if noncompliant_count:
        unknown_text = f", and {hosts[UNKNOWN]:,} {_format_verb(hosts[UNKNOWN])} unknown" if hosts[UNKNOWN] else ""
        return (
            f"{noncompliant_count:,} of {format_count(expected_count, 'host')}{scope_text} "
            f"{_format_verb(noncompliant_count)} not compliant{unknown_text}"
        )
    if hosts[UNKNOWN]:
        return (
            f"Whether the ban is in effect is unknown for {hosts[UNKNOWN]:,} of "
            f"{format_count(expected_count, 'host')}{scope_text}"
        )
    if idle_reason := describe_idle_ban(report):
        return idle_reason[0].upper() + idle_reason[1:]
    effect_text = describe_ban_effect(report["run"])
    effect_start = f"{effect_text[0].upper()}{effect_text[1:]} on"
    exceptions_text = _format_exceptions(report)
    if not_served_count:
        served_text = (
            f"the {format_count(expected_count, 'host')}{scope_text} that {_format_verb(expected_count)} served"
        )
        return (
            f"{effect_start} {served_text}{exceptions_text}; {format_count(not_served_count, 'host')} "
            f"{_format_verb(not_served_count)} not"
        )
    if scope_text:
        return f"{effect_start} the {format_count(expected_count, 'host')}{scope_text}{exceptions_text}"
    return f"{effect_start} {'this host' if expected_count == 1 else f'all {expected_count:,} hosts'}{exceptions_text}"


def _format_lifted_title(report: FleetReport, noncompliant_count: int) -> str:
    """Format the title of a report with hosts from which the ban was removed (lifted) after the run.

    The title says `in part` if no host lost the ban of all controls.
    """
    expected_count = report["run"]["expected_hosts"]
    lifted_hosts = {lift["host"] for lift in report["lifted"]}
    wholly_lifted = {lift["host"] for lift in report["lifted"] if set(CONTROLS) <= {*lift["controls"]}}
    part_text = "" if wholly_lifted else " in part"
    unknown_count = report["summary"]["hosts"][UNKNOWN]
    hosts_text = (
        "this host"
        if expected_count == 1
        else f"{len(lifted_hosts):,} of {format_count(expected_count, 'host')}{_format_scope(report)}"
    )
    other_hosts_text = (
        f"; {noncompliant_count:,} {_format_verb(noncompliant_count)} not compliant" if noncompliant_count else ""
    )
    other_hosts_text += (
        f"; {unknown_count:,} {_format_verb(unknown_count)} unknown, with these"
        if expected_count > 1 and unknown_count > len(lifted_hosts)
        else ""
    )
    return f"The ban is lifted{part_text} on {hosts_text}{other_hosts_text}"


def _format_scope(report: FleetReport) -> str:
    """Format the scope of the hosts in a title; "" for a run over all hosts.

    If the number of left-out hosts is unknown, the run counts as a run over selected hosts.
    """
    if department := report.get("department"):
        is_partial = department["missing"] or department["partial"]
        return f" of {clean_text(department['name'])}" + (" in this run" if is_partial else "")
    if count_left_out_hosts(report["run"]) == 0:
        return ""
    return " that was selected" if report["run"]["expected_hosts"] == 1 else " that were selected"


def _format_exceptions(report: FleetReport) -> str:
    """Format what limits a ban that is in effect on all hosts; "" for nothing.

    The limits are waivers, rules that were not compliant between two runs, and frozen watchers.
    """
    watch, is_single_host = report.get("watch"), report["run"]["expected_hosts"] == 1
    waived_count = report["summary"]["hosts"][WAIVED]
    waiver_texts = [f"for waivers{'' if is_single_host else f' on {waived_count:,}'}"] if waived_count else []
    watch_texts = []
    if watch and (opened_count := watch["opened"]):
        watch_texts.append("was open in between" if is_single_host else f"was open in between on {opened_count:,}")
    if watch and (frozen_count := watch["frozen"]):
        watch_texts.append(
            "its watcher is frozen" if is_single_host else f"{frozen_count:,} {_format_verb(frozen_count)} frozen"
        )
    exceptions_text = ", and ".join([*waiver_texts, *([" and ".join(watch_texts)] if watch_texts else [])])
    return f", but {exceptions_text}" if exceptions_text else ""


def _format_verb(count: int) -> str:
    return "is" if count == 1 else "are"


class PageHeader(NamedTuple):
    """The data of the first screen of the page; see templates/header.html.j2."""

    mode: str
    finished: str
    # texts about the inventory, the selected hosts, left-out hosts and controls, and controls that are not enforced
    beside: Sequence[str]
    title: str
    hosts: Mapping[str, int]  # number of hosts by state, worst state first; states without hosts are left out
    words: str  # `hosts` as text
    bar: Sequence[BarPiece]
    not_served: int
    figures: Sequence[tuple[str, CountShare, str]]  # (name, share, unit) of each percentage
    trend: TrendDrawing | None
    between: Sequence[str]  # texts about events on hosts between two runs
    waiting: str  # text about requests of users that wait for an answer; "" for none


def make_header(report: FleetReport, trend: Sequence[PastRun]) -> PageHeader:
    """Make the first screen: the verdict, the hosts by state, the three percentages, and the trend."""
    run, summary = report["run"], report["summary"]
    strict_share, waived_share = summary["compliance_strict"], summary["compliance_with_waivers"]
    figures = (
        ("Coverage", summary["coverage"], "hosts evaluated", "host evaluated"),
        ("Compliant", strict_share, "hosts meet the ban", "host meets the ban"),
        ("With waivers", waived_share, "meet it or are waived", "meets it or is waived"),
    )
    hosts = {state: count for state in STATES if (count := summary["hosts"][state])}
    return PageHeader(
        mode="check (nothing was changed)" if run["mode"] == "check" else run["mode"],
        finished=run["finished"],
        beside=[
            *describe_department(report),
            *_list_scope_texts(run),
            *describe_restrictions(run),
            *describe_unenforced_controls(summary.get("controls") or {}),
        ],
        title=format_title(report),
        hosts=hosts,
        words=", ".join(f"{count:,} {format_key(state)}" for state, count in hosts.items()),
        bar=make_bar(hosts),
        not_served=summary.get("not_served") or 0,
        figures=[
            (name, share, singular_text if share["denominator"] == 1 else plural_text)
            for name, share, plural_text, singular_text in figures
        ],
        trend=make_trend_drawing(trend, "; ".join(describe_restrictions(run))),
        between=watch_remark_groups.describe_watch_events(report),
        waiting=watch_remark_groups.describe_waiting_requests(report),
    )


def _list_scope_texts(run: ReportRun) -> Iterator[str]:
    """Yield a text about the inventory, and another if a pattern selected only some of its hosts."""
    inventory_names = ", ".join(clean_text(source).rstrip("/").rpartition("/")[2] for source in run["inventory"] or ())
    if inventory_names:
        yield inventory_names if inventory_names == "inventory" else f"inventory {inventory_names}"
    if (pattern := run.get("pattern") or "all") != "all":
        yield f"of {pattern}"
