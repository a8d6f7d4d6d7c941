"""Events on hosts between two runs, from the journals of their watches, as data and in words. Pure.

A host with a watch is compliant when a run observes it, whatever happened between the runs. So every output adds the
entries of the host's own journal to its state. An event has one of five kinds:

- frozen: root of the host has stopped the watch for a time.
- stale: no run has renewed the host's plan for too long.
- unobserved: the watch has not observed the host for too long.
- incident: rules were not compliant between two runs.
- ended: the watch ended a restricted program at its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....base.duration import format_duration, parse_moment
from ....model.finding import NOT_APPLICABLE, OPEN_STATES, REPAIRED, WATCH, Finding
from ....model.types.record import HostRecord, UserRequest, WatchIncident, WatchRecord
from ....model.types.report import FleetReport, RequestCounts, WatchCounts
from ....model.vocabulary import BETWEEN_RUN_EVENTS
from ..text.wording import clean_text, format_count, format_readable_time, summarise_names

# The kinds of a WatchRemark, in the order in which they are reported.
FROZEN, STALE, UNOBSERVED, INCIDENT, ENDED = REMARK_KINDS = BETWEEN_RUN_EVENTS

# The rules under which lists of rules show remarks about incidents. The control `watch` has other rules (watch/watcher,
# watch/plan).
CLOSED_AGAIN_RULE, STILL_OPEN_RULE = f"{WATCH}/closed-again", f"{WATCH}/still-open"
RULE_TITLES = {
    CLOSED_AGAIN_RULE: "What was open between two runs, and is closed again",
    STILL_OPEN_RULE: "What the host closed between two runs, and is open now",
    f"{WATCH}/{ENDED}": "Restricted programs that the host ended at their start",
    f"{WATCH}/{FROZEN}": "Whether root of the host has frozen its watcher",
    f"{WATCH}/{STALE}": "Whether runs renew the plan that the host holds",
    f"{WATCH}/{UNOBSERVED}": "Whether the host has observed itself",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_NAMED_USERS = 5
MAX_MISSED_OBSERVATIONS = 12  # observations that a watcher may miss before it is reported
MIN_LATE_SECONDS = 3600  # least time since the last observation after which a watcher is late


class WatchRemark(NamedTuple):
    """An event on a host between two runs, from the journal of the host's watch in its record."""

    kind: str
    text: str  # the event in words
    rule: str = ""  # rule of an incident or of an ended program; the control, for an incident of several rules
    program: str = ""
    user: str = ""  # owner of the program, or the user who froze the watcher
    users: tuple[str, ...] = ()  # users who were logged in when the incident was observed
    first: str = ""  # first time (UTC) of the event; "" if unknown
    last: str = ""  # last time (UTC) of an incident or of an ended program
    times: int = 0  # number of observations of an incident, or of starts of an ended program
    corrected: int = 0  # number of these observations after which the host corrected the incident's rules
    until: str = ""  # end (UTC) of a freeze
    reason: str = ""  # reason of a freeze; common cause of an incident of several rules
    open_now: bool = False  # true if a rule of an incident is not compliant now

    @property
    def identity(self) -> tuple[str, ...]:
        """The values that identify the remark among those of its host.

        They stay equal when a later run reads the journal.
        """
        return self.kind, self.rule, self.program or self.reason, self.user, self.first

    @property
    def listed_rule(self) -> tuple[str, str]:
        """The rule and the state under which lists of rules show the remark.

        A rule that is not compliant now is also listed by itself. So the remark about it has the state
        `not_applicable`.
        """
        if self.kind == INCIDENT:
            return (STILL_OPEN_RULE, NOT_APPLICABLE) if self.open_now else (CLOSED_AGAIN_RULE, REPAIRED)
        return f"{WATCH}/{self.kind}", REPAIRED if self.kind == ENDED else NOT_APPLICABLE

    @property
    def finding(self) -> Finding:
        """The remark as a finding, for lists of evidence."""
        if self.kind == ENDED:
            return Finding("process", self.rule, scope=f"user:{self.user}", path=self.program, detail=self.text)
        return Finding(self.kind, self.rule, detail=self.text)


