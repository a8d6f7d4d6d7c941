"""The fleet state: every host of the inventories, with the last observation of each of its controls. Pure.

A run over some hosts brings newer observations of these hosts. Other hosts keep their earlier observations, with their
age. A control that no run has observed is unknown. A compliant control becomes unknown in three cases: its observation
is too old, it was made under an earlier policy, or the host did not answer last. A noncompliant control stays so until
a run observes it as compliant. A lifted control stays lifted until a run observes it.
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
from . import watch_remark_groups
from .arithmetic import is_evaluated
from .control_modes import AUDIT, OFF
from .lifts import Lift, LiftResult
from .observation_time import is_observed_since
from .scope import EXAMPLE_INVENTORY, AnyRun, is_whole_run, list_observed_controls
from .unobserved_corrections import UNOBSERVED_KEY as UNOBSERVED

# (rule, state) of each rule that a record lists: those that are not simply compliant
RuleStatePairs = tuple[tuple[str, str], ...]

MAX_CACHED_RULES = 100_000  # most rules in the cached rule lists that hosts share


EMPTY_CONTROL: ControlRecord = {"evaluated": 0, "not_applicable": 0}


class ReportedWaiver(TypedDict):
    """The facts about a waiver in the fleet state.

    They stay until a run over the inventory of the waiver does not have the waiver any more.
    """

    id: str
    status: str
    expires: str
    review_by: str | None
    revoked: WaiverRevocation | None
    hosts: list[str]  # the hosts to which the waiver applies


class HostWatch(TypedDict, total=False):
    """The watch of a host, from the host's last record.

    The facts are times, and the numbers of incidents and of ended programs.
    """

    last: str | None  # time (UTC) of the last observation by the watch itself; None if it never observed the host
    stale: bool  # true if no run has renewed the plan of the watch for too long
    frozen: str | None  # time until which root of the host has stopped the watch; None for a watch that is not stopped
    incidents: dict[str, int]  # number by rule; incidents of several rules with one cause are counted by control
    ended: dict[str, int]  # number of program starts that the watch ended, by rule


class ControlObservation(NamedTuple):
    """The last observation of a control of a host, or its later lift (the removal of the ban by Proscribe)."""

    mode: str = ""  # enforce, audit or off; "" if unknown
    policy: str = ""  # digest of the policy for the control at that time; "" if unknown
    state: str = UNKNOWN
    # Time (UTC) of the observation by the host's clock, but never later than the end of the run. For a lifted control,
    # the time is that of the lift. A control that was never observed has "".
    observed_at: str = ""
    run_id: str = ""  # id of the run that observed or lifted the control; "" for none
    evaluated: int = 0
    not_applicable: int = 0  # rules among `evaluated` that do not apply
    is_valid: bool = False  # false if the observation no longer describes the control
    rules: RuleStatePairs = ()

    def invalidate_observation(self) -> ControlObservation:
        """Return the observation as no longer valid.

        A rule that is not compliant keeps its state, and so does a lifted control. Every other state becomes unknown.
        """
        rules = tuple((rule, state if state in OPEN_STATES else UNKNOWN) for rule, state in self.rules)
        state = self.state if self.state in (*OPEN_STATES, LIFTED) else UNKNOWN
        return self._replace(state=state, evaluated=len(rules), not_applicable=0, is_valid=False, rules=rules)

    @property
    def checked_at(self) -> str:
        """The time of the observation; "" if the control was never observed, or was lifted afterwards."""
        return "" if self.state == LIFTED else self.observed_at


UNOBSERVED_CONTROLS = dict.fromkeys(CONTROLS, ControlObservation())


class FleetHost(NamedTuple):
    """A host of the fleet state, with the last observation of each control.

    `inventory` has the sources of its inventory as one text.
    """

    name: str
    inventory: str
    observations: Mapping[str, ControlObservation] = UNOBSERVED_CONTROLS
    attempts: Mapping[str, int] = {}  # number of attempts that the host refused, by rule
    stale_after: int = 0  # seconds for which an observation is valid; 0 if no run set a limit
    watch: HostWatch = {}  # {} for a host without a watch
    request_count: int = 0  # requests of the host's users that nobody has answered

    def list_active_observations(self) -> list[ControlObservation]:
        """Return the observations of the host's controls, without controls that are off."""
        return [observation for observation in self.observations.values() if observation.mode != OFF]

    @property
    def is_observed(self) -> bool:
        """True if each control of the host that is not off has a valid observation."""
        observations = self.list_active_observations()
        return bool(observations) and all(observation.is_valid for observation in observations)

    @property
    def state(self) -> str:
        """The worst state of the host's controls.

        A lifted control counts as worse than an unknown control. An error or a noncompliant control is worse still.
        """
        states = {observation.state for observation in self.list_active_observations()}
        if LIFTED in states and states.isdisjoint((ERROR, NONCOMPLIANT)):
            return LIFTED
        return find_worst_state(states - {LIFTED}) if states else NOT_APPLICABLE

    @property
    def lifts(self) -> dict[str, Lift]:
        """The lifts of the host by control, for controls from which Proscribe removed the ban."""
        return {
            name: Lift(observation.observed_at, observation.run_id)
            for name, observation in self.observations.items()
            if observation.state == LIFTED
        }

    @property
    def checked_at(self) -> str:
        """The time of the oldest observation of a control; "" if a control was never observed."""
        return min((observation.checked_at for observation in self.list_active_observations()), default="")


