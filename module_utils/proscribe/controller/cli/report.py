"""Command `./proscribe report`: the report of a run, and the history of earlier runs."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from ...base.duration import DURATION_GRAMMAR, format_duration, format_moment, parse_duration, parse_moment
from ...model.types.record import HostRecord
from ...model.types.report import FleetReport, ReportRun
from ...wire import installation
from ...wire.plan_store import PLANS_DIRECTORY
from ..compile.catalogue.catalogue_loader import read_catalogue
from ..compile.inventory.reports_folder import ReportsPlace
from ..report import exports
from ..report.evaluation.advice import shorten_path
from ..report.evaluation.lifts import apply_lifts
from ..report.evaluation.report_merge import UnmergeableReports
from ..report.evaluation.scope import describe_restrictions
from ..report.history import OFF, SQLITE, History, HistoryError, QueryScope, RunTransitions, open_history
from ..report.history.name_check import UnknownName
from ..report.run_end.publication import read_changes
from ..report.run_end.report_rewriting import is_present_report, rewrite_report
from ..report.storage import fleet_state_file
from ..report.storage.report_directory import PARTIAL_SUFFIX
from ..report.storage.report_reader import (
    LATEST,
    NEWEST,
    UnknownRun,
    UnreadableReport,
    collect_shared_records,
    find_run,
    list_runs,
    read_records,
    read_report,
)
from ..report.terminal import exception_history, history_summary, summary
from ..report.text.terminal_layout import fit_lines, get_screen_width, wrap_text
from ..report.text.wording import format_count, format_key, summarise_names
from . import CommandError, print_message, report_merge, report_pages
from .inventory import add_inventory_options, locate_reports
from .report_pages import HTML, SVG

MAX_HISTORY_RUNS = 50  # newest runs whose reports are searched for the location of the history
STALE_AFTER_SECONDS = 3 * 86400  # default of proscribe_stale_after, for reports without it

TABLE, JSON, CSV = "table", "json", "csv"

EPILOG = """\
Without --since, --host or --rule it shows the report of one run again: the latest, or --run's. With one of them it
answers from the history: what is wrong now and since when, what was corrected and how long that took, what drifts
repeatedly, which hosts no run has seen for longer than proscribe_stale_after, and the trend.

  ./proscribe report
  ./proscribe report --since 30d
  ./proscribe report --since 2026-11-01 --host web01
  ./proscribe report --rule apps/wechat --json
  ./proscribe report --format csv > report.csv
  ./proscribe report --format svg > trend.svg     the last 90 days as a picture
  ./proscribe report --group press --format html > press.html     the page for the head of a department
  ./proscribe report --exceptions --since 365d    all exceptions of a year; also with --format csv

  ./proscribe report --merge RUN RUN -i inventory/prod --history sqlite     slices of one run as one report
  ./proscribe report --merge unmerged --since 12h -i inventory/prod --history sqlite     those of the newest round

