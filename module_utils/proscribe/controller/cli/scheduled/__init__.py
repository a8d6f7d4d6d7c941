"""`./proscribe scheduled`: what the timers start. One run at a time, and a notice of what changed, if anything did."""

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
from ....wire.store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ...compile.inventory.policy_folders import find_approver_folders
from ...compile.inventory.reports_place import ENVIRONMENT_VARIABLE, find_reports_folder
from ...compile.plans.departments import list_departments
from ...compile.plans.policy import read_all_restrictions
from ...compile.waivers.authority import read_approver_list
from ...policy_errors import PolicyErrors
from ...report import request_news
from ...report.history import HistoryError, open_history
from ...report.notification import (
    Notification,
    QuotedLines,
    build_notification,
    make_run_notification,
    read_run_history,
)
from ...report.storage import requests_file
from ...report.storage.complete import read_records, read_report
from ...report.text.command import Call
from ...waiting import holder, locked
from .. import Refused, inventory, say
from .exit_codes import LIST_REFUSED, NO_REPORT, NOT_SENT, NOT_WRITTEN, REFUSED_EXIT_CODE
from .exports import renewed
from .sending import inventory_arguments, send
from .unended import closed_by, failed, newest

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
    """The options of the word."""
    parser.description = "One scheduled run: what the timers start."
    parser.epilog = EPILOG
    parser.add_argument(
        "what", choices=("drift", "collect", "catalog", "failed"), help="failed: report a run that did not end well"
    )
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS", help="the options of the run, after --")


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises Refused."""
    if arguments.what == "catalog":
        return refresh_catalogue(arguments.options)
    try:
        reports = reports_of_run(arguments.options)
    except (Refused, PolicyErrors) as wrong:
        if arguments.what == "failed":
            return failed(installation.locate_reports(), arguments.options)
        return refuse(f"Its inventory does not say where reports go.\n{wrong}", arguments.options)
    if arguments.what == "failed":
        return failed(reports, arguments.options)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_alone(reports))
        except Refused as wrong:
            return refuse(str(wrong), arguments.options)
        before = newest(reports)
        code = subprocess.call(
            [*installation.make_launcher_command(sys.executable), arguments.what, *arguments.options],
            stdin=subprocess.DEVNULL,
        )
        directory = newest(reports)
        if directory is None or directory == before or closed_by(directory):
            say(f"proscribe: the run produced no report (it ended with {code})", error=True)
            return NO_REPORT
        notification = news(directory, reports)
        requested, heads = requests_of(directory, reports, arguments.options)
        exported = renewed(directory, arguments.options)
        code = code or (NOT_WRITTEN if exported is not None and exported.facts["not_written"] else 0)
    sent = True
    for one, mails in ((notification, []), (requested, heads), (exported, [])):
        if one is not None:
            print(one.subject, one.text, sep="\n", flush=True)
            sent = send(one, arguments.options, mails) and sent
    return code if sent else code or NOT_SENT


def refuse(reason: str, options: Sequence[str]) -> int:
    """Report a run that was refused before any host was checked; the exit code. The unit that reports failed runs
    tries again where the notification could not be sent.
    """
    lines: list[str | QuotedLines] = [
        QuotedLines(reason.splitlines(), OUTPUT_HEADING),
        "",
        "No host was checked, and none was changed.",
    ]
    message = build_notification("Proscribe: a scheduled run was refused", lines, refused=reason)
    say(f"proscribe: {message.subject.partition(': ')[2]}\n{message.text}", error=True)
    return REFUSED_EXIT_CODE if send(message, options) else NO_REPORT


def refresh_catalogue(options: Sequence[str]) -> int:
    """Propose what publishers' lists change; no host is touched, so it takes no turns with runs. Raises Refused."""
    from . import catalogue  # with all its formats

    try:
        message, complete = catalogue.refresh(options)
    except (Refused, PolicyErrors) as wrong:  # nobody reads the journal of a timer
        lines: list[str | QuotedLines] = [QuotedLines(str(wrong).splitlines(), OUTPUT_HEADING), ""]
        lines.append("No list was read, and the catalogue stays as it is.")
        message, complete = (
            build_notification("Proscribe: the catalogue was not refreshed", lines, refreshed=False),
            False,
        )
    if message is None:
        return 0
    print(message.subject, message.text, sep="\n", flush=True)
    sent = send(message, options)
    return LIST_REFUSED if not complete else 0 if sent else NOT_SENT


def reports_of_run(options: Sequence[str]) -> Path:
    """Where a run with these options has its reports. Raises Refused and PolicyErrors."""
    if os.environ.get(ENVIRONMENT_VARIABLE):  # as the units have it, so no inventory has to be read
        return installation.locate_reports()
    question = inventory.question(inventory_arguments(options))
    return find_reports_folder(question.hosts, question.inventory)


def news(directory: Path, reports: Path) -> Notification | None:
    """What changed in a run, by its report and the history."""
    report = read_report(directory)
    try:
        history = open_history(report["run"].get("history") or "off", reports)
        said = read_run_history(history, report)
    except HistoryError as error:
        say(f"proscribe: the history cannot be read, so what is wrong counts as new: {error}", error=True)
        said = None
    return make_run_notification(report, read_records(directory), said, str(directory))


def requests_of(
    directory: Path, reports: Path, options: Sequence[str]
) -> tuple[Notification | None, list[dict[str, str]]]:
    """The notification of the requests that a run brought first (None for none), and the mails to heads."""
    try:
        run = read_report(directory)["run"]
        new = request_news.select_new_requests(requests_file.read_requests(reports), run["id"])
        departments = _departments(options) if new else {}
    except (OSError, ValueError, Refused, PolicyErrors) as error:
        say(f"proscribe: new requests are not reported: {error}", error=True)
        return None, []
    if not new:
        return None, []
    command = Call.of(run).command("requests", run["inventory"] or ()).line()
    return request_news.make_request_notification(new, departments, command), request_news.make_head_mails(
        new, departments, command
    )


def _departments(options: Sequence[str]) -> dict[str, request_news.DepartmentContact]:
    """The departments of an inventory, with the addresses of their heads. Raises Refused, PolicyErrors."""
    question = inventory.question(inventory_arguments(options))
    restrictions = read_all_restrictions(question.hosts)
    register = read_approver_list(find_approver_folders(question, restrictions), question.groups)
    return {
        name: request_news.DepartmentContact(frozenset(hosts), register[name].mail if name in register else "")
        for name, hosts in list_departments(question, restrictions).items()
    }


@contextlib.contextmanager
def _alone(reports: Path) -> Iterator[None]:
    """The lock of scheduled runs: on the directory of reports, so that no file stays behind and a kill lets go."""
    try:
        PlanStore(reports / PLANS_DIRECTORY).require_directories()
    except UntrustedStore as wrong:
        raise Refused(str(wrong)) from None
    descriptor = os.open(reports, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not locked(descriptor, 0):
            raise Refused(f"another scheduled run is under way (it has the lock of {reports}): {holder(descriptor)}")
        yield
    finally:
        os.close(descriptor)
