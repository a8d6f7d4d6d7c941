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
from ..controls.apps.running import RunningProgram
from ..controls.apps.user_notice import append_request_hints, clean_line, notify_users
from ..system import ControlError, Host, ObservationError, Process
from . import units
from .attempts import AttemptCounter
from .ending import ProcessTerminations
from .restricted import BWRAP, RestrictedPrograms, make_prefilter_sets
from .state import clock, effective, files, journal, pause, reservations

if TYPE_CHECKING:
    from ...model.types.plan import Plan, PlanSection
    from ...model.types.watch import VerifierSets, VerifierVerdicts

RELOAD_SECONDS = 60.0  # seconds after which the plan is read again: who is in a group follows to the minute
MAX_SUCCESSORS = 3  # plans after this one that the prefilter knows as well
MAX_NOTIFIERS = 4
NOTIFY_TIMEOUT_SECONDS = 12.0  # seconds
FORKED_DELAY_SECONDS = 0.5  # seconds after the end of a program, until what it has forked follows
MAX_FORKED = 32  # of these at a time
SLOW_SECONDS = 0.25  # seconds for a start, above which its user's next ones are verified one at a time
REST_FACTOR = 3  # times as long as such a start took, until his next one: so he has a quarter of the verifier's time
FORGET_SECONDS = 60.0  # seconds after which a user who was slow is like any other
RETRY_SECONDS = 0.1  # seconds until what there was no time for is asked again


