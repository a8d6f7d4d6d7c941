"""The daemon that notices starts: it waits for the kernel, compares paths, and leaves every judgement to another
process.

It is to cost nothing while nothing happens, and little while very much does. So it imports next to nothing, waits in
one poll without a timeout, takes events in bundles, and pays for what is verified out of a budget of processor time
(`Budget`). What may be restricted goes to the verifier (verifying.py), a process with the enforcing code that is
started when it is needed and ends by itself. Whoever floods it with starts waits in a queue of his own.

Nothing that a user starts, mounts or names can end it: what the kernel reports is data, and what fails is left out.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is this one with enumerations
import _socket  # see proc_events.py
import errno
import marshal
import os
import select
import time
from typing import TYPE_CHECKING, Any

from . import mounts, reported
from .fanotify import Fanotify, is_loader
from .inotify import OPENED, Inotify
from .prefilter import Prefilter, link
from .proc_events import ProcEvents
from .process_users import owner_of, user_of
from .reported import HEARTBEAT, STATE
from .waiting import Budget, Start, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..types import Sets, Verdicts

SETTLE = 0.01  # seconds after the first event: then its process is the new program
PAUSE = 0.04  # seconds between two bundles: a thousand events cost one wake-up
MOST_READS = 256  # of a bundle; what is left comes with the next one
MOST_PATHS = 2048  # of which it is remembered whether they matter
MOST_INNOCENT = 2048  # programs that were verified
INNOCENT_FOR = 30.0  # seconds that a verdict counts: a waiver may end
INNOCENT_BY_PATH_FOR = 5.0  # where only the path is known, under which another file may be put
LONGEST = 500  # characters of the path of each: its end
AGAIN = (0.1, 0.2, 0.4)  # seconds until a process that is not yet what it will be is verified again
SCAN_EVERY = 5.0  # seconds between two scans of /proc, which follow lost events
MOUNTS_EVERY = 0.5
CHANGED = 2.0  # seconds after a change of the plan or of what is installed, until it is read
READ_EVERY = 10.0  # and between two of these
READ_ANYWAY = 6 * 3600.0  # so often what is restricted is read although nothing has changed: it shows that it can be
RETRY, LONGEST_RETRY = 5.0, 60.0  # after a verifier that could not say what is restricted
ANSWERS_WITHIN = 15.0  # seconds
READS_WITHIN = 90.0  # seconds in which a busy host starts a verifier that reads everything
MISSED = 30.0  # seconds that an own observation of the host may be late by
MISSED_AGAIN = 600.0  # and until it is looked after again, where that did not help
OBSERVING = b"/libexec/proscribe/watch\0observe\0"  # in the command line of one
# Limits that somebody has set, where the kernel has what was refused.
LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EAGAIN)
FAILED = 0.2  # seconds of processor time that a verifier counts which ended without an answer


class Verifier:
    """The process that verifies, seen from here. It is started by the command that started this one."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
            self.pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        self._socket.setblocking(False)
        self._said = bytearray()
        self.busy_until = 0.0  # 0 while it has nothing to do
        self.starts: list[Start] = []
        self.used = 0.0  # processor time that is accounted for

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def request(self, what: tuple[Any, ...], now: float, within: float = ANSWERS_WITHIN) -> None:
        """Send a request: at most a few kilobytes, which a socket takes. Raises OSError."""
        content = marshal.dumps(what)
        self._socket.send(len(content).to_bytes(4, "little") + content)
        self.busy_until = now + within

    def answer(self) -> Verdicts | None:
        """The answer, None while it is not whole. Raises OSError where there will be none."""
        while True:
            try:
                piece = self._socket.recv(65536)
            except BlockingIOError:
                return None
            if not piece:
                raise OSError
            self._said += piece
            size = int.from_bytes(self._said[:4], "little")
            if len(self._said) >= 4 + size > 4:
                found: Verdicts = marshal.loads(bytes(self._said[4 : 4 + size]))
                self._said = bytearray()
                self.busy_until = 0.0
                return found

    def end(self) -> None:
        """Be done with it: it ends once nobody is there, and at once where it hangs."""
        self._socket.close()
        try:
            if self.busy_until:
                os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        except OSError:
            pass


