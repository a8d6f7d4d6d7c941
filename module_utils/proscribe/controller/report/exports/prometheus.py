"""metrics.prom: gauges in Prometheus' text format, for the textfile collector of node_exporter.

Alerts follow this file for years, so it is about all hosts and controls, whatever part of them the run observed. It is
made from the fleet state (fleet_state.py), which has the last observation of each control of each host, with its age.
A host is one series of `proscribe_host_state`, with its state as a label. Numbers that people compare come as the two
counts they are made of as well, so that no rounding can hide a host.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TextIO

from ....base.duration import format_moment, parse_moment
from ....model.finding import COMPLIANT, LIFTED, NOT_APPLICABLE, REPAIRED, STATES, WAIVED
from ....model.types.report import FleetReport, ReportedExport, ReportRun
from ..evaluation.fleet_state import FleetHost, FleetState, RuleStatePairs
from ..evaluation.lifts import LiftResult
from ..evaluation.modes import OFF
from ..evaluation.scope import is_whole_run, list_observed_controls
from ..text.wording import clean, end_of, host_label, nothing_known
from .format import Format
from .record_lines import NOT_SERVED, Answer
from .spool import Spool


class Export:
    """The metrics of one run alone, where there is no other fleet state: the hosts that it asked."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream, self._report, self._fleet_state = stream, report, FleetState()
        self._in_run: set[str] = set()

    def add(self, answer: Answer) -> None:
        self._fleet_state.add_record(self._report, answer.record)
        self._in_run.add(answer.record["host"])

    def not_served(self, host: str, why: str) -> None:
        """Nothing: `write` has them from the report."""

    def finish(self) -> None:
        self._fleet_state.finish_run(self._report, self._in_run)
        for one in self._report.get("lifted") or ():
            by: ReportRun = {**self._report["run"], "id": one["run"]}
            self._fleet_state.apply_lift(by, one["at"], {one["host"]: LiftResult((*one["controls"],))}, {})
        write(self._stream, self._report, self._fleet_state)


# What is said of each host, in this order.
OF_HOST = {
    "host_state": "1 for the state that the host is in.",
    "host_info": "The inventory that the host belongs to.",
    "host_checked_timestamp_seconds": "When the host was checked: its control with the oldest check; absent if one was "
    "never checked.",
    "host_control_checked_timestamp_seconds": "When each control was checked, of hosts where the times differ; 0 for "
    "never, or for one that was lifted since.",
    "host_lifted_timestamp_seconds": "When the ban was lifted from a control of the host, and by which run; no run has "
    "observed it since.",
    "watch_last_observation_timestamp_seconds": "When a host that keeps itself in line last observed itself; 0 for "
    "never.",
    "watch_stale": "1 where no run has renewed the plan of such a host for too long.",
    "watch_frozen_until_timestamp_seconds": "Until when root of such a host has frozen it.",
}


def write(stream: TextIO, report: FleetReport, fleet_state: FleetState) -> None:
    """The fleet state as metrics; `report` is the fleet report of the newest run that is in it."""
    counts = _Counts()
    spools = {metric: Spool() for metric in OF_HOST}
    for host in fleet_state.iterate_hosts(_oldest(fleet_state, report["run"]["finished"])):
        state = host.state
        counts.add(host, state)
        for metric, labels, value in _of_host(host, state):
            spools[metric].add(f"proscribe_{metric}{{{labels}}} {value}\n")
    unserved = report.get("not_served") or ()
    for one in unserved:
        spools["host_state"].add(
            f'proscribe_host_state{{host="{_label(host_label(one["host"]))}",state="{NOT_SERVED}"}} 1\n'
        )
    stream.writelines(_of_run(report["run"], fleet_state))
    meaning = "Hosts of the newest run that Proscribe does not serve; they are no expected hosts."
    stream.writelines(_gauge("not_served_hosts", meaning, [({}, len(unserved))]))
    unknown = [({"control": control}, len(names)) for control, names in nothing_known(report).items()]
    meaning = "Services of which a control has nothing to look for, in the newest run."
    stream.writelines(_gauge("nothing_known_rules", meaning, unknown))
    stream.writelines(counts.gauges())
    stream.writelines(_of_waivers(fleet_state))
    for metric, spool in spools.items():
        if spool.pieces or metric == "host_state":
            stream.write(_head(metric, OF_HOST[metric]))
            spool.pour(stream)
    meaning = "Packets that the hosts' firewalls refused, and queries that their DNS filters refused."
    refused = [({"rule": rule}, packets) for rule, packets in sorted(counts.refused.items())]
    stream.writelines(_gauge("refused_packets", meaning, refused))
    stream.writelines(counts.between())
    stream.writelines(_of_points(report.get("points") or ()))


