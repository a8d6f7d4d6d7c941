"""oscal.json: OSCAL assessment results (NIST), for auditors' tools.

Hosts are inventory items. What is alike is written once: an observation for each rule in a state (and by a waiver),
with the hosts as its subjects, and the finding that follows from it. That is a seventh of the size of one observation
for each host and rule. OSCAL knows only satisfied and not satisfied, so our own state stands beside it as a property.

Validators do not check whether references lead anywhere. So every identifier is made from what it names (UUID version
5), and a reference and its target come from one line of code.
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
from ..evaluation.since_last_run import describe_watch_events
from ..text.wording import clean, counted, end_of, host_label, in_words
from .format import Format, encoded
from .record_lines import Answer, Line

VERSION = "1.1.2"
NAMESPACE = "https://proscribe.example/ns/oscal"  # names our own properties; a name, nothing to fetch
IDENTIFIERS = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)

# What a state is in a finding: OSCAL's state, and its reason.
STATUS = {
    ERROR: ("not-satisfied", "other"),
    NONCOMPLIANT: ("not-satisfied", "fail"),
    UNKNOWN: ("not-satisfied", "other"),
    WAIVED: ("not-satisfied", "other"),
    REPAIRED: ("satisfied", "pass"),
    COMPLIANT: ("satisfied", "pass"),
}  # what does not apply is observed and makes no finding

SEVERAL = 10  # different pieces of evidence that an observation names; hosts.jsonl has them all


class Key(NamedTuple):
    """What an observation is about."""

    rule: str
    state: str
    waiver: str
    mode: str


@dataclass
class Group:
    """The hosts of an observation, by number, and some of the evidence."""

    hosts: array[int] = field(default_factory=lambda: array("I"))
    evidence: dict[str, None] = field(default_factory=dict)


class Export:
    """Gathers the groups, at four bytes for each host and rule; writes all at the end."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        self._report = report
        self._run = clean(report["run"]["id"])
        self._hosts: list[str] = []
        self._host_ids: list[str] = []
        self._groups: dict[Key, Group] = {}
        self._unserved: list[dict[str, str]] = []

    def add(self, answer: Answer) -> None:
        number = len(self._hosts)
        self._hosts.append(answer.host)
        self._host_ids.append(_id("host", answer.host))
        for line in answer.rows:
            group = line.once("oscal", self._group)
            if not group.hosts or group.hosts[-1] != number:  # a control can fail twice on a host
                group.hosts.append(number)
            if len(group.evidence) < SEVERAL:
                group.evidence[line.text] = None

    def not_served(self, host: str, why: str) -> None:
        self._unserved.append(_prop("not-served", host_label(host), why))

    def finish(self) -> None:
        report, write = self._report, self._stream.write
        run = report["run"]
        self._groups = dict(sorted(self._groups.items(), key=lambda item: (STATES.index(item[0].state), item[0])))
        waivers = {clean(waiver["id"]): waiver for waiver in report["waivers"]}
        used = {key.waiver: waivers[key.waiver] for key in self._groups if key.waiver in waivers}
        head = {
            "uuid": self._id("results"),
            "metadata": self._metadata(used),
            "import-ap": {"href": f"#{self._id('plan')}"},
        }
        result = {
            "uuid": self._id("result"),
            "title": f"Proscribe {clean(run['mode'])} {self._run}",
            "description": _description(report),
            "start": run["started"],
            "end": run["finished"],
            "props": [
                *_props(
                    mode=run["mode"],
                    catalog_version=run["catalog_version"],
                    inventory=", ".join(run["inventory"] or ()),
                    limit=run["limit"],
                    controls=", ".join(run["controls"] or ()),
                    left_out="; ".join(describe_restrictions(run)),
                    between_runs="; ".join(describe_watch_events(report)),
                ),
                *(_waiver(waiver) for waiver in report["waivers"]),
                *self._unserved,
            ],
            "reviewed-controls": {
                "control-selections": [{"include-controls": [{"control-id": id_} for id_ in list_oscal_ids()]}]
            },
        }
        write(f'{{"assessment-results":{encoded(head)[:-1]},"results":[{encoded(result)[:-1]}')
        if self._hosts:
            write(',\n"local-definitions":{"inventory-items":')
            _write_list(self._stream, map(_inventory_item, self._hosts, self._host_ids))
            write("}")
        for name, pieces in (
            ("observations", self._observations()),
            ("risks", (encoded(self._risk(id_, waiver)) for id_, waiver in used.items())),
            ("findings", self._findings(used)),
        ):
            # An empty list is not valid OSCAL: then the name is left out.
            first = next(pieces, None)
            if first is not None:
                write(f',\n"{name}":')
                _write_list(self._stream, chain([first], pieces))
        write(f'}}],\n"back-matter":{encoded({"resources": self._resources()})}}}}}\n')

    def _group(self, line: Line) -> Group:
        return self._groups.setdefault(Key(line.rule, line.state, line.waiver, line.mode), Group())

    def _metadata(self, waivers: Mapping[str, RunWaiver]) -> dict[str, object]:
        approvers = sorted({clean(waiver["approved_by"]) for waiver in waivers.values()})
        parties = [{"uuid": _id("organization", ""), "type": "organization", "name": "Proscribe"}]
        parties += [{"uuid": _id("person", name), "type": "person", "name": _token(name)} for name in approvers]
        return {
            "title": f"How the ban on restricted services stands: {self._run}",
            "last-modified": self._report["run"]["finished"],
            "version": self._run,
            "oscal-version": VERSION,
            "parties": parties,
        }

    def _observations(self) -> Iterator[str]:
        for key, group in self._groups.items():
            observation = {
                "uuid": self._id("observation", *key),
                "title": f"{key.rule}: {in_words(key.state)}",
                "description": f"{key.rule} is {in_words(key.state)} on {counted(len(group.hosts), 'host')}",
                "props": _props(rule=key.rule, state=key.state, waiver=key.waiver, mode=key.mode),
                "methods": ["TEST"],
                "collected": self._report["run"]["finished"],
                "relevant-evidence": [
                    *({"description": text} for text in group.evidence),
                    {"href": f"#{self._id('hosts')}", "description": "The evidence of each host, and when it was seen"},
                ],
            }
            subjects = (
                f'{{"subject-uuid":"{self._host_ids[number]}","type":"inventory-item"}}' for number in group.hosts
            )
            yield f'{encoded(observation)[:-1]},"subjects":[{",".join(subjects)}]}}'

    def _risk(self, id_: str, waiver: RunWaiver) -> dict[str, object]:
        run = self._report["run"]
        approver = clean(waiver["approved_by"])
        return {
            "uuid": self._id("risk", id_),
            "title": f"Waiver {id_}",
            "description": clean(waiver["reason"]) or "An approved exception",
            "statement": "The services of this waiver are open on its hosts: "
            + ", ".join(clean(service) for service in waiver["services"]),
            "status": "deviation-approved",
            "deadline": end_of(waiver["expires"], waiver.get("revoked")),
            "risk-log": {
                "entries": [
                    {
                        "uuid": self._id("approval", id_),
                        "title": f"Approved by {approver}",
                        "start": waiver.get("approved_on") or run["started"],
                        "logged-by": [{"party-uuid": _id("person", approver)}],
                        "status-change": "deviation-approved",
                    }
                ]
            },
        }

    def _findings(self, waivers: Mapping[str, RunWaiver]) -> Iterator[str]:
        for key, group in self._groups.items():
            if key.state == NOT_APPLICABLE:
                continue
            state, reason = STATUS[key.state]
            served = list_clauses(key.rule.partition("/")[0])
            clause = next(clause for clause in served if clause.oscal_id)
            finding: dict[str, object] = {
                "uuid": self._id("finding", *key),
                "title": f"{key.rule}: {key.state}",
                "description": f"{key.rule} is {key.state} on {counted(len(group.hosts), 'host')}",
                "props": [{"name": "serves", "ns": NAMESPACE, "value": clause.name} for clause in served],
                "target": {
                    "type": "objective-id",
                    "target-id": f"{clause.oscal_id}_obj",
                    "title": clause.name,
                    "status": {"state": state, "reason": reason},
                },
                "related-observations": [{"observation-uuid": self._id("observation", *key)}],
            }
            if key.waiver in waivers:
                finding["related-risks"] = [{"risk-uuid": self._id("risk", key.waiver)}]
            yield encoded(finding)

    def _resources(self) -> list[dict[str, object]]:
        return [
            {
                "uuid": self._id("plan"),
                "title": "The compiled plans",
                "description": "What each host was assessed against, by digest; hosts.jsonl says which is whose",
                "rlinks": [{"href": "../plans/"}],
            },
            {"uuid": self._id("hosts"), "title": "The host records", "rlinks": [{"href": "hosts.jsonl"}]},
        ]

    def _id(self, *names: str) -> str:
        """The identifier of a part of this run's results."""
        return _id(self._run, *names)


