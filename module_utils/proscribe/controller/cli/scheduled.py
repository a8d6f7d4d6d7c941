"""`./proscribe scheduled`: what the timers start. One run at a time, and a notice of what changed, if anything did."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...host.schedule.timers import DRIFT
from ...wire import installation
from ...wire.store import PLANS, Store, Untrusted
from ..compile.inventory.policy_folders import folders_of_registers
from ..compile.inventory.reports_place import ENVIRONMENT, reports_of
from ..compile.plans.departments import departments_of
from ..compile.plans.hosts import Compiled, compile_hosts
from ..compile.plans.policy import read_all
from ..compile.restrictions.points import Fed
from ..compile.waivers.authority import read_register
from ..policy_errors import PolicyErrors
from ..report import request_news
from ..report.evaluation.arithmetic import answered
from ..report.history import HistoryError, open_history
from ..report.notification import Notification, known, made, notification
from ..report.storage import requests_file
from ..report.storage.complete import NEWEST, NoSuchRun, UnreadableReport, find_run, read_records, read_report
from ..report.storage.files import JOURNAL, SUFFIX, opened, whole
from ..report.text.command import Call
from ..report.text.wording import clean, counted
from ..waiting import holder, locked
from . import Refused, inventory, say

NO_REPORT = 78  # the run produced no report; systemd's OnFailure= then reports that
NOT_SENT = 76  # all went well but for the notice
NOT_WRITTEN = 74  # all went well but for an export
MOMENT = 900  # seconds in which systemd starts the unit that reports a failed run

# The codes of runs that came to a report and have sent what there was to report.
REPORTED = (2, 4, 10, 11, 13, 14, NOT_WRITTEN, NOT_SENT)

EPILOG = """\
The units that `./proscribe schedule` sets up call it; by hand it does the same:

  ./proscribe scheduled drift -- -i inventory/prod        checks, corrects what has drifted, reports what changed
  ./proscribe scheduled collect -- -i inventory/prod      collects the results of hosts that run by themselves

Only one runs at a time. Exports with a directory in proscribe_exports_fed are written again where they are not up to
date. The exit code is the run's own; 78 if the run produced no report; 74 if only an export could not be written; 76 if
only the notification could not be sent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the word."""
    parser.description = "One scheduled run: what the timers start."
    parser.epilog = EPILOG
    parser.add_argument(
        "what", choices=("drift", "collect", "failed"), help="failed: report a run that did not end well"
    )
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS", help="the options of the run, after --")


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises Refused."""
    try:
        reports = reports_of_run(arguments.options)
    except (Refused, PolicyErrors) as wrong:
        if arguments.what == "failed":
            return _failed(installation.reports(), arguments.options)
        say(f"proscribe: no run is started, since its inventory does not say where reports go\n{wrong}", error=True)
        return NO_REPORT
    if arguments.what == "failed":
        return _failed(reports, arguments.options)
    with _alone(reports):
        before = _newest(reports)
        code = subprocess.call(
            [*installation.launcher(sys.executable), arguments.what, *arguments.options], stdin=subprocess.DEVNULL
        )
        directory = _newest(reports)
        if directory is None or directory == before or _closed_by(directory):
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
            sent = _send(one, arguments.options, mails) and sent
    return code if sent else code or NOT_SENT


def reports_of_run(options: Sequence[str]) -> Path:
    """Where a run with these options has its reports. Raises Refused and PolicyErrors."""
    if os.environ.get(ENVIRONMENT):  # as the units have it, so no inventory has to be read
        return installation.reports()
    question = inventory.question(_inventory_arguments(options))
    return reports_of(question.hosts, question.inventory)


def news(directory: Path, reports: Path) -> Notification | None:
    """What changed in a run, by its report and the history."""
    report = read_report(directory)
    try:
        history = open_history(report["run"].get("history") or "off", reports)
        said = known(history, report)
    except HistoryError as error:
        say(f"proscribe: the history cannot be read, so what is wrong counts as new: {error}", error=True)
        said = None
    return notification(report, read_records(directory), said, str(directory))


