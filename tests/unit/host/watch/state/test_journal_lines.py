"""The lines of the journal: what each event says, how long it may be, and what is none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.host.watch.state import journal

AT = "2026-11-27T03:00:00Z"
EXAMPLES: dict[str, dict[str, Any]] = {
    "drift": {"rules": ["apps/x"], "users": ["ann"], "cause": "package x"},
    "corrected": {"rules": ["apps/x", "dns/x"]},
    "failed": {"control": "apps", "message": "no room"},
    "ended": {"rule": "apps/x", "program": "x", "user": "ann", "times": 3},
    "frozen": {"until": AT, "reason": "works", "by": "ann"},
    "thawed": {},
    "stale": {"renewed": AT},
    "renewed": {},
    "clock": {"back": 70},
    "plan": {"plan": "sha256:1"},
    "hours": {"opened": ["apps/x"], "closed": []},
    "damaged": {"file": "/x"},
    "notified": {"user": "ann", "waiver": "W-1", "about": "ends"},
}
WRONG: dict[type, tuple[Any, ...]] = {
    str: (None, 5, "x" * 301, "a\nb", ["x"]),
    list: (None, "x", [5], ["x" * 101], ["a\nb"], ["x"] * 21),
    int: (None, "1", -1, (1 << 53) + 1, 1.0),
}


@pytest.fixture
def made(tmp_path: Path) -> Host:
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"at": AT, "event": event, **fields}).encode()


@pytest.mark.parametrize("event", journal.EVENTS)
def test_each_event_is_read_as_it_was_written_and_never_in_part(made: Host, event: str) -> None:
    fields = EXAMPLES[event]
    journal.write_down(made, event, fields, AT)
    assert journal.read(made) == ([{"at": AT, "event": event, **fields}], 0)
    for name, value in fields.items():
        assert journal.parsed(text(event, **{key: fields[key] for key in fields if key != name})) is None
        moment = journal.EVENTS[event][name] == journal.WHEN
        for wrong in ("soon", None) if moment else WRONG[type(value)]:
            assert journal.parsed(text(event, **{**fields, name: wrong})) is None, (name, wrong)
        with pytest.raises(ValueError):
            journal.write_down(made, event, {key: fields[key] for key in fields if key != name}, AT)


class TestLost:
    """Whether somebody has taken lines away."""

    def lines(self, host: Host, number: int) -> Path:
        for _ in range(number):
            journal.append(host, "thawed")
        return Path(host.root + journal.JOURNAL)

    def test_what_grows_has_lost_nothing(self, made: Host) -> None:
        assert journal.extent(made) == [] and not journal.has_lost_lines(made, [], AT)
        place = self.lines(made, 2)
        before = journal.extent(made)
        assert before == [place.stat().st_ino, place.stat().st_size]
        assert not journal.has_lost_lines(made, before, AT)
        self.lines(made, 1)
        assert not journal.has_lost_lines(made, before, AT)

    def test_what_is_shorter_or_gone_has(self, made: Host) -> None:
        place = self.lines(made, 2)
        before = journal.extent(made)
        os.truncate(place, before[1] - 1)
        assert journal.has_lost_lines(made, before, AT)
        place.unlink()
        assert journal.has_lost_lines(made, before, AT)

    @pytest.mark.parametrize("error", [ControlError("no"), Unseen("no")])
    def test_where_nobody_can_see_nobody_knows(
        self, made: Host, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def refuse(*_: object) -> None:
            raise error

        self.lines(made, 1)
        before = journal.extent(made)
        monkeypatch.setattr(made, "stat", refuse)
        assert journal.extent(made) == [] and not journal.has_lost_lines(made, before, AT)
