"""The notification of a scheduled run: what drifted, since when, how often, who was logged in; None without changes.

What goes on as it was is no news: a notification reported it when it began, and the report has it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import Any, NamedTuple

from ...base.duration import moment_of, spelled
from ...model.finding import COMPLIANT, OPEN, REPAIRED
from ...model.types.record import Record
from ...model.types.report import Report
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


class Notification(NamedTuple):
    """A notification: one line, and the whole of it for people and for machines."""

    subject: str
    lines: tuple[str, ...]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For the playbook that sends it: the facts for a webhook, and a mail but for whom it is to."""
        mail = EmailMessage()
        mail["Subject"] = self.subject
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.text)
        return {"facts": self.facts, "message": mail.as_string()}

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def made(subject: str, lines: Sequence[str], **facts: Any) -> Notification:
    """A notification; `text` among its facts is what chat webhooks show."""
    shown = [clean(line) for line in lines]
    text = "\n".join([clean(subject), "", *shown])
    return Notification(
        clean(subject), tuple(shown), {"schema": SCHEMA, "subject": clean(subject), "text": text, **facts}
    )


class Known(NamedTuple):
    """What the history says of a run."""

    changes: Sequence[history_news.Change] = ()
    times: Mapping[tuple[str, str], int] = {}
    first: bool = False
    between: Mapping[str, frozenset[str]] = {}  # what the run brought of the time before it, by host


def known(history: History | None, report: Report) -> Known | None:
    """What the history says of this run; None without one. Raises HistoryError."""
    if history is None:
        return None
    run, finished = report["run"]["id"], report["run"]["finished"]
    since = spelled(moment_of(finished) - datetime.timedelta(days=PERIOD))
    with history.database.reading() as session:
        return Known(
            history_news.changes(session, run),
            history_news.times(session, run, since),
            history_news.is_first(session, run),
            history_between.changed(session, run),
        )


def notification(report: Report, records: Iterable[Record], known: Known | None, where: str) -> Notification | None:
    """The notification of a run, or None where nothing changed. `known` is what the history says (None: nothing; then
    what is wrong counts as new), `where` the directory of the report.
    """
    by_host: dict[str, list[dict[str, Any]]] = {}
    who: dict[str, Mapping[str, Any]] = {}
    happened: dict[str, list[Remark]] = {}
    began = {(change.host, change.rule): change for change in (known.changes if known else ())}
    for record in records:
        host = record["host"]
        items = list(_of_record(record, began, known))
        if between := _between(record, known):
            happened[host] = between
        if items or between:
            by_host[host] = items
            who[host] = record
    broken = {(host, item["rule"]) for host, items in by_host.items() for item in items if item["state"] != COMPLIANT}
    again = history_news.again_and_again(known.times, broken) if known else {}
    stopped = cut_short(report)
    if not by_host and not stopped:
        return None
    subject = _subject(by_host, who, stopped, known, happened)
    lines = [f"The run was stopped: {stopped}", ""] if stopped else []
    for host in list(by_host)[:MOST_HOSTS]:
        lines += _host(host, by_host[host], who[host], happened.get(host, ()))
    if len(by_host) > MOST_HOSTS:
        lines.append(f"... and {counted(len(by_host) - MOST_HOSTS, 'more host')}")
    if again:
        lines += ["", f"Repeated drift, so something there reverts the correction: {some(list(again), 10)}"]
    lines += ["", f"The whole report: {where}/report.html"]
    facts = {
        "run": report["run"]["id"],
        "finished": report["run"]["finished"],
        "report": where,
        "hosts": [
            {
                "host": host,
                "logged_in": list(who[host].get("logged_in", ())),
                "number_of_changes": len(items),
                "still_not_in_order": len(_still(who[host], items)),
                "changes": items[: MOST_RULES * 5],
                "between_runs": [_fact(one) for one in happened.get(host, ())][: MOST_RULES * 5],
            }
            for host, items in list(by_host.items())[: MOST_HOSTS * 5]
        ],
        "number_of_hosts": len(by_host),
        "again_and_again": sorted(again),
        "stopped": stopped or None,
    }
    return made(subject, lines, **facts)


def _between(record: Record, known: Known | None) -> list[Remark]:
    """What happened on a host between two runs that no run has reported yet; all of it, where there is no history."""
    found = [one for one in remarks(record) if one.kind in REPORTED]
    if known is None:
        return found
    new = known.between.get(record["host"], frozenset())
    return [one for one in found if history_between.of(one) in new]


def _fact(one: Remark) -> dict[str, Any]:
    facts = {key: getattr(one, key) for key in ("kind", "rule", "program", "user", "first", "last", "times")}
    return {**facts, "users": list(one.users), "text": clean(one.text)}


