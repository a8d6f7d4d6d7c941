"""The notification of a scheduled run: what drifted, since when, how often, who was logged in; None without changes.

What goes on as it was is no news: a notification reported it when it began, and the report has it.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import NamedTuple, TypedDict

from ...base.chat_text import HOSTS_HEADING, escape_chat_text, escape_json_texts, make_quoted_block
from ...base.duration import format_moment, parse_moment
from ...model.finding import COMPLIANT, ERROR, OPEN_STATES, REPAIRED
from ...model.types.record import HostRecord
from ...model.types.report import FleetReport
from .evaluation.scope import cut_short
from .evaluation.since_last_run import ENDED, FROZEN, INCIDENT, Remark, remarks
from .history import History
from .history import news as history_news
from .history import since_last_run as history_between
from .text.wording import clean, counted, evidence, moment, some

SCHEMA = "proscribe/notice/1"
PERIOD = 30  # days in which drifts are counted
MOST_HOSTS = 20  # that a notification lists one by one
MOST_RULES = 8  # of one host, or groups of them
FEW_RULES = 3  # with more, those of one cause are only counted
LONGEST = 160  # characters of evidence
REPORTED = (INCIDENT, ENDED, FROZEN)  # what happened; that a plan is stale is a rule of its own


class Sendable(TypedDict):
    """The facts for a webhook, and a mail but for whom it is to."""

    facts: Mapping[str, object]
    message: str


class Quoted(NamedTuple):
    """Lines with what others wrote: file names, users, reasons, publishers' names. A chat shows them in a block."""

    lines: Sequence[str]
    heading: str = HOSTS_HEADING


class Notification(NamedTuple):
    """A notification: one line, and the whole of it for people and for machines. In `facts`, a chat obeys no text."""

    subject: str
    lines: tuple[str, ...]
    facts: Mapping[str, object]

    def as_dict(self) -> Sendable:
        """For the playbook that sends it."""
        mail = EmailMessage()
        mail["Subject"] = self.subject
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.text)
        return {"facts": self.facts, "message": mail.as_string()}

    @property
    def text(self) -> str:
        """The whole of it, line by line."""
        return "\n".join(self.lines) + "\n"


def made(subject: str, lines: Sequence[str | Quoted], **facts: object) -> Notification:
    """Make a notification; `text` among its facts is what chat webhooks show. What others wrote is in Quoted."""
    subject = clean(subject)
    shown: list[str] = []
    chat: list[str] = []
    for part in lines:
        cleaned = list(map(clean, part.lines if isinstance(part, Quoted) else [part]))
        shown += cleaned
        chat.append(
            make_quoted_block(part.heading, cleaned) if isinstance(part, Quoted) else escape_chat_text(*cleaned)
        )
    text = "\n".join([escape_chat_text(subject), "", *chat])
    escaped = {key: escape_json_texts(value) for key, value in {"subject": subject, **facts}.items()}
    return Notification(subject, tuple(shown), {"schema": SCHEMA, **escaped, "text": text})


class Changed(NamedTuple):
    """A rule of a host that changed. `rule` is "" for the host as a whole."""

    rule: str
    state: str
    what: str
    since: str | None
    found: str | None = None
    repaired: str | None = None
    times: int = 0  # that it drifted in PERIOD
    ended_waiver: str | None = None  # that had permitted it until now


class Happened(NamedTuple):
    """What a notification has of a host."""

    record: HostRecord
    items: list[Changed]
    between: list[Remark]


class Known(NamedTuple):
    """What the history says of a run."""

    changes: Sequence[history_news.Change] = ()
    times: Mapping[tuple[str, str], int] = {}
    first: bool = False
    new_plans: frozenset[tuple[str, str]] = frozenset()  # (host, control): what the run found wrong there is no drift
    no_longer_waived: frozenset[tuple[str, str]] = frozenset()  # (host, rule)
    between: Mapping[str, frozenset[str]] = {}  # what the run brought of the time before it, by host


def known(history: History | None, report: FleetReport) -> Known | None:
    """What the history says of this run; None without one. Raises HistoryError."""
    if history is None:
        return None
    run, finished = report["run"]["id"], report["run"]["finished"]
    since = format_moment(parse_moment(finished) - datetime.timedelta(days=PERIOD))
    with history.database.reading() as session:
        return Known(
            history_news.changes(session, run),
            history_news.times(session, run, since),
            history_news.is_first(session, run),
            history_news.under_new_plans(session, run),
            history_news.no_longer_waived(session, run),
            history_between.changed(session, run),
        )