class LaunchVerifier:
    """The verifier's side of the conversation. `make_host` makes a host without what another one has read."""

    def __init__(self, make_host: Callable[[], Host]) -> None:
        self.make_host = make_host
        self.host = make_host()
        self.restricted = RestrictedPrograms(self.host, None)
        self.settings_stamp: object = None  # which file they were read from
        self.settings: files.WatchSettings | None = None
        self.digest = ""  # of the plan that was in effect
        self.read_at = -RELOAD_SECONDS
        self.endings = ProcessTerminations()
        self.attempts = AttemptCounter(self._write_attempts)
        self.written_at = -RELOAD_SECONDS
        self.slow_users: dict[int, float] = {}  # by user, when his next start is verified
        self.ended_programs: dict[tuple[str, int], None] = {}  # programs that were ended lately
        self.forked_at = 0.0  # when what they have forked is ended too; 0 for never
        self.notified: dict[tuple[str, str], float] = {}
        self.notifiers: dict[int, float] = {}

    # -- what is restricted

    def reload_plan(self, now: float) -> None:
        """Read the plan, where that is due: at the moment from which another one is in effect, too. Raises Damaged,
        Unseen and ControlError.
        """
        status = self.host.find_entry(files.SETTINGS_PATH)
        stamp = (status.st_ino, status.st_ctime_ns) if status else None
        if (
            stamp == self.settings_stamp
            and now < self.read_at + RELOAD_SECONDS
            and self._find_digest_in_effect() == self.digest
        ):
            return
        self.settings_stamp, self.read_at = (
            stamp,
            -RELOAD_SECONDS,
        )  # what cannot be read is read again at the next start
        self.host = clock.use_monotonic_clock(self.make_host())
        self.settings = files.read_settings(self.host)
        self.digest = self._find_digest_in_effect()
        plan: Plan | None = None
        if self.settings:
            plan = effective.read_stored_plan(self.host, self.settings, self.digest)
        if plan and has_hours_or_groups(plan):
            from ..plan_groups import resolve_here_and_now

            plan, _ = resolve_here_and_now(self.host, plan)
        self.restricted = RestrictedPrograms(self.host, _find_apps_section(plan) if plan else None)
        self.read_at = now

    def _find_digest_in_effect(self) -> str:
        """The digest of the plan that is in effect now; "" where none is known."""
        return effective.find_digest_in_effect(self.host, self.settings) if self.settings else ""

    def read_sets(self, now: float) -> VerifierSets:
        """What the daemon lets through."""
        self.read_at = -RELOAD_SECONDS
        self.reload_plan(now)
        settings = self.settings
        sections: list[PlanSection] = []
        seconds_to_reload = 0.0
        if settings:
            plan = effective.read_stored_plan(self.host, settings, self.digest)
            effective_now = clock.read_effective_time(self.host)
            later_plans = [
                (parse_timestamp(moment), digest)
                for moment, digest in settings.chain
                if parse_timestamp(moment) > effective_now
            ]
            plans = [
                plan,
                *(
                    effective.read_stored_plan(self.host, settings, digest)
                    for _, digest in later_plans[:MAX_SUCCESSORS]
                ),
            ]
            sections = [section for known_plan in plans if (section := _find_apps_section(known_plan))]
            seconds_to_reload = (
                max(1.0, float(later_plans[MAX_SUCCESSORS - 1][0] - effective_now))
                if len(later_plans) > MAX_SUCCESSORS
                else 0.0
            )
        prefilter_sets = make_prefilter_sets(self.host, sections, self.restricted)
        if settings:
            prefilter_sets["read"], prefilter_sets["every"] = files.identify_settings(settings), settings.every * 1.1
        return {**prefilter_sets, "files": [files.SETTINGS_PATH, *prefilter_sets["files"]], "again": seconds_to_reload}

    # -- the timer

    def restart_timer(self, now: float) -> VerifierVerdicts:
        """Have systemd observe this host again, where somebody has stopped or changed that."""
        from .restoring import restore_units

        self.reload_plan(now)
        if self.settings and not pause.read_active_pause(self.host):
            restore_units(self.host, self.settings, (units.TIMER_UNIT, units.SERVICE_UNIT))
        return {}

    # -- starts

    def verify_starts(self, requests: Sequence[tuple[int, str, tuple[Any, ...]]], now: float) -> VerifierVerdicts:
        """Verify some starts, and end what is restricted. {innocent: [keys], again: [numbers], later: seconds of each};
        `pids_to_retry` could not be verified, `delays` was not tried.
        """
        if pause.read_active_pause(self.host):
            return {}
        self.reload_plan(now)
        if self.settings and reservations.is_changed_by_run(self.host, "apps", self.settings):
            return {}
        processes = {pid: process for pid, _, _ in requests if (process := self.host.find_process(pid))}
        paths = {pid: path for pid, path, _ in requests}
        states = {pid: self._read_state(process) for pid, process in processes.items()}
        pids_to_retry = {pid for pid, process in processes.items() if not process.exe.endswith(paths[pid])}
        sandbox_pids = {pid for pid, process in processes.items() if process.exe.endswith(f"/{BWRAP}")}
        sandboxes = {(processes[pid].exe, self.host.find_process_uid(processes[pid])) for pid in sandbox_pids}
        sandbox_processes = [process for process in self._find_processes(sandboxes) if process.pid not in processes]
        states.update({process.pid: self._read_state(process) for process in sandbox_processes})
        users = {pid: key[-1] for pid, _, key in requests}
        waiting = self._schedule_slow_users({pid: users[pid] for pid in processes}, now)
        innocent_pids: set[int] = set()
        delays: dict[int, float] = {}
        for verified in self.restricted.verify_processes([*processes.values(), *sandbox_processes], waiting):
            for program in verified.restricted:
                self._end_program(program, states, set(paths), now)
            for pid, duration in verified.durations:
                self._note_duration(users.get(pid), duration)
            pids_to_retry.update(verified.unclear_pids)
            innocent_pids.update(verified.innocent_pids)
            delays.update((pid, waiting.get(pid, RETRY_SECONDS)) for pid in verified.remaining_pids if pid in users)
        pids_to_retry.update(sandbox_pids)
        return {
            "innocent": [key for pid, _, key in requests if pid in innocent_pids - pids_to_retry],
            "again": sorted(pids_to_retry - delays.keys()),
            "later": delays,
        }

    def _schedule_slow_users(self, users: Mapping[int, int], now: float) -> dict[int, float]:
        """Of some starts with their users, those that have to wait, and for how many seconds."""
        self.slow_users = {uid: until for uid, until in self.slow_users.items() if until + FORGET_SECONDS > now}
        delays: dict[int, float] = {}
        for pid, uid in users.items():
            until = self.slow_users.get(uid)
            if until is not None and until > now:
                delays[pid] = until - now
            elif until is not None:
                self.slow_users[uid] = now + REST_FACTOR * SLOW_SECONDS  # one at a time
        return delays

    def _note_duration(self, uid: int | None, duration: float) -> None:
        """Note how long a start of a user took."""
        if uid is not None and duration > SLOW_SECONDS:
            self.slow_users[uid] = time.monotonic() + REST_FACTOR * duration
        elif uid in self.slow_users:
            self.slow_users.pop(uid)

    def _read_state(self, process: Process) -> tuple[float | None, str]:
        return self.host.read_start_time(process), process.exe

    def _find_processes(self, programs: Collection[tuple[str, int]]) -> list[Process]:
        """The processes of some programs, each by its path and its user."""
        if not programs:
            return []
        names = {exe for exe, _ in programs}
        processes = [process for process in self.host.list_processes()[0] if process.exe in names]
        return [process for process in processes if (process.exe, self.host.find_process_uid(process)) in programs]

    def _end_program(
        self, program: RunningProgram, states: Mapping[int, Any], started_pids: Collection[int], now: float
    ) -> None:
        """End a program, count it, and notify its user; what it has forked follows a moment later."""
        attempts = sum(process.pid in started_pids for process in program.processes)
        if not self._begin_termination(program.processes, states):
            return
        for service in program.identity.services:
            for _ in range(max(1, attempts)):
                self.attempts.count_attempt(f"apps/{service}", program.make_finding().id, program.user, now)
        self._notify_user(program, program.make_finding().id, now)
        if len(self.ended_programs) < MAX_FORKED:
            uid = self.host.find_user_id(program.user)
            self.ended_programs.update(
                {(process.exe, uid): None for process in program.processes[:1] if uid is not None}
            )
            self.forked_at = self.forked_at or now + FORKED_DELAY_SECONDS

    def _end_forked(self, now: float) -> None:
        """End what ended programs have forked: the same programs of the same users, a few at a time. What was started
        by itself is verified, and counted, for itself.
        """
        forked_processes = [
            process for process in self._find_processes(self.ended_programs) if self.host.is_forked(process)
        ]
        self.forked_at = now + FORKED_DELAY_SECONDS if forked_processes[MAX_FORKED:] else 0.0
        if not self.forked_at:
            self.ended_programs.clear()
        states = {process.pid: self._read_state(process) for process in forked_processes[:MAX_FORKED]}
        for verified in self.restricted.verify_processes(forked_processes[:MAX_FORKED]) if forked_processes else ():
            for program in verified.restricted:
                self._begin_termination(program.processes, states)

    def _begin_termination(self, processes: Sequence[Process], states: Mapping[int, Any]) -> bool:
        ancestor_pids = self.host.list_ancestor_pids()
        sent = [
            self.endings.begin_termination(process, partial(self._is_same_process, process, states.get(process.pid)))
            for process in processes
            if process.pid not in ancestor_pids
        ]
        return any(sent)

    def _is_same_process(self, process: Process, state: Any) -> bool:
        """Whether a process that is held by now is the one that was verified, and the same program."""
        current = self.host.find_process(process.pid)
        return current is not None and state is not None and self._read_state(current) == state and current == process

    def _write_attempts(self, rule: str, program: str, user: str, times: int) -> None:
        journal.append_event(self.host, "ended", rule=rule, program=program, user=user, times=times)

    def _write_rarely(self, now: float, event: str, **fields: str) -> None:
        """Have a line in the journal, once in a while: a start a millisecond may find the same."""
        if now >= self.written_at + RELOAD_SECONDS:
            self.written_at = now
            with contextlib.suppress(ControlError):
                journal.append_event(self.host, event, **fields)

    # -- the user

    def _notify_user(self, running: RunningProgram, program: str, now: float) -> None:
        """Notify a program's user in a process of its own: nobody waits for a desktop."""
        self.notified = {key: until for key, until in self.notified.items() if until > now}
        text = "\n".join(filter(None, map(clean_line, self.restricted.notification_text.split("\n"))))
        key = (running.user, program)
        text = append_request_hints(text, running.identity.services, self.restricted.has_requests)
        if not text or key in self.notified or len(self.notifiers) >= MAX_NOTIFIERS:
            return
        uid = self.host.find_user_id(running.user)
        if uid is None:
            return
        self.notified[key] = now + 60.0
        pid = os.fork()
        if not pid:
            with contextlib.suppress(BaseException):
                os.setpgid(0, 0)
                notify_users(self.host, text, uid)
            os._exit(0)
        self.notifiers[pid] = now + NOTIFY_TIMEOUT_SECONDS

    def _collect_notifiers(self, now: float) -> None:
        for pid, until in list(self.notifiers.items()):
            with contextlib.suppress(OSError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self.notifiers[pid]
                elif until <= now:
                    os.kill(pid, signal.SIGKILL)

    # -- what is due

    def get_due_time(self) -> float | None:
        """When there is something to do by itself; None for never."""
        moments = [
            self.endings.get_due_time(),
            self.attempts.get_due_time(),
            min(self.notifiers.values(), default=None),
        ]
        moments += [self.forked_at] if self.forked_at else []
        return min((moment for moment in moments if moment is not None), default=None)

    def process_due(self, now: float) -> None:
        """Do what is due."""
        for name in self.endings.process_due(now):
            with contextlib.suppress(ControlError):
                journal.append_event(
                    self.host, "failed", control="apps", message=f"{name} does not end, not even by KILL"
                )
        self.attempts.write_due_counts(now)
        self._collect_notifiers(now)
        if self.forked_at and self.forked_at <= now:
            self.forked_at = 0.0
            with contextlib.suppress(ControlError, ObservationError):
                self._end_forked(now)

    def process_request(self, request: Any) -> VerifierVerdicts:
        """The answer to a request."""
        now = time.monotonic()
        verdicts: VerifierVerdicts
        try:
            if request[0] == "sets":
                verdicts = {"sets": self.read_sets(now)}
            else:
                verdicts = self.restart_timer(now) if request[0] == "timer" else self.verify_starts(request[1], now)
        except files.DamagedFileError as damaged:  # by what is not what was installed, nothing is ended
            self._write_rarely(now, "damaged", file=damaged.file)
            verdicts = {"failed": str(damaged)}
        except (ControlError, ObservationError) as error:
            self._write_rarely(now, "failed", control="apps", message=str(error))
            verdicts = {"failed": str(error)}
        used = os.times()
        return {**verdicts, "used": used.user + used.system + used.children_user + used.children_system}


def _find_apps_section(plan: Plan) -> PlanSection | None:
    """A plan's section on apps, where it is enforced."""
    section = plan["controls"].get("apps")
    return section if section and section["mode"] == "enforce" else None
