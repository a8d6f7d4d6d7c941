"""The exit code: a table."""

from __future__ import annotations

import pytest
from proscribe.controller.report.evaluation.baseline import New
from proscribe.controller.report.evaluation.verdict import (
    Verdict,
    judge,
    judge_lift,
    judge_new,
    judge_quarantine,
    stopped,
    worst_exit,
)


def record(state):
    """A record in that state; `silent` is unknown for want of an answer, `no rules` compliant without one."""
    host_state = {"silent": "unknown", "no rules": "compliant"}.get(state, state)
    return {"host": "web01", "state": host_state, "rules_evaluated": 0 if state in ("silent", "no rules") else 3}


@pytest.mark.parametrize(
    ("expected", "reached", "failed", "exit_", "reason"),
    [
        (["a", "b"], ["a", "b"], False, "ansible", ""),
        (["a", "b"], ["a"], False, "2", "1 host failed: b"),
        (["a", "b"], ["a"], True, "ansible", ""),
        (["a", "b"], [], True, "ansible", ""),
        (["a", "b"], [], False, "12", "nothing was lifted: no host was reached"),
        ([], [], False, "12", "nothing was lifted: no host was selected"),
    ],
)
def test_exit_of_a_lift(expected, reached, failed, exit_, reason):
    assert judge_lift(expected, reached, failed) == Verdict(exit_, reason)


def test_an_exit_that_is_not_zero_says_why():
    assert "no host" in judge([], [], False).reason
    assert "incomplete" in judge([record("silent")], ["incomplete"], True).reason
    assert judge([record("compliant")], [], False).reason == ""


@pytest.mark.parametrize(
    ("verdict", "gate_levels", "compared", "failed", "values"),
    [
        (Verdict("ansible"), [], False, False, (None, True, None, None)),
        (Verdict("ansible"), [], False, True, (None, True, None, None)),  # there was no gate to pass
        (Verdict("ansible"), ["never", "incomplete"], False, False, ("incomplete", True, None, None)),
        (Verdict("ansible"), ["noncompliant"], False, True, ("noncompliant", False, None, None)),
        (Verdict("ansible"), [], True, False, ("noncompliant", True, None, None)),  # comparing asks for a verdict
        (Verdict("ansible"), [], True, True, ("noncompliant", False, None, None)),
        (Verdict("ansible"), ["incomplete"], True, False, ("incomplete", True, None, None)),
        (Verdict("10", "why"), ["noncompliant"], False, False, ("noncompliant", False, 10, "why")),
        (Verdict("12", "why"), [], False, False, (None, False, 12, "why")),
        (Verdict("2", "why"), [], False, False, (None, True, 2, "why")),
        (Verdict("2", "why"), ["incomplete"], False, False, ("incomplete", False, 2, "why")),
    ],
)
def test_a_verdict_as_it_stands_in_the_report(verdict, gate_levels, compared, failed, values):
    """The next run takes its baseline by it: one that did not pass must never be what is accepted."""
    keys = ("gate", "passed", "exit", "reason")
    assert verdict.as_dict(gate_levels, compared, failed) == dict(zip(keys, values))


@pytest.mark.parametrize(
    ("states", "gate_levels", "exit_", "reason"),
    [
        ([], [], "12", "nothing was evaluated: 3 hosts not served, and there is no other"),
        (["compliant"], ["never"], "ansible", ""),
        (["compliant"], ["noncompliant"], "ansible", ""),
        (["compliant"], ["incomplete"], "11", "the compliance gate (incomplete) is not met: 3 hosts not served: leave"),
        (["noncompliant"], ["incomplete"], "10", "the compliance gate (incomplete) is not met: hosts are noncompliant"),
        (["unknown"], ["incomplete"], "11", "the compliance gate (incomplete) is not met: hosts are unknown"),
    ],
)
def test_hosts_that_cannot_be_served_are_no_compliant_ones(states, gate_levels, exit_, reason):
    records = [record(state) for state in states]
    verdict = judge(records, gate_levels, False, 3)
    assert verdict.exit == exit_ and verdict.reason.startswith(reason) and bool(verdict.reason) == bool(reason)
    assert judge_new(records, gate_levels, False, [], 3).exit == ("12" if not states else "ansible")


@pytest.mark.parametrize(
    ("expected", "answered", "failed", "exit_", "reason"),
    [
        (2, 1, False, "ansible", ""),
        (2, 0, True, "ansible", ""),
        (2, 0, False, "12", "no quarantine was read: no host answered"),
        (0, 0, False, "12", "no quarantine was read: no host was selected"),
    ],
)
def test_exit_of_a_run_over_quarantines(expected, answered, failed, exit_, reason):
    assert judge_quarantine(expected, answered, failed) == Verdict(exit_, reason)


WORST_FIRST = ["250", "12", "13", "10", "11", "ansible"]


@pytest.mark.parametrize("worst", WORST_FIRST)
def test_the_worst_of_several_runs(worst):
    """A playbook of several runs ends as badly as the worst of them, whichever came last."""
    milder = WORST_FIRST[WORST_FIRST.index(worst) :]
    assert worst_exit(milder) == worst_exit(reversed(milder)) == worst
    assert worst_exit([]) == "ansible"


@pytest.mark.parametrize(
    ("before", "exit_"), [("ansible", "13"), ("10", "13"), ("11", "13"), ("13", "13"), ("12", "12"), ("250", "250")]
)
def test_a_run_that_was_stopped_says_so_and_how_many_it_left(before, exit_):
    verdict = stopped(Verdict(before, "as it was"), "2 of 3\x1b[2J hosts failed", 1200)
    assert verdict.exit == exit_
    said = "2 of 3\ufffd[2J hosts failed; 1,200 hosts left as found"
    assert verdict.reason == (said if exit_ == "13" else "as it was")


BAD, BLIND = New("web01", "apps/wechat", "noncompliant", "dpkg wechat 4.0"), New("web02", "", "unknown", "no answer")


@pytest.mark.parametrize(
    ("states", "gate_levels", "failed", "new", "exit_"),
    [
        pytest.param(["noncompliant"], [], False, [], "ansible", id="what was there already makes nothing fail"),
        pytest.param(["noncompliant"], [], False, [BAD], "10", id="comparing asks for a verdict, whatever the gate"),
        pytest.param(["noncompliant"], ["noncompliant"], False, [BLIND], "ansible", id="unknown, milder gate"),
        pytest.param(["unknown"], ["incomplete"], False, [BLIND], "11", id="unknown, gate incomplete"),
        pytest.param(["unknown"], ["incomplete"], False, [BLIND, BAD], "10", id="noncompliant goes first"),
        pytest.param([], [], False, [], "12", id="no host was selected"),
        pytest.param(["silent"], [], False, [], "12", id="nothing was evaluated"),
        pytest.param(["silent", "compliant"], ["incomplete"], True, [], "ansible", id="silent in the baseline too"),
    ],
)
def test_exit_with_a_baseline(states, gate_levels, failed, new, exit_):
    assert judge_new([record(state) for state in states], gate_levels, failed, new).exit == exit_


@pytest.mark.parametrize(
    ("new", "exit_"), [([], "ansible"), ([New("web01", "", "error", "the disk is full")], "10")], ids=["known", "new"]
)
def test_a_host_in_error_is_accepted_where_the_baseline_has_it(new, exit_):
    assert judge_new([record("error"), record("compliant")], [], False, new).exit == exit_