def notification(
    report: FleetReport, records: Iterable[HostRecord], known: Known | None, where: str
) -> Notification | None:
    """The notification of a run, or None where nothing changed. `known` is what the history says (None: nothing; then
    what is wrong counts as new), `where` the directory of the report.
    """
    by_host: dict[str, Happened] = {}
    began = {(change.host, change.rule): change for change in (known.changes if known else ())}
    for record in records:
        items = [_with_waiver(report, record["host"], item, known) for item in _of_record(record, began, known)]
        one = Happened(record, items, _between(record, known))
        if one.items or one.between:
            by_host[record["host"]] = one
    broken = {(host, item.rule) for host, one in by_host.items() for item in one.items if item.state != COMPLIANT}
    again = history_news.again_and_again(known.times, broken) if known else {}
    stopped = cut_short(report)
    if not by_host and not stopped:
        return None
    lines: list[str | Quoted] = [f"The run was stopped: {stopped}", ""] if stopped else []
    if by_host:
        lines.append(Quoted([line for one in list(by_host.values())[:MOST_HOSTS] for line in _host(one)]))
    if len(by_host) > MOST_HOSTS:
        lines.append(f"... and {counted(len(by_host) - MOST_HOSTS, 'more host')}")
    if again:
        lines += ["", f"Repeated drift, so something there reverts the correction: {some(list(again), 10)}"]
    lines += ["", f"The whole report: {where}/report.html"]
    return made(
        _subject(by_host, stopped, known),
        lines,
        run=report["run"]["id"],
        finished=report["run"]["finished"],
        report=where,
        hosts=[_facts(one) for one in list(by_host.values())[: MOST_HOSTS * 5]],
        number_of_hosts=len(by_host),
        again_and_again=sorted(again),
        stopped=stopped or None,
    )


def _facts(one: Happened) -> dict[str, object]:
    return {
        "host": one.record["host"],
        "logged_in": list(one.record.get("logged_in", ())),
        "number_of_changes": len(one.items),
        "still_not_in_order": len(_still(one)),
        "changes": [item._asdict() for item in one.items[: MOST_RULES * 5]],
        "between_runs": [_fact(remark) for remark in one.between[: MOST_RULES * 5]],
    }


def _between(record: HostRecord, known: Known | None) -> list[Remark]:
    """What happened on a host between two runs that no run has reported yet; all of it, where there is no history."""
    found = [one for one in remarks(record) if one.kind in REPORTED]
    if known is None:
        return found
    new = known.between.get(record["host"], frozenset())
    return [one for one in found if history_between.of(one) in new]


def _fact(one: Remark) -> dict[str, object]:
    facts = {key: getattr(one, key) for key in ("kind", "rule", "program", "user", "first", "last", "times")}
    return {**facts, "users": list(one.users), "text": clean(one.text)}


def _of_record(
    record: HostRecord, began: Mapping[tuple[str, str], history_news.Change], known: Known | None
) -> Iterable[Changed]:
    """What changed on a host."""
    host = record["host"]
    times = known.times if known else {}
    listed = {rule["rule"] for rule in record["rules"]}
    for rule in record["rules"]:
        name, state = rule["rule"], rule["state"]
        change = began.get((host, name))
        if state not in (*OPEN_STATES, REPAIRED) or (known is not None and change is None):  # it was so before
            continue
        first = evidence(rule["findings"][0]) if rule["findings"] else clean(rule["reason"] or "")
        more = len(rule["findings"]) - 1
        what = f"{first} and {more} more" if more > 0 else first
        found = record.get("found_at") or record["checked_at"]
        repaired = record["checked_at"] if state == REPAIRED else None
        yield Changed(
            name, state, what, change.opened if change else found, found, repaired, times.get((host, name), 0)
        )
    change = began.get((host, ""))
    if change is not None or (known is None and not record["rules_evaluated"]):
        ended = change.ended if change else ""
        what = record["reason"] or (change.evidence if change else "")
        if change and ended:
            what = f"{'no error any more' if change.state == ERROR else 'observed again'} (before: {change.evidence})"
        yield Changed("", COMPLIANT if ended else record["state"], clean(what), change.opened if change else None)
    for (there, name), change in began.items() if known else ():
        if there == host and name and name not in listed and change.ended in (COMPLIANT, REPAIRED):
            what, number = clean(f"compliant again: {change.evidence}"), times.get((host, name), 0)
            yield Changed(name, COMPLIANT, what, change.opened, repaired=record["checked_at"], times=number)


def _with_waiver(report: FleetReport, host: str, item: Changed, known: Known | None) -> Changed:
    """Return a change with the waiver whose end it follows from."""
    control, _, service = item.rule.partition("/")
    if known is None or (host, item.rule) not in known.no_longer_waived or item.state not in (*OPEN_STATES, REPAIRED):
        return item
    for waiver in report["waivers"]:
        about = host in waiver["hosts"] and service in waiver["services"] and control in waiver["controls"]
        if about and waiver["status"] in ("expired", "revoked"):
            return item._replace(ended_waiver=waiver["id"], what=f"waiver {waiver['id']} ended: {item.what}")
    return item


def _still(one: Happened) -> list[str]:
    """The rules of a host that are as wrong as they were, in a run that changed others."""
    notified = {item.rule for item in one.items}
    return [
        rule["rule"] for rule in one.record["rules"] if rule["state"] in OPEN_STATES and rule["rule"] not in notified
    ]


