"""The exit code: a table."""

from __future__ import annotations

import pytest
from proscribe.report.verdict import judge, judge_lift, strictest, worst_exit


def record(state):
    """A record in that state; `silent` is unknown for want of an answer."""
    return {"state": "unknown" if state == "silent" else state, "rules_evaluated": 0 if state == "silent" else 3}


@pytest.mark.parametrize(
    ("states", "gates", "failed", "exit_"),
    [
        pytest.param([], [], False, "12", id="no host was asked"),
        pytest.param([], [], True, "12", id="no host was asked, whatever else failed"),
        pytest.param(["silent", "silent"], [], False, "12", id="no host answered and nothing failed: all was skipped"),
        pytest.param(["silent", "silent"], [], True, "ansible", id="all unreachable, no gate"),
        pytest.param(["silent"], ["noncompliant"], True, "ansible", id="all unreachable, gate noncompliant"),
        pytest.param(["silent"], ["incomplete"], True, "11", id="all unreachable, gate incomplete"),
        pytest.param(["compliant", "noncompliant"], [], False, "ansible", id="noncompliant, no gate"),
        pytest.param(
            ["compliant", "noncompliant"], ["noncompliant"], False, "10", id="noncompliant, gate noncompliant"
        ),
        pytest.param(["error"], ["noncompliant"], True, "10", id="error, gate noncompliant"),
        pytest.param(["noncompliant", "silent"], ["incomplete"], True, "10", id="noncompliant goes before incomplete"),
        pytest.param(["compliant", "silent"], ["incomplete"], True, "11", id="one of two unreachable"),
        pytest.param(["compliant", "unknown"], ["incomplete"], False, "11", id="something unseen, gate incomplete"),
        pytest.param(["compliant", "unknown"], ["noncompliant"], False, "ansible", id="something unseen, milder gate"),
        pytest.param(
            ["compliant", "waived", "repaired", "not_applicable"], ["incomplete"], False, "ansible", id="all well"
        ),
        pytest.param(["noncompliant"], ["never", "noncompliant"], False, "10", id="the strictest gate counts"),
    ],
)
def test_exit(states, gates, failed, exit_):
    assert judge([record(state) for state in states], gates, failed).exit == exit_


@pytest.mark.parametrize(
    ("expected", "reached", "failed", "exit_"),
    [(2, 2, False, "ansible"), (2, 0, True, "ansible"), (2, 0, False, "12"), (0, 0, False, "12")],
)
def test_exit_of_a_lift(expected, reached, failed, exit_):
    assert judge_lift(expected, reached, failed).exit == exit_


def test_an_exit_that_is_not_zero_says_why():
    assert "no host" in judge([], [], False).reason
    assert "incomplete" in judge([record("silent")], ["incomplete"], True).reason
    assert judge([record("compliant")], [], False).reason == ""


def test_strictest():
    assert strictest([]) == "never"
    assert strictest(["noncompliant", "incomplete", "never"]) == "incomplete"


def test_the_worst_of_several_runs():
    assert worst_exit([]) == worst_exit(["ansible"]) == "ansible"
    assert worst_exit(["ansible", "11", "10"]) == "10"
    assert worst_exit(["12", "250"]) == "250"
