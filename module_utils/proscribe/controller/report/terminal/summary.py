"""The report on the terminal: one screenful, worst first, and what to do next.

Nothing that came from a host reaches the terminal without `wording.clean`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from ....model.finding import (
    COMPLIANT,
    ERROR,
    NO_IDENTIFIERS_REASON,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    OPEN_STATES,
    REPAIRED,
    STATES,
    UNKNOWN,
    WAIVED,
    WATCH,
)
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, HostReason, ReportedExport
from ....model.types.run import RunWaiver, UpcomingRestriction
from ..evaluation.advice import list_unfinished_hosts, propose_next_steps, shorten_path
from ..evaluation.groups import FindingGroup, SilentHosts, group_records, group_silent_hosts
from ..evaluation.modes import describe_unenforced_controls
from ..evaluation.scope import describe_department
from ..evaluation.scope import describe_restrictions as left_out_in_words
from ..evaluation.since_last_run import ENDED, FROZEN, INCIDENT, STALE, UNOBSERVED, RemarkGroup, group_remarks
from ..evaluation.since_last_run import describe_watch_events as between_runs
from ..text import points
from ..text.command import Suggestion
from ..text.layout import NARROWEST, USUAL, cells, flow, paint, row, wrap
from ..text.wording import (
    clean,
    counted,
    end_of,
    in_words,
    left,
    moment,
    nothing_known,
    percent,
    ratio,
    some,
    without_name,
)

LONGEST_TABLE = 200  # rows of each kind in a file, a pipe or a journal, where nothing else is cut
SUB_DOMAINS = "dns/sub-domains"  # what a host reports that has no resolver of its own (host/controls/dns)
HOSTS_FILE = "dns/hosts-file"  # whether its /etc/hosts blocks names at all
AUDIT = "audit"
FEW_NAMED = 3  # services with nothing to look for that are named
NOT_SERVED = "not served"
HAPPENED = {FROZEN: "frozen", STALE: "stale plan", UNOBSERVED: "not observed", INCIDENT: "closed again", ENDED: "ended"}
OPEN_AGAIN = "open again"
Found = TypeVar("Found")
COLOUR = {
    ERROR: "red",
    NONCOMPLIANT: "red",
    UNKNOWN: "yellow",
    WAIVED: "blue",
    REPAIRED: "green",
    COMPLIANT: "green",
    NOT_APPLICABLE: "grey",
}


class Screen(NamedTuple):
    """The terminal: its size in characters, whether it shows colours, and the directory that commands are typed in."""

    width: int = USUAL
    height: int = 40
    colours: bool = False
    here: str = ""


class Row(NamedTuple):
    """One line of the table: what it is about, its state, and the text, of which nothing is cut where it is `whole`."""

    subject: str
    state: str
    text: str
    colour: str
    whole: bool = False


def render(report: FleetReport, records: Sequence[HostRecord], screen: Screen, directory: str = "") -> str:
    """The report as text, without the last line break. `directory` is where its files are, "" if they are nowhere."""
    width = max(screen.width, NARROWEST)
    head = _headline(report, records, width, screen.colours)
    foot = _foot(
        propose_next_steps(report, records, directory), screen.here, width, shorten_path(directory, screen.here)
    )
    groups, silent, happened = group_records(records), group_silent_hosts(records), group_remarks(records)
    lines: list[str] = []
    # A fleet of thousands has to fit a screen too: show less of each thing until it does.
    for most, depth in ((LONGEST_TABLE, 0), (16, 3), (12, 2), (12, 1), (8, 1), (4, 1)):
        if not depth and screen.height < sys.maxsize:
            continue
        table = _table(report, records, groups, silent, happened, most, depth, width, screen.colours)
        lines = [*head, *table, *foot]
        if sum(max(-(-cells(line) // width), 1) for line in lines) < screen.height:
            break
    return "\n".join(lines)


def _headline(report: FleetReport, records: Sequence[HostRecord], width: int, colours: bool) -> list[str]:
    summary, run = report["summary"], report["run"]
    states = ", ".join(f"{count:,} {in_words(state)}" for state, count in summary["hosts"].items() if count)
    parts = [f"{counted(len(records), 'host')}: {states or 'none'}"]
    if apart := summary.get("not_served"):
        parts.append(f"{apart:,} not served")
    parts.append(f"coverage {ratio(summary['coverage'])}")
    strict, waived = summary["compliance_strict"], summary["compliance_with_waivers"]
    parts.append(f"compliant {ratio(strict)}" + (f", with waivers {percent(waived)}" if waived != strict else ""))
    if run.get("interrupted"):
        parts.append(f"interrupted: {counted(len(list_unfinished_hosts(run, records)), 'host')} not done")
    parts += [*describe_department(report), *left_out_in_words(run)]
    parts += describe_unenforced_controls(summary.get("controls") or {})
    parts += between_runs(report)
    if rollout := report.get("rollout"):
        if rollout["not_reached"] and not run.get("interrupted"):
            parts.append(f"stopped: {counted(rollout['not_reached'], 'host')} not corrected")
        if aside := rollout.get("set_aside"):
            parts.append(f"set aside: {counted(len(aside), 'host')}")
    if run["mode"] == "check":
        parts.append("check mode: nothing was changed")
    worst = next((state for state in STATES if summary["hosts"][state]), UNKNOWN)
    first, *rest = flow(parts, width)
    return ["", paint(first, "bold", COLOUR[worst], colours=colours), *rest]


def _table(
    report: FleetReport,
    records: Sequence[HostRecord],
    groups: Sequence[FindingGroup],
    silent: Sequence[SilentHosts],
    happened: Sequence[RemarkGroup],
    most: int,
    depth: int,
    width: int,
    colours: bool,
) -> list[str]:
    bad = [group for group in groups if group.state in OPEN_STATES]
    good = [group for group in groups if group.state not in OPEN_STATES]
    unserved = _of_unserved(report.get("not_served") or ())
    rows = [
        *_limited(bad, most, "finding", _of_group),
        *(row_ for one in silent for row_ in _of_silent(one, max(1, most // 4))),
        *_limited(happened, max(2, most // 3), "event", _of_between),
        *_limited(good, max(2, most // 3), "finding", _of_group),
        *_limited(_of_waivers(report["waivers"], report["run"]["finished"]), max(2, most // 3), "waiver", _itself),
        *_limited(unserved, max(2, most // 4), "kind of host that is not served", _itself),
        *_of_nothing_known(report),
        *_of_hosts_files(records),
        *_of_upcoming(report["upcoming"]),
        *_limited(points.points_of(report), max(2, most // 4), "export", _of_point),
        *_limited(report["unexpected_hosts"], 2, "host", _of_unexpected),
    ]
    if not rows:
        return []
    widths = (min(max(cells(r.subject) for r in rows), width // 3), max(cells(r.state) for r in rows))
    lines = [""]
    for item in rows:
        first, *rest = row(item.subject, item.state, item.text, widths, width, 0 if item.whole else depth)
        if item.state:
            first = first.replace(f"  {item.state}", "  " + paint(item.state, item.colour, colours=colours), 1)
        lines += [first, *rest]
    return lines


def _limited(found: Sequence[Found], most: int, noun: str, of: Callable[[Found], Row]) -> list[Row]:
    """The rows of the first of some things, and how many more there are: a row is only made to be shown."""
    return [*map(of, found[:most]), *_rest(len(found) - most, noun)]


def _itself(row: Row) -> Row:
    return row


def _rest(more: int, noun: str) -> list[Row]:
    return [Row("...", "", f"and {counted(more, f'more {noun}')}, see report.html", "")] if more > 0 else []


def _of_group(group: FindingGroup) -> Row:
    """A group; the reason of what failed, or was left as it is, is whole."""
    whole = group.state in (ERROR, UNKNOWN) or not group.rules
    return Row(group.subject, in_words(group.state), group.describe_group(), COLOUR[group.state], whole)


def _of_silent(silent: SilentHosts, most: int) -> Iterable[Row]:
    """The hosts without an answer; a reason that several have is said once, whatever each is called in it."""
    reasons: dict[str, list[tuple[str, str]]] = {}
    for host, rest in silent.hosts:
        reasons.setdefault(without_name(rest, host), []).append((host, rest))
    several = sorted(reasons.items(), key=lambda reason: -len(reason[1]))
    for shared, hosts in several[:most]:
        rest = shared if len(hosts) > 1 else hosts[0][1]
        names = [clean(host) for host, _ in hosts]
        said = ": ".join(filter(None, (silent.reason_kind, rest)))
        if len(names) > 1:
            yield Row(counted(len(names), "host"), UNKNOWN, f"{said}; {some(names, 3)}", COLOUR[UNKNOWN], True)
        else:
            yield Row(names[0], UNKNOWN, said, COLOUR[UNKNOWN], True)
    yield from _rest(sum(len(hosts) for _, hosts in several[most:]), f"{silent.reason_kind} host")


def _of_between(one: RemarkGroup) -> Row:
    """What happened between two runs, and what is to be known of a host's watcher."""
    kind = OPEN_AGAIN if one.open_now else HAPPENED[one.kind]
    where = clean(one.hosts[0]) if len(one.hosts) == 1 else counted(len(one.hosts), "host")
    hosts = f"; {some(one.hosts, 3)}" if len(one.hosts) > 1 else ""
    return Row(clean(one.rule or WATCH), kind, f"{where}: {one.text}{hosts}", "yellow")


