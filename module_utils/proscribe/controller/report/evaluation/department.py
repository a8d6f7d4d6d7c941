"""The report of one department: what its head may have without seeing others. Pure.

It is made anew of what belongs to its hosts, and never copied and cut: a key that a report gets later is left out until
somebody lets it through here. Numbers are counted again. Names of other hosts and departments are taken out of texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from ....model.types.run import ReportFacts, RunWaiver
from ..text.redaction import Redaction
from .baseline import New
from .reconcile import Fleet, Note, report_of
from .scope import left_out

# What is said of what the report of a department does not have.
WITHOUT = (
    "Left out is what belongs to no single host: warnings of the run, its inventory and options, its gate, services "
    "that are not restricted yet, exports to enforcement points, and the trend. So are names of other hosts and "
    "departments in texts."
)
INTERRUPTED = "it ended before its end"

# What a reader of a waiver has to know. Its groups, zones and file are about other hosts, and so may its request be.
OF_WAIVER = (
    "id",
    "status",
    "waives",
    "why",
    "valid_from",
    "expires",
    "review_by",
    "review_overdue",
    "services",
    "controls",
    "users",
    "posix_groups",
    "versions",
    "paths",
    "hours",
    "compensating_controls",
    "reason",
    "risk",
    "ticket",
    "requested_by",
    "requested_on",
    "approved_by",
    "approved_on",
    "revoked",
    "signed_with",
)

# Keys whose texts have a form that is not the host's: names of ours, digests, and times.
FORMED = frozenset(
    [
        "schema",
        "host",
        "state",
        "plan",
        "checked_at",
        "rule",
        "rules",
        "control",
        "controls",
        "mode",
        "policy",
        "kind",
        "since",
        "renewed",
        "first",
        "last",
        "at",
        "until",
        "found_at",
        "oldest",
        "services",
        "status",
        "valid_from",
        "expires",
        "review_by",
        "approved_on",
        "requested_on",
        "on",
    ]
)
NAMED = frozenset({"attempts", "owners"})  # keys of mappings whose own keys come from a host

Document = TypeVar("Document")


class NoSuchDepartment(LookupError):
    """A report has no department of that name."""


def of_department(
    report: FleetReport, records: Iterable[HostRecord], name: str
) -> tuple[FleetReport, list[HostRecord]]:
    """The report and the records of a department, by its name in the report. Raises NoSuchDepartment."""
    departments = report.get("departments") or {}
    if name not in departments:
        raise NoSuchDepartment(name)
    members = departments[name]
    known = frozenset(members)
    every: list[str] = [*(one["host"] for one in report.get("not_served") or ()), *report["unexpected_hosts"]]
    own: list[HostRecord] = []
    for record in records:
        every.append(record["host"])
        if record["host"] in known:
            own.append(record)
    hidden = {*every, *departments, *(host for hosts in departments.values() for host in hosts)} - known - {name}
    hidden |= {host for waiver in report["waivers"] for host in waiver["hosts"]} - known - {name}
    return _made(report, own, members, name, Redaction(hidden, [*members, name]))


def _made(
    report: FleetReport, own: Sequence[HostRecord], members: Sequence[str], name: str, names: Redaction
) -> tuple[FleetReport, list[HostRecord]]:
    known = frozenset(members)
    records = [_without(names, record) for record in own]
    not_served = {one["host"]: names.text(one["why"]) for one in report.get("not_served") or () if one["host"] in known}
    hosts = [record["host"] for record in records]
    services = [one["rule"].partition("/")[2] for one in report["rules"] if one.get("kind") == "service"]
    facts: ReportFacts = {
        "services": services if any("kind" in one for one in report["rules"]) else None,
        "not_served": not_served,
        "waivers": [_waiver(names, one, known) for one in report["waivers"] if known.intersection(one["hosts"])],
        "departments": {name: hosts},
    }
    notes = [Note(**_without(names, one)) for one in report.get("unexpected") or () if one["host"] in known]
    baseline = report.get("new")
    new = None if baseline is None else [New(**_without(names, one)) for one in baseline if one["host"] in known]
    made = report_of(_run(report["run"], len(records)), facts, Fleet(records, notes=notes), new, None)
    if lifted := [one for one in report.get("lifted") or () if one["host"] in known]:
        made["lifted"] = lifted
    made["department"] = {
        "name": name,
        "missing": [host for host in members if host not in {*hosts, *not_served}],
        "partial": left_out(report["run"]) != 0,
        "left_out": WITHOUT,
    }
    return made, records


def _run(run: ReportRun, hosts: int) -> ReportRun:
    """The run, without all that is about the whole: how it was called, over which hosts, how it ended by its gate."""
    interrupted = run.get("interrupted")
    return {
        "id": run["id"],
        "playbook": run["mode"],
        "mode": run["mode"],
        "started": run["started"],
        "finished": run["finished"],
        "version": run.get("version"),
        "catalog_version": run["catalog_version"],
        "catalog": run.get("catalog"),
        "inventory": [],
        "limit": "",
        "controls": run.get("controls"),
        "stale_after": run.get("stale_after"),
        "expected_hosts": hosts,
        "whole": False,
        "left_out": 0,
        "interrupted": {"why": INTERRUPTED, "closed_by": None} if interrupted else None,
        "verdict": None,
    }


def _waiver(names: Redaction, waiver: RunWaiver, known: frozenset[str]) -> RunWaiver:
    """A waiver, for the hosts of the department alone."""
    said: Mapping[str, object] = waiver
    made = _without(names, {key: said[key] for key in OF_WAIVER if key in said})
    return {**made, "hosts": [host for host in waiver["hosts"] if host in known]}  # type: ignore[typeddict-item]


def _without(names: Redaction, document: Document, key: str = "") -> Document:
    """A document without the hidden names in its texts."""
    made: object = document
    if isinstance(document, str):
        made = document if key in FORMED else names.text(document)
    elif isinstance(document, Mapping):
        made = {names.text(k) if key in NAMED else k: _without(names, one, k) for k, one in document.items()}
    elif isinstance(document, (list, tuple)):
        made = [_without(names, one, key) for one in document]
    return made  # type: ignore[return-value]