def _of_host(host: FleetHost, state: str) -> Iterator[tuple[str, str, int]]:
    """What is said of a host: a metric, its labels, its value."""
    name = f'host="{_label(host_label(host.name))}"'
    yield "host_state", f'{name},state="{state}"', 1
    yield "host_info", f'{name},inventory="{_label(host.inventory)}"', 1
    if (moment := seconds(host.checked_at)) is not None:
        yield "host_checked_timestamp_seconds", name, moment
    for control, at in _apart(host):
        yield "host_control_checked_timestamp_seconds", f'{name},control="{control}"', seconds(at) or 0
    for control, lift in host.lifts.items():
        labels = f'{name},control="{control}",run="{_label(lift.run_id)}"'
        yield "host_lifted_timestamp_seconds", labels, seconds(lift.lifted_at) or 0
    if host.watch:
        yield "watch_last_observation_timestamp_seconds", name, seconds(host.watch.get("last")) or 0
        yield "watch_stale", name, int(bool(host.watch.get("stale")))
        if (until := seconds(host.watch.get("frozen"))) is not None:
            yield "watch_frozen_until_timestamp_seconds", name, until


class _Listed:
    """A list of rules with their states: how many observations have it, and how many of the rules do not apply."""

    def __init__(self, rules: RuleStatePairs) -> None:
        self.times = 0
        self.idle = sum(state == NOT_APPLICABLE for _, state in rules)


