"""The answer of the history, as a document for machines and as a screen of text."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from ....base.duration import format_duration, format_moment, parse_moment
from ....model.finding import ERROR, LIFTED, OPEN_STATES, UNKNOWN, WAIVED
from ....model.plan import CONTROLS
from ....model.types.history import PastRun
from ..evaluation.watch_remark_groups import ENDED, FROZEN
from ..history import History, QueryScope, incident_entries, lifts, name_check, queries
from ..history.lifts import LiftSummary
from ..history.queries import FlappingRule, OpenRule, RepairTimes, RuleIncident, UnseenHost
from ..text.terminal_layout import MIN_COLUMNS, apply_styles, format_table_row, measure_columns, pack_parts, wrap_text
from ..text.wording import (
    clean_text,
    format_count,
    format_key,
    format_percent,
    format_ratio,
    format_readable_time,
    summarise_names,
)
from .summary import STATE_COLOURS, TerminalScreen

HISTORY_SCHEMA = "proscribe/history/1"
HOST_SUBJECT = "(the host)"  # replaces the rule of an incident of the host as a whole
MAX_SINGLE_RUNS = 10  # if there are more runs, the trend has a line for each day instead of each run
MAX_INCIDENTS = 1000  # most incidents of a host or a rule, also in the JSON document, because nobody can read more


class HistorySummary(NamedTuple):
    """The answer of the history about a period: about everything, a host, a rule, or a rule on a host."""

    now: str
    scope: QueryScope
    run_counts: tuple[int, str, str]  # number of runs, and end (UTC) of the first and of the last run ("" for none)
    host_count: int  # number of hosts that runs expect
    never_observed: Mapping[str, int]  # control -> number of hosts on which no run has observed it
    open_rules: Sequence[OpenRule]
    waived_rules: Sequence[OpenRule]
    lifted_hosts: Sequence[LiftSummary]  # lifts after which no run has observed the host's controls
    repair_times: RepairTimes
    flapping_rules: Sequence[FlappingRule]
    unseen_hosts: Sequence[UnseenHost]
    between_entries: Sequence[incident_entries.BetweenEntry]  # events between two runs, and requests, newest first
    past_runs: Sequence[PastRun]
    incidents: Sequence[RuleIncident]  # incidents of the selected host or rule; [] without a selection

    def make_document(self) -> dict[str, object]:
        """Return the answer as a JSON object."""
        return {
            "schema": HISTORY_SCHEMA,
            "now": self.now,
            **self.scope._asdict(),
            "runs": dict(zip(("number", "first", "last"), self.run_counts)),
            "looked": {"hosts": self.host_count, "never": self.never_observed},
            "wrong": [entry._asdict() for entry in self.open_rules],
            "waived": [entry._asdict() for entry in self.waived_rules],
            "lifted": [entry._asdict() for entry in self.lifted_hosts],
            "repaired": self.repair_times._asdict(),
            "flapping": [entry._asdict() for entry in self.flapping_rules],
            "unseen": [entry._asdict() for entry in self.unseen_hosts],
            "between": [entry.export_fields() for entry in self.between_entries],
            "trend": self.past_runs,
            "episodes": [entry._asdict() for entry in self.incidents],
        }


def gather_history_summary(
    history: History, scope: QueryScope, now: datetime.datetime, stale_after: int
) -> HistorySummary:
    """Read the answer for a scope from the history. Raises HistoryError, and UnknownName for a wrong name.

    A host that no run has observed for `stale_after` seconds counts as unseen.
    """
    oldest_observation = format_moment(now - datetime.timedelta(seconds=stale_after))
    with history.database.open_for_reading() as session:
        name_check.check_names(session, history.plans, scope)
        hosts = queries.list_hosts(session, scope.host)
        incidents = queries.list_incidents(session, scope) if scope.host or scope.rule else ()
        open_rules = queries.list_open_rules(session, scope)
        return HistorySummary(
            now=format_moment(now),
            scope=scope,
            run_counts=queries.count_runs(session, scope.since),
            host_count=len(hosts),
            never_observed=queries.count_never_observed(hosts, history.plans, scope.rule.partition("/")[0]),
            open_rules=[open_rule for open_rule in open_rules if open_rule.state != WAIVED],
            waived_rules=[open_rule for open_rule in open_rules if open_rule.state == WAIVED],
            lifted_hosts=lifts.list_lifted_hosts(session, scope),
            repair_times=queries.measure_repairs(session, scope),
            flapping_rules=queries.list_flapping_rules(session, scope),
            unseen_hosts=queries.list_unseen_hosts(session, scope, oldest_observation),
            between_entries=incident_entries.list_entries(session, scope.since, scope.host, scope.rule),
            past_runs=queries.list_trend_runs(session, scope.since),
            incidents=list(islice(incidents, MAX_INCIDENTS)),
        )


def render_history_summary(summary: HistorySummary, screen: TerminalScreen) -> str:
    """Render the answer as text for the screen, without the last line break.

    The sections become shorter until the text fits the height, as far as possible.
    """
    width = max(screen.width, MIN_COLUMNS)
    lines: list[str] = []
    for max_rows in (24, 16, 12, 8, 5, 3):
        lines = _format_summary(summary, width, max_rows, screen.colours)
        if len(lines) < screen.height:
            break
    return "\n".join(lines)


def _format_summary(summary: HistorySummary, width: int, max_rows: int, colours: bool) -> list[str]:
    """Format all sections of the answer as lines, without the empty sections.

    `max_rows` limits the rows of the main sections. The other sections have a half or a quarter of these rows. The
    incidents are shown only for a selected host or rule, and the trend only without a selection.
    """
    is_single_subject = bool(summary.scope.host or summary.scope.rule)
    sections = [
        ("wrong now", _format_open_rules(summary, width, max_rows, colours)),
        (
            "waived now",
            _format_rows(
                _make_open_rule_rows(summary.waived_rules, summary.now), width, max(2, max_rows // 2), colours, "item"
            ),
        ),
        ("lifted now", _format_rows(_make_lifted_rows(summary), width, max(2, max_rows // 2), colours, "item")),
        ("corrected", pack_parts([_describe_repairs(summary.repair_times)], width)),
        (
            "between two runs",
            _limit_texts(map(_describe_between_entry, summary.between_entries), width, max(2, max_rows // 2), "more"),
        ),
        (
            "flapping",
            _limit_texts(map(_describe_flapping_rule, summary.flapping_rules), width, max(2, max_rows // 2), "more"),
        ),
        ("not seen any more", _format_unseen_hosts(summary, width, max(2, max_rows // 4))),
        ("what happened", _format_incidents(summary, width, max_rows, colours) if is_single_subject else []),
        ("trend", [] if is_single_subject else _format_trend(summary.past_runs, width, max(3, max_rows // 2))),
    ]
    lines = ["", *(apply_styles(line, "bold", colours=colours) for line in _format_headline(summary, width))]
    for title, section_lines in sections:
        lines += ["", apply_styles(title, "bold", colours=colours), *section_lines] if section_lines else []
    return lines


def _format_headline(summary: HistorySummary, width: int) -> list[str]:
    """Format the headline: the selected host and rule, the period, and the number of its runs."""
    (since, host, rule), (run_count, _, last_run) = summary.scope, summary.run_counts
    subject = " and ".join(clean_text(name) for name in (host, rule) if name) or "all hosts"
    period = f"since {format_readable_time(since)}" if since else "since the history began"
    count_text = format_count(run_count, "run")
    return pack_parts(
        [
            f"{subject}, {period}",
            f"{count_text}, the last {format_readable_time(last_run)}" if run_count else count_text,
        ],
        width,
    )


def _format_open_rules(summary: HistorySummary, width: int, max_rows: int, colours: bool) -> list[str]:
    """Format the present defects, and the controls that no run has observed yet.

    Without defects, the text states whether the hosts were observed at all.
    """
    rows = _make_open_rule_rows(summary.open_rules, summary.now)
    lines = _format_rows(rows, width, max_rows, colours, "item")
    never_texts = [f"{control} on {format_count(hosts, 'host')}" for control, hosts in summary.never_observed.items()]
    if not rows and not summary.host_count:
        lines = [f"not known: no run covers {'this host' if summary.scope.host else 'any host'} any more"]
    elif not rows:
        lines = ["nothing on what a run has checked" if never_texts or summary.lifted_hosts else "nothing"]
    return [*lines, *(wrap_text(f"not checked yet: {', '.join(never_texts)}", width) if never_texts else [])]


def _make_open_rule_rows(open_rules: Iterable[OpenRule], now: str) -> list[tuple[str, str, str]]:
    """Make a row (subject, state, text) for each group of rules that are waived, or not compliant.

    The text has the hosts and the age, and the evidence of the first host that had this state.
    """
    rows = []
    for group in _group_open_rules(open_rules):
        first_rule = group[0]
        control = first_rule.rule.partition("/")[0]
        subject = (
            first_rule.rule or HOST_SUBJECT if len(group) == 1 else f"{control}, {format_count(len(group), 'rule')}"
        )
        hosts_text = clean_text(first_rule.host) if first_rule.hosts == 1 else format_count(first_rule.hosts, "host")
        text = (
            f"{hosts_text}, since {format_readable_time(first_rule.oldest)} ({_format_elapsed(now, first_rule.oldest)})"
        )
        if first_rule.newest != first_rule.oldest:
            text += f", the newest since {format_readable_time(first_rule.newest)}"
        if first_rule.evidence:
            text += f"; {clean_text(first_rule.host)}: " if first_rule.hosts > 1 else "; "
            text += clean_text(first_rule.evidence)
        rows.append((clean_text(subject), first_rule.state, text))
    return rows


def _make_lifted_rows(summary: HistorySummary) -> list[tuple[str, str, str]]:
    """Make a row (subject, state, text) for each lift, a run's removal of the ban from some hosts."""
    rows = []
    for lift in summary.lifted_hosts:
        hosts_text = clean_text(lift.host) if lift.hosts == 1 else format_count(lift.hosts, "host")
        subject = HOST_SUBJECT if set(CONTROLS) <= {*lift.controls} else ", ".join(lift.controls)
        age_text = _format_elapsed(summary.now, lift.oldest)
        rows.append(
            (
                clean_text(subject),
                LIFTED,
                f"{hosts_text}, since {format_readable_time(lift.oldest)} ({age_text}), by {clean_text(lift.run)}",
            )
        )
    return rows


