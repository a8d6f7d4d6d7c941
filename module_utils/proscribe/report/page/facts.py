"""What to do next, what is to come, what else should be known, and the facts of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...finding import UNKNOWN
from ..advice import advice
from ..command import Step
from ..modes import in_words
from ..scope import parts
from ..wording import counted, moment, nothing_known
from .breakdown import Breakdown
from .markup import table, text


def next_steps(report: Mapping[str, Any], breakdown: Breakdown, directory: str) -> Iterator[str]:
    """Commands to type, each with its purpose; `directory` is where the report will be, "" if that is not known."""
    records = [
        {**host.facts, "host": host.name, "state": host.state, "rules": list(_rules(breakdown, host.parts))}
        for host in breakdown.hosts
    ]
    steps = advice(report, records, directory)
    items = "".join(f"<li>{_step(step)}</li>" for step in steps)
    if items:
        yield f'<section id="next">\n<h2>Next</h2>\n<ul class="steps">{items}</ul>\n</section>\n'


def _rules(breakdown: Breakdown, parts: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    """The rules that could not be seen, of which the advice wants to know why."""
    for part in (breakdown.parts[number] for number in parts):
        if part.state == UNKNOWN:
            yield from (breakdown.rules[number] for number in part.rules)


def _step(step: Step) -> str:
    # Nobody knows where the reader of a page is, so a command says where it is typed.
    return text(step.text) + (f" <code>{text(step.command.line())}</code>" if step.command else "")


def upcoming(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is announced, by day."""
    days: dict[str, dict[str, None]] = {}
    for item in items:
        days.setdefault(str(item["effective_from"]), {})[item["service"]] = None
    if not days:
        return
    yield '<section id="upcoming">\n<h2>Upcoming</h2>\n'
    rows = (
        f'<th scope="row" class="what">from {text(day)}</th><td>{text(", ".join(sorted(services)))}</td>'
        for day, services in sorted(days.items())
    )
    yield from table("Upcoming", (("what", "Day"), ("", "Services that will be restricted")), rows)
    yield "</section>\n"


def unknown_rules(report: Mapping[str, Any]) -> Iterator[str]:
    """The services of which nothing is known to look for, by control."""
    known = nothing_known(report)
    if not known:
        return
    yield '<section id="nothing-known">\n<h2>Nothing known to look for</h2>\n'
    yield '<p class="note">These controls have nothing to look for of these services, so they are not counted.</p>\n'
    rows = (
        f'<th scope="row" class="what">{text(control)}</th><td>{counted(len(names), "service")}</td>'
        f"<td>{text(', '.join(names))}</td>"
        for control, names in known.items()
    )
    yield from table("Nothing known", (("what", "Control"), ("", "Services"), ("", "Which")), rows)
    yield "</section>\n"


def told(warnings: Sequence[str]) -> Iterator[str]:
    """Warnings, in sentences."""
    if warnings:
        items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
        yield f'<section id="warnings">\n<h2>Warnings</h2>\n<ul class="told">{items}</ul>\n</section>\n'


def run_facts(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[str]:
    """The run: what an auditor asks of a record."""
    facts = (
        ("Run", run["id"]),
        ("Mode", run["mode"]),
        ("Started", moment(run["started"])),
        ("Finished", moment(run["finished"])),
        ("Inventory", ", ".join(run["inventory"] or ())),
        ("Hosts of the runs", run.get("pattern") or "all"),
        ("Limit", run["limit"] or "none"),
        ("Left out", "; ".join(parts(run))),
        ("Controls", ", ".join(run["controls"] or ())),
        ("Modes", "; ".join(in_words(summary.get("controls") or {})) or "every control is enforced"),
        ("Catalogue", run["catalog_version"]),
        ("Expected hosts", f"{run['expected_hosts']:,}"),
    )
    items = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts if value)
    yield f'<section id="run">\n<h2>The run</h2>\n<dl class="facts">{items}</dl>\n</section>\n'
