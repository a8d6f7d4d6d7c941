"""metrics.prom: gauges in Prometheus' text format, for the textfile collector of node_exporter.

Alerts use this file for years, so it describes all hosts and controls, even after a run over a part. It is made from
the fleet state (fleet_state.py): the last observation of each control of each host, with its age. A host is a single
series of `proscribe_host_state`, with its state as a label. Each ratio also has the two counts behind it, so that no
rounding can hide a host.
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
from ..evaluation.control_modes import OFF
from ..evaluation.fleet_state import FleetHost, FleetState, RuleStatePairs
from ..evaluation.lifts import LiftResult
from ..evaluation.scope import is_whole_run, list_observed_controls
from ..text.wording import clean_text, find_waiver_end, group_by_control, make_host_label
from .format import ReportFormat
from .host_entries import NOT_SERVED, HostEntry
from .text_spool import TextSpool


class PrometheusExport:
    """An export of the metrics of a single run, about its hosts alone.

    It is used if no fleet state is stored.
    """

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream, self._report, self._fleet_state = stream, report, FleetState()
        self._run_hosts: set[str] = set()

    def add_host(self, host_entry: HostEntry) -> None:
        self._fleet_state.add_record(self._report, host_entry.record)
        self._run_hosts.add(host_entry.record["host"])

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Do nothing, because `write_metrics` reads the hosts that are not served from the report."""

    def finish_export(self) -> None:
        """Write the metrics of the run's hosts, with the lifts (removals of the ban) that followed the run."""
        self._fleet_state.finish_run(self._report, self._run_hosts)
        for lift in self._report.get("lifted") or ():
            lifting_run: ReportRun = {**self._report["run"], "id": lift["run"]}
            self._fleet_state.apply_lift(lifting_run, lift["at"], {lift["host"]: LiftResult((*lift["controls"],))}, {})
        write_metrics(self._stream, self._report, self._fleet_state)


