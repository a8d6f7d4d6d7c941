"""The fleet state: every host of the inventories, with the last observation of each of its controls. Pure.

A run over a part brings newer observations of its part. The rest stays as it was observed, with its age. What no run
has observed is unknown. What was compliant becomes unknown if its observation is too old or of an earlier policy, or if
the host did not answer last. What was wrong stays wrong until a run observes that it is right. What was lifted stays
lifted until a run observes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypedDict

from ....model.finding import (
    ERROR,
    EXTRA_RULE_GROUPS,
    LIFTED,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    OPEN_STATES,
    UNKNOWN,
    WATCH,
    find_worst_state,
)
from ....model.plan import CONTROLS
from ....model.types.record import ControlRecord, HostRecord, RuleRecord
from ....model.types.report import FleetReport, ReportRun
from ....model.types.run import ControlPolicy, RunWaiver, WaiverRevocation
from . import since_last_run
from .arithmetic import answered
from .lifts import Lift, LiftResult
from .modes import AUDIT, OFF
from .observed import is_observed_since
from .scope import EXAMPLE, Run, controls_of, is_whole
from .unobserved import KEY as UNOBSERVED

Rules = tuple[tuple[str, str], ...]  # (rule, state), of those that are not plainly compliant

REMEMBERED = 100_000  # rules, in the lists that hosts share


NO_CONTROL: ControlRecord = {"evaluated": 0, "not_applicable": 0}


class KnownWaiver(TypedDict):
    """What is kept of a waiver, for as long as runs over its inventory report it."""

    id: str
    status: str
    expires: str
    review_by: str | None
    revoked: WaiverRevocation | None
    hosts: list[str]


class HostWatch(TypedDict, total=False):
    """The watch of a host as its last record has it: its times, and how often a rule was open and programs ended."""

    last: str | None
    stale: bool
    frozen: str | None  # until when
    incidents: dict[str, int]  # by rule; what was open for one cause, by its control
    ended: dict[str, int]


class Observation(NamedTuple):
    """The last observation of a control of a host, or its lift since then. `at` is "" where there was none."""

    mode: str = ""
    policy: str = ""  # the digest of what the control was then made from
    state: str = UNKNOWN
    at: str = ""  # UTC, by the host's clock, and never later than the end of the run
    run: str = ""
    evaluated: int = 0
    idle: int = 0  # of these, the rules that do not apply
    counts: bool = False  # whether it still says how the control stands
    rules: Rules = ()

    def invalidated(self) -> Observation:
        """It, where it cannot be relied on any more: what was not wrong is not known."""
        rules = tuple((rule, state if state in OPEN_STATES else UNKNOWN) for rule, state in self.rules)
        state = self.state if self.state in (*OPEN_STATES, LIFTED) else UNKNOWN
        return self._replace(state=state, evaluated=len(rules), idle=0, counts=False, rules=rules)

    @property
    def checked_at(self) -> str:
        """The time of the observation; "" where it was never observed, or was lifted since."""
        return "" if self.state == LIFTED else self.at


NEVER = dict.fromkeys(CONTROLS, Observation())


class Host(NamedTuple):
    """A host: the inventory that it belongs to (the sources as one text), and its controls."""

    name: str
    inventory: str
    observations: Mapping[str, Observation] = NEVER
    attempts: Mapping[str, int] = {}
    stale_after: int = 0  # seconds; 0 where no run said
    watch: HostWatch = {}  # of a host that keeps itself in line
    requests: int = 0  # of its users

    def counting(self) -> list[Observation]:
        """The observations of its controls that are not off."""
        return [observation for observation in self.observations.values() if observation.mode != OFF]

    @property
    def seen(self) -> bool:
        """Whether each of its controls was observed, and that observation counts."""
        observations = self.counting()
        return bool(observations) and all(observation.counts for observation in observations)

    @property
    def state(self) -> str:
        """The worst state of its controls. A lifted control is milder than one that is known to be wrong only."""
        states = {observation.state for observation in self.counting()}
        if LIFTED in states and states.isdisjoint((ERROR, NONCOMPLIANT)):
            return LIFTED
        return find_worst_state(states - {LIFTED}) if states else NOT_APPLICABLE

    @property
    def lifts(self) -> dict[str, Lift]:
        """Its lifted controls."""
        return {name: Lift(one.at, one.run) for name, one in self.observations.items() if one.state == LIFTED}

    @property
    def checked_at(self) -> str:
        """The time of the oldest observation among its controls; "" if one was never observed."""
        return min((observation.checked_at for observation in self.counting()), default="")


class FleetState:
    """All hosts by name; by inventory when a run last observed the whole of it, and its waivers."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.whole: dict[str, str] = {}  # the end of that run
        self.waivers: dict[str, list[KnownWaiver]] = {}
        self.used = False  # whether the example inventory was for more than to see where one stands
        self._shared: dict[Rules, Rules] = {}
        self._same: dict[tuple[int, ...], tuple[tuple[RuleRecord, ...], Mapping[str, Rules]]] = {}
        self._remembered = 0

    def take(
        self,
        report: FleetReport,
        records: Iterable[HostRecord],
        left_out: Iterable[str] = (),
        stale_after: Mapping[str, int] | None = None,
    ) -> FleetState:
        """Take what a run has observed; returns itself.

        That is its fleet report, its reconciled records, and the hosts of the inventory that it left out. `stale_after`
        says for how many seconds an observation of a host is valid, where that is not as usual.
        """
        in_run = set()
        for record in records:
            self.add(report, record, stale_after)
            in_run.add(record["host"])
        self.close(report, in_run, left_out)
        return self

    def add(self, report: FleetReport, record: HostRecord, stale_after: Mapping[str, int] | None = None) -> None:
        """Take one record of a run."""
        run, name = report["run"], record["host"]
        before = self.hosts.get(name) or Host(name, named(run))
        usual = run.get("stale_after") or before.stale_after
        own = (stale_after or {}).get(name, usual)
        self.hosts[name] = self._taken(before, run, record)._replace(stale_after=own)

    def close(self, report: FleetReport, in_run: set[str], left_out: Iterable[str] = ()) -> None:
        """Take what a run says beyond its records. A host that a whole run did not ask has left the inventory."""
        run = report["run"]
        inventory = named(run)
        self.used |= inventory == EXAMPLE and run["mode"] != AUDIT
        for name in left_out:
            if name not in self.hosts:
                self.hosts[name] = Host(name, inventory)
        if is_whole(run):
            self.whole[inventory] = max(run["finished"], self.whole.get(inventory, ""))
            # A first audit, before there was an inventory of one's own, is over with the first run over that.
            over = {inventory} if self.used else {inventory, EXAMPLE}
            for name in [n for n, host in self.hosts.items() if host.inventory in over and n not in in_run]:
                del self.hosts[name]
        earlier = {one["id"]: one for one in self.waivers.get(inventory, ())}
        self.waivers[inventory] = [_waiver(one, earlier.get(one["id"]), in_run) for one in report["waivers"]]
        left = {host.inventory for host in self.hosts.values()} | {inventory}
        self.whole = {name: when for name, when in self.whole.items() if name in left}
        self.waivers = {name: listed for name, listed in self.waivers.items() if name in left}

    def lift(
        self, run: Run, at: str, results: Mapping[str, LiftResult], policies: Mapping[str, Mapping[str, ControlPolicy]]
    ) -> None:
        """Take what a run has lifted by then (UTC). `policies` says by host what its plan has of each control."""
        for name, result in results.items():
            host = self.hosts.get(name) or Host(name, named(run))
            observations = dict(host.observations)
            for control in result.lifted:
                policy = policies.get(name, {}).get(control)
                before = observations.get(control) or Observation()
                mode, digest = (policy["mode"], policy["policy"]) if policy else (before.mode, before.policy)
                if mode != OFF and before.state != LIFTED:  # else it is lifted since the earlier lift
                    observations[control] = Observation(mode, digest or "", LIFTED, at, run["id"])
            for control in result.unsure:
                if control in observations:
                    observations[control] = observations[control].invalidated()
            gone = {*result.lifted}
            self.hosts[name] = host._replace(
                observations=observations,
                attempts={r: times for r, times in host.attempts.items() if r.partition("/")[0] not in gone},
                watch={} if WATCH in gone else host.watch,
            )

    def at(self, oldest: Mapping[int, str]) -> Iterator[Host]:
        """The hosts as they count now. For a host with `stale_after` seconds, an observation before
        `oldest[stale_after]` (UTC) is not valid any more.
        """
        for host in self.hosts.values():
            before = oldest.get(host.stale_after, "")
            if any(observation.at < before for observation in host.counting()):
                observations = {
                    name: one.invalidated() if one.mode != OFF and one.at < before else one
                    for name, one in host.observations.items()
                }
                host = host._replace(observations=observations)
            yield host

    def same(self, rules: Iterable[tuple[str, str]]) -> Rules:
        """Rules with their states, as the one list that all hosts with the same share."""
        made = tuple(rules)
        return self._shared.setdefault(made, made)

    def _taken(self, before: Host, run: ReportRun, record: HostRecord) -> Host:
        at = min(record["checked_at"] or run["finished"], run["finished"])
        wrong = self._wrong(record["rules"])
        # A host may be worse than each of its controls, where a task failed that is no control's.
        controls = record.get("controls") or {}  # a report of an earlier version has none
        known = {control.get("state") for control in controls.values()}
        floor = [record["state"]] if record["state"] in OPEN_STATES and record["state"] not in known else []
        observations: dict[str, Observation] = {}
        for name in (*CONTROLS, *(name for name in EXTRA_RULE_GROUPS if name in controls)):
            control, earlier = controls.get(name) or NO_CONTROL, before.observations.get(name) or Observation()
            mode, policy, state = control.get("mode") or "", control.get("policy") or "", control.get("state")
            if mode == OFF:
                observations[name] = Observation(OFF, state=NOT_APPLICABLE, counts=True)
            elif name not in controls_of(run) if name not in EXTRA_RULE_GROUPS else not state:
                observations[name] = _under(earlier, mode, policy)
            elif answered(record) and not (mode or state):  # nothing says that the plan has it
                observations[name] = Observation(state=NOT_APPLICABLE, at=at, run=run["id"], counts=True)
            elif not answered(record) or not state:
                observations[name] = _under(earlier, mode, policy).invalidated()
            elif _is_older(record, run, at, earlier):  # a run that ends late may bring an older observation
                observations[name] = earlier
            else:
                counted = control["evaluated"], control["not_applicable"]
                state = find_worst_state([state, *floor])
                counts = bool(counted[0] or not mode) and name not in record.get(UNOBSERVED, ())
                observations[name] = Observation(
                    mode, policy, state, at, run["id"], *counted, counts, wrong.get(name, ())
                )
        newest = any(observation.run == run["id"] for observation in observations.values())
        if not newest:
            return before._replace(observations=observations)
        return before._replace(
            observations=observations,
            attempts=dict(record.get("attempts") or {}),
            watch=_of_watch(record),
            requests=len(since_last_run.open_requests(record)),
        )

    def _wrong(self, rules: list[RuleRecord]) -> Mapping[str, Rules]:
        """The rules that a record lists, by control. What thousands of hosts list is worked out once."""
        key = tuple(map(id, rules))
        if key not in self._same:
            if self._remembered > REMEMBERED:
                self._same.clear()
                self._remembered = 0
            self._remembered += 1 + len(rules)
            by_control: dict[str, list[tuple[str, str]]] = {}
            for rule in rules:
                by_control.setdefault(rule["rule"].partition("/")[0], []).append((rule["rule"], rule["state"]))
            # With the rules themselves, so that none of their ids can become another's.
            self._same[key] = tuple(rules), {name: self.same(listed) for name, listed in by_control.items()}
        return self._same[key][1]


