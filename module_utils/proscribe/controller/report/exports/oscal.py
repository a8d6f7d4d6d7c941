"""oscal.json: OSCAL assessment results (NIST), for auditors' tools.

Hosts are inventory items. Equal results are written once: an observation for each rule in a state (and by a waiver).
Its subjects are the hosts, and a finding refers to it. That has a seventh of the size of an observation for each host
and rule. OSCAL knows only satisfied and not satisfied, so a property has our own state.

Validators do not check that references have a target. So every identifier is derived from its object (UUID version 5).
The same line of code makes a reference and its target.
"""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TextIO

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, STATES, UNKNOWN, WAIVED
from ....model.types.report import FleetReport
from ....model.types.run import RunWaiver
from ..evaluation.frameworks import list_clauses, list_oscal_ids
from ..evaluation.scope import describe_restrictions
from ..evaluation.watch_remark_groups import describe_watch_events
from ..text.wording import clean_text, find_waiver_end, format_count, format_key, make_host_label
from .format import ReportFormat, encode_compact_json
from .host_entries import HostEntry, RuleLine

OSCAL_VERSION = "1.1.2"
# The namespace of Proscribe's properties. It is a name, not an address to fetch.
PROPERTY_NAMESPACE = "https://proscribe.example/ns/oscal"
UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, PROPERTY_NAMESPACE)

# Key: Proscribe's state. Value: OSCAL's state and reason of a finding. A rule that is not applicable has an observation
# but no finding.
OSCAL_STATUSES = {
    ERROR: ("not-satisfied", "other"),
    NONCOMPLIANT: ("not-satisfied", "fail"),
    UNKNOWN: ("not-satisfied", "other"),
    WAIVED: ("not-satisfied", "other"),
    REPAIRED: ("satisfied", "pass"),
    COMPLIANT: ("satisfied", "pass"),
}

MAX_EVIDENCE = 10  # most pieces of evidence that an observation lists; hosts.jsonl has all


class ObservationKey(NamedTuple):
    """The values that make an observation: hosts with the same values share the observation."""

    rule: str
    state: str
    waiver: str
    mode: str


@dataclass
class ObservedGroup:
    """The hosts of an observation, by their numbers in the export, and some of the evidence.

    The keys of `evidence` are the texts, in the order in which they came.
    """

    hosts: array[int] = field(default_factory=lambda: array("I"))
    evidence: dict[str, None] = field(default_factory=dict)


