"""junit.xml: a test suite for each expected host, in the dialect of Jenkins' xUnit plug-in, which all CI systems read.

A rule that a host lists is a test case; the rules that hold are one passing case together, since a case for each would
be 20 million for 100,000 hosts. What is unknown, above all a host that did not answer, is an `error`, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape  # also quotes, and XML has all of its five
from typing import Any, TextIO

from ...finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, UNKNOWN, WAIVED
from ..wording import clean
from .answers import HOST, NOT_SERVED, Answer, Line
from .format import Format

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

    def __init__(self, stream: TextIO, report: Mapping[str, Any]) -> None:
        self._stream = stream
        stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="{_text(report["run"]["id"])}">\n')

    def add(self, answer: Answer) -> None:
        self._stream.write(suite(answer))

    def not_served(self, host: str, why: str) -> None:
        name = _text(host)
        self._stream.write(
            f'<testsuite name="{name}" tests="1" failures="0" errors="0" skipped="1" hostname="{name}">\n'
            f'<properties><property name="state" value="{NOT_SERVED}"/></properties>\n'
            f'<testcase classname="{name}" {_other(HOST, "skipped", NOT_SERVED, why)}</testsuite>\n'
        )

    def finish(self) -> None:
        self._stream.write("</testsuites>\n")


def suite(answer: Answer) -> str:
    """A host's suite."""
    host = _text(answer.host)
    cases = [f'<testcase classname="{host}" {line.once("junit", _case)}' for line in answer.lines]
    results = [RESULTS[line.state] for line in answer.lines]
    if answer.holds:
        cases.append(f'<testcase classname="{host}" {_passed("rules that hold", answer.summary)}')
    elif not cases:
        results.append("skipped")
        cases.append(f'<testcase classname="{host}" {_other("rules", "skipped", NOT_APPLICABLE, answer.summary)}')
    record = answer.record
    milliseconds = record["duration_ms"]
    time = f' time="{milliseconds / 1000:.3f}"' if milliseconds is not None and milliseconds < 1_000_000 else ""
    moment = f' timestamp="{_text(record["checked_at"])}"' if record["checked_at"] else ""
    properties = {
        "state": answer.state,
        "rules_evaluated": record["rules_evaluated"],
        "rules_held": answer.holds,
        "rules_not_applicable": answer.idle,
        "plan": record["plan"] or "",
        "controls": ", ".join(
            f"{name} {control['mode']}" for name, control in (record.get("controls") or {}).items() if control["mode"]
        ),
    }
    return (
        f'<testsuite name="{host}" tests="{len(cases)}" failures="{results.count("failure")}"'
        f' errors="{results.count("error")}" skipped="{results.count("skipped")}"{time}{moment} hostname="{host}">\n'
        "<properties>"
        + "".join(f'<property name="{name}" value="{_text(value)}"/>' for name, value in properties.items())
        + "</properties>\n"
        + "".join(cases)
        + "</testsuite>\n"
    )


def _case(line: Line) -> str:
    """A test case, after the name of its host."""
    result = RESULTS[line.state]
    if not result:
        return _passed(line.rule, f"{line.state}: {line.text}")
    return _other(line.rule, result, line.state, line.text)


def _passed(name: str, said: str) -> str:
    return f'name="{_text(name)}"><system-out>{_text(said)}</system-out></testcase>\n'


def _other(name: str, result: str, state: str, message: str) -> str:
    return f'name="{_text(name)}"><{result} type="{state}" message="{_text(message)}"/></testcase>\n'


def _text(value: object) -> str:
    # What `clean` leaves is printable, and so a character that XML 1.0 has.
    return escape(clean(value))


FORMATS = (Format("junit", "junit.xml", "CI systems: Jenkins, GitLab, and whatever else reads JUnit", Export),)