def list_remarks(record: HostRecord) -> list[WatchRemark]:
    """Return the events on a host between two runs, the newest of each kind first; [] for most hosts."""
    watch = record.get("watch")
    if not watch:
        return []
    watch_remarks: list[WatchRemark] = []
    if frozen := watch.get("frozen"):
        until, frozen_by, reason = frozen["until"], frozen["by"], frozen["reason"]
        text = f"frozen until {format_readable_time(until)} by {clean_text(frozen_by)}: {clean_text(reason)}"
        # the record has no begin of a freeze, so its end stands for it
        watch_remarks.append(WatchRemark(FROZEN, text, user=frozen_by, first=until, until=until, reason=reason))
    if watch["stale"]:
        since = f"since {format_day(watch['renewed'])}" if watch["renewed"] else "yet"
        watch_remarks.append(WatchRemark(STALE, f"no run has renewed its plan {since}", first=watch["renewed"] or ""))
    if late_text := _describe_late_watcher(record, watch):
        watch_remarks.append(WatchRemark(UNOBSERVED, late_text, first=watch["last"] or ""))
    open_rules = _list_open_rules(record)
    for incident in sorted(watch["incidents"], key=lambda incident: incident["last"], reverse=True):
        watch_remarks.append(_make_incident_remark(incident, not open_rules.isdisjoint(incident["rules"])))
    for program in sorted(watch["ended"], key=lambda program: program["last"], reverse=True):
        rule, first, times = program["rule"], program["first"], program["times"]
        text = f"ended {_format_frequency(times, first)}"
        watch_remarks.append(
            WatchRemark(ENDED, text, rule, program["program"], program["user"], (), first, program["last"], times)
        )
    return watch_remarks


def _describe_late_watcher(record: HostRecord, watch: WatchRecord) -> str:
    """Describe a watcher that should have observed its host by now; "" if it is not late.

    The time is that of the host's clock. A watcher that was just installed is not late: its time begins when the run
    brought the plan.
    """
    never_text = "its watcher has not observed it yet"
    begun_at = watch["last"] or watch["renewed"]
    if not begun_at:
        return never_text
    try:
        late_seconds = (parse_moment(record["checked_at"] or "") - parse_moment(begun_at)).total_seconds()
    except ValueError:
        return ""
    if late_seconds <= max(MAX_MISSED_OBSERVATIONS * watch["every"], MIN_LATE_SECONDS):
        return ""
    if not watch["last"]:
        return never_text
    return (
        f"its watcher last observed it on {format_day(watch['last'])}, {format_duration(late_seconds)} before this run"
    )


def _make_incident_remark(incident: WatchIncident, is_open: bool) -> WatchRemark:
    """Make the remark about an incident: rules that were not compliant between two runs, and how often.

    `is_open` is true if one of the rules is not compliant now.
    """
    times, corrected, first = incident["times"], incident["corrected"], incident["first"]
    rule_count = len(incident["rules"]) + incident["rules_left_out"]
    if corrected == times:
        text = f"closed again {_format_frequency(times, first)}"
    else:
        text = f"found open {_format_frequency(times, first)}; {_describe_correction(times, corrected)}"
    text += "; open now" if is_open else ""
    text += f"; logged in: {summarise_names(incident['users'], MAX_NAMED_USERS)}" if incident["users"] else ""
    rule, reason = incident["rules"][0], ""
    if rule_count > 1:
        rule, reason = incident["control"], incident["cause"]
        text = f"{format_count(rule_count, 'rule')} ({clean_text(reason)}) {text}"
    users, last = tuple(incident["users"]), incident["last"]
    return WatchRemark(
        INCIDENT, text, rule, "", "", users, first, last, times, corrected, reason=reason, open_now=is_open
    )


def _describe_correction(times: int, corrected: int) -> str:
    """Describe how often the watch of the host corrected rules, if it did not correct them every time."""
    return f"closed by the host {corrected:,} of {times:,} times" if corrected else "not closed by the host"


def _format_frequency(times: int, first: str) -> str:
    """Format how often an event occurred: `once, on Monday 2026-11-23 08:00 UTC`.

    For several times, the text is `3 times since Monday 2026-11-23 08:00 UTC`. `first` is the first time.
    """
    return f"once, on {format_day(first)}" if times == 1 else f"{times:,} times since {format_day(first)}"


def format_day(time: str) -> str:
    """Format a UTC time for readers, with the day of the week: `Monday 2026-11-23 08:00 UTC`."""
    return f"{WEEKDAYS[parse_moment(time).weekday()]} {format_readable_time(time)}"


class RemarkGroup(NamedTuple):
    """Equal remarks on several hosts, for a terminal. `rule` and `open_now` are those of the first remark."""

    kind: str
    rule: str
    hosts: tuple[str, ...]
    text: str
    open_now: bool = False


def group_remarks(records: Iterable[HostRecord]) -> list[RemarkGroup]:
    """Group the remarks of a fleet: incidents by rule, ended programs by rule and user, freezes by host.

    Within a kind, the groups with most hosts come first.
    """
    groups: dict[tuple[str, ...], list[tuple[str, WatchRemark]]] = {}
    for record in records:
        for remark in list_remarks(record):
            # Ended programs of a rule differ by user, and incidents of several rules by their common cause.
            group_key = record["host"] if remark.kind == FROZEN else remark.user or remark.reason
            groups.setdefault((*remark.listed_rule, remark.kind, remark.rule, group_key), []).append(
                (record["host"], remark)
            )
    remark_groups = [
        RemarkGroup(
            group[0][1].kind,
            group[0][1].rule,
            tuple(dict.fromkeys(host for host, _ in group)),
            _describe_remarks([remark for _, remark in group]),
            group[0][1].open_now,
        )
        for group in groups.values()
    ]
    return sorted(
        remark_groups, key=lambda group: (REMARK_KINDS.index(group.kind), -len(group.hosts), group.rule, group.hosts)
    )


