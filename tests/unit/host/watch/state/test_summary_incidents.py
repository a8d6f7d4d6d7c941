"""What lines of the journal come to: incidents and programs that were ended, whole."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.system import ControlError
from proscribe.host.watch.state import files, journal
from proscribe.host.watch.state.summary import summary
from watch_host import ROOT, Made, plan

pytestmark = ROOT


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def ended(day: int, rule: str, program: str, user: str, times: int = 1) -> dict[str, Any]:
    return {"at": at(day), "event": "ended", "rule": rule, "program": program, "user": user, "times": times}


def test_a_plan_without_a_watch_has_the_intervals_that_are_installed(made: Made) -> None:
    without = {key: value for key, value in plan().items() if key != "watch"}
    assert summary(made, without)["every"] == 0  # type: ignore[arg-type]
    made.write(files.SETTINGS, files.settings_text(files.Settings("r", 30, 60, "p", (), {})), 0o600)
    assert summary(made, without)["every"] == 30  # type: ignore[arg-type]
    made.write(files.SETTINGS, "nonsense", 0o600)
    found = summary(made, without)  # type: ignore[arg-type]
    assert (found["every"], found["stale"]) == (0, False)


def test_a_journal_that_cannot_be_read_is_one_line_less(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ControlError("no")

    monkeypatch.setattr(journal, "read", refuse)
    found = summary(made, plan())  # type: ignore[arg-type]
    assert (found["left_out"], found["since"], found["incidents"]) == ({"journal": 1}, None, [])
