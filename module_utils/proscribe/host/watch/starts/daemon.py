"""The daemon that notices starts: it waits for the kernel, compares paths, and leaves every judgement to another
process.

It is to cost nothing while nothing happens, and little while very much does. So it imports next to nothing, waits in
one poll without a timeout, and takes events in bundles. It pays for what is verified out of a budget of processor time
(`Budget`). What may be restricted goes to the verifier (verifying.py). It is a process with the enforcing code that is
started when it is needed and ends by itself. Whoever floods it with starts waits in a queue of his own.

Nothing that a user starts, mounts or names can end it: what the kernel reports is data, and what fails is left out.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is this one with enumerations
import os
import select
import time
from typing import TYPE_CHECKING, Any

from . import reported
from .fanotify import is_loader
from .inotify import OPENED, Inotify
from .prefilter import Prefilter, link, plain
from .process_users import observes, owner_of, user_of
from .programs import CONTENT, HIDDEN, PASSES, Programs, key_of
from .reported import HEARTBEAT, STATE
from .sources import Sources
from .verifier import ANSWERS_WITHIN, Verifier
from .waiting import Budget, Start, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....model.types.watch import VerifierSets

SETTLE = 0.01  # seconds after the first event: then its process is the new program
PAUSE = 0.04  # seconds between two bundles: a thousand events cost one wake-up
LONGEST = 500  # characters of the path of each: its end
SCAN_EVERY = 5.0  # seconds between two scans of /proc, which follow lost events
SCAN_ANYWAY = 30.0  # and where no kernel reports processes: a program that a loader starts is no file that is run
MOUNTS_EVERY = 0.5
CHANGED = 2.0  # seconds after a change of the plan or of what is installed, until it is read
READ_EVERY = 10.0  # and between two of these
READ_ANYWAY = 6 * 3600.0  # so often what is restricted is read although nothing has changed: it shows that it can be
RETRY, LONGEST_RETRY = 5.0, 60.0  # after a verifier that could not say what is restricted
READS_WITHIN = 90.0  # seconds in which a busy host starts a verifier that reads everything
MISSED = 30.0  # seconds that an own observation of the host may be late by
MISSED_AGAIN = 600.0  # and until it is looked after again, where that did not help
FAILED = 0.2  # seconds of processor time that a verifier counts which ended without an answer


class Noticing:
    """The daemon."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.prefilter: Prefilter | None = None
        self.files: set[str] = set()  # what the prefilter follows from
        self.matter: set[str] = set()  # their names
        self.programs = Programs()
        self.waiting = Waiting()
        self.verifier: Verifier | None = None
        now = time.monotonic()
        self.budget = Budget(now)
        self.read_due: float | None = now  # when the prefilter is to be made anew
        self.read_at = now - READ_EVERY
        self.scan_due: float | None = None
        self.scanned_at = now - SCAN_EVERY
        self.mounts_due: float | None = None
        self.lost = 0
        self.failing = ""  # why what starts cannot be verified
        self.retry = RETRY
        self.read = ""  # which settings the prefilter follows (files.identity)
        self.beats: list[str] = []
        self.every = 0.0  # seconds between two own observations of the host; 0 while that is not known
        self.missed_due: float | None = None  # when the next one is missed
        self.poll = select.poll()
        self.inotify = Inotify()
        self.poll.register(self.inotify, select.POLLIN)
        self.sources = Sources()
        self._open()

    def _open(self) -> None:
        self.sources.open(self.poll)
        if not self.sources.fanotify:  # nobody reports whose heartbeat it is, but that there was one
            self.inotify.watch(HEARTBEAT.rpartition("/")[0], OPENED)
        self._note()

    def _note(self) -> None:
        """Write down what starts are seen by, and what was noted, for who observes this host."""
        fields = {
            "pid": str(os.getpid()),
            **self.sources.fields(),
            "read": self.read,
            "failing": self.failing,
            "beats": " ".join(self.beats),
        }
        try:
            descriptor = os.open(f"{STATE}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            os.write(descriptor, reported.report_of(fields).encode())
            os.close(descriptor)
            os.rename(f"{STATE}.new", STATE)
        except OSError:
            pass

    # -- the loop

    def run(self) -> None:
        """Notice starts, for ever."""
        while True:
            self.step(self.timeout(time.monotonic()))

    def timeout(self, now: float) -> float | None:
        """Seconds until there is something to do by itself; None for never."""
        self.budget.fill(now)
        times = [self.mounts_due, self.scan_due]
        if self.verifier and self.verifier.busy_until:
            times.append(self.verifier.busy_until)
        else:
            able = now + self.budget.wait()
            dues = (self.read_due, self.missed_due, self.waiting.due())
            times += [max(able, due) for due in dues if due is not None]
        known = [moment for moment in times if moment is not None]
        return max(0.0, min(known) - now) if known else None

    def step(self, timeout: float | None) -> None:
        """Wait for what comes next, and do what is due."""
        ready = {fd for fd, _ in self.poll.poll(None if timeout is None else timeout * 1000 + 1)}
        if self.verifier and self.verifier.fileno() in ready:
            self._take_answer(self.verifier)
        if self.inotify.fileno() in ready:
            self._changed()
        if self.sources.mountinfo in ready and self.mounts_due is None:
            self.mounts_due = time.monotonic() + MOUNTS_EVERY
            self.poll.unregister(self.sources.mountinfo)
        starts = [one for one in (self.sources.fanotify, self.sources.proc_events) if one and one.fileno() in ready]
        if starts:
            time.sleep(SETTLE)
            self.take_starts()
        self._do_what_is_due(time.monotonic())
        if starts:
            time.sleep(PAUSE)

    def _do_what_is_due(self, now: float) -> None:
        if self.mounts_due is not None and self.mounts_due <= now:
            self.mounts_due = None
            self.poll.register(self.sources.mountinfo, select.POLLPRI)
            self.sources.mark()
            self._note()
        if self.scan_due is not None and self.scan_due <= now and self.prefilter:
            self.scan_due = None if self.sources.proc_events else now + SCAN_ANYWAY
            self.scanned_at = now
            self._scan(now)
        if self.verifier and self.verifier.busy_until:
            if self.verifier.busy_until <= now:
                self._lose(self.verifier, now)
            return
        self.budget.fill(now)
        if self.read_due is not None and self.read_due <= now:
            self._request(("sets",), [], now)
        elif self.missed_due is not None and self.missed_due <= now:
            self.missed_due = now + max(self.every, MISSED_AGAIN)
            self._request(("timer",), [], now)
        elif self.waiting.of and (most := self.budget.starts()) and (starts := self.waiting.next(most, now)):
            self._request(("starts", [(one.pid, one.path[-LONGEST:], one.key) for one in starts]), starts, now)

    # -- starts

    def take_starts(self) -> None:
        """Take all events that are there."""
        seen: dict[int, str] = {}
        beats = self.beats
        now = time.monotonic()
        for files, lost in self.sources.files():
            for descriptor, pid in files:
                try:
                    if pid > 0 and (shown := self._of_file(descriptor, pid, now)):
                        seen[pid] = shown
                finally:
                    os.close(descriptor)
            if lost:
                self._lost(now)
        for processes, lost in self.sources.processes():
            for pid in processes:
                self.of_process(pid, now, seen.get(pid))
            if lost:
                self._lost(now)
        if self.beats is not beats:
            self._note()

    def _beat(self, pid: int | str) -> None:
        """Note the heartbeat of an observation (heartbeat.py), and when this host's own next one is missed."""
        self.beats = [*self.beats[1 - reported.MOST_BEATS :], reported.noted_beat(pid, time.monotonic_ns())]
        if self.every and observes(pid):
            self.missed_due = time.monotonic() + self.every + MISSED

    def _of_file(self, descriptor: int, pid: int, now: float) -> str:
        """Take the start of a file; its path as the kernel shows it, "" for what is no program of the process."""
        shown = link(f"/proc/self/fd/{descriptor}")
        if shown == HEARTBEAT and (seen := os.fstat(descriptor)).st_uid == 0 and not seen.st_mode & 0o077:
            self._beat(pid)
            return ""
        new = shown not in self.programs.matter
        matters = self.programs.matters(shown, self.prefilter)
        if (matters == HIDDEN or new) and is_loader(shown) and os.fstat(descriptor).st_uid == 0:
            if new:
                self.sources.leave_out(descriptor)
            return ""
        if matters and self.prefilter:
            seen = os.fstat(descriptor)
            file = (seen.st_dev, seen.st_ino, seen.st_ctime_ns)
            if matters != CONTENT or not self.programs.is_unmarked(file, descriptor, self.prefilter):
                self._may_be(pid, plain(shown), file, now)
        return shown

    def of_process(self, pid: int, now: float, seen: str | None = None, running: bool = False) -> None:
        """Take a process of which only its number is known, beside the path of a file that it was seen to start."""
        shown = link(f"/proc/{pid}/exe")
        if shown and shown != seen:
            matters = self.programs.matters(shown, self.prefilter)
            if matters not in (PASSES, CONTENT):
                self._may_be(pid, plain(shown), key_of(shown, pid, matters, running), now)

    def _may_be(self, pid: int, path: str, file: tuple[Any, ...], now: float) -> None:
        user = user_of(pid)
        if user is None:  # it has ended
            return
        key = (*file, user)
        innocent = self.programs.is_innocent(key, now)
        if not innocent and not self.waiting.add(Start(pid, path, key, owner_of(pid, user), now)):
            self._lost(now)

    def _lost(self, now: float) -> None:
        """Something was not seen: /proc has all that runs."""
        self.lost += 1
        due = max(now, self.scanned_at + SCAN_EVERY)
        self.scan_due = due if self.scan_due is None else min(due, self.scan_due)

    def _scan(self, now: float) -> None:
        try:
            names = os.listdir("/proc")
        except OSError as error:  # a daemon that ended would not be heard saying so
            self._fail(f"no list of processes: {error.strerror}", now)
            return
        for name in names:
            if name.isdigit():
                self.of_process(int(name), now, running=True)

    # -- the verifier

    def _request(self, what: tuple[Any, ...], starts: list[Start], now: float) -> None:
        try:
            if self.verifier is None:
                self.verifier = Verifier(self.command)
                self.poll.register(self.verifier, select.POLLIN)
            self.verifier.starts = starts
            self.verifier.request(what, now, READS_WITHIN if what[0] != "starts" else ANSWERS_WITHIN)
            if what == ("sets",):
                self.read_at, self.read_due = now, now + LONGEST_RETRY  # until there is an answer
        except OSError as error:
            if self.verifier:
                self._lose(self.verifier, now)
            else:
                self._fail(f"no process for it: {error.strerror}", now)

    def _fail(self, why: str, now: float) -> None:
        """What starts could not be verified: it is scanned for, and tried again soon."""
        self.budget.spend(FAILED)
        self._lost(now)
        self.read_due, self.retry = now + self.retry, min(2 * self.retry, LONGEST_RETRY)
        self.failing = why
        self._note()

    def _take_answer(self, verifier: Verifier) -> None:
        now = time.monotonic()
        try:
            said = verifier.answer()
        except (OSError, ValueError, EOFError, TypeError):
            self._lose(verifier, now)
            return
        if said is None:
            return
        used, verifier.used = said["used"] - verifier.used, said["used"]
        starts, verifier.starts = verifier.starts, []
        self.budget.spend(used, len(starts))
        if "failed" in said:
            self._fail(said["failed"], now)
        elif self.failing:
            self.failing, self.retry = "", RETRY
            self._note()
        if "sets" in said:
            self._use(said["sets"], now)
        for start in starts:
            if not self.waiting.put_back(start, said, now):
                self._lost(now)
        self.programs.note_innocent(said.get("innocent", ()), now)

    def _lose(self, verifier: Verifier, now: float) -> None:
        """The verifier has ended, or hangs. One that had nothing to do has only become unnecessary."""
        hangs = bool(verifier.busy_until) and verifier.busy_until <= now
        failed = bool(verifier.busy_until or verifier.starts)
        self.poll.unregister(verifier)
        verifier.end()
        self.verifier = None
        if failed:
            self._fail("it hangs" if hangs else "it ends without an answer", now)

    # -- what is restricted

    def _changed(self) -> None:
        """A file that the prefilter follows from has changed: to be read once it has come to rest."""
        names, more = self.inotify.read()
        if not self.sources.fanotify and HEARTBEAT.rpartition("/")[2] in names:
            self._beat(reported.ANYBODY)
            self._note()
        if more or not self.matter.isdisjoint(names):
            due = max(time.monotonic() + CHANGED, self.read_at + READ_EVERY)
            self.read_due = due if self.read_due is None else min(due, self.read_due)

    def _use(self, sets: VerifierSets, now: float) -> None:
        self.prefilter = Prefilter(sets)
        self.read, self.every = sets.get("read", ""), sets.get("every", 0.0)
        self._note()
        if self.missed_due is None and self.every:
            self.missed_due = now + self.every + MISSED
        self.programs = Programs()
        self.read_due = now + min(sets.get("again") or READ_ANYWAY, READ_ANYWAY)
        files = set(sets["files"])
        self.matter = {path.rpartition("/")[2] for path in files}
        for directory in {path.rpartition("/")[0] for path in files}:
            self.inotify.watch(directory)
        if not files <= self.files:  # what changed before they were watched is read once more
            self.files = files
            self.read_due = now + READ_EVERY
        self.scan_due = now


def _ended(number: int, frame: object) -> None:
    raise SystemExit(0)


def run(command: Sequence[str]) -> None:
    """Notice starts until TERM. `command` starts the same program once more, which then is the verifier."""
    _signal.signal(_signal.SIGTERM, _ended)
    try:
        Noticing(command).run()
    finally:
        for path in (STATE, f"{STATE}.new"):
            if os.path.lexists(path):
                os.unlink(path)
