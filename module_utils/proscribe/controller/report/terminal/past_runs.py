"""What the history says, as one answer for machines and as one screenful for people."""

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
from ..evaluation.since_last_run import ENDED, FROZEN
from ..history import History, QueryScope, lifts, names, queries, since_last_run
from ..history.lifts import LiftSummary
from ..history.queries import FlappingRule, OpenRule, RepairTimes, RuleIncident, UnseenHost
from ..text.layout import NARROWEST, cells, flow, paint, row, wrap
from ..text.wording import clean, counted, in_words, moment, percent, ratio, some
from .summary import COLOUR, Screen

SCHEMA = "proscribe/history/1"
THE_HOST = "(the host)"  # instead of a rule, for an incident of the host as a whole
FEW_RUNS = 10  # with more than this the trend has one line a day
MOST_INCIDENTS = 1000  # in the answer for machines too: a host or a rule with more has a story nobody reads


class Past(NamedTuple):
    """What the history says of a period: of everything, or of one host, or of one rule, or of both."""

    now: str
    scope: QueryScope
    runs: tuple[int, str, str]  # how many, and the end of the first and of the last
    hosts: int  # that runs ask
    never: Mapping[str, int]  # by control: on how many hosts no run has checked it
    wrong: Sequence[OpenRule]
    waived: Sequence[OpenRule]
    lifted: Sequence[LiftSummary]  # no run has observed it since
    repaired: RepairTimes
    flapping: Sequence[FlappingRule]
    unseen: Sequence[UnseenHost]
    between: Sequence[since_last_run.BetweenEntry]  # the newest first
    trend: Sequence[PastRun]
    incidents: Sequence[RuleIncident]  # of the host or the rule that is asked for

    def as_dict(self) -> dict[str, object]:
        """The answer for machines."""
        return {
            "schema": SCHEMA,
            "now": self.now,
            **self.scope._asdict(),
            "runs": dict(zip(("number", "first", "last"), self.runs)),
            "looked": {"hosts": self.hosts, "never": self.never},
            "wrong": [one._asdict() for one in self.wrong],
            "waived": [one._asdict() for one in self.waived],
            "lifted": [one._asdict() for one in self.lifted],
            "repaired": self.repaired._asdict(),
            "flapping": [one._asdict() for one in self.flapping],
            "unseen": [one._asdict() for one in self.unseen],
            "between": [one.export_fields() for one in self.between],
            "trend": self.trend,
            "episodes": [one._asdict() for one in self.incidents],
        }


def gather(history: History, scope: QueryScope, now: datetime.datetime, stale_after: int) -> Past:
    """The answer. A host that no run has seen for `stale_after` seconds is unseen.

    Raises HistoryError, and UnknownName for a host or a rule that no run knows.
    """
    before = format_moment(now - datetime.timedelta(seconds=stale_after))
    with history.database.open_for_reading() as session:
        names.check_names(session, history.plans, scope)
        hosts = queries.list_hosts(session, scope.host)
        incidents = queries.list_incidents(session, scope) if scope.host or scope.rule else ()
        open_now = queries.list_open_rules(session, scope)
        return Past(
            now=format_moment(now),
            scope=scope,
            runs=queries.count_runs(session, scope.since),
            hosts=len(hosts),
            never=queries.count_never_observed(hosts, history.plans, scope.rule.partition("/")[0]),
            wrong=[one for one in open_now if one.state != WAIVED],
            waived=[one for one in open_now if one.state == WAIVED],
            lifted=lifts.list_lifted_hosts(session, scope),
            repaired=queries.measure_repairs(session, scope),
            flapping=queries.list_flapping_rules(session, scope),
            unseen=queries.list_unseen_hosts(session, scope, before),
            between=since_last_run.list_entries(session, scope.since, scope.host, scope.rule),
            trend=queries.list_trend_runs(session, scope.since),
            incidents=list(islice(incidents, MOST_INCIDENTS)),
        )


def render(past: Past, screen: Screen) -> str:
    """The answer as text that fits the screen, without the last line break."""
    width = max(screen.width, NARROWEST)
    lines: list[str] = []
    for most in (24, 16, 12, 8, 5, 3):
        lines = _lines(past, width, most, screen.colours)
        if len(lines) < screen.height:
            break
    return "\n".join(lines)


