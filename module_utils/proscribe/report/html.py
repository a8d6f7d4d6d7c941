"""report.html: the report as one file that needs nothing else, neither the network nor scripts.

Everything that comes from outside passes through `text`, which escapes it; and even so the page's own policy (a
Content-Security-Policy with the hashes of its one style and one script) lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..finding import ERROR, NONCOMPLIANT, NOT_APPLICABLE, STATES, UNKNOWN
from .arithmetic import MET
from .groups import Group, grouped
from .wording import clean, counted, moment, not_in_force, percent, some

SEVERAL = 12  # hosts that a group shows by name


def page(report: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The page, piece by piece."""
    style, script = _part("page.css"), _part("page.js")
    sources = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    run = report["run"]
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(_title(report))}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
    )
    yield from _header(report, run)
    yield from _wrong(records)
    yield from _hosts(records)
    yield from _rules(report)
    yield from _waivers(report["waivers"])
    yield from _upcoming(report["upcoming"])
    yield from _told(report["warnings"])
    yield from _run(run)
    yield "<footer>Written by Proscribe. The same in full: report.json and hosts.jsonl beside this page.</footer>\n"
    yield f"</main>\n<script>{script}</script>\n</body>\n</html>\n"


def text(value: object) -> str:
    """Text for the page: one line, printable, escaped for elements and attributes."""
    return html.escape(clean(value))


