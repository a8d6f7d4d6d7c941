"""The hosts as the file has them, for print and for readers without scripts. With scripts, a table that is filled from
the data stands in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, STATES
from ..evaluation.arithmetic import SETTLED_STATES
from ..evaluation.groups import FindingGroup
from ..text.wording import counted, in_words, moment
from .breakdown import Breakdown, Host
from .since_last_run import sentence

ROWS = 400  # hosts that stand in the page with their evidence
EVENTS = 5  # between two runs, of one host
NAMES = 2000  # hosts that stand in it by name only


class Row(NamedTuple):
    """A host with something to say: why it is so, and what stands beside it."""

    name: str
    state: str
    why: Sequence[str]
    side: Sequence[str]


class Names(NamedTuple):
    """Hosts in one state of which there is nothing to say but their names."""

    state: str
    hosts: int
    names: Sequence[str]
    more: str


class Hosts(NamedTuple):
    """The section of the hosts; `more` is what it does not have."""

    rows: Sequence[Row]
    more: str
    names: Sequence[Names]


def hosts(breakdown: Breakdown) -> Hosts:
    """The worst hosts with their evidence, and the names of those that are as they have to be."""
    listed = sorted((host for host in breakdown.hosts if not _quiet(host)), key=lambda h: STATES.index(h.state))
    quiet = [
        (state, [host.name for host in breakdown.hosts if _quiet(host) and host.state == state])
        for state in SETTLED_STATES
    ]
    return Hosts(
        [_row(host, breakdown) for host in listed[:ROWS]],
        _more(len(listed) - ROWS),
        [Names(state, len(names), names[:NAMES], _more(len(names) - NAMES)) for state, names in quiet if names],
    )


def _more(number: int) -> str:
    return f"{counted(number, 'host')} more in hosts.jsonl beside this page." if number > 0 else ""


def _quiet(host: Host) -> bool:
    """Whether there is nothing to say of a host but its name."""
    return host.state in SETTLED_STATES and not host.record["errors"] and not host.remarks


def _row(host: Host, breakdown: Breakdown) -> Row:
    record, reason = host.record, host.record.get("reason")
    why = [reason] if reason else []
    for number in host.parts:
        part = breakdown.parts[number]
        if part.group is not None:
            why.append(of_one(breakdown.groups[part.group], part.evidence))
    why += [sentence(one) for one in host.remarks[:EVENTS]]
    if (more := len(host.remarks) - EVENTS) > 0:
        why.append(f"and {counted(more, 'more event')} between two runs")
    platform = " ".join(filter(None, (record["platform"].get("os"), record["platform"].get("version"))))
    side = (", ".join(host.departments), platform, moment(record["checked_at"] or ""))
    return Row(host.name, host.state, why, [said for said in side if said])


def of_one(group: FindingGroup, found: str) -> str:
    """A group as it is said of one of its hosts, with what was found there."""
    about = f"{group.subject}, {group.rules_text}" if group.rules_text else group.subject
    if group.state not in (NONCOMPLIANT, ERROR):
        about += f" ({in_words(group.state)})"
    if not found:
        return f"{about}: {group.causes_text}"
    return f"{about}: {found}" + (f" ({group.causes_text})" if group.causes else "")