def _of_record(
    record: Record, began: Mapping[tuple[str, str], history_news.Change], known: Known | None
) -> Iterable[dict[str, Any]]:
    """What changed on a host: {rule, state, what, since, repaired, times}."""
    host = record["host"]
    listed = set()
    for rule in record["rules"]:
        name, state = rule["rule"], rule["state"]
        listed.add(name)
        change = began.get((host, name))
        if state not in (*OPEN, REPAIRED):
            continue
        if known is not None and change is None:
            continue  # it was so before
        first = evidence(rule["findings"][0]) if rule["findings"] else clean(rule["reason"] or "")
        more = len(rule["findings"]) - 1
        found = record.get("found_at") or record["checked_at"]
        yield {
            "rule": name,
            "state": state,
            "what": f"{first} and {more} more" if more > 0 else first,
            "since": change.opened if change else found,
            "found": found,
            "repaired": record["checked_at"] if state == REPAIRED else None,
            "times": known.times.get((host, name), 0) if known else 0,
        }
    change = began.get((host, ""))
    if change is not None or (known is None and not record["rules_evaluated"]):
        ended = change.ended if change else ""
        what = "answers again" if ended else record["reason"] or (change.evidence if change else "")
        state = COMPLIANT if ended else record["state"]
        since = change.opened if change else None
        yield {
            "rule": "",
            "state": state,
            "what": clean(what),
            "since": since,
            "found": None,
            "repaired": None,
            "times": 0,
        }
    for (there, name), change in began.items() if known else ():
        if there == host and name and name not in listed and change.ended in (COMPLIANT, REPAIRED):
            what = f"compliant again: {change.evidence}"
            yield {
                "rule": name,
                "state": COMPLIANT,
                "what": clean(what),
                "since": change.opened,
                "found": None,
                "repaired": record["checked_at"],
                "times": known.times.get((host, name), 0) if known else 0,
            }


def _still(record: Record, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rules of a host that are as wrong as they were, in a run that changed others."""
    notified = {item["rule"] for item in items}
    return [rule["rule"] for rule in record["rules"] if rule["state"] in OPEN and rule["rule"] not in notified]


def _subject(
    by_host: Mapping[str, Sequence[Mapping[str, Any]]],
    records: Mapping[str, Record],
    stopped: str | None,
    known: Known | None,
    happened: Mapping[str, Sequence[Remark]],
) -> str:
    states = {host: {item["state"] for item in items} for host, items in by_host.items()}
    corrected = {host for host, found in states.items() if REPAIRED in found}
    repaired = {host for host in corrected if records[host]["state"] not in OPEN}
    # What was wrong in an earlier run already has not drifted since.
    drifted = {host for host in repaired if any(map(_drifted, by_host[host]))}
    wrong = sum(bool(found - {REPAIRED, COMPLIANT}) for found in states.values())
    closed = sum(any(one.kind == INCIDENT and not one.open_now for one in found) for found in happened.values())
    ended = sum(any(one.kind == ENDED for one in found) for found in happened.values())
    frozen = sum(any(one.kind == FROZEN for one in found) for found in happened.values())
    mended = sum(found == {COMPLIANT} for found in states.values())
    first = bool(known and known.first)
    verbs = {
        "corrected for the first time": repaired if first else (),
        "corrected after drift": () if first else drifted,
        "corrected": () if first else repaired - drifted,
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


def _drifted(item: Mapping[str, Any]) -> bool:
    return item["state"] == REPAIRED and not (item["since"] and item["since"] < item["found"])


def _host(host: str, items: Sequence[Mapping[str, Any]], record: Record, happened: Sequence[Remark]) -> Iterable[str]:
    logged_in = record.get("logged_in")
    yield f"{host}{f' (logged in: {some(logged_in, 5)})' if logged_in else ''}"
    together: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for item in items:
        control = item["rule"].partition("/")[0]
        # One missing policy file is a hundred rules; an app is a thing of its own.
        place = item["rule"] if control == "apps" else control
        together.setdefault((place, item["state"], str(item["since"]), str(item["times"])), []).append(item)
    for group in list(together.values())[:MOST_RULES]:
        yield f"  {_item(group)}"
    if len(together) > MOST_RULES:
        yield f"  ... and more: {counted(sum(map(len, list(together.values())[MOST_RULES:])), 'rule')}"
    for one in happened[:MOST_RULES]:
        whose = f"{one.rule}, {one.program} of {one.user}" if one.kind == ENDED else one.rule or "the watcher"
        yield f"  {whose}: {one.text}"
    if len(happened) > MOST_RULES:
        yield f"  ... and more between two runs: {counted(len(happened) - MOST_RULES, 'event')}"
    if still := _still(record, items):
        controls = {rule.partition("/")[0] for rule in still}
        why = [error["message"] for error in record["errors"] if error["control"] in controls][:1]
        yield f"  still not compliant: {': '.join([_named(still), *map(_short, why)])}"


def _named(rules: Sequence[str]) -> str:
    """Rules by name, or where they are more than a few, how many there are of each control."""
    if len(rules) <= FEW_RULES:
        return some(rules, FEW_RULES)
    controls = [rule.partition("/")[0] for rule in rules]
    return ", ".join(counted(controls.count(control), f"{control} rule") for control in dict.fromkeys(controls))


def _item(group: Sequence[Mapping[str, Any]]) -> str:
    """Rules that have one cause, or one rule, in a line."""
    first = group[0]
    name = _named([item["rule"] for item in group])
    state = "corrected" if first["state"] == REPAIRED else first["state"]
    when = f"since {moment(first['since'])}" if first["since"] else ""
    if first["state"] == REPAIRED:
        known_before = f", {when}" if first["since"] and first["since"] < first["found"] else ""
        when = f"found {_instant(first['found'])}, corrected {_instant(first['repaired'])}{known_before}"
    times = f" (time {first['times']} in {PERIOD} days)" if first["times"] > 1 else ""
    detail = "; ".join(part for part in (_short(first["what"]), when) if part)
    return f"{name or 'the host'}: {state}{times}{f': {detail}' if detail else ''}"


def _instant(time: object) -> str:
    """A UTC time to the second, as people read it."""
    return clean(time).replace("T", " ").replace("Z", " UTC")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
