"""A loop of starts costs the journal a line a minute, and what was counted is never lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import ControlError
from proscribe.host.watch.attempts import EVERY, MOST, MOST_OF_USER, OTHERS, Attempts


class Lines:
    def __init__(self) -> None:
        self.written: list[tuple[str, str, str, int]] = []
        self.full = False

    def __call__(self, rule: str, program: str, user: str, times: int) -> None:
        if self.full:
            raise ControlError("the disk is full")
        self.written.append((rule, program, user, times))


def test_the_first_at_once_then_one_line_a_minute() -> None:
    lines = Lines()
    attempts = Attempts(lines)
    assert attempts.note("apps/viber", "Viber", "alice", 100.0)
    assert not any(attempts.note("apps/viber", "Viber", "alice", 100.0 + n / 100) for n in range(500))
    assert attempts.note("apps/viber", "Viber", "bob", 101.0)
    assert lines.written == [("apps/viber", "Viber", "alice", 1), ("apps/viber", "Viber", "bob", 1)]
    assert attempts.due() == 100.0 + EVERY
    attempts.proceed(100.0 + EVERY - 1)
    assert len(lines.written) == 2
    attempts.proceed(100.0 + EVERY)
    assert lines.written[2:] == [("apps/viber", "Viber", "alice", 500)]
    assert attempts.due() is None
    attempts.proceed(100.0 + 3 * EVERY)
    assert attempts.note("apps/viber", "Viber", "alice", 100.0 + 3 * EVERY)


def test_what_cannot_be_written_counts_until_it_can() -> None:
    lines = Lines()
    attempts = Attempts(lines)
    lines.full = True
    attempts.note("apps/viber", "Viber", "alice", 0.0)
    attempts.note("apps/viber", "Viber", "alice", 1.0)
    lines.full = False
    attempts.proceed(EVERY)
    assert lines.written == [("apps/viber", "Viber", "alice", 2)]


def test_a_user_who_gives_his_program_any_names_fills_no_memory() -> None:
    lines = Lines()
    attempts = Attempts(lines)
    for number in range(10 * MOST):
        attempts.note("apps/viber", f"Viber{number}", "alice", 1.0)
    attempts.note("apps/viber", "Viber", "bob", 1.0)
    attempts.proceed(2.0, all_of_it=True)
    names = {line[1] for line in lines.written if line[2] == "alice"}
    assert OTHERS in names and len(names) == MOST_OF_USER + 1
    assert sum(times for _, _, user, times in lines.written if user == "alice") == 10 * MOST
    assert ("apps/viber", "Viber", "bob", 1) in lines.written


def test_many_users_with_many_programs_have_lines_of_real_rules() -> None:
    """The controller takes no record with a rule that no plan has."""
    lines = Lines()
    attempts = Attempts(lines)
    for user in range(150):
        for number in range(MOST_OF_USER):
            attempts.note(f"apps/{number % 3}", f"x{number}", f"user{user}", 1.0)
    attempts.proceed(2.0, all_of_it=True)
    assert {rule for rule, _, _, _ in lines.written} == {"apps/0", "apps/1", "apps/2"}
    assert (OTHERS, OTHERS) in {(program, user) for _, program, user, _ in lines.written}
    assert sum(times for *_, times in lines.written) == 150 * MOST_OF_USER


def test_who_comes_late_is_counted_with_others() -> None:
    lines = Lines()
    attempts = Attempts(lines)
    for number in range(2 * MOST + 2):
        assert attempts.note("apps/viber", "Viber", f"u{number}", 1.0) is (number <= 2 * MOST)
    assert not attempts.note("apps/viber", "Viber", "u0", 1.0)  # who was there before is not among them
    attempts.proceed(2.0, all_of_it=True)
    assert sorted(line[1:] for line in lines.written[-2:]) == [(OTHERS, OTHERS, 1), ("Viber", "u0", 1)]
    assert [line[1:] for line in lines.written if line[1:] != ("Viber", "u0", 1)] == [
        *(("Viber", f"u{number}", 1) for number in range(1, MOST)),
        *((OTHERS, f"u{number}", 1) for number in range(MOST, 2 * MOST)),
        (OTHERS, OTHERS, 1),
        (OTHERS, OTHERS, 1),
    ]


@pytest.mark.parametrize(("now", "name"), [(EVERY - 0.1, OTHERS), (EVERY, "new")])
def test_after_a_minute_there_is_room_again(now: float, name: str) -> None:
    lines = Lines()
    attempts = Attempts(lines)
    for number in range(MOST_OF_USER):
        attempts.note("apps/viber", f"Viber{number}", "alice", 0.0)
    attempts.note("apps/viber", "Viber0", "alice", 1.0)  # is still to be written then
    attempts.proceed(now)
    assert attempts.due() == (None if now >= EVERY else EVERY)
    attempts.note("apps/viber", "new", "alice", now)
    assert lines.written[-1] == ("apps/viber", name, "alice", 1)
    assert lines.written.count(("apps/viber", "Viber0", "alice", 1)) == (2 if now >= EVERY else 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 200)), max_size=60))
def test_the_numbers_add_up(given_: list[tuple[str, float]]) -> None:
    lines = Lines()
    attempts = Attempts(lines)
    for program, now in sorted(given_, key=lambda one: one[1]):
        attempts.proceed(now)
        attempts.note("apps/x", program, "alice", now)
    attempts.proceed(1000.0, all_of_it=True)
    for program in ("a", "b"):
        written = sum(times for _, name, _, times in lines.written if name == program)
        assert written == sum(name == program for name, _ in given_)