class _Counts:
    """The numbers of the whole, host by host."""

    def __init__(self) -> None:
        self.hosts = dict.fromkeys((*STATES, LIFTED), 0)
        self.rules = dict.fromkeys(STATES, 0)
        self.seen = 0
        self.refused: Counter[str] = Counter()
        self.requests = 0
        self._watching: Counter[str] = Counter()
        self._incidents: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._by_rule: Counter[tuple[str, str]] = Counter()
        self._by_control: Counter[tuple[str, str, str]] = Counter()
        self._lists: dict[RuleStatePairs, _Listed] = {}

    def add(self, host: FleetHost, state: str) -> None:
        """Count a host, which is in that state."""
        self.hosts[state] += 1
        self.seen += host.is_observed
        self.refused.update(host.attempts)
        self.requests += host.request_count
        if host.watch:
            self._watching["hosts"] += 1
            self._watching["opened"] += bool(host.watch.get("incidents"))
            self._incidents.update(host.watch.get("incidents") or {})
            self._ended.update(host.watch.get("ended") or {})
        for control, observation in host.observations.items():
            control_state = OFF if observation.mode == OFF else observation.state
            self._by_control[control, observation.mode or "unknown", control_state] += 1
            rules, idle = observation.rules, 0
            if rules:  # thousands of hosts have the very same, so they are gone through once, at the end
                listed = self._lists.get(rules) or self._lists.setdefault(rules, _Listed(rules))
                listed.times += 1
                idle = listed.idle
            unlisted = max(0, observation.evaluated - len(rules))
            idle = min(unlisted, max(0, observation.not_applicable - idle))
            self.rules[NOT_APPLICABLE] += idle
            self.rules[COMPLIANT] += unlisted - idle

    def between(self) -> Iterator[str]:
        """What hosts did between two runs, as their journals have it, and what their users request."""
        if self._watching:
            yield from _gauge("watch_hosts", "Hosts that keep themselves in line.", [({}, self._watching["hosts"])])
            meaning = "Hosts of these on which something was open between two runs."
            yield from _gauge("watch_opened_hosts", meaning, [({}, self._watching["opened"])])
        by_rule = [({"rule": rule}, times) for rule, times in sorted(self._incidents.items())]
        yield from _gauge("watch_incidents", "How often hosts found the rule open between two runs.", by_rule)
        ended = [({"rule": rule}, times) for rule, times in sorted(self._ended.items())]
        meaning = "Restricted programs that hosts ended at their start, as far as their journals reach back."
        yield from _gauge("watch_ended_total", meaning, ended, "counter")
        if self.requests:
            yield from _gauge("requests_waiting", "Requests of users that wait.", [({}, self.requests)])

    def gauges(self) -> Iterator[str]:
        """What they come to."""
        total = sum(self.hosts.values())
        yield from _gauge("expected_hosts", "Hosts that had to answer.", [({}, total)])
        by_state = [({"state": state}, count) for state, count in self.hosts.items()]
        yield from _gauge("hosts", "Expected hosts by state.", by_state)
        for rules, listed in self._lists.items():
            for rule, state in rules:
                self._by_rule[rule, state] += listed.times
                self.rules[state] += listed.times
        by_state = [({"state": state}, count) for state, count in self.rules.items()]
        yield from _gauge("rules", "Evaluated rules of all hosts by state.", by_state)
        applicable = total - self.hosts[NOT_APPLICABLE]
        met = self.hosts[COMPLIANT] + self.hosts[REPAIRED]
        for name, part, whole in (
            ("coverage", self.seen, total),
            ("compliance_strict", met, applicable),
            ("compliance_with_waivers", met + self.hosts[WAIVED], applicable),
        ):
            yield from _gauge(f"{name}_hosts", f"The hosts that count for {name}.", [({}, part)])
            if whole:
                yield from _gauge(f"{name}_ratio", f"{name} as a part of the expected hosts.", [({}, part / whole)])
        controls = [
            ({"control": control, "mode": mode, "state": state}, count)
            for (control, mode, state), count in sorted(self._by_control.items())
        ]
        yield from _gauge("control_hosts", "Hosts by what the policy does with the control, and its state.", controls)
        order = sorted(self._by_rule, key=lambda pair: (pair[0], STATES.index(pair[1])))
        hosts = [({"rule": rule, "state": state}, self._by_rule[rule, state]) for rule, state in order]
        yield from _gauge("rule_hosts", "Hosts that list the rule, by its state there.", hosts)


def _of_run(run: ReportRun, fleet_state: FleetState) -> Iterator[str]:
    """The newest run, and when there was one over the whole."""
    facts = {name: run.get(name) for name in ("id", "mode", "playbook", "version", "catalog_version", "limit")}
    facts |= {"inventory": ",".join(run.get("inventory") or ()), "controls": ",".join(list_observed_controls(run))}
    facts["whole"] = "true" if is_whole_run(run) else "false"
    yield from _gauge("run_info", "The newest run; what it left out is as it was last checked.", [(facts, 1)])
    for name in ("started", "finished"):
        moment = seconds(run[name])
        if moment is not None:
            yield from _gauge(f"report_{name}_timestamp_seconds", f"When the newest run {name}.", [({}, moment)])
    whole = [
        ({"inventory": name}, seconds(fleet_state.whole_run_ends.get(name)) or 0)
        for name in sorted({host.inventory for host in fleet_state.hosts.values()})
    ]
    meaning = "When the newest run finished that asked every host of the inventory for every control; 0 for never."
    yield from _gauge("whole_run_finished_timestamp_seconds", meaning, whole)


