"""What the history says, as one answer for machines and as one screenful for people."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....base.duration import moment_of, shown, spelled
from ....model.finding import ERROR, OPEN, UNKNOWN, WAIVED
from ..evaluation.since_last_run import ENDED, FROZEN, INCIDENT
from ..history import History, Scope, names, queries, since_last_run
from ..text.layout import NARROWEST, cells, flow, paint, row, wrap
from ..text.wording import clean, counted, in_words, moment, percent, ratio, some
from .summary import COLOUR, Screen

SCHEMA = "proscribe/history/1"
THE_HOST = "(the host)"  # instead of a rule, for an incident of the host as a whole
FEW_RUNS = 10  # with more than this the trend has one line a day
MOST_INCIDENTS = 1000  # in the answer for machines too: a host or a rule with more has a story nobody reads


def gather(history: History, scope: Scope, now: datetime.datetime, stale_after: int) -> dict[str, Any]:
    """The answer: {schema, now, since, host, rule, runs {number, first, last}, looked {hosts, never {control: hosts}},
    wrong, waived, repaired, flapping, unseen, trend}, as `history.queries` has them. The key `between` has what hosts
    did between two runs, and what their users requested, in that time, the newest first. The last key has the incidents
    of the host or the rule that is asked for, and is empty without one. A host that no run has seen for `stale_after`
    seconds is unseen. Raises HistoryError, and NoSuchName for a host or a rule that no run knows.
    """
    before = spelled(now - datetime.timedelta(seconds=stale_after))
    with history.database.reading() as session:
        names.check(session, history.plans, scope)
        number, first, last = queries.runs(session, scope.since)
        hosts = queries.hosts(session, scope.host)
        incidents: list[dict[str, Any]] = []
        if scope.host or scope.rule:
            for incident in queries.incidents(session, scope):
                incidents.append(incident._asdict())
                if len(incidents) == MOST_INCIDENTS:
                    break
        open_now = [one._asdict() for one in queries.wrong(session, scope)]
        return {
            "schema": SCHEMA,
            "now": spelled(now),
            **scope._asdict(),
            "runs": {"number": number, "first": first, "last": last},
            "looked": {
                "hosts": len(hosts),
                "never": queries.never(hosts, history.plans, scope.rule.partition("/")[0]),
            },
            "wrong": [one for one in open_now if one["state"] != WAIVED],
            WAIVED: [one for one in open_now if one["state"] == WAIVED],
            "repaired": queries.repairs(session, scope)._asdict(),
            "flapping": [one._asdict() for one in queries.flapping(session, scope)],
            "unseen": [one._asdict() for one in queries.unseen(session, scope, before)],
            "between": [one.shown() for one in since_last_run.since(session, scope.since, scope.host, scope.rule)],
            "trend": queries.trend(session, scope.since),
            "episodes": incidents,
        }


def render(past: Mapping[str, Any], screen: Screen) -> str:
    """The answer as text that fits the screen, without the last line break."""
    width = max(screen.width, NARROWEST)
    lines: list[str] = []
    for most in (24, 16, 12, 8, 5, 3):
        lines = _lines(past, width, most, screen.colours)
        if len(lines) < screen.height:
            break
    return "\n".join(lines)


def _lines(past: Mapping[str, Any], width: int, most: int, colours: bool) -> list[str]:
    one = bool(past["host"] or past["rule"])
    parts = [
        ("wrong now", _wrong(past, width, most, colours)),
        ("waived now", _table(_rows(past, WAIVED), width, max(2, most // 2), colours, "item")),
        ("corrected", flow([_repaired(past["repaired"])], width)),
        ("between two runs", _between(past, width, max(2, most // 2))),
        ("flapping", _flapping(past["flapping"], width, max(2, most // 2))),
        ("not seen any more", _unseen(past, width, max(2, most // 4))),
        ("what happened", _incidents(past, width, most, colours) if one else []),
        ("trend", [] if one else _trend(past["trend"], width, max(3, most // 2))),
    ]
    lines = ["", *(paint(line, "bold", colours=colours) for line in _headline(past, width))]
    for title, body in parts:
        lines += ["", paint(title, "bold", colours=colours), *body] if body else []
    return lines


def _headline(past: Mapping[str, Any], width: int) -> list[str]:
    about = " and ".join(clean(past[key]) for key in ("host", "rule") if past[key]) or "all hosts"
    runs, period = past["runs"], f"since {moment(past['since'])}" if past["since"] else "since the history began"
    number = counted(runs["number"], "run")
    return flow(
        [f"{about}, {period}", f"{number}, the last {moment(runs['last'])}" if runs["number"] else number], width
    )


def _wrong(past: Mapping[str, Any], width: int, most: int, colours: bool) -> list[str]:
    rows = _rows(past, "wrong")
    lines = _table(rows, width, most, colours, "item")
    never = [f"{control} on {counted(hosts, 'host')}" for control, hosts in past["looked"]["never"].items()]
    if not rows and not past["looked"]["hosts"]:
        lines = [f"not known: no run covers {'this host' if past['host'] else 'any host'} any more"]
    elif not rows:
        lines = ["nothing on what a run has checked" if never else "nothing"]
    return [*lines, *(wrap(f"not checked yet: {', '.join(never)}", width) if never else [])]


def _rows(past: Mapping[str, Any], key: str) -> list[tuple[str, str, str]]:
    """What is wrong or waived: its rule, its state, and on which hosts since when."""
    rows = []
    for group in _grouped(past.get(key, ())):
        first = group[0]
        control = first["rule"].partition("/")[0]
        subject = first["rule"] or THE_HOST if len(group) == 1 else f"{control}, {counted(len(group), 'rule')}"
        where = clean(first["host"]) if first["hosts"] == 1 else counted(first["hosts"], "host")
        for_ = f"{where}, since {moment(first['oldest'])} ({_ago(past['now'], first['oldest'])})"
        if first["newest"] != first["oldest"]:
            for_ += f", the newest since {moment(first['newest'])}"
        found = (
            f"{clean(first['host'])}: {clean(first['evidence'])}" if first["hosts"] > 1 else clean(first["evidence"])
        )
        rows.append((clean(subject), first["state"], f"{for_}; {found}" if first["evidence"] else for_))
    return rows


def _grouped(wrong: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rules of one control in one state on as many hosts since the same time: one missing file is one thing."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in wrong:
        control = one["rule"].partition("/")[0]
        alone = one["rule"] if control == "apps" else ""  # an app is a thing of its own
        key = (control, alone, one["state"], one["hosts"], one["oldest"], one["newest"])
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _repaired(repairs: Mapping[str, Any]) -> str:
    if not repairs["number"]:
        return "nothing"
    about = ""
    if repairs["rules"] != repairs["number"]:  # rules of a control that came back into line together are one time
        about = f" ({counted(repairs['rules'], 'rule')} on {counted(repairs['hosts'], 'host')})"
    if repairs["number"] == 1:
        return f"once{about}, after {shown(repairs['longest'])}"
    times = f"{repairs['number']:,} times{about}"
    return f"{times}, half of them within {shown(repairs['median'])}, the slowest after {shown(repairs['longest'])}"


def _between(past: Mapping[str, Any], width: int, most: int) -> list[str]:
    entries = [f"{clean(one['host'])} {HAPPENED[one['kind']](one)}" for one in past.get("between", ())]
    return [line for text in _limited(entries, most, "more") for line in wrap(text, width)]


def _incident(one: Mapping[str, Any]) -> str:
    times, closed = one["times"], one["corrected"]
    often = "once" if times == 1 else f"{times:,} times"
    found = f"closed again {often}" if times == closed else f"open {often}, closed again {closed:,}"
    users = f"; logged in: {some(one['users'], 5)}" if one["users"] else ""
    by = f" ({clean(one['detail'])})" if one["detail"] else ""
    return f"{clean(one['rule'])}{by}: {found}, {_period(one)}{users}"


def _ended(one: Mapping[str, Any]) -> str:
    often = "once" if one["times"] == 1 else f"{one['times']:,} times"
    return f"{clean(one['rule'])}: {clean(one['program'])} of {clean(one['who'])} ended {often}, {_period(one)}"


def _frozen(one: Mapping[str, Any]) -> str:
    return f"frozen until {moment(one['last'])} by {clean(one['who'])}: {clean(one['detail'])}"


def _request(one: Mapping[str, Any]) -> str:
    return f"request {one['program']} of {clean(one['who'])} for {clean(one['rule'])}, {moment(one['first'])}"


def _period(one: Mapping[str, Any]) -> str:
    first, last = moment(one["first"]), moment(one["last"])
    return first if first == last else f"{first} to {last}"


HAPPENED = {INCIDENT: _incident, ENDED: _ended, FROZEN: _frozen, since_last_run.REQUEST: _request}


def _flapping(flaps: Sequence[Mapping[str, Any]], width: int, most: int) -> list[str]:
    entries = [
        f"{clean(one['host'])} {clean(one['rule'])}: drifted {one['times']} times, last {moment(one['last'])}"
        for one in flaps
    ]
    return [line for text in _limited(entries, most, "more") for line in wrap(text, width)]


def _unseen(past: Mapping[str, Any], width: int, most: int) -> list[str]:
    entries = [
        f"{clean(one['host'])}, for {_ago(past['now'], one['last_seen'])} (since {moment(one['last_seen'])})"
        if one["last_seen"]
        else f"{clean(one['host'])}, ever"
        for one in past["unseen"]
    ]
    return [line for text in _limited(entries, most, "more hosts") for line in wrap(text, width)]


def _incidents(past: Mapping[str, Any], width: int, most: int, colours: bool) -> list[str]:
    rows = []
    for one in past["episodes"]:
        until = f"until {moment(one['closed'])} ({in_words(one['ended'])})" if one["closed"] else "until now"
        if not one["closed"] and one["last_seen"]:
            until += f", last seen {moment(one['last_seen'])}"
        text = f"{moment(one['opened'])} {until}" + (f"; {clean(one['evidence'])}" if one["evidence"] else "")
        about = [one["host"]] if past["rule"] else [one["rule"] or THE_HOST]
        rows.append((clean(" ".join(about)), one["state"], text))
    return _table(rows, width, most, colours, "incident")


def _trend(trend: Sequence[Mapping[str, Any]], width: int, most: int) -> list[str]:
    if len(trend) > FEW_RUNS:  # the last run of each day
        trend = list({point["finished"][:10]: point for point in trend}.values())
    if len(trend) < 2:
        return []
    lines = []
    for point in trend[-most:]:
        hosts = point["hosts"]
        bad, total = sum(hosts[state] for state in OPEN), sum(hosts.values())
        text = f"{moment(point['finished'])}  {bad:,} of {counted(total, 'host')} not meeting the ban"
        line = f"{text}   compliant {ratio(point['compliance_strict'])}   {point['mode']}"
        if cells(line) > width:  # the share is what people compare, so it is not what is cut off
            text = text.replace(counted(total, "host"), f"{total:,}")
            line = f"{text}, {percent(point['compliance_strict'])} compliant"
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


def _limited(texts: Sequence[str], most: int, what: str) -> list[str]:
    more = len(texts) - most
    return [*texts[:most], f"and {more:,} {what}; --json has them all"] if more > 0 else list(texts)


def _ago(now: str, then: str) -> str:
    return shown((moment_of(now) - moment_of(then)).total_seconds())
