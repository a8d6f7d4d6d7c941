"""Printable texts of users, and errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import escaped, one_line
from proscribe.host.system.types import joined


@given(st.text())
def test_escaped_text_is_printable(text):
    assert escaped(text).isprintable() and one_line(text).isprintable()


@pytest.mark.parametrize(("reasons", "joined_reasons"), [([], ""), (["no"], "no"), (["a", "b", "c"], "a (and 2 more)")])
def test_several_reasons_are_the_first_and_a_number(reasons, joined_reasons):
    assert joined(reasons) == joined_reasons


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        *((text, text, text) for text in ("grün", "")),
        ("a\nJun 1 root: did nothing", "a\\x0aJun 1 root: did nothing", "a Jun 1 root: did nothing"),
        ("\x1b[2Ja", "\\x1b[2Ja", "[2Ja"),
        ("a\u202eb", "a\\u202eb", "a b"),
        ("a\xadb\x80", "a\\xadb\\x80", "a b"),
        ("\udc7f\udc80\udd00", "\\udc7f\\x80\\udd00", ""),
    ],
)
def test_text_of_a_user_commands_no_terminal_and_begins_no_line(text, name, line):
    assert (escaped(text), one_line(text)) == (name, line)