def _describe_remarks(group: Sequence[WatchRemark]) -> str:
    """Describe a group of remarks of the same kind in one text, with summed numbers and the earliest time."""
    first_remark = group[0]
    if first_remark.kind == ENDED:
        times, oldest_time = sum(remark.times for remark in group), min(remark.first for remark in group)
        programs = list(dict.fromkeys(remark.program for remark in group))
        return (
            f"{summarise_names(programs, 1)} of {clean_text(first_remark.user)} ended "
            f"{_format_frequency(times, oldest_time)}"
        )
    if len(group) == 1 or first_remark.kind == UNOBSERVED:
        return first_remark.text
    if first_remark.kind == STALE:
        oldest_time = min(remark.first for remark in group)
        return f"no run has renewed their plans{f' since {format_day(oldest_time)} or later' if oldest_time else ''}"
    incident: WatchIncident = {
        "control": first_remark.rule.partition("/")[0],
        "cause": first_remark.reason,
        "rules": [first_remark.rule],
        "rules_left_out": 0,
        "first": min(remark.first for remark in group),
        "last": max(remark.last for remark in group),
        "times": sum(remark.times for remark in group),
        "corrected": sum(remark.corrected for remark in group),
        "users": list(dict.fromkeys(user for remark in group for user in remark.users)),
    }
    text = _make_incident_remark(incident, any(remark.open_now for remark in group)).text
    return f"{clean_text(first_remark.reason)}: {text}" if first_remark.reason else text


def count_watch_events(records: Iterable[HostRecord]) -> WatchCounts | None:
    """Count the events between two runs on the hosts of a fleet; None if no host has a watch."""
    watched_records = [(record, watch) for record in records if (watch := record.get("watch"))]
    if not watched_records:
        return None
    return {
        "hosts": len(watched_records),
        "opened": sum(bool(watch["incidents"]) for _, watch in watched_records),
        "closed_again": sum(has_closed_incident(record, watch) for record, watch in watched_records),
        "incidents": sum(entry["times"] for _, watch in watched_records for entry in watch["incidents"]),
        "ended": sum(entry["times"] for _, watch in watched_records for entry in watch["ended"]),
        "ended_on": sum(bool(watch["ended"]) for _, watch in watched_records),
        "frozen": sum("frozen" in watch for _, watch in watched_records),
        "stale": sum(watch["stale"] for _, watch in watched_records),
        "unobserved": sum(bool(_describe_late_watcher(record, watch)) for record, watch in watched_records),
        "left_out": sum(sum(watch["left_out"].values()) for _, watch in watched_records),
    }


def has_closed_incident(record: HostRecord, watch: WatchRecord) -> bool:
    """Return whether a rule was not compliant on a host between two runs, and is compliant now."""
    open_rules = _list_open_rules(record) if watch["incidents"] else set()
    return any(open_rules.isdisjoint(incident["rules"]) for incident in watch["incidents"])


def _list_open_rules(record: HostRecord) -> set[str]:
    return {rule["rule"] for rule in record["rules"] if rule["state"] in OPEN_STATES}


def describe_watch_events(report: FleetReport) -> list[str]:
    """Describe the events between two runs, to stand beside a verdict; [] for none.

    A text is such as `3 hosts open in between and closed again`.
    """
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
    return [text.format(format_count(hosts, "host")) for hosts, text in parts if hosts]


def describe_waiting_requests(report: FleetReport) -> str:
    """Describe how many requests of users wait for an answer: `3 requests wait`; "" for none."""
    requests = report.get("requests")
    waiting_count = requests["waiting"] if requests else 0
    return (
        f"{format_count(waiting_count, 'request')} {'waits' if waiting_count == 1 else 'wait'}" if waiting_count else ""
    )


def count_requests(records: Iterable[HostRecord]) -> RequestCounts | None:
    """Count the requests of users that wait for an answer, and their hosts; None without such requests."""
    counts: RequestCounts = {"waiting": 0, "hosts": 0, "left_out": 0}
    for record in records:
        if (waiting_requests := list_open_requests(record)) or record.get("requests_left_out"):
            counts["waiting"] += len(waiting_requests)
            counts["hosts"] += 1
            counts["left_out"] += record.get("requests_left_out") or 0
    return counts if counts["hosts"] else None


def list_open_requests(record: HostRecord) -> list[UserRequest]:
    """Return the requests of a host's users that neither a waiver nor a refusal has answered."""
    return [request for request in record.get("requests") or () if "answer" not in request]
