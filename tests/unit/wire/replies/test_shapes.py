"""The types that values in a host's answer have, each at its bounds: one more makes the answer unusable, or is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from proscribe.wire.replies import shapes
from proscribe.wire.replies.shapes import Unusable


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("", 5, ""), ("12345", 5, "12345"), ("123456", 5, "12..."), ("123456789", 6, "123..."), ("x" * 9, 3, "...")],
)
def test_a_text_that_is_too_long_is_cut_where_one_sees_it(text: str, most: int, expected: str) -> None:
    assert shapes.cut(text, most) == expected
    for read in (shapes.line, shapes.name, shapes.lines):
        assert read(text, "it", most) == expected


@pytest.mark.parametrize("read", [shapes.line, shapes.name, lambda text, what: shapes.lines(text, what, 4096)])
def test_escapes_do_not_make_it_longer_than_it_may_be(read: Callable[[str, str], str]) -> None:
    text = read("\x1b" * 4096, "it")
    assert text.endswith("...") and len(text) == (2000 if read is shapes.line else 4096)


def test_a_text_or_none() -> None:
    assert shapes.optional(shapes.name, None, "it") is None
    assert shapes.optional(shapes.name, "x", "it") == "x"
    with pytest.raises(Unusable, match="^it is no text"):
        shapes.optional(shapes.name, 0, "it")


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (None, False)])
def test_true_or_false(value: object, expected: bool) -> None:
    assert shapes.flag(value, "it") is expected


@pytest.mark.parametrize("value", [0, 1, "true", "", [], {}])
def test_what_is_neither_true_nor_false_is_unusable(value: object) -> None:
    """Ansible would take any of them for one or the other."""
    with pytest.raises(Unusable, match="^it is neither true nor false$"):
        shapes.flag(value, "it")


@pytest.mark.parametrize("value", [0, 1, 5])
def test_a_count(value: int) -> None:
    assert shapes.count(value, "it", 5) == value
    assert shapes.count(2**53, "it") == 2**53


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (-1, "it is no count"), (True, "it is no count"), (1.0, "it is no count"), ("1", "it is no count"),
        (None, "it is no count"), (6, "it is more than 5"),
    ],
)  # fmt: skip
def test_what_is_no_count(value: object, why: str) -> None:
    with pytest.raises(Unusable, match=f"^{why}$"):
        shapes.count(value, "it", 5)


@pytest.mark.parametrize("value", ["c", "", None, 1, ["a"], "a\n"])
def test_a_word_out_of_a_closed_set(value: object) -> None:
    assert shapes.one_of("a", ("a", "b"), "word") == "a"
    with pytest.raises(Unusable, match="is no word$"):
        shapes.one_of(value, ("a", "b"), "word")


def test_a_mapping_and_a_list_have_as_many_items_as_they_may() -> None:
    full = {"a": 1, "b": 2}
    assert shapes.mapping(full, "it", 2) is full and shapes.mapping({}, "it") == {}
    assert shapes.listed(str, [1, 2], "it", 2) == ["1", "2"] and shapes.listed(str, [], "it") == []
    with pytest.raises(Unusable, match="^it has 3 keys, 2 are the most$"):
        shapes.mapping({**full, "c": 3}, "it", 2)
    with pytest.raises(Unusable, match="^it has 3 items, 2 are the most$"):
        shapes.listed(str, [1, 2, 3], "it", 2)
    for value in (None, "ab", 1, {"a"}):
        with pytest.raises(Unusable, match="^it is no mapping$"):
            shapes.mapping(value, "it")
        with pytest.raises(Unusable, match="^it is no list$"):
            shapes.listed(str, value, "it")