def _lines(past: Past, width: int, most: int, colours: bool) -> list[str]:
    one = bool(past.scope.host or past.scope.rule)
    parts = [
        ("wrong now", _wrong(past, width, most, colours)),
        ("waived now", _table(_rows(past.waived, past.now), width, max(2, most // 2), colours, "item")),
        ("lifted now", _table(_lifted(past), width, max(2, most // 2), colours, "item")),
        ("corrected", flow([_repaired(past.repaired)], width)),
        ("between two runs", _limited(map(_happened, past.between), width, max(2, most // 2), "more")),
        ("flapping", _limited(map(_flapping, past.flapping), width, max(2, most // 2), "more")),
        ("not seen any more", _unseen(past, width, max(2, most // 4))),
        ("what happened", _incidents(past, width, most, colours) if one else []),
        ("trend", [] if one else _trend(past.trend, width, max(3, most // 2))),
    ]
    lines = ["", *(paint(line, "bold", colours=colours) for line in _headline(past, width))]
    for title, body in parts:
        lines += ["", paint(title, "bold", colours=colours), *body] if body else []
    return lines


def _headline(past: Past, width: int) -> list[str]:
    (since, host, rule), (runs, _, last) = past.scope, past.runs
    about = " and ".join(clean(name) for name in (host, rule) if name) or "all hosts"
    period = f"since {moment(since)}" if since else "since the history began"
    number = counted(runs, "run")
    return flow([f"{about}, {period}", f"{number}, the last {moment(last)}" if runs else number], width)


def _wrong(past: Past, width: int, most: int, colours: bool) -> list[str]:
    rows = _rows(past.wrong, past.now)
    lines = _table(rows, width, most, colours, "item")
    never = [f"{control} on {counted(hosts, 'host')}" for control, hosts in past.never.items()]
    if not rows and not past.hosts:
        lines = [f"not known: no run covers {'this host' if past.scope.host else 'any host'} any more"]
    elif not rows:
        lines = ["nothing on what a run has checked" if never or past.lifted else "nothing"]
    return [*lines, *(wrap(f"not checked yet: {', '.join(never)}", width) if never else [])]


def _rows(found: Iterable[OpenRule], now: str) -> list[tuple[str, str, str]]:
    """What is wrong or waived: its rule, its state, and on which hosts since when."""
    rows = []
    for group in _grouped(found):
        first = group[0]
        control = first.rule.partition("/")[0]
        subject = first.rule or THE_HOST if len(group) == 1 else f"{control}, {counted(len(group), 'rule')}"
        where = clean(first.host) if first.hosts == 1 else counted(first.hosts, "host")
        text = f"{where}, since {moment(first.oldest)} ({_ago(now, first.oldest)})"
        if first.newest != first.oldest:
            text += f", the newest since {moment(first.newest)}"
        if first.evidence:
            text += f"; {clean(first.host)}: " if first.hosts > 1 else "; "
            text += clean(first.evidence)
        rows.append((clean(subject), first.state, text))
    return rows


def _lifted(past: Past) -> list[tuple[str, str, str]]:
    """Return a row for each lift: the controls, the state, and where it was lifted, since when and by which run."""
    rows = []
    for one in past.lifted:
        where = clean(one.host) if one.hosts == 1 else counted(one.hosts, "host")
        subject = THE_HOST if set(CONTROLS) <= {*one.controls} else ", ".join(one.controls)
        ago = _ago(past.now, one.oldest)
        rows.append((clean(subject), LIFTED, f"{where}, since {moment(one.oldest)} ({ago}), by {clean(one.run)}"))
    return rows


def _grouped(wrong: Iterable[OpenRule]) -> list[list[OpenRule]]:
    """Rules of one control in one state on as many hosts since the same time: one missing file is one thing."""
    groups: dict[tuple[str, str, str, int, str, str], list[OpenRule]] = {}
    for one in wrong:
        control = one.rule.partition("/")[0]
        alone = one.rule if control == "apps" else ""  # an app is a thing of its own
        groups.setdefault((control, alone, one.state, one.hosts, one.oldest, one.newest), []).append(one)
    return list(groups.values())


def _repaired(repairs: RepairTimes) -> str:
    if not repairs.number:
        return "nothing"
    about = ""
    if repairs.rules != repairs.number:  # rules of a control that came back into line together are one time
        about = f" ({counted(repairs.rules, 'rule')} on {counted(repairs.hosts, 'host')})"
    if repairs.number == 1:
        return f"once{about}, after {format_duration(repairs.longest)}"
    times = f"{repairs.number:,} times{about}"
    return f"{times}, half of them within {format_duration(repairs.median)}, the slowest after {format_duration(repairs.longest)}"


def _happened(one: since_last_run.BetweenEntry) -> str:
    """What a host did between two runs, or what a user of it requests."""
    host, rule, who = clean(one.host), clean(one.rule), clean(one.who)
    often = "once" if one.times == 1 else f"{one.times:,} times"
    first, last = moment(one.first), moment(one.last)
    period = first if first == last else f"{first} to {last}"
    if one.kind == ENDED:
        return f"{host} {rule}: {clean(one.program)} of {who} ended {often}, {period}"
    if one.kind == FROZEN:
        return f"{host} frozen until {last} by {who}: {clean(one.detail)}"
    if one.kind == since_last_run.REQUEST_KIND:
        return f"{host} request {one.program} of {who} for {rule}, {first}"
    found = f"closed again {often}" if one.times == one.corrected else f"open {often}, closed again {one.corrected:,}"
    logged_in = json.loads(one.users)
    users = f"; logged in: {some(logged_in, 5)}" if logged_in else ""
    by = f" ({clean(one.detail)})" if one.detail else ""
    return f"{host} {rule}{by}: {found}, {period}{users}"


def _flapping(one: FlappingRule) -> str:
    return f"{clean(one.host)} {clean(one.rule)}: drifted {one.times} times, last {moment(one.last)}"


def _unseen(past: Past, width: int, most: int) -> list[str]:
    entries = [
        f"{clean(host)}, for {_ago(past.now, seen)} (since {moment(seen)})" if seen else f"{clean(host)}, ever"
        for host, seen in past.unseen
    ]
    return _limited(entries, width, most, "more hosts")


def _incidents(past: Past, width: int, most: int, colours: bool) -> list[str]:
    rows = []
    for one in past.incidents:
        until = f"until {moment(one.closed)} ({in_words(one.ended)})" if one.closed else "until now"
        if not one.closed and one.last_seen:
            until += f", last seen {moment(one.last_seen)}"
        text = f"{moment(one.opened)} {until}" + (f"; {clean(one.evidence)}" if one.evidence else "")
        rows.append((clean(one.host if past.scope.rule else one.rule or THE_HOST), one.state, text))
    return _table(rows, width, most, colours, "incident")


def _trend(trend: Sequence[PastRun], width: int, most: int) -> list[str]:
    if len(trend) > FEW_RUNS:  # the last run of each day
        trend = list({point["finished"][:10]: point for point in trend}.values())
    if len(trend) < 2:
        return []
    lines = []
    for point in trend[-most:]:
        hosts, strict = point["hosts"], point["compliance_strict"]
        bad, total = sum(hosts[state] for state in OPEN_STATES), sum(hosts.values())
        when = f"{moment(point['finished'])}  {bad:,} of"
        line = f"{when} {counted(total, 'host')} not meeting the ban   compliant {ratio(strict)}   {point['mode']}"
        if cells(line) > width:  # the share is what people compare, so it is not what is cut off
            line = f"{when} {total:,} not meeting the ban, {percent(strict)} compliant"
        lines += wrap(line, width) if cells(line) > width else [line]
    return lines


def _table(rows: Sequence[tuple[str, str, str]], width: int, most: int, colours: bool, noun: str) -> list[str]:
    shown_ = rows[:most]
    if not shown_:
        return []
    widths = (min(max(cells(first) for first, _, _ in shown_), width // 3), max(cells(state) for _, state, _ in shown_))
    lines: list[str] = []
    for first, state, text in shown_:
        whole = state in (ERROR, UNKNOWN)  # it is the reason
        printed = row(first, state, text, widths, width, 0 if whole else 2)
        printed[0] = printed[0].replace(f"  {state}", "  " + paint(state, COLOUR.get(state, ""), colours=colours), 1)
        lines += printed
    more = len(rows) - most
    return [*lines, f"and {counted(more, f'more {noun}')}; --json has them all"] if more > 0 else lines


def _limited(found: Iterable[str], width: int, most: int, what: str) -> list[str]:
    """The first of some texts in lines, and how many more there are."""
    texts = list(found)
    more = [f"and {len(texts) - most:,} {what}; --json has them all"] if len(texts) > most else []
    return [line for text in (*texts[:most], *more) for line in wrap(text, width)]


def _ago(now: str, then: str) -> str:
    return format_duration((parse_moment(now) - parse_moment(then)).total_seconds())