class FleetState:
    """The state of all known hosts, with the waivers and the last run over the whole of each inventory."""

    def __init__(self) -> None:
        self.hosts: dict[str, FleetHost] = {}
        self.whole_run_ends: dict[str, str] = {}  # end (UTC) of the last run over a whole inventory, by inventory
        self.waivers: dict[str, list[ReportedWaiver]] = {}  # waivers of the last run over an inventory, by inventory
        self.is_example_used = False  # true after a run over the example inventory that did more than audit
        self._shared_rules: dict[RuleStatePairs, RuleStatePairs] = {}  # pairs -> the tuple that hosts share
        # id() of each rule of a record -> (the rules, their pairs by control)
        self._rules_by_control: dict[tuple[int, ...], tuple[tuple[RuleRecord, ...], Mapping[str, RuleStatePairs]]] = {}
        self._cached_count = 0  # number of rules in `_rules_by_control`

    def add_run(
        self,
        report: FleetReport,
        records: Iterable[HostRecord],
        left_out: Iterable[str] = (),
        stale_after: Mapping[str, int] | None = None,
    ) -> FleetState:
        """Add the results of a run, and return the fleet state.

        The results are the fleet report, the reconciled records, and the hosts of the inventory that the run left out.
        `stale_after` has by host the seconds for which its observations are valid, where they differ from the default.
        """
        run_hosts = set()
        for record in records:
            self.add_record(report, record, stale_after)
            run_hosts.add(record["host"])
        self.finish_run(report, run_hosts, left_out)
        return self

    def add_record(self, report: FleetReport, record: HostRecord, stale_after: Mapping[str, int] | None = None) -> None:
        """Add a host's record from the run of `report`.

        `stale_after` has by host the seconds for which its observations are valid, where they differ from the default.
        """
        run, name = report["run"], record["host"]
        previous_host = self.hosts.get(name) or FleetHost(name, name_run_inventory(run))
        usual_seconds = run.get("stale_after") or previous_host.stale_after
        host_seconds = (stale_after or {}).get(name, usual_seconds)
        self.hosts[name] = self._update_host(previous_host, run, record)._replace(stale_after=host_seconds)

    def finish_run(self, report: FleetReport, run_hosts: set[str], left_out: Iterable[str] = ()) -> None:
        """Add the facts of a run beyond its records: left-out hosts, removed hosts, and waivers.

        `run_hosts` have a record of the run. A host that a run over the whole inventory did not have has left the
        inventory.
        """
        run = report["run"]
        inventory = name_run_inventory(run)
        self.is_example_used |= inventory == EXAMPLE_INVENTORY and run["mode"] != AUDIT
        for name in left_out:
            if name not in self.hosts:
                self.hosts[name] = FleetHost(name, inventory)
        if is_whole_run(run):
            self.whole_run_ends[inventory] = max(run["finished"], self.whole_run_ends.get(inventory, ""))
            # A first audit uses the example inventory. Its hosts leave with the first run over an inventory of the
            # user.
            replaced_inventories = {inventory} if self.is_example_used else {inventory, EXAMPLE_INVENTORY}
            for name in [
                name
                for name, host in self.hosts.items()
                if host.inventory in replaced_inventories and name not in run_hosts
            ]:
                del self.hosts[name]
        earlier_waivers = {waiver["id"]: waiver for waiver in self.waivers.get(inventory, ())}
        self.waivers[inventory] = [
            _merge_waiver(waiver, earlier_waivers.get(waiver["id"]), run_hosts) for waiver in report["waivers"]
        ]
        # an inventory whose last host has left is forgotten
        remaining_inventories = {host.inventory for host in self.hosts.values()} | {inventory}
        self.whole_run_ends = {
            name: ended_at for name, ended_at in self.whole_run_ends.items() if name in remaining_inventories
        }
        self.waivers = {name: waivers for name, waivers in self.waivers.items() if name in remaining_inventories}

    def apply_lift(
        self,
        run: AnyRun,
        lifted_at: str,
        results: Mapping[str, LiftResult],
        policies: Mapping[str, Mapping[str, ControlPolicy]],
    ) -> None:
        """Add the lifts (removals of the ban) that a run made at `lifted_at` (UTC).

        `results` has by host the controls that were lifted, and those whose lift is unsure. An unsure control has no
        valid observation any more. `policies` has the policies of each host's plan, by host and control.
        """
        for name, result in results.items():
            host = self.hosts.get(name) or FleetHost(name, name_run_inventory(run))
            observations = dict(host.observations)
            for control in result.lifted:
                policy = policies.get(name, {}).get(control)
                previous = observations.get(control) or ControlObservation()
                mode, digest = (policy["mode"], policy["policy"]) if policy else (previous.mode, previous.policy)
                # a control that was already lifted keeps the time of that lift
                if mode != OFF and previous.state != LIFTED:
                    observations[control] = ControlObservation(mode, digest or "", LIFTED, lifted_at, run["id"])
            for control in result.unsure:
                if control in observations:
                    observations[control] = observations[control].invalidate_observation()
            lifted_controls = {*result.lifted}
            self.hosts[name] = host._replace(
                observations=observations,
                attempts={
                    rule: count
                    for rule, count in host.attempts.items()
                    if rule.partition("/")[0] not in lifted_controls
                },
                watch={} if WATCH in lifted_controls else host.watch,
            )

    def iterate_hosts(self, oldest_valid: Mapping[int, str]) -> Iterator[FleetHost]:
        """Yield the hosts with their present states. Observations that are too old are not valid any more.

        For a host with `stale_after` seconds, an observation before `oldest_valid[stale_after]` (UTC) is too old.
        """
        for host in self.hosts.values():
            oldest_time = oldest_valid.get(host.stale_after, "")
            if any(observation.observed_at < oldest_time for observation in host.list_active_observations()):
                observations = {
                    name: observation.invalidate_observation()
                    if observation.mode != OFF and observation.observed_at < oldest_time
                    else observation
                    for name, observation in host.observations.items()
                }
                host = host._replace(observations=observations)
            yield host

    def reuse_rule_states(self, rules: Iterable[tuple[str, str]]) -> RuleStatePairs:
        """Return (rule, state) pairs as a tuple.

        Hosts with equal pairs share one tuple, which saves memory.
        """
        pairs = tuple(rules)
        return self._shared_rules.setdefault(pairs, pairs)

    def _update_host(self, previous_host: FleetHost, run: ReportRun, record: HostRecord) -> FleetHost:
        """Return a host with the observations of a record, for each control that the run observed.

        A control that the run did not observe, or observed earlier than another run, keeps its previous observation.
        """
        observed_at = min(record["checked_at"] or run["finished"], run["finished"])
        rules_by_control = self._group_by_control(record["rules"])
        # A host may be in a worse state than each of its controls: a task may have failed that belongs to no control.
        # Then each control that the run observed gets the state of the host.
        controls = record.get("controls") or {}  # a report of an earlier version has no controls
        control_states = {control.get("state") for control in controls.values()}
        host_states = (
            [record["state"]] if record["state"] in OPEN_STATES and record["state"] not in control_states else []
        )
        observations: dict[str, ControlObservation] = {}
        for name in (*CONTROLS, *(name for name in EXTRA_RULE_GROUPS if name in controls)):
            control, previous = (
                controls.get(name) or EMPTY_CONTROL,
                previous_host.observations.get(name) or ControlObservation(),
            )
            mode, policy, state = control.get("mode") or "", control.get("policy") or "", control.get("state")
            if mode == OFF:
                observations[name] = ControlObservation(OFF, state=NOT_APPLICABLE, is_valid=True)
            # The run did not observe the control. A run over all controls also observes the groups of
            # EXTRA_RULE_GROUPS, but only on some hosts: there the record has a state for the group.
            elif name not in list_observed_controls(run) if name not in EXTRA_RULE_GROUPS else not state:
                observations[name] = _apply_policy(previous, mode, policy)
            elif is_evaluated(record) and not (mode or state):  # nothing shows that the host's plan has this control
                observations[name] = ControlObservation(
                    state=NOT_APPLICABLE, observed_at=observed_at, run_id=run["id"], is_valid=True
                )
            elif not is_evaluated(record) or not state:
                observations[name] = _apply_policy(previous, mode, policy).invalidate_observation()
            # a run that ends later may have observed the host earlier
            elif _is_older(record, run, observed_at, previous):
                observations[name] = previous
            else:
                rule_counts = control["evaluated"], control["not_applicable"]
                state = find_worst_state([state, *host_states])
                # An observation is not valid if the control has a mode and no rule was evaluated. Nor is it valid if
                # the run corrected the control afterwards, and could not observe it again.
                is_valid = bool(rule_counts[0] or not mode) and name not in record.get(UNOBSERVED, ())
                observations[name] = ControlObservation(
                    mode, policy, state, observed_at, run["id"], *rule_counts, is_valid, rules_by_control.get(name, ())
                )
        is_newest = any(observation.run_id == run["id"] for observation in observations.values())
        if not is_newest:  # the other facts of the host come from the run that observed it last
            return previous_host._replace(observations=observations)
        return previous_host._replace(
            observations=observations,
            attempts=dict(record.get("attempts") or {}),
            watch=_summarise_watch(record),
            request_count=len(watch_remark_groups.list_open_requests(record)),
        )

    def _group_by_control(self, rules: list[RuleRecord]) -> Mapping[str, RuleStatePairs]:
        """Return the (rule, state) pairs of a record by control.

        Hosts that share the rules share the result.
        """
        key = tuple(map(id, rules))
        if key not in self._rules_by_control:
            if self._cached_count > MAX_CACHED_RULES:
                self._rules_by_control.clear()
                self._cached_count = 0
            self._cached_count += 1 + len(rules)
            by_control: dict[str, list[tuple[str, str]]] = {}
            for rule in rules:
                by_control.setdefault(rule["rule"].partition("/")[0], []).append((rule["rule"], rule["state"]))
            # Store the rules too, so that Python gives their ids to no other objects.
            self._rules_by_control[key] = (
                tuple(rules),
                {name: self.reuse_rule_states(pairs) for name, pairs in by_control.items()},
            )
        return self._rules_by_control[key][1]


