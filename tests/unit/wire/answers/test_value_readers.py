"""Types of values in a host's answer, each at its bounds."""

import pytest
from proscribe.wire.answers import value_readers
from proscribe.wire.answers.value_readers import UnusableAnswer


@pytest.mark.parametrize(
    ("text", "most", "expected"), [("12345", 5, "12345"), ("123456", 5, "12..."), ("x" * 9, 3, "...")]
)
def test_text_that_is_too_long_is_cut_with_dots(text, most, expected):
    assert value_readers.truncate_text(text, most) == expected
    for read in (value_readers.read_line, value_readers.read_name, value_readers.read_lines):
        assert read(text, "it", most) == expected


@pytest.mark.parametrize(
    "read",
    [value_readers.read_line, value_readers.read_name, lambda text, what: value_readers.read_lines(text, what, 4096)],
)
def test_escapes_make_no_text_longer_than_its_limit(read):
    text = read("\x1b" * 4096, "it")
    assert text.endswith("...") and len(text) == (2000 if read is value_readers.read_line else 4096)


@pytest.mark.parametrize("value", [0, 1, "true", "", [], {}])
def test_flag_that_is_neither_true_nor_false_is_refused(value):
    assert [value_readers.read_flag(flag, "it") for flag in (True, False, None)] == [True, False, False]
    with pytest.raises(UnusableAnswer, match="^it is neither true nor false$"):
        value_readers.read_flag(value, "it")


@pytest.mark.parametrize(
    ("value", "why"), [*((value, "it is no count") for value in (-1, True, 1.0, "1", None)), (6, "it is more than 5")]
)
def test_value_that_is_no_count_is_refused(value, why):
    assert [value_readers.read_count(number, "it", 5) for number in (0, 1, 5)] == [0, 1, 5]
    assert value_readers.read_count(2**53, "it") == 2**53
    with pytest.raises(UnusableAnswer, match=f"^{why}$"):
        value_readers.read_count(value, "it", 5)


def test_mapping_and_list_with_more_items_than_their_limit_are_refused():
    full = {"a": 1, "b": 2}
    assert value_readers.require_mapping(full, "it", 2) is full and value_readers.require_mapping({}, "it") == {}
    assert value_readers.read_list(str, [1, 2], "it", 2) == ["1", "2"] and value_readers.read_list(str, [], "it") == []
    with pytest.raises(UnusableAnswer, match="^it has 3 keys, 2 are the most$"):
        value_readers.require_mapping({**full, "c": 3}, "it", 2)
    with pytest.raises(UnusableAnswer, match="^it has 3 items, 2 are the most$"):
        value_readers.read_list(str, [1, 2, 3], "it", 2)
    for value in (None, "ab", {"a"}):
        with pytest.raises(UnusableAnswer, match="^it is no mapping$"):
            value_readers.require_mapping(value, "it")
        with pytest.raises(UnusableAnswer, match="^it is no list$"):
            value_readers.read_list(str, value, "it")