def requests_of(
    directory: Path, reports: Path, options: Sequence[str]
) -> tuple[Notification | None, list[dict[str, Any]]]:
    """The notification of the requests that a run brought first (None for none), and the mails to heads."""
    try:
        run = read_report(directory)["run"]
        new = request_news.new_requests(requests_file.read(reports), run["id"])
        departments = _departments(options) if new else {}
    except (OSError, ValueError, Refused, PolicyErrors) as error:
        say(f"proscribe: new requests are not reported: {error}", error=True)
        return None, []
    if not new:
        return None, []
    command = Call.of(run).command("requests", run["inventory"] or ()).line()
    return request_news.notification(new, departments, command), request_news.for_heads(new, departments, command)


def _departments(options: Sequence[str]) -> dict[str, request_news.Department]:
    """The departments of an inventory, with the addresses of their heads. Raises Refused, PolicyErrors."""
    question = inventory.question(_inventory_arguments(options))
    restrictions = read_all(question.hosts)
    register = read_register(folders_of_registers(question, restrictions), question.groups)
    return {
        name: request_news.Department(frozenset(hosts), register[name].mail if name in register else "")
        for name, hosts in departments_of(question, restrictions).items()
    }


def renewed(directory: Path, options: Sequence[str]) -> Notification | None:
    """The notification of the fed exports of a run that were written again, or could not be; None where all are up to
    date.
    """
    fed_exports = [Fed(**one) for one in read_report(directory)["run"].get("exports_fed") or ()]
    if not fed_exports:
        return None
    from . import export  # with all its formats

    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    every = argparse.Namespace(**{**vars(_inventory_arguments(options)), "limit": ""})
    written: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []

    @functools.cache
    def compiled(group: str) -> Compiled:
        return compile_hosts(inventory.question(every, group=group, served=False), now)

    for fed in fed_exports:
        try:
            if differs := export.renew(fed, compiled(fed.group), now):
                written.append({**fed._asdict(), "why": differs[0], "differences": len(differs)})
        except (Refused, PolicyErrors, OSError) as wrong:
            failed.append({**fed._asdict(), "why": str(wrong)})
    return export_news(written, failed) if written or failed else None


def export_news(written: Sequence[dict[str, Any]], failed: Sequence[dict[str, Any]]) -> Notification:
    """The notice of exports."""
    lines = []
    for head, those in (
        ("Not written:", failed),
        ("Written again; whoever is fed with them has to load them:", written),
    ):
        lines += [head] if those else []
        for one in those:
            of = f" of group {one['group']}" if one["group"] else ""
            more = f", and {one['differences'] - 1} more" if one.get("differences", 1) > 1 else ""
            lines.append(f"  {one['directory']} ({one['format']}{of}): {one['why']}{more}")
    said = [f"{counted(len(failed), 'export')} not written"] if failed else []
    said += [f"{counted(len(written), 'export')} written again"] if written else []
    return made(f"Proscribe: {', '.join(said)}", lines, written=[*written], not_written=[*failed])


