"""What is wrong and where: by cause, and counted by department, service and control."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...finding import ERROR, NONCOMPLIANT, NOT_APPLICABLE, STATES, UNKNOWN
from ..groups import AUDITED, Group, Silent, silences
from ..modes import AUDIT
from ..wording import clean, counted, some
from .breakdown import WHOLE, Breakdown, Counts
from .markup import badge, bar, flowing, named, table, text, time

SEVERAL = 10  # hosts that a group shows by name
FEW = 3  # hosts of which it shows the evidence
AT_ONCE = 16  # rows that are shown without being asked for
MOST = 300  # rows that the page has

NO_DEPARTMENT = "no department"


def wrong(breakdown: Breakdown, finished: str, waivers: Sequence[Mapping[str, Any]] = ()) -> Iterator[str]:
    """The groups, worst first, and the hosts that gave no answer. `finished` is the end of the run, from which "5 days"
    is counted; `waivers` are those of the run, of which some may explain a finding by not waiving it.
    """
    silent = silences({"host": host.name, "state": host.state, **host.facts} for host in breakdown.hosts)
    groups = breakdown.groups
    if not groups and not silent:
        return
    yield '<section id="findings">\n<h2>What was found</h2>\n'
    silent_since = {host.name: host.since[WHOLE] for host in breakdown.hosts if WHOLE in host.since}
    dated = any(breakdown.group_since) or bool(silent_since)
    heads = [("status", "State"), ("what", "What"), ("number", "Hosts"), ("", "Evidence")]
    heads += [("when", "Since")] if dated else []
    rows = [
        _group(index, group, ago(breakdown.group_since[index], finished) if dated else None, waivers)
        for index, group in enumerate(groups[:MOST])
    ]
    bad = sum(group.state in (ERROR, NONCOMPLIANT) for group in groups[:MOST])
    rows[bad:bad] = [
        _silent(one, ago(_oldest(one, silent_since), finished) if dated else None) for one in silent[:MOST]
    ]
    yield from _folded("What was found", heads, rows, "finding", AT_ONCE, "finding")
    if len(groups) > MOST:
        yield f'<p class="note">{counted(len(groups) - MOST, "finding")} more in report.json and hosts.jsonl.</p>\n'
    yield "</section>\n"


def _group(index: int, group: Group, since: str | None, waivers: Sequence[Mapping[str, Any]]) -> str:
    notes = "".join(f'<p class="soft">{text(note)}</p>' for note in idle(group, waivers))
    when = "" if since is None else f'<td class="when">{since}</td>'
    return (
        f'<td class="status">{badge(group.state)}</td><th scope="row" class="what">{flowing(group.subject)}</th>'
        f'<td class="number" data-group="{index}">{len(group.hosts):,}</td><td>{_evidence(group)}{notes}</td>{when}'
    )


def idle(group: Group, waivers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The waivers that are for what was found, and do not waive it: somebody may rely on them, or has to be told that
    their time is over.
    """
    if group.state != NONCOMPLIANT:
        return []
    services = {rule.partition("/")[2] for rule in group.rules}
    said = []
    for waiver in waivers:
        about = group.control in waiver["controls"] and not services.isdisjoint(waiver["services"])
        if about and waiver["status"] != "active" and (hosts := set(waiver["hosts"]).intersection(group.hosts)):
            where = f"for {some(sorted(hosts), FEW)} " if len(hosts) < len(group.hosts) else ""
            why = f": {waiver['why']}" if waiver.get("why") else ""
            said.append(f"waiver {waiver['id']} {where}waives nothing ({waiver['status'].replace('_', ' ')}){why}")
    return [*said[:FEW], *([f"and {counted(len(said) - FEW, 'waiver')} more"] if len(said) > FEW else [])]


def _evidence(group: Group) -> str:
    """What was found, and on which hosts: for each its own, or once for all."""
    note = f" ({group.why})" if group.causes and group.evidence else ""
    if len({what for _, what in group.evidence}) > 1:
        lines = [f"<p><b>{text(host)}</b> {flowing(what + note)}</p>" for host, what in group.evidence[:FEW]]
        more = some([host for host, _ in group.evidence[FEW:]], SEVERAL)
        return "".join(lines) + (f'<p class="soft">and {text(more)}</p>' if more else "")
    found = group.evidence[0][1] + note if group.evidence else group.why
    about = f"{group.what}: " if group.what else ""
    return f'<p>{flowing(about + found)}</p><p class="soft">{text(some(group.hosts, SEVERAL))}</p>'


def _oldest(silent: Silent, since: Mapping[str, str]) -> str:
    return min((since[host] for host, _ in silent.hosts if host in since), default="")


def _silent(silent: Silent, since: str | None) -> str:
    """The hosts without an answer, for one kind of reason."""
    reasons = dict.fromkeys(reason for _, reason in silent.hosts)
    said = some([reason for reason in reasons if reason] or [silent.kind], FEW)
    return (
        f'<td class="status">{badge(UNKNOWN)}</td><th scope="row" class="what">{text(silent.kind)}</th>'
        f'<td class="number" data-words="{text(silent.kind)}">{len(silent.hosts):,}</td>'
        f'<td><p>{text(said)}</p><p class="soft">{text(some([host for host, _ in silent.hosts], SEVERAL))}</p></td>'
        + ("" if since is None else f'<td class="when">{since}</td>')
    )


