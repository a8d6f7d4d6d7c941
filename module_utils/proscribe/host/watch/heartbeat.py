"""Heartbeat: a test, during an observation, whether the watcher's daemon notices starts of programs now.

The observation tries to execute a file of root's that is no program. The kernel opens the file as a program, reports
that to its listeners (fanotify), and then refuses. So nothing is started. The daemon notes the process and the moment
in its report. An ordinary user can neither open the executed file nor write the report. The heartbeat is sent at the
beginning of an observation, and the report is read at the end. By then the daemon has had time, so the observation
waits only for a daemon that does not answer.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Mapping

from ...base.named_tuple import NamedTuple
from ...model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from ..system import WRITTEN_BY, ControlError, Host, ObservationError, escape_text
from ..system.units import STOPPED_STATES, is_evidently_active
from . import watch_units
from .starts import daemon_report
from .state import watch_files

LAUNCHES_RULE = "watch/launches"
HEARTBEAT_TEXT = f"# {WRITTEN_BY}\n# No program. The watch tries to execute it, to see whether starts are noticed.\n"
ANSWER_TIMEOUT_SECONDS = 10.0
REPEAT_SECONDS = 0.5  # until the heartbeat is sent again: the kernel drops events if very many programs start
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.005, 0.1
NOT_RUNNING = "does not run"
IS_STOPPED = "is stopped by a signal, and notices no start"

# States of a heartbeat. NOTICED: starts are noticed by the current plan. UNABLE: the kernel of this host cannot report
# starts. UNTRIED: the test itself was not possible. DEAF: the daemon does not run, or does not notice starts. LATE: the
# daemon notices starts, but does not or cannot judge them by the current plan.
NOTICED, UNABLE, UNTRIED, DEAF, LATE = "noticed", "unable", "untried", "deaf", "late"


class HeartbeatResult(NamedTuple):
    """Result of a heartbeat.

    `state` is one of NOTICED to LATE. `detail` is the reason why starts are not noticed; "" for NOTICED. `fields` are
    those of the daemon's report (daemon_report.py).
    """

    state: str
    detail: str
    fields: Mapping[str, str] = {}

    @property
    def is_wrong(self) -> bool:
        """Return whether this host could notice starts of programs and does not."""
        return self.state in (DEAF, LATE)


class Heartbeat:
    """Heartbeat that is sent when the object is made, and whose result is read later."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.started_ns = time.monotonic_ns()
        self.untried_reason = ""  # why the heartbeat could not be sent; "" if it was sent
        self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        """Try to execute the heartbeat file.

        If that is not possible or unsafe, store the reason as `untried_reason`.
        """
        try:
            content = watch_files.read_watch_file(
                self.host, daemon_report.HEARTBEAT_PATH, watch_files.MAX_OWN_FILE_BYTES
            )
        except (watch_files.DamagedFileError, ObservationError) as error:
            self.untried_reason = str(error)
            return
        if content != HEARTBEAT_TEXT.encode():  # a file at this path with another content is never executed
            self.untried_reason = (
                f"{daemon_report.HEARTBEAT_PATH}: {'is missing' if content is None else 'is not what was installed'}"
            )
            return
        error_number = self.host.try_execution(daemon_report.HEARTBEAT_PATH)
        if error_number != errno.ENOEXEC:
            self.untried_reason = f"cannot execute {daemon_report.HEARTBEAT_PATH}: {os.strerror(error_number)}"

    def wait_for_result(self, settings: watch_files.WatchSettings) -> HeartbeatResult:
        """Return the result as soon as the daemon has noted the heartbeat and follows the current plans.

        `settings` are the settings of the watch that the daemon should follow. Waits at most ANSWER_TIMEOUT_SECONDS,
        and not at all if waiting cannot help. The result then says what is wrong.
        """
        desired = watch_files.identify_settings(settings)
        deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        repeat_at, pause = time.monotonic() + REPEAT_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            result = self._read_result(desired)
            now = time.monotonic()
            if not result.is_wrong or now >= deadline or self._is_final(result):
                return result
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
            if now >= repeat_at:
                self._send_heartbeat()
                repeat_at = now + REPEAT_SECONDS

    def _is_final(self, result: HeartbeatResult) -> bool:
        """Return whether waiting for a better result is useless: the daemon is stopped, or will not start.

        A daemon that does not run yet may still start if systemd has begun to start its unit.
        """
        will_not_start = result.detail == NOT_RUNNING and not is_evidently_active(self.host, watch_units.LAUNCHES_UNIT)
        return will_not_start or result.detail == IS_STOPPED

    def _read_result(self, desired: str) -> HeartbeatResult:
        """Judge from the daemon's report whether it notices starts and follows the current plans.

        `desired` is the identity of the settings (identify_settings) that the daemon should have read.
        """
        fields = read_daemon_fields(self.host)
        pid = daemon_report.parse_number_field(fields, "pid")
        if not pid or self.host.find_process(pid) is None:
            return HeartbeatResult(DEAF, NOT_RUNNING, fields)
        # the first field of /proc/PID/stat after the program's name is the state
        if self.host.read_process_file(pid, "stat").rpartition(") ")[2][:1] in STOPPED_STATES:
            return HeartbeatResult(DEAF, IS_STOPPED, fields)
        if not fields.get("by"):  # the daemon has no source of starts
            reason = escape_text(fields.get("refused", ""))
            # set if the kernel can report starts, and a limit of the host prevents that
            limited = fields.get("limited")
            return HeartbeatResult(DEAF if limited else UNABLE, f"starts cannot be noticed here ({reason})", fields)
        if self.untried_reason:
            return HeartbeatResult(
                UNTRIED, f"whether starts are noticed could not be tried: {self.untried_reason}", fields
            )
        if not daemon_report.has_noted_beat(fields, os.getpid(), self.started_ns):
            return HeartbeatResult(DEAF, f"does not notice a start within {ANSWER_TIMEOUT_SECONDS:g} s", fields)
        if detail := _describe_lost_marks(self.host, pid, fields):
            return HeartbeatResult(DEAF, detail, fields)
        if fields.get("failing"):
            return HeartbeatResult(LATE, f"cannot verify what starts: {escape_text(fields['failing'])}", fields)
        if fields.get("read") != desired:
            not_read = "has not read yet what is restricted"
            return HeartbeatResult(
                LATE, "follows another plan than this host has now" if fields.get("read") else not_read, fields
            )
        return HeartbeatResult(NOTICED, "", fields)


