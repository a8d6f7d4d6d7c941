"""The hosts: a table for print and for readers without scripts, and the empty one that the script fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...finding import ERROR, NONCOMPLIANT, STATES
from ..arithmetic import MET
from ..groups import Group
from ..wording import counted, moment
from .breakdown import Breakdown, Host
from .markup import badge, flowing, icon, named, static, table, text

ROWS = 400  # hosts that stand in the page with their evidence
NAMES = 2000  # hosts that stand in it by name only


def hosts(breakdown: Breakdown) -> Iterator[str]:
    """The section of the hosts."""
    if not breakdown.hosts:
        return
    yield '<section id="hosts">\n<h2>Hosts</h2>\n'
    yield static("workbench.html")
    yield '<div id="record">\n'
    told = sorted((host for host in breakdown.hosts if not _quiet(host)), key=lambda h: STATES.index(h.state))
    if told:
        heads = (("what", "Host"), ("status", "State"), ("", "Why"), ("side", "System and time"))
        yield from table("Hosts", heads, (_host(host, breakdown) for host in told[:ROWS]), "hosts")
    if len(told) > ROWS:
        yield f'<p class="note">{counted(len(told) - ROWS, "host")} more in hosts.jsonl beside this page.</p>\n'
    for state in MET:
        yield from _names(state, [host.name for host in breakdown.hosts if _quiet(host) and host.state == state])
    yield "</div>\n</section>\n"


def _quiet(host: Host) -> bool:
    """Whether there is nothing to say of a host but its name."""
    return host.state in MET and not host.facts["errors"]


def _names(state: str, names: Sequence[str]) -> Iterator[str]:
    if not names:
        return
    items = "".join(f"<li>{text(name)}</li>" for name in names[:NAMES])
    more = len(names) - NAMES
    yield f"<h3>{icon(state)}{counted(len(names), 'host')} {named(state)}</h3>\n"
    yield f'<ul class="names">{items}</ul>\n'
    if more > 0:
        yield f'<p class="note">{counted(more, "host")} more in hosts.jsonl beside this page.</p>\n'


def _host(host: Host, breakdown: Breakdown) -> str:
    said = [host.facts["reason"]] if host.facts["reason"] else []
    for number in host.parts:
        part = breakdown.parts[number]
        if part.group is not None:
            said.append(of_one(breakdown.groups[part.group], part.evidence))
    why = "".join(f"<p>{flowing(line)}</p>" for line in said)
    platform = " ".join(filter(None, (host.facts["platform"].get("os"), host.facts["platform"].get("version"))))
    side = (", ".join(host.departments), platform, moment(host.facts["checked_at"] or ""))
    beside = "".join(f"<p>{text(part)}</p>" for part in side if part)
    name = f'<th scope="row" class="what">{text(host.name)}</th>'
    return f'{name}<td class="status">{badge(host.state)}</td><td>{why}</td><td class="side">{beside}</td>'


def of_one(group: Group, found: str) -> str:
    """A group as it is said of one of its hosts, with what was found there."""
    about = f"{group.subject}, {group.what}" if group.what else group.subject
    if group.state not in (NONCOMPLIANT, ERROR):
        about += f" ({group.state.replace('_', ' ')})"
    if not found:
        return f"{about}: {group.why}"
    return f"{about}: {found}" + (f" ({group.why})" if group.causes else "")
