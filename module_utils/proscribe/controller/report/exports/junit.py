"""junit.xml: a test suite for each expected host, in the dialect of Jenkins' xUnit plug-in.

All CI systems read this dialect. A rule that a host lists is a test case. The compliant rules are a single passing
case: a case for each would be 20 million cases for 100,000 hosts. An unknown state, such as a host that did not answer,
is an `error`, never a pass.

The markup is built as text, so that a case of many hosts is made once. XMLGenerator and ElementTree would write each
case anew, which takes five times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape  # `escape` also replaces quotes, and XML has all five names of characters that it uses
from typing import TextIO

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, UNKNOWN, WAIVED
from ....model.types.report import FleetReport
from ..text.wording import clean_text, make_host_label
from .format import ReportFormat
from .host_entries import HOST_RULE, NOT_SERVED, HostEntry, RuleLine

# Key: Proscribe's state. Value: JUnit's result, "" for a pass.
JUNIT_RESULTS = {
    ERROR: "error",
    NONCOMPLIANT: "failure",
    UNKNOWN: "error",
    WAIVED: "skipped",
    REPAIRED: "",
    COMPLIANT: "",
    NOT_APPLICABLE: "skipped",
}


class JunitExport:
    """An export of test suites, host after host."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        stream.write(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="{_escape_text(report["run"]["id"])}">\n'
        )

    def add_host(self, host_entry: HostEntry) -> None:
        self._stream.write(format_host_suite(host_entry))

    def add_unserved_host(self, host: str, reason: str) -> None:
        test_cases = [("skipped", _format_case(HOST_RULE, "skipped", NOT_SERVED, reason))]
        self._stream.write(_format_suite(_escape_text(make_host_label(host)), test_cases, {"state": NOT_SERVED}))

    def finish_export(self) -> None:
        self._stream.write("</testsuites>\n")


def format_host_suite(host_entry: HostEntry) -> str:
    """Format the test suite of a host: a case for each line, and one case for all compliant rules."""
    test_cases = [
        (JUNIT_RESULTS[line.state], line.cache_derived_form("junit", _format_line_case)) for line in host_entry.lines
    ]
    if host_entry.compliant_count:
        test_cases.append(("", _format_case("rules that hold", "", COMPLIANT, host_entry.summary)))
    elif not test_cases:  # no rule applies to this host, and a suite needs a case
        test_cases.append(("skipped", _format_case("rules", "skipped", NOT_APPLICABLE, host_entry.summary)))
    test_cases += [(JUNIT_RESULTS[line.state], _format_line_case(line)) for line in host_entry.remark_lines]
    record = host_entry.record
    milliseconds = record["duration_ms"]
    time_attribute = (
        f' time="{milliseconds / 1000:.3f}"' if milliseconds is not None and milliseconds < 1_000_000 else ""
    )
    timestamp_attribute = f' timestamp="{_escape_text(record["checked_at"])}"' if record["checked_at"] else ""
    control_modes = {
        name: control["mode"] for name, control in (record.get("controls") or {}).items() if control["mode"]
    }
    properties = {
        "state": host_entry.state,
        "rules_evaluated": record["rules_evaluated"],
        "rules_held": host_entry.compliant_count,
        "rules_not_applicable": host_entry.not_applicable_count,
        "plan": record["plan"] or "",
        "controls": ", ".join(f"{name} {mode}" for name, mode in control_modes.items()),
    }
    return _format_suite(_escape_text(host_entry.host), test_cases, properties, time_attribute + timestamp_attribute)


def _format_suite(
    host: str, test_cases: Sequence[tuple[str, str]], properties: Mapping[str, object], attributes: str = ""
) -> str:
    """Format a test suite from its cases, given as pairs (JUnit's result, markup of the case).

    `host` and `attributes` are markup already.
    """
    results = [result for result, _ in test_cases]
    return (
        f'<testsuite name="{host}" tests="{len(test_cases)}" failures="{results.count("failure")}"'
        f' errors="{results.count("error")}" skipped="{results.count("skipped")}"{attributes} hostname="{host}">\n'
        "<properties>"
        + "".join(f'<property name="{name}" value="{_escape_text(content)}"/>' for name, content in properties.items())
        + "</properties>\n"
        + "".join(f'<testcase classname="{host}" {test_case}' for _, test_case in test_cases)
        + "</testsuite>\n"
    )


def _format_line_case(line: RuleLine) -> str:
    """Format the test case of a line.

    The markup of a pass has no state, so its message begins with the state.
    """
    result = JUNIT_RESULTS[line.state]
    return _format_case(line.rule, result, line.state, line.text if result else f"{line.state}: {line.text}")


def _format_case(name: str, result: str, state: str, message: str) -> str:
    """Format a test case without its beginning, which contains the host.

    Many hosts share the result. `result` is JUnit's result, "" for a pass.
    """
    result_markup = (
        f'<{result} type="{state}" message="{_escape_text(message)}"/>'
        if result
        else f"<system-out>{_escape_text(message)}</system-out>"
    )
    return f'name="{_escape_text(name)}">{result_markup}</testcase>\n'


def _escape_text(content: object) -> str:
    # `clean_text` leaves only printable characters. XML 1.0 allows all of these.
    return escape(clean_text(content))


FORMATS = (
    ReportFormat(
        "junit",
        "junit.xml",
        "CI systems: Jenkins, GitLab, and whatever else reads JUnit",
        JunitExport,
        verification="the schema of Jenkins' xUnit plug-in with lxml; junitparser",
    ),
)
