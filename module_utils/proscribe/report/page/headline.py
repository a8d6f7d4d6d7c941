"""The first screenful: does the ban hold, on how many hosts, and is it getting better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...finding import ERROR, NONCOMPLIANT, STATES, UNKNOWN
from ..modes import in_words
from ..scope import ban, left_out, parts
from ..wording import clean, counted, not_in_force, percent
from .markup import MEANING, bar, icon, named, text, time
from .trend import Run, drawing

FIGURES = (
    ("Coverage", "coverage", "hosts evaluated", "host evaluated"),
    ("Compliant", "compliance_strict", "hosts meet the ban", "host meets the ban"),
    ("With waivers", "compliance_with_waivers", "meet it or are waived", "meets it or is waived"),
)


def title(report: Mapping[str, Any]) -> str:
    """The verdict in one sentence."""
    hosts = report["summary"]["hosts"]
    expected = report["run"]["expected_hosts"]
    apart = report["summary"].get("not_served") or 0
    if not expected and apart:
        return "None of the hosts is one that Proscribe serves"
    if not expected:
        return "No host was asked"
    bad = hosts[ERROR] + hosts[NONCOMPLIANT]
    if expected == 1 and (bad or hosts[UNKNOWN]):
        return "The ban does not hold on this host" if bad else "Whether the ban holds on this host is unknown"
    asked = "" if left_out(report["run"]) == 0 else " that was asked" if expected == 1 else " that were asked"
    if bad:
        rest = f", and is unknown for {hosts[UNKNOWN]:,}" if hosts[UNKNOWN] else ""
        return f"The ban does not hold on {bad:,} of {counted(expected, 'host')}{asked}{rest}"
    if hosts[UNKNOWN]:
        return f"Whether the ban holds is unknown for {hosts[UNKNOWN]:,} of {counted(expected, 'host')}{asked}"
    if idle := not_in_force(report):
        return idle[0].upper() + idle[1:]
    what = ban(report["run"])
    held = f"{what[0].upper()}{what[1:]} {'hold' if ' and ' in what else 'holds'} on"
    if apart:
        served = f"the {counted(expected, 'host')}{asked} that {'is' if expected == 1 else 'are'} served"
        return f"{held} {served}; {counted(apart, 'host')} {'is' if apart == 1 else 'are'} not"
    if asked:
        return f"{held} the {counted(expected, 'host')}{asked}"
    return f"{held} {'this host' if expected == 1 else f'all {expected:,} hosts'}"


def header(report: Mapping[str, Any], trend: Sequence[Run]) -> Iterator[str]:
    """The verdict, the hosts by state, the three numbers, and the trend where there is one."""
    run, summary = report["run"], report["summary"]
    mode = "check (nothing was changed)" if run["mode"] == "check" else run["mode"]
    where = ", ".join(clean(source).rstrip("/").rpartition("/")[2] for source in run["inventory"] or ())
    inventory = f"<span>{'' if where == 'inventory' else 'inventory '}{text(where)}</span>" if where else ""
    said = [*parts(run), *in_words(summary.get("controls") or {})]
    pattern = run.get("pattern") or "all"
    limit = f"<span>of {text(pattern)}</span>" if pattern != "all" else ""
    limit += "".join(f"<span>{text(part)}</span>" for part in said)
    yield f'<header>\n<p class="over"><b>Proscribe {text(mode)}</b>'
    yield f"<span>{time(run['finished'])}</span>{inventory}{limit}</p>\n"
    yield f"<h1>{text(title(report))}</h1>\n"
    yield from _states(summary["hosts"])
    if apart := summary.get("not_served"):
        yield f'<p class="note">{counted(apart, "host")} not served: <a href="#not-served">why</a></p>\n'
    yield '<div class="figures">\n<dl>\n'
    for name, key, what, one in FIGURES:
        share = summary[key]
        small = f"{share['numerator']:,} of {share['denominator']:,} {what if share['denominator'] != 1 else one}"
        yield f"<div><dt>{name}</dt><dd>{text(percent(share))}<small>{small}</small></dd></div>\n"
    yield "</dl>\n"
    yield from drawing(trend, "; ".join(parts(run)))
    yield "</div>\n</header>\n"


def _states(hosts: Mapping[str, int]) -> Iterator[str]:
    """The hosts by state: for the eye as a bar, in words below, which the script makes into filters."""
    states = [state for state in STATES if hosts[state]]
    if not states:
        return
    yield bar(hosts, "Hosts by state: " + ", ".join(f"{hosts[s]:,} {s.replace('_', ' ')}" for s in states))
    yield '\n<ul class="legend">'
    for state in states:
        yield f'<li data-state="{state}" title="{text(MEANING[state])}">'
        yield f"{icon(state)}<b>{hosts[state]:,}</b> {named(state)}</li>"
    yield "</ul>\n"
