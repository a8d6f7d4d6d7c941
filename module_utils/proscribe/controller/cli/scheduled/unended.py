"""A scheduled run that came to no end of its own: what systemd says of it, and what it left behind."""

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
from ...report.evaluation.arithmetic import has_answered
from ...report.evaluation.verdict import NOTHING_EXIT
from ...report.notification import Notification, QuotedLines, build_notification
from ...report.storage.complete import NEWEST, UnknownRun, UnreadableReport, find_run, read_records, read_report
from ...report.storage.files import JOURNAL_FILE, PARTIAL_SUFFIX, open_report_file, replace_file
from ...report.text.wording import counted
from .exit_codes import NO_REPORT, NOT_SENT, REPORTED
from .sending import send

# By the exit code of a unit that has not reported it itself; any other is a failure.
OUTCOMES = {str(NO_REPORT): "produced no report", NOTHING_EXIT: "evaluated nothing"}
NOT_WRITTEN = "the report cannot be written"  # what such a run prints (reported_run.py)
INVOCATION = re.compile(r"[0-9a-f]{32}")
MOST_LINES = 25  # of the log
LONGEST_LINE = 300  # characters
MOMENT = 900  # seconds in which systemd starts the unit that reports a failed run


def newest(reports: Path) -> Path | None:
    try:
        return find_run(reports, NEWEST)
    except (UnknownRun, UnreadableReport):
        return None


def failed(reports: Path, options: Sequence[str]) -> int:
    """Tell why the unit failed, unless the run has told its news itself."""
    said = _unit()
    status = said.get("ExecMainStatus", "")
    if said.get("Result") == "exit-code" and status.isdigit() and int(status) in REPORTED:
        return 0
    notification = failure(said, *_left(reports), _log(said.get("InvocationID", "")))
    with contextlib.suppress(OSError), replace_file(reports / "ended.json") as stream:
        json.dump(notification.facts, stream, indent=2)
    print(notification.subject, notification.text, sep="\n", flush=True)
    return 0 if send(notification, options) else NOT_SENT


def failure(unit: dict[str, str], partial: str, answered: int, log: Sequence[str] = ()) -> Notification:
    """The notification of a run that came to no end of its own. `unit` is what systemd says of it. `partial` is the
    directory of the report that it began ("" for none), and `has_answered` how many hosts had answered in it. `log` are the
    last lines that it printed.
    """
    result, status = unit.get("Result", ""), unit.get("ExecMainStatus", "")
    reasons = {
        "timeout": "was ended, because it had not come to an end in the time that proscribe_schedule_timeout gives it",
        "exit-code": f"{OUTCOMES.get(status, 'failed')} (it ended with {status})",
        "signal": f"was killed by signal {status}",
        "oom-kill": "was killed by the kernel, which had no memory left",
    }
    why = reasons.get(result, f"failed ({result or 'systemd does not say how'})")
    begun = unit.get("ExecMainStartTimestamp", "")
    lines: list[str | QuotedLines] = [f"The scheduled run{f' of {begun}' if begun else ''} {why}.", ""]
    if partial and any(NOT_WRITTEN in line for line in log):
        lines.append(f"What its hosts answered could not be written to {partial}.")
        answered = 0
    elif partial:
        lines.append(f"Until then {counted(answered, 'host')} had answered; what they said is in {partial}.")
    lines += ["It does not show the state of the hosts.", f"Its log: journalctl -u {DRIFT_UNIT}.service"]
    if log:
        lines += ["", "The end of its log:", QuotedLines([f"  {line}" for line in log], OUTPUT_HEADING)]
    facts = {
        "result": result,
        "status": status,
        "begun": begun or None,
        "report": partial or None,
        "answered": answered,
    }
    return build_notification(f"Proscribe: a scheduled run {why.partition(',')[0]}", lines, **facts)


def _unit() -> dict[str, str]:
    """What systemd says of the drift unit's last run."""
    properties = "Result,ExecMainStatus,ExecMainStartTimestamp,InvocationID"
    argv = ["systemctl", "show", f"{DRIFT_UNIT}.service", f"--property={properties}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _log(invocation: str) -> list[str]:
    """Return the last lines that the drift unit printed in one of its runs; none where the journal cannot be read."""
    if not INVOCATION.fullmatch(invocation):
        return []
    argv = ["journalctl", "--no-pager", "--output=cat", f"--lines={MOST_LINES}", f"_SYSTEMD_INVOCATION_ID={invocation}"]
    try:
        done = subprocess.run(argv, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.rstrip()[:LONGEST_LINE] for line in done.stdout.splitlines() if line.strip()]


def _left(reports: Path) -> tuple[str, int]:
    """The report of the run that has just come to no end, and how many hosts had answered in it: the newest that was
    begun after the newest complete one, or that, if it was interrupted.
    """
    last = newest(reports)
    begun = sorted(path for path in reports.glob(f"*{PARTIAL_SUFFIX}") if last is None or path.name > last.name)
    if begun:
        return str(begun[-1]), _answered(begun[-1] / JOURNAL_FILE)
    if last is None or not _has_just_ended(last):
        return "", 0
    return str(last), sum(map(has_answered, read_records(last)))


def _answered(journal: Path) -> int:
    hosts = set()
    with contextlib.suppress(OSError), open_report_file(journal) as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, IndexError):  # the last line may be cut in half
                if (event := json.loads(line))[:1] == ["answered"]:
                    hosts.add(event[1])
    return len(hosts)


def _interrupted(directory: Path) -> RunInterruption | None:
    """How the run of a report was interrupted; None for one that was not."""
    with contextlib.suppress(OSError, UnreadableReport):
        return read_report(directory)["run"].get("interrupted")
    return None


def closed_by(directory: Path) -> str:
    """The run that has closed the report of an earlier one; "" for a report that its own run has written."""
    interrupted = _interrupted(directory)
    return interrupted.get("closed_by") or "" if interrupted else ""


def _has_just_ended(directory: Path) -> bool:
    """Whether a report is of a run that was interrupted a moment ago, and has closed it itself."""
    young = time.time() - directory.stat().st_mtime < MOMENT
    return young and _interrupted(directory) is not None and not closed_by(directory)