def ago(since: str, finished: str) -> str:
    """For how long it has been so, and since which day; nothing where that is not known."""
    if not since:
        return ""
    try:
        long = datetime.datetime.fromisoformat(finished) - datetime.datetime.fromisoformat(since)
        days, hours = max(long.days, 0), max(int(long.total_seconds()) // 3600, 0)
        told = counted(days, "day") if days else counted(hours, "hour") if hours else "new"
    except (TypeError, ValueError):
        return time(since)
    return f'{told}<small><time datetime="{text(since)}">{text(since[:10])}</time></small>'


def _folded(
    caption: str, heads: Sequence[tuple[str, str]], rows: Sequence[str], noun: str, few: int, kind: str = ""
) -> Iterator[str]:
    """A table of which the first rows stand there, and the rest can be unfolded."""
    first = len(rows) if len(rows) <= few + 3 else few
    yield from table(caption, heads, rows[:first], kind)
    if rest := rows[first:]:
        yield f"<details><summary>{counted(len(rest), noun)} more</summary>\n"
        yield from table(f"{caption}, continued", heads, rest, kind)
        yield "</details>\n"


def tables(breakdown: Breakdown, controls: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Hosts counted by department, by control, by service and by setting; `controls` are the report's, by mode."""
    audited = {name for name, modes in controls.items() if modes.keys() == {AUDIT}}
    kinds = (
        ("department", "Department", "By department", breakdown.departments),
        ("control", "Control", "By control", breakdown.controls),
        ("service", "Service", "By service", breakdown.services),
        ("service", "Setting", "By setting", breakdown.settings),
    )
    if not any(counts for *_, counts in kinds):
        return
    yield '<section id="breakdown" class="breakdown">\n'
    for kind, head, heading, counts in kinds:
        if counts:
            yield f"<div>\n<h2>{heading}</h2>\n"
            if kind != "department":
                yield '<p class="note">Hosts on which something of it is not plainly met.</p>\n'
            heads = (("what", head), ("", "Hosts"))
            rows = [
                _counted(kind, name, counts[name], AUDITED * (kind == "control" and name in audited)) for name in counts
            ]
            yield from _folded(heading, heads, rows, kind, AT_ONCE // 2)
            yield "</div>\n"
    yield "</section>\n"


def _counted(kind: str, name: str, counts: Counts, note: str = "") -> str:
    words = ", ".join(f"{counts[state]:,} {named(state)}" for state in STATES if counts.get(state))
    label = f'<th scope="row" class="what" data-{kind}="{text(name)}">{flowing(name or NO_DEPARTMENT)}</th>'
    shown = {state: count for state, count in counts.items() if state != NOT_APPLICABLE or len(counts) == 1}
    return f"{label}<td>{bar(shown, clean(words), 'bar small', 5)}<small>{words}{note}</small></td>"


def new(report: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong and was not in the baseline, where the run has one."""
    found = report.get("new")
    if found is None:
        return
    yield f'<section id="new">\n<h2>New since {text(report["run"].get("baseline") or "the baseline")}</h2>\n'
    if not found:
        yield "<p>Nothing that was not there before.</p>\n"
    else:
        heads = (("status", "State"), ("what", "Host"), ("", "Rule"), ("", "What"))
        rows = [
            f'<td class="status">{badge(one["state"])}</td><th scope="row" class="what">{text(one["host"])}</th>'
            f"<td>{text(one['rule'])}</td><td>{text(one['what'])}</td>"
            for one in found[:MOST]
        ]
        yield from _folded("New", heads, rows, "finding", AT_ONCE)
        if len(found) > MOST:
            yield f'<p class="note">{counted(len(found) - MOST, "finding")} more in report.json.</p>\n'
    yield "</section>\n"


def attempts(breakdown: Breakdown) -> Iterator[str]:
    """What hosts have refused: no sign of a broken ban, but of what people try."""
    if not breakdown.attempts:
        return
    yield '<section id="attempts">\n<h2>Attempts that were refused</h2>\n'
    heads = (("what", "Rule"), ("number", "Refused"), ("number", "Hosts"))
    rows = [
        f'<th scope="row" class="what">{text(rule)}</th>'
        f'<td class="number">{times:,}</td><td class="number">{hosts:,}</td>'
        for rule, (times, hosts) in breakdown.attempts.items()
    ]
    yield from _folded("Attempts that were refused", heads, rows[:MOST], "rule", AT_ONCE // 2, "narrow")
    yield "</section>\n"


def not_served(report: Mapping[str, Any]) -> Iterator[str]:
    """The hosts that Proscribe cannot look at, which are counted apart."""
    hosts = report.get("not_served") or ()
    if not hosts:
        return
    yield '<section id="not-served">\n<h2>Not served</h2>\n'
    yield '<p class="note">Nobody connected to these hosts, and nothing is known of them.</p>\n'
    rows = [f'<th scope="row" class="what">{text(n["host"])}</th><td>{text(n["why"])}</td>' for n in hosts[:MOST]]
    yield from _folded("Not served", (("what", "Host"), ("", "Why")), rows, "host", AT_ONCE)
    if len(hosts) > MOST:
        yield f'<p class="note">{counted(len(hosts) - MOST, "host")} more in report.json.</p>\n'
    yield "</section>\n"


def unexpected(report: Mapping[str, Any]) -> Iterator[str]:
    """What hosts did that was not expected of them, such as to answer without being asked."""
    notes = report.get("unexpected") or [
        {"host": host, "detail": "answered and was not expected; its record is left out"}
        for host in report.get("unexpected_hosts") or ()
    ]
    if not notes:
        return
    yield '<section id="unexpected">\n<h2>Not as expected</h2>\n'
    rows = [f'<th scope="row" class="what">{text(n["host"])}</th><td>{text(n["detail"])}</td>' for n in notes[:MOST]]
    yield from _folded("Not as expected", (("what", "Host"), ("", "What")), rows, "host", AT_ONCE)
    if len(notes) > MOST:
        yield f'<p class="note">{counted(len(notes) - MOST, "host")} more in report.json.</p>\n'
    yield "</section>\n"
