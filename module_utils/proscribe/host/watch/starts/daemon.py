"""Daemon that notices program starts: it waits for the kernel's events and compares paths.

Another process, the verifier, decides about each program. The daemon must cost nothing while no program starts, and
little while very many programs start. So it imports few modules, waits in one poll without a timeout, and processes
events in batches. A budget of processor time (`VerificationBudget`) limits the verification. Starts of programs that
may be restricted go to the verifier (launch_verifier.py). The verifier is a process with the code of the apps control.
It starts on demand and ends by itself. Each user has a queue, so a user who floods the verifier with starts delays only
his own.

Nothing that a user starts, mounts or names can end the daemon. It treats reports of the kernel as data, and skips
events that it cannot process.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is this one with enumerations
import os
import select
import time
from typing import TYPE_CHECKING, Any

from . import daemon_report
from .daemon_report import HEARTBEAT_PATH, REPORT_PATH
from .fanotify import is_system_loader
from .inotify import OPEN_MASK, Inotify
from .prefilter import Prefilter, read_link, strip_deleted_mark
from .process_users import find_accountable_uid, find_real_uid, is_own_observation
from .program_cache import CONTENT, HIDDEN, PASSES, ProgramCache, make_program_key
from .start_queue import ProgramStart, StartQueue, VerificationBudget
from .start_sources import StartSources
from .verifier_process import ANSWER_TIMEOUT_SECONDS, VerifierProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....model.types.watch import VerifierSets

SETTLE_SECONDS = 0.01  # wait after the first event, until the process runs the new program
BATCH_PAUSE_SECONDS = 0.04  # between two batches: a thousand events cost one wake-up
MAX_PATH_LENGTH = 500  # characters; of a longer path, the verifier gets the end
SCAN_INTERVAL_SECONDS = 5.0  # least time between two scans of /proc, which the daemon does after lost events
REGULAR_SCAN_SECONDS = (
    # between two scans if the proc connector is missing: fanotify does not report a program that a dynamic loader
    # starts
    30.0
)
MOUNTS_INTERVAL_SECONDS = 0.5
CHANGE_DELAY_SECONDS = 2.0  # between a change of the plan or of the packages and the next read of the prefilter's sets
READ_INTERVAL_SECONDS = 10.0  # least time between two reads of the prefilter's sets
# between two reads without a change; such a read proves that the restrictions can still be read
REGULAR_READ_SECONDS = 6 * 3600.0
# first and longest wait after a failed verifier, before the sets are read again
RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 60.0
READ_TIMEOUT_SECONDS = 90.0  # for a verifier to start and to read all restrictions, on a busy host
MISSED_AFTER_SECONDS = 30.0  # tolerated delay of the host's observation of itself
MISSED_RETRY_SECONDS = 600.0  # least time until the next attempt to restore the timer of these observations
FAILURE_COST_SECONDS = 0.2  # processor time that the budget pays for a verifier without an answer


class LaunchDaemon:
    """Daemon that notices starts of programs. `command` is the command line that starts the verifier."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.prefilter: Prefilter | None = None
        self.source_files: set[str] = set()  # paths of the files whose change makes the prefilter's sets outdated
        self.watched_names: set[str] = set()  # the same files by name, without their directories
        self.programs = ProgramCache()
        self.queue = StartQueue()
        self.verifier: VerifierProcess | None = None
        now = time.monotonic()
        self.budget = VerificationBudget(now)
        self.read_due: float | None = now  # time of the next read of the prefilter's sets; None for never
        self.read_at = now - READ_INTERVAL_SECONDS  # time of the last request for the sets
        self.scan_due: float | None = None  # time of the next scan of /proc; None for never
        self.scanned_at = now - SCAN_INTERVAL_SECONDS  # time of the last scan
        self.mounts_due: float | None = None  # time at which changed mounts are read; None if none has changed
        self.lost_count = 0  # number of scheduled scans of /proc
        self.failure = ""  # why starts cannot be verified; "" if they can
        self.retry_seconds = RETRY_SECONDS  # wait after the next failure; doubled at each failure
        # hash of the watch's settings when the prefilter's sets were made (watch_files.identify_settings)
        self.settings_identity = ""
        self.beats: list[str] = []  # the last heartbeats, as texts of the report (daemon_report.format_beat)
        self.observation_interval = 0.0  # seconds between two observations of the host by itself; 0 while unknown
        self.missed_due: float | None = None  # time when the host's next observation of itself counts as missed
        self.poll = select.poll()
        self.inotify = Inotify()
        self.poll.register(self.inotify, select.POLLIN)
        self.sources = StartSources()
        self._open_sources()

    def _open_sources(self) -> None:
        """Open the sources of program starts, and write the first report."""
        self.sources.open_sources(self.poll)
        # without fanotify, inotify reports the heartbeat, but not the process that sent it
        if not self.sources.fanotify:
            self.inotify.watch_directory(HEARTBEAT_PATH.rpartition("/")[0], OPEN_MASK)
        self._write_report()

    def _write_report(self) -> None:
        """Write the daemon's report for observations of this host: its sources, its failure, the heartbeats."""
        fields = {
            "pid": str(os.getpid()),
            **self.sources.describe_sources(),
            "read": self.settings_identity,
            "failing": self.failure,
            "beats": " ".join(self.beats),
        }
        try:
            descriptor = os.open(f"{REPORT_PATH}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            os.write(descriptor, daemon_report.format_report(fields).encode())
            os.close(descriptor)
            os.rename(f"{REPORT_PATH}.new", REPORT_PATH)
        except OSError:
            pass

    # -- the loop

    def run_forever(self) -> None:
        """Notice starts forever."""
        while True:
            self.wait_and_process(self.compute_timeout(time.monotonic()))

    def compute_timeout(self, now: float) -> float | None:
        """Return the seconds until the next task that needs no event; None if there is no such task."""
        self.budget.fill_budget(now)
        times = [self.mounts_due, self.scan_due]
        # A busy verifier gets no other request, so only the end of its time counts.
        if self.verifier and self.verifier.busy_until:
            times.append(self.verifier.busy_until)
        else:
            affordable_at = now + self.budget.compute_wait()
            dues = (self.read_due, self.missed_due, self.queue.get_due_time())
            times += [max(affordable_at, due) for due in dues if due is not None]
        moments = [moment for moment in times if moment is not None]
        return max(0.0, min(moments) - now) if moments else None

    def wait_and_process(self, timeout: float | None) -> None:
        """Wait at most `timeout` seconds for events (None: no limit). Process the events and the due tasks."""
        ready = {fd for fd, _ in self.poll.poll(None if timeout is None else timeout * 1000 + 1)}
        if self.verifier and self.verifier.fileno() in ready:
            self._take_answer(self.verifier)
        if self.inotify.fileno() in ready:
            self._process_file_changes()
        if self.sources.mountinfo in ready and self.mounts_due is None:
            self.mounts_due = time.monotonic() + MOUNTS_INTERVAL_SECONDS
            # further changes of mounts wake the daemon only after this one was processed
            self.poll.unregister(self.sources.mountinfo)
        starts = [
            source
            for source in (self.sources.fanotify, self.sources.proc_events)
            if source and source.fileno() in ready
        ]
        if starts:
            time.sleep(SETTLE_SECONDS)
            self.take_starts()
        self._process_due(time.monotonic())
        if starts:
            time.sleep(BATCH_PAUSE_SECONDS)

    def _process_due(self, now: float) -> None:
        """Do the tasks that are due: mark new mounts, scan /proc, and send the verifier one request.

        A request is sent only to an idle verifier. Starts are sent only as far as the budget of processor time permits.
        """
        if self.mounts_due is not None and self.mounts_due <= now:
            self.mounts_due = None
            self.poll.register(self.sources.mountinfo, select.POLLPRI)
            self.sources.mark_file_systems()
            self._write_report()
        if self.scan_due is not None and self.scan_due <= now and self.prefilter:
            self.scan_due = None if self.sources.proc_events else now + REGULAR_SCAN_SECONDS
            self.scanned_at = now
            self._scan_processes(now)
        if self.verifier and self.verifier.busy_until:
            if self.verifier.busy_until <= now:
                self._discard_verifier(self.verifier, now)
            return
        self.budget.fill_budget(now)
        if self.read_due is not None and self.read_due <= now:
            self._request_verifier(("sets",), [], now)
        elif self.missed_due is not None and self.missed_due <= now:
            self.missed_due = now + max(self.observation_interval, MISSED_RETRY_SECONDS)
            self._request_verifier(("timer",), [], now)
        elif (
            self.queue.starts_by_user
            and (limit := self.budget.count_affordable())
            and (starts := self.queue.take_due_starts(limit, now))
        ):
            self._request_verifier(
                ("starts", [(start.pid, start.path[-MAX_PATH_LENGTH:], start.key) for start in starts]), starts, now
            )

    # -- starts

    def take_starts(self) -> None:
        """Process all waiting events of program starts. If the kernel has lost events, schedule a scan of /proc."""
        paths: dict[int, str] = {}
        beats = self.beats
        now = time.monotonic()
        for files, has_lost in self.sources.read_file_starts():
            for descriptor, pid in files:
                try:
                    if pid > 0 and (shown_path := self._take_file_start(descriptor, pid, now)):
                        paths[pid] = shown_path
                finally:
                    os.close(descriptor)
            if has_lost:
                self._schedule_scan(now)
        for processes, has_lost in self.sources.read_process_starts():
            for pid in processes:
                self.take_process(pid, now, paths.get(pid))
            if has_lost:
                self._schedule_scan(now)
        if self.beats is not beats:
            self._write_report()

    def _note_heartbeat(self, pid: int | str) -> None:
        """Note that an observation of this host has sent a heartbeat (heartbeat.py).

        If the host itself started the observation, set the time when the next such observation counts as missed.
        """
        self.beats = [*self.beats[1 - daemon_report.MAX_BEATS :], daemon_report.format_beat(pid, time.monotonic_ns())]
        if self.observation_interval and is_own_observation(pid):
            self.missed_due = time.monotonic() + self.observation_interval + MISSED_AFTER_SECONDS

    def _take_file_start(self, descriptor: int, pid: int, now: float) -> str:
        """Process the start of a file, given its open descriptor. Return the path as the kernel shows it.

        Returns "" for a heartbeat and for a dynamic loader: neither is the program that the process runs.
        """
        shown_path = read_link(f"/proc/self/fd/{descriptor}")
        # only root can open the heartbeat file, so no other user can send a heartbeat
        if shown_path == HEARTBEAT_PATH and (status := os.fstat(descriptor)).st_uid == 0 and not status.st_mode & 0o077:
            self._note_heartbeat(pid)
            return ""
        is_new = shown_path not in self.programs.relevance_by_path
        relevance = self.programs.judge_path(shown_path, self.prefilter)
        # Every program start also opens the dynamic loader. The kernel is asked once to report it no more.
        if (relevance == HIDDEN or is_new) and is_system_loader(shown_path) and os.fstat(descriptor).st_uid == 0:
            if is_new:
                self.sources.ignore_file(descriptor)
            return ""
        if relevance and self.prefilter:  # not PASSES
            status = os.fstat(descriptor)
            file = (status.st_dev, status.st_ino, status.st_ctime_ns)
            if relevance != CONTENT or not self.programs.is_unmarked(file, descriptor, self.prefilter):
                self._add_start(pid, strip_deleted_mark(shown_path), file, now)
        return shown_path

    def take_process(self, pid: int, now: float, started_path: str | None = None, is_running: bool = False) -> None:
        """Queue a process for verification if its program may be restricted. Only the process id is known.

        `started_path` is the path of the file that the process was seen to start: such a start is processed already.
        `is_running` is True if a scan of /proc found the process, and no start was seen.
        """
        shown_path = read_link(f"/proc/{pid}/exe")
        if shown_path and shown_path != started_path:
            relevance = self.programs.judge_path(shown_path, self.prefilter)
            if relevance not in (PASSES, CONTENT):
                self._add_start(
                    pid, strip_deleted_mark(shown_path), make_program_key(shown_path, pid, relevance, is_running), now
                )

    def _add_start(self, pid: int, path: str, file: tuple[Any, ...], now: float) -> None:
        """Queue a start for verification, unless its program was found innocent recently.

        `file` identifies the program in the cache: the first part of its key. If a start has no room in the queue, a
        scan of /proc will find the process.
        """
        uid = find_real_uid(pid)
        if uid is None:  # the process has ended
            return
        key = (*file, uid)
        is_innocent = self.programs.is_innocent(key, now)
        if not is_innocent and not self.queue.add_start(
            ProgramStart(pid, path, key, find_accountable_uid(pid, uid), now)
        ):
            self._schedule_scan(now)

    def _schedule_scan(self, now: float) -> None:
        """Schedule a scan of /proc, because a start may have been missed. /proc lists every running process."""
        self.lost_count += 1
        due = max(now, self.scanned_at + SCAN_INTERVAL_SECONDS)
        self.scan_due = due if self.scan_due is None else min(due, self.scan_due)

    def _scan_processes(self, now: float) -> None:
        """Process every running process of /proc as a start."""
        try:
            names = os.listdir("/proc")
        except OSError as error:  # the error must not end the daemon, which reports it
            self._note_failure(f"no list of processes: {error.strerror}", now)
            return
        for name in names:
            if name.isdigit():
                self.take_process(int(name), now, is_running=True)

    # -- the verifier

    def _request_verifier(self, request: tuple[Any, ...], starts: list[ProgramStart], now: float) -> None:
        """Send a request to the verifier, which is started if none runs. `starts` are the starts of the request."""
        try:
            if self.verifier is None:
                self.verifier = VerifierProcess(self.command)
                self.poll.register(self.verifier, select.POLLIN)
            self.verifier.starts = starts
            self.verifier.send_request(
                request, now, READ_TIMEOUT_SECONDS if request[0] != "starts" else ANSWER_TIMEOUT_SECONDS
            )
            if request == ("sets",):
                # if no answer comes; an answer sets another time
                self.read_at, self.read_due = now, now + MAX_RETRY_SECONDS
        except OSError as error:
            if self.verifier:
                self._discard_verifier(self.verifier, now)
            else:
                self._note_failure(f"no process for it: {error.strerror}", now)

    def _note_failure(self, reason: str, now: float) -> None:
        """Note why starts cannot be verified.

        Schedules a scan of /proc, which finds the missed starts, and a new attempt to read the sets. The failure also
        costs a part of the verification's budget.
        """
        self.budget.consume_time(FAILURE_COST_SECONDS)
        self._schedule_scan(now)
        self.read_due, self.retry_seconds = now + self.retry_seconds, min(2 * self.retry_seconds, MAX_RETRY_SECONDS)
        self.failure = reason
        self._write_report()

    def _take_answer(self, verifier: VerifierProcess) -> None:
        """Read the verifier's answer: charge its time, use new sets, and queue undecided starts again.

        A verifier whose answer cannot be read is discarded. The rest of an incomplete answer is read when it comes.
        """
        now = time.monotonic()
        try:
            answer = verifier.read_answer()
        except (OSError, ValueError, EOFError, TypeError):
            self._discard_verifier(verifier, now)
            return
        if answer is None:
            return
        used, verifier.used_seconds = answer["used"] - verifier.used_seconds, answer["used"]
        starts, verifier.starts = verifier.starts, []
        self.budget.consume_time(used, len(starts))
        if "failed" in answer:
            self._note_failure(answer["failed"], now)
        elif self.failure:
            self.failure, self.retry_seconds = "", RETRY_SECONDS
            self._write_report()
        if "sets" in answer:
            self._use_sets(answer["sets"], now)
        for start in starts:
            if not self.queue.return_start(start, answer, now):
                self._schedule_scan(now)
        self.programs.note_innocent(answer.get("innocent", ()), now)

    def _discard_verifier(self, verifier: VerifierProcess, now: float) -> None:
        """Discard a verifier that has ended or hangs. The end of an idle verifier is no failure."""
        is_hanging = bool(verifier.busy_until) and verifier.busy_until <= now
        has_failed = bool(verifier.busy_until or verifier.starts)
        self.poll.unregister(verifier)
        verifier.end_verifier()
        self.verifier = None
        if has_failed:
            self._note_failure("it hangs" if is_hanging else "it ends without an answer", now)

    # -- restrictions

    def _process_file_changes(self) -> None:
        """Schedule a new read of the prefilter's sets if a file on which they depend has changed.

        The read comes a little later, when several changes in a row are over. Without fanotify, an opened heartbeat
        file is noted too.
        """
        names, has_more = self.inotify.read_changes()
        if not self.sources.fanotify and HEARTBEAT_PATH.rpartition("/")[2] in names:
            self._note_heartbeat(daemon_report.UNKNOWN_PROCESS)
            self._write_report()
        if has_more or not self.watched_names.isdisjoint(names):
            due = max(time.monotonic() + CHANGE_DELAY_SECONDS, self.read_at + READ_INTERVAL_SECONDS)
            self.read_due = due if self.read_due is None else min(due, self.read_due)

    def _use_sets(self, sets: VerifierSets, now: float) -> None:
        """Replace the prefilter by one with new sets, watch the files behind the sets, and schedule a scan."""
        self.prefilter = Prefilter(sets)
        self.settings_identity, self.observation_interval = sets.get("read", ""), sets.get("every", 0.0)
        self._write_report()
        if self.missed_due is None and self.observation_interval:
            self.missed_due = now + self.observation_interval + MISSED_AFTER_SECONDS
        self.programs = ProgramCache()
        self.read_due = now + min(sets.get("again") or REGULAR_READ_SECONDS, REGULAR_READ_SECONDS)
        files = set(sets["files"])
        self.watched_names = {path.rpartition("/")[2] for path in files}
        for directory in {path.rpartition("/")[0] for path in files}:
            self.inotify.watch_directory(directory)
        # read once more, because the files may have changed before the daemon watched them
        if not files <= self.source_files:
            self.source_files = files
            self.read_due = now + READ_INTERVAL_SECONDS
        self.scan_due = now


def _exit_on_signal(signal_number: int, frame: object) -> None:
    raise SystemExit(0)


def run_daemon(command: Sequence[str]) -> None:
    """Notice program starts until SIGTERM. `command` is the command line that starts the verifier."""
    _signal.signal(_signal.SIGTERM, _exit_on_signal)
    try:
        LaunchDaemon(command).run_forever()
    finally:
        for path in (REPORT_PATH, f"{REPORT_PATH}.new"):
            if os.path.lexists(path):
                os.unlink(path)
