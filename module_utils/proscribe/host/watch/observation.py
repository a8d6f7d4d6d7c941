"""One own observation: what the plan in effect calls for is compared with what is so, corrected, and written down.

It has the limits of a run: the budgets of users, the lock, the firewall's take-back; and one of its own, since nobody
reads along: of whoever would lose very many packages at once, none is removed, and the next run decides.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Sequence

from ...base.json_text import format_json
from ...base.moments import format_timestamp
from ...base.tuples import NamedTuple
from ...model.finding import NONCOMPLIANT, REPAIRED, WATCH, WATCHER, list_correctable_rules, mark_repaired_rules
from ...model.plan import add_cache as known_plan
from ...model.plan import compute_once, has_hours_or_groups
from ..controls.apps.requests.answers import NOTIFIED
from ..system import ControlError, Host, Unseen
from . import ssh_startups
from .causes import by_cause
from .correcting import LimitedChanges, correct_control, list_by_user, make_uncorrected
from .state import clock, effective, files, journal, pause, reservations
from .state.summary import is_stale

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.plan import Plan
    from ...model.types.record import ObservedRecord
    from ...model.types.watch import JournalLine, LastObservation, UncorrectedControl

    Change = Callable[..., ChangeAnswer]

MOST_UNWRITTEN = 50  # lines of the journal that wait for it to be writable


class Operations(NamedTuple):
    """The two operations on a host, as run.py has them: what uses them is below it."""

    observe: Callable[..., tuple[ObservedRecord, list[str]]]
    change: Change


class Observation:
    """One observation of a host by itself. `follows` is what is cached of the plan of this digest; `keep` caches it."""

    def __init__(self, host: Host, known: files.Settings, operations: Operations) -> None:
        self.host, self.known, self.operations = host, known, operations
        self.before = files.state(host)
        self.generation = reservations.read_generation(host)
        self.reservations = reservations.read_reservations(host)
        self.reserved = self.reservations.list_in_force(host)
        self.unmet = {*self.before.get("unmet", ()), *self.reservations.unmet}
        self.reported: list[str] = []  # what is wrong and need not be written down again
        self.unwritten: list[JournalLine] = []  # lines that the journal could not take
        self.unsaved: list[str] = []  # why the record and the state of this observation are not on the disk
        self.ended_early: list[JournalLine] | None = None  # lines of one that did not come to its end

    def run(self, plan: Plan) -> ObservedRecord:
        """Observe and correct; the record. Raises ValueError for an unusable plan."""
        digest = str(plan["digest"])
        self._write(self.before.get("unwritten", []))
        self._note_time()
        self._note_lost_lines()
        earlier = self._note_change(plan, digest)
        record, drifted = self._observe(plan)
        for save in self.host.state_savers:
            with contextlib.suppress(ControlError, Unseen):  # a host where that cannot be only loses time
                save(False)  # no run: homes are read whole once in so many runs of the controller
        wrong = list_correctable_rules(record, drifted)
        if wrong:
            self._require_current()
        self._forgive_expired(wrong)
        new = [rule for rule in wrong if rule not in self.before.get("drifted", ()) and rule not in self.unmet]
        # What only the plan forbids that has just taken effect has not drifted: it was as the one before had it.
        turned = set(new) - self._by_earlier_plan(earlier, new)
        self._note_drift(record, [rule for rule in new if rule not in turned])
        uncorrected: list[UncorrectedControl] = []
        if drifted and not pause.active(self.host):
            uncorrected = self._correct(plan, drifted)
            self._report_uncorrected(uncorrected)
            after, _ = self._observe(plan)
            self._require_current()
            no_drift = turned | self.unmet
            was: ObservedRecord = {
                **record,
                "rules": [rule for rule in record["rules"] if rule["rule"] not in no_drift],
            }
            right = set(wrong) - set(list_correctable_rules(after, drifted))
            record = mark_repaired_rules(was, after)
            repaired = {rule["rule"] for rule in record["rules"] if rule["state"] == REPAIRED}
            if corrected := [rule for rule in wrong if rule in repaired and rule not in no_drift]:
                self._journal("corrected", rules=corrected)
            wrong = [rule for rule in wrong if rule not in (right & no_drift) | repaired]
        self._note_drift(record, [rule for rule in wrong if rule in turned])
        self._note_damage(record)
        self._note_full_sshd()
        self._notify(plan)
        self._store(record, digest, wrong, uncorrected)
        with contextlib.suppress(ControlError, Unseen):  # the next observation does it
            reservations.take_over(self.host, self.generation)
        return record

    def _observe(self, plan: Plan) -> tuple[ObservedRecord, list[str]]:
        """Observe the host; of controls that a run has reserved, nothing is known and nothing has drifted."""
        record, drifted = self.operations.observe(self.host, plan)
        if not self.reserved:
            return record, drifted
        drifted = [name for name in drifted if name not in self.reserved]
        return reservations.mark_reserved(record, self.reserved), drifted

    def _require_current(self) -> None:
        """Raise Superseded where a run has begun or ended to change this host since this observation began."""
        if reservations.read_generation(self.host) != self.generation or files.settings(self.host) != self.known:
            raise reservations.Superseded

    def _forgive_expired(self, wrong: list[str]) -> None:
        """Count rules as unmet that a run left as they are by another plan, and did not come to its end."""
        expired = self.reservations.controls.keys() - self.reserved.keys()
        self.unmet |= {rule for rule in wrong if rule.partition("/")[0] in expired}

    def _note_change(self, plan: Plan, digest: str) -> Plan | None:
        """Write down that since the last own observation another plan has taken effect, or an hour of a waiver has
        begun or ended. Returns the plan as it was then, None where it was the same.
        """
        earlier, last = self.before.get("plan", digest), self.before.get("clock")
        if earlier != digest:
            self._journal("plan", plan=digest)
            return self._stored_before(digest, earlier)
        if last is None or not compute_once(plan, "has hours or groups", lambda: has_hours_or_groups(plan)):
            return None
        from ...model.plan_hours import compare_openness, resolve_hours

        time.tzset()
        was, now = (resolve_hours(plan, time.localtime(moment)) for moment in (last, self.host.clock()))
        opened, closed = compare_openness(was, now)
        if not opened and not closed:
            return None
        self._journal("hours", opened=opened, closed=closed)
        return was

    def _stored_before(self, digest: str, earlier: str) -> Plan | None:
        """The plan that was in effect before another one followed it; None where a run has brought that, or nobody
        knows.
        """
        plans = self.known.plans()
        if digest == self.known.plan:
            return None
        if earlier not in plans:  # a run has brought others since the last own observation
            earlier = plans[plans.index(digest) - 1]
        with contextlib.suppress(files.Damaged, Unseen):
            return known_plan(effective.stored(self.host, self.known, earlier), {})
        return None

    def _by_earlier_plan(self, earlier: Plan | None, wrong: list[str]) -> set[str]:
        """Of rules that are wrong, those that are so by the earlier plan, too; all of them where there is none."""
        if not wrong or earlier is None:
            return set(wrong)
        try:
            return set(list_correctable_rules(*self.operations.observe(self.host, earlier)))
        except (ControlError, Unseen, ValueError):
            return set(wrong)

    def _note_drift(self, record: ObservedRecord, rules: list[str]) -> None:
        for cause, together in by_cause(record, rules):
            self._journal("drift", rules=together, users=record.get("logged_in", []), cause=cause)

    def _note_lost_lines(self) -> None:
        """Write down that the journal has lost lines that the last own observation saw in it."""
        if journal.has_lost_lines(self.host, self.before.get("journal", []), self.before.get("last", "")):
            detail = f"file {journal.JOURNAL}: lines that were in it are gone"
            self._journal("drift", rules=["watch/watcher"], users=[], cause=detail)

    def _note_time(self) -> None:
        try:
            back = clock.advance(self.host)
        except (ControlError, Unseen):
            back = 0
        if back and self._fresh("clock"):
            self._journal("clock", back=back)
        renewed = files.renewed(self.host)
        if is_stale(self.host, self.known.max_age, renewed) and self._fresh("stale"):
            self._journal("stale", renewed=renewed or format_timestamp(0))
        if "stale" in self.before.get("reported", ()) and "stale" not in self.reported:
            self._journal("renewed")

    def _note_damage(self, record: ObservedRecord) -> None:
        """Of the watcher itself, what is still wrong: a run repairs it, as it is not on the host a second time."""
        for rule in record["rules"]:
            if rule["rule"] == WATCHER and rule["state"] == NONCOMPLIANT:
                for finding in rule["findings"]:
                    if self._fresh(f"damaged {finding['path'] or finding['id']}"):
                        self._journal("damaged", file=finding["path"] or finding["id"])

    def _note_full_sshd(self) -> None:
        """Write down that sshd refuses connections, and that it takes them again: no run gets through to see it."""
        message = ""
        users: list[str] = []
        with contextlib.suppress(ControlError, Unseen):
            message, users = ssh_startups.find_full_sshd(self.host)
        if message and self._fresh(ssh_startups.RULE):
            self._journal("drift", rules=[ssh_startups.RULE], users=users, cause=message)
        elif not message and ssh_startups.RULE in self.before.get("reported", ()):
            self._journal("corrected", rules=[ssh_startups.RULE])

    def _fresh(self, what: str) -> bool:
        """Whether something that is so was not so the last time."""
        self.reported.append(what)
        return what not in self.before.get("reported", ())

    def _journal(self, event: str, **fields: Any) -> None:
        """Write an event down, once: an observation that was killed may have done so before its end."""
        if event == "drift":
            fields["rules"] = [rule for rule in fields["rules"] if not self._is_open(rule)]
            if not fields["rules"]:
                return
        elif event != "corrected":
            last: Any = next((line for line in reversed(self._of_killed()) if line["event"] == event), None)
            if last and (event == "clock" or {**last, **fields} == last):  # the clock is behind by less by now
                return
        line: Any = {"at": format_timestamp(time.time()), "event": event, **fields}
        self._write([line])

    def _is_open(self, rule: str) -> bool:
        """Whether an observation that was killed wrote down that a rule drifted, and not that it was corrected."""
        lines = [one for one in self._of_killed() if one["event"] in ("drift", "corrected") and rule in one["rules"]]
        return bool(lines) and lines[-1]["event"] == "drift"

    def _of_killed(self) -> list[JournalLine]:
        """The lines that were written since the last observation that came to its end."""
        if self.ended_early is None:
            last = self.before.get("last", "")
            lines: list[JournalLine] = []
            with contextlib.suppress(Unseen):
                lines = journal.read(self.host)[0]
            self.ended_early = [line for line in lines if line["at"] > last]
        return self.ended_early

    def _write(self, lines: Sequence[JournalLine]) -> None:
        """Have lines in the journal. A full disk does not keep a host from being corrected: they wait."""
        for line in lines:
            fields = {name: value for name, value in line.items() if name not in ("at", "event")}
            try:
                journal.write_down(self.host, str(line.get("event")), fields, str(line.get("at")))
            except (ControlError, Unseen):
                self.unwritten.append(line)
            except (ValueError, TypeError):  # no line, in what an earlier observation left
                continue

    def _correct(self, plan: Plan, names: list[str]) -> list[UncorrectedControl]:
        """Correct controls, each by itself. Return what was not corrected, with the reasons."""
        uncorrected: list[UncorrectedControl] = []
        for name in names:
            doing = LimitedChanges()
            try:
                if name == WATCH:
                    from .restoring import restore

                    restore(self.host, self.known)
                else:
                    change = partial(self.operations.change, begin=self._require_current)
                    correct_control(self.host, plan, name, change, doing)
            except (ControlError, Unseen, ValueError, OSError) as error:
                self._require_current()  # it was refused for that, if so
                uncorrected.append(make_uncorrected(name, "", str(error)))
            uncorrected += list_by_user(name, doing.left)
        return uncorrected

    def _report_uncorrected(self, uncorrected: list[UncorrectedControl]) -> None:
        """Write down what is not corrected and was so far, once. The rule watch/corrections has it until it is."""
        before = self.before.get("uncorrected", [])
        users = {(entry["control"], entry["user"]) for entry in before if entry["user"]}
        for entry in uncorrected:
            # What a user's own tool prints may differ each time.
            if entry not in before and (entry["control"], entry["user"]) not in users:
                message = f"{entry['user']}: {entry['reason']}" if entry["user"] else entry["reason"]
                self._journal("failed", control=entry["control"], message=message)
        if uncorrected != before:
            with contextlib.suppress(ControlError, Unseen):  # the next observation tries again
                self.host.write(files.STATE, format_json({**self.before, "uncorrected": uncorrected}), 0o600)

    def _notify(self, plan: Plan) -> None:
        """Notify users of answers to their requests, and of waivers that open, end soon, or have ended."""
        with contextlib.suppress(ControlError, Unseen):
            if plan.get("answers") or plan.get("waivers") or self.host.stat(NOTIFIED):
                from ..controls.apps.requests.notifications import deliver, due

                for message in due(self.host, plan, clock.effective(self.host)):
                    deliver(self.host, [message])
                    self._journal("notified", **message[2])

    def _store(
        self, record: ObservedRecord, digest: str, wrong: list[str], uncorrected: list[UncorrectedControl]
    ) -> None:
        waiting, self.unwritten = self.unwritten, []
        self._write(waiting)  # what was corrected may have made room
        given: LastObservation = {
            "last": format_timestamp(time.time()),
            "plan": digest,
            "drifted": [*wrong, *(rule for rule in self.before.get("drifted", ()) if _control(rule) in self.reserved)],
            "uncorrected": uncorrected,
            "unmet": [rule for rule in self.unmet if rule in wrong or _control(rule) in self.reserved],
            "reported": self.reported,
            "clock": int(self.host.clock()),
            "up": clock.awake(),
            "boot": clock.boot_id(self.host),
            "journal": journal.extent(self.host),
        }
        if self.unwritten:
            given["unwritten"] = self.unwritten[:MOST_UNWRITTEN]
        for path, content in ((files.STATE, given), (files.RECORD, record)):
            try:
                self.host.write(path, format_json(content), 0o600)
            except (ControlError, Unseen) as error:
                self.unsaved.append(str(error))
        if self.unwritten:
            self.unsaved.append(f"{len(self.unwritten)} lines cannot be written to {journal.JOURNAL}")


def _control(rule: str) -> str:
    return rule.partition("/")[0]


def observed(
    host: Host,
    known: files.Settings,
    operations: Operations,
    cached: Callable[[str], Any],
    keep: Callable[[str, Any], None],
) -> list[str]:
    """Observe and correct by the plan in effect; why what was seen is not all on the disk. `cached` gives (plan,
    follows) of a digest, or None; `keep` caches such. Raises Damaged, Unseen and ValueError.
    """
    digest = known.in_effect(format_timestamp(clock.that_does_not_go_back(host).clock()))
    plan, follows = cached(digest) or (effective.stored(host, known, digest), {})
    count = len(follows)
    observation = Observation(host, known, operations)
    observation.run(known_plan(plan, follows))
    if len(follows) != count or not count:
        keep(digest, (plan, follows))
    return observation.unsaved