def _group_open_rules(open_rules: Iterable[OpenRule]) -> list[list[OpenRule]]:
    """Group rules of a control with the same state, the same number of hosts and the same begin.

    A missing file, for example, makes a single group.
    """
    groups: dict[tuple[str, str, str, int, str, str], list[OpenRule]] = {}
    for open_rule in open_rules:
        control = open_rule.rule.partition("/")[0]
        # each app has separate findings, so its rule makes a separate group
        separate_rule = open_rule.rule if control == "apps" else ""
        groups.setdefault(
            (control, separate_rule, open_rule.state, open_rule.hosts, open_rule.oldest, open_rule.newest), []
        ).append(open_rule)
    return list(groups.values())


def _describe_repairs(repair_times: RepairTimes) -> str:
    """Describe how often rules became compliant again, and after which time."""
    if not repair_times.number:
        return "nothing"
    extent_text = ""
    # rules of a control that became compliant at the same time count as one remediation
    if repair_times.rules != repair_times.number:
        extent_text = f" ({format_count(repair_times.rules, 'rule')} on {format_count(repair_times.hosts, 'host')})"
    if repair_times.number == 1:
        return f"once{extent_text}, after {format_duration(repair_times.longest)}"
    count_text = f"{repair_times.number:,} times{extent_text}"
    return (
        f"{count_text}, half of them within {format_duration(repair_times.median)}, the slowest after "
        f"{format_duration(repair_times.longest)}"
    )


