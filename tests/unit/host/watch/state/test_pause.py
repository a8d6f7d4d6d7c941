"""A pause of the watch."""

import json
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host.system import Unseen
from proscribe.host.watch.state import clock, files, journal, pause
from refusals import make_refusal
from watch_host import ROOT, Made

pytestmark = ROOT
NOW = 1_800_000_000
UP = 5_000  # seconds since the start of the host
DAY = 24 * 3600
GIVEN = {"until": stamp(NOW + 60), "reason": "x", "by": "ann", "boot": "4f", "uptime": UP + 60}


@pytest.fixture
def host(made, monkeypatch):
    monkeypatch.setattr(clock, "effective", lambda _: NOW)
    uptimes = {clock.time.CLOCK_BOOTTIME: UP + 0.9}
    monkeypatch.setattr(clock.time, "clock_gettime", lambda which: uptimes.get(which, 0))
    made.write(clock.BOOT, "4f\n")
    return made


def events(host: Made) -> list[Any]:
    return [{key: value for key, value in line.items() if key != "at"} for line in journal.read(host)[0]]


def test_pause_is_written_down_with_its_end_by_both_clocks(host):
    until = stamp(NOW + 7200)
    assert pause.freeze(host, "2h", " works\non it ", "ann\x1b") == until
    given = {"until": until, "reason": "works on it", "by": "ann"}
    assert json.loads(host.text(files.FROZEN) or "") == {**given, "boot": "4f", "uptime": UP + 7200}
    assert (host.text(files.FROZEN) or "").endswith("}\n")
    assert host.stat(files.FROZEN).st_mode & 0o777 == 0o600
    assert pause.active(host) == given
    assert events(host) == [{"event": "frozen", **given}]
    assert pause.thaw(host) and not pause.thaw(host)
    assert host.stat(files.FROZEN) is None and pause.active(host) is None
    assert [line["event"] for line in events(host)] == ["frozen", "thawed"]


def test_reason_and_author_are_bounded(host):
    pause.freeze(host, "7d", "r" * 300, "a" * 101)
    assert pause.active(host) == {"until": stamp(NOW + 7 * DAY), "reason": "r" * 300, "by": "a" * 100}


@pytest.mark.parametrize(
    ("duration", "reason"), [("7d1h", "x"), ("8d", "x"), ("1h", "r" * 301), ("1h", " "), ("1h", "")]
)
def test_pause_that_is_too_long_or_without_a_reason_is_refused(host, duration, reason):
    with pytest.raises(ValueError):
        pause.freeze(host, duration, reason, "ann")
    assert pause.active(host) is None and events(host) == []


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        *(({"until": stamp(NOW + seconds)}, counts) for seconds, counts in ((0, False), (1, True))),
        *(({"until": stamp(NOW + 7 * DAY + seconds)}, counts) for seconds, counts in ((0, True), (1, False))),
        *((change, False) for change in ({"until": "soon"}, {"until": None}, {"reason": None}, {"by": 5})),
        # A clock that was set back does not make it longer.
        *(({"uptime": UP + seconds}, counts) for seconds, counts in ((0, False), (1, True))),
        ({"uptime": UP - 1, "boot": "50"}, True),
        ({"uptime": None}, True),
    ],
)
def test_pause_counts_until_either_clock_ends_it(host, change, counts):
    fields = {**GIVEN, **change}
    host.write(files.FROZEN, json.dumps(fields), 0o600)
    assert pause.active(host) == ({key: fields[key] for key in ("until", "reason", "by")} if counts else None)
    assert pause.thaw(host) is counts
    assert host.stat(files.FROZEN) is None
    assert [line["event"] for line in events(host)] == ["thawed"] * counts


def test_pause_that_anybody_can_write_or_nobody_can_see_is_none(host, monkeypatch):
    host.write(files.FROZEN, json.dumps(GIVEN), 0o666)
    assert pause.active(host) is None
    host.write(files.FROZEN, "[]", 0o600)
    assert pause.active(host) is None
    monkeypatch.setattr(files, "content_of", make_refusal(Unseen("no")))
    assert pause.active(host) is None