class OscalExport:
    """An export that collects all hosts by observation, and writes the whole file at the end.

    It needs four bytes for each host and rule.
    """

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        self._report = report
        self._run_id = clean_text(report["run"]["id"])
        self._hosts: list[str] = []
        self._host_ids: list[str] = []
        self._groups: dict[ObservationKey, ObservedGroup] = {}
        self._unserved_properties: list[dict[str, str]] = []

    def add_host(self, host_entry: HostEntry) -> None:
        host_number = len(self._hosts)
        self._hosts.append(host_entry.host)
        self._host_ids.append(_make_uuid("host", host_entry.host))
        for line in host_entry.rows:
            group = line.cache_derived_form("oscal", self._get_group)
            # a host may have two equal lines, because a control can fail twice
            if not group.hosts or group.hosts[-1] != host_number:
                group.hosts.append(host_number)
            if len(group.evidence) < MAX_EVIDENCE:
                group.evidence[line.text] = None

    def add_unserved_host(self, host: str, reason: str) -> None:
        self._unserved_properties.append(_make_property("not-served", make_host_label(host), reason))

    def finish_export(self) -> None:
        """Write the whole file: metadata, run, hosts, observations, risks and findings."""
        report, write = self._report, self._stream.write
        run = report["run"]
        # worst state first
        self._groups = dict(sorted(self._groups.items(), key=lambda entry: (STATES.index(entry[0].state), entry[0])))
        waivers = {clean_text(waiver["id"]): waiver for waiver in report["waivers"]}
        used_waivers = {key.waiver: waivers[key.waiver] for key in self._groups if key.waiver in waivers}
        document_head = {
            "uuid": self._make_run_uuid("results"),
            "metadata": self._make_metadata(used_waivers),
            "import-ap": {"href": f"#{self._make_run_uuid('plan')}"},
        }
        result = {
            "uuid": self._make_run_uuid("result"),
            "title": f"Proscribe {clean_text(run['mode'])} {self._run_id}",
            "description": _describe_report(report),
            "start": run["started"],
            "end": run["finished"],
            "props": [
                *_make_properties(
                    mode=run["mode"],
                    catalog_version=run["catalog_version"],
                    inventory=", ".join(run["inventory"] or ()),
                    limit=run["limit"],
                    controls=", ".join(run["controls"] or ()),
                    left_out="; ".join(describe_restrictions(run)),
                    between_runs="; ".join(describe_watch_events(report)),
                ),
                *(_make_waiver_property(waiver) for waiver in report["waivers"]),
                *self._unserved_properties,
            ],
            "reviewed-controls": {
                "control-selections": [{"include-controls": [{"control-id": id_} for id_ in list_oscal_ids()]}]
            },
        }
        # Both objects are written without their last brace, because further keys follow in them.
        write(
            f'{{"assessment-results":{encode_compact_json(document_head)[:-1]},'
            f'"results":[{encode_compact_json(result)[:-1]}'
        )
        if self._hosts:
            write(',\n"local-definitions":{"inventory-items":')
            _write_json_list(self._stream, map(_format_inventory_item, self._hosts, self._host_ids))
            write("}")
        for name, pieces in (
            ("observations", self._format_observations()),
            ("risks", (encode_compact_json(self._make_risk(id_, waiver)) for id_, waiver in used_waivers.items())),
            ("findings", self._format_findings(used_waivers)),
        ):
            # An empty list is not valid OSCAL, so its key is left out.
            first_piece = next(pieces, None)
            if first_piece is not None:
                write(f',\n"{name}":')
                _write_json_list(self._stream, chain([first_piece], pieces))
        write(f'}}],\n"back-matter":{encode_compact_json({"resources": self._list_resources()})}}}}}\n')

    def _get_group(self, line: RuleLine) -> ObservedGroup:
        """Return the group of hosts that share the observation of this line, and add the group if it is new."""
        return self._groups.setdefault(ObservationKey(line.rule, line.state, line.waiver, line.mode), ObservedGroup())

    def _make_metadata(self, waivers: Mapping[str, RunWaiver]) -> dict[str, object]:
        """Return the file's metadata.

        The parties are Proscribe and the approvers of `waivers`: the waivers, by id, that apply to a host.
        """
        approvers = sorted({clean_text(waiver["approved_by"]) for waiver in waivers.values()})
        parties = [{"uuid": _make_uuid("organization", ""), "type": "organization", "name": "Proscribe"}]
        parties += [
            {"uuid": _make_uuid("person", name), "type": "person", "name": _format_token(name)} for name in approvers
        ]
        return {
            "title": f"How the ban on restricted services stands: {self._run_id}",
            "last-modified": self._report["run"]["finished"],
            "version": self._run_id,
            "oscal-version": OSCAL_VERSION,
            "parties": parties,
        }

    def _format_observations(self) -> Iterator[str]:
        """Yield the observations as JSON, each with its hosts and some of the evidence."""
        for key, group in self._groups.items():
            observation = {
                "uuid": self._make_run_uuid("observation", *key),
                "title": f"{key.rule}: {format_key(key.state)}",
                "description": f"{key.rule} is {format_key(key.state)} on {format_count(len(group.hosts), 'host')}",
                "props": _make_properties(rule=key.rule, state=key.state, waiver=key.waiver, mode=key.mode),
                "methods": ["TEST"],
                "collected": self._report["run"]["finished"],
                "relevant-evidence": [
                    *({"description": text} for text in group.evidence),
                    {
                        "href": f"#{self._make_run_uuid('hosts')}",
                        "description": "The evidence of each host, and when it was seen",
                    },
                ],
            }
            subject_references = (
                f'{{"subject-uuid":"{self._host_ids[number]}","type":"inventory-item"}}' for number in group.hosts
            )
            yield f'{encode_compact_json(observation)[:-1]},"subjects":[{",".join(subject_references)}]}}'

    def _make_risk(self, waiver_id: str, waiver: RunWaiver) -> dict[str, object]:
        """Return a waiver as OSCAL's risk, with its approval as a log entry."""
        run = self._report["run"]
        approver = clean_text(waiver["approved_by"])
        return {
            "uuid": self._make_run_uuid("risk", waiver_id),
            "title": f"Waiver {waiver_id}",
            "description": clean_text(waiver["reason"]) or "An approved exception",
            "statement": "The services of this waiver are open on its hosts: "
            + ", ".join(clean_text(service) for service in waiver["services"]),
            "status": "deviation-approved",
            "deadline": find_waiver_end(waiver["expires"], waiver.get("revoked")),
            "risk-log": {
                "entries": [
                    {
                        "uuid": self._make_run_uuid("approval", waiver_id),
                        "title": f"Approved by {approver}",
                        "start": waiver.get("approved_on") or run["started"],
                        "logged-by": [{"party-uuid": _make_uuid("person", approver)}],
                        "status-change": "deviation-approved",
                    }
                ]
            },
        }

    def _format_findings(self, waivers: Mapping[str, RunWaiver]) -> Iterator[str]:
        """Yield the findings as JSON.

        Each finding refers to its observation, and to the risk if one of `waivers` (by id) applies. A finding is about
        a rule in a state. A rule that does not apply has none.
        """
        for key, group in self._groups.items():
            if key.state == NOT_APPLICABLE:
                continue
            state, reason = OSCAL_STATUSES[key.state]
            served_clauses = list_clauses(key.rule.partition("/")[0])
            # the target of the finding: of the clauses that the rule serves, the first with an id in OSCAL
            clause = next(clause for clause in served_clauses if clause.oscal_id)
            finding: dict[str, object] = {
                "uuid": self._make_run_uuid("finding", *key),
                "title": f"{key.rule}: {key.state}",
                "description": f"{key.rule} is {key.state} on {format_count(len(group.hosts), 'host')}",
                "props": [
                    {"name": "serves", "ns": PROPERTY_NAMESPACE, "value": clause.name} for clause in served_clauses
                ],
                "target": {
                    "type": "objective-id",
                    "target-id": f"{clause.oscal_id}_obj",
                    "title": clause.name,
                    "status": {"state": state, "reason": reason},
                },
                "related-observations": [{"observation-uuid": self._make_run_uuid("observation", *key)}],
            }
            if key.waiver in waivers:
                finding["related-risks"] = [{"risk-uuid": self._make_run_uuid("risk", key.waiver)}]
            yield encode_compact_json(finding)

    def _list_resources(self) -> list[dict[str, object]]:
        """Return the files to which the results refer: the compiled plans, and the records in hosts.jsonl."""
        return [
            {
                "uuid": self._make_run_uuid("plan"),
                "title": "The compiled plans",
                "description": "What each host was assessed against, by digest; hosts.jsonl says which is whose",
                "rlinks": [{"href": "../plans/"}],
            },
            {"uuid": self._make_run_uuid("hosts"), "title": "The host records", "rlinks": [{"href": "hosts.jsonl"}]},
        ]

    def _make_run_uuid(self, *names: str) -> str:
        """Return the UUID of a part of this run's results, derived from the run's id and these names."""
        return _make_uuid(self._run_id, *names)