def _describe_between_entry(entry: incident_entries.BetweenEntry) -> str:
    """Describe an event on a host between two runs, or a user's request, in a line."""
    host, rule, user_name = clean_text(entry.host), clean_text(entry.rule), clean_text(entry.who)
    count_text = "once" if entry.times == 1 else f"{entry.times:,} times"
    first_text, last_text = format_readable_time(entry.first), format_readable_time(entry.last)
    period = first_text if first_text == last_text else f"{first_text} to {last_text}"
    if entry.kind == ENDED:
        return f"{host} {rule}: {clean_text(entry.program)} of {user_name} ended {count_text}, {period}"
    if entry.kind == FROZEN:
        return f"{host} frozen until {last_text} by {user_name}: {clean_text(entry.detail)}"
    if entry.kind == incident_entries.REQUEST_KIND:
        return f"{host} request {entry.program} of {user_name} for {rule}, {first_text}"
    result_text = (
        f"closed again {count_text}"
        if entry.times == entry.corrected
        else f"open {count_text}, closed again {entry.corrected:,}"
    )
    logged_in_users = json.loads(entry.users)
    users_text = f"; logged in: {summarise_names(logged_in_users, 5)}" if logged_in_users else ""
    detail_text = f" ({clean_text(entry.detail)})" if entry.detail else ""
    return f"{host} {rule}{detail_text}: {result_text}, {period}{users_text}"


def _describe_flapping_rule(flapping_rule: FlappingRule) -> str:
    return (
        f"{clean_text(flapping_rule.host)} {clean_text(flapping_rule.rule)}: drifted {flapping_rule.times} times, "
        f"last {format_readable_time(flapping_rule.last)}"
    )