def _of_unexpected(host: str) -> Row:
    return Row(clean(host), "unexpected", "answered, but was not expected", "yellow")


def _of_point(point: ReportedExport) -> Row:
    """An export that an enforcement point is fed with."""
    text = "; ".join(map(clean, point["why"])) or f"written {points.written(point)}"
    subject, state = f"export {clean(point['directory'])}", in_words(point["state"])
    return Row(subject, state, f"{points.name_of(point)}: {text}", COLOUR[points.LIKE[point["state"]]])


def _of_waivers(waivers: Iterable[RunWaiver], finished: str) -> list[Row]:
    """Waivers that waive nothing come first: somebody may rely on them."""
    rows = []
    for waiver in sorted(waivers, key=lambda waiver: (waiver["status"] == "active", waiver["expires"], waiver["id"])):
        scope = f"{some(waiver.get('services', ()), 3)} on {some(waiver['hosts'], 3) or 'no host of this run'}"
        end, by = moment(end_of(waiver["expires"], waiver.get("revoked"))), clean(waiver.get("approved_by", ""))
        why = f" ({clean(waiver['why'])})" if waiver.get("why") else ""
        until = ", ".join(filter(None, (days := left(waiver, finished), f"until {end}")))
        text, colour = {
            "active": (f"{until}: {scope}, approved by {by}", "blue"),
            "expired": (f"since {end}, waives nothing: {scope}, approved by {by}", "red"),
            "revoked": (f"waives nothing any more{why}: {scope}", "blue"),
            "not_yet_valid": (f"waives nothing yet: {scope}, approved by {by}", "yellow"),
        }.get(waiver["status"], (f"waives nothing{why}: {scope}", "red"))
        if waiver.get("review_overdue"):
            since = f" since {due}" if (due := clean(waiver.get("review_by") or "")[:10]) else ""
            text, colour = f"review overdue{since}, waives until {end}: {scope}, approved by {by}, {days}", "yellow"
        state = in_words(waiver["status"])
        rows.append(Row(f"waiver {clean(waiver['id'])}", state.upper() if state == "expired" else state, text, colour))
    return rows


