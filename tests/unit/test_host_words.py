"""Names that users chose, as they can be printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import escaped, one_line


@pytest.mark.parametrize(
    ("text", "expected", "line"),
    [
        ("WeChat 4.1", "WeChat 4.1", "WeChat 4.1"),
        ("grün", "grün", "grün"),
        ("a\nJun 1 root: did nothing", "a\\x0aJun 1 root: did nothing", "a Jun 1 root: did nothing"),
        ("\x1b[2Ja", "\\x1b[2Ja", "[2Ja"),
        ("a\udcffb", "a\\xffb", "a b"),
        ("a\u202eb", "a\\u202eb", "a b"),
    ],
)
def test_nothing_commands_a_terminal_or_begins_a_line(text: str, expected: str, line: str) -> None:
    assert (escaped(text), one_line(text)) == (expected, line)


@given(st.text())
def test_all_of_it_is_printable(text: str) -> None:
    assert escaped(text).isprintable() and one_line(text).isprintable()
