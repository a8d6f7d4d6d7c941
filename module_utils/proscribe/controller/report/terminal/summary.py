"""The report on the terminal: a screen of text, worst first, with the next steps.

No text of a host reaches the terminal without `wording.clean_text`.
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
    NOT_OBSERVABLE_REASON,
    OPEN_STATES,
    REPAIRED,
    STATES,
    UNKNOWN,
    WAIVED,
    WATCH,
)
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, HostReason, ReportedExport, UnsearchedRule
from ....model.types.run import RunWaiver, UpcomingRestriction
from ..evaluation.advice import list_unfinished_hosts, propose_next_steps, shorten_path
from ..evaluation.control_modes import describe_unenforced_controls
from ..evaluation.finding_groups import FindingGroup, SilentHosts, group_records, group_silent_hosts
from ..evaluation.scope import describe_department
from ..evaluation.scope import describe_restrictions as left_out_in_words
from ..evaluation.watch_remark_groups import ENDED, FROZEN, INCIDENT, STALE, UNOBSERVED, RemarkGroup, group_remarks
from ..evaluation.watch_remark_groups import describe_watch_events as between_runs
from ..text import point_texts
from ..text.shell_commands import CommandSuggestion
from ..text.terminal_layout import (
    DEFAULT_COLUMNS,
    MIN_COLUMNS,
    apply_styles,
    format_table_row,
    measure_columns,
    pack_parts,
    wrap_text,
)
from ..text.wording import (
    clean_text,
    describe_time_left,
    find_waiver_end,
    format_count,
    format_key,
    format_percent,
    format_ratio,
    format_readable_time,
    group_by_control,
    replace_name,
    summarise_names,
)

# most rows of each kind if the output is no terminal but a file, a pipe or a journal; texts are not cut there
MAX_TABLE_ROWS = 200
SUB_DOMAINS_RULE = "dns/sub-domains"  # the rule of hosts without a local resolver (host/controls/dns)
HOSTS_FILE_RULE = "dns/hosts-file"  # the rule about names that /etc/hosts blocks
AUDIT_MODE = "audit"
MAX_NAMED_SERVICES = 3  # most services without identifiers that are named; more are counted
NOT_SERVED_TEXT = "not served"
REMARK_KIND_TEXTS = {
    FROZEN: "frozen",
    STALE: "stale plan",
    UNOBSERVED: "not observed",
    INCIDENT: "closed again",
    ENDED: "ended",
}
OPEN_AGAIN_TEXT = "open again"
RowSource = TypeVar("RowSource")
STATE_COLOURS = {
    ERROR: "red",
    NONCOMPLIANT: "red",
    UNKNOWN: "yellow",
    WAIVED: "blue",
    REPAIRED: "green",
    COMPLIANT: "green",
    NOT_APPLICABLE: "grey",
}


class TerminalScreen(NamedTuple):
    """The terminal: its size in characters, whether it has colours, and the directory of the user's shell."""

    width: int = DEFAULT_COLUMNS
    height: int = 40
    colours: bool = False
    working_directory: str = ""


class SummaryRow(NamedTuple):
    """A row of the table.

    If it `is_whole`, its text is never cut.
    """

    subject: str
    state: str
    text: str
    colour: str  # a key of terminal_layout.SGR_CODES
    is_whole: bool = False


