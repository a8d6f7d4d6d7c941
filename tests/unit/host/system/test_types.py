"""Names that users chose, as they can be printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import ControlError, escaped, one_line
from proscribe.host.system.types import joined


@given(st.text())
def test_all_of_it_is_printable(text: str) -> None:
    assert escaped(text).isprintable() and one_line(text).isprintable()


@pytest.mark.parametrize(
    ("reasons", "said"),
    [([], ""), (["no"], "no"), (["no", "never"], "no (and 1 more)"), (["a", "b", "c"], "a (and 2 more)")],
)
def test_several_reasons_are_the_first_one_and_how_many(reasons: list[str], said: str) -> None:
    assert joined(reasons) == said


def test_an_error_says_what_was_done_all_the_same() -> None:
    error = ControlError("no room", done=["wrote x"])
    assert (str(error), error.done, ControlError("no").done) == ("no room", ["wrote x"], ())
