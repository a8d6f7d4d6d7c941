"""The sections with next steps, upcoming restrictions, other remarks, and the facts of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ....model.finding import UNKNOWN
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport, ReportRun, UnsearchedRule
from ....model.types.run import UpcomingRestriction
from ..evaluation.advice import propose_next_steps
from ..evaluation.control_modes import describe_unenforced_controls
from ..evaluation.scope import describe_interruption, describe_restrictions
from ..text.point_texts import describe_fetches, describe_writing, format_point_name, sort_points
from ..text.shell_commands import CommandSuggestion
from ..text.wording import format_count, format_key, format_readable_time, group_by_control
from .breakdown import FleetBreakdown
from .listings import TableListing


def make_suggestions(report: FleetReport, breakdown: FleetBreakdown, directory: str) -> Sequence[CommandSuggestion]:
    """Make the proposed next steps with their commands.

    `directory` is the directory where the report will be; "" if unknown.
    """
    # `breakdown` has the records without their rules. The advice needs only the unknown rules, so add these.
    records: list[HostRecord] = [
        {**host.record, "rules": list(_list_unknown_rules(breakdown, host.parts))} for host in breakdown.hosts
    ]
    return propose_next_steps(report, records, directory)


def _list_unknown_rules(breakdown: FleetBreakdown, parts: Sequence[int]) -> Iterator[RuleRecord]:
    """Yield the rules of a host that could not be observed.

    `parts` are indexes of `breakdown.parts`. The advice on next steps needs the reasons of these rules, such as that
    only root can observe them.
    """
    for part in (breakdown.parts[number] for number in parts):
        if part.state == UNKNOWN:
            yield from (breakdown.rules[number] for number in part.rules)


def make_upcoming_listing(announcements: Sequence[UpcomingRestriction]) -> TableListing | None:
    """Make the table of restrictions that begin on a later day; None for none."""
    days: dict[str, set[str]] = {}
    for announcement in announcements:
        days.setdefault(announcement["effective_from"], set()).add(announcement["service"])
    rows = [(f"from {day}", ", ".join(sorted(services))) for day, services in sorted(days.items())]
    columns = (("what", "Day"), ("", "Services that will be restricted"))
    return TableListing("upcoming", "Upcoming", "Upcoming", columns, rows, few=len(rows)) if rows else None


def make_points_listing(report: FleetReport) -> TableListing | None:
    """Make the table of the exports to enforcement points, such as a proxy, worst first; None for none."""
    rows = [
        (
            point["directory"],
            format_point_name(point),
            format_key(point["state"]),
            "; ".join(point["why"]) or "as the plan of this run",
            describe_writing(point),
            describe_fetches(point),
        )
        for point in sort_points(report)
    ]
    columns = (("what", "Directory"), ("", "Export"), ("", "State"), ("", "Why"), ("", "Written"), ("", "Fetched by"))
    note = "As this run found them. A scheduled run then writes again those that are not current."
    name = "Enforcement points"
    return TableListing("points", name, name, columns, rows, "export", note=note) if rows else None


def make_unknown_rules_listing(report: FleetReport) -> TableListing | None:
    """Make the table of services for which a control has nothing to search; None for none."""
    note = "The catalogue gives these controls nothing to look for, so they are not applicable to these services."
    return _list_by_control(
        report.get("nothing_known"), "service", "nothing-known", "Nothing known to look for", "Nothing known", note
    )


def make_unobservable_rules_listing(report: FleetReport) -> TableListing | None:
    """Make the table of rules that the platform of hosts does not let anybody observe; None for none."""
    note = "Windows hosts or Macs let nobody observe these rules. They are not applicable there, and never compliant."
    heading = "Not observable"
    return _list_by_control(report.get("not_observable"), "rule", "not-observable", heading, heading, note)


def _list_by_control(
    rules: Iterable[UnsearchedRule] | None, noun: str, listing_id: str, heading: str, caption: str, note: str
) -> TableListing | None:
    """Make a table with a row for each control of these rules; None without rules. `noun` is the word for a rule."""
    rows = [
        (control, format_count(len(subjects), noun), ", ".join(subjects))
        for control, subjects in group_by_control(rules).items()
    ]
    columns = (("what", "Control"), ("", f"{noun.capitalize()}s"), ("", "Which"))
    return TableListing(listing_id, heading, caption, columns, rows, note=note) if rows else None


def list_run_warnings(report: FleetReport) -> Sequence[str]:
    """Return the warnings about the run as a whole, in sentences."""
    stop_reason = describe_interruption(report)
    return [*([f"this run was {stop_reason}"] if stop_reason else []), *report["warnings"]]


def list_run_facts(report: FleetReport) -> Sequence[tuple[str, str]]:
    """Return the facts of the run that an auditor needs, as pairs (name, text).

    Empty facts are left out. The report of a department does not show which hosts the run selected.
    """
    run, summary, department = report["run"], report["summary"], report.get("department")
    scope_facts = (
        ("Hosts of the runs", run.get("pattern") or "all"),
        ("Limit", run["limit"] or "none"),
        ("Left out", "; ".join(describe_restrictions(run))),
    )
    run_values = (
        ("Run", run["id"]),
        ("Mode", run["mode"]),
        ("Started", format_readable_time(run["started"])),
        ("Finished", format_readable_time(run["finished"])),
        ("Inventory", ", ".join(run["inventory"] or ())),
        *((("Department", department["name"]),) if department else scope_facts),
        ("Controls", ", ".join(run["controls"] or ())),
        (
            "Modes",
            "; ".join(describe_unenforced_controls(summary.get("controls") or {})) or "every control is enforced",
        ),
        ("Proscribe", run.get("version") or ""),
        ("Catalogue", _describe_catalogue(run)),
        ("Expected hosts", f"{run['expected_hosts']:,}"),
    )
    return [(name, fact_value) for name, fact_value in run_values if fact_value]


def _describe_catalogue(run: ReportRun) -> str:
    """Describe the catalogue of a run: its release with the day, if known, and the digest of its content."""
    release = run.get("catalog")
    version = f"{release['version']} of {release['released']}, " if release and release["version"] else ""
    return f"{version}{run['catalog_version']}"
