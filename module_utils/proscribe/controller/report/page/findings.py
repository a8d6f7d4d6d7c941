"""Findings by cause, and other remarks of the run."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, UNKNOWN
from ....model.types.report import FleetReport
from ....model.types.run import RunWaiver
from ..evaluation.finding_groups import FindingGroup, SilentHosts, group_silent_hosts
from ..text.wording import format_count, format_key, format_readable_time, summarise_names
from .breakdown import HOST_NUMBER, FleetBreakdown
from .listings import INITIAL_ROWS, MAX_ROWS, ListingColumn, TableListing, describe_omitted_rows

MAX_NAMED_HOSTS = 10  # most hosts that a row names
MAX_EVIDENCE_HOSTS = 3  # most hosts whose evidence a row shows


class FindingRow(NamedTuple):
    """A row of the table of findings: a group of findings, or hosts without an answer.

    `evidence` are pairs (host, evidence). The host "" stands for all hosts of the row.
    """

    state: str
    subject: str
    group: int | None  # number of the group in the script's data; None for hosts without an answer
    hosts: int  # number of the hosts
    evidence: Sequence[tuple[str, str]]
    other_hosts: str  # the hosts that `evidence` does not name
    since: str  # UTC time; "" if unknown
    ago: str  # the age of the finding in words; "" if unknown
    notes: Sequence[str] = ()  # texts about waivers that cover the finding but are not active


class FindingTable(NamedTuple):
    """The table of findings.

    `dated` is true if the begin of at least one finding is known. `more` describes the findings that the table leaves
    out; "" for none.
    """

    rows: Sequence[FindingRow]
    dated: bool
    more: str


def make_finding_table(breakdown: FleetBreakdown, finished: str, waivers: Sequence[RunWaiver] = ()) -> FindingTable:
    """Make the table of findings: a row for each group, worst first, and rows of the hosts without an answer.

    The ages in the rows are counted up to `finished`, the end of the run. A note names each waiver of the run that
    covers a finding but is not active.
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
    # Hosts without an answer are unknown, so their rows stand between noncompliant findings and milder findings.
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
    """Make the row of a group of findings.

    `index` is the number of the group in the script's data. `start_time` is the earliest begin (UTC), "" if unknown.
    """
    evidence_pairs, other_hosts = _list_group_evidence(group)
    age_text, notes = format_age(start_time, finished), list_idle_waivers(group, waivers)
    return FindingRow(
        group.state, group.subject, index, len(group.hosts), evidence_pairs, other_hosts, start_time, age_text, notes
    )


def list_idle_waivers(group: FindingGroup, waivers: Iterable[RunWaiver]) -> list[str]:
    """Describe the waivers that cover the rules and hosts of a group but are not active; [] for none.

    Users may rely on such a waiver, or should be aware that it ended. Only a noncompliant group has such texts.
    """
    if group.state != NONCOMPLIANT:
        return []
    services = {rule.partition("/")[2] for rule in group.rules}
    waiver_notes = []
    for waiver in waivers:
        is_relevant = group.control in waiver.get("controls", ()) and not services.isdisjoint(
            waiver.get("services", ())
        )
        # The text names the hosts of the group that the waiver covers, unless the waiver covers the whole group.
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
    """Return the evidence of a group as pairs (host, evidence), and the names of the remaining hosts.

    If all hosts have the same evidence, there is a single pair with the host "". Then the names of all hosts follow.
    """
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
    """Make the row of the hosts without an answer that have the same kind of reason.

    `start_times` has by host the begin (UTC) of the silence.
    """
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
    """Format the age of a finding at the end of the run: `5 days`; "" if its begin is unknown.

    An age below a day is in hours, and below an hour `new`. `finished` is the end of the run (UTC).
    """
    if not start_time:
        return ""
    try:
        age = datetime.datetime.fromisoformat(finished) - datetime.datetime.fromisoformat(start_time)
    except (TypeError, ValueError):  # one of the times has another form, so show the begin instead of the age
        return format_readable_time(start_time)
    days, hours = max(age.days, 0), max(int(age.total_seconds()) // 3600, 0)
    return format_count(days, "day") if days else format_count(hours, "hour") if hours else "new"


def make_new_listing(report: FleetReport) -> TableListing | None:
    """Make the table of defects that an earlier run, the baseline, did not have; None without a baseline."""
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
    """Make the table of refused attempts by rule; None without attempts.

    Attempts show that somebody tried to use a service. They do not show that the ban is broken.
    """
    heading = "Attempts that were refused"
    columns = (("what", "Rule"), ("number", "Refused"), ("number", "Hosts"))
    rows = [(rule, attempt_count, hosts) for rule, (attempt_count, hosts) in breakdown.attempts.items()][:MAX_ROWS]
    return (
        TableListing("attempts", heading, heading, columns, rows, "rule", INITIAL_ROWS // 2, "narrow") if rows else None
    )


def make_unserved_listing(report: FleetReport) -> TableListing | None:
    """Make the table of the hosts that Proscribe cannot observe, with the reasons; None for none."""
    note = "Proscribe did not connect to these hosts and knows nothing about them."
    hosts = [(unserved_host["host"], unserved_host["why"]) for unserved_host in report.get("not_served") or ()]
    return _make_host_listing("not-served", "Not served", ("", "Why"), hosts, note)


def make_lifted_listing(report: FleetReport) -> TableListing | None:
    """Make the table of the hosts from which the ban was removed (lifted) after the run; None for none."""
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
    """Make the table of unexpected answers, such as from hosts that the run did not select; None for none."""
    # A report without notes, which have the details, has at least the names of hosts that were not expected.
    hosts = [
        (unexpected_host["host"], unexpected_host["detail"]) for unexpected_host in report.get("unexpected") or ()
    ] or [
        (host, "answered and was not expected; its record is left out") for host in report.get("unexpected_hosts") or ()
    ]
    return _make_host_listing("unexpected", "Not as expected", ("", "What"), hosts)


def _make_host_listing(
    section_id: str, heading: str, column: ListingColumn, hosts: Sequence[tuple[str, str]], note: str = ""
) -> TableListing | None:
    """Make a table of hosts, each with a text; None without hosts.

    `hosts` are pairs (host, text).
    """
    columns, more_text = (("what", "Host"), column), describe_omitted_rows(hosts, "host", "report.json")
    return (
        TableListing(section_id, heading, heading, columns, hosts[:MAX_ROWS], "host", note=note, more=more_text)
        if hosts
        else None
    )
