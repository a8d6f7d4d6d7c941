"""Printable texts of users, and errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import ControlError, escaped, one_line
from proscribe.host.system.types import joined


@given(st.text())
def test_escaped_text_is_printable(text):
    assert escaped(text).isprintable() and one_line(text).isprintable()


@pytest.mark.parametrize(
    ("reasons", "joined_reasons"),
    [([], ""), (["no"], "no"), (["a", "b", "c"], "a (and 2 more)")],
)
def test_several_reasons_are_the_first_and_a_number(reasons, joined_reasons):
    assert joined(reasons) == joined_reasons


def test_error_has_the_actions_that_were_done():
    error = ControlError("no room", done=["wrote x"])
    assert (str(error), error.done, ControlError("no").done) == ("no room", ["wrote x"], ())