def read_daemon_fields(host: Host) -> dict[str, str]:
    """Return the fields of the daemon's report; {} if root has written no report. Raises ObservationError."""
    try:
        status = host.find_entry(daemon_report.REPORT_PATH)
        return (
            daemon_report.parse_report(host.read_text(daemon_report.REPORT_PATH) or "")
            if status and not status.st_uid
            else {}
        )
    except ControlError:
        return {}


def _describe_lost_marks(host: Host, pid: int, fields: Mapping[str, str]) -> str:
    """Return a message if the daemon has lost the kernel's reports of starts on some file systems; else "".

    The kernel's list of the marks of the daemon's fanotify group is compared with the number in the daemon's report.
    """
    marked_count = daemon_report.parse_number_field(fields, "marked")
    if not marked_count:
        return ""
    lines = host.read_process_file(pid, f"fdinfo/{daemon_report.parse_number_field(fields, 'fanotify')}").split("\n")
    remaining = sum(line.startswith("fanotify sdev:") for line in lines)
    return f"notices starts on {remaining} of {marked_count} file systems" if remaining < marked_count else ""


def judge_launches(host: Host, settings: watch_files.WatchSettings, heartbeat: Heartbeat) -> RuleVerdict:
    """Judge rule `watch/launches` by a heartbeat: whether starts of programs are noticed.

    Raises ObservationError.
    """
    result = heartbeat.wait_for_result(settings)
    if result.state == NOTICED:
        return RuleVerdict(LAUNCHES_RULE, COMPLIANT)
    if result.state == UNABLE:
        return RuleVerdict(
            LAUNCHES_RULE, NOT_APPLICABLE, reason=f"{result.detail}; the timer's observation finds what runs"
        )
    if result.state == UNTRIED:
        return RuleVerdict(LAUNCHES_RULE, UNKNOWN, reason=result.detail)
    return RuleVerdict(
        LAUNCHES_RULE, NONCOMPLIANT, (Finding("unit", watch_units.LAUNCHES_UNIT, detail=result.detail),), drifted=True
    )
