"""What was found, by cause, and what else the run has noticed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, UNKNOWN
from ....model.types.report import FleetReport
from ....model.types.run import RunWaiver
from ..evaluation.groups import FindingGroup, SilentHosts, group_silent_hosts
from ..text.wording import counted, in_words, moment, some
from .breakdown import WHOLE, Breakdown
from .listings import AT_ONCE, MOST, Column, Listing, beyond

SEVERAL = 10  # hosts that a group shows by name
FEW = 3  # hosts of which it shows the evidence


class Row(NamedTuple):
    """One thing to know. `found` are (host, or "" for all of them; what was found there)."""

    state: str
    subject: str
    group: int | None  # its number for the script; None for hosts that gave no answer
    hosts: int
    found: Sequence[tuple[str, str]]
    which: str  # the hosts that `found` does not name
    since: str  # UTC time; "" if that is not known
    ago: str
    notes: Sequence[str] = ()


class Found(NamedTuple):
    """What was found; `dated` where it is known of some of it since when."""

    rows: Sequence[Row]
    dated: bool
    more: str


def found(breakdown: Breakdown, finished: str, waivers: Sequence[RunWaiver] = ()) -> Found:
    """The groups, worst first, and the hosts that gave no answer. `finished` is the end of the run, from which "5 days"
    is counted. Some of the run's `waivers` may explain a finding by not waiving it.
    """
    groups = breakdown.groups
    rows = [
        _group(index, group, breakdown.group_since[index], finished, waivers)
        for index, group in enumerate(groups[:MOST])
    ]
    silent = group_silent_hosts(host.record for host in breakdown.hosts)
    since = {host.name: host.since[WHOLE] for host in breakdown.hosts if WHOLE in host.since}
    bad = sum(row.state in (ERROR, NONCOMPLIANT) for row in rows)
    rows[bad:bad] = [_silent(one, since, finished) for one in silent[:MOST]]
    return Found(
        rows, any(breakdown.group_since) or bool(since), beyond(groups, "finding", "report.json and hosts.jsonl")
    )


def _group(index: int, group: FindingGroup, since: str, finished: str, waivers: Sequence[RunWaiver]) -> Row:
    found, which = _evidence(group)
    age, notes = ago(since, finished), idle(group, waivers)
    return Row(group.state, group.subject, index, len(group.hosts), found, which, since, age, notes)


def idle(group: FindingGroup, waivers: Iterable[RunWaiver]) -> list[str]:
    """The waivers that are for what was found, and do not waive it. Somebody may rely on them, or has to learn that
    their time is over.
    """
    if group.state != NONCOMPLIANT:
        return []
    services = {rule.partition("/")[2] for rule in group.rules}
    said = []
    for waiver in waivers:
        about = group.control in waiver.get("controls", ()) and not services.isdisjoint(waiver.get("services", ()))
        if about and waiver["status"] != "active" and (hosts := set(waiver["hosts"]).intersection(group.hosts)):
            where = f"for {some(sorted(hosts), FEW)} " if len(hosts) < len(group.hosts) else ""
            why = f": {waiver['why']}" if waiver.get("why") else ""
            said.append(f"waiver {waiver['id']} {where}waives nothing ({in_words(waiver['status'])}){why}")
    return [*said[:FEW], *([f"and {counted(len(said) - FEW, 'waiver')} more"] if len(said) > FEW else [])]


def _evidence(group: FindingGroup) -> tuple[Sequence[tuple[str, str]], str]:
    """What was found, for each host its own or once for all, and the hosts that this does not name."""
    note = f" ({group.causes_text})" if group.causes and group.evidence else ""
    if len({what for _, what in group.evidence}) > 1:
        more = some([host for host, _ in group.evidence[FEW:]], SEVERAL)
        return [(host, what + note) for host, what in group.evidence[:FEW]], f"and {more}" if more else ""
    found = group.evidence[0][1] + note if group.evidence else group.causes_text
    return [("", f"{group.rules_text}: {found}" if group.rules_text else found)], some(group.hosts, SEVERAL)


def _silent(silent: SilentHosts, since: Mapping[str, str], finished: str) -> Row:
    """The hosts without an answer, for one kind of reason."""
    names = [host for host, _ in silent.hosts]
    reasons = dict.fromkeys(reason for _, reason in silent.hosts if reason)
    said = some(list(reasons) or [silent.reason_kind], FEW)
    oldest = min((since[name] for name in names if name in since), default="")
    return Row(
        UNKNOWN, silent.reason_kind, None, len(names), [("", said)], some(names, SEVERAL), oldest, ago(oldest, finished)
    )


def ago(since: str, finished: str) -> str:
    """For how long it has been so: `5 days`; nothing where that is not known."""
    if not since:
        return ""
    try:
        long = datetime.datetime.fromisoformat(finished) - datetime.datetime.fromisoformat(since)
    except (TypeError, ValueError):
        return moment(since)
    days, hours = max(long.days, 0), max(int(long.total_seconds()) // 3600, 0)
    return counted(days, "day") if days else counted(hours, "hour") if hours else "new"


def new(report: FleetReport) -> Listing | None:
    """What is wrong and was not in the baseline, where the run has one."""
    found = report.get("new")
    if found is None:
        return None
    heading = f"New since {report['run'].get('baseline') or 'the baseline'}"
    columns = (("status", "State"), ("what", "Host"), ("", "Rule"), ("", "What"))
    rows = [(one["state"], one["host"], one["rule"], one["what"]) for one in found[:MOST]]
    more, nothing = beyond(found, "finding", "report.json"), "No new findings."
    return Listing("new", heading, "New", columns, rows, "finding", more=more, nothing=nothing)


def attempts(breakdown: Breakdown) -> Listing | None:
    """What hosts have refused: no sign of a broken ban, but of what people try."""
    heading = "Attempts that were refused"
    columns = (("what", "Rule"), ("number", "Refused"), ("number", "Hosts"))
    rows = [(rule, times, hosts) for rule, (times, hosts) in breakdown.attempts.items()][:MOST]
    return Listing("attempts", heading, heading, columns, rows, "rule", AT_ONCE // 2, "narrow") if rows else None


def not_served(report: FleetReport) -> Listing | None:
    """The hosts that Proscribe cannot observe, which are counted apart."""
    note = "Proscribe did not connect to these hosts and knows nothing about them."
    hosts = [(one["host"], one["why"]) for one in report.get("not_served") or ()]
    return _hosts("not-served", "Not served", ("", "Why"), hosts, note)


def lifted(report: FleetReport) -> Listing | None:
    """List the hosts that were lifted since the run."""
    rows = [
        (one["host"], ", ".join(one["controls"]), moment(one["at"]), one["run"]) for one in report.get("lifted") or ()
    ]
    columns = (("what", "Host"), ("", "Controls"), ("when", "Since"), ("", "By the run"))
    note = "No run has observed these controls since. What runs observed there before does not count on this page."
    more = beyond(rows, "row", "whole.jsonl beside the reports")
    return Listing("lifted", "Lifted", "Lifted", columns, rows[:MOST], "row", note=note, more=more) if rows else None


def unexpected(report: FleetReport) -> Listing | None:
    """What hosts did that was not expected of them, such as to answer without being asked."""
    hosts = [(one["host"], one["detail"]) for one in report.get("unexpected") or ()] or [
        (host, "answered and was not expected; its record is left out") for host in report.get("unexpected_hosts") or ()
    ]
    return _hosts("unexpected", "Not as expected", ("", "What"), hosts)


def _hosts(id_: str, heading: str, column: Column, hosts: Sequence[tuple[str, str]], note: str = "") -> Listing | None:
    """Hosts, each with what there is to say of it."""
    columns, more = (("what", "Host"), column), beyond(hosts, "host", "report.json")
    return Listing(id_, heading, heading, columns, hosts[:MOST], "host", note=note, more=more) if hosts else None