def name_run_inventory(run: AnyRun) -> str:
    """Return the inventory of a run as one text that is equal for every order of its sources."""
    return name_inventory(run.get("inventory") or ())


def name_inventory(sources: Iterable[str]) -> str:
    """Return the sources of an inventory as one text that is equal for every order of the sources."""
    return ",".join(sorted(source.rstrip("/") or "/" for source in sources))


def _summarise_watch(record: HostRecord) -> HostWatch:
    """Return the facts about the watch of a host's last record; {} for a host without a watch."""
    watch = record.get("watch")
    if not watch:
        return {}
    ended: dict[str, int] = {}
    for ended_program in watch["ended"]:
        ended[ended_program["rule"]] = ended.get(ended_program["rule"], 0) + ended_program["times"]
    incidents: dict[str, int] = {}
    for incident in watch["incidents"]:  # an incident of several rules is counted under their control
        subject = incident["control"] if incident["rules"][1:] else incident["rules"][0]
        incidents[subject] = incidents.get(subject, 0) + incident["times"]
    frozen = watch.get("frozen")
    return {
        "last": watch["last"],
        "stale": watch["stale"],
        "frozen": frozen["until"] if frozen else None,
        "incidents": incidents,
        "ended": ended,
    }


def _apply_policy(previous: ControlObservation, mode: str, policy: str) -> ControlObservation:
    """Return an earlier observation of a control as it counts under the present mode and policy.

    An observation under another policy does not show compliance with the present policy. `policy` is a digest. If
    `policy` is "" (unknown), it counts as unchanged. If `mode` is "" (unknown), the earlier mode remains.
    """
    if previous.mode == OFF:
        return ControlObservation(mode, policy)
    is_same_policy = not previous.observed_at or not policy or previous.policy == policy
    return (previous if is_same_policy else previous.invalidate_observation())._replace(mode=mode or previous.mode)


def _is_older(record: HostRecord, run: ReportRun, observed_at: str, previous: ControlObservation) -> bool:
    """Return whether a record is older than the previous observation of a control, or than its lift."""
    if previous.state == LIFTED:
        return not is_observed_since(previous.observed_at, record, run["mode"], run["started"], run["finished"])
    return observed_at < previous.observed_at


def _merge_waiver(waiver: RunWaiver, previous: ReportedWaiver | None, run_hosts: set[str]) -> ReportedWaiver:
    """Return a waiver of this run for the fleet state, with its hosts of this run and of earlier runs.

    For a host with a record in this run, this run decides. `previous` is the waiver in the fleet state so far, None for
    a new waiver. `run_hosts` are the hosts with a record in this run.
    """
    previous_hosts = [host for host in previous["hosts"] if host not in run_hosts] if previous else []
    return {
        "id": waiver["id"],
        "status": waiver["status"],
        "expires": waiver["expires"],
        "review_by": waiver.get("review_by"),
        "revoked": waiver.get("revoked"),
        "hosts": [*previous_hosts, *waiver["hosts"]],
    }
