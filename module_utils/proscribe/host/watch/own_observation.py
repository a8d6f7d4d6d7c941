"""Observation of a host by itself, without a run of the controller: comparison, correction, record.

The host is compared with the plan in effect. The limits of a run apply: the budgets of users, the host's lock, the
trial of a new firewall table. A further limit applies because no operator watches. If a user, or the host, would lose
very many packages in one correction, none of them is removed. The next run of the controller decides about these
packages.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Sequence

from ...base.json_text import format_json
from ...base.named_tuple import NamedTuple
from ...base.timestamps import format_timestamp
from ...model.finding import NONCOMPLIANT, REPAIRED, WATCH, WATCHER, list_correctable_rules, mark_repaired_rules
from ...model.plan import add_cache as known_plan
from ...model.plan import compute_once, has_hours_or_groups
from ..controls.apps.requests.answers import NOTIFIED_PATH
from ..system import ControlError, Host, ObservationError
from . import ssh_startups
from .correction import LimitedChanges, correct_control, list_uncorrected_by_user, make_uncorrected
from .drift_causes import group_by_cause
from .state import clock, journal, pause, plan_in_effect, reservations, watch_files
from .state.summary import is_stale

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord
    from ...model.types.watch import JournalLine, LastObservation, UncorrectedControl

    Change = Callable[..., ChangeAnswer]

MAX_UNWRITTEN_LINES = 50  # most lines that are kept while the journal cannot be written


class HostOperations(NamedTuple):
    """Functions of host_operations.py that observe and change a host.

    They are parameters because host_operations.py imports this package, and so cannot be imported here.
    """

    observe: Callable[..., tuple[ObservedRecord, list[str]]]
    change: Change


class OwnObservation:
    """Observation of a host by itself, with the corrections that follow."""

    def __init__(self, host: Host, settings: watch_files.WatchSettings, operations: HostOperations) -> None:
        self.host, self.settings, self.operations = host, settings, operations
        self.last_observation = watch_files.read_last_observation(host)
        # changes whenever a run writes the reservations, so it shows that a run has changed the host meanwhile
        self.generation = reservations.read_generation(host)
        self.reservations = reservations.read_reservations(host)
        # controls that this observation leaves alone, because a run changes them
        self.reserved_controls = self.reservations.list_in_force(host)
        # Rules that were noncompliant at the end of the last enforcing run, and were never compliant since. They are no
        # drift.
        self.unmet_rules = {*self.last_observation.get("unmet", ()), *self.reservations.unmet}
        # current defects: the next observation does not write them into the journal again
        self.reported_defects: list[str] = []
        self.unwritten_lines: list[JournalLine] = []  # lines that could not be written to the journal
        # why the record, the state or the journal lines of this observation could not be saved
        self.save_failures: list[str] = []
        # journal lines after the last finished observation; None until they are read
        self.lines_since_last: list[JournalLine] | None = None

    def observe_and_correct(self, plan: Plan) -> ObservedRecord:
        """Observe and correct the host, write the journal, and store the result. Return the record.

        Raises ValueError for an unusable plan. Raises SupersededError if a run of the controller changes the host
        meanwhile.
        """
        digest = str(plan["digest"])
        self._write_lines(self.last_observation.get("unwritten", []))
        self._note_time()
        self._note_lost_lines()
        earlier_plan = self._note_plan_change(plan, digest)
        record, drifted = self._observe(plan)
        for save_state in self.host.state_savers:
            # without saved state, the next observation only takes longer
            with contextlib.suppress(ControlError, ObservationError):
                # False: this is no run of the controller. Homes are read completely once in a number of such runs.
                save_state(False)
        rules_in_error = list_correctable_rules(record, drifted)
        if rules_in_error:
            self._require_current()
        self._add_expired(rules_in_error)
        # rules that were no drift at the last observation
        new_rules = [
            rule
            for rule in rules_in_error
            if rule not in self.last_observation.get("drifted", ()) and rule not in self.unmet_rules
        ]
        # Rules that only the new plan violates are no drift: the host complied with the earlier plan.
        newly_forbidden = set(new_rules) - self._filter_by_earlier_plan(earlier_plan, new_rules)
        self._note_drift(record, [rule for rule in new_rules if rule not in newly_forbidden])
        uncorrected: list[UncorrectedControl] = []
        if drifted and not pause.read_active_pause(self.host):
            uncorrected = self._correct_controls(plan, drifted)
            self._report_uncorrected(uncorrected)
            corrected_record, _ = self._observe(plan)
            self._require_current()
            # The correction of these rules repairs no drift, so it is not reported as a repair.
            without_drift = newly_forbidden | self.unmet_rules
            drifted_record: ObservedRecord = {
                **record,
                "rules": [rule for rule in record["rules"] if rule["rule"] not in without_drift],
            }
            corrected_rules = set(rules_in_error) - set(list_correctable_rules(corrected_record, drifted))
            record = mark_repaired_rules(drifted_record, corrected_record)
            repaired = {rule["rule"] for rule in record["rules"] if rule["state"] == REPAIRED}
            if corrected := [rule for rule in rules_in_error if rule in repaired and rule not in without_drift]:
                self._write_event("corrected", rules=corrected)
            rules_in_error = [
                rule for rule in rules_in_error if rule not in (corrected_rules & without_drift) | repaired
            ]
        # What only the new plan forbids, and was not corrected, is drift from now on.
        self._note_drift(record, [rule for rule in rules_in_error if rule in newly_forbidden])
        self._note_damage(record)
        self._note_full_sshd()
        self._notify_users(plan)
        self._store_result(record, digest, rules_in_error, uncorrected)
        with contextlib.suppress(ControlError, ObservationError):  # a failed write is repeated by the next observation
            reservations.forget_expired(self.host, self.generation)
        return record

    def _observe(self, plan: Plan) -> tuple[ObservedRecord, list[str]]:
        """Observe the host. Return the record, and the names of the controls that have drifted.

        In the record, rules of controls that a run has reserved are unknown. Such controls do not count as drifted.
        """
        record, drifted = self.operations.observe(self.host, plan)
        if not self.reserved_controls:
            return record, drifted
        drifted = [name for name in drifted if name not in self.reserved_controls]
        return reservations.mark_reserved(record, self.reserved_controls), drifted

    def _require_current(self) -> None:
        """Raise SupersededError if a run of the controller changed the host since this observation began.

        A change is a reservation that has begun or ended, or new settings of the watch.
        """
        if (
            reservations.read_generation(self.host) != self.generation
            or watch_files.read_settings(self.host) != self.settings
        ):
            raise reservations.SupersededError

    def _add_expired(self, rules_in_error: list[str]) -> None:
        """Add the noncompliant rules of controls with an expired reservation to the unmet rules.

        Unmet rules do not count as drift. The run of such a reservation had another plan, and did not finish.
        """
        expired = self.reservations.controls.keys() - self.reserved_controls.keys()
        self.unmet_rules |= {rule for rule in rules_in_error if rule.partition("/")[0] in expired}

    def _note_plan_change(self, plan: Plan, digest: str) -> Plan | None:
        """Write a change of the plan since the last observation into the journal. Return the earlier plan.

        A change is another plan in effect, or a waiver's hour that has begun or ended. `plan` is the plan in effect,
        and `digest` is its digest. Returns None if nothing has changed, or if the earlier plan is not known.
        """
        earlier_digest, last_moment = self.last_observation.get("plan", digest), self.last_observation.get("clock")
        if earlier_digest != digest:
            self._write_event("plan", plan=digest)
            return self._read_earlier_plan(digest, earlier_digest)
        if last_moment is None or not compute_once(plan, "has hours or groups", lambda: has_hours_or_groups(plan)):
            return None
        from ...model.plan_hours import compare_openness, resolve_hours

        time.tzset()
        earlier_plan, current_plan = (
            resolve_hours(plan, time.localtime(moment)) for moment in (last_moment, self.host.clock())
        )
        opened, closed = compare_openness(earlier_plan, current_plan)
        if not opened and not closed:
            return None
        self._write_event("hours", opened=opened, closed=closed)
        return earlier_plan

    def _read_earlier_plan(self, digest: str, earlier_digest: str) -> Plan | None:
        """Return the plan that was in effect before the plan with the digest `digest`; None if it is unknown.

        `earlier_digest` is the plan of the last observation. Returns None also if a run installed the plan `digest` as
        the first one: then the host has no plan before it.
        """
        plans = self.settings.list_digests()
        if digest == self.settings.plan:
            return None
        if earlier_digest not in plans:  # a run has brought other plans since the last own observation
            earlier_digest = plans[plans.index(digest) - 1]
        with contextlib.suppress(watch_files.DamagedFileError, ObservationError):
            return known_plan(plan_in_effect.read_stored_plan(self.host, self.settings, earlier_digest), {})
        return None

    def _filter_by_earlier_plan(self, earlier_plan: Plan | None, rules_in_error: list[str]) -> set[str]:
        """Return those of the noncompliant rules that are noncompliant by the earlier plan too.

        Returns all of the rules if there is no earlier plan (None). The same holds if the host cannot be observed by
        that plan.
        """
        if not rules_in_error or earlier_plan is None:
            return set(rules_in_error)
        try:
            return set(list_correctable_rules(*self.operations.observe(self.host, earlier_plan)))
        except (ControlError, ObservationError, ValueError):
            return set(rules_in_error)

    def _note_drift(self, record: ObservedRecord, rules: list[str]) -> None:
        """Write the drift of rules into the journal: one event for each cause."""
        for cause, cause_rules in group_by_cause(record, rules):
            self._write_event("drift", rules=cause_rules, users=record.get("logged_in", []), cause=cause)

    def _note_lost_lines(self) -> None:
        """Write a drift of the watch into the journal if the journal has lost lines since the last observation."""
        if journal.has_lost_lines(
            self.host, self.last_observation.get("journal", []), self.last_observation.get("last", "")
        ):
            detail = f"file {journal.JOURNAL}: lines that were in it are gone"
            self._write_event("drift", rules=["watch/watcher"], users=[], cause=detail)

    def _note_time(self) -> None:
        """Update the host's clock mark, and write defects of time into the journal.

        The defects are a clock that went back, and a plan that no run has renewed in time.
        """
        try:
            seconds_back = clock.update_clock(self.host)
        except (ControlError, ObservationError):
            seconds_back = 0
        if seconds_back and self._note_if_new("clock"):
            self._write_event("clock", back=seconds_back)
        renewal_time = watch_files.read_renewal_time(self.host)
        if is_stale(self.host, self.settings.max_age, renewal_time) and self._note_if_new("stale"):
            self._write_event("stale", renewed=renewal_time or format_timestamp(0))
        if "stale" in self.last_observation.get("reported", ()) and "stale" not in self.reported_defects:
            self._write_event("renewed")

    def _note_damage(self, record: ObservedRecord) -> None:
        """Write the remaining defects of the watch's files and units into the journal.

        Only a run of the controller repairs such defects, because the host has no second copy of the watch.
        """
        for rule in record["rules"]:
            if rule["rule"] == WATCHER and rule["state"] == NONCOMPLIANT:
                for finding in rule["findings"]:
                    if self._note_if_new(f"damaged {finding['path'] or finding['id']}"):
                        self._write_event("damaged", file=finding["path"] or finding["id"])

    def _note_full_sshd(self) -> None:
        """Write into the journal that sshd now refuses connections, or that it accepts them again.

        The host itself must note this: while sshd is full, no run of the controller can connect.
        """
        message = ""
        users: list[str] = []
        with contextlib.suppress(ControlError, ObservationError):
            message, users = ssh_startups.find_full_sshd(self.host)
        if message and self._note_if_new(ssh_startups.SSH_RULE):
            self._write_event("drift", rules=[ssh_startups.SSH_RULE], users=users, cause=message)
        elif not message and ssh_startups.SSH_RULE in self.last_observation.get("reported", ()):
            self._write_event("corrected", rules=[ssh_startups.SSH_RULE])

    def _note_if_new(self, defect: str) -> bool:
        """Note a defect as current. Return whether the last observation did not report the defect yet.

        `defect` is a text that identifies the defect, such as "stale".
        """
        self.reported_defects.append(defect)
        return defect not in self.last_observation.get("reported", ())

    def _write_event(self, event: str, **fields: Any) -> None:
        """Write an event into the journal, unless an observation that was killed has written the event already."""
        if event == "drift":
            fields["rules"] = [rule for rule in fields["rules"] if not self._is_drift_open(rule)]
            if not fields["rules"]:
                return
        elif event != "corrected":
            last_line: Any = next(
                (line for line in reversed(self._read_lines_since_last()) if line["event"] == event), None
            )
            if last_line and (
                event == "clock" or {**last_line, **fields} == last_line
            ):  # a second clock event may have fewer seconds, and is no new event
                return
        line: Any = {"at": format_timestamp(time.time()), "event": event, **fields}
        self._write_lines([line])

    def _is_drift_open(self, rule: str) -> bool:
        """Return whether the newest journal line about a rule is a drift without a correction.

        Only lines after the last finished observation count: an observation that was killed has written them.
        """
        lines = [
            line
            for line in self._read_lines_since_last()
            if line["event"] in ("drift", "corrected") and rule in line["rules"]
        ]
        return bool(lines) and lines[-1]["event"] == "drift"

    def _read_lines_since_last(self) -> list[JournalLine]:
        """Return the journal lines since the last observation that finished."""
        if self.lines_since_last is None:
            last_moment = self.last_observation.get("last", "")
            lines: list[JournalLine] = []
            with contextlib.suppress(ObservationError):
                lines = journal.read_journal(self.host)[0]
            self.lines_since_last = [line for line in lines if line["at"] > last_moment]
        return self.lines_since_last

    def _write_lines(self, lines: Sequence[JournalLine]) -> None:
        """Write lines into the journal.

        If the disk is full, the lines stay in `unwritten_lines`, and the correction of the host goes on.
        """
        for line in lines:
            fields = {name: content for name, content in line.items() if name not in ("at", "event")}
            try:
                journal.write_down(self.host, str(line.get("event")), fields, str(line.get("at")))
            except (ControlError, ObservationError):
                self.unwritten_lines.append(line)
            except (ValueError, TypeError):  # an invalid line, which an earlier observation stored in its state file
                continue

    def _correct_controls(self, plan: Plan, names: list[str]) -> list[UncorrectedControl]:
        """Correct the named controls, each separately. Return the uncorrected parts, with the reasons."""
        uncorrected: list[UncorrectedControl] = []
        for name in names:
            limited_changes = LimitedChanges()
            try:
                if name == WATCH:
                    from .restoration import restore

                    restore(self.host, self.settings)
                else:
                    change = partial(self.operations.change, begin=self._require_current)
                    correct_control(self.host, plan, name, change, limited_changes)
            except (ControlError, ObservationError, ValueError, OSError) as error:
                # the error may come from a run of the controller that changed the host meanwhile
                self._require_current()
                uncorrected.append(make_uncorrected(name, "", str(error)))
            uncorrected += list_uncorrected_by_user(name, limited_changes.unchanged)
        return uncorrected

    def _report_uncorrected(self, uncorrected: list[UncorrectedControl]) -> None:
        """Write each part that could not be corrected into the journal, once.

        The rule watch/corrections reports the part until the part is corrected.
        """
        earlier_uncorrected = self.last_observation.get("uncorrected", [])
        users = {(entry["control"], entry["user"]) for entry in earlier_uncorrected if entry["user"]}
        for entry in uncorrected:
            # A user's part counts by control and user only: its reason may contain output that differs each time.
            if entry not in earlier_uncorrected and (entry["control"], entry["user"]) not in users:
                message = f"{entry['user']}: {entry['reason']}" if entry["user"] else entry["reason"]
                self._write_event("failed", control=entry["control"], message=message)
        if uncorrected != earlier_uncorrected:
            # a failed write is repeated by the next observation
            with contextlib.suppress(ControlError, ObservationError):
                self.host.write_file(
                    watch_files.STATE_PATH, format_json({**self.last_observation, "uncorrected": uncorrected}), 0o600
                )

    def _notify_users(self, plan: Plan) -> None:
        """Notify users of answers to their requests, and of their waivers.

        A waiver is announced when its time begins, when the time ends soon, and when the time has ended.
        """
        with contextlib.suppress(ControlError, ObservationError):
            if plan.get("answers") or plan.get("waivers") or self.host.find_entry(NOTIFIED_PATH):
                from ..controls.apps.requests.notifications import list_due_messages, send_messages

                for message in list_due_messages(self.host, plan, clock.read_effective_time(self.host)):
                    send_messages(self.host, [message])
                    self._write_event("notified", **message[2])

    def _store_result(
        self, record: ObservedRecord, digest: str, rules_in_error: list[str], uncorrected: list[UncorrectedControl]
    ) -> None:
        """Store the record, and the state for the next observation. Note the failures in `save_failures`."""
        waiting_lines, self.unwritten_lines = self.unwritten_lines, []
        # the first attempt may have failed on a full disk, and the corrections may have freed space
        self._write_lines(waiting_lines)
        state: LastObservation = {
            "last": format_timestamp(time.time()),
            "plan": digest,
            # The rules of a reserved control were not judged, so they stay as they were.
            "drifted": [
                *rules_in_error,
                *(
                    rule
                    for rule in self.last_observation.get("drifted", ())
                    if _parse_control(rule) in self.reserved_controls
                ),
            ],
            "uncorrected": uncorrected,
            "unmet": [
                rule
                for rule in self.unmet_rules
                if rule in rules_in_error or _parse_control(rule) in self.reserved_controls
            ],
            "reported": self.reported_defects,
            "clock": int(self.host.clock()),
            "up": clock.read_awake_seconds(),
            "boot": clock.read_boot_id(self.host),
            "journal": journal.measure_journal(self.host),
        }
        if self.unwritten_lines:
            state["unwritten"] = self.unwritten_lines[:MAX_UNWRITTEN_LINES]
        for path, content in ((watch_files.STATE_PATH, state), (watch_files.RECORD_PATH, record)):
            try:
                self.host.write_file(path, format_json(content), 0o600)
            except (ControlError, ObservationError) as error:
                self.save_failures.append(str(error))
        if self.unwritten_lines:
            self.save_failures.append(f"{len(self.unwritten_lines)} lines cannot be written to {journal.JOURNAL}")


def _parse_control(rule: str) -> str:
    return rule.partition("/")[0]


def observe_host(
    host: Host,
    settings: watch_files.WatchSettings,
    operations: HostOperations,
    read_cached: Callable[[str], Any],
    cache_plan: Callable[[str, Any], None],
) -> list[str]:
    """Observe and correct the host by the plan in effect. Return why results could not be saved; [] if they were.

    `read_cached` returns the cached pair (plan, results computed from the plan) for a plan's digest; None without such
    a pair. `cache_plan` caches a pair under a digest. Raises DamagedFileError, ObservationError and ValueError.
    """
    digest = settings.find_digest_in_effect(format_timestamp(clock.use_monotonic_clock(host).clock()))
    # The observation adds further results to the cached ones.
    plan, computed_results = read_cached(digest) or (plan_in_effect.read_stored_plan(host, settings, digest), {})
    cached_count = len(computed_results)
    observation = OwnObservation(host, settings, operations)
    observation.observe_and_correct(known_plan(plan, computed_results))
    if len(computed_results) != cached_count or not cached_count:
        cache_plan(digest, (plan, computed_results))
    return observation.save_failures
