"""The starts that wait to be verified, and the budget of verifying."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts.start_queue import ProgramStart, StartQueue, VerificationBudget


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5), st.integers(0, 40)), max_size=60))
def test_budget_never_waits_long_for_the_next_start(steps):
    budget, now = VerificationBudget(0.0), 0.0
    for passed, cost, starts in steps:
        now += passed
        budget.fill_budget(now)
        assert 0 <= budget.count_affordable() <= 32
        budget.consume_time(cost, starts)
        assert budget.compute_wait() <= -VerificationBudget.MAX_DEBT_SECONDS / VerificationBudget.PROCESSOR_SHARE
        budget.fill_budget(now + budget.compute_wait() + 0.001)
        assert budget.count_affordable() >= 1


@pytest.fixture(autouse=True)
def everybody_is_there(monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: True)


def test_flood_of_a_user_waits_in_its_own_queue():
    waiting = StartQueue()
    taken = [waiting.add_start(ProgramStart(pid, "/x", (), 1000, 0.0)) for pid in range(1, 1001)]
    assert sum(taken) == 128 and waiting.add_start(ProgramStart(5000, "/x", (), 1001, 0.0))
    assert 5000 in [start.pid for start in waiting.take_due_starts(2, 1.0)]


def test_user_with_few_starts_makes_no_room_for_others():
    waiting, numbers = StartQueue(), {1: 128, 2: 128, 3: 128, 9000: 127, 9500: 1}
    for uid, number in numbers.items():
        assert all(waiting.add_start(ProgramStart(uid * 1000 + one, "/x", (), uid, 0.0)) for one in range(number))
    assert not waiting.add_start(ProgramStart(7, "/x", (), 5, 0.0))
    left = {uid: len(own) for uid, own in waiting.starts_by_user.items()}
    assert left == {**numbers, 1: 127, 5: 1} and 1000 + 127 not in waiting.starts_by_user[1]


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
    waiting, start = StartQueue(), ProgramStart(7, "/x", ("k",), 1, 3.0)
    assert (start.pid, start.path, start.key, start.user, start.due, start.tries) == (7, "/x", ("k",), 1, 3.0, 0)
    start.tries = tries
    assert waiting.return_start(start, answer, 10.0) and (waiting.get_due_time(), start.tries) == (due, tried)


def test_ended_start_is_dropped(monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: path != "/proc/7")
    waiting = StartQueue()
    waiting.add_start(ProgramStart(7, "/x", (), 1, 0.0))
    waiting.add_start(ProgramStart(8, "/x", (), 1, 0.0))
    assert [start.pid for start in waiting.take_due_starts(9, 1.0)] == [8] and not waiting.starts_by_user


def test_budget_gives_the_share_of_the_time_that_has_passed():
    budget = VerificationBudget(10.0)
    assert (budget.seconds_left, budget.compute_wait(), budget.count_affordable()) == (0.3, 0.0, 31)
    budget.consume_time(0.08, 4)  # twice as much for each as before
    expected = (pytest.approx(0.22), pytest.approx(0.0125), 18)
    assert (budget.seconds_left, budget.seconds_per_start, budget.count_affordable()) == expected
    budget.consume_time(-1.0)
    budget.fill_budget(12.0)
    assert budget.seconds_left == pytest.approx(0.22 + 2 * 0.0125)
    budget.fill_budget(1e6)
    assert budget.seconds_left == 0.3
    budget.consume_time(1.3)
    assert (budget.count_affordable(), budget.compute_wait()) == (0, pytest.approx(0.64))
    budget.consume_time(9.0)
    budget.fill_budget(5.0)  # a clock that stands still or goes back
    assert budget.seconds_left == -0.008


def test_users_without_end_take_no_memory():
    waiting = StartQueue()
    for uid in range(10_000):
        waiting.add_start(ProgramStart(uid, "/x", (), uid, 0.0))
    assert sum(map(len, waiting.starts_by_user.values())) == 512


def test_users_take_turns_and_a_start_that_is_not_due_waits():
    waiting = StartQueue()
    for uid, pids in ((1, (10, 11, 12)), (2, (20,)), (3, (30, 31))):
        for pid in pids:
            waiting.add_start(ProgramStart(pid, "/x", (), uid, float(pid % 10)))
    assert waiting.take_due_starts(0, 1.0) == []
    assert [start.pid for start in waiting.take_due_starts(4, 1.0)] == [10, 20, 30, 11]
    assert waiting.get_due_time() == 1.0
    assert [start.pid for start in waiting.take_due_starts(9, 9.0)] == [31, 12] and waiting.get_due_time() is None
    for number in range(50):
        waiting.add_start(ProgramStart(number, "/x", (), 1000, 0.0))
    waiting.add_start(ProgramStart(5000, "/x", (), 1001, 0.0))
    assert [waiting.take_due_starts(1, 1.0)[0].pid for _ in range(3)] == [0, 5000, 1], "one at a time"


def test_start_that_comes_again_takes_no_more_room():
    waiting, again = StartQueue(), ProgramStart(0, "/y", ("k",), 1000, 1.0)
    for number in range(128):
        waiting.add_start(ProgramStart(number, "/x", (), 1000, 5.0))
    assert waiting.add_start(again) and waiting.starts_by_user[1000][0] is again and waiting.get_due_time() == 1.0
    assert len(waiting.starts_by_user[1000]) == 128
    assert not waiting.return_start(ProgramStart(5000, "/x", (), 1000, 0.0), {"later": {5000: 1.0}}, 1.0), "it is lost"
