"""What hosts did between two runs, in facts and in words: closed again, ended, frozen, stale, never observed. Pure.

A host that keeps itself in line is compliant when a run observes it, whatever happened in between. So every output says
beside its state what its own journal has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....base.duration import format_duration, parse_moment
from ....model.finding import NOT_APPLICABLE, OPEN_STATES, REPAIRED, WATCH, Finding
from ....model.types.record import HostRecord, UserRequest, WatchIncident, WatchRecord
from ....model.types.report import FleetReport, RequestCounts, WatchCounts
from ....model.words import BETWEEN_RUN_EVENTS
from ..text.wording import clean, counted, moment, some

# The kinds of a Remark, in the order in which they are reported.
FROZEN, STALE, UNOBSERVED, INCIDENT, ENDED = KINDS = BETWEEN_RUN_EVENTS

# What each is filed under where rules are listed. The watch's own rules (watch/watcher, watch/plan) have other names.
CLOSED_AGAIN, STILL_OPEN = f"{WATCH}/closed-again", f"{WATCH}/still-open"
RULES = {
    CLOSED_AGAIN: "What was open between two runs, and is closed again",
    STILL_OPEN: "What the host closed between two runs, and is open now",
    f"{WATCH}/{ENDED}": "Restricted programs that the host ended at their start",
    f"{WATCH}/{FROZEN}": "Whether root of the host has frozen its watcher",
    f"{WATCH}/{STALE}": "Whether runs renew the plan that the host holds",
    f"{WATCH}/{UNOBSERVED}": "Whether the host has observed itself",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FEW_USERS = 5
MISSED = 12  # observations that a watcher may miss before it is reported
AN_HOUR = 3600


class Remark(NamedTuple):
    """One thing that a host's record says of the time between two runs."""

    kind: str
    text: str
    rule: str = ""  # of an incident and of an ended program: what it was about; of many rules, their control
    program: str = ""
    user: str = ""  # whose program it was, or who froze the watcher
    users: tuple[str, ...] = ()  # who was logged in
    first: str = ""
    last: str = ""
    times: int = 0
    corrected: int = 0
    until: str = ""
    reason: str = ""  # of a freeze; of an incident of many rules, by what they were open
    open_now: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What names it among those of its host, also when its journal is read again."""
        return self.kind, self.rule, self.program or self.reason, self.user, self.first

    @property
    def filed(self) -> tuple[str, str]:
        """Its rule and its state in a list of rules. What is still open counts by the rule itself."""
        if self.kind == INCIDENT:
            return (STILL_OPEN, NOT_APPLICABLE) if self.open_now else (CLOSED_AGAIN, REPAIRED)
        return f"{WATCH}/{self.kind}", REPAIRED if self.kind == ENDED else NOT_APPLICABLE

    @property
    def finding(self) -> Finding:
        """It as a piece of evidence."""
        if self.kind == ENDED:
            return Finding("process", self.rule, scope=f"user:{self.user}", path=self.program, detail=self.text)
        return Finding(self.kind, self.rule, detail=self.text)


def remarks(record: HostRecord) -> list[Remark]:
    """What a record says of the time between two runs, the newest of each kind first; [] for most hosts."""
    watch = record.get("watch")
    if not watch:
        return []
    found: list[Remark] = []
    if frozen := watch.get("frozen"):
        until, by, reason = frozen["until"], frozen["by"], frozen["reason"]
        text = f"frozen until {moment(until)} by {clean(by)}: {clean(reason)}"
        found.append(Remark(FROZEN, text, user=by, first=until, until=until, reason=reason))
    if watch["stale"]:
        since = f"since {day(watch['renewed'])}" if watch["renewed"] else "yet"
        found.append(Remark(STALE, f"no run has renewed its plan {since}", first=watch["renewed"] or ""))
    if late := _unobserved(record, watch):
        found.append(Remark(UNOBSERVED, late, first=watch["last"] or ""))
    wrong = _wrong(record)
    for incident in sorted(watch["incidents"], key=lambda one: one["last"], reverse=True):
        found.append(_incident(incident, not wrong.isdisjoint(incident["rules"])))
    for one in sorted(watch["ended"], key=lambda one: one["last"], reverse=True):
        rule, first, times = one["rule"], one["first"], one["times"]
        text = f"ended {_often(times, first)}"
        found.append(Remark(ENDED, text, rule, one["program"], one["user"], (), first, one["last"], times))
    return found


def _unobserved(record: HostRecord, watch: WatchRecord) -> str:
    """Describe a watcher that should have observed its host by now, by the host's own clock; else return "".

    A watcher that was just installed is not late: its time begins when the run brought the plan.
    """
    never = "its watcher has not observed it yet"
    begin = watch["last"] or watch["renewed"]
    if not begin:
        return never
    try:
        late = (parse_moment(record["checked_at"] or "") - parse_moment(begin)).total_seconds()
    except ValueError:
        return ""
    if late <= max(MISSED * watch["every"], AN_HOUR):
        return ""
    if not watch["last"]:
        return never
    return f"its watcher last observed it on {day(watch['last'])}, {format_duration(late)} before this run"


def _incident(one: WatchIncident, open_now: bool) -> Remark:
    times, corrected, first = one["times"], one["corrected"], one["first"]
    number = len(one["rules"]) + one["rules_left_out"]
    if corrected == times:
        text = f"closed again {_often(times, first)}"
    else:
        text = f"found open {_often(times, first)}; {_describe_correction(times, corrected)}"
    text += "; open now" if open_now else ""
    text += f"; logged in: {some(one['users'], FEW_USERS)}" if one["users"] else ""
    rule, reason = one["rules"][0], ""
    if number > 1:
        rule, reason = one["control"], one["cause"]
        text = f"{counted(number, 'rule')} ({clean(reason)}) {text}"
    users, last = tuple(one["users"]), one["last"]
    return Remark(INCIDENT, text, rule, "", "", users, first, last, times, corrected, reason=reason, open_now=open_now)


def _describe_correction(times: int, corrected: int) -> str:
    """Say how often the host corrected what was open, where that is not every time."""
    return f"closed by the host {corrected:,} of {times:,} times" if corrected else "not closed by the host"


def _often(times: int, first: str) -> str:
    """`once, on Monday 2026-11-23 08:00 UTC`, `3 times since Monday 2026-11-23 08:00 UTC`."""
    return f"once, on {day(first)}" if times == 1 else f"{times:,} times since {day(first)}"


def day(time: str) -> str:
    """A UTC time as people remember it, with its weekday."""
    return f"{DAYS[parse_moment(time).weekday()]} {moment(time)}"


class Together(NamedTuple):
    """One thing on several hosts, for a screen: what the first of its remarks is about."""

    kind: str
    rule: str
    hosts: tuple[str, ...]
    text: str
    open_now: bool = False


def together(records: Iterable[HostRecord]) -> list[Together]:
    """The remarks of a fleet: incidents by rule, ended programs by rule and user, freezes by host; those of most hosts
    first within their kind.
    """
    groups: dict[tuple[str, ...], list[tuple[str, Remark]]] = {}
    for record in records:
        for one in remarks(record):
            apart = record["host"] if one.kind == FROZEN else one.user or one.reason
            groups.setdefault((*one.filed, one.kind, one.rule, apart), []).append((record["host"], one))
    found = [
        Together(
            group[0][1].kind,
            group[0][1].rule,
            tuple(dict.fromkeys(host for host, _ in group)),
            _words([one for _, one in group]),
            group[0][1].open_now,
        )
        for group in groups.values()
    ]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -len(one.hosts), one.rule, one.hosts))


def _words(group: Sequence[Remark]) -> str:
    first = group[0]
    if first.kind == ENDED:
        times, oldest = sum(one.times for one in group), min(one.first for one in group)
        programs = list(dict.fromkeys(one.program for one in group))
        return f"{some(programs, 1)} of {clean(first.user)} ended {_often(times, oldest)}"
    if len(group) == 1 or first.kind == UNOBSERVED:
        return first.text
    if first.kind == STALE:
        oldest = min(one.first for one in group)
        return f"no run has renewed their plans{f' since {day(oldest)} or later' if oldest else ''}"
    one: WatchIncident = {
        "control": first.rule.partition("/")[0],
        "cause": first.reason,
        "rules": [first.rule],
        "rules_left_out": 0,
        "first": min(one.first for one in group),
        "last": max(one.last for one in group),
        "times": sum(one.times for one in group),
        "corrected": sum(one.corrected for one in group),
        "users": list(dict.fromkeys(user for one in group for user in one.users)),
    }
    text = _incident(one, any(one.open_now for one in group)).text
    return f"{clean(first.reason)}: {text}" if first.reason else text


def count(records: Iterable[HostRecord]) -> WatchCounts | None:
    """The numbers of a fleet; None where no host keeps itself in line."""
    watched = [(record, watch) for record in records if (watch := record.get("watch"))]
    if not watched:
        return None
    return {
        "hosts": len(watched),
        "opened": sum(bool(watch["incidents"]) for _, watch in watched),
        "closed_again": sum(_closed_again(record, watch) for record, watch in watched),
        "incidents": sum(one["times"] for _, watch in watched for one in watch["incidents"]),
        "ended": sum(one["times"] for _, watch in watched for one in watch["ended"]),
        "ended_on": sum(bool(watch["ended"]) for _, watch in watched),
        "frozen": sum("frozen" in watch for _, watch in watched),
        "stale": sum(watch["stale"] for _, watch in watched),
        "unobserved": sum(bool(_unobserved(record, watch)) for record, watch in watched),
        "left_out": sum(sum(watch["left_out"].values()) for _, watch in watched),
    }


def _closed_again(record: HostRecord, watch: WatchRecord) -> bool:
    """Whether something was open on a host in between, and is closed now."""
    wrong = _wrong(record) if watch["incidents"] else set()
    return any(wrong.isdisjoint(one["rules"]) for one in watch["incidents"])


def _wrong(record: HostRecord) -> set[str]:
    return {rule["rule"] for rule in record["rules"] if rule["state"] in OPEN_STATES}


def headline(report: FleetReport) -> list[str]:
    """What to say beside a verdict of the fleet: `3 hosts open in between and closed again`; [] for nothing."""
    watch = report.get("watch")
    if not watch:
        return []
    parts = (
        (watch["closed_again"], "{} open in between and closed again"),
        (watch["ended_on"], "restricted programs ended on {}"),
        (watch["frozen"], "{} frozen"),
        (watch["stale"], "{} with a stale plan"),
        (watch["unobserved"], "{}: watcher has not reported"),
    )
    return [text.format(counted(hosts, "host")) for hosts, text in parts if hosts]


def waiting(report: FleetReport) -> str:
    """`3 requests wait`; "" for none."""
    requests = report.get("requests")
    number = requests["waiting"] if requests else 0
    return f"{counted(number, 'request')} {'waits' if number == 1 else 'wait'}" if number else ""


def count_requests(records: Iterable[HostRecord]) -> RequestCounts | None:
    """The requests of a fleet's users that wait; None for none."""
    found: RequestCounts = {"waiting": 0, "hosts": 0, "left_out": 0}
    for record in records:
        if (waiting := open_requests(record)) or record.get("requests_left_out"):
            found["waiting"] += len(waiting)
            found["hosts"] += 1
            found["left_out"] += record.get("requests_left_out") or 0
    return found if found["hosts"] else None


def open_requests(record: HostRecord) -> list[UserRequest]:
    """The requests of a host that its plan does not answer."""
    return [one for one in record.get("requests") or () if "answer" not in one]