Reports are looked for in PROSCRIBE_REPORTS, else where proscribe_reports of the inventory (-i) says, else in the usual
place, reports/ of the project. Without -i no inventory is read. With --merge, its hosts are expected, and unknown where
no run has them. The history is the one that the latest run wrote into, unless --history names another. Exit code 2:
there is no such run or no history; otherwise 0."""


def list_formats() -> tuple[str, ...]:
    """Return the values that the option --format accepts."""
    return TABLE, JSON, HTML, SVG, *exports.list_export_formats()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe report` to its parser, and set its help texts."""
    parser.description = "Show what a run found, or what the history knows of all runs. No host is touched."
    parser.epilog = EPILOG
    parser.add_argument("--since", type=parse_since, metavar="WHEN", help="from then on: 30d, 12h, 2w, a day")
    parser.add_argument("--host", default="", help="only this host, and what happened on it")
    parser.add_argument("--rule", default="", help="only this rule, such as apps/wechat, and where it was broken")
    parser.add_argument(
        "--exceptions", action="store_true", help="the waivers, each from its request to its end; for auditors"
    )
    parser.add_argument("--run", default="", metavar="ID", help="the report of this run: its id or its directory")
    parser.add_argument(
        "--group",
        default="",
        metavar="NAME",
        help="only the hosts of this department of the report, and nothing of others",
    )
    parser.add_argument("--write", action="store_true", help="also write its report.html, host lists and exports anew")
    parser.add_argument("--merge", nargs="+", default=[], metavar="RUN", help="make one report of these, and show it")
    parser.add_argument("--round", default="", metavar="ID", help="with --merge unmerged: the slices of this round")
    parser.add_argument(
        "--format",
        choices=list_formats(),
        metavar="FORMAT",
        help=f"on the standard output: {', '.join(list_formats())} (default: table; of the history table and json)",
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--history", default="", metavar="WHERE", help="sqlite, or a postgresql:// URL")
    add_inventory_options(parser, has_limit=False)


def parse_since(text: str) -> str:
    """Convert the value of --since to a UTC time. Raises ArgumentTypeError.

    The value is a duration back from now (`30d`), a day (`2026-11-01`) or a UTC time.
    """
    try:
        return format_moment(_get_current_time() - datetime.timedelta(seconds=parse_duration(text)))
    except ValueError:
        pass
    try:
        return format_moment(parse_moment(text if "T" in text else f"{text}T00:00:00Z"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-01, and not {DURATION_GRAMMAR}") from None


def run(arguments: argparse.Namespace) -> int:
    """Print the report of a run, or an answer from the history of all runs, and return the exit code 0.

    Raises CommandError, PolicyErrors.
    """
    terminal_size = shutil.get_terminal_size((80, 40))
    interactive = sys.stdout.isatty()
    colours = interactive and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    # Output to a pipe or a file has no screen height, so the number of its lines is not limited.
    screen = summary.TerminalScreen(
        get_screen_width(), terminal_size.lines if interactive else sys.maxsize, colours, os.getcwd()
    )
    place = locate_reports(arguments)
    text = compose_answer(arguments, screen, place)
    # The output is UTF-8 in any locale, so that it has the same bytes as the run's file of that format.
    if _choose_format(arguments) in (
        HTML,
        SVG,
        *exports.list_export_formats(),
    ):
        sys.stdout.buffer.write(text.encode())
    else:
        print(text)
    # A table already contains this line. A redirected standard error does not get it.
    if _choose_format(arguments) != TABLE and sys.stderr.isatty():
        print_message(f"proscribe: {_describe_place(place, screen)}", error=True)
    return 0


def compose_answer(arguments: argparse.Namespace, screen: summary.TerminalScreen, place: ReportsPlace) -> str:
    """Return the text that `./proscribe report` prints, from the reports in `place`.

    The options select the report of a run, a merged report, the history, or all exceptions. Raises CommandError for
    options that contradict each other, and for a report or a history that cannot be read.
    """
    history_options = arguments.since or arguments.host or arguments.rule
    if arguments.json and arguments.format not in (None, JSON):
        raise CommandError(f"--json is --format json, and --format {arguments.format} is asked for too")
    if arguments.exceptions:
        return _render_exceptions(arguments, screen, place)
    output_format = _choose_format(arguments)
    arguments = argparse.Namespace(**{**vars(arguments), "format": output_format})
    report_pages.check_group_options(arguments, output_format)
    if history_options and not arguments.merge and output_format not in (TABLE, JSON):
        raise CommandError(
            f"--format {output_format} is of one run; --since, --host and --rule ask the history of all runs"
        )
    if arguments.merge and (arguments.host or arguments.rule or arguments.run or arguments.write):
        raise CommandError("--merge makes a report of its own: only --since, --history and --format go with it")
    if arguments.round and report_merge.UNMERGED_RUNS not in arguments.merge:
        raise CommandError(f"--round goes with --merge {report_merge.UNMERGED_RUNS}")
    if history_options and not arguments.merge and (arguments.run or arguments.write):
        raise CommandError(
            "--run and --write are about one run; --since, --host and --rule ask the history of all runs"
        )
    reports = place.directory
    try:
        if arguments.merge:
            arguments = argparse.Namespace(
                **{**vars(arguments), "run": report_merge.merge_runs(arguments, reports).name}
            )
            history_options = ""
        text = (
            _render_history(arguments, reports, screen) if history_options else _render_run(arguments, reports, screen)
        )
    except (UnknownRun, UnreadableReport, UnmergeableReports, HistoryError, OSError) as error:
        raise CommandError(f"{error} ({_describe_place(place, screen)})") from error
    if output_format != TABLE or arguments.group:  # the path in the note may contain names of other departments
        return text
    return f"{text}\n{fit_lines(f'note: {_describe_place(place, screen)}', screen.width)}"


def _choose_format(arguments: argparse.Namespace) -> str:
    return arguments.format or (JSON if arguments.json else TABLE)


def _describe_place(place: ReportsPlace, screen: summary.TerminalScreen) -> str:
    return f"reports are read from {shorten_path(str(place.directory), screen.working_directory)} ({place.named_by})"


def _render_exceptions(arguments: argparse.Namespace, screen: summary.TerminalScreen, place: ReportsPlace) -> str:
    """Return all exceptions (waivers) of a period as table, JSON or CSV, each from its request to its end.

    Raises CommandError for options that contradict --exceptions, and for a history that cannot be read.
    """
    output_format = _choose_format(arguments)
    if output_format not in (TABLE, JSON, CSV):
        raise CommandError(f"--exceptions has the formats {TABLE}, {JSON} and {CSV}")
    for name in ("host", "rule", "run", "group", "write", "merge", "round"):
        if getattr(arguments, name):
            raise CommandError(f"--exceptions is about all waivers: --{name} does not go with it")
    try:
        history, _ = _open_history(arguments, place.directory)
        waiver_exceptions = exception_history.gather_exceptions(history, arguments.since or "", _get_current_time())
    except (UnreadableReport, HistoryError, OSError) as error:
        raise CommandError(f"{error} ({_describe_place(place, screen)})") from error
    if output_format == CSV:
        return exception_history.format_exceptions_csv(waiver_exceptions)
    return (
        json.dumps(waiver_exceptions.make_document(), indent=2)
        if output_format == JSON
        else exception_history.render_exceptions(waiver_exceptions, screen)
    )


def _open_history(arguments: argparse.Namespace, reports: Path) -> tuple[History, int]:
    """Return the history of the runs, and the age in seconds at which a host's record is stale.

    The history is the one that --history names, else the one that the latest run wrote into. Raises CommandError if
    the history is off.
    """
    stale_after = STALE_AFTER_SECONDS
    with contextlib.suppress(UnknownRun):  # no report here, but the history may have runs of other controllers
        stale_after = read_report(find_run(reports))["run"].get("stale_after") or STALE_AFTER_SECONDS
    history = open_history(arguments.history or _find_history_of_runs(reports), reports)
    if history is None:
        period_note = "" if arguments.history else f" for the newest runs in {reports}; --history names another history"
        raise CommandError(
            f"proscribe_history is off{period_note}: no run is remembered, so there is nothing to answer from"
        )
    return history, stale_after


def _find_history_of_runs(reports: Path) -> str:
    """Return the location of the history that the latest run wrote into, as in proscribe_history.

    Slices (parts of a run that are reported separately) write into no history, so an earlier run can decide. If no run
    wrote into one, the result is `off`, or `sqlite` if there is no latest run either.
    """
    latest = [find_run(reports).name] if (reports / LATEST).exists() else []
    for name in dict.fromkeys([*latest, *reversed(list_runs(reports)[-MAX_HISTORY_RUNS:])]):
        with contextlib.suppress(UnreadableReport, OSError):
            history = read_report(reports / name)["run"].get("history") or SQLITE
            if history != OFF:
                return history
    return OFF if latest else SQLITE


def _render_history(arguments: argparse.Namespace, reports: Path, screen: summary.TerminalScreen) -> str:
    """Return the answer from the history of all runs, as a table or as JSON.

    Raises CommandError for a host or a rule that the history does not have, or if the history is off.
    """
    history, stale_after = _open_history(arguments, reports)
    scope = QueryScope(arguments.since or "", arguments.host, arguments.rule)
    try:
        past_report = history_summary.gather_history_summary(history, scope, _get_current_time(), stale_after)
    except UnknownName as error:
        is_known = error.service in read_catalogue([installation.CATALOGUE]).services if error.service else False
        service_note = f"{error.service} is a service of the catalogue, but " if is_known else ""
        raise CommandError(f"{service_note}{error}") from None
    return (
        json.dumps(past_report.make_document(), indent=2)
        if arguments.format == JSON
        else history_summary.render_history_summary(past_report, screen)
    )


def _render_run(arguments: argparse.Namespace, reports: Path, screen: summary.TerminalScreen) -> str:
    """Return the report of one run in the chosen format, and write its files again with --write.

    If the run is the latest or the newest, later lifts (removals of the ban) are applied to its report. With --group,
    the report has one department only. Raises CommandError for an unknown department, and the errors of reading.
    """
    directory = find_run(reports, arguments.run or LATEST)
    # A run that is named by its path has the history of its own reports directory.
    if (directory.parent / PLANS_DIRECTORY).is_dir():
        reports = directory.parent
    report = full_report = read_report(directory)
    lifts = fleet_state_file.read_lifts(reports) if is_present_report(directory, reports) else {}
    needs_records = lifts or arguments.group or arguments.write or arguments.format not in (JSON, SVG)
    records: Sequence[HostRecord] = collect_shared_records(read_records(directory)) if needs_records else []
    report, records = apply_lifts(report, records, lifts)
    if arguments.group:
        report, records = report_pages.select_department(report, records, arguments.group)
    if arguments.write:
        _rewrite_outputs(directory, report, records, arguments, reports)
    if arguments.format == TABLE:
        if department := report.get("department"):
            text = summary.render_summary(report, records, screen)
            return "\n".join([text, "", *wrap_text(department["left_out"], screen.width)])
        text = summary.render_summary(report, records, screen, str(directory))
        notes = [*_list_lift_notes(report), *_list_notes(report, directory, reports, not arguments.run)]
        return "\n".join([text, *(fit_lines(f"note: {note}", screen.width) for note in notes)])
    if arguments.format == JSON:
        return json.dumps(report, indent=2)
    if arguments.format in (HTML, SVG):
        page_history = report_pages.open_page_history(full_report["run"], arguments.history, reports)
        return report_pages.render_page(arguments.format, report, records, page_history, str(directory))
    stream = io.StringIO(newline="")  # completed before any output, so that an error prints no partial export
    changes = _read_run_changes([arguments.format], reports, report["run"], arguments.history)
    exports.write_export(stream, report, records, arguments.format, changes)
    return stream.getvalue()


def _list_notes(report: FleetReport, directory: Path, reports: Path, is_latest: bool) -> list[str]:
    """Return notes on a report that may be out of date: its age, and runs that are newer.

    Newer runs are reported only if `is_latest` is true, because then the user named no run.
    """
    run, notes = report["run"], []
    age_seconds = (_get_current_time() - parse_moment(run["finished"])).total_seconds()
    if age_seconds > (run.get("stale_after") or STALE_AFTER_SECONDS):
        notes.append(f"this run ended {format_duration(age_seconds)} ago; the state of the hosts may have changed")
    if is_latest:
        notes += _describe_newer_run(directory, reports)
    newer_runs = (
        [path.name for path in reports.glob(f"*{PARTIAL_SUFFIX}") if path.name > directory.name] if is_latest else []
    )
    if newer_runs:
        name = sorted(newer_runs)[-1]
        notes.append(f"{name} is newer: a run that goes on, or one that was killed, which the next run closes")
    return notes


def _list_lift_notes(report: FleetReport) -> list[str]:
    """Return a note on the hosts from which the ban was lifted (removed) after the run; [] for none."""
    lift_entries = report.get("lifted") or ()
    hosts = list(dict.fromkeys(lift_entry["host"] for lift_entry in lift_entries))
    if not hosts:
        return []
    lift_runs = list(dict.fromkeys(lift_entry["run"] for lift_entry in lift_entries))
    host_note = f"{format_count(len(hosts), 'host')} ({summarise_names(hosts, 5)})"
    return [f"the ban was lifted on {host_note} after this run, by {summarise_names(lift_runs, 3)}"]


def _describe_newer_run(latest: Path, reports: Path) -> list[str]:
    """Return a note on the newest run, if it is not `latest`, the newest run over the whole inventory; else []."""
    try:
        newest = find_run(reports, NEWEST)
        if newest == latest:
            return []
        run, hosts = (report := read_report(newest))["run"], report["summary"]["hosts"]
    except (UnknownRun, UnreadableReport, OSError, KeyError):
        return []
    states = ", ".join(f"{number:,} {format_key(state)}" for state, number in hosts.items() if number)
    scope = "; ".join(describe_restrictions(run)) or f"inventory {', '.join(run.get('inventory') or ())}"
    return [f"{newest.name} is newer ({scope}): {states or 'no host'}; --run {NEWEST} shows it"]


def _rewrite_outputs(
    directory: Path, report: FleetReport, records: Sequence[HostRecord], arguments: argparse.Namespace, reports: Path
) -> None:
    """Write the page, the host lists and the exports of a report again.

    They are made from report.json and hosts.jsonl. These two files stay unchanged.
    """
    page_history = report_pages.open_page_history(report["run"], arguments.history, reports)
    changes = _read_run_changes(report["run"].get("exports") or (), reports, report["run"], arguments.history)
    with fleet_state_file.lock_fleet_state(reports):
        fleet_state, _ = fleet_state_file.read_fleet_state(reports)
        rewrite_report(directory, reports, report, records, fleet_state, page_history, changes)


def _read_run_changes(
    export_names: Collection[str], reports: Path, run: ReportRun, history: str
) -> RunTransitions | None:
    """Return the changes that a run made, from the history, if one of the exports contains them; else None.

    For a history that cannot be read, print a message and return None.
    """
    try:
        return read_changes(reports, run, history) if exports.has_history_exports(export_names) else None
    except HistoryError as error:
        print_message(f"proscribe: what the run changed is not known: {error}", error=True)
        return None


def _get_current_time() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