@contextlib.contextmanager
def _alone(reports: Path) -> Iterator[None]:
    """The lock of scheduled runs: on the directory of reports, so that no file stays behind and a kill lets go."""
    try:
        Store(reports / PLANS).require()
    except Untrusted as wrong:
        raise Refused(str(wrong)) from None
    descriptor = os.open(reports, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not locked(descriptor, 0):
            raise Refused(
                f"another scheduled run is under way (it has the lock of {reports}): {holder(descriptor)}; nothing was"
                " done"
            )
        yield
    finally:
        os.close(descriptor)


def _newest(reports: Path) -> Path | None:
    try:
        return find_run(reports, NEWEST)
    except (NoSuchRun, UnreadableReport):
        return None


# -- a run that did not end well ---------------------------------------------------------------------------------------


def _failed(reports: Path, options: Sequence[str]) -> int:
    """Tell why the unit failed, unless the run has told its news itself."""
    said = _unit()
    status = said.get("ExecMainStatus", "")
    if said.get("Result") == "exit-code" and status.isdigit() and int(status) in REPORTED:
        return 0
    notification = failure(said, *_left(reports))
    with contextlib.suppress(OSError), whole(reports / "ended.json") as stream:
        json.dump(notification.facts, stream, indent=2)
    print(notification.subject, notification.text, sep="\n", flush=True)
    return 0 if _send(notification, options) else NOT_SENT


def failure(unit: dict[str, str], partial: str, answered: int) -> Notification:
    """The notice of a run that came to no end of its own. `unit` is what systemd says of it, `partial` the directory of
    the report that it began ("" for none), `answered` how many hosts had answered in it.
    """
    result, status = unit.get("Result", ""), unit.get("ExecMainStatus", "")
    reasons = {
        "timeout": "was ended, because it had not come to an end in the time that proscribe_schedule_timeout gives it",
        "exit-code": f"produced no report (it ended with {status})",
        "signal": f"was killed by signal {status}",
        "oom-kill": "was killed by the kernel, which had no memory left",
    }
    why = reasons.get(result, f"failed ({result or 'systemd does not say how'})")
    begun = unit.get("ExecMainStartTimestamp", "")
    lines = [f"The scheduled run{f' of {begun}' if begun else ''} {why}.", ""]
    if partial:
        lines.append(f"Until then {counted(answered, 'host')} had answered; what they said is in {partial}.")
    lines += ["It does not show the state of the hosts.", f"Its log: journalctl -u {DRIFT}.service"]
    facts = {
        "result": result,
        "status": status,
        "begun": begun or None,
        "report": partial or None,
        "answered": answered,
    }
    return made(f"Proscribe: a scheduled run {why.partition(',')[0]}", lines, **facts)


def _unit() -> dict[str, str]:
    """What systemd says of the drift unit's last run."""
    properties = "Result,ExecMainStatus,ExecMainStartTimestamp"
    argv = ["systemctl", "show", f"{DRIFT}.service", f"--property={properties}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _left(reports: Path) -> tuple[str, int]:
    """The report of the run that has just come to no end, and how many hosts had answered in it: the newest that was
    begun after the newest complete one, or that, if it was interrupted.
    """
    newest = _newest(reports)
    begun = sorted(path for path in reports.glob(f"*{SUFFIX}") if newest is None or path.name > newest.name)
    if begun:
        return str(begun[-1]), _answered(begun[-1] / JOURNAL)
    if newest is None or not _has_just_ended(newest):
        return "", 0
    return str(newest), sum(map(answered, read_records(newest)))


def _answered(journal: Path) -> int:
    hosts = set()
    with contextlib.suppress(OSError), opened(journal) as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, IndexError):  # the last line may be cut in half
                if (event := json.loads(line))[:1] == ["answered"]:
                    hosts.add(event[1])
    return len(hosts)


def _interrupted(directory: Path) -> Mapping[str, Any]:
    """How the run of a report was interrupted; nothing of one that was not."""
    with contextlib.suppress(OSError, UnreadableReport):
        return read_report(directory)["run"].get("interrupted") or {}
    return {}


def _closed_by(directory: Path) -> str:
    """The run that has closed the report of an earlier one; "" for a report that its own run has written."""
    return str(_interrupted(directory).get("closed_by") or "")


def _has_just_ended(directory: Path) -> bool:
    """Whether a report is of a run that was interrupted a moment ago, and has closed it itself."""
    young = time.time() - directory.stat().st_mtime < MOMENT
    return young and bool(_interrupted(directory)) and not _closed_by(directory)


# -- sending -----------------------------------------------------------------------------------------------------------


def _send(notification: Notification, options: Sequence[str], heads: Sequence[dict[str, Any]] = ()) -> bool:
    """Have the notice sent to where the inventory's proscribe_notify says, and mails to heads; if all went well."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # only this account can read it
        json.dump({**notification.as_dict(), "heads": [*heads]}, file)
        file.flush()
        argv = [
            sys.executable,
            "-I" if sys.flags.isolated else "-EP",  # as the launcher has found that this Ansible needs it
            "-m",
            "ansible",
            "playbook",
            installation.playbook("notify"),
            *_of_inventory(options),
            "-e",
            json.dumps({"proscribe_notice_file": file.name}),  # never its text, which hosts and their users wrote
        ]
        quiet = {**os.environ, "ANSIBLE_NO_TARGET_SYSLOG": "1"}  # it would log the whole notice once more
        done = subprocess.run(argv, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        print("proscribe: the notification could not be sent:", file=sys.stderr)
        print(*(clean(line) for line in done.stdout.splitlines()[-12:]), sep="\n", file=sys.stderr)
    return done.returncode == 0


def _of_inventory(options: Sequence[str]) -> list[str]:
    """Of a run's options those that say where the inventory is and how to read it; no --limit, which leaves localhost
    out.
    """
    found = _inventory_arguments(options)
    return [
        word
        for option in inventory.inventory_options(found)
        if option.name != "ask_vault_pass"
        for word in option.words()
    ]


def _inventory_arguments(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    inventory.add_options(parser)
    found, _ = parser.parse_known_args(list(options))
    return found
