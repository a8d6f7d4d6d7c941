"""Attempts to start restricted programs: counted, and written once a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import ControlError
from proscribe.host.watch.attempt_counter import OTHER_PROGRAMS, AttemptCounter
from refusals import make_refusal


class Lines(list):
    def __call__(self, rule: str, program: str, user: str, times: int) -> None:
        self.append((rule, program, user, times))


def test_many_users_with_many_programs_have_lines_of_real_rules():
    """The controller takes no record with a rule that no plan has."""
    lines = Lines()
    attempts = AttemptCounter(lines)
    for user in range(150):
        for number in range(20):
            attempts.count_attempt(f"apps/{number % 3}", f"x{number}", f"user{user}", 1.0)
    attempts.write_due_counts(2.0, writes_all=True)
    assert {rule for rule, _, _, _ in lines} == {"apps/0", "apps/1", "apps/2"}
    assert (OTHER_PROGRAMS, OTHER_PROGRAMS) in {(program, user) for _, program, user, _ in lines}
    assert sum(times for *_, times in lines) == 3000


@pytest.mark.parametrize(("now", "name"), [(59.9, OTHER_PROGRAMS), (60.0, "new")])
def test_program_has_a_line_of_its_own_again_after_a_minute(now, name):
    lines = Lines()
    attempts = AttemptCounter(lines)
    for number in range(20):
        attempts.count_attempt("apps/viber", f"Viber{number}", "alice", 0.0)
    attempts.count_attempt("apps/viber", "Viber0", "alice", 1.0)  # is still to be written then
    attempts.write_due_counts(now)
    assert attempts.get_due_time() == (None if now >= 60.0 else 60.0)
    attempts.count_attempt("apps/viber", "new", "alice", now)
    assert lines[-1] == ("apps/viber", name, "alice", 1)
    assert lines.count(("apps/viber", "Viber0", "alice", 1)) == (2 if now >= 60.0 else 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 200)), max_size=60))
def test_written_numbers_add_up(given_):
    lines = Lines()
    attempts = AttemptCounter(lines)
    for program, now in sorted(given_, key=lambda row: row[1]):
        attempts.write_due_counts(now)
        attempts.count_attempt("apps/x", program, "alice", now)
    attempts.write_due_counts(1000.0, writes_all=True)
    for program in ("a", "b"):
        written = sum(times for _, name, _, times in lines if name == program)
        assert written == sum(name == program for name, _ in given_)


def test_first_attempt_has_a_line_at_once_and_the_others_one_a_minute():
    lines = Lines()
    attempts = AttemptCounter(lines)
    assert attempts.count_attempt("apps/viber", "Viber", "alice", 100.0)
    assert not any(attempts.count_attempt("apps/viber", "Viber", "alice", 100.0 + n / 100) for n in range(500))
    assert attempts.count_attempt("apps/viber", "Viber", "bob", 101.0) and attempts.get_due_time() == 160.0
    attempts.write_due_counts(159.0)
    assert lines == [("apps/viber", "Viber", "alice", 1), ("apps/viber", "Viber", "bob", 1)]
    attempts.write_due_counts(160.0)
    assert lines[2:] == [("apps/viber", "Viber", "alice", 500)] and attempts.get_due_time() is None
    assert attempts.count_attempt("apps/viber", "Viber", "alice", 280.0)


def test_attempt_that_cannot_be_written_counts_until_it_can():
    lines, attempts = Lines(), AttemptCounter(make_refusal(ControlError("the disk is full")))
    for now in (0.0, 1.0):
        attempts.count_attempt("apps/viber", "Viber", "alice", now)
    attempts._write = lines
    attempts.write_due_counts(60.0)
    assert lines == [("apps/viber", "Viber", "alice", 2)]


def test_user_with_any_names_of_programs_fills_no_memory():
    lines = Lines()
    attempts = AttemptCounter(lines)
    for number in range(1000):
        attempts.count_attempt("apps/viber", f"Viber{number}", "alice", 1.0)
    attempts.count_attempt("apps/viber", "Viber", "bob", 1.0)
    attempts.write_due_counts(2.0, writes_all=True)
    names = {program for _, program, user, _ in lines if user == "alice"}
    assert OTHER_PROGRAMS in names and len(names) == 21
    assert sum(times for *_, user, times in lines if user == "alice") == 1000
    assert ("apps/viber", "Viber", "bob", 1) in lines