def _of_waivers(fleet_state: FleetState) -> Iterator[str]:
    ends: dict[tuple[str, str], str] = {}
    reviews: dict[tuple[str, str], str | None] = {}
    hosts: dict[tuple[str, str], set[str]] = {}
    for one in chain.from_iterable(fleet_state.waivers.values()):
        key = one["id"], one["status"]
        ends.setdefault(key, end_of(one["expires"], one.get("revoked")))
        reviews.setdefault(key, one.get("review_by"))
        hosts.setdefault(key, set()).update(one["hosts"])
    for name, times, meaning in (
        ("waiver_expiry_timestamp_seconds", ends, "When the waiver ends."),
        ("waiver_review_timestamp_seconds", reviews, "When the waiver has to be reviewed."),
    ):
        moments = [(_of_waiver(key), moment) for key, time in times.items() if (moment := seconds(time)) is not None]
        yield from _gauge(name, meaning, moments)
    counts = [(_of_waiver(key), len(names)) for key, names in hosts.items()]
    yield from _gauge("waiver_hosts", "Hosts that the waiver is for.", counts)


def _of_points(points: Sequence[ReportedExport]) -> Iterator[str]:
    """The exports of the newest run, each with its state."""
    named = [({"directory": one["directory"], "format": one["format"], "group": one["group"]}, one) for one in points]
    states = [({**labels, "state": one["state"]}, 1) for labels, one in named]
    yield from _gauge("export_state", "1 for the state of an export to an enforcement point.", states)
    last = [(labels, by["last"][0]["at"]) for labels, one in named if (by := one["fetched_by"]) and by["last"]]
    for name, meaning, series in (
        ("written", "When it was written.", [(labels, one["written"]) for labels, one in named]),
        (
            "valid_until",
            "When something of it begins or ends.",
            [(labels, one["valid_until"]) for labels, one in named],
        ),
        ("fetched", "When a file of it was last fetched.", last),
    ):
        times = [(labels, at) for labels, time in series if (at := seconds(time)) is not None]
        yield from _gauge(f"export_{name}_timestamp_seconds", meaning, times)


def _of_waiver(key: tuple[str, str]) -> dict[str, str]:
    return {"waiver": key[0], "status": key[1]}


def _oldest(fleet_state: FleetState, now: str) -> dict[int, str]:
    """The time before which an observation is too old, by how many seconds one is valid; 0 (for ever) has no time."""
    lengths: Iterable[int] = {host.stale_after for host in fleet_state.hosts.values()} - {0}
    return {length: format_moment(parse_moment(now) - datetime.timedelta(seconds=length)) for length in lengths}


def _apart(host: FleetHost) -> list[tuple[str, str]]:
    """When each control was observed; empty where that was at one time."""
    times = [
        (control, observation.checked_at)
        for control, observation in host.observations.items()
        if observation.mode != OFF
    ]
    return times if len({at for _, at in times}) > 1 else []


def seconds(time: object) -> int | None:
    """A UTC time such as 2026-11-25T08:00:00Z in seconds since 1970; None for anything else."""
    try:
        moment = datetime.datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        return None
    return int(moment.timestamp()) if moment and moment.tzinfo else None


def _gauge(
    name: str, meaning: str, series: Sequence[tuple[Mapping[str, object], float]], type_: str = "gauge"
) -> Iterator[str]:
    """A metric with its series; nothing where there is none."""
    if series:
        yield _head(name, meaning, type_)
    for labels, value in series:
        inner = ",".join(f'{key}="{_label(label)}"' for key, label in labels.items() if label is not None)
        yield f"proscribe_{name}{'{' + inner + '}' if inner else ''} {value}\n"


def _head(name: str, meaning: str, type_: str = "gauge") -> str:
    return f"# HELP proscribe_{name} {meaning}\n# TYPE proscribe_{name} {type_}\n"


def _label(value: object) -> str:
    return clean(value).replace("\\", "\\\\").replace('"', '\\"')


FORMATS = (
    Format(
        "prometheus",
        "metrics.prom",
        "Prometheus, by way of node_exporter's textfile collector",
        Export,
        write,
        checked_by="promtool; the parser of prometheus-client; Prometheus, with the alerts and the dashboard's queries",
    ),
)
