"""A transaction of the rpm family: when it is tried again, for how long, and what is said of one that failed."""

from __future__ import annotations

from typing import Any

import pytest
from made_host import MadeHost
from proscribe.host.controls.apps.systems import rpm_transaction
from proscribe.host.controls.apps.systems.rpm_transaction import patiently
from proscribe.host.system import ControlError, Result

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
