"""Who is verified next, and how much that may cost."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts.waiting import MOST, MOST_AT_ONCE, MOST_OF_USER, Budget, Start, Waiting


class TestBudget:
    def test_a_flood_of_what_has_to_be_verified_costs_its_share(self) -> None:
        """However long: 20 ms each, as many as there is time for."""
        budget, now, spent = Budget(0.0), 0.0, 0.0
        while now < 1000.0:
            budget.fill(now)
            number = budget.starts()
            if number:
                budget.spend(0.02 * number, number)
                spent += 0.02 * number
            now += max(0.05, budget.wait())
        assert spent / now < 0.05

    @given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5), st.integers(0, 40)), max_size=60))
    def test_it_never_waits_long_for_the_next_one(self, steps: list[tuple[float, float, int]]) -> None:
        budget, now = Budget(0.0), 0.0
        for passed, cost, starts in steps:
            now += passed
            budget.fill(now)
            assert 0 <= budget.starts() <= MOST_AT_ONCE
            budget.spend(cost, starts)
            assert budget.wait() <= -Budget.DEBT / Budget.SHARE
            budget.fill(now + budget.wait() + 0.001)
            assert budget.starts() >= 1

    def test_what_it_has_and_what_is_taken_from_it(self) -> None:
        budget = Budget(10.0)
        assert (budget.left, budget.wait(), budget.starts()) == (0.3, 0.0, 1 + int(0.3 / 0.01))
        budget.spend(0.08, 4)  # twice as much for each as before
        assert (budget.left, budget.each) == (pytest.approx(0.22), pytest.approx(0.0125))
        assert budget.starts() == 18
        budget.spend(0.0, 4)
        assert budget.each == pytest.approx(0.0125 + (0.0005 - 0.0125) / 4)
        budget.spend(-1.0)
        assert budget.left == pytest.approx(0.22)
        budget.fill(12.0)
        assert budget.left == pytest.approx(0.22 + 2 * 0.0125)
        budget.fill(1e6)
        assert budget.left == 0.3 and budget.starts() == 32
        budget.spend(0.3)
        assert (budget.starts(), budget.wait()) == (1, 0.0)
        budget.spend(1.0)
        assert (budget.starts(), budget.wait()) == (0, pytest.approx(0.64))

    def test_a_clock_that_stands_still_gives_nothing(self) -> None:
        budget = Budget(10.0)
        budget.spend(9.0)
        budget.fill(5.0)
        assert budget.left == Budget.DEBT


class TestWaiting:
    @pytest.fixture(autouse=True)
    def everybody_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os.path, "lexists", lambda path: True)

    def test_who_floods_waits_in_a_queue_of_his_own(self) -> None:
        waiting = Waiting()
        taken = [waiting.add(Start(pid, "/x", (), 1000, 0.0)) for pid in range(1, 1001)]
        assert sum(taken) == MOST_OF_USER
        assert waiting.add(Start(5000, "/x", (), 1001, 0.0))
        assert 5000 in [start.pid for start in waiting.next(2, 1.0)]

    def test_what_is_not_due_waits_and_what_was_taken_is_gone(self) -> None:
        waiting = Waiting()
        waiting.add(Start(7, "/x", (), 1, 5.0))
        waiting.add(Start(8, "/x", (), 1, 3.0))
        assert waiting.due() == 3.0
        assert [start.pid for start in waiting.next(9, 4.0)] == [8]
        assert waiting.due() == 5.0
        assert [start.pid for start in waiting.next(9, 9.0)] == [7]
        assert waiting.due() is None and not waiting.of

    def test_users_without_end_take_no_memory_and_nobodys_turn(self) -> None:
        waiting = Waiting()
        for uid in range(10_000):
            waiting.add(Start(uid, "/x", (), uid, 0.0))
        assert sum(map(len, waiting.of.values())) == MOST

    def test_the_longest_queue_makes_room_for_others(self) -> None:
        waiting = Waiting()
        busy = MOST // MOST_OF_USER
        for uid in range(busy):
            assert all(waiting.add(Start(uid * 1000 + number, "/x", (), uid, 0.0)) for number in range(MOST_OF_USER))
        assert not waiting.add(Start(5_000_000, "/x", (), 5000, 0.0)), "it is said that something was lost"
        assert 5000 in waiting.of and sorted(map(len, waiting.of.values()))[1] == MOST_OF_USER - 1
        assert not waiting.add(Start(999, "/x", (), 1, 0.0)) and 999 not in waiting.of[1], (
            "nor for one of the same user"
        )

    def test_nobody_with_few_makes_room_for_another(self) -> None:
        waiting = Waiting()
        numbers = {1: MOST_OF_USER, 2: MOST_OF_USER, 3: MOST_OF_USER, 9000: MOST_OF_USER - 1, 9500: 1}
        for uid, number in numbers.items():
            assert all(waiting.add(Start(uid * 1000 + one, "/x", (), uid, 0.0)) for one in range(number))
        assert not waiting.add(Start(7, "/x", (), 5, 0.0))
        left = {uid: len(own) for uid, own in waiting.of.items()}
        assert left == {**numbers, 1: MOST_OF_USER - 1, 5: 1} and 1000 + MOST_OF_USER - 1 not in waiting.of[1]

    def test_with_one_at_a_time_everybody_has_a_turn(self) -> None:
        waiting = Waiting()
        for number in range(50):
            waiting.add(Start(number, "/x", (), 1000, 0.0))
        waiting.add(Start(5000, "/x", (), 1001, 0.0))
        assert [waiting.next(1, 1.0)[0].pid for _ in range(3)] == [0, 5000, 1]

    def test_a_start_that_comes_again_takes_no_more_room(self) -> None:
        waiting = Waiting()
        for number in range(MOST_OF_USER):
            waiting.add(Start(number, "/x", (), 1000, 5.0))
        again = Start(0, "/y", ("k",), 1000, 1.0)
        assert waiting.add(again) and waiting.of[1000][0] is again
        assert len(waiting.of[1000]) == MOST_OF_USER and waiting.due() == 1.0

    @pytest.mark.parametrize(
        ("said", "tries", "due", "tried"),
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
    def test_what_could_not_be_verified_is_taken_again(
        self, said: Any, tries: int, due: float | None, tried: int
    ) -> None:
        waiting, start = Waiting(), Start(7, "/x", ("k",), 1, 3.0)
        assert (start.pid, start.path, start.key, start.user, start.due, start.tries) == (7, "/x", ("k",), 1, 3.0, 0)
        start.tries = tries
        assert waiting.put_back(start, said, 10.0)
        assert (waiting.due(), start.tries) == (due, tried)

    def test_it_is_lost_where_there_is_no_room(self) -> None:
        waiting = Waiting()
        for number in range(MOST_OF_USER):
            waiting.add(Start(number, "/x", (), 1000, 5.0))
        assert not waiting.put_back(Start(5000, "/x", (), 1000, 0.0), {"later": {5000: 1.0}}, 1.0)  # type: ignore[typeddict-item]

    def test_each_has_a_turn_and_no_more_than_is_asked_for(self) -> None:
        waiting = Waiting()
        for uid, pids in ((1, (10, 11, 12)), (2, (20,)), (3, (30, 31))):
            for pid in pids:
                waiting.add(Start(pid, "/x", (), uid, float(pid % 10)))
        assert waiting.next(0, 1.0) == []
        assert [start.pid for start in waiting.next(4, 1.0)] == [10, 20, 30, 11]
        assert [start.pid for start in waiting.next(9, 9.0)] == [31, 12]

    def test_what_has_ended_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os.path, "lexists", lambda path: path != "/proc/7")
        waiting = Waiting()
        waiting.add(Start(7, "/x", (), 1, 0.0))
        waiting.add(Start(8, "/x", (), 1, 0.0))
        assert [start.pid for start in waiting.next(9, 1.0)] == [8]
        assert not waiting.of
