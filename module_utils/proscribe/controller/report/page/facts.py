"""What to do next, what is to come, what else should be known, and the facts of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.finding import UNKNOWN
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport, ReportRun
from ....model.types.run import UpcomingRestriction
from ..evaluation.advice import propose_next_steps
from ..evaluation.modes import describe_unenforced_controls
from ..evaluation.scope import describe_interruption, describe_restrictions
from ..text.command import Suggestion
from ..text.points import fetched, name_of, points_of, written
from ..text.wording import counted, in_words, moment, nothing_known
from .breakdown import Breakdown
from .listings import Listing


def suggestions(report: FleetReport, breakdown: Breakdown, directory: str) -> Sequence[Suggestion]:
    """What to do, with the commands to type; `directory` is where the report will be, "" if that is not known."""
    records: list[HostRecord] = [
        {**host.record, "rules": list(_rules(breakdown, host.parts))} for host in breakdown.hosts
    ]
    return propose_next_steps(report, records, directory)


def _rules(breakdown: Breakdown, parts: Sequence[int]) -> Iterator[RuleRecord]:
    """The rules that could not be seen, of which the advice wants to know why."""
    for part in (breakdown.parts[number] for number in parts):
        if part.state == UNKNOWN:
            yield from (breakdown.rules[number] for number in part.rules)


def upcoming(items: Sequence[UpcomingRestriction]) -> Listing | None:
    """What is announced, by day."""
    days: dict[str, set[str]] = {}
    for item in items:
        days.setdefault(item["effective_from"], set()).add(item["service"])
    rows = [(f"from {day}", ", ".join(sorted(services))) for day, services in sorted(days.items())]
    columns = (("what", "Day"), ("", "Services that will be restricted"))
    return Listing("upcoming", "Upcoming", "Upcoming", columns, rows, few=len(rows)) if rows else None


def points(report: FleetReport) -> Listing | None:
    """The exports that enforcement points are fed with, worst first."""
    rows = [
        (
            one["directory"],
            name_of(one),
            in_words(one["state"]),
            "; ".join(one["why"]) or "as the plan of this run",
            written(one),
            fetched(one),
        )
        for one in points_of(report)
    ]
    columns = (("what", "Directory"), ("", "Export"), ("", "State"), ("", "Why"), ("", "Written"), ("", "Fetched by"))
    note = "As this run found them. A scheduled run then writes again those that are not current."
    name = "Enforcement points"
    return Listing("points", name, name, columns, rows, "export", note=note) if rows else None


def unknown_rules(report: FleetReport) -> Listing | None:
    """The services of which nothing is known to look for, by control."""
    rows = [
        (control, counted(len(names), "service"), ", ".join(names)) for control, names in nothing_known(report).items()
    ]
    columns = (("what", "Control"), ("", "Services"), ("", "Which"))
    note = "The catalogue gives these controls nothing to look for, so they are not applicable to these services."
    heading = "Nothing known to look for"
    return Listing("nothing-known", heading, "Nothing known", columns, rows, note=note) if rows else None


def warnings(report: FleetReport) -> Sequence[str]:
    """What went wrong beside the hosts, in sentences."""
    why = describe_interruption(report)
    return [*([f"this run was {why}"] if why else []), *report["warnings"]]


def run_facts(report: FleetReport) -> Sequence[tuple[str, str]]:
    """The run: what an auditor asks of a record, by name. Over which hosts it was is not a department's to know."""
    run, summary, department = report["run"], report["summary"], report.get("department")
    over = (
        ("Hosts of the runs", run.get("pattern") or "all"),
        ("Limit", run["limit"] or "none"),
        ("Left out", "; ".join(describe_restrictions(run))),
    )
    facts = (
        ("Run", run["id"]),
        ("Mode", run["mode"]),
        ("Started", moment(run["started"])),
        ("Finished", moment(run["finished"])),
        ("Inventory", ", ".join(run["inventory"] or ())),
        *((("Department", department["name"]),) if department else over),
        ("Controls", ", ".join(run["controls"] or ())),
        (
            "Modes",
            "; ".join(describe_unenforced_controls(summary.get("controls") or {})) or "every control is enforced",
        ),
        ("Proscribe", run.get("version") or ""),
        ("Catalogue", _catalogue(run)),
        ("Expected hosts", f"{run['expected_hosts']:,}"),
    )
    return [(name, value) for name, value in facts if value]


def _catalogue(run: ReportRun) -> str:
    """The release of the catalogue, with its day, and the digest of its content."""
    release = run.get("catalog")
    version = f"{release['version']} of {release['released']}, " if release and release["version"] else ""
    return f"{version}{run['catalog_version']}"
