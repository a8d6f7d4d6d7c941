"""Types of values in a host's answer, each at its bounds."""

import pytest
from proscribe.wire.replies import shapes
from proscribe.wire.replies.shapes import UnusableAnswer


@pytest.mark.parametrize(
    ("text", "most", "expected"), [("12345", 5, "12345"), ("123456", 5, "12..."), ("x" * 9, 3, "...")]
)
def test_text_that_is_too_long_is_cut_with_dots(text, most, expected):
    assert shapes.truncate_text(text, most) == expected
    for read in (shapes.read_line, shapes.read_name, shapes.read_lines):
        assert read(text, "it", most) == expected


@pytest.mark.parametrize(
    "read", [shapes.read_line, shapes.read_name, lambda text, what: shapes.read_lines(text, what, 4096)]
)
def test_escapes_make_no_text_longer_than_its_limit(read):
    text = read("\x1b" * 4096, "it")
    assert text.endswith("...") and len(text) == (2000 if read is shapes.read_line else 4096)


def test_optional_text_may_be_none():
    assert shapes.read_optional(shapes.read_name, None, "it") is None
    assert shapes.read_optional(shapes.read_name, "x", "it") == "x"
    with pytest.raises(UnusableAnswer, match="^it is no text"):
        shapes.read_optional(shapes.read_name, 0, "it")


@pytest.mark.parametrize("value", [0, 1, "true", "", [], {}])
def test_flag_that_is_neither_true_nor_false_is_refused(value):
    assert [shapes.read_flag(flag, "it") for flag in (True, False, None)] == [True, False, False]
    with pytest.raises(UnusableAnswer, match="^it is neither true nor false$"):
        shapes.read_flag(value, "it")


@pytest.mark.parametrize(
    ("value", "why"), [*((value, "it is no count") for value in (-1, True, 1.0, "1", None)), (6, "it is more than 5")]
)
def test_value_that_is_no_count_is_refused(value, why):
    assert [shapes.read_count(number, "it", 5) for number in (0, 1, 5)] == [0, 1, 5]
    assert shapes.read_count(2**53, "it") == 2**53
    with pytest.raises(UnusableAnswer, match=f"^{why}$"):
        shapes.read_count(value, "it", 5)


@pytest.mark.parametrize("value", ["c", None, ["a"], "a\n"])
def test_word_outside_a_closed_set_is_refused(value):
    assert shapes.read_choice("a", ("a", "b"), "word") == "a"
    with pytest.raises(UnusableAnswer, match="is no word$"):
        shapes.read_choice(value, ("a", "b"), "word")


def test_mapping_and_list_with_more_items_than_their_limit_are_refused():
    full = {"a": 1, "b": 2}
    assert shapes.require_mapping(full, "it", 2) is full and shapes.require_mapping({}, "it") == {}
    assert shapes.read_list(str, [1, 2], "it", 2) == ["1", "2"] and shapes.read_list(str, [], "it") == []
    with pytest.raises(UnusableAnswer, match="^it has 3 keys, 2 are the most$"):
        shapes.require_mapping({**full, "c": 3}, "it", 2)
    with pytest.raises(UnusableAnswer, match="^it has 3 items, 2 are the most$"):
        shapes.read_list(str, [1, 2, 3], "it", 2)
    for value in (None, "ab", {"a"}):
        with pytest.raises(UnusableAnswer, match="^it is no mapping$"):
            shapes.require_mapping(value, "it")
        with pytest.raises(UnusableAnswer, match="^it is no list$"):
            shapes.read_list(str, value, "it")
