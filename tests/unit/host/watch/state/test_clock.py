"""A clock that goes back does not reopen a waiver."""

import time

import pytest
from proscribe.base.moments import stamp
from proscribe.host.watch.state import clock, files
from watch_host import ROOT

pytestmark = ROOT
NOW = 1_800_000_000


@pytest.fixture(autouse=True)
def at_now(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW + 0.7)


@pytest.mark.parametrize(
    ("seen", "counts", "behind", "after"),
    [
        *((seen, NOW, 0, NOW) for seen in (None, NOW - 500)),
        (NOW + 60, NOW + 60, 0, NOW + 60),  # set back as much as may be
        (NOW + 61, NOW + 61, 61, NOW + 61),
    ],
)
def test_latest_time_counts(made, seen, counts, behind, after):
    if seen is not None:
        made.write(files.CLOCK, stamp(seen))
    assert clock.effective(made) == counts
    assert clock.that_does_not_go_back(made) is made
    assert made.clock() == counts
    assert clock.advance(made) == behind
    assert files.clock_mark(made) == stamp(after)


def test_clock_file_is_for_root_alone(made):
    for write in (lambda: clock.advance(made), lambda: clock.set_by_controller(made, stamp(5))):
        made.delete(files.CLOCK)
        write()
        assert (made.read(files.CLOCK) or b"")[-1:] == b"\n"
        assert made.stat(files.CLOCK).st_mode & 0o777 == 0o600


def test_boot_of_the_host_has_an_id(made):
    assert clock.boot_id(made) == ""
    made.write("/proc/sys/kernel/random/boot_id", "4f\n")
    assert clock.boot_id(made) == "4f"


@pytest.mark.parametrize("text", ["", "tomorrow", "\0" * 20, "9" * 64])
def test_broken_mark_of_the_clock_is_none(made, text):
    made.write(files.CLOCK, text)
    assert clock.effective(made) == NOW


@pytest.mark.parametrize(("at", "after"), [(stamp(NOW - 9000), NOW - 9000), ("soon", NOW), (None, NOW)])
def test_run_sets_the_clock_also_back_and_writes_it_once(made, monkeypatch, at, after):
    made.write(files.CLOCK, stamp(NOW + 9000))
    clock.set_by_controller(made, at)
    assert files.clock_mark(made) == stamp(after)
    monkeypatch.setattr(made, "write", lambda *_: pytest.fail("it is there"))
    clock.set_by_controller(made, at)