# The metrics of each host, in the order of the file. Key: the name without its prefix `proscribe_`. Value: help text.
HOST_METRICS = {
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


def write_metrics(stream: TextIO, report: FleetReport, fleet_state: FleetState) -> None:
    """Write the fleet state as metrics.

    `report` is the fleet report of the newest run in the fleet state. All lines of a metric have to be adjacent. So the
    metrics of each host are collected in spools, one for each metric.
    """
    fleet_counts = _FleetCounts()
    spools = {metric: TextSpool() for metric in HOST_METRICS}
    for host in fleet_state.iterate_hosts(_compute_oldest_times(fleet_state, report["run"]["finished"])):
        state = host.state
        fleet_counts.count_host(host, state)
        for metric, labels, metric_value in _list_host_metrics(host, state):
            spools[metric].add_piece(f"proscribe_{metric}{{{labels}}} {metric_value}\n")
    unserved_hosts = report.get("not_served") or ()
    for unserved_host in unserved_hosts:
        spools["host_state"].add_piece(
            f'proscribe_host_state{{host="{_escape_label(make_host_label(unserved_host["host"]))}",'
            f'state="{NOT_SERVED}"}} 1\n'
        )
    stream.writelines(_format_run_gauges(report["run"], fleet_state))
    meaning = "Hosts of the newest run that Proscribe does not serve; they are no expected hosts."
    stream.writelines(_format_gauge("not_served_hosts", meaning, [({}, len(unserved_hosts))]))
    for name, unsearched_rules, meaning in (
        ("nothing_known_rules", report.get("nothing_known"), "Services of which a control has nothing to look for"),
        ("not_observable_rules", report.get("not_observable"), "Rules that the platform of hosts lets nobody observe"),
    ):
        counts = [({"control": control}, len(names)) for control, names in group_by_control(unsearched_rules).items()]
        stream.writelines(_format_gauge(name, f"{meaning}, in the newest run.", counts))
    stream.writelines(fleet_counts.format_gauges())
    stream.writelines(_format_waiver_gauges(fleet_state))
    for metric, spool in spools.items():
        if spool.piece_count or metric == "host_state":
            stream.write(_format_metric_head(metric, HOST_METRICS[metric]))
            spool.write_pieces(stream)
    meaning = "Packets that the hosts' firewalls refused, and queries that their DNS filters refused."
    refused_counts = [({"rule": rule}, packets) for rule, packets in sorted(fleet_counts.refused_packets.items())]
    stream.writelines(_format_gauge("refused_packets", meaning, refused_counts))
    stream.writelines(fleet_counts.format_watch_gauges())
    stream.writelines(_format_point_gauges(report.get("points") or ()))


def _list_host_metrics(host: FleetHost, state: str) -> Iterator[tuple[str, str, int]]:
    """Yield the metrics of a host as (name, labels, value).

    `state` is the host's worst state.
    """
    name = f'host="{_escape_label(make_host_label(host.name))}"'
    yield "host_state", f'{name},state="{state}"', 1
    yield "host_info", f'{name},inventory="{_escape_label(host.inventory)}"', 1
    if (checked_seconds := parse_utc_seconds(host.checked_at)) is not None:
        yield "host_checked_timestamp_seconds", name, checked_seconds
    for control, checked_at in _list_differing_times(host):
        yield (
            "host_control_checked_timestamp_seconds",
            f'{name},control="{control}"',
            parse_utc_seconds(checked_at) or 0,
        )
    for control, lift in host.lifts.items():
        labels = f'{name},control="{control}",run="{_escape_label(lift.run_id)}"'
        yield "host_lifted_timestamp_seconds", labels, parse_utc_seconds(lift.lifted_at) or 0
    if host.watch:
        yield "watch_last_observation_timestamp_seconds", name, parse_utc_seconds(host.watch.get("last")) or 0
        yield "watch_stale", name, int(bool(host.watch.get("stale")))
        if (frozen_seconds := parse_utc_seconds(host.watch.get("frozen"))) is not None:
            yield "watch_frozen_until_timestamp_seconds", name, frozen_seconds


class _RuleListCount:
    """The counts for a list of rules that many observations share.

    The counts are the number of these observations, and the number of rules in the list that are not applicable.
    """

    def __init__(self, rules: RuleStatePairs) -> None:
        self.observation_count = 0
        self.not_applicable_count = sum(state == NOT_APPLICABLE for _, state in rules)


class _FleetCounts:
    """The counts of hosts and rules for the metrics.

    Each host is added once.
    """

    def __init__(self) -> None:
        self.host_counts = dict.fromkeys((*STATES, LIFTED), 0)  # state -> number of hosts
        self.rule_counts = dict.fromkeys(STATES, 0)  # state -> number of rules of all hosts
        self.observed_count = 0  # number of hosts with a valid observation of each control
        self.refused_packets: Counter[str] = Counter()  # rule -> number of refused packets and queries
        self.request_count = 0
        # Key "hosts": hosts with a watch. Key "opened": those on which a rule was not compliant between two runs.
        self._watch_counts: Counter[str] = Counter()
        self._incident_counts: Counter[str] = Counter()  # rule or control -> number of incidents between two runs
        self._ended_counts: Counter[str] = Counter()  # rule -> number of ended program starts
        self._hosts_by_rule: Counter[tuple[str, str]] = Counter()  # (rule, state) -> number of hosts
        self._hosts_by_control: Counter[tuple[str, str, str]] = Counter()  # (control, mode, state) -> number of hosts
        self._rule_lists: dict[RuleStatePairs, _RuleListCount] = {}

    def count_host(self, host: FleetHost, state: str) -> None:
        """Add a host to the counts.

        `state` is the host's worst state.
        """
        self.host_counts[state] += 1
        self.observed_count += host.is_observed
        self.refused_packets.update(host.attempts)
        self.request_count += host.request_count
        if host.watch:
            self._watch_counts["hosts"] += 1
            self._watch_counts["opened"] += bool(host.watch.get("incidents"))
            self._incident_counts.update(host.watch.get("incidents") or {})
            self._ended_counts.update(host.watch.get("ended") or {})
        for control, observation in host.observations.items():
            control_state = OFF if observation.mode == OFF else observation.state
            self._hosts_by_control[control, observation.mode or "unknown", control_state] += 1
            rules, listed_not_applicable = observation.rules, 0
            # Thousands of hosts share a list of rules. Count the hosts here, and the rules of the list once at the end.
            if rules:
                rule_list = self._rule_lists.get(rules) or self._rule_lists.setdefault(rules, _RuleListCount(rules))
                rule_list.observation_count += 1
                listed_not_applicable = rule_list.not_applicable_count
            # The other evaluated rules, which the observation does not list, are compliant or not applicable.
            unlisted_count = max(0, observation.evaluated - len(rules))
            unlisted_not_applicable = min(unlisted_count, max(0, observation.not_applicable - listed_not_applicable))
            self.rule_counts[NOT_APPLICABLE] += unlisted_not_applicable
            self.rule_counts[COMPLIANT] += unlisted_count - unlisted_not_applicable

    def format_watch_gauges(self) -> Iterator[str]:
        """Yield the metrics about the time between two runs, and about the users' requests.

        The time between two runs is known only of hosts with a watch, from their journals.
        """
        if self._watch_counts:
            yield from _format_gauge(
                "watch_hosts", "Hosts that keep themselves in line.", [({}, self._watch_counts["hosts"])]
            )
            meaning = "Hosts of these on which something was open between two runs."
            yield from _format_gauge("watch_opened_hosts", meaning, [({}, self._watch_counts["opened"])])
        rule_series = [
            ({"rule": rule}, incident_count) for rule, incident_count in sorted(self._incident_counts.items())
        ]
        yield from _format_gauge(
            "watch_incidents", "How often hosts found the rule open between two runs.", rule_series
        )
        ended_series = [({"rule": rule}, incident_count) for rule, incident_count in sorted(self._ended_counts.items())]
        meaning = "Restricted programs that hosts ended at their start, as far as their journals reach back."
        yield from _format_gauge("watch_ended_total", meaning, ended_series, "counter")
        if self.request_count:
            yield from _format_gauge("requests_waiting", "Requests of users that wait.", [({}, self.request_count)])

    def format_gauges(self) -> Iterator[str]:
        """Yield the metrics about hosts and rules by state, coverage, compliance and controls.

        Call this function only once, after the last host: it adds the rules of the shared lists to the counts.
        """
        total = sum(self.host_counts.values())
        yield from _format_gauge("expected_hosts", "Hosts that had to answer.", [({}, total)])
        state_series = [({"state": state}, count) for state, count in self.host_counts.items()]
        yield from _format_gauge("hosts", "Expected hosts by state.", state_series)
        for rules, rule_list in self._rule_lists.items():
            for rule, state in rules:
                self._hosts_by_rule[rule, state] += rule_list.observation_count
                self.rule_counts[state] += rule_list.observation_count
        state_series = [({"state": state}, count) for state, count in self.rule_counts.items()]
        yield from _format_gauge("rules", "Evaluated rules of all hosts by state.", state_series)
        # Coverage is a part of all hosts. Hosts to which no rule applies do not count for compliance.
        applicable = total - self.host_counts[NOT_APPLICABLE]
        compliant_count = self.host_counts[COMPLIANT] + self.host_counts[REPAIRED]
        for name, counted_hosts, all_hosts in (
            ("coverage", self.observed_count, total),
            ("compliance_strict", compliant_count, applicable),
            ("compliance_with_waivers", compliant_count + self.host_counts[WAIVED], applicable),
        ):
            yield from _format_gauge(f"{name}_hosts", f"The hosts that count for {name}.", [({}, counted_hosts)])
            if all_hosts:
                yield from _format_gauge(
                    f"{name}_ratio", f"{name} as a part of the expected hosts.", [({}, counted_hosts / all_hosts)]
                )
        control_series = [
            ({"control": control, "mode": mode, "state": state}, count)
            for (control, mode, state), count in sorted(self._hosts_by_control.items())
        ]
        yield from _format_gauge(
            "control_hosts", "Hosts by what the policy does with the control, and its state.", control_series
        )
        ordered_pairs = sorted(self._hosts_by_rule, key=lambda pair: (pair[0], STATES.index(pair[1])))
        rule_series = [
            ({"rule": rule, "state": state}, self._hosts_by_rule[rule, state]) for rule, state in ordered_pairs
        ]
        yield from _format_gauge("rule_hosts", "Hosts that list the rule, by its state there.", rule_series)


def _format_run_gauges(run: ReportRun, fleet_state: FleetState) -> Iterator[str]:
    """Yield the metrics about the newest run, and about the last run over each whole inventory."""
    run_labels = {name: run.get(name) for name in ("id", "mode", "playbook", "version", "catalog_version", "limit")}
    run_labels |= {"inventory": ",".join(run.get("inventory") or ()), "controls": ",".join(list_observed_controls(run))}
    run_labels["whole"] = "true" if is_whole_run(run) else "false"
    yield from _format_gauge(
        "run_info", "The newest run; what it left out is as it was last checked.", [(run_labels, 1)]
    )
    for name in ("started", "finished"):
        seconds_of_time = parse_utc_seconds(run[name])
        if seconds_of_time is not None:
            yield from _format_gauge(
                f"report_{name}_timestamp_seconds", f"When the newest run {name}.", [({}, seconds_of_time)]
            )
    whole_run_series = [
        ({"inventory": name}, parse_utc_seconds(fleet_state.whole_run_ends.get(name)) or 0)
        for name in sorted({host.inventory for host in fleet_state.hosts.values()})
    ]
    meaning = "When the newest run finished that asked every host of the inventory for every control; 0 for never."
    yield from _format_gauge("whole_run_finished_timestamp_seconds", meaning, whole_run_series)


def _format_waiver_gauges(fleet_state: FleetState) -> Iterator[str]:
    """Yield the metrics about waivers: when each ends and is to be reviewed, and its number of hosts."""
    end_times: dict[tuple[str, str], str] = {}
    review_times: dict[tuple[str, str], str | None] = {}
    waiver_hosts: dict[tuple[str, str], set[str]] = {}
    for waiver in chain.from_iterable(fleet_state.waivers.values()):
        key = waiver["id"], waiver["status"]
        end_times.setdefault(key, find_waiver_end(waiver["expires"], waiver.get("revoked")))
        review_times.setdefault(key, waiver.get("review_by"))
        waiver_hosts.setdefault(key, set()).update(waiver["hosts"])
    for name, times_by_waiver, meaning in (
        ("waiver_expiry_timestamp_seconds", end_times, "When the waiver ends."),
        ("waiver_review_timestamp_seconds", review_times, "When the waiver has to be reviewed."),
    ):
        waiver_series = [
            (_make_waiver_labels(key), end_seconds)
            for key, time in times_by_waiver.items()
            if (end_seconds := parse_utc_seconds(time)) is not None
        ]
        yield from _format_gauge(name, meaning, waiver_series)
    host_series = [(_make_waiver_labels(key), len(names)) for key, names in waiver_hosts.items()]
    yield from _format_gauge("waiver_hosts", "Hosts that the waiver is for.", host_series)


def _format_point_gauges(points: Sequence[ReportedExport]) -> Iterator[str]:
    """Yield the metrics about exports to enforcement points, such as a proxy, in the newest run."""
    labelled_points = [
        ({"directory": point["directory"], "format": point["format"], "group": point["group"]}, point)
        for point in points
    ]
    state_series = [({**labels, "state": point["state"]}, 1) for labels, point in labelled_points]
    yield from _format_gauge("export_state", "1 for the state of an export to an enforcement point.", state_series)
    fetch_series = [
        (labels, fetches["last"][0]["at"])
        for labels, point in labelled_points
        if (fetches := point["fetched_by"]) and fetches["last"]
    ]
    for name, meaning, time_series in (
        ("written", "When it was written.", [(labels, point["written"]) for labels, point in labelled_points]),
        (
            "valid_until",
            "When something of it begins or ends.",
            [(labels, point["valid_until"]) for labels, point in labelled_points],
        ),
        ("fetched", "When a file of it was last fetched.", fetch_series),
    ):
        second_series = [
            (labels, time_seconds)
            for labels, time_text in time_series
            if (time_seconds := parse_utc_seconds(time_text)) is not None
        ]
        yield from _format_gauge(f"export_{name}_timestamp_seconds", meaning, second_series)


def _make_waiver_labels(waiver_key: tuple[str, str]) -> dict[str, str]:
    return {"waiver": waiver_key[0], "status": waiver_key[1]}


def _compute_oldest_times(fleet_state: FleetState, now: str) -> dict[int, str]:
    """Return {validity in seconds: the oldest time (UTC) of a valid observation}.

    The hosts have different validity periods. Hosts with unlimited validity (0) are left out. `now` is a UTC time.
    """
    validity_periods: Iterable[int] = {host.stale_after for host in fleet_state.hosts.values()} - {0}
    return {
        validity_seconds: format_moment(parse_moment(now) - datetime.timedelta(seconds=validity_seconds))
        for validity_seconds in validity_periods
    }


def _list_differing_times(host: FleetHost) -> list[tuple[str, str]]:
    """Return the observation time (UTC) of each control of a host; [] if all times are equal."""
    check_times = [
        (control, observation.checked_at)
        for control, observation in host.observations.items()
        if observation.mode != OFF
    ]
    return check_times if len({checked_at for _, checked_at in check_times}) > 1 else []


def parse_utc_seconds(time_text: object) -> int | None:
    """Return the seconds since 1970 of a UTC time such as 2026-11-25T08:00:00Z; None for any other value."""
    try:
        moment = datetime.datetime.fromisoformat(time_text) if isinstance(time_text, str) else None
    except ValueError:
        return None
    return int(moment.timestamp()) if moment and moment.tzinfo else None


def _format_gauge(
    name: str, meaning: str, series: Sequence[tuple[Mapping[str, object], float]], type_: str = "gauge"
) -> Iterator[str]:
    """Yield the lines of a metric: its head, and a line for each series.

    Yield nothing without series. `series` are pairs (labels, value). A label with the value None is left out. `name`
    has no prefix, `meaning` is the help text, and `type_` is Prometheus' type of the metric.
    """
    if series:
        yield _format_metric_head(name, meaning, type_)
    for labels, metric_value in series:
        label_text = ",".join(
            f'{key}="{_escape_label(label_value)}"' for key, label_value in labels.items() if label_value is not None
        )
        yield f"proscribe_{name}{'{' + label_text + '}' if label_text else ''} {metric_value}\n"


def _format_metric_head(name: str, meaning: str, type_: str = "gauge") -> str:
    return f"# HELP proscribe_{name} {meaning}\n# TYPE proscribe_{name} {type_}\n"


def _escape_label(content: object) -> str:
    return clean_text(content).replace("\\", "\\\\").replace('"', '\\"')


FORMATS = (
    ReportFormat(
        "prometheus",
        "metrics.prom",
        "Prometheus, by way of node_exporter's textfile collector",
        PrometheusExport,
        write_metrics,
        verification="promtool; the parser of prometheus-client; Prometheus, with the alerts and the dashboard's "
        "queries",
    ),
)
