"""A transaction of the rpm family: when it is tried again, for how long, and what is said of one that failed."""

from __future__ import annotations

from typing import Any

import pytest
from made_host import MadeHost
from proscribe.host.controls.apps.systems import rpm_database, rpm_transaction
from proscribe.host.controls.apps.systems.rpm_transaction import patiently, said
from proscribe.host.system import ControlError, Result, Unseen

LOCKED = "Running transaction\nTransaction failed: Rpm transaction failed."
BUSY = "another package manager has been at work"
DONE, FAILED = Result(0, "", ""), Result(1, "", "error: no")


class Runs:
    """A tool with these answers, the last one again and again, on a host whose clock stands but for sleeping."""

    def __init__(self, patch: pytest.MonkeyPatch, host: MadeHost, *answers: Result) -> None:
        self.host, self.answers, self.now, self.times = host, list(answers), 0.0, 0
        patch.setattr(host, "_run", self.run)
        patch.setattr(rpm_transaction.time, "monotonic", lambda: self.now)
        patch.setattr(rpm_transaction.time, "sleep", self.sleep)

    def run(self, argv: Any, **options: Any) -> Result:
        assert options == {"timeout": 1800}
        self.times += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("tool", "answers", "times"),
    [
        ("rpm", [DONE], 1),
        ("rpm", [Result(1, "", "can't create transaction lock on /x"), DONE], 2),
        ("dnf", [Result(1, "can't create transaction lock on /x", ""), DONE], 2),
        ("dnf5", [Result(1, "", LOCKED), Result(1, LOCKED, ""), DONE], 3),
        ("zypper", [Result(7, "", ""), Result(7, "", ""), DONE], 3),
        ("rpm", [Result(0, "", "transaction lock")], 1),
    ],
)
def test_a_busy_host_is_waited_for(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, tool: str, answers: list[Result], times: int
) -> None:
    runs = Runs(monkeypatch, host, *answers)
    patiently(host, [tool, "x"])
    assert (runs.times, runs.now) == (times, times - 1)


@pytest.mark.parametrize(
    ("tool", "answer", "times", "why"),
    [
        ("rpm", FAILED, 1, "rpm could not: error: no"),
        ("dnf", Result(7, "", "error: no"), 1, "dnf could not: error: no"),
        ("zypper", Result(8, "", "error: no"), 1, "zypper could not: error: no"),
        ("zypper", Result(7, "", "locked"), 62, f"{BUSY} for 60 s: locked"),
        (
            "dnf5",
            Result(1, "", LOCKED),
            62,
            "dnf5 could not begin, as it does when another package manager is at work, "
            "for 60 s: Transaction failed: Rpm transaction failed.",
        ),
    ],
)
def test_what_failed_says_why(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, tool: str, answer: Result, times: int, why: str
) -> None:
    runs = Runs(monkeypatch, host, answer)
    with pytest.raises(ControlError) as refused:
        patiently(host, [tool])
    assert (str(refused.value), runs.times) == (why, times)


@pytest.mark.parametrize(
    ("err", "out", "shown"),
    [
        ("", " a\n  b\n", "a b"),
        ("a\n", "b", "a"),
        (" \n", "b", "b"),
        ("Loading\nERROR: a\nmore\nerror: b", "", "ERROR: a error: b"),
        ("Loading\n Problem: a\n  - more\nProblem 2: b", "", "Problem: a Problem 2: b"),
        ("Loading\n>>> [RPM] a\n>>> more\nTransaction failed: b", "", ">>> [RPM] a Transaction failed: b"),
        ("x" + "y" * 400, "", "y" * 400),
    ],
)
def test_of_a_tools_words_the_errors(err: str, out: str, shown: str) -> None:
    assert said(Result(1, out, err)) == shown


@pytest.mark.parametrize("root", [True, False])
def test_a_database_that_cannot_be_read(host: MadeHost, monkeypatch: pytest.MonkeyPatch, root: bool) -> None:
    host.root_user = root
    ran: list[Any] = []
    for answer in (Result(3, "owl\n", "not there"), Result(1, "", "warning\nerror:  no  " + "x" * 400)):
        monkeypatch.setattr(host, "_run", lambda argv, answer=answer: ran.append(argv) or answer)
        if not answer.out:
            with pytest.raises(ControlError if root else Unseen, match="^rpm cannot read its database: x{400}$"):
                rpm_database.answer(host, ["-q"])
        else:
            assert rpm_database.answer(host, ("-q", "owl")) == "owl\n"
    assert ran == [["rpm", "-q", "owl"], ["rpm", "-q"]]
