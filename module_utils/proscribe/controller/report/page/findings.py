"""What was found, by cause, and what else the run has noticed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, UNKNOWN
from ....model.types.report import FleetReport
from ....model.types.run import RunWaiver
from ..evaluation.groups import FindingGroup, SilentHosts, group_silent_hosts
from ..text.wording import format_count, format_key, format_readable_time, summarise_names
from .breakdown import HOST_NUMBER, FleetBreakdown
from .listings import INITIAL_ROWS, MAX_ROWS, ListingColumn, TableListing, describe_omitted_rows

MAX_NAMED_HOSTS = 10  # hosts that a group shows by name
MAX_EVIDENCE_HOSTS = 3  # hosts of which it shows the evidence


class FindingRow(NamedTuple):
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


class FindingTable(NamedTuple):
    """What was found; `dated` where it is known of some of it since when."""

    rows: Sequence[FindingRow]
    dated: bool
    more: str


def make_finding_table(breakdown: FleetBreakdown, finished: str, waivers: Sequence[RunWaiver] = ()) -> FindingTable:
    """The groups, worst first, and the hosts that gave no answer. `finished` is the end of the run, from which "5 days"
    is counted. Some of the run's `waivers` may explain a finding by not waiving it.
    """
    groups = breakdown.groups
    rows = [
        _make_group_row(index, group, breakdown.group_start_times[index], finished, waivers)
        for index, group in enumerate(groups[:MAX_ROWS])
    ]
    silent_groups = group_silent_hosts(host.record for host in breakdown.hosts)
    start_times = {
        host.name: host.start_times[HOST_NUMBER] for host in breakdown.hosts if HOST_NUMBER in host.start_times
    }
    noncompliant_count = sum(row.state in (ERROR, NONCOMPLIANT) for row in rows)
    rows[noncompliant_count:noncompliant_count] = [
        _make_silent_row(silent_hosts, start_times, finished) for silent_hosts in silent_groups[:MAX_ROWS]
    ]
    return FindingTable(
        rows,
        any(breakdown.group_start_times) or bool(start_times),
        describe_omitted_rows(groups, "finding", "report.json and hosts.jsonl"),
    )


def _make_group_row(
    index: int, group: FindingGroup, start_time: str, finished: str, waivers: Sequence[RunWaiver]
) -> FindingRow:
    evidence_pairs, other_hosts = _list_group_evidence(group)
    age_text, notes = format_age(start_time, finished), list_idle_waivers(group, waivers)
    return FindingRow(
        group.state, group.subject, index, len(group.hosts), evidence_pairs, other_hosts, start_time, age_text, notes
    )


def list_idle_waivers(group: FindingGroup, waivers: Iterable[RunWaiver]) -> list[str]:
    """The waivers that are for what was found, and do not waive it. Somebody may rely on them, or has to learn that
    their time is over.
    """
    if group.state != NONCOMPLIANT:
        return []
    services = {rule.partition("/")[2] for rule in group.rules}
    waiver_notes = []
    for waiver in waivers:
        is_relevant = group.control in waiver.get("controls", ()) and not services.isdisjoint(
            waiver.get("services", ())
        )
        if is_relevant and waiver["status"] != "active" and (hosts := set(waiver["hosts"]).intersection(group.hosts)):
            hosts_text = (
                f"for {summarise_names(sorted(hosts), MAX_EVIDENCE_HOSTS)} " if len(hosts) < len(group.hosts) else ""
            )
            reason_text = f": {waiver['why']}" if waiver.get("why") else ""
            waiver_notes.append(
                f"waiver {waiver['id']} {hosts_text}waives nothing ({format_key(waiver['status'])}){reason_text}"
            )
    return [
        *waiver_notes[:MAX_EVIDENCE_HOSTS],
        *(
            [f"and {format_count(len(waiver_notes) - MAX_EVIDENCE_HOSTS, 'waiver')} more"]
            if len(waiver_notes) > MAX_EVIDENCE_HOSTS
            else []
        ),
    ]


def _list_group_evidence(group: FindingGroup) -> tuple[Sequence[tuple[str, str]], str]:
    """What was found, for each host its own or once for all, and the hosts that this does not name."""
    note = f" ({group.causes_text})" if group.causes and group.evidence else ""
    if len({evidence for _, evidence in group.evidence}) > 1:
        more_hosts = summarise_names([host for host, _ in group.evidence[MAX_EVIDENCE_HOSTS:]], MAX_NAMED_HOSTS)
        return [
            (host, evidence + note) for host, evidence in group.evidence[:MAX_EVIDENCE_HOSTS]
        ], f"and {more_hosts}" if more_hosts else ""
    evidence_text = group.evidence[0][1] + note if group.evidence else group.causes_text
    return [("", f"{group.rules_text}: {evidence_text}" if group.rules_text else evidence_text)], summarise_names(
        group.hosts, MAX_NAMED_HOSTS
    )


def _make_silent_row(silent_hosts: SilentHosts, start_times: Mapping[str, str], finished: str) -> FindingRow:
    """The hosts without an answer, for one kind of reason."""
    names = [host for host, _ in silent_hosts.hosts]
    reasons = dict.fromkeys(reason for _, reason in silent_hosts.hosts if reason)
    reasons_text = summarise_names(list(reasons) or [silent_hosts.reason_kind], MAX_EVIDENCE_HOSTS)
    oldest_start = min((start_times[name] for name in names if name in start_times), default="")
    return FindingRow(
        UNKNOWN,
        silent_hosts.reason_kind,
        None,
        len(names),
        [("", reasons_text)],
        summarise_names(names, MAX_NAMED_HOSTS),
        oldest_start,
        format_age(oldest_start, finished),
    )


def format_age(start_time: str, finished: str) -> str:
    """For how long it has been so: `5 days`; nothing where that is not known."""
    if not start_time:
        return ""
    try:
        age = datetime.datetime.fromisoformat(finished) - datetime.datetime.fromisoformat(start_time)
    except (TypeError, ValueError):
        return format_readable_time(start_time)
    days, hours = max(age.days, 0), max(int(age.total_seconds()) // 3600, 0)
    return format_count(days, "day") if days else format_count(hours, "hour") if hours else "new"


def make_new_listing(report: FleetReport) -> TableListing | None:
    """What is wrong and was not in the baseline, where the run has one."""
    new_findings = report.get("new")
    if new_findings is None:
        return None
    heading = f"New since {report['run'].get('baseline') or 'the baseline'}"
    columns = (("status", "State"), ("what", "Host"), ("", "Rule"), ("", "What"))
    rows = [
        (finding["state"], finding["host"], finding["rule"], finding["what"]) for finding in new_findings[:MAX_ROWS]
    ]
    more_text, empty_text = describe_omitted_rows(new_findings, "finding", "report.json"), "No new findings."
    return TableListing("new", heading, "New", columns, rows, "finding", more=more_text, nothing=empty_text)


def make_attempts_listing(breakdown: FleetBreakdown) -> TableListing | None:
    """What hosts have refused: no sign of a broken ban, but of what people try."""
    heading = "Attempts that were refused"
    columns = (("what", "Rule"), ("number", "Refused"), ("number", "Hosts"))
    rows = [(rule, attempt_count, hosts) for rule, (attempt_count, hosts) in breakdown.attempts.items()][:MAX_ROWS]
    return (
        TableListing("attempts", heading, heading, columns, rows, "rule", INITIAL_ROWS // 2, "narrow") if rows else None
    )


def make_unserved_listing(report: FleetReport) -> TableListing | None:
    """The hosts that Proscribe cannot observe, which are counted apart."""
    note = "Proscribe did not connect to these hosts and knows nothing about them."
    hosts = [(unserved_host["host"], unserved_host["why"]) for unserved_host in report.get("not_served") or ()]
    return _make_host_listing("not-served", "Not served", ("", "Why"), hosts, note)


def make_lifted_listing(report: FleetReport) -> TableListing | None:
    """List the hosts that were lifted since the run."""
    rows = [
        (lift["host"], ", ".join(lift["controls"]), format_readable_time(lift["at"]), lift["run"])
        for lift in report.get("lifted") or ()
    ]
    columns = (("what", "Host"), ("", "Controls"), ("when", "Since"), ("", "By the run"))
    note = "No run has observed these controls since. What runs observed there before does not count on this page."
    more_text = describe_omitted_rows(rows, "row", "whole.jsonl beside the reports")
    return (
        TableListing("lifted", "Lifted", "Lifted", columns, rows[:MAX_ROWS], "row", note=note, more=more_text)
        if rows
        else None
    )


def make_unexpected_listing(report: FleetReport) -> TableListing | None:
    """What hosts did that was not expected of them, such as to answer without being asked."""
    hosts = [
        (unexpected_host["host"], unexpected_host["detail"]) for unexpected_host in report.get("unexpected") or ()
    ] or [
        (host, "answered and was not expected; its record is left out") for host in report.get("unexpected_hosts") or ()
    ]
    return _make_host_listing("unexpected", "Not as expected", ("", "What"), hosts)


def _make_host_listing(
    section_id: str, heading: str, column: ListingColumn, hosts: Sequence[tuple[str, str]], note: str = ""
) -> TableListing | None:
    """Hosts, each with what there is to say of it."""
    columns, more_text = (("what", "Host"), column), describe_omitted_rows(hosts, "host", "report.json")
    return (
        TableListing(section_id, heading, heading, columns, hosts[:MAX_ROWS], "host", note=note, more=more_text)
        if hosts
        else None
    )
