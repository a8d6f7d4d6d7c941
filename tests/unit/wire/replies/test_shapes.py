"""Types of values in a host's answer, each at its bounds."""

import pytest
from proscribe.wire.replies import shapes
from proscribe.wire.replies.shapes import Unusable


@pytest.mark.parametrize(
    ("text", "most", "expected"), [("12345", 5, "12345"), ("123456", 5, "12..."), ("x" * 9, 3, "...")]
)
def test_text_that_is_too_long_is_cut_with_dots(text, most, expected):
    assert shapes.cut(text, most) == expected
    for read in (shapes.line, shapes.name, shapes.lines):
        assert read(text, "it", most) == expected


@pytest.mark.parametrize("read", [shapes.line, shapes.name, lambda text, what: shapes.lines(text, what, 4096)])
def test_escapes_make_no_text_longer_than_its_limit(read):
    text = read("\x1b" * 4096, "it")
    assert text.endswith("...") and len(text) == (2000 if read is shapes.line else 4096)


def test_optional_text_may_be_none():
    assert shapes.optional(shapes.name, None, "it") is None
    assert shapes.optional(shapes.name, "x", "it") == "x"
    with pytest.raises(Unusable, match="^it is no text"):
        shapes.optional(shapes.name, 0, "it")


@pytest.mark.parametrize("value", [0, 1, "true", "", [], {}])
def test_flag_that_is_neither_true_nor_false_is_refused(value):
    assert [shapes.flag(flag, "it") for flag in (True, False, None)] == [True, False, False]
    with pytest.raises(Unusable, match="^it is neither true nor false$"):
        shapes.flag(value, "it")


@pytest.mark.parametrize(
    ("value", "why"), [*((value, "it is no count") for value in (-1, True, 1.0, "1", None)), (6, "it is more than 5")]
)
def test_value_that_is_no_count_is_refused(value, why):
    assert [shapes.count(number, "it", 5) for number in (0, 1, 5)] == [0, 1, 5]
    assert shapes.count(2**53, "it") == 2**53
    with pytest.raises(Unusable, match=f"^{why}$"):
        shapes.count(value, "it", 5)


@pytest.mark.parametrize("value", ["c", None, ["a"], "a\n"])
def test_word_outside_a_closed_set_is_refused(value):
    assert shapes.one_of("a", ("a", "b"), "word") == "a"
    with pytest.raises(Unusable, match="is no word$"):
        shapes.one_of(value, ("a", "b"), "word")


def test_mapping_and_list_with_more_items_than_their_limit_are_refused():
    full = {"a": 1, "b": 2}
    assert shapes.mapping(full, "it", 2) is full and shapes.mapping({}, "it") == {}
    assert shapes.listed(str, [1, 2], "it", 2) == ["1", "2"] and shapes.listed(str, [], "it") == []
    with pytest.raises(Unusable, match="^it has 3 keys, 2 are the most$"):
        shapes.mapping({**full, "c": 3}, "it", 2)
    with pytest.raises(Unusable, match="^it has 3 items, 2 are the most$"):
        shapes.listed(str, [1, 2, 3], "it", 2)
    for value in (None, "ab", {"a"}):
        with pytest.raises(Unusable, match="^it is no mapping$"):
            shapes.mapping(value, "it")
        with pytest.raises(Unusable, match="^it is no list$"):
            shapes.listed(str, value, "it")