def _make_uuid(*names: str) -> str:
    """Return the UUID of an object, derived from its names.

    So a host has the same UUID in every run.
    """
    return str(uuid.uuid5(UUID_NAMESPACE, "\n".join(names)))


def _format_inventory_item(host: str, host_uuid: str) -> str:
    name = _format_token(host)
    properties = [{"name": "hostname", "value": name}]
    return encode_compact_json({"uuid": host_uuid, "description": f"Host {name}", "props": properties})


def _make_properties(**contents: object) -> list[dict[str, str]]:
    """Make OSCAL properties in Proscribe's namespace, with these names and values.

    Empty values are left out.
    """
    texts = {name.replace("_", "-"): _format_token(content) for name, content in contents.items() if content}
    return [{"name": name, "ns": PROPERTY_NAMESPACE, "value": text} for name, text in texts.items()]


def _make_property(name: str, content: str, remarks: str) -> dict[str, str]:
    return {"name": name, "ns": PROPERTY_NAMESPACE, "value": _format_token(content), "remarks": _format_token(remarks)}


def _make_waiver_property(waiver: RunWaiver) -> dict[str, str]:
    """Make the OSCAL property that describes a waiver of the run, whether the waiver is active or not."""
    remarks = _format_token(waiver.get("why") or waiver["reason"])
    status = waiver["status"].replace("_", "-")
    return {
        "name": "waiver",
        "ns": PROPERTY_NAMESPACE,
        "value": _format_token(waiver["id"]),
        "class": status,
        "remarks": remarks,
    }


def _format_token(content: object) -> str:
    """Format a text as OSCAL requires: without blanks at its ends, and not empty ("-" for an empty text)."""
    return clean_text(content).strip() or "-"


def _describe_report(report: FleetReport) -> str:
    """Describe a report in a line: hosts by state, what the run left out, and hosts that are not served."""
    summary = report["summary"]
    hosts = ", ".join(f"{count:,} {format_key(state)}" for state, count in summary["hosts"].items() if count)
    left_out_text = "".join(f"; {left_out_part}" for left_out_part in describe_restrictions(report["run"]))
    not_served_text = f"; {format_count(summary['not_served'], 'host')} not served" if summary.get("not_served") else ""
    return (
        f"{format_count(report['run']['expected_hosts'], 'expected host')}: "
        f"{hosts or 'none'}{left_out_text}{not_served_text}"
    )


def _write_json_list(stream: TextIO, pieces: Iterable[str]) -> None:
    """Write a JSON list of values that are encoded already, each on its own line."""
    stream.write("[")
    for index, piece in enumerate(pieces):
        stream.write((",\n" if index else "\n") + piece)
    stream.write("]")


FORMATS = (
    ReportFormat(
        "oscal",
        "oscal.json",
        "auditors' tools that read OSCAL assessment results",
        OscalExport,
        verification="compliance-trestle; a test that every reference has a target, which validators do not check",
    ),
)
