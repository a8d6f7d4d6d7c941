"""junit.xml: a test suite for each expected host, in the dialect of Jenkins' xUnit plug-in, which all CI systems read.

A rule that a host lists is a test case. The rules that hold are one passing case together: a case for each would be 20
million for 100,000 hosts. What is unknown, above all a host that did not answer, is an `error`, never a pass.

The markup is put together as text: a case that many hosts share is made once. XMLGenerator and ElementTree would write
each anew, which takes five times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape  # also quotes, and XML has all of its five
from typing import TextIO

from ....model.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, UNKNOWN, WAIVED
from ....model.types.report import FleetReport
from ..text.wording import clean, host_label
from .format import Format
from .record_lines import HOST, NOT_SERVED, Answer, Line

# What each state is in JUnit's words; "" is a pass.
RESULTS = {
    ERROR: "error",
    NONCOMPLIANT: "failure",
    UNKNOWN: "error",
    WAIVED: "skipped",
    REPAIRED: "",
    COMPLIANT: "",
    NOT_APPLICABLE: "skipped",
}


class Export:
    """Suites, as they come."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._stream = stream
        stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="{_text(report["run"]["id"])}">\n')

    def add(self, answer: Answer) -> None:
        self._stream.write(suite(answer))

    def not_served(self, host: str, why: str) -> None:
        cases = [("skipped", _case(HOST, "skipped", NOT_SERVED, why))]
        self._stream.write(_suite(_text(host_label(host)), cases, {"state": NOT_SERVED}))

    def finish(self) -> None:
        self._stream.write("</testsuites>\n")


def suite(answer: Answer) -> str:
    """A host's suite."""
    cases = [(RESULTS[line.state], line.once("junit", _of_line)) for line in answer.lines]
    if answer.compliant:
        cases.append(("", _case("rules that hold", "", COMPLIANT, answer.summary)))
    elif not cases:
        cases.append(("skipped", _case("rules", "skipped", NOT_APPLICABLE, answer.summary)))
    cases += [(RESULTS[line.state], _of_line(line)) for line in answer.between]
    record = answer.record
    milliseconds = record["duration_ms"]
    time = f' time="{milliseconds / 1000:.3f}"' if milliseconds is not None and milliseconds < 1_000_000 else ""
    moment = f' timestamp="{_text(record["checked_at"])}"' if record["checked_at"] else ""
    modes = {name: control["mode"] for name, control in (record.get("controls") or {}).items() if control["mode"]}
    properties = {
        "state": answer.state,
        "rules_evaluated": record["rules_evaluated"],
        "rules_held": answer.compliant,
        "rules_not_applicable": answer.idle,
        "plan": record["plan"] or "",
        "controls": ", ".join(f"{name} {mode}" for name, mode in modes.items()),
    }
    return _suite(_text(answer.host), cases, properties, time + moment)


def _suite(host: str, cases: Sequence[tuple[str, str]], properties: Mapping[str, object], more: str = "") -> str:
    """A suite of (result, case); `host` and `more` are markup."""
    results = [result for result, _ in cases]
    return (
        f'<testsuite name="{host}" tests="{len(cases)}" failures="{results.count("failure")}"'
        f' errors="{results.count("error")}" skipped="{results.count("skipped")}"{more} hostname="{host}">\n'
        "<properties>"
        + "".join(f'<property name="{name}" value="{_text(value)}"/>' for name, value in properties.items())
        + "</properties>\n"
        + "".join(f'<testcase classname="{host}" {case}' for _, case in cases)
        + "</testsuite>\n"
    )


def _of_line(line: Line) -> str:
    result = RESULTS[line.state]
    return _case(line.rule, result, line.state, line.text if result else f"{line.state}: {line.text}")


def _case(name: str, result: str, state: str, said: str) -> str:
    """A test case, after the name of its host."""
    inner = (
        f'<{result} type="{state}" message="{_text(said)}"/>' if result else f"<system-out>{_text(said)}</system-out>"
    )
    return f'name="{_text(name)}">{inner}</testcase>\n'


def _text(value: object) -> str:
    # What `clean` leaves is printable, and so a character that XML 1.0 has.
    return escape(clean(value))


FORMATS = (
    Format(
        "junit",
        "junit.xml",
        "CI systems: Jenkins, GitLab, and whatever else reads JUnit",
        Export,
        checked_by="the schema of Jenkins' xUnit plug-in with lxml; junitparser",
    ),
)
