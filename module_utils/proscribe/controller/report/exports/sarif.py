"""report.sarif: SARIF 2.1.0, for code-scanning dashboards and the tools that read their format.

Each listed rule of a host is a result. A plainly compliant host is a single result of kind `pass`, to save space. An
unknown state is no result but a notification of the run, as SARIF requires for checks that failed. A waived rule is a
suppressed result. Some readers show suppressed results as open, so `OpenSarifExport` leaves them out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TextIO
from urllib.parse import quote

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, UNKNOWN, WAIVED, WATCH
from ....model.types.report import FleetReport
from ..evaluation.frameworks import list_clauses
from ..evaluation.watch_remark_groups import RULE_TITLES
from ..text.wording import clean_text, make_host_label
from .format import ReportFormat, encode_compact_json
from .host_entries import HOST_RULE, NOT_SERVED, HostEntry, RuleLine
from .text_spool import TextSpool

SARIF_VERSION = "2.1.0"
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"

# Key: Proscribe's state. Value: SARIF's kind and level of a result. The level is `none` for all kinds but `fail`.
RESULT_KINDS = {
    NONCOMPLIANT: ("fail", "error"),
    WAIVED: ("fail", "error"),
    REPAIRED: ("pass", "none"),
    COMPLIANT: ("pass", "none"),
    NOT_APPLICABLE: ("notApplicable", "none"),
}
# Keys of the run in report.json that the file repeats.
RUN_KEYS = (
    "id", "mode", "catalog_version", "expected_hosts", "inventory", "limit", "controls", "whole", "left_out",
)  # fmt: skip
# States that SARIF reports as notifications of the run, not as results.
NOTIFICATION_STATES = (ERROR, UNKNOWN)


class SarifExport:
    """An export of the results, host after host, and then of the run with the states that are unknown."""

    includes_waived = True  # true if waived rules are written, as suppressed results

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        self._report = report
        # id of a waiver -> its reason
        self._waiver_reasons = {clean_text(waiver["id"]): clean_text(waiver["reason"]) for waiver in report["waivers"]}
        self._notifications = TextSpool()
        self._unserved_notifications: list[dict[str, object]] = []
        self._result_count = 0
        version = report["run"].get("version")
        driver = {
            "name": "Proscribe",
            **({"version": version} if version else {}),
            "rules": list(list_sarif_rules(report)),
        }
        document_head = encode_compact_json({"$schema": SARIF_SCHEMA, "version": SARIF_VERSION})
        stream.write(f'{document_head[:-1]},"runs":[{{"tool":{encode_compact_json({"driver": driver})},\n"results":[')

    def add_host(self, host_entry: HostEntry) -> None:
        """Write the results of a host, and store its unknown states, which are written after all results."""
        host_location = encode_compact_json(make_host_location(host_entry.host))
        for line in host_entry.rows:
            if line.state not in NOTIFICATION_STATES and (line.state != WAIVED or self.includes_waived):
                self._stream.write(
                    f"{',' if self._result_count else ''}\n{{{line.cache_derived_form('sarif', self._format_result)},"
                    f'"locations":[{host_location}],'
                    f'"partialFingerprints":{{"proscribe/v1":"{_compute_fingerprint(host_entry.host, line.rule)}"}}}}'
                )
                self._result_count += 1
        for text, rule_names in _group_unseen_rules(host_entry).items():
            properties = {"host": host_entry.host, "rules": rule_names}
            notification = {
                "level": "error",
                "message": {"text": f"{host_entry.host}: {text}"},
                "properties": properties,
            }
            self._notifications.add_piece(
                f'{encode_compact_json(notification)[:-1]},"locations":[{host_location}]}}', ",\n"
            )

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Store a notification about a host that Proscribe does not serve."""
        message, properties = (
            f"{make_host_label(host)} is not served: {clean_text(reason)}",
            {"host": make_host_label(host), "state": NOT_SERVED},
        )
        notification = {"level": "warning", "message": {"text": message}, "properties": properties}
        self._unserved_notifications.append({**notification, "locations": [make_host_location(make_host_label(host))]})

    def finish_export(self) -> None:
        """Write the end of the file: the run, its waivers, and the stored notifications."""
        run, summary = self._report["run"], self._report["summary"]
        invocation = {
            "executionSuccessful": not self._notifications.piece_count and not self._unserved_notifications,
            "startTimeUtc": run["started"],
            "endTimeUtc": run["finished"],
            "properties": {"summary": summary},
        }
        details = {
            "automationDetails": {"id": f"proscribe/{clean_text(run['playbook'])}/{clean_text(run['id'])}"},
            "properties": {
                "run": {key: run.get(key) for key in RUN_KEYS},
                "waivers": [
                    {key: clean_text(waiver.get(key) or "") for key in ("id", "status", "expires", "why")}
                    for waiver in self._report["waivers"]
                ],
            },
        }
        for notification in self._unserved_notifications:
            self._notifications.add_piece(encode_compact_json(notification), ",\n")
        # `invocation` loses its last brace, because its list of notifications follows; `details` loses its first brace.
        self._stream.write(f'],\n"invocations":[{encode_compact_json(invocation)[:-1]},"toolExecutionNotifications":[')
        self._notifications.write_pieces(self._stream)
        self._stream.write(f"]}}],{encode_compact_json(details)[1:]}]}}\n")

    def _format_result(self, line: RuleLine) -> str:
        """Format the part of a result that does not depend on the host, without its braces."""
        kind, level = RESULT_KINDS[line.state]
        result: dict[str, object] = {"ruleId": line.rule, "kind": kind, "level": level, "message": {"text": line.text}}
        if line.mode:
            result["properties"] = {"mode": line.mode}
        if line.state == WAIVED:
            justification = f"{line.waiver}: {self._waiver_reasons.get(line.waiver) or 'approved'}"
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
        return encode_compact_json(result)[1:-1]


