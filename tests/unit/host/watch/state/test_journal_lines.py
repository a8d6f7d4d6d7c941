"""The lines of the journal: what each event says, how long it may be, and what is none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.moments import seconds
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


def test_what_is_as_long_as_may_be_is_a_line() -> None:
    for event, fields in (
        ("plan", {"plan": "x" * 300}),
        ("corrected", {"rules": ["x" * 100] * 20}),
        ("clock", {"back": 1 << 53}),
        ("clock", {"back": 0}),
    ):
        assert journal.parsed(text(event, **fields)) == {"at": AT, "event": event, **fields}
    line = text("thawed")
    assert journal.parsed(line[:-1] + b" " * (4095 - len(line)) + b"}") == {"at": AT, "event": "thawed"}
    assert journal.parsed(line[:-1] + b" " * (4096 - len(line)) + b"}") is None


@pytest.mark.parametrize(
    "line",
    [b"[]", b"{}", b"5", b"[" * 4000, text("thawed").replace(b"thawed", b"dance"), '{"ä": 1}'.encode(), b'{"at": "x"'],
)
def test_what_is_no_line(line: bytes) -> None:
    assert journal.parsed(line) is None


def test_what_is_too_long_is_cut_and_the_rules_are_not(made: Host) -> None:
    """Each name is one of many bytes, of which a line of twenty has too many."""
    name = "\N{PILE OF POO}" * 100

    journal.write_down(made, "drift", {"rules": ["r"] * 9, "users": [name] * 4, "cause": "c" * 300}, AT)
    journal.write_down(made, "drift", {"rules": ["r"] * 20, "users": [name], "cause": name * 3}, AT)
    first, second = journal.read(made)[0]
    assert (first["rules"], first["users"], first["cause"]) == (["r"] * 9, [name] * 2, "c" * 300)
    assert (second["rules"], second["users"], second["cause"]) == (["r"] * 20, [], (name * 3)[:300])


@pytest.mark.parametrize("number", [0, 1, 20, 21, 41])
def test_twenty_rules_are_a_line(made: Host, number: int) -> None:
    rules = [f"apps/{one:03}" for one in range(number)]
    journal.write_down(made, "hours", {"opened": rules, "closed": ["dns/x"]}, AT)
    lines, _ = journal.read(made)
    assert [line["opened"] for line in lines] == [rules[first : first + 20] for first in range(0, number or 1, 20)]
    assert [line["closed"] for line in lines] == [["dns/x"], *[[]] * (len(lines) - 1)]


@pytest.mark.parametrize("at", ["yesterday", "2026-02-30T03:00:00Z"])
def test_an_event_of_no_moment_is_an_error_of_the_code(made: Host, at: str) -> None:
    with pytest.raises(ValueError, match="thawed with nothing"):
        journal.write_down(made, "thawed", {}, at)


def test_more_users_than_a_line_has_are_left_out(made: Host) -> None:
    users = [f"u{number}" for number in range(25)]
    journal.write_down(made, "drift", {"rules": ["a\nb"], "users": users, "cause": 5}, AT)
    assert journal.read(made)[0] == [
        {"at": AT, "event": "drift", "rules": ["a\N{REPLACEMENT CHARACTER}b"], "users": users[:20], "cause": "5"}
    ]


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

    @pytest.mark.parametrize(("changed", "lost"), [(-1, True), (0, False), (1, False)])
    def test_what_has_become_the_older_one_has_not(self, made: Host, changed: int, lost: bool) -> None:
        place = self.lines(made, 2)
        before = journal.extent(made)
        older = place.rename(f"{made.root}{journal.OLDER_JOURNAL}")
        os.utime(older, (seconds(AT) + changed,) * 2)
        assert journal.has_lost_lines(made, before, AT) is lost
        place.write_text("")  # another one by now
        assert journal.has_lost_lines(made, before, AT) is lost

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


def test_of_two_files_the_older_one_is_read_first(made: Host) -> None:
    for name, event in ((journal.JOURNAL, "renewed"), (journal.OLDER_JOURNAL, "thawed")):
        made.write(name, text(event) + b"\n\nnonsense\n", 0o600)
    lines, left_out = journal.read(made)
    assert ([line["event"] for line in lines], left_out) == (["thawed", "renewed"], 2)
