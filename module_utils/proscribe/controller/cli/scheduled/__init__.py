"""Command `./proscribe scheduled`, which systemd timers start: one run at a time, and a notification of changes."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ....base.chat_text import OUTPUT_HEADING
from ....wire import installation
from ....wire.plan_store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ...compile.inventory.policy_folders import find_approver_folders
from ...compile.inventory.reports_folder import ENVIRONMENT_VARIABLE, find_reports_folder
from ...compile.plans.departments import list_departments
from ...compile.plans.host_policies import read_all_restrictions
from ...compile.waivers.approvers import read_approver_list
from ...file_lock import describe_holder, lock_file
from ...policy_errors import PolicyErrors
from ...report import request_notification
from ...report.history import HistoryError, open_history
from ...report.notification import (
    Notification,
    QuotedLines,
    build_notification,
    make_run_notification,
    read_run_history,
)
from ...report.storage import requests_file
from ...report.storage.report_reader import read_records, read_report
from ...report.text.shell_commands import RunCall
from .. import CommandError, inventory, print_message
from .exit_codes import LIST_REFUSED_CODE, NO_REPORT, NOT_SENT, NOT_WRITTEN, REFUSED_EXIT_CODE
from .failed_run import find_closing_run, find_newest_run, report_failed_run
from .fed_exports import update_exports
from .notification_transport import parse_inventory_arguments, send_notification

EPILOG = """\
The units that `./proscribe schedule` sets up call it; by hand it does the same:

  ./proscribe scheduled drift -- -i inventory/prod        checks, corrects what has drifted, reports what changed
  ./proscribe scheduled collect -- -i inventory/prod      collects the results of hosts that run by themselves
  ./proscribe scheduled catalog -- -i inventory/prod      proposes what publishers' lists change, on a branch

