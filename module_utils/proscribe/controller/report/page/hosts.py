"""The hosts as text in the page, for print and for readers without scripts.

With scripts, a table that is filled from the data replaces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, STATES
from ..evaluation.arithmetic import SETTLED_STATES
from ..evaluation.finding_groups import FindingGroup
from ..text.wording import format_count, format_key, format_readable_time
from .breakdown import FleetBreakdown, PageHost
from .watch_remarks import describe_remark

MAX_DETAILED_HOSTS = 400  # most hosts that the page shows with their evidence
MAX_HOST_REMARKS = 5  # most events between two runs that a row shows
MAX_NAMED_HOSTS = 2000  # most hosts in a state that the page shows by name only


class DetailedHostRow(NamedTuple):
    """A host with findings or remarks.

    `why` has the reason of its state, its findings and its remarks in words. `side` has its departments, its platform
    and the time of its observation.
    """

    name: str
    state: str
    why: Sequence[str]
    side: Sequence[str]


class HostNameList(NamedTuple):
    """Hosts in the same state of which the page shows only the names."""

    state: str
    hosts: int  # number of all these hosts
    names: Sequence[str]
    more: str  # text about the hosts that `names` leaves out; "" for none


class HostSection(NamedTuple):
    """The section of the page about the hosts.

    `more` describes the hosts that it leaves out; "" for none.
    """

    rows: Sequence[DetailedHostRow]
    more: str
    names: Sequence[HostNameList]


def make_host_section(breakdown: FleetBreakdown) -> HostSection:
    """Make the section of the hosts: hosts with findings or remarks, worst first, and names of the others."""
    detailed_hosts = sorted(
        (host for host in breakdown.hosts if not _is_unremarkable(host)), key=lambda host: STATES.index(host.state)
    )
    # (state, names of the hosts in this state that have nothing else to show)
    quiet_hosts = [
        (state, [host.name for host in breakdown.hosts if _is_unremarkable(host) and host.state == state])
        for state in SETTLED_STATES
    ]
    return HostSection(
        [_make_host_row(host, breakdown) for host in detailed_hosts[:MAX_DETAILED_HOSTS]],
        _format_more(len(detailed_hosts) - MAX_DETAILED_HOSTS),
        [
            HostNameList(state, len(names), names[:MAX_NAMED_HOSTS], _format_more(len(names) - MAX_NAMED_HOSTS))
            for state, names in quiet_hosts
            if names
        ],
    )


def _format_more(host_count: int) -> str:
    """Describe the number of hosts that the page leaves out; "" if the number is not above 0."""
    return f"{format_count(host_count, 'host')} more in hosts.jsonl beside this page." if host_count > 0 else ""


def _is_unremarkable(host: PageHost) -> bool:
    """Return whether a host has only its name to show: no defect, error or event between two runs."""
    return host.state in SETTLED_STATES and not host.record["errors"] and not host.remarks


def _make_host_row(host: PageHost, breakdown: FleetBreakdown) -> DetailedHostRow:
    """Make the row of a host: its reason, its findings and its events between two runs."""
    record, reason = host.record, host.record.get("reason")
    reasons = [reason] if reason else []
    for number in host.parts:
        part = breakdown.parts[number]
        if part.group is not None:
            reasons.append(describe_host_group(breakdown.groups[part.group], part.evidence))
    reasons += [describe_remark(remark) for remark in host.remarks[:MAX_HOST_REMARKS]]
    if (more_count := len(host.remarks) - MAX_HOST_REMARKS) > 0:
        reasons.append(f"and {format_count(more_count, 'more event')} between two runs")
    platform = " ".join(filter(None, (record["platform"].get("os"), record["platform"].get("version"))))
    side_texts = (", ".join(host.departments), platform, format_readable_time(record["checked_at"] or ""))
    return DetailedHostRow(host.name, host.state, reasons, [side_text for side_text in side_texts if side_text])


def describe_host_group(group: FindingGroup, evidence: str) -> str:
    """Describe a group of findings for one of its hosts, with the evidence of that host ("" for none)."""
    description = f"{group.subject}, {group.rules_text}" if group.rules_text else group.subject
    if group.state not in (NONCOMPLIANT, ERROR):
        description += f" ({format_key(group.state)})"
    if not evidence:
        return f"{description}: {group.causes_text}"
    return f"{description}: {evidence}" + (f" ({group.causes_text})" if group.causes else "")
