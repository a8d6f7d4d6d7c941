"""The first screenful: is the ban in effect, on how many hosts, and is it getting better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, STATES, UNKNOWN, WAIVED
from ....model.plan import CONTROLS
from ....model.types.history import PastRun
from ....model.types.report import CountShare, FleetReport, ReportRun
from ..evaluation import since_last_run
from ..evaluation.modes import describe_unenforced_controls
from ..evaluation.scope import count_left_out_hosts, describe_ban_effect, describe_department, describe_restrictions
from ..text.wording import clean, counted, in_words, not_in_force
from .bars import Piece, bar
from .trend import Drawing, drawing


def title(report: FleetReport) -> str:
    """The verdict in one sentence."""
    hosts = report["summary"]["hosts"]
    expected = report["run"]["expected_hosts"]
    apart = report["summary"].get("not_served") or 0
    if not expected and apart:
        return "Proscribe serves none of these hosts"
    if not expected:
        return "No host was selected"
    bad = hosts[ERROR] + hosts[NONCOMPLIANT]
    if report.get("lifted"):
        return _lifted(report, bad)
    if expected == 1 and (bad or hosts[UNKNOWN]):
        return "This host is not compliant" if bad else "Whether the ban is in effect on this host is unknown"
    which = _which(report)
    if bad:
        rest = f", and {hosts[UNKNOWN]:,} {_is(hosts[UNKNOWN])} unknown" if hosts[UNKNOWN] else ""
        return f"{bad:,} of {counted(expected, 'host')}{which} {_is(bad)} not compliant{rest}"
    if hosts[UNKNOWN]:
        return f"Whether the ban is in effect is unknown for {hosts[UNKNOWN]:,} of {counted(expected, 'host')}{which}"
    if idle := not_in_force(report):
        return idle[0].upper() + idle[1:]
    what = describe_ban_effect(report["run"])
    held = f"{what[0].upper()}{what[1:]} on"
    but = _but(report)
    if apart:
        served = f"the {counted(expected, 'host')}{which} that {_is(expected)} served"
        return f"{held} {served}{but}; {counted(apart, 'host')} {_is(apart)} not"
    if which:
        return f"{held} the {counted(expected, 'host')}{which}{but}"
    return f"{held} {'this host' if expected == 1 else f'all {expected:,} hosts'}{but}"


def _lifted(report: FleetReport, bad: int) -> str:
    """Say on how many hosts the ban was lifted since the run, and how the others are."""
    expected = report["run"]["expected_hosts"]
    lifted = {one["host"] for one in report["lifted"]}
    whole = {one["host"] for one in report["lifted"] if set(CONTROLS) <= {*one["controls"]}}
    part = "" if whole else " in part"
    others = report["summary"]["hosts"][UNKNOWN]
    where = "this host" if expected == 1 else f"{len(lifted):,} of {counted(expected, 'host')}{_which(report)}"
    rest = f"; {bad:,} {_is(bad)} not compliant" if bad else ""
    rest += f"; {others:,} {_is(others)} unknown, with these" if expected > 1 and others > len(lifted) else ""
    return f"The ban is lifted{part} on {where}{rest}"


def _which(report: FleetReport) -> str:
    """Of which hosts a title speaks, where these are not all."""
    if department := report.get("department"):
        fewer = department["missing"] or department["partial"]
        return f" of {clean(department['name'])}" + (" in this run" if fewer else "")
    if count_left_out_hosts(report["run"]) == 0:
        return ""
    return " that was selected" if report["run"]["expected_hosts"] == 1 else " that were selected"


def _but(report: FleetReport) -> str:
    """What a ban that is in effect on all hosts leaves out by waivers, and when it was not in effect."""
    watch, one = report.get("watch"), report["run"]["expected_hosts"] == 1
    waived = report["summary"]["hosts"][WAIVED]
    waivers = [f"for waivers{'' if one else f' on {waived:,}'}"] if waived else []
    said = []
    if watch and (opened := watch["opened"]):
        said.append("was open in between" if one else f"was open in between on {opened:,}")
    if watch and (frozen := watch["frozen"]):
        said.append("its watcher is frozen" if one else f"{frozen:,} {_is(frozen)} frozen")
    but = ", and ".join([*waivers, *([" and ".join(said)] if said else [])])
    return f", but {but}" if but else ""


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


class Header(NamedTuple):
    """The first screenful; see templates/header.html.j2."""

    mode: str
    finished: str
    beside: Sequence[str]  # the inventory, the hosts that were meant, what was left out, controls that are not enforced
    title: str
    hosts: Mapping[str, int]  # by state, worst first, those that some host is in
    words: str  # the same in words
    bar: Sequence[Piece]
    not_served: int
    figures: Sequence[tuple[str, CountShare, str]]  # name, share, and of what
    trend: Drawing | None
    between: Sequence[str]  # what hosts did between two runs
    waiting: str  # the requests of users


def header(report: FleetReport, trend: Sequence[PastRun]) -> Header:
    """The verdict, the hosts by state, the three numbers, and the trend where there is one."""
    run, summary = report["run"], report["summary"]
    strict, waived = summary["compliance_strict"], summary["compliance_with_waivers"]
    figures = (
        ("Coverage", summary["coverage"], "hosts evaluated", "host evaluated"),
        ("Compliant", strict, "hosts meet the ban", "host meets the ban"),
        ("With waivers", waived, "meet it or are waived", "meets it or is waived"),
    )
    hosts = {state: count for state in STATES if (count := summary["hosts"][state])}
    return Header(
        mode="check (nothing was changed)" if run["mode"] == "check" else run["mode"],
        finished=run["finished"],
        beside=[
            *describe_department(report),
            *_scope(run),
            *describe_restrictions(run),
            *describe_unenforced_controls(summary.get("controls") or {}),
        ],
        title=title(report),
        hosts=hosts,
        words=", ".join(f"{count:,} {in_words(state)}" for state, count in hosts.items()),
        bar=bar(hosts),
        not_served=summary.get("not_served") or 0,
        figures=[(name, share, one if share["denominator"] == 1 else several) for name, share, several, one in figures],
        trend=drawing(trend, "; ".join(describe_restrictions(run))),
        between=since_last_run.describe_watch_events(report),
        waiting=since_last_run.describe_waiting_requests(report),
    )


def _scope(run: ReportRun) -> Iterator[str]:
    """The inventory, and the hosts of it that were meant where these are not all."""
    where = ", ".join(clean(source).rstrip("/").rpartition("/")[2] for source in run["inventory"] or ())
    if where:
        yield where if where == "inventory" else f"inventory {where}"
    if (pattern := run.get("pattern") or "all") != "all":
        yield f"of {pattern}"