def render_summary(
    report: FleetReport, records: Sequence[HostRecord], screen: TerminalScreen, directory: str = ""
) -> str:
    """Render the report as text for the screen, without the last line break.

    `directory` has the files of the report; "" if there are none.
    """
    width = max(screen.width, MIN_COLUMNS)
    headline = _format_headline(report, records, width, screen.colours)
    next_steps = _format_next_steps(
        propose_next_steps(report, records, directory),
        screen.working_directory,
        width,
        shorten_path(directory, screen.working_directory),
    )
    groups, silent_groups, remark_groups = group_records(records), group_silent_hosts(records), group_remarks(records)
    lines: list[str] = []
    # Even a fleet of thousands has to fit the screen. So reduce the rows, and the lines of each row, until the text
    # fits.
    for max_rows, max_lines in ((MAX_TABLE_ROWS, 0), (16, 3), (12, 2), (12, 1), (8, 1), (4, 1)):
        # The first step, without a limit of lines, is for output that is no terminal: its height is `sys.maxsize`.
        if not max_lines and screen.height < sys.maxsize:
            continue
        table = _format_table(
            report, records, groups, silent_groups, remark_groups, max_rows, max_lines, width, screen.colours
        )
        lines = [*headline, *table, *next_steps]
        # A line that is wider than the screen takes several lines of the screen.
        if sum(max(-(-measure_columns(line) // width), 1) for line in lines) < screen.height:
            break
    return "\n".join(lines)


def _format_headline(report: FleetReport, records: Sequence[HostRecord], width: int, colours: bool) -> list[str]:
    """Format the first lines: hosts by state, coverage, compliance, and limits of the run."""
    summary, run = report["summary"], report["run"]
    states = ", ".join(f"{count:,} {format_key(state)}" for state, count in summary["hosts"].items() if count)
    parts = [f"{format_count(len(records), 'host')}: {states or 'none'}"]
    if not_served_count := summary.get("not_served"):
        parts.append(f"{not_served_count:,} not served")
    parts.append(f"coverage {format_ratio(summary['coverage'])}")
    strict_share, waived_share = summary["compliance_strict"], summary["compliance_with_waivers"]
    parts.append(
        f"compliant {format_ratio(strict_share)}"
        + (f", with waivers {format_percent(waived_share)}" if waived_share != strict_share else "")
    )
    if run.get("interrupted"):
        parts.append(f"interrupted: {format_count(len(list_unfinished_hosts(run, records)), 'host')} not done")
    parts += [*describe_department(report), *left_out_in_words(run)]
    parts += describe_unenforced_controls(summary.get("controls") or {})
    parts += between_runs(report)
    if rollout := report.get("rollout"):
        if rollout["not_reached"] and not run.get("interrupted"):
            parts.append(f"stopped: {format_count(rollout['not_reached'], 'host')} not corrected")
        if set_aside_hosts := rollout.get("set_aside"):
            parts.append(f"set aside: {format_count(len(set_aside_hosts), 'host')}")
    if run["mode"] == "check":
        parts.append("check mode: nothing was changed")
    worst_state = next((state for state in STATES if summary["hosts"][state]), UNKNOWN)
    first_line, *other_lines = pack_parts(parts, width)
    return ["", apply_styles(first_line, "bold", STATE_COLOURS[worst_state], colours=colours), *other_lines]


def _format_table(
    report: FleetReport,
    records: Sequence[HostRecord],
    groups: Sequence[FindingGroup],
    silent_groups: Sequence[SilentHosts],
    remark_groups: Sequence[RemarkGroup],
    max_rows: int,
    max_lines: int,
    width: int,
    colours: bool,
) -> list[str]:
    """Format the table: findings, silent hosts, events, waivers, and other remarks, kind by kind.

    `max_rows` limits the rows of each kind. `max_lines` limits the lines of each row (0: no limit).
    """
    open_groups = [group for group in groups if group.state in OPEN_STATES]
    closed_groups = [group for group in groups if group.state not in OPEN_STATES]
    unserved_rows = _make_unserved_rows(report.get("not_served") or ())
    rows = [
        *_limit_rows(open_groups, max_rows, "finding", _make_group_row),
        *(
            silent_row
            for silent_hosts in silent_groups
            for silent_row in _make_silent_rows(silent_hosts, max(1, max_rows // 4))
        ),
        *_limit_rows(remark_groups, max(2, max_rows // 3), "event", _make_remark_row),
        *_limit_rows(closed_groups, max(2, max_rows // 3), "finding", _make_group_row),
        *_limit_rows(
            _make_waiver_rows(report["waivers"], report["run"]["finished"]),
            max(2, max_rows // 3),
            "waiver",
            _return_row,
        ),
        *_limit_rows(unserved_rows, max(2, max_rows // 4), "kind of host that is not served", _return_row),
        *_make_unsearchable_rows(report.get("nothing_known"), NO_IDENTIFIERS_REASON.partition(" to ")[0], "service"),
        *_make_unsearchable_rows(report.get("not_observable"), NOT_OBSERVABLE_REASON, "rule"),
        *_make_hosts_file_rows(records),
        *_make_upcoming_rows(report["upcoming"]),
        *_limit_rows(point_texts.sort_points(report), max(2, max_rows // 4), "export", _make_point_row),
        *_limit_rows(report["unexpected_hosts"], 2, "host", _make_unexpected_row),
    ]
    if not rows:
        return []
    widths = (
        min(max(measure_columns(table_row.subject) for table_row in rows), width // 3),
        max(measure_columns(table_row.state) for table_row in rows),
    )
    lines = [""]
    for table_row in rows:
        first_line, *other_lines = format_table_row(
            table_row.subject, table_row.state, table_row.text, widths, width, 0 if table_row.is_whole else max_lines
        )
        if table_row.state:
            first_line = first_line.replace(
                f"  {table_row.state}", "  " + apply_styles(table_row.state, table_row.colour, colours=colours), 1
            )
        lines += [first_line, *other_lines]
    return lines


def _limit_rows(
    row_sources: Sequence[RowSource], max_rows: int, noun: str, make_row: Callable[[RowSource], SummaryRow]
) -> list[SummaryRow]:
    """Make rows of the first `max_rows` sources, and a row with the number of the remaining sources.

    Rows of the remaining sources are never made. `noun` is the noun with which the remaining sources are counted.
    """
    return [*map(make_row, row_sources[:max_rows]), *_make_omission_rows(len(row_sources) - max_rows, noun)]


def _return_row(row: SummaryRow) -> SummaryRow:
    """Return the row, for `_limit_rows` with rows that are already made."""
    return row


def _make_omission_rows(omitted_count: int, noun: str) -> list[SummaryRow]:
    """Make the row with the number of the left-out rows; [] if none is left out.

    `noun` is the noun for a row.
    """
    return (
        [SummaryRow("...", "", f"and {format_count(omitted_count, f'more {noun}')}, see report.html", "")]
        if omitted_count > 0
        else []
    )


def _make_group_row(group: FindingGroup) -> SummaryRow:
    """Make the row of a group of findings.

    The reason of a failure or of a refusal is never cut.
    """
    is_whole = group.state in (ERROR, UNKNOWN) or not group.rules
    return SummaryRow(
        group.subject, format_key(group.state), group.describe_group(), STATE_COLOURS[group.state], is_whole
    )


def _make_silent_rows(silent_hosts: SilentHosts, max_rows: int) -> Iterable[SummaryRow]:
    """Yield the rows of hosts without an answer.

    A reason that several hosts share is shown once. Reasons that differ only in the host's name are the same reason:
    `(name)` replaces the name. `max_rows` is the greatest number of reasons.
    """
    # reason with `(name)` -> (host, original reason) of each host
    reasons: dict[str, list[tuple[str, str]]] = {}
    for host, host_reason in silent_hosts.hosts:
        reasons.setdefault(replace_name(host_reason, host), []).append((host, host_reason))
    sorted_reasons = sorted(reasons.items(), key=lambda reason: -len(reason[1]))
    for shared_reason, hosts in sorted_reasons[:max_rows]:
        host_reason = shared_reason if len(hosts) > 1 else hosts[0][1]
        names = [clean_text(host) for host, _ in hosts]
        reason_text = ": ".join(filter(None, (silent_hosts.reason_kind, host_reason)))
        if len(names) > 1:
            yield SummaryRow(
                format_count(len(names), "host"),
                UNKNOWN,
                f"{reason_text}; {summarise_names(names, 3)}",
                STATE_COLOURS[UNKNOWN],
                True,
            )
        else:
            yield SummaryRow(names[0], UNKNOWN, reason_text, STATE_COLOURS[UNKNOWN], True)
    yield from _make_omission_rows(
        sum(len(hosts) for _, hosts in sorted_reasons[max_rows:]), f"{silent_hosts.reason_kind} host"
    )


def _make_remark_row(remark_group: RemarkGroup) -> SummaryRow:
    """Make the row of a group of events between two runs, or of watchers in the same state."""
    kind_text = OPEN_AGAIN_TEXT if remark_group.open_now else REMARK_KIND_TEXTS[remark_group.kind]
    place = (
        clean_text(remark_group.hosts[0])
        if len(remark_group.hosts) == 1
        else format_count(len(remark_group.hosts), "host")
    )
    hosts = f"; {summarise_names(remark_group.hosts, 3)}" if len(remark_group.hosts) > 1 else ""
    return SummaryRow(
        clean_text(remark_group.rule or WATCH), kind_text, f"{place}: {remark_group.text}{hosts}", "yellow"
    )


def _make_unexpected_row(host: str) -> SummaryRow:
    return SummaryRow(clean_text(host), "unexpected", "answered, but was not expected", "yellow")


def _make_point_row(point: ReportedExport) -> SummaryRow:
    """Make the row of an export to an enforcement point, such as a proxy."""
    text = "; ".join(map(clean_text, point["why"])) or f"written {point_texts.describe_writing(point)}"
    subject, state = f"export {clean_text(point['directory'])}", format_key(point["state"])
    return SummaryRow(
        subject,
        state,
        f"{point_texts.format_point_name(point)}: {text}",
        STATE_COLOURS[point_texts.HOST_STATE_OF_POINT[point["state"]]],
    )


def _make_waiver_rows(waivers: Iterable[RunWaiver], finished: str) -> list[SummaryRow]:
    """Make the rows of waivers.

    Waivers that are not active come first, because users may rely on them. Remaining days are counted from `finished`,
    the end of the run.
    """
    rows = []
    for waiver in sorted(waivers, key=lambda waiver: (waiver["status"] == "active", waiver["expires"], waiver["id"])):
        scope = (
            f"{summarise_names(waiver.get('services', ()), 3)} on "
            f"{summarise_names(waiver['hosts'], 3) or 'no host of this run'}"
        )
        end_text, approver = (
            format_readable_time(find_waiver_end(waiver["expires"], waiver.get("revoked"))),
            clean_text(waiver.get("approved_by", "")),
        )
        reason_text = f" ({clean_text(waiver['why'])})" if waiver.get("why") else ""
        until_text = ", ".join(filter(None, (time_left := describe_time_left(waiver, finished), f"until {end_text}")))
        text, colour = {
            "active": (f"{until_text}: {scope}, approved by {approver}", "blue"),
            "expired": (f"since {end_text}, waives nothing: {scope}, approved by {approver}", "red"),
            "revoked": (f"waives nothing any more{reason_text}: {scope}", "blue"),
            "not_yet_valid": (f"waives nothing yet: {scope}, approved by {approver}", "yellow"),
        }.get(waiver["status"], (f"waives nothing{reason_text}: {scope}", "red"))
        if waiver.get("review_overdue"):  # the waiver is active, but its review is late
            overdue_text = (
                f" since {review_date}" if (review_date := clean_text(waiver.get("review_by") or "")[:10]) else ""
            )
            text, colour = (
                f"review overdue{overdue_text}, waives until {end_text}: {scope}, approved by {approver}, {time_left}",
                "yellow",
            )
        state = format_key(waiver["status"])
        rows.append(
            SummaryRow(
                f"waiver {clean_text(waiver['id'])}", state.upper() if state == "expired" else state, text, colour
            )
        )
    return rows


def _make_unsearchable_rows(rules: Iterable[UnsearchedRule] | None, subject: str, noun: str) -> list[SummaryRow]:
    """Make a row of the rules for which hosts cannot be searched; [] for none.

    `subject` is the text of its first column. `noun` is the word for many rules of a control.
    """
    names_by_control = group_by_control(rules)
    if not names_by_control:
        return []
    parts = []
    for control, names in sorted(names_by_control.items(), key=lambda entry: len(entry[1])):
        is_short = len(names) <= MAX_NAMED_SERVICES
        text = summarise_names(names, MAX_NAMED_SERVICES) if is_short else format_count(len(names), noun)
        parts.append(f"{control}: {text}")
    return [SummaryRow(subject, format_key(NOT_APPLICABLE), "; ".join(parts), "grey")]


def _make_hosts_file_rows(records: Iterable[HostRecord]) -> list[SummaryRow]:
    """Make a row of the hosts whose /etc/hosts blocks names but not the names below them; [] for none.

    A host without a local resolver has the rule SUB_DOMAINS_RULE. A host whose /etc/hosts is not as required is left
    out, because it has a finding about that.
    """
    hosts = [
        record["host"]
        for record in records
        if any(rule["rule"] == SUB_DOMAINS_RULE and rule.get("mode") != AUDIT_MODE for rule in record["rules"])
        and not any(rule["rule"] == HOSTS_FILE_RULE and rule["state"] in OPEN_STATES for rule in record["rules"])
    ]
    if not hosts:
        return []
    hosts_text = (
        clean_text(hosts[0]) if len(hosts) == 1 else f"{format_count(len(hosts), 'host')} ({summarise_names(hosts, 3)})"
    )
    text = f"programs on {hosts_text} reach names below blocked names: no resolver that filters there, see docs/dns.md"
    return [SummaryRow(SUB_DOMAINS_RULE, "open below", text, "yellow")]


def _make_unserved_rows(hosts: Iterable[HostReason]) -> list[SummaryRow]:
    """Make a row for each reason why Proscribe does not serve hosts, with the hosts."""
    hosts_by_reason: dict[str, list[str]] = {}
    for unserved_host in hosts:
        hosts_by_reason.setdefault(clean_text(unserved_host["why"]), []).append(unserved_host["host"])
    return [
        SummaryRow(summarise_names(names, 1), NOT_SERVED_TEXT, reason, "grey")
        if len(names) == 1
        else SummaryRow(
            format_count(len(names), "host"), NOT_SERVED_TEXT, f"each {reason}: {summarise_names(names, 3)}", "grey"
        )
        for reason, names in sorted(hosts_by_reason.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    ]


def _make_upcoming_rows(upcoming: Iterable[UpcomingRestriction]) -> list[SummaryRow]:
    """Make a row for each of the next three days on which restrictions begin, with the services."""
    days: dict[str, dict[str, None]] = {}
    for announcement in upcoming:
        days.setdefault(clean_text(announcement["effective_from"]), {})[announcement["service"]] = None
    return [
        SummaryRow(
            "upcoming", day, f"{format_count(len(names), 'service')}: {summarise_names(sorted(names), 6)}", "grey"
        )
        for day, names in sorted(days.items())[:3]
    ]


def _format_next_steps(
    steps: Sequence[CommandSuggestion], working_directory: str, width: int, directory: str
) -> list[str]:
    """Format the next steps, and the path of the page; [] for none.

    Each command has a separate line and is never wrapped; see shell_commands.py. `directory` is the directory of the
    report as the user may type it; "" if there is none.
    """
    lines: list[str] = []
    for step in steps:
        lines += wrap_text(step.text, width - 6)
        lines += [f"  {step.command.line(working_directory)}"] if step.command else []
    lines += [f"{directory}/report.html"] if directory else []
    if not lines:
        return []
    return ["", *(f"{'      ' if index else 'next: '}{line}" for index, line in enumerate(lines))]
