"""A heartbeat: whether a start of a program is noticed now, tried by an observation itself.

It tries to execute a file of root's that is no program. The kernel opens that as a program, reports it to whoever
listens (fanotify), and then refuses it: nothing is started. The daemon notes the process and the moment in its own
file. An ordinary user can neither open the one file nor write the other. The observation begins with its heartbeat and
ends with the answer, which is there by then: it waits only for a daemon that does not answer.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Mapping

from ...base.tuples import NamedTuple
from ...model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from ..system import WRITTEN_BY, ControlError, Host, Unseen, escaped
from ..system.units import evidently_active
from . import units
from .starts import reported
from .state import files

LAUNCHES = "watch/launches"
TEXT = f"# {WRITTEN_BY}\n# No program. The watch tries to execute it, to see whether starts are noticed.\n"
PATIENCE = 10.0  # seconds for an answer
AGAIN = 0.5  # seconds after which another heartbeat is made: in a flood of starts the kernel drops events
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.1
STOPPED = ("T", "t")  # proc_pid_stat(5): by a signal, by a debugger
NOT_RUNNING = "does not run"
IS_STOPPED = "is stopped by a signal, and notices no start"

NOTICED, UNABLE, UNTRIED, DEAF, LATE = "noticed", "unable", "untried", "deaf", "late"


class Heard(NamedTuple):
    """What came of a heartbeat: `state` is one of the five above, `detail` says why starts are not noticed."""

    state: str
    detail: str
    fields: Mapping[str, str] = {}

    @property
    def wrong(self) -> bool:
        """Whether starts are not noticed that could be."""
        return self.state in (DEAF, LATE)


class Heartbeat:
    """One heartbeat, which begins at once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.since = time.monotonic_ns()
        self.untried = ""
        self._beat()

    def _beat(self) -> None:
        try:
            seen = files.content_of(self.host, reported.HEARTBEAT, files.LARGEST_OF_OURS)
        except (files.Damaged, Unseen) as unread:
            self.untried = str(unread)
            return
        if seen != TEXT.encode():  # what is another program is never executed
            self.untried = f"{reported.HEARTBEAT}: {'is missing' if seen is None else 'is not what was installed'}"
            return
        number = self.host.refused_execution(reported.HEARTBEAT)
        if number != errno.ENOEXEC:
            self.untried = f"cannot execute {reported.HEARTBEAT}: {os.strerror(number)}"

    def heard(self, known: files.Settings) -> Heard:
        """What came of it, once the daemon has noted it and has read the plans of now. Waits where it has not."""
        desired = files.identity(known)
        end = time.monotonic() + PATIENCE
        again, pause = time.monotonic() + AGAIN, FIRST_PAUSE
        while True:
            found = self._at_once(desired)
            now = time.monotonic()
            if not found.wrong or now >= end or self._is_final(found):
                return found
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if now >= again:
                self._beat()
                again = now + AGAIN

    def _is_final(self, found: Heard) -> bool:
        """Whether no waiting helps: a daemon that has not started yet is one that systemd has begun to start."""
        never = found.detail == NOT_RUNNING and not evidently_active(self.host, units.LAUNCHES)
        return never or found.detail == IS_STOPPED

    def _at_once(self, desired: str) -> Heard:
        fields = fields_of(self.host)
        pid = reported.number(fields, "pid")
        if not pid or self.host.process(pid) is None:
            return Heard(DEAF, NOT_RUNNING, fields)
        if self.host.of_process(pid, "stat").rpartition(") ")[2][:1] in STOPPED:
            return Heard(DEAF, IS_STOPPED, fields)
        if not fields.get("by"):
            why = escaped(fields.get("refused", ""))
            limited = fields.get("limited")  # what a setting of the host takes, and the kernel has
            return Heard(DEAF if limited else UNABLE, f"starts cannot be noticed here ({why})", fields)
        if self.untried:
            return Heard(UNTRIED, f"whether starts are noticed could not be tried: {self.untried}", fields)
        if not reported.noted(fields, os.getpid(), self.since):
            return Heard(DEAF, f"does not notice a start within {PATIENCE:g} s", fields)
        if detail := _lost_marks(self.host, pid, fields):
            return Heard(DEAF, detail, fields)
        if fields.get("failing"):
            return Heard(LATE, f"cannot verify what starts: {escaped(fields['failing'])}", fields)
        if fields.get("read") != desired:
            never = "has not read yet what is restricted"
            return Heard(LATE, "follows another plan than this host has now" if fields.get("read") else never, fields)
        return Heard(NOTICED, "", fields)


def fields_of(host: Host) -> dict[str, str]:
    """What the daemon reports of itself; {} where none does. Raises Unseen."""
    try:
        seen = host.stat(reported.STATE)
        return reported.parsed(host.text(reported.STATE) or "") if seen and not seen.st_uid else {}
    except ControlError:
        return {}


def _lost_marks(host: Host, pid: int, fields: Mapping[str, str]) -> str:
    """By the kernel's own list of what the daemon's fanotify group listens to."""
    marked = reported.number(fields, "marked")
    if not marked:
        return ""
    lines = host.of_process(pid, f"fdinfo/{reported.number(fields, 'fanotify')}").split("\n")
    left = sum(line.startswith("fanotify sdev:") for line in lines)
    return f"notices starts on {left} of {marked} file systems" if left < marked else ""


def verdict(host: Host, known: files.Settings, heartbeat: Heartbeat) -> RuleVerdict:
    """Whether starts are noticed, as a rule. Raises Unseen."""
    heard = heartbeat.heard(known)
    if heard.state == NOTICED:
        return RuleVerdict(LAUNCHES, COMPLIANT)
    if heard.state == UNABLE:
        return RuleVerdict(LAUNCHES, NOT_APPLICABLE, reason=f"{heard.detail}; the timer's observation finds what runs")
    if heard.state == UNTRIED:
        return RuleVerdict(LAUNCHES, UNKNOWN, reason=heard.detail)
    return RuleVerdict(LAUNCHES, NONCOMPLIANT, (Finding("unit", units.LAUNCHES, detail=heard.detail),), drifted=True)