def _id(*names: str) -> str:
    """The identifier of what is called so; of a host the same in every run."""
    return str(uuid.uuid5(IDENTIFIERS, "\n".join(names)))


def _inventory_item(host: str, id_: str) -> str:
    name = _token(host)
    props = [{"name": "hostname", "value": name}]
    return encoded({"uuid": id_, "description": f"Host {name}", "props": props})


def _props(**values: object) -> list[dict[str, str]]:
    """Properties of our own; one that is empty is left out."""
    texts = {name.replace("_", "-"): _token(value) for name, value in values.items() if value}
    return [{"name": name, "ns": NAMESPACE, "value": text} for name, text in texts.items()]


def _prop(name: str, value: str, remarks: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": _token(value), "remarks": _token(remarks)}


def _waiver(waiver: RunWaiver) -> dict[str, str]:
    """A waiver of the run, whatever it is worth, as a property of the result."""
    remarks = _token(waiver.get("why") or waiver["reason"])
    status = waiver["status"].replace("_", "-")
    return {"name": "waiver", "ns": NAMESPACE, "value": _token(waiver["id"]), "class": status, "remarks": remarks}


def _token(value: object) -> str:
    """A text that is not empty and has no blank at either end, as OSCAL's strings are."""
    return clean(value).strip() or "-"


def _description(report: FleetReport) -> str:
    summary = report["summary"]
    hosts = ", ".join(f"{count:,} {in_words(state)}" for state, count in summary["hosts"].items() if count)
    left = "".join(f"; {part}" for part in describe_restrictions(report["run"]))
    apart = f"; {counted(summary['not_served'], 'host')} not served" if summary.get("not_served") else ""
    return f"{counted(report['run']['expected_hosts'], 'expected host')}: {hosts or 'none'}{left}{apart}"


def _write_list(stream: TextIO, pieces: Iterable[str]) -> None:
    stream.write("[")
    for index, piece in enumerate(pieces):
        stream.write((",\n" if index else "\n") + piece)
    stream.write("]")


FORMATS = (
    Format(
        "oscal",
        "oscal.json",
        "auditors' tools that read OSCAL assessment results",
        Export,
        checked_by="compliance-trestle; a test that every reference has a target, which validators do not check",
    ),
)