class OpenSarifExport(SarifExport):
    """An export like SarifExport without waived results."""

    includes_waived = False


def list_sarif_rules(report: FleetReport) -> Iterator[dict[str, object]]:
    """Yield the rules for SARIF, with the clauses of standards that each serves.

    These are the rules that hosts list, and the rule about a host's answer.
    """
    watch_rules = RULE_TITLES if report.get(WATCH) else {}
    for name in [HOST_RULE, *watch_rules, *(clean_text(rule["rule"]) for rule in report["rules"])]:
        control, _, subject = name.partition("/")
        text = (
            "The host answered"
            if name == HOST_RULE
            else watch_rules.get(name) or f"{subject}, by the control {control}"
        )
        yield {
            "id": name,
            "shortDescription": {"text": text},
            "properties": {"tags": [control, *(clause.name for clause in list_clauses(control))]},
        }


def make_host_location(host: str) -> dict[str, object]:
    """Make the location of a host's result in SARIF.

    Dashboards show a file for each result, so the host's name stands there as the address of a file.
    """
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(host, safe="") or "host"}},
        "logicalLocations": [{"fullyQualifiedName": host, "kind": "host"}],
    }


def _group_unseen_rules(host_entry: HostEntry) -> dict[str, list[str]]:
    """Return the rules of a host whose state is unknown or an error, by the reason.

    Many rules share a reason.
    """
    rules_by_cause: dict[str, list[str]] = {}
    for line in host_entry.lines:
        if line.state in NOTIFICATION_STATES:
            rules_by_cause.setdefault(line.text, []).append(line.rule)
    return rules_by_cause


def _compute_fingerprint(host: str, rule: str) -> str:
    """Compute a digest of host and rule, by which readers identify a result in later runs.

    The evidence is left out, because it may change.
    """
    return hashlib.sha256(f"{host}\n{rule}".encode()).hexdigest()[:32]


CHECKED_BY = "Microsoft's JSON Schema of 2.1.0 with jsonschema"
SARIF_FORMAT = ReportFormat(
    "sarif", "report.sarif", "code-scanning dashboards and SARIF viewers", SarifExport, verification=CHECKED_BY
)
# For programs that show waived results as if they were not waived.
OPEN_SARIF_FORMAT = SARIF_FORMAT._replace(
    name="sarif_open",
    purpose="the same without what is waived (instead of `sarif`)",
    make_export=OpenSarifExport,
    is_default=False,
)
FORMATS = (SARIF_FORMAT, OPEN_SARIF_FORMAT)