def _of_nothing_known(report: FleetReport) -> list[Row]:
    known = nothing_known(report)
    if not known:
        return []
    parts = [
        f"{control}: {some(names, FEW_NAMED) if len(names) <= FEW_NAMED else counted(len(names), 'service')}"
        for control, names in sorted(known.items(), key=lambda item: len(item[1]))
    ]
    return [Row(NO_IDENTIFIERS_REASON.partition(" to ")[0], in_words(NOT_APPLICABLE), "; ".join(parts), "grey")]


def _of_hosts_files(records: Iterable[HostRecord]) -> list[Row]:
    """The hosts whose /etc/hosts blocks exact names, and nothing below them, in one row."""
    hosts = [
        record["host"]
        for record in records
        if any(rule["rule"] == SUB_DOMAINS and rule.get("mode") != AUDIT for rule in record["rules"])
        and not any(rule["rule"] == HOSTS_FILE and rule["state"] in OPEN_STATES for rule in record["rules"])
    ]
    if not hosts:
        return []
    where = clean(hosts[0]) if len(hosts) == 1 else f"{counted(len(hosts), 'host')} ({some(hosts, 3)})"
    text = f"programs on {where} reach names below blocked names: no resolver that filters there, see docs/dns.md"
    return [Row(SUB_DOMAINS, "open below", text, "yellow")]


def _of_unserved(hosts: Iterable[HostReason]) -> list[Row]:
    kinds: dict[str, list[str]] = {}
    for one in hosts:
        kinds.setdefault(clean(one["why"]), []).append(one["host"])
    return [
        Row(some(names, 1), NOT_SERVED, why, "grey")
        if len(names) == 1
        else Row(counted(len(names), "host"), NOT_SERVED, f"each {why}: {some(names, 3)}", "grey")
        for why, names in sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    ]


def _of_upcoming(upcoming: Iterable[UpcomingRestriction]) -> list[Row]:
    days: dict[str, dict[str, None]] = {}
    for item in upcoming:
        days.setdefault(clean(item["effective_from"]), {})[item["service"]] = None
    return [
        Row("upcoming", day, f"{counted(len(names), 'service')}: {some(sorted(names), 6)}", "grey")
        for day, names in sorted(days.items())[:3]
    ]


def _foot(steps: Sequence[Suggestion], here: str, width: int, directory: str) -> list[str]:
    """What to do next. A command has a line to itself and is never wrapped: see command.py."""
    lines: list[str] = []
    for step in steps:
        lines += wrap(step.text, width - 6)
        lines += [f"  {step.command.line(here)}"] if step.command else []
    lines += [f"{directory}/report.html"] if directory else []
    if not lines:
        return []
    return ["", *(f"{'      ' if number else 'next: '}{line}" for number, line in enumerate(lines))]