def named(run: Run) -> str:
    """The inventory of a run as one text, whatever the order of its sources."""
    return name_inventory(run.get("inventory") or ())


def name_inventory(sources: Iterable[str]) -> str:
    """Return the sources of an inventory as one text, whatever their order."""
    return ",".join(sorted(source.rstrip("/") or "/" for source in sources))


def _of_watch(record: HostRecord) -> HostWatch:
    watch = record.get("watch")
    if not watch:
        return {}
    ended: dict[str, int] = {}
    for one in watch["ended"]:
        ended[one["rule"]] = ended.get(one["rule"], 0) + one["times"]
    incidents: dict[str, int] = {}
    for incident in watch["incidents"]:  # of many rules, by their control
        about = incident["control"] if incident["rules"][1:] else incident["rules"][0]
        incidents[about] = incidents.get(about, 0) + incident["times"]
    frozen = watch.get("frozen")
    return {
        "last": watch["last"],
        "stale": watch["stale"],
        "frozen": frozen["until"] if frozen else None,
        "incidents": incidents,
        "ended": ended,
    }


def _under(earlier: Observation, mode: str, policy: str) -> Observation:
    """An earlier observation of a control, under the present policy.

    An observation under another policy does not say how the present one is met.
    """
    if earlier.mode == OFF:
        return Observation(mode, policy)
    same = not earlier.at or not policy or earlier.policy == policy
    return (earlier if same else earlier.invalidated())._replace(mode=mode or earlier.mode)


def _is_older(record: HostRecord, run: ReportRun, at: str, earlier: Observation) -> bool:
    """Tell whether a record is from before the last observation of a control, or from before its lift."""
    if earlier.state == LIFTED:
        return not is_observed_since(earlier.at, record, run["mode"], run["started"], run["finished"])
    return at < earlier.at


def _waiver(waiver: RunWaiver, earlier: KnownWaiver | None, in_run: set[str]) -> KnownWaiver:
    """A waiver as a run reports it, with the hosts of earlier runs that this one did not ask."""
    before = [host for host in earlier["hosts"] if host not in in_run] if earlier else []
    return {
        "id": waiver["id"],
        "status": waiver["status"],
        "expires": waiver["expires"],
        "review_by": waiver.get("review_by"),
        "revoked": waiver.get("revoked"),
        "hosts": [*before, *waiver["hosts"]],
    }