class Noticing:
    """The daemon."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.prefilter: Prefilter | None = None
        self.files: set[str] = set()  # what the prefilter follows from
        self.matter: set[str] = set()  # their names
        self.paths: dict[str, bool] = {}
        self.innocent: dict[tuple[Any, ...], float] = {}
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
        self.mountinfo = os.open(mounts.MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        self.fanotify: Fanotify | None = None
        self.proc_events: ProcEvents | None = None
        self.refused: list[str] = []
        self.limited = False  # whether that is for want of something that the kernel has
        self.marked = 0  # file systems
        self.remote: list[str] = []  # the types of those that are not marked
        self._open()

    # -- what there is to see starts by

    def _open(self) -> None:
        try:
            self.fanotify = Fanotify()
        except OSError as error:
            self._refuse("fanotify", error)
        try:
            self.proc_events = ProcEvents()
            self.poll.register(self.proc_events, select.POLLIN)
        except OSError as error:
            self._refuse("the proc connector", error)
        self._mark()
        if self.fanotify:
            self.poll.register(self.fanotify, select.POLLIN)
            self.poll.register(self.mountinfo, select.POLLPRI)
        else:  # nobody reports whose heartbeat it is, but that there was one
            self.inotify.watch(HEARTBEAT.rpartition("/")[0], OPENED)

    def _refuse(self, what: str, error: OSError) -> None:
        self.refused.append(f"{what}: {error.strerror}")
        self.limited = self.limited or error.errno in LIMITS

    def _mark(self) -> None:
        """Mark the file systems that are mounted now; those that are marked already stay so."""
        os.lseek(self.mountinfo, 0, os.SEEK_SET)
        content = b""
        while piece := os.read(self.mountinfo, 65536):
            content += piece
        local, remote = mounts.seen_on(mounts.parsed(content))
        marked: set[str] = set()
        why = ""
        for one in local if self.fanotify else ():
            if one.device not in marked:
                try:
                    self._mark_one(one)
                    marked.add(one.device)
                except OSError as error:
                    why = error.strerror or str(error)
        if self.fanotify and not (marked or self.marked):
            self.refused.append(f"fanotify: {why}")
            os.close(self.fanotify.descriptor)
            self.fanotify = None
        self.marked = len(marked) or self.marked  # what is marked stays so, even where it cannot be opened again
        self.remote = sorted({one.type for one in remote})
        self._note()

    def _mark_one(self, one: mounts.Mounted) -> None:
        descriptor = mounts.opened(one)
        try:
            if self.fanotify:
                self.fanotify.mark(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def _note(self) -> None:
        """Write down what starts are seen by, and what was noted, for who observes this host."""
        by = [f"fanotify on {self.marked} file systems"] if self.fanotify else []
        by += ["the proc connector"] if self.proc_events else []
        fields = {
            "pid": str(os.getpid()),
            "by": ", ".join(by),
            "unseen": "" if self.proc_events else ", ".join(self.remote),
            "refused": "; ".join(self.refused),
            "limited": "yes" if self.limited else "",
            "fanotify": str(self.fanotify.descriptor) if self.fanotify else "",
            "marked": str(self.marked) if self.fanotify else "",
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
        if self.mountinfo in ready and self.mounts_due is None:
            self.mounts_due = time.monotonic() + MOUNTS_EVERY
            self.poll.unregister(self.mountinfo)
        starts = [one for one in (self.fanotify, self.proc_events) if one and one.fileno() in ready]
        if starts:
            time.sleep(SETTLE)
            self.take_starts()
        self._do_what_is_due(time.monotonic())
        if starts:
            time.sleep(PAUSE)

    def _do_what_is_due(self, now: float) -> None:
        if self.mounts_due is not None and self.mounts_due <= now:
            self.mounts_due = None
            self.poll.register(self.mountinfo, select.POLLPRI)
            self._mark()
        if self.scan_due is not None and self.scan_due <= now and self.prefilter:
            self.scan_due = None
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
        seen: set[int] = set()
        beats = self.beats
        now = time.monotonic()
        if self.fanotify:
            for _ in range(MOST_READS):
                try:
                    events = self.fanotify.read()
                except OSError:  # of one file, which is gone or cannot be opened
                    continue
                if events is None:
                    break
                for descriptor, pid in events[0]:
                    try:
                        if pid > 0:
                            seen.add(pid)
                            self._of_file(descriptor, pid, now)
                    finally:
                        os.close(descriptor)
                if events[1]:
                    self._lost(now)
        if self.proc_events:
            for _ in range(MOST_READS * 16):
                try:
                    found = self.proc_events.read()
                except OSError:
                    continue
                if found is None:
                    break
                for pid in found[0]:
                    if pid not in seen:
                        self.of_process(pid, now)
                if found[1]:
                    self._lost(now)
        if self.beats is not beats:
            self._note()

    def _beat(self, pid: int | str) -> None:
        """Note the heartbeat of an observation (heartbeat.py), and when this host's own next one is missed."""
        self.beats = [*self.beats[1 - reported.MOST_BEATS :], reported.noted_beat(pid, time.monotonic_ns())]
        if self.every and _observes(pid):
            self.missed_due = time.monotonic() + self.every + MISSED

    def _of_file(self, descriptor: int, pid: int, now: float) -> None:
        path = link(f"/proc/self/fd/{descriptor}")
        if path == HEARTBEAT and (seen := os.fstat(descriptor)).st_uid == 0 and not seen.st_mode & 0o077:
            self._beat(pid)
            return
        matters = self.paths.get(path)
        if matters is None:
            matters = self._matters(path)
            if not matters and self.fanotify and is_loader(path) and os.fstat(descriptor).st_uid == 0:
                try:  # noqa: SIM105 - contextlib takes more memory than all of this
                    self.fanotify.leave_out(f"/proc/self/fd/{descriptor}")
                except OSError:
                    pass
        if matters:
            seen = os.fstat(descriptor)
            self._may_be(pid, path, (seen.st_dev, seen.st_ino, seen.st_ctime_ns), now)

    def of_process(self, pid: int, now: float) -> None:
        """A process of which only its number is known."""
        path = link(f"/proc/{pid}/exe")
        if path and self._matters(path):
            self._may_be(pid, path, (path,), now)

    def _matters(self, path: str) -> bool:
        matters = self.paths.get(path)
        if matters is None:
            # What is started before anybody has said what is restricted is found by the first scan.
            matters = self.prefilter is not None and self.prefilter.may_be(path)
            if len(self.paths) >= MOST_PATHS:
                self.paths.clear()
            self.paths[path] = matters
        return matters

    def _may_be(self, pid: int, path: str, file: tuple[Any, ...], now: float) -> None:
        user = user_of(pid)
        if user is None:  # it has ended
            return
        key = (*file, user)
        until = self.innocent.get(key)
        if until is not None and until > now:
            return
        if not self.waiting.add(Start(pid, path, key, owner_of(pid, user), now)):
            self._lost(now)

    def _lost(self, now: float) -> None:
        """Something was not seen: /proc has all that runs."""
        self.lost += 1
        if self.scan_due is None:
            self.scan_due = max(now, self.scanned_at + SCAN_EVERY)

    def _scan(self, now: float) -> None:
        try:
            names = os.listdir("/proc")
        except OSError as error:  # a daemon that ended would not be heard saying so
            self._fail(f"no list of processes: {error.strerror}", now)
            return
        for name in names:
            if name.isdigit():
                self.of_process(int(name), now)

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
        again = set(said.get("again", ()))
        later = said.get("later", {})
        for start in starts:
            if start.pid in later:
                start.due = now + later[start.pid]
            elif start.pid in again and start.tries < len(AGAIN):
                start.due = now + AGAIN[start.tries]
                start.tries += 1
            else:
                continue
            if not self.waiting.add(start):
                self._lost(now)
        if len(self.innocent) >= MOST_INNOCENT:
            self.innocent.clear()
        for key in said.get("innocent", ()):
            by_file = isinstance(key[0], int)
            self.innocent[tuple(key)] = now + (INNOCENT_FOR if by_file else INNOCENT_BY_PATH_FOR)

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
        if not self.fanotify and HEARTBEAT.rpartition("/")[2] in names:
            self._beat(reported.ANYBODY)
            self._note()
        if more or not self.matter.isdisjoint(names):
            due = max(time.monotonic() + CHANGED, self.read_at + READ_EVERY)
            self.read_due = due if self.read_due is None else min(due, self.read_due)

    def _use(self, sets: Sets, now: float) -> None:
        self.prefilter = Prefilter(sets)
        self.read, self.every = sets.get("read", ""), sets.get("every", 0.0)
        self._note()
        if self.missed_due is None and self.every:
            self.missed_due = now + self.every + MISSED
        self.paths.clear()
        self.innocent.clear()
        self.read_due = now + min(sets.get("again") or READ_ANYWAY, READ_ANYWAY)
        files = set(sets["files"])
        self.matter = {path.rpartition("/")[2] for path in files}
        for directory in {path.rpartition("/")[0] for path in files}:
            self.inotify.watch(directory)
        if not files <= self.files:  # what changed before they were watched is read once more
            self.files = files
            self.read_due = now + READ_EVERY
        self.scan_due = now


def _observes(pid: int | str) -> bool:
    """Whether a process is an own observation of the host."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return OBSERVING in stream.read()
    except OSError:
        return False


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