def _format_unseen_hosts(summary: HistorySummary, width: int, max_rows: int) -> list[str]:
    """Format the hosts that no run has observed for too long, below the title `not seen any more`.

    The text of a host continues this title: `for 40 days`, or `ever` if the host never answered.
    """
    entries = [
        f"{clean_text(host)}, for {_format_elapsed(summary.now, last_seen)} (since {format_readable_time(last_seen)})"
        if last_seen
        else f"{clean_text(host)}, ever"
        for host, last_seen in summary.unseen_hosts
    ]
    return _limit_texts(entries, width, max_rows, "more hosts")


def _format_incidents(summary: HistorySummary, width: int, max_rows: int, colours: bool) -> list[str]:
    """Format the incidents of the selected host or rule, a row for each, with begin, end and evidence."""
    rows = []
    for incident in summary.incidents:
        end_text = (
            f"until {format_readable_time(incident.closed)} ({format_key(incident.ended)})"
            if incident.closed
            else "until now"
        )
        if not incident.closed and incident.last_seen:
            end_text += f", last seen {format_readable_time(incident.last_seen)}"
        text = f"{format_readable_time(incident.opened)} {end_text}" + (
            f"; {clean_text(incident.evidence)}" if incident.evidence else ""
        )
        rows.append(
            (clean_text(incident.host if summary.scope.rule else incident.rule or HOST_SUBJECT), incident.state, text)
        )
    return _format_rows(rows, width, max_rows, colours, "incident")


def _format_trend(past_runs: Sequence[PastRun], width: int, max_rows: int) -> list[str]:
    """Format the trend: a line for each run or for the last run of each day; [] for fewer than two lines."""
    if len(past_runs) > MAX_SINGLE_RUNS:  # keep only the last run of each day
        past_runs = list({past_run["finished"][:10]: past_run for past_run in past_runs}.values())
    if len(past_runs) < 2:
        return []
    lines = []
    for past_run in past_runs[-max_rows:]:
        host_counts, strict_share = past_run["hosts"], past_run["compliance_strict"]
        open_count, host_count = sum(host_counts[state] for state in OPEN_STATES), sum(host_counts.values())
        start_text = f"{format_readable_time(past_run['finished'])}  {open_count:,} of"
        line = (
            f"{start_text} {format_count(host_count, 'host')} not meeting the ban   compliant "
            f"{format_ratio(strict_share)}   {past_run['mode']}"
        )
        if measure_columns(line) > width:  # the line is too long, so drop the parts that readers need least
            line = f"{start_text} {host_count:,} not meeting the ban, {format_percent(strict_share)} compliant"
        lines += wrap_text(line, width) if measure_columns(line) > width else [line]
    return lines


def _format_rows(
    rows: Sequence[tuple[str, str, str]], width: int, max_rows: int, colours: bool, noun: str
) -> list[str]:
    """Format the first rows (subject, state, text) as a table, and the number of the remaining rows.

    The result is [] without rows. `noun` is the noun with which the remaining rows are counted.
    """
    shown_rows = rows[:max_rows]
    if not shown_rows:
        return []
    widths = (
        min(max(measure_columns(subject) for subject, _, _ in shown_rows), width // 3),
        max(measure_columns(state) for _, state, _ in shown_rows),
    )
    lines: list[str] = []
    for subject, state, text in shown_rows:
        is_whole = state in (ERROR, UNKNOWN)  # do not cut the text, because it is the reason of the failure
        row_lines = format_table_row(subject, state, text, widths, width, 0 if is_whole else 2)
        row_lines[0] = row_lines[0].replace(
            f"  {state}", "  " + apply_styles(state, STATE_COLOURS.get(state, ""), colours=colours), 1
        )
        lines += row_lines
    omitted_count = len(rows) - max_rows
    return (
        [*lines, f"and {format_count(omitted_count, f'more {noun}')}; --json has them all"]
        if omitted_count > 0
        else lines
    )


def _limit_texts(all_texts: Iterable[str], width: int, max_texts: int, noun: str) -> list[str]:
    """Format the first `max_texts` texts as lines, and the number of the remaining texts.

    `noun` follows that number: `and 3 more hosts`.
    """
    texts = list(all_texts)
    omitted_text = [f"and {len(texts) - max_texts:,} {noun}; --json has them all"] if len(texts) > max_texts else []
    return [line for text in (*texts[:max_texts], *omitted_text) for line in wrap_text(text, width)]


def _format_elapsed(now: str, start_time: str) -> str:
    return format_duration((parse_moment(now) - parse_moment(start_time)).total_seconds())
