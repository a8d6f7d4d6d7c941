"""What looking at one user's things may cost: to the last entry, byte and second, and then no more."""

from __future__ import annotations

import time

import pytest
from proscribe.host import Unseen, budget, looking, walking
from proscribe.host.budget import Budget
from proscribe.host.walking import Limits


def test_the_bounds_of_a_look_are_these() -> None:
    """What is held in memory at once, and how many files are open, on every host."""
    assert (looking.LARGEST_FILE, looking.PIECE, looking.SEARCHED) == (64 * 2**20, 256 * 2**10, 4 * 2**20)
    assert (looking.NAMES, looking.MOST_OPEN) == (20_000, 128)
    assert Limits(3_000_000, 120, 128) == walking.LIMITS == Limits()
    assert (walking.PIECE, walking.OFTEN, walking.MOST_SHARED, walking.MOST_HITS) == (20_000, 16, 100_000, 10_000)
    assert (walking.ROOM, walking.NODE, walking.SETTLED) == (8 * 2**20, 60, 2 * 10**9)


def test_the_budget_is_this() -> None:
    """What docs/apps.md promises of one user."""
    assert (budget.LARGEST, budget.ENTRIES, budget.SIZE) == (2**20, 3_000_000, 2**28)
    assert (budget.SECONDS, budget.FINDINGS) == (15.0, 1_000)
    one = Budget()
    assert one.left == one.most == {"files": 3_000_000, "bytes read": 2**28, "findings": 1_000}
    assert one.seconds == 15.0 and 14 < one.end - time.monotonic() <= 15


@pytest.mark.parametrize("what", ["files", "bytes read", "findings"])
def test_the_last_of_it_may_be_spent_and_no_more(what: str) -> None:
    one = Budget(1_200, 1_200, 60, 1_200)
    one.take(what, 1_000)
    one.take(what, 200)
    assert one.left == {**dict.fromkeys(one.most, 1_200), what: 0}, "each is paid by itself"
    one.take(what, 0)
    with pytest.raises(Unseen, match=f"^over budget: more than 1,200 {what}$"):
        one.take(what, 1)
    with pytest.raises(Unseen, match="over budget"):
        one.take(what, 0)


def test_each_gets_its_own_number() -> None:
    assert Budget(1, 2, 60, 3).most == {"files": 1, "bytes read": 2, "findings": 3}


def test_time_ends_it_whatever_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = Budget(seconds=2.5)
    now[0] = 102.5
    one.hold()
    one.take("files", 1)
    now[0] = 102.6
    for work in (one.hold, lambda: one.take("files", 1)):
        with pytest.raises(Unseen, match=r"^over budget: more than 2\.5 s$"):
            work()
