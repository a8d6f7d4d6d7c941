"""The starts that wait to be verified, and the budget of verifying."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts.waiting import Budget, Start, Waiting


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5), st.integers(0, 40)), max_size=60))
def test_budget_never_waits_long_for_the_next_start(steps):
    budget, now = Budget(0.0), 0.0
    for passed, cost, starts in steps:
        now += passed
        budget.fill(now)
        assert 0 <= budget.starts() <= 32
        budget.spend(cost, starts)
        assert budget.wait() <= -Budget.DEBT / Budget.SHARE
        budget.fill(now + budget.wait() + 0.001)
        assert budget.starts() >= 1


@pytest.fixture(autouse=True)
def everybody_is_there(monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: True)


def test_flood_of_a_user_waits_in_its_own_queue():
    waiting = Waiting()
    taken = [waiting.add(Start(pid, "/x", (), 1000, 0.0)) for pid in range(1, 1001)]
    assert sum(taken) == 128 and waiting.add(Start(5000, "/x", (), 1001, 0.0))
    assert 5000 in [start.pid for start in waiting.next(2, 1.0)]


def test_user_with_few_starts_makes_no_room_for_others():
    waiting, numbers = Waiting(), {1: 128, 2: 128, 3: 128, 9000: 127, 9500: 1}
    for uid, number in numbers.items():
        assert all(waiting.add(Start(uid * 1000 + one, "/x", (), uid, 0.0)) for one in range(number))
    assert not waiting.add(Start(7, "/x", (), 5, 0.0))
    left = {uid: len(own) for uid, own in waiting.of.items()}
    assert left == {**numbers, 1: 127, 5: 1} and 1000 + 127 not in waiting.of[1]


@pytest.mark.parametrize(
    ("answer", "tries", "due", "tried"),
    [
        ({}, 0, None, 0),
        ({"again": [8], "later": {8: 1.0}}, 0, None, 0),
        ({"again": [7]}, 0, 10.1, 1),
        ({"again": [7]}, 1, 10.2, 2),
        ({"again": [7]}, 2, 10.4, 3),
        ({"again": [7]}, 3, None, 3),
        ({"later": {7: 2.5}, "again": [7]}, 3, 12.5, 3),
        ({"later": {7: 0.0}}, 0, 10.0, 0),
    ],
)
def test_start_that_could_not_be_verified_is_tried_again(answer, tries, due, tried):
    waiting, start = Waiting(), Start(7, "/x", ("k",), 1, 3.0)
    assert (start.pid, start.path, start.key, start.user, start.due, start.tries) == (7, "/x", ("k",), 1, 3.0, 0)
    start.tries = tries
    assert waiting.put_back(start, answer, 10.0) and (waiting.due(), start.tries) == (due, tried)


def test_ended_start_is_dropped(monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: path != "/proc/7")
    waiting = Waiting()
    waiting.add(Start(7, "/x", (), 1, 0.0))
    waiting.add(Start(8, "/x", (), 1, 0.0))
    assert [start.pid for start in waiting.next(9, 1.0)] == [8] and not waiting.of


def test_budget_gives_the_share_of_the_time_that_has_passed():
    budget = Budget(10.0)
    assert (budget.left, budget.wait(), budget.starts()) == (0.3, 0.0, 31)
    budget.spend(0.08, 4)  # twice as much for each as before
    assert (budget.left, budget.each, budget.starts()) == (pytest.approx(0.22), pytest.approx(0.0125), 18)
    budget.spend(-1.0)
    budget.fill(12.0)
    assert budget.left == pytest.approx(0.22 + 2 * 0.0125)
    budget.fill(1e6)
    assert budget.left == 0.3
    budget.spend(1.3)
    assert (budget.starts(), budget.wait()) == (0, pytest.approx(0.64))
    budget.spend(9.0)
    budget.fill(5.0)  # a clock that stands still or goes back
    assert budget.left == -0.008


def test_users_without_end_take_no_memory():
    waiting = Waiting()
    for uid in range(10_000):
        waiting.add(Start(uid, "/x", (), uid, 0.0))
    assert sum(map(len, waiting.of.values())) == 512


def test_users_take_turns_and_a_start_that_is_not_due_waits():
    waiting = Waiting()
    for uid, pids in ((1, (10, 11, 12)), (2, (20,)), (3, (30, 31))):
        for pid in pids:
            waiting.add(Start(pid, "/x", (), uid, float(pid % 10)))
    assert waiting.next(0, 1.0) == []
    assert [start.pid for start in waiting.next(4, 1.0)] == [10, 20, 30, 11] and waiting.due() == 1.0
    assert [start.pid for start in waiting.next(9, 9.0)] == [31, 12] and waiting.due() is None
    for number in range(50):
        waiting.add(Start(number, "/x", (), 1000, 0.0))
    waiting.add(Start(5000, "/x", (), 1001, 0.0))
    assert [waiting.next(1, 1.0)[0].pid for _ in range(3)] == [0, 5000, 1], "one at a time"


def test_start_that_comes_again_takes_no_more_room():
    waiting, again = Waiting(), Start(0, "/y", ("k",), 1000, 1.0)
    for number in range(128):
        waiting.add(Start(number, "/x", (), 1000, 5.0))
    assert waiting.add(again) and waiting.of[1000][0] is again and waiting.due() == 1.0
    assert len(waiting.of[1000]) == 128
    assert not waiting.put_back(Start(5000, "/x", (), 1000, 0.0), {"later": {5000: 1.0}}, 1.0), "it is lost"
