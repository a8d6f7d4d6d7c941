"""The report of a single department, without data of other departments. Pure.

The report is built anew from the data of the department's hosts. It is never a reduced copy: a key that reports get
later is left out until this module allows it. Numbers are counted again. Names of other hosts and departments are
removed from texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from ....model.types.run import ReportFacts, RunWaiver
from ..text.redaction import NameRedaction
from .baseline import BaselineDeviation
from .reconciliation import Fleet, RecordNote, build_report
from .scope import count_left_out_hosts

# The text in a department's report about the parts that it lacks.
OMISSION_NOTE = (
    "Left out is what belongs to no single host: warnings of the run, its inventory and options, its gate, services "
    "that are not restricted yet, exports to enforcement points, and the trend. So are names of other hosts and "
    "departments in texts."
)
# replaces the cause of an interruption, which concerns the whole run
INTERRUPTION_REASON = "it ended before its end"

# Keys of a waiver that a department's report contains. Its groups, zones, file and request may concern other hosts, so
# they are left out.
WAIVER_KEYS = (
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

# Keys whose texts a host cannot choose: Proscribe's names, digests and times. They need no redaction.
UNREDACTED_KEYS = frozenset(
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
# keys of mappings whose keys are texts from a host, so that they need redaction too
HOST_KEYED_MAPPINGS = frozenset({"attempts", "owners"})

Document = TypeVar("Document")


class UnknownDepartment(LookupError):
    """An error: a report has no department of that name."""


def make_department_report(
    report: FleetReport, records: Iterable[HostRecord], name: str
) -> tuple[FleetReport, list[HostRecord]]:
    """Make the report and the records of the department `name`. Raises UnknownDepartment.

    The texts have no names of other hosts and departments.
    """
    departments = report.get("departments") or {}
    if name not in departments:
        raise UnknownDepartment(name)
    members = departments[name]
    member_names = frozenset(members)
    all_hosts: list[str] = [*(entry["host"] for entry in report.get("not_served") or ()), *report["unexpected_hosts"]]
    own_records: list[HostRecord] = []
    for record in records:
        all_hosts.append(record["host"])
        if record["host"] in member_names:
            own_records.append(record)
    hidden_names = (
        {*all_hosts, *departments, *(host for hosts in departments.values() for host in hosts)} - member_names - {name}
    )
    hidden_names |= {host for waiver in report["waivers"] for host in waiver["hosts"]} - member_names - {name}
    return _build_department_report(report, own_records, members, name, NameRedaction(hidden_names, [*members, name]))


def _build_department_report(
    report: FleetReport, own_records: Sequence[HostRecord], members: Sequence[str], name: str, redaction: NameRedaction
) -> tuple[FleetReport, list[HostRecord]]:
    """Build the report and the records of a department from its records and from the facts about its hosts.

    `members` are the hosts of the department `name`. `redaction` removes names of other hosts and departments from
    texts.
    """
    member_names = frozenset(members)
    records = [_redact_document(redaction, record) for record in own_records]
    not_served = {
        entry["host"]: redaction.redact_text(entry["why"])
        for entry in report.get("not_served") or ()
        if entry["host"] in member_names
    }
    hosts = [record["host"] for record in records]
    # The rules of a report have no kind if the run did not know its services.
    services = [entry["rule"].partition("/")[2] for entry in report["rules"] if entry.get("kind") == "service"]
    facts: ReportFacts = {
        "services": services if any("kind" in entry for entry in report["rules"]) else None,
        "not_served": not_served,
        "waivers": [
            _redact_waiver(redaction, entry, member_names)
            for entry in report["waivers"]
            if member_names.intersection(entry["hosts"])
        ],
        "departments": {name: hosts},
    }
    notes = [
        RecordNote(**_redact_document(redaction, entry))
        for entry in report.get("unexpected") or ()
        if entry["host"] in member_names
    ]
    baseline = report.get("new")
    deviations = (
        None
        if baseline is None
        else [
            BaselineDeviation(**_redact_document(redaction, entry))
            for entry in baseline
            if entry["host"] in member_names
        ]
    )
    department_report = build_report(
        _redact_run(report["run"], len(records)), facts, Fleet(records, notes=notes), deviations, None
    )
    if lifted := [entry for entry in report.get("lifted") or () if entry["host"] in member_names]:
        department_report["lifted"] = lifted
    department_report["department"] = {
        "name": name,
        "missing": [host for host in members if host not in {*hosts, *not_served}],
        "partial": count_left_out_hosts(report["run"]) != 0,
        "left_out": OMISSION_NOTE,
    }
    return department_report, records


def _redact_run(run: ReportRun, host_count: int) -> ReportRun:
    """Return the run without the facts about the whole fleet, such as its call and its verdict."""
    interrupted = run.get("interrupted")
    return {
        "id": run["id"],
        "playbook": run["mode"],  # instead of the playbook's name, which belongs to the call
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
        "expected_hosts": host_count,
        "whole": False,
        "left_out": 0,
        "interrupted": {"why": INTERRUPTION_REASON, "closed_by": None} if interrupted else None,
        "verdict": None,
    }


def _redact_waiver(redaction: NameRedaction, waiver: RunWaiver, member_names: frozenset[str]) -> RunWaiver:
    """Return a waiver with only the hosts of the department (`member_names`).

    Names of other hosts and departments are removed from its texts.
    """
    waiver_facts: Mapping[str, object] = waiver
    redacted = _redact_document(redaction, {key: waiver_facts[key] for key in WAIVER_KEYS if key in waiver_facts})
    return {**redacted, "hosts": [host for host in waiver["hosts"] if host in member_names]}  # type: ignore[typeddict-item]


def _redact_document(redaction: NameRedaction, document: Document, key: str = "") -> Document:
    """Return a copy of a document, with the names of other hosts and departments removed from its texts.

    `key` is the key under which the document stands in its parent. Texts of UNREDACTED_KEYS stay as they are.
    """
    redacted: object = document
    if isinstance(document, str):
        redacted = document if key in UNREDACTED_KEYS else redaction.redact_text(document)
    elif isinstance(document, Mapping):
        redacted = {
            redaction.redact_text(k) if key in HOST_KEYED_MAPPINGS else k: _redact_document(redaction, part, k)
            for k, part in document.items()
        }
    elif isinstance(document, (list, tuple)):
        redacted = [_redact_document(redaction, part, key) for part in document]
    return redacted  # type: ignore[return-value]
