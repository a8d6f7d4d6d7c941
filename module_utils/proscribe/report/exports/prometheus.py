"""metrics.prom: gauges in Prometheus' text format, for the textfile collector of node_exporter.

A host is one series of `proscribe_host_state`, with its state as a label. Numbers that people compare come as the two
counts they are made of as well, so that no rounding can hide a host.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from ..wording import clean, end_of, nothing_known
from .answers import NOT_SERVED, Answer
from .spool import Spool

NUMBERS = ("coverage", "compliance_strict", "compliance_with_waivers")


class Export:
    """The fleet's gauges, then one series for each host, then when each was looked at, then what was refused."""

    def __init__(self, stream: TextIO, report: Mapping[str, Any]) -> None:
        self._stream = stream
        self._checked = Spool()
        self._refused: Counter[str] = Counter()
        stream.writelines(fleet(report))
        stream.write(_head("host_state", "1 for the state that the host is in."))

    def add(self, answer: Answer) -> None:
        host = _label(answer.host)
        self._stream.write(f'proscribe_host_state{{host="{host}",state="{answer.state}"}} 1\n')
        moment = seconds(answer.record["checked_at"])
        self._refused.update(answer.record.get("attempts") or {})
        if moment is not None:
            self._checked.add(f'proscribe_host_checked_timestamp_seconds{{host="{host}"}} {moment}\n')

    def not_served(self, host: str, why: str) -> None:
        self._stream.write(f'proscribe_host_state{{host="{_label(host)}",state="{NOT_SERVED}"}} 1\n')

    def finish(self) -> None:
        self._stream.write(
            _head("host_checked_timestamp_seconds", "When the host was looked at; absent if it was not.")
        )
        self._checked.pour(self._stream)
        refused = [({"rule": rule}, packets) for rule, packets in sorted(self._refused.items())]
        meaning = "Packets that the hosts' firewalls refused, and questions that their name filters did."
        self._stream.writelines(_gauge("refused_packets", meaning, refused))


def fleet(report: Mapping[str, Any]) -> Iterator[str]:
    """The gauges of the whole fleet."""
    run, summary = report["run"], report["summary"]
    facts = {name: run.get(name) for name in ("id", "mode", "playbook", "catalog_version")}
    yield from _gauge("run_info", "The run that this is the report of.", [(facts, 1)])
    for name in ("started", "finished"):
        moment = seconds(run[name])
        if moment is not None:
            yield from _gauge(f"report_{name}_timestamp_seconds", f"When the run {name}.", [({}, moment)])
    yield from _gauge("expected_hosts", "Hosts that had to answer.", [({}, run["expected_hosts"])])
    by_state = [({"state": state}, count) for state, count in summary["hosts"].items()]
    yield from _gauge("hosts", "Expected hosts by state.", by_state)
    apart = summary.get("not_served", 0)
    yield from _gauge("not_served_hosts", "Hosts that cannot be looked at; they are no expected hosts.", [({}, apart)])
    by_state = [({"state": state}, count) for state, count in summary["rules"].items()]
    yield from _gauge("rules", "Evaluated rules of all hosts by state.", by_state)
    for name in NUMBERS:
        counted = summary[name]
        yield from _gauge(f"{name}_hosts", f"The hosts that count for {name}.", [({}, counted["numerator"])])
        if counted["denominator"]:
            part = counted["numerator"] / counted["denominator"]
            yield from _gauge(f"{name}_ratio", f"{name} as a part of the hosts that count.", [({}, part)])
    counts = [
        ({"rule": rule["rule"], "state": state}, count)
        for rule in report["rules"]
        for state, count in rule["counts"].items()
    ]
    yield from _gauge("rule_hosts", "Hosts that list the rule, by its state there.", counts)
    unknown = [({"control": control}, len(names)) for control, names in nothing_known(report).items()]
    yield from _gauge("nothing_known_rules", "Services of which a control has nothing to look for.", unknown)
    waivers = [({"waiver": one["id"], "status": one["status"]}, one) for one in report["waivers"]]
    ends = [(labels, end_of(one)) for labels, one in waivers]
    reviews = [(labels, one.get("review_by")) for labels, one in waivers]
    for name, times, meaning in (
        ("waiver_expiry_timestamp_seconds", ends, "When the waiver ends."),
        ("waiver_review_timestamp_seconds", reviews, "When the waiver has to be looked at again."),
    ):
        moments = [(labels, moment) for labels, time in times if (moment := seconds(time)) is not None]
        yield from _gauge(name, meaning, moments)
    hosts = [(labels, len(one["hosts"])) for labels, one in waivers]
    yield from _gauge("waiver_hosts", "Hosts of this run that the waiver is for.", hosts)


def seconds(time: object) -> int | None:
    """A UTC time such as 2026-11-25T08:00:00Z in seconds since 1970; None for anything else."""
    try:
        moment = datetime.datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        return None
    return int(moment.timestamp()) if moment and moment.tzinfo else None


def _gauge(name: str, meaning: str, series: Sequence[tuple[Mapping[str, object], float]]) -> Iterator[str]:
    """A metric with its series; nothing where there is none."""
    if series:
        yield _head(name, meaning)
    for labels, value in series:
        inner = ",".join(f'{key}="{_label(label)}"' for key, label in labels.items() if label is not None)
        yield f"proscribe_{name}{'{' + inner + '}' if inner else ''} {value}\n"


def _head(name: str, meaning: str) -> str:
    return f"# HELP proscribe_{name} {meaning}\n# TYPE proscribe_{name} gauge\n"


def _label(value: object) -> str:
    return clean(value).replace("\\", "\\\\").replace('"', '\\"')