def _part(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _title(report: Mapping[str, Any]) -> str:
    hosts = report["summary"]["hosts"]
    expected = report["run"]["expected_hosts"]
    if not expected:
        return "No host was asked"
    bad = hosts[ERROR] + hosts[NONCOMPLIANT]
    if expected == 1 and (bad or hosts[UNKNOWN]):
        return "The ban does not hold on this host" if bad else "Whether the ban holds on this host is unknown"
    if bad:
        rest = f", and is unknown for {hosts[UNKNOWN]:,}" if hosts[UNKNOWN] else ""
        return f"The ban does not hold on {bad:,} of {counted(expected, 'host')}{rest}"
    if hosts[UNKNOWN]:
        return f"Whether the ban holds is unknown for {hosts[UNKNOWN]:,} of {counted(expected, 'host')}"
    if idle := not_in_force(report):
        return idle[0].upper() + idle[1:]
    return "The ban holds on " + ("this host" if expected == 1 else f"all {expected:,} hosts")


def _header(report: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[str]:
    summary = report["summary"]
    mode = "check (nothing was changed)" if run["mode"] == "check" else run["mode"]
    yield f'<header>\n<p class="over"><b>Proscribe {text(mode)}</b> &nbsp;{text(moment(run["finished"]))}</p>\n'
    yield f"<h1>{text(_title(report))}</h1>\n{_bar(summary['hosts'])}"
    figures = (
        ("Coverage", summary["coverage"], "hosts evaluated"),
        ("Compliant", summary["compliance_strict"], "hosts"),
        ("Compliant with waivers", summary["compliance_with_waivers"], "hosts"),
    )
    yield '<dl class="sheet figures">\n'
    for name, share, what in figures:
        small = f"{share['numerator']:,} of {share['denominator']:,} {what}"
        yield f"<div><dt>{name}</dt><dd>{text(percent(share))}<small>{small}</small></dd></div>\n"
    yield "</dl>\n</header>\n"


def _bar(hosts: Mapping[str, int]) -> str:
    """The hosts by state as one bar; a state with a single host in thousands is still to be seen."""
    total = sum(hosts.values())
    states = [state for state in STATES if hosts[state]]
    widths = {state: max(hosts[state] * 1000 / total, 4.0) for state in states}
    scale, at, parts = 1000 / (sum(widths.values()) or 1), 0.0, []
    for state in states:
        width = widths[state] * scale
        parts.append(f'<rect class="{state}" x="{at:.1f}" width="{width:.1f}" height="8"/>')
        at += width
    legend = "".join(f"<li>{_dot(state)}<b>{hosts[state]:,}</b> {_named(state)}</li>" for state in states)
    return (
        '<svg class="bar" viewBox="0 0 1000 8" preserveAspectRatio="none" role="img" aria-label="Hosts by state">'
        f'{"".join(parts)}</svg>\n<ul class="legend">{legend}</ul>\n'
    )


@cache
def _dot(state: str) -> str:
    return f'<span class="dot {text(state)}"></span>'


def _named(state: str) -> str:
    return text(state.replace("_", " "))


def _state(state: str) -> str:
    return f'<td class="state">{_dot(state)}{_named(state)}</td>'


def _table(heads: Iterable[tuple[str, str]], rows: Iterable[str]) -> Iterator[str]:
    yield '<div class="sheet"><table><thead><tr>'
    yield "".join(f'<th class="{kind}">{name}</th>' for kind, name in heads)
    yield "</tr></thead><tbody>\n"
    yield from (f"<tr>{row}</tr>\n" for row in rows)
    yield "</tbody></table></div>\n"


def _wrong(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    groups = grouped(records)
    if not groups:
        return
    yield "<section>\n<h2>What was found</h2>\n"
    heads = (("what", "What"), ("state", "State"), ("", "Where, and the evidence"))
    yield from _table(
        heads,
        (f'<td class="name">{text(g.subject)}</td>{_state(g.state)}<td>{text(g.text(SEVERAL))}</td>' for g in groups),
    )
    yield "</section>\n"


def _hosts(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not records:
        return
    met = [record for record in records if _quiet(record)]
    rest = sorted((r for r in records if not _quiet(r)), key=lambda r: (STATES.index(r["state"]), r["host"]))
    yield '<section id="hosts">\n<div class="rows"><h2>Hosts</h2><div id="find"></div></div>\n'
    if rest:
        heads = (("name", "Host"), ("state", "State"), ("", "Why"), ("side", "System, time"))
        yield from _table(heads, map(_host, rest))
    for state in MET:
        names = sorted(record["host"] for record in met if record["state"] == state)
        if names:
            items = "".join(f"<li>{text(name)}</li>" for name in names)
            told = f"{_dot(state)}{counted(len(names), 'host')} {_named(state)}"
            yield f'<details class="sheet"><summary>{told}</summary>'
            yield f'<ul class="plain">{items}</ul></details>\n'
    yield "</section>\n"


def _quiet(record: Mapping[str, Any]) -> bool:
    """Whether there is nothing to say of a host but its name."""
    return record["state"] in MET and not record["errors"]


def _host(record: Mapping[str, Any]) -> str:
    said = [record["reason"]] if record["reason"] else []
    said += [_of_one(group) for group in grouped([record])]
    why = "".join(f"<p>{text(line)}</p>" for line in said)
    platform = " ".join(filter(None, (record["platform"].get("os"), record["platform"].get("version"))))
    side = "".join(f"<p>{text(part)}</p>" for part in (platform, moment(record["checked_at"] or "")) if part)
    name = f'<td class="name">{text(record["host"])}</td>'
    return f'{name}{_state(record["state"])}<td>{why}</td><td class="side">{side}</td>'


def _of_one(group: Group) -> str:
    """A group in the row of its one host."""
    about = f"{group.subject}, {group.what}" if group.what else group.subject
    if group.state not in (NONCOMPLIANT, ERROR):
        about += f" ({group.state.replace('_', ' ')})"
    if not group.evidence:
        return f"{about}: {group.why}"
    return f"{about}: {group.evidence[0][1]}" + (f" ({group.why})" if group.causes else "")


def _rules(report: Mapping[str, Any]) -> Iterator[str]:
    if not report["rules"]:
        return
    worst_first = sorted(report["rules"], key=_badness)
    states = [state for state in STATES if any(state in rule["counts"] for rule in worst_first)]
    yield "<section>\n<h2>Rules</h2>\n"
    told = f"{counted(len(worst_first), 'rule')} that some host does not plainly meet"
    yield f'<details class="sheet"><summary>{told}</summary>\n<table><tbody>\n'
    for rule in worst_first:
        counts = "; ".join(f"{_dot(s)}{rule['counts'][s]:,} {_named(s)}" for s in states if s in rule["counts"])
        yield f'<tr><td class="name">{text(rule["rule"])}</td><td>{counts}</td></tr>\n'
    yield "</tbody></table></details>\n</section>\n"


def _badness(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(-rule["counts"].get(state, 0) for state in STATES if state != NOT_APPLICABLE), rule["rule"])


def _waivers(waivers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not waivers:
        return
    dots = {"active": "waived", "expired": "noncompliant"}
    yield "<section>\n<h2>Waivers</h2>\n"
    rows = []
    for waiver in sorted(waivers, key=lambda waiver: (waiver["status"] == "active", waiver["expires"], waiver["id"])):
        status = waiver["status"].replace("_", " ")
        idle = "" if status == "active" else "<p>Waives nothing.</p>"
        scope = f"{some(waiver['services'], SEVERAL)} on {some(waiver['hosts'], SEVERAL) or 'no host of this run'}"
        rows.append(
            f'<td class="name">{text(waiver["id"])}</td>'
            f'<td class="state">{_dot(dots.get(waiver["status"], "unknown"))}{text(status)}</td>'
            f'<td>{idle}<p>{text(scope)}</p><p class="soft">{text(waiver["reason"])}</p></td>'
            f'<td class="side"><p>until {text(moment(waiver["expires"]))}</p>'
            f"<p>approved by {text(waiver['approved_by'])}</p></td>"
        )
    yield from _table((("name", "Waiver"), ("state", "State"), ("", "For"), ("side", "Time, approver")), rows)
    yield "</section>\n"


def _upcoming(upcoming: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    days: dict[str, dict[str, list[str]]] = {}
    for item in upcoming:
        days.setdefault(str(item["effective_from"]), {}).setdefault(item["service"], []).append(item["control"])
    if not days:
        return
    yield "<section>\n<h2>Upcoming</h2>\n"
    rows = (
        f'<td class="name">from {text(day)}</td><td>{text(", ".join(sorted(services)))}</td>'
        for day, services in sorted(days.items())
    )
    yield from _table((("name", "Day"), ("", "Services that will be restricted")), rows)
    yield "</section>\n"


def _told(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
        yield f'<section>\n<h2>Warnings</h2>\n<div class="sheet"><ul class="told">{items}</ul></div>\n</section>\n'


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    facts = (
        ("Run", run["id"]),
        ("Mode", run["mode"]),
        ("Started", moment(run["started"])),
        ("Finished", moment(run["finished"])),
        ("Inventory", ", ".join(run["inventory"] or ())),
        ("Limit", run["limit"] or "none"),
        ("Controls", ", ".join(run["controls"] or ())),
        ("Catalogue", run["catalog_version"]),
        ("Expected hosts", f"{run['expected_hosts']:,}"),
    )
    items = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts if value)
    yield f'<section>\n<h2>The run</h2>\n<dl class="sheet facts">{items}</dl>\n</section>\n'