def _subject(by_host: Mapping[str, Happened], stopped: str, known: Known | None) -> str:
    states = {host: {item.state for item in one.items} for host, one in by_host.items()}
    corrected = {host for host, found in states.items() if REPAIRED in found}
    repaired = {host for host in corrected if by_host[host].record["state"] not in OPEN_STATES}
    new_plans = known.new_plans if known else frozenset()
    drifted = {host for host in repaired if any(_has_drifted(host, item, new_plans) for item in by_host[host].items)}
    wrong = sum(bool(found - {REPAIRED, COMPLIANT}) for found in states.values())
    happened = [one.between for one in by_host.values() if one.between]
    closed = sum(any(one.kind == INCIDENT and not one.open_now for one in found) for found in happened)
    ended = sum(any(one.kind == ENDED for one in found) for found in happened)
    frozen = sum(any(one.kind == FROZEN for one in found) for found in happened)
    mended = sum(found == {COMPLIANT} for found in states.values())
    first = bool(known and known.first)
    waivers_ended = {
        host for host in repaired if all(item.ended_waiver for item in by_host[host].items if item.state == REPAIRED)
    }
    verbs = {
        "closed at the end of a waiver": waivers_ended,
        "corrected for the first time": repaired - waivers_ended if first else (),
        "corrected after drift": () if first else drifted - waivers_ended,
        "corrected": () if first else repaired - drifted - waivers_ended,
        "partly corrected": corrected - repaired,
    }
    parts = [
        *(f"{counted(len(hosts), 'host')} {verb}" for verb, hosts in verbs.items() if hosts),
        *([f"{counted(wrong, 'host')} newly not compliant"] if wrong else []),
        *([f"{counted(mended, 'host')} compliant again"] if mended else []),
        *([f"{counted(closed, 'host')} open in between and closed again"] if closed else []),
        *([f"programs ended on {counted(ended, 'host')}"] if ended else []),
        *([f"{counted(frozen, 'host')} frozen"] if frozen else []),
        *(["stopped before all hosts were corrected"] if stopped else []),
    ]
    return "Proscribe: " + ", ".join(parts or [f"events between two runs on {counted(len(happened), 'host')}"])


def _has_drifted(host: str, item: Changed, new_plans: Collection[tuple[str, str]]) -> bool:
    """Return whether a corrected rule was compliant in the run before, by the same plan."""
    return (
        item.state == REPAIRED
        and not _known_before(item)
        and not (item.ended_waiver or (host, item.rule.partition("/")[0]) in new_plans)
    )


def _known_before(item: Changed) -> bool:
    """Whether a rule was wrong before the run found it so."""
    return bool(item.since and item.found) and str(item.since) < str(item.found)


def _host(one: Happened) -> Iterable[str]:
    record, happened = one.record, one.between
    logged_in = record.get("logged_in")
    yield f"{record['host']}{f' (logged in: {some(logged_in, 5)})' if logged_in else ''}"
    together: dict[tuple[str, ...], list[Changed]] = {}
    for item in one.items:
        control = item.rule.partition("/")[0]
        # One missing policy file is a hundred rules; an app is a thing of its own.
        place = item.rule if control == "apps" else control
        cause = (place, item.state, str(item.since), str(item.times), str(item.ended_waiver))
        together.setdefault(cause, []).append(item)
    for group in list(together.values())[:MOST_RULES]:
        yield f"  {_item(group)}"
    if len(together) > MOST_RULES:
        yield f"  ... and more: {counted(sum(map(len, list(together.values())[MOST_RULES:])), 'rule')}"
    for remark in happened[:MOST_RULES]:
        of_user = f"{remark.rule}, {remark.program} of {remark.user}"
        yield f"  {of_user if remark.kind == ENDED else remark.rule or 'the watcher'}: {remark.text}"
    if len(happened) > MOST_RULES:
        yield f"  ... and more between two runs: {counted(len(happened) - MOST_RULES, 'event')}"
    if still := _still(one):
        controls = {rule.partition("/")[0] for rule in still}
        why = [error["message"] for error in record["errors"] if error["control"] in controls][:1]
        yield f"  still not compliant: {': '.join([_named(still), *map(_short, why)])}"


def _named(rules: Sequence[str]) -> str:
    """Rules by name, or where they are more than a few, how many there are of each control."""
    if len(rules) <= FEW_RULES:
        return some(rules, FEW_RULES)
    controls = [rule.partition("/")[0] for rule in rules]
    return ", ".join(counted(controls.count(control), f"{control} rule") for control in dict.fromkeys(controls))


def _item(group: Sequence[Changed]) -> str:
    """Rules that have one cause, or one rule, in a line."""
    first = group[0]
    name = _named([item.rule for item in group])
    state = "corrected" if first.state == REPAIRED else first.state
    when = f"since {moment(first.since)}" if first.since else ""
    if first.state == REPAIRED:
        known_before = f", {when}" if _known_before(first) else ""
        when = f"found {_instant(first.found)}, corrected {_instant(first.repaired)}{known_before}"
    times = f" (time {first.times} in {PERIOD} days)" if first.times > 1 else ""
    detail = "; ".join(part for part in (_short(first.what), when) if part)
    return f"{name or 'the host'}: {state}{times}{f': {detail}' if detail else ''}"


def _instant(time: object) -> str:
    """A UTC time to the second, as people read it."""
    return clean(time).replace("T", " ").replace("Z", " UTC")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
