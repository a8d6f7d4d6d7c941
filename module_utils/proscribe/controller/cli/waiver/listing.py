"""Commands `./proscribe waiver list` and `./proscribe waiver expire-soon`: waivers with their hosts and ends."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence

from ....base.duration import count_calendar_days, format_duration, parse_duration
from ....model.plan import CONTROLS
from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.reports_folder import find_reports_folder
from ...compile.plans.waiver_queries import list_judged_waivers
from ...compile.waivers.judged_waivers import JudgedWaiver, make_run_waiver
from ...compile.waivers.waiver_status import format_moment, rank_by_urgency
from ...report.evaluation.lifts import Lifts
from ...report.evaluation.lifts import describe_lifts as in_words_of_lifts
from ...report.storage.fleet_state_file import read_lifts
from ...report.text.terminal_layout import apply_styles, format_table_row, get_screen_width, measure_columns
from ...report.text.wording import clean_text, format_count, format_key, summarise_names
from .. import inventory, print_message

SCHEMA = "proscribe/waivers/1"
ENDS_SOON_CODE = 1  # exit code of expire-soon if a waiver ends soon

SOON_PERIOD = datetime.timedelta(days=30)
WAIVING_COLOURS = {True: "green", False: "red"}


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver list`."""
    parser.epilog = "The exit code is 0, whatever it finds; `expire-soon` and `verify` are for scripts."
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_soon_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver expire-soon`."""
    parser.epilog = (
        "Exit code 1: a waiver that is in force, or will be, expires in that time, or its review is overdue.\n"
        "Exit code 0 and no output: there is none, so that cron sends no mail."
    )
    parser.add_argument(
        "--within", type=_parse_length, default="30d", metavar="LENGTH", help="12h, 30d, 2w (default: 30d)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _parse_length(text: str) -> datetime.timedelta:
    """Parse the value of `--within`, such as `30d`.

    Raises ArgumentTypeError for a text that is no duration.
    """
    try:
        return datetime.timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def list_waivers(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Print every waiver of the inventory, the most urgent first, and return exit code 0 (`waiver list`).

    With `--limit`, only waivers for the chosen hosts are printed.
    """
    compile_input = inventory.read_compile_input(arguments)
    _print_waivers(
        _list_in_order(compile_input, now, bool(arguments.limit)),
        compile_input,
        now,
        arguments.json,
        "no waivers in this inventory",
    )
    return 0


def list_due_waivers(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Print waivers that end soon or whose review is overdue; return exit code 1 if there are any (`expire-soon`).

    Without such waivers nothing is printed, unless the output is JSON or a terminal. So cron sends no mail.
    """
    compile_input = inventory.read_compile_input(arguments)
    due_waivers = [
        judged_waiver
        for judged_waiver in _list_in_order(compile_input, now, bool(arguments.limit))
        if is_due_soon(judged_waiver, now, arguments.within)
    ]
    if due_waivers or arguments.json or sys.stdout.isatty():
        _print_waivers(
            due_waivers,
            compile_input,
            now,
            arguments.json,
            f"no waiver ends within {format_duration(arguments.within.total_seconds())}",
        )
    return ENDS_SOON_CODE if due_waivers else 0


def is_due_soon(judged_waiver: JudgedWaiver, now: datetime.datetime, within: datetime.timedelta) -> bool:
    """Return whether a waiver ends within the time `within` from now, or its review is overdue.

    The result is False for a waiver that is neither active nor waiting for its start.
    """
    return _is_ending_soon(judged_waiver, now, within) or (
        _is_lasting(judged_waiver) and judged_waiver.judgement.is_review_overdue
    )


def _is_ending_soon(judged_waiver: JudgedWaiver, now: datetime.datetime, within: datetime.timedelta) -> bool:
    """Return whether a waiver that is active, or waits for its start, ends within the time `within` from now."""
    return _is_lasting(judged_waiver) and judged_waiver.waiver.ends <= now + within


def _is_lasting(judged_waiver: JudgedWaiver) -> bool:
    """Return whether a waiver is active or waits for its start."""
    return judged_waiver.judgement.is_waiving or judged_waiver.judgement.status == "not_yet_valid"


def _list_in_order(compile_input: CompileInput, now: datetime.datetime, is_limited: bool) -> list[JudgedWaiver]:
    """Return the waivers of an inventory, the most urgent first.

    With `is_limited`, only waivers for hosts of the input are returned.
    """
    hosts = {host.name for host in compile_input.hosts}
    judged_waivers = [
        judged_waiver
        for judged_waiver in list_judged_waivers(compile_input, now)
        if not is_limited or hosts.intersection(judged_waiver.judgement.hosts)
    ]
    return sorted(judged_waivers, key=lambda judged_waiver: rank_by_urgency(*judged_waiver))


def _print_waivers(
    judged_waivers: Sequence[JudgedWaiver],
    compile_input: CompileInput,
    now: datetime.datetime,
    as_json: bool,
    empty_message: str,
) -> None:
    """Print waivers as a table or as JSON; without waivers, the table is replaced by `empty_message`."""
    lifts = read_lifts(find_reports_folder(compile_input.hosts, compile_input.inventory))
    if as_json:
        waiver_entries = [
            {
                **make_run_waiver(judged_waiver, compile_input),
                "seconds_left": _count_seconds_left(judged_waiver, now),
                "lifted": list_lifted_hosts(judged_waiver, lifts),
            }
            for judged_waiver in judged_waivers
        ]
        document: dict[str, object] = {"schema": SCHEMA, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "waivers": waiver_entries}
        print(json.dumps(document, indent=2))
    elif not judged_waivers:
        print_message(empty_message)
    else:
        print(format_waiver_table(judged_waivers, now, get_screen_width(), sys.stdout.isatty(), lifts))


def _count_seconds_left(judged_waiver: JudgedWaiver, now: datetime.datetime) -> int:
    """Return the seconds until a waiver ends; 0 for a waiver that is neither active nor waiting for its start."""
    if not _is_lasting(judged_waiver):
        return 0
    return max(0, int((judged_waiver.waiver.ends - now).total_seconds()))


def _describe_remaining_time(end: datetime.datetime, now: datetime.datetime) -> str:
    """Describe the time from now until the end of a waiver: `90 days`, or `7 hours` within the last 24 hours.

    Days are counted by the calendar, as in reports.
    """
    remaining = end - now
    if remaining < datetime.timedelta(days=1):
        return format_duration(remaining.total_seconds())
    return format_count(count_calendar_days(now, end), "day")


def list_lifted_hosts(judged_waiver: JudgedWaiver, lifts: Lifts) -> list[str]:
    """Return the hosts of a waiver on which the ban of one of its controls was lifted (removed).

    On such a host, the waiver has no effect. Hosts that were observed after the lift are left out. `lifts` has the
    lifts by host and control.
    """
    controls = set(judged_waiver.waiver.controls)
    return [host for host in judged_waiver.judgement.hosts if controls.intersection(lifts.get(host, ()))]


def format_waiver_table(
    judged_waivers: Sequence[JudgedWaiver],
    now: datetime.datetime,
    width: int,
    colours: bool,
    lifts: Lifts | None = None,
) -> str:
    """Return the waivers as a text table of `width` columns, in the given order, after a summary line.

    `colours` adds terminal styles. `lifts` has the lifts of the ban by host and control; None if they are unknown.
    """
    waiving_count = sum(judged_waiver.judgement.is_waiving for judged_waiver in judged_waivers)
    overdue_count = sum(judged_waiver.judgement.is_review_overdue for judged_waiver in judged_waivers)
    header = [format_count(len(judged_waivers), "waiver"), f"{waiving_count:,} in force"]
    ending_count = sum(_is_ending_soon(judged_waiver, now, SOON_PERIOD) for judged_waiver in judged_waivers)
    header += [f"{overdue_count:,} to be reviewed"] * bool(overdue_count)
    header += [
        f"{ending_count:,} {'ends' if ending_count == 1 else 'end'} within "
        f"{format_duration(SOON_PERIOD.total_seconds())}"
    ] * bool(ending_count)
    lines = [apply_styles(": ".join([header[0], ", ".join(header[1:])]), "bold", colours=colours), ""]
    status_texts = [format_key(judged_waiver.judgement.status) for judged_waiver in judged_waivers]
    waiver_ids = [clean_text(judged_waiver.waiver.id) for judged_waiver in judged_waivers]
    widths = (min(max(map(measure_columns, waiver_ids)), width // 3), max(map(measure_columns, status_texts)))
    for judged_waiver, waiver_id, status_text in zip(judged_waivers, waiver_ids, status_texts):
        first, *rest = format_table_row(
            waiver_id,
            status_text,
            clean_text(describe_waiver(judged_waiver, now) + _describe_lifts(judged_waiver, lifts or {})),
            widths,
            width,
        )
        lines += [
            first.replace(
                f" {status_text}",
                " " + apply_styles(status_text, WAIVING_COLOURS[judged_waiver.judgement.is_waiving], colours=colours),
                1,
            ),
            *rest,
        ]
    return "\n".join(lines)


def _describe_lifts(judged_waiver: JudgedWaiver, lifts: Lifts) -> str:
    """Return a sentence that names the hosts on which the ban is lifted, so the waiver has no effect; "" for none."""
    hosts = list_lifted_hosts(judged_waiver, lifts)
    if not hosts:
        return ""
    lift_note = f" ({in_words_of_lifts(lifts[hosts[0]])})" if len(hosts) == 1 else ""
    return f". It has nothing to waive on {summarise_names(hosts, 3)}, where the ban is lifted{lift_note}"


def describe_waiver(judged_waiver: JudgedWaiver, now: datetime.datetime) -> str:
    """Describe a waiver in a text: its problem, users, scope, hosts, end, requester, approver and reason."""
    waiver, judgement = judged_waiver
    groups = [f"the members of {summarise_names(waiver.posix_groups, 3)}"] if waiver.posix_groups else []
    beneficiaries = (
        " and ".join([*([summarise_names(waiver.users, 3)] if waiver.users else []), *groups]) or "everybody"
    )
    scope_parts = [summarise_names(waiver.services, 4)]
    scope_parts += [
        f"only {key[:-1]} {summarise_names(getattr(waiver, key), 3)}"
        for key in ("versions", "paths")
        if getattr(waiver, key)
    ]
    scope_parts += [f"at {summarise_names(waiver.hours, 3)}"] if waiver.hours else []
    scope_parts += [f"by {' and '.join(waiver.controls)}"] if len(waiver.controls) < len(CONTROLS) else []
    hosts_text = (
        f"on {format_count(len(judgement.hosts), 'host')} ({summarise_names(judgement.hosts, 3)})"
        if judgement.hosts
        else "on no host"
    )
    parties = f"for {waiver.requested_by}, approved by {waiver.approved_by}"
    parties += f", {waiver.ticket}" if waiver.ticket else ""
    problem = f"{judgement.why}. " if judgement.why else ""
    scope = f"{', '.join(scope_parts)} {hosts_text}"
    end_text = format_moment(waiver.ends)
    if judgement.is_waiving:
        text = f"{_describe_remaining_time(waiver.ends, now)} left, until {end_text}: {beneficiaries} may use {scope}"
    else:  # a waiver without effect permits nothing, so the text does not say `may use`
        text = f"It is for {beneficiaries} to use {scope}, from {format_moment(waiver.starts)} until {end_text}"
    return f"{problem}{text}; {parties}: {waiver.reason}"
