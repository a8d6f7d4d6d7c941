"""report.sarif: SARIF 2.1.0, for code-scanning dashboards and the tools that read their format.

What a host lists is a result. A host that is plainly compliant is one result of kind `pass` in all, for the sake of
size. What is unknown is no result but a notification of the run, as SARIF has it for what a tool could not check. What
is waived is a suppressed result; since some readers show suppressed results as open, `Open` leaves those out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TextIO
from urllib.parse import quote

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, UNKNOWN, WAIVED, WATCH
from ....model.types.report import FleetReport
from ..evaluation.frameworks import list_clauses
from ..evaluation.since_last_run import RULE_TITLES
from ..text.wording import clean, host_label
from .format import Format, encoded
from .record_lines import HOST, NOT_SERVED, Answer, Line
from .spool import Spool

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"

# SARIF's kind of result for a state, and its level, which is `none` for all kinds but `fail`.
KINDS = {
    NONCOMPLIANT: ("fail", "error"),
    WAIVED: ("fail", "error"),
    REPAIRED: ("pass", "none"),
    COMPLIANT: ("pass", "none"),
    NOT_APPLICABLE: ("notApplicable", "none"),
}
OF_RUN = (
    "id", "mode", "catalog_version", "expected_hosts", "inventory", "limit", "controls", "whole", "left_out",
)  # fmt: skip
# States that are written as notifications.
UNSEEN = (ERROR, UNKNOWN)


class Export:
    """Results, as they come; then the run, with what could not be seen."""

    waived = True

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        self._report = report
        self._reasons = {clean(waiver["id"]): clean(waiver["reason"]) for waiver in report["waivers"]}
        self._unseen = Spool()
        self._unserved: list[dict[str, object]] = []
        self._results = 0
        version = report["run"].get("version")
        driver = {"name": "Proscribe", **({"version": version} if version else {}), "rules": list(rules(report))}
        head = encoded({"$schema": SCHEMA, "version": VERSION})
        stream.write(f'{head[:-1]},"runs":[{{"tool":{encoded({"driver": driver})},\n"results":[')

    def add(self, answer: Answer) -> None:
        place = encoded(location(answer.host))
        for line in answer.rows:
            if line.state not in UNSEEN and (line.state != WAIVED or self.waived):
                self._stream.write(
                    f'{"," if self._results else ""}\n{{{line.once("sarif", self._result)},"locations":[{place}],'
                    f'"partialFingerprints":{{"proscribe/v1":"{_fingerprint(answer.host, line.rule)}"}}}}'
                )
                self._results += 1
        for text, names in _unseen(answer).items():
            properties = {"host": answer.host, "rules": names}
            notification = {"level": "error", "message": {"text": f"{answer.host}: {text}"}, "properties": properties}
            self._unseen.add(f'{encoded(notification)[:-1]},"locations":[{place}]}}', ",\n")

    def not_served(self, host: str, why: str) -> None:
        text, properties = (
            f"{host_label(host)} is not served: {clean(why)}",
            {"host": host_label(host), "state": NOT_SERVED},
        )
        notification = {"level": "warning", "message": {"text": text}, "properties": properties}
        self._unserved.append({**notification, "locations": [location(host_label(host))]})

    def finish(self) -> None:
        run, summary = self._report["run"], self._report["summary"]
        invocation = {
            "executionSuccessful": not self._unseen.pieces and not self._unserved,
            "startTimeUtc": run["started"],
            "endTimeUtc": run["finished"],
            "properties": {"summary": summary},
        }
        details = {
            "automationDetails": {"id": f"proscribe/{clean(run['playbook'])}/{clean(run['id'])}"},
            "properties": {
                "run": {key: run.get(key) for key in OF_RUN},
                "waivers": [
                    {key: clean(waiver.get(key) or "") for key in ("id", "status", "expires", "why")}
                    for waiver in self._report["waivers"]
                ],
            },
        }
        for notification in self._unserved:
            self._unseen.add(encoded(notification), ",\n")
        self._stream.write(f'],\n"invocations":[{encoded(invocation)[:-1]},"toolExecutionNotifications":[')
        self._unseen.pour(self._stream)
        self._stream.write(f"]}}],{encoded(details)[1:]}]}}\n")

    def _result(self, line: Line) -> str:
        """What a result says of its line, without the braces: all but the host."""
        kind, level = KINDS[line.state]
        result: dict[str, object] = {"ruleId": line.rule, "kind": kind, "level": level, "message": {"text": line.text}}
        if line.mode:
            result["properties"] = {"mode": line.mode}
        if line.state == WAIVED:
            justification = f"{line.waiver}: {self._reasons.get(line.waiver) or 'approved'}"
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
        return encoded(result)[1:-1]


class Open(Export):
    """The same without what is waived."""

    waived = False


def rules(report: FleetReport) -> Iterator[dict[str, object]]:
    """The rules that some host lists, and the one about the host itself, each with the clauses that it serves."""
    between = RULE_TITLES if report.get(WATCH) else {}
    for name in [HOST, *between, *(clean(rule["rule"]) for rule in report["rules"])]:
        control, _, subject = name.partition("/")
        text = "The host answered" if name == HOST else between.get(name) or f"{subject}, by the control {control}"
        yield {
            "id": name,
            "shortDescription": {"text": text},
            "properties": {"tags": [control, *(clause.name for clause in list_clauses(control))]},
        }


def location(host: str) -> dict[str, object]:
    """A host as SARIF's place of a result: an artifact, since that is what dashboards show, and a host by its name."""
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(host, safe="") or "host"}},
        "logicalLocations": [{"fullyQualifiedName": host, "kind": "host"}],
    }


def _unseen(answer: Answer) -> dict[str, list[str]]:
    """What could not be seen on a host: reason -> rules. One cause is mostly that of many rules."""
    causes: dict[str, list[str]] = {}
    for line in answer.lines:
        if line.state in UNSEEN:
            causes.setdefault(line.text, []).append(line.rule)
    return causes


def _fingerprint(host: str, rule: str) -> str:
    """The identity of a result across runs: a digest of the host and the rule, without the evidence of a day."""
    return hashlib.sha256(f"{host}\n{rule}".encode()).hexdigest()[:32]


CHECKED_BY = "Microsoft's JSON Schema of 2.1.0 with jsonschema"
SARIF = Format("sarif", "report.sarif", "code-scanning dashboards and SARIF viewers", Export, checked_by=CHECKED_BY)
# For readers that show waived results as open.
WITHOUT_WAIVED = SARIF._replace(
    name="sarif_open", meant_for="the same without what is waived (instead of `sarif`)", make=Open, usual=False
)
FORMATS = (SARIF, WITHOUT_WAIVED)