Only one runs at a time. Exports with a directory in proscribe_exports_fed are written again where they are not up to
date. The exit code is the run's own; 77 if the run was refused before any host was checked, which a notification
reports; 78 if the run produced no report; 74 if only an export could not be written; 76 if only the notification could
not be sent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe scheduled` to its parser."""
    parser.description = "One scheduled run: what the timers start."
    parser.epilog = EPILOG
    parser.add_argument(
        "what", choices=("drift", "collect", "catalog", "failed"), help="failed: report a run that did not end well"
    )
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS", help="the options of the run, after --")


def run(arguments: argparse.Namespace) -> int:
    """Run a scheduled command, send notifications of its changes, and return the exit code. Raises CommandError.

    `arguments.what` is the command: `drift`, `collect`, `catalog`, or `failed` to report a failed run. Only one `drift`
    or `collect` runs at a time. The exit code is that of the run, or one of exit_codes.py.
    """
    if arguments.what == "catalog":
        return refresh_catalogue(arguments.options)
    try:
        reports = find_reports_directory(arguments.options)
    except (CommandError, PolicyErrors) as error:
        if arguments.what == "failed":
            return report_failed_run(installation.locate_reports(), arguments.options)
        return report_refusal(f"Its inventory does not say where reports go.\n{error}", arguments.options)
    if arguments.what == "failed":
        return report_failed_run(reports, arguments.options)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock_scheduled_runs(reports))
        except CommandError as error:
            return report_refusal(str(error), arguments.options)
        earlier_run = find_newest_run(reports)
        exit_code = subprocess.call(
            [*installation.make_launcher_command(sys.executable), arguments.what, *arguments.options],
            stdin=subprocess.DEVNULL,
        )
        directory = find_newest_run(reports)
        # A newer report may also be that of an earlier, killed run, which this run has completed (closed).
        if directory is None or directory == earlier_run or find_closing_run(directory):
            print_message(f"proscribe: the run produced no report (it ended with {exit_code})", error=True)
            return NO_REPORT
        run_notification = summarise_run(directory, reports)
        request_notification, head_mails = make_request_notifications(directory, reports, arguments.options)
        export_notification = update_exports(directory, arguments.options)
        exit_code = exit_code or (
            NOT_WRITTEN if export_notification is not None and export_notification.facts["not_written"] else 0
        )
    are_sent = True
    for message, recipients in ((run_notification, []), (request_notification, head_mails), (export_notification, [])):
        if message is not None:
            print(message.subject, message.text, sep="\n", flush=True)
            are_sent = send_notification(message, arguments.options, recipients) and are_sent
    return exit_code if are_sent else exit_code or NOT_SENT


def report_refusal(reason: str, options: Sequence[str]) -> int:
    """Send a notification of a run that was refused before any host was checked, and return the exit code.

    If the notification cannot be sent, the exit code is NO_REPORT. For this code, the systemd unit that reports failed
    runs tries again.
    """
    lines: list[str | QuotedLines] = [
        QuotedLines(reason.splitlines(), OUTPUT_HEADING),
        "",
        "No host was checked, and none was changed.",
    ]
    message = build_notification("Proscribe: a scheduled run was refused", lines, refused=reason)
    print_message(f"proscribe: {message.subject.partition(': ')[2]}\n{message.text}", error=True)
    return REFUSED_EXIT_CODE if send_notification(message, options) else NO_REPORT


def refresh_catalogue(options: Sequence[str]) -> int:
    """Propose the changes of publishers' lists as a commit on a branch, and return the exit code.

    A notification reports the changes, the refused lists, or the mistake that prevented the refresh. No host is
    contacted, so the lock of scheduled runs is not needed.
    """
    from . import catalogue_refresh  # imported here: it loads all list formats, which other commands do not need

    try:
        message, is_complete = catalogue_refresh.refresh_on_branch(options)
    # Nobody reads the journal of a timer, so a notification reports the error.
    except (CommandError, PolicyErrors) as error:
        lines: list[str | QuotedLines] = [QuotedLines(str(error).splitlines(), OUTPUT_HEADING), ""]
        lines.append("No list was read, and the catalogue stays as it is.")
        message, is_complete = (
            build_notification("Proscribe: the catalogue was not refreshed", lines, refreshed=False),
            False,
        )
    if message is None:
        return 0
    print(message.subject, message.text, sep="\n", flush=True)
    is_sent = send_notification(message, options)
    return LIST_REFUSED_CODE if not is_complete else 0 if is_sent else NOT_SENT


def find_reports_directory(options: Sequence[str]) -> Path:
    """Return the directory for the reports of a run with these command line options.

    Raises CommandError or PolicyErrors if the inventory cannot be read.
    """
    if os.environ.get(ENVIRONMENT_VARIABLE):  # the systemd units set it, so that no inventory has to be read
        return installation.locate_reports()
    compile_input = inventory.read_compile_input(parse_inventory_arguments(options))
    return find_reports_folder(compile_input.hosts, compile_input.inventory)


def summarise_run(directory: Path, reports: Path) -> Notification | None:
    """Return the notification of a run's changes, from its report in `directory` and the history database.

    The result is None if nothing changed. Without a readable history, every defect counts as new.
    """
    report = read_report(directory)
    try:
        history = open_history(report["run"].get("history") or "off", reports)
        run_history = read_run_history(history, report)
    except HistoryError as error:
        print_message(f"proscribe: the history cannot be read, so what is wrong counts as new: {error}", error=True)
        run_history = None
    return make_run_notification(report, read_records(directory), run_history, str(directory))


def make_request_notifications(
    directory: Path, reports: Path, options: Sequence[str]
) -> tuple[Notification | None, list[dict[str, str]]]:
    """Return the notification of users' requests that are new in a run, and the mails to heads of departments.

    `directory` is the report of the run, and `options` are those of the run. The result is (None, []) if there are no
    new requests, or if they cannot be read.
    """
    try:
        run = read_report(directory)["run"]
        new_requests = request_notification.select_new_requests(requests_file.read_requests(reports), run["id"])
        departments = _read_departments(options) if new_requests else {}
    except (OSError, ValueError, CommandError, PolicyErrors) as error:
        print_message(f"proscribe: new requests are not reported: {error}", error=True)
        return None, []
    if not new_requests:
        return None, []
    command = RunCall.read_run_call(run).make_inventory_command("requests", run["inventory"] or ()).line()
    return request_notification.make_request_notification(
        new_requests, departments, command
    ), request_notification.make_head_mails(new_requests, departments, command)


def _read_departments(options: Sequence[str]) -> dict[str, request_notification.DepartmentContact]:
    """Return the hosts of each department, and the mail address of its head ("" for none), by department.

    `options` are those of the scheduled run, which name the inventory. Raises CommandError, PolicyErrors.
    """
    compile_input = inventory.read_compile_input(parse_inventory_arguments(options))
    restrictions = read_all_restrictions(compile_input.hosts)
    approver_list = read_approver_list(find_approver_folders(compile_input, restrictions), compile_input.groups)
    return {
        name: request_notification.DepartmentContact(
            frozenset(hosts), approver_list[name].mail if name in approver_list else ""
        )
        for name, hosts in list_departments(compile_input, restrictions).items()
    }


@contextlib.contextmanager
def _lock_scheduled_runs(reports: Path) -> Iterator[None]:
    """Lock the reports directory during the `with` body, so that only one scheduled run is active.

    A lock on the directory leaves no lock file behind, and ends with a killed process. Raises CommandError if another
    run has the lock, or if other accounts can change the directory.
    """
    try:
        PlanStore(reports / PLANS_DIRECTORY).require_directories()
    except UntrustedStore as error:
        raise CommandError(str(error)) from None
    descriptor = os.open(reports, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not lock_file(descriptor, 0):
            raise CommandError(
                f"another scheduled run is under way (it has the lock of {reports}): {describe_holder(descriptor)}"
            )
        yield
    finally:
        os.close(descriptor)
