"""The verifier: it says what a start is, and ends what is restricted. starts/daemon.py starts it when it is needed. It
ends by itself when there was nothing for a while, so that a quiet host has none of this code in memory.

A request is one of ("sets",): what may be restricted; ("starts", [(pid, end of the path, key)]), where a key ends with
the user; ("timer",): the host has missed an own observation, so have systemd begin them again. Answers are `VerifierVerdicts`
(model/types/watch.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Collection, Mapping, Sequence

from ...base.moments import parse_timestamp
from ...model.plan import has_hours_or_groups
from ..controls.apps.running import Running
from ..controls.apps.user_notice import cleaned, notify, with_hints
from ..system import ControlError, Host, Process, Unseen
from . import units
from .attempts import Attempts
from .ending import Endings
from .restricted import BWRAP, Restricted, sets
from .state import clock, effective, files, journal, pause, reservations

if TYPE_CHECKING:
    from ...model.types.plan import Plan, PlanSection
    from ...model.types.watch import VerifierSets, VerifierVerdicts

RELOADED = 60.0  # seconds after which the plan is read again: who is in a group follows to the minute
SUCCESSORS = 3  # plans after this one that the prefilter knows as well
MOST_NOTIFIERS = 4
NOTIFIED_WITHIN = 12.0  # seconds
FORKED = 0.5  # seconds after the end of a program, until what it has forked follows
MOST_FORKED = 32  # of these at a time
SLOW = 0.25  # seconds for a start, above which its user's next ones are verified one at a time
REST = 3  # times as long as such a start took, until his next one: so he has a quarter of the verifier's time
FORGOTTEN = 60.0  # seconds after which a user who was slow is like any other
SOON = 0.1  # seconds until what there was no time for is asked again


class Verifying:
    """The verifier's side of the conversation. `made` makes a host without what another one has read."""

    def __init__(self, made: Callable[[], Host]) -> None:
        self.made = made
        self.host = made()
        self.restricted = Restricted(self.host, None)
        self.settings: object = None  # which file they were read from
        self.known: files.Settings | None = None
        self.digest = ""  # of the plan that was in effect
        self.read_at = -RELOADED
        self.endings = Endings()
        self.attempts = Attempts(self._write)
        self.written_at = -RELOADED
        self.slow: dict[int, float] = {}  # by user, when his next start is verified
        self.forking: dict[tuple[str, int], None] = {}  # programs that were ended lately
        self.forked_at = 0.0  # when what they have forked is ended too; 0 for never
        self.notified: dict[tuple[str, str], float] = {}
        self.notifiers: dict[int, float] = {}

    # -- what is restricted

    def reload(self, now: float) -> None:
        """Read the plan, where that is due: at the moment from which another one is in effect, too. Raises Damaged,
        Unseen and ControlError.
        """
        seen = self.host.stat(files.SETTINGS)
        stamp = (seen.st_ino, seen.st_ctime_ns) if seen else None
        if stamp == self.settings and now < self.read_at + RELOADED and self._in_effect() == self.digest:
            return
        self.settings, self.read_at = stamp, -RELOADED  # what cannot be read is read again at the next start
        self.host = clock.that_does_not_go_back(self.made())
        self.known = files.settings(self.host)
        self.digest = self._in_effect()
        plan: Plan | None = None
        if self.known:
            plan = effective.stored(self.host, self.known, self.digest)
        if plan and has_hours_or_groups(plan):
            from ..plan_groups import here_and_now

            plan, _ = here_and_now(self.host, plan)
        self.restricted = Restricted(self.host, _section(plan) if plan else None)
        self.read_at = now

    def _in_effect(self) -> str:
        """The digest of the plan that is in effect now; "" where none is known."""
        return effective.digest_in_effect(self.host, self.known) if self.known else ""

    def sets(self, now: float) -> VerifierSets:
        """What the daemon lets through."""
        self.read_at = -RELOADED
        self.reload(now)
        known = self.known
        sections: list[PlanSection] = []
        again = 0.0
        if known:
            plan = effective.stored(self.host, known, self.digest)
            present = clock.effective(self.host)
            later = [(parse_timestamp(at), digest) for at, digest in known.chain if parse_timestamp(at) > present]
            plans = [plan, *(effective.stored(self.host, known, digest) for _, digest in later[:SUCCESSORS])]
            sections = [section for one in plans if (section := _section(one))]
            again = max(1.0, float(later[SUCCESSORS - 1][0] - present)) if len(later) > SUCCESSORS else 0.0
        found = sets(self.host, sections, self.restricted)
        if known:
            found["read"], found["every"] = files.identity(known), known.every * 1.1
        return {**found, "files": [files.SETTINGS, *found["files"]], "again": again}

    # -- the timer

    def timer(self, now: float) -> VerifierVerdicts:
        """Have systemd observe this host again, where somebody has stopped or changed that."""
        from .restoring import restored

        self.reload(now)
        if self.known and not pause.active(self.host):
            restored(self.host, self.known, (units.TIMER, units.SERVICE))
        return {}

    # -- starts

    def starts(self, given: Sequence[tuple[int, str, tuple[Any, ...]]], now: float) -> VerifierVerdicts:
        """Verify some starts, and end what is restricted. {innocent: [keys], again: [numbers], later: seconds of each};
        `again` could not be verified, `later` was not tried.
        """
        if pause.active(self.host):
            return {}
        self.reload(now)
        if self.known and reservations.is_changed_by_run(self.host, "apps", self.known):
            return {}
        processes = {pid: process for pid, _, _ in given if (process := self.host.process(pid))}
        paths = {pid: path for pid, path, _ in given}
        held = {pid: self._state(process) for pid, process in processes.items()}
        again = {pid for pid, process in processes.items() if not process.exe.endswith(paths[pid])}
        begun = {pid for pid, process in processes.items() if process.exe.endswith(f"/{BWRAP}")}
        sandboxes = {(processes[pid].exe, self.host.user_of(processes[pid])) for pid in begun}
        more = [process for process in self._of(sandboxes) if process.pid not in processes]
        held.update({process.pid: self._state(process) for process in more})
        users = {pid: key[-1] for pid, _, key in given}
        put_off = self._put_off({pid: users[pid] for pid in processes}, now)
        innocent: set[int] = set()
        later: dict[int, float] = {}
        for verified in self.restricted.verify([*processes.values(), *more], put_off):
            for program in verified.restricted:
                self._end(program, held, set(paths), now)
            for pid, took in verified.took:
                self._account(users.get(pid), took)
            again.update(verified.unclear)
            innocent.update(verified.innocent)
            later.update((pid, put_off.get(pid, SOON)) for pid in verified.left if pid in users)
        again.update(begun)
        return {
            "innocent": [key for pid, _, key in given if pid in innocent - again],
            "again": sorted(again - later.keys()),
            "later": later,
        }

    def _put_off(self, users: Mapping[int, int], now: float) -> dict[int, float]:
        """Of some starts with their users, those that have to wait, and for how many seconds."""
        self.slow = {uid: until for uid, until in self.slow.items() if until + FORGOTTEN > now}
        later: dict[int, float] = {}
        for pid, uid in users.items():
            until = self.slow.get(uid)
            if until is not None and until > now:
                later[pid] = until - now
            elif until is not None:
                self.slow[uid] = now + REST * SLOW  # one at a time
        return later

    def _account(self, uid: int | None, took: float) -> None:
        """Note how long a start of a user took."""
        if uid is not None and took > SLOW:
            self.slow[uid] = time.monotonic() + REST * took
        elif uid in self.slow:
            self.slow.pop(uid)

    def _state(self, process: Process) -> tuple[float | None, str]:
        return self.host.start_time(process), process.exe

    def _of(self, programs: Collection[tuple[str, int]]) -> list[Process]:
        """The processes of some programs, each by its path and its user."""
        if not programs:
            return []
        names = {exe for exe, _ in programs}
        found = [one for one in self.host.processes()[0] if one.exe in names]
        return [one for one in found if (one.exe, self.host.user_of(one)) in programs]

    def _end(self, program: Running, held: Mapping[int, Any], started: Collection[int], now: float) -> None:
        """End a program, count it, and notify its user; what it has forked follows a moment later."""
        attempts = sum(process.pid in started for process in program.processes)
        if not self._begin(program.processes, held):
            return
        for service in program.identity.services:
            for _ in range(max(1, attempts)):
                self.attempts.note(f"apps/{service}", program.finding().id, program.user, now)
        self._notify(program, program.finding().id, now)
        if len(self.forking) < MOST_FORKED:
            uid = self.host.user_id(program.user)
            self.forking.update({(process.exe, uid): None for process in program.processes[:1] if uid is not None})
            self.forked_at = self.forked_at or now + FORKED

    def _end_forked(self, now: float) -> None:
        """End what ended programs have forked: the same programs of the same users, a few at a time. What was started
        by itself is verified, and counted, for itself.
        """
        kin = [process for process in self._of(self.forking) if self.host.forked(process)]
        self.forked_at = now + FORKED if kin[MOST_FORKED:] else 0.0
        if not self.forked_at:
            self.forking.clear()
        held = {process.pid: self._state(process) for process in kin[:MOST_FORKED]}
        for verified in self.restricted.verify(kin[:MOST_FORKED]) if kin else ():
            for one in verified.restricted:
                self._begin(one.processes, held)

    def _begin(self, processes: Sequence[Process], held: Mapping[int, Any]) -> bool:
        lineage = self.host.lineage()
        sent = [
            self.endings.begin(process, partial(self._still, process, held.get(process.pid)))
            for process in processes
            if process.pid not in lineage
        ]
        return any(sent)

    def _still(self, process: Process, before: Any) -> bool:
        """Whether a process that is held by now is the one that was verified, and the same program."""
        seen = self.host.process(process.pid)
        return seen is not None and before is not None and self._state(seen) == before and seen == process

    def _write(self, rule: str, program: str, user: str, times: int) -> None:
        journal.append(self.host, "ended", rule=rule, program=program, user=user, times=times)

    def _write_down(self, now: float, event: str, **fields: str) -> None:
        """Have a line in the journal, once in a while: a start a millisecond may find the same."""
        if now >= self.written_at + RELOADED:
            self.written_at = now
            with contextlib.suppress(ControlError):
                journal.append(self.host, event, **fields)

    # -- the user

    def _notify(self, running: Running, program: str, now: float) -> None:
        """Notify a program's user in a process of its own: nobody waits for a desktop."""
        self.notified = {key: until for key, until in self.notified.items() if until > now}
        text = "\n".join(filter(None, map(cleaned, self.restricted.text.split("\n"))))
        key = (running.user, program)
        text = with_hints(text, running.identity.services, self.restricted.requests)
        if not text or key in self.notified or len(self.notifiers) >= MOST_NOTIFIERS:
            return
        uid = self.host.user_id(running.user)
        if uid is None:
            return
        self.notified[key] = now + 60.0
        pid = os.fork()
        if not pid:
            with contextlib.suppress(BaseException):
                os.setpgid(0, 0)
                notify(self.host, text, uid)
            os._exit(0)
        self.notifiers[pid] = now + NOTIFIED_WITHIN

    def _reap(self, now: float) -> None:
        for pid, until in list(self.notifiers.items()):
            with contextlib.suppress(OSError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self.notifiers[pid]
                elif until <= now:
                    os.kill(pid, signal.SIGKILL)

    # -- what is due

    def due(self) -> float | None:
        """When there is something to do by itself; None for never."""
        moments = [self.endings.due(), self.attempts.due(), min(self.notifiers.values(), default=None)]
        moments += [self.forked_at] if self.forked_at else []
        return min((moment for moment in moments if moment is not None), default=None)

    def proceed(self, now: float) -> None:
        """Do what is due."""
        for name in self.endings.proceed(now):
            with contextlib.suppress(ControlError):
                journal.append(self.host, "failed", control="apps", message=f"{name} does not end, not even by KILL")
        self.attempts.proceed(now)
        self._reap(now)
        if self.forked_at and self.forked_at <= now:
            self.forked_at = 0.0
            with contextlib.suppress(ControlError, Unseen):
                self._end_forked(now)

    def answer(self, request: Any) -> VerifierVerdicts:
        """The answer to a request."""
        now = time.monotonic()
        found: VerifierVerdicts
        try:
            if request[0] == "sets":
                found = {"sets": self.sets(now)}
            else:
                found = self.timer(now) if request[0] == "timer" else self.starts(request[1], now)
        except files.Damaged as damaged:  # by what is not what was installed, nothing is ended
            self._write_down(now, "damaged", file=damaged.file)
            found = {"failed": str(damaged)}
        except (ControlError, Unseen) as error:
            self._write_down(now, "failed", control="apps", message=str(error))
            found = {"failed": str(error)}
        used = os.times()
        return {**found, "used": used.user + used.system + used.children_user + used.children_system}


def _section(plan: Plan) -> PlanSection | None:
    """A plan's section on apps, where it is enforced."""
    section = plan["controls"].get("apps")
    return section if section and section["mode"] == "enforce" else None
