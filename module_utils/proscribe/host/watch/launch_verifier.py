"""Verifier of program starts: it identifies each started program, and ends restricted programs.

starts/daemon.py starts the verifier on demand. The verifier ends by itself after an idle time. So a quiet host has none
of this code in memory.

The daemon sends these requests:

    ("sets",)                                  return the sets of programs that may be restricted
    ("starts", [(pid, end of the path, key)])  verify starts; the last item of a key is the user's id
    ("timer",)                                 restore the timer of the watcher's observations: one was missed

Answers are `VerifierVerdicts` (model/types/watch.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Collection, Mapping, Sequence

from ...base.timestamps import parse_timestamp
from ...model.plan import has_hours_or_groups
from ..controls.apps.running_programs import RunningProgram
from ..controls.apps.user_notice import append_request_hints, clean_line, notify_users
from ..system import ControlError, Host, ObservationError, Process
from . import watch_units
from .attempt_counter import AttemptCounter
from .restricted_programs import BWRAP, RestrictedPrograms, make_prefilter_sets
from .state import clock, journal, pause, plan_in_effect, reservations, watch_files
from .terminations import ProcessTerminations

if TYPE_CHECKING:
    from ...model.types.plan import Plan, PlanSection
    from ...model.types.watch import VerifierSets, VerifierVerdicts

RELOAD_SECONDS = 60.0  # between two reads of the plan, so that changed members of groups take effect within a minute
MAX_SUCCESSORS = 3  # later plans that the sets for the daemon cover too
MAX_NOTIFIERS = 4  # most processes that notify users at the same time
NOTIFY_TIMEOUT_SECONDS = 12.0
FORKED_DELAY_SECONDS = 0.5  # between the end of a program and the end of its forked processes
MAX_FORKED = 32  # most forked processes that are ended together
SLOW_SECONDS = 0.25  # to verify a start; after a slower start, the next starts of that user are verified one at a time
# After a slow verification, the user's next start waits three times as long as the verification took. So a single user
# gets at most a quarter of the verifier's time.
REST_FACTOR = 3
FORGET_SECONDS = 60.0  # until a user with slow starts is treated like any other
RETRY_SECONDS = 0.1  # until the daemon sends a start again for which no time was left


class LaunchVerifier:
    """Verifier of program starts, which answers requests of the daemon.

    `make_host` returns a new host without cached data of an earlier host.
    """

    def __init__(self, make_host: Callable[[], Host]) -> None:
        self.make_host = make_host
        self.host = make_host()
        self.restricted = RestrictedPrograms(self.host, None)
        self.settings_stamp: object = None  # inode and change time of the file of `settings` at the last read
        self.settings: watch_files.WatchSettings | None = None
        self.digest = ""  # digest of the plan in effect at the last read; "" for no plan
        self.read_at = -RELOAD_SECONDS  # time (time.monotonic) of the last read of the plan
        self.endings = ProcessTerminations()
        self.attempts = AttemptCounter(self._write_attempts)
        self.written_at = -RELOAD_SECONDS  # time of the last line by `_write_rarely`
        # user id -> time from which the user's next start is verified (time.monotonic)
        self.slow_users: dict[int, float] = {}
        # keys are (path, user id) of programs that were ended recently; the values mean nothing
        self.ended_programs: dict[tuple[str, int], None] = {}
        self.forked_at = 0.0  # time at which processes are ended that `ended_programs` have forked; 0 for never
        # (user, program) -> time until which the user gets no further notification about the program
        self.notified: dict[tuple[str, str], float] = {}
        # id of a process that notifies a user -> time at which the process is killed
        self.notifiers: dict[int, float] = {}

    # -- restrictions

    def reload_plan(self, now: float) -> None:
        """Read the plan again if that is due.

        The read is due if the settings have changed, if RELOAD_SECONDS are over, or if another plan takes effect. `now`
        is the time of time.monotonic. Raises DamagedFileError, ObservationError and ControlError.
        """
        status = self.host.find_entry(watch_files.SETTINGS_PATH)
        stamp = (status.st_ino, status.st_ctime_ns) if status else None
        if (
            stamp == self.settings_stamp
            and now < self.read_at + RELOAD_SECONDS
            and self._find_digest_in_effect() == self.digest
        ):
            return
        # If one of the next steps fails, `read_at` makes the next start read the plan again.
        self.settings_stamp, self.read_at = (
            stamp,
            -RELOAD_SECONDS,
        )
        self.host = clock.use_monotonic_clock(self.make_host())
        self.settings = watch_files.read_settings(self.host)
        self.digest = self._find_digest_in_effect()
        plan: Plan | None = None
        if self.settings:
            plan = plan_in_effect.read_stored_plan(self.host, self.settings, self.digest)
        if plan and has_hours_or_groups(plan):
            from ..plan_resolution import resolve_here_and_now

            plan, _ = resolve_here_and_now(self.host, plan)
        self.restricted = RestrictedPrograms(self.host, _find_apps_section(plan) if plan else None)
        self.read_at = now

    def _find_digest_in_effect(self) -> str:
        """Return the digest of the plan in effect now; "" if no plan is known."""
        return plan_in_effect.find_digest_in_effect(self.host, self.settings) if self.settings else ""

    def read_sets(self, now: float) -> VerifierSets:
        """Return the sets by which the daemon chooses the starts that it passes to the verifier (prefilter).

        The sets cover the current plan and its next MAX_SUCCESSORS successors. `again` has the seconds until later
        successors need new sets; 0 if there are no later successors.
        """
        self.read_at = -RELOAD_SECONDS
        self.reload_plan(now)
        settings = self.settings
        sections: list[PlanSection] = []
        seconds_to_reload = 0.0
        if settings:
            plan = plan_in_effect.read_stored_plan(self.host, settings, self.digest)
            effective_now = clock.read_effective_time(self.host)
            later_plans = [
                (parse_timestamp(moment), digest)
                for moment, digest in settings.chain
                if parse_timestamp(moment) > effective_now
            ]
            plans = [
                plan,
                *(
                    plan_in_effect.read_stored_plan(self.host, settings, digest)
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
            prefilter_sets["read"], prefilter_sets["every"] = (
                watch_files.identify_settings(settings),
                settings.every * 1.1,  # with the random delay of the timer (watch_units.py)
            )
        return {
            **prefilter_sets,
            "files": [watch_files.SETTINGS_PATH, *prefilter_sets["files"]],
            "again": seconds_to_reload,
        }

    # -- the timer

    def restart_timer(self, now: float) -> VerifierVerdicts:
        """Restore the timer of the watcher's observations, if somebody has stopped or changed that timer.

        A paused watcher is left alone. The answer is always {}, because nothing was verified.
        """
        from .restoration import restore_units

        self.reload_plan(now)
        if self.settings and not pause.read_active_pause(self.host):
            restore_units(self.host, self.settings, (watch_units.TIMER_UNIT, watch_units.SERVICE_UNIT))
        return {}

    # -- starts

    def verify_starts(self, requests: Sequence[tuple[int, str, tuple[Any, ...]]], now: float) -> VerifierVerdicts:
        """Verify started programs, and end restricted programs. Return {innocent, again, later}.

        `requests` are (process id, end of the path, key). `innocent` has the keys of starts whose programs are not
        restricted. `again` has the ids of processes that could not be verified. `later` has the seconds to wait for
        each process that was not verified yet. The answer is {} while the watcher is paused, or while a run changes the
        apps.
        """
        if pause.read_active_pause(self.host):
            return {}
        self.reload_plan(now)
        if self.settings and reservations.is_changed_by_run(self.host, "apps", self.settings):
            return {}
        processes = {pid: process for pid, _, _ in requests if (process := self.host.find_process(pid))}
        paths = {pid: path for pid, path, _ in requests}
        states = {pid: self._read_state(process) for pid, process in processes.items()}
        # a process that has not executed the started file yet, or runs another program by now
        pids_to_retry = {pid for pid, process in processes.items() if not process.exe.endswith(paths[pid])}
        # A flatpak sandbox starts with bwrap, and the program inside is known only a moment later. So all processes of
        # the user's bwrap are verified too, and the start is verified again.
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
        """Return the seconds to wait for each start that has to wait, by process id.

        `users` has the user's id for each process id. A start waits if an earlier start of its user took long to
        verify.
        """
        self.slow_users = {uid: until for uid, until in self.slow_users.items() if until + FORGET_SECONDS > now}
        delays: dict[int, float] = {}
        for pid, uid in users.items():
            until = self.slow_users.get(uid)
            if until is not None and until > now:
                delays[pid] = until - now
            elif until is not None:
                # the user's next starts wait while this start is verified
                self.slow_users[uid] = now + REST_FACTOR * SLOW_SECONDS
        return delays

    def _note_duration(self, uid: int | None, duration: float) -> None:
        """Note the seconds that the verification of a user's start took.

        A long verification delays the user's next starts. `uid` is None for a process that the daemon did not send.
        """
        if uid is not None and duration > SLOW_SECONDS:
            self.slow_users[uid] = time.monotonic() + REST_FACTOR * duration
        elif uid in self.slow_users:
            self.slow_users.pop(uid)

    def _read_state(self, process: Process) -> tuple[float | None, str]:
        """Return the start time and the program of a process, to detect reuse of its process id."""
        return self.host.read_start_time(process), process.exe

    def _find_processes(self, programs: Collection[tuple[str, int]]) -> list[Process]:
        """Return the running processes of these programs. A program is given as (path, user id)."""
        if not programs:
            return []
        names = {exe for exe, _ in programs}
        processes = [process for process in self.host.list_processes()[0] if process.exe in names]
        return [process for process in processes if (process.exe, self.host.find_process_uid(process)) in programs]

    def _end_program(
        self, program: RunningProgram, states: Mapping[int, Any], started_pids: Collection[int], now: float
    ) -> None:
        """End a restricted program, count the attempt, and notify its user.

        `states` has the state of each process at its verification. `started_pids` are the processes that the daemon has
        sent. Processes that the program has forked are ended a moment later.
        """
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
        """End processes that ended programs had forked (same path and user), MAX_FORKED at a time.

        A process that was not forked is a separate start. The daemon sends it, and it is verified and counted as such.
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
        """Send TERM to these processes, except to ancestors of this process.

        Returns whether any signal was sent. `states` has the state of each process at its verification. A process with
        another state is left alone.
        """
        ancestor_pids = self.host.list_ancestor_pids()
        sent = [
            self.endings.begin_termination(process, partial(self._is_same_process, process, states.get(process.pid)))
            for process in processes
            if process.pid not in ancestor_pids
        ]
        return any(sent)

    def _is_same_process(self, process: Process, state: Any) -> bool:
        """Return whether the process with this id is still the verified process, and runs the same program.

        `state` is the result of `_read_state` at the verification.
        """
        current = self.host.find_process(process.pid)
        return current is not None and state is not None and self._read_state(current) == state and current == process

    def _write_attempts(self, rule: str, program: str, user: str, times: int) -> None:
        """Write to the journal how many starts of a program the watcher has ended for a user."""
        journal.append_event(self.host, "ended", rule=rule, program=program, user=user, times=times)

    def _write_rarely(self, now: float, event: str, **fields: str) -> None:
        """Write an event to the journal, but at most one event in RELOAD_SECONDS.

        `fields` are those of the event (journal.EVENTS). Programs may start every millisecond, and each start may have
        the same result.
        """
        if now >= self.written_at + RELOAD_SECONDS:
            self.written_at = now
            with contextlib.suppress(ControlError):
                journal.append_event(self.host, event, **fields)

    # -- the user

    def _notify_user(self, running: RunningProgram, program: str, now: float) -> None:
        """Notify a program's user in a separate process, so that the verifier does not wait for a desktop.

        `program` is the program's name in findings. A user gets one notification a minute for a program. Nothing is
        sent if the plan has no text, or if too many notifications are in progress.
        """
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
        """Reap notification processes that have ended, and kill those whose time is over."""
        for pid, until in list(self.notifiers.items()):
            with contextlib.suppress(OSError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self.notifiers[pid]
                elif until <= now:
                    os.kill(pid, signal.SIGKILL)

    # -- due tasks

    def get_due_time(self) -> float | None:
        """Return the time (time.monotonic) of the next task that no request starts; None if no task waits."""
        moments = [
            self.endings.get_due_time(),
            self.attempts.get_due_time(),
            min(self.notifiers.values(), default=None),
        ]
        moments += [self.forked_at] if self.forked_at else []
        return min((moment for moment in moments if moment is not None), default=None)

    def process_due(self, now: float) -> None:
        """Do the tasks that are due at the time `now`.

        The tasks kill programs, write counts, and end notifications and forked processes.
        """
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
        """Return the answer to a request of the daemon.

        After an error, the answer has the reason as `failed`. `used` has the seconds of processor time that the
        verifier has used since it was started.
        """
        now = time.monotonic()
        verdicts: VerifierVerdicts
        try:
            if request[0] == "sets":
                verdicts = {"sets": self.read_sets(now)}
            else:
                verdicts = self.restart_timer(now) if request[0] == "timer" else self.verify_starts(request[1], now)
        except watch_files.DamagedFileError as damaged:  # with damaged files of the watcher, no program is ended
            self._write_rarely(now, "damaged", file=damaged.file)
            verdicts = {"failed": str(damaged)}
        except (ControlError, ObservationError) as error:
            self._write_rarely(now, "failed", control="apps", message=str(error))
            verdicts = {"failed": str(error)}
        used = os.times()
        return {**verdicts, "used": used.user + used.system + used.children_user + used.children_system}


def _find_apps_section(plan: Plan) -> PlanSection | None:
    """Return the plan's section on apps if it is enforced; None if it is only audited or missing."""
    section = plan["controls"].get("apps")
    return section if section and section["mode"] == "enforce" else None
