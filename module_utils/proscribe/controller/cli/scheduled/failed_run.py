"""The notification of a scheduled run that failed or was killed, from systemd's data and the partial report."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ....base.chat_text import OUTPUT_HEADING
from ....host.schedule.timers import DRIFT_UNIT
from ....model.types.run import RunInterruption
from ...files import replace_file
from ...report.evaluation.arithmetic import is_evaluated
from ...report.evaluation.verdict import NOTHING_EXIT
from ...report.notification import Notification, QuotedLines, build_notification
from ...report.storage.report_directory import FILE_MODE, JOURNAL_FILE, PARTIAL_SUFFIX, open_report_file
from ...report.storage.report_reader import NEWEST, UnknownRun, UnreadableReport, find_run, read_records, read_report
from ...report.text.wording import format_count
from .exit_codes import NO_REPORT, NOT_SENT, REPORTED_CODES
from .notification_transport import send_notification

# Phrases for exit codes of a run that has not reported its result itself. Any other code is a failure.
OUTCOMES_BY_CODE = {str(NO_REPORT): "produced no report", NOTHING_EXIT: "evaluated nothing"}
NOT_WRITTEN_TEXT = "the report cannot be written"  # a run prints this if it cannot write its report (reported_run.py)
INVOCATION_PATTERN = re.compile(r"[0-9a-f]{32}")
MAX_LOG_LINES = 25
MAX_LINE_LENGTH = 300
FAILURE_DELAY_SECONDS = 900  # systemd starts the unit that reports a failed run within this time


def find_newest_run(reports: Path) -> Path | None:
    """Return the report directory of the newest complete run; None if there is none that can be read."""
    try:
        return find_run(reports, NEWEST)
    except (UnknownRun, UnreadableReport):
        return None


def report_failed_run(reports: Path, options: Sequence[str]) -> int:
    """Send a notification that explains why the unit of scheduled runs failed, and return the exit code.

    Nothing is sent if the run has already sent its own notification. The facts are stored as `ended.json` in the
    directory `reports`. `options` are those of the run.
    """
    unit_properties = _read_unit_properties()
    status = unit_properties.get("ExecMainStatus", "")
    if unit_properties.get("Result") == "exit-code" and status.isdigit() and int(status) in REPORTED_CODES:
        return 0
    notification = make_failure_notification(
        unit_properties, *_find_unended_report(reports), _read_log(unit_properties.get("InvocationID", ""))
    )
    with contextlib.suppress(OSError), replace_file(reports / "ended.json", FILE_MODE) as stream:
        json.dump(notification.facts, stream, indent=2)
    print(notification.subject, notification.text, sep="\n", flush=True)
    return 0 if send_notification(notification, options) else NOT_SENT


def make_failure_notification(
    unit_properties: dict[str, str], partial_report: str, answered_count: int, log: Sequence[str] = ()
) -> Notification:
    """Return the notification of a scheduled run that failed or was killed.

    `unit_properties` are systemd's properties of the run. `partial_report` is the directory of the run's unfinished
    report, "" for none. `answered_count` is the number of hosts that answered in this report. `log` has the last lines
    that the run printed.
    """
    result, status = unit_properties.get("Result", ""), unit_properties.get("ExecMainStatus", "")
    reasons = {
        "timeout": "was ended, because it had not come to an end in the time that proscribe_schedule_timeout gives it",
        "exit-code": f"{OUTCOMES_BY_CODE.get(status, 'failed')} (it ended with {status})",
        "signal": f"was killed by signal {status}",
        "oom-kill": "was killed by the kernel, which had no memory left",
    }
    reason = reasons.get(result, f"failed ({result or 'systemd does not say how'})")
    started_at = unit_properties.get("ExecMainStartTimestamp", "")
    lines: list[str | QuotedLines] = [f"The scheduled run{f' of {started_at}' if started_at else ''} {reason}.", ""]
    if partial_report and any(NOT_WRITTEN_TEXT in line for line in log):
        lines.append(f"What its hosts answered could not be written to {partial_report}.")
        answered_count = 0
    elif partial_report:
        lines.append(
            f"Until then {format_count(answered_count, 'host')} had answered; what they said is in {partial_report}."
        )
    lines += ["It does not show the state of the hosts.", f"Its log: journalctl -u {DRIFT_UNIT}.service"]
    if log:
        lines += ["", "The end of its log:", QuotedLines([f"  {line}" for line in log], OUTPUT_HEADING)]
    facts = {
        "result": result,
        "status": status,
        "begun": started_at or None,
        "report": partial_report or None,
        "answered": answered_count,
    }
    return build_notification(f"Proscribe: a scheduled run {reason.partition(',')[0]}", lines, **facts)


def _read_unit_properties() -> dict[str, str]:
    """Return systemd's properties of the last scheduled run by name; {} if systemd does not answer."""
    properties = "Result,ExecMainStatus,ExecMainStartTimestamp,InvocationID"
    command = ["systemctl", "show", f"{DRIFT_UNIT}.service", f"--property={properties}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def _read_log(invocation: str) -> list[str]:
    """Return the last lines that a scheduled run printed; [] if the journal cannot be read.

    `invocation` is systemd's InvocationID of the run.
    """
    if not INVOCATION_PATTERN.fullmatch(invocation):
        return []
    command = [
        "journalctl",
        "--no-pager",
        "--output=cat",
        f"--lines={MAX_LOG_LINES}",
        f"_SYSTEMD_INVOCATION_ID={invocation}",
    ]
    try:
        result = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.rstrip()[:MAX_LINE_LENGTH] for line in result.stdout.splitlines() if line.strip()]


def _find_unended_report(reports: Path) -> tuple[str, int]:
    """Return the directory of the failed run's report, and the number of hosts that answered; ("", 0) for no report.

    The report is the newest partial report, if it is newer than all complete reports. Otherwise it is the newest
    complete report, if that run was interrupted a moment ago.
    """
    newest_run = find_newest_run(reports)
    begun_reports = sorted(
        path for path in reports.glob(f"*{PARTIAL_SUFFIX}") if newest_run is None or path.name > newest_run.name
    )
    if begun_reports:
        return str(begun_reports[-1]), _count_answered_hosts(begun_reports[-1] / JOURNAL_FILE)
    if newest_run is None or not _has_just_ended(newest_run):
        return "", 0
    return str(newest_run), sum(map(is_evaluated, read_records(newest_run)))


def _count_answered_hosts(journal: Path) -> int:
    """Return the number of hosts that answered, from the journal of an unfinished report; 0 without a journal."""
    answered_hosts = set()
    with contextlib.suppress(OSError), open_report_file(journal) as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, IndexError):  # a killed run may leave a partial last line
                if (event := json.loads(line))[:1] == ["answered"]:
                    answered_hosts.add(event[1])
    return len(answered_hosts)


def _read_interruption(directory: Path) -> RunInterruption | None:
    """Return the data about the interruption of a report's run; None if the run was not interrupted."""
    with contextlib.suppress(OSError, UnreadableReport):
        return read_report(directory)["run"].get("interrupted")
    return None


def find_closing_run(directory: Path) -> str:
    """Return the id of the later run that completed the report of a killed run.

    The result is "" for a report that its own run completed.
    """
    interrupted = _read_interruption(directory)
    return interrupted.get("closed_by") or "" if interrupted else ""


def _has_just_ended(directory: Path) -> bool:
    """Return whether the run of a report was interrupted a moment ago, and completed the report itself."""
    is_recent = time.time() - directory.stat().st_mtime < FAILURE_DELAY_SECONDS
    return is_recent and _read_interruption(directory) is not None and not find_closing_run(directory)
