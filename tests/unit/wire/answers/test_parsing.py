"""JSON as hosts print it: any other text is an error of one short line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.wire.answers import parsing
from proscribe.wire.answers.parsing import find_last_line, parse_answer_json, parse_last_object
from proscribe.wire.answers.value_readers import UnusableAnswer


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("9" * 5000, "Exceeds the limit"),
        ("[" * 200_000, "it is nested too deeply"),
        ('{"a":' * 200_000, "it is nested too deeply"),
    ],
    ids=range(6),
)
def test_text_that_is_no_json_is_one_error_with_a_short_reason(text, why):
    # Any other error of a hostile host's answer would end the task, and with it perhaps the run.
    with pytest.raises(UnusableAnswer, match=f"^it is no JSON: {why}") as raised:
        parse_answer_json(text)
    assert len(str(raised.value)) <= len("it is no JSON: ") + 100 and "\n" not in str(raised.value)


SHAPES = {
    "lists": "[[]],", "mappings": "{},", "keys": '{"a":0},', "texts": '"ab",', "numbers": "1,",
    "texts with marks": '"[{,\\\\",', "texts that end late": '"\\\\\\"",',
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_too_many_values_are_counted_and_never_made(shape, monkeypatch):
    # Ten such shapes of 16 MiB took up to 637 MB before they were refused.
    texts = []
    monkeypatch.setattr(parsing.json, "loads", lambda text, **_: texts.append(text))
    few = "[" + SHAPES[shape] * (250_000 // 4) + "0]"
    assert parse_answer_json(few) is None and texts.pop() == few
    with pytest.raises(UnusableAnswer, match="^it has more than 250,000 values$"):
        parse_answer_json("[" + SHAPES[shape] * (250_000 + 1) + "0]")
    assert not texts


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.text('ab,[{\\"', max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_values_of_any_json_are_counted_exactly(value):
    text, opened = json.dumps(value), count_values(value)
    assert parse_answer_json(text, opened) == value
    if opened:
        with pytest.raises(UnusableAnswer, match="values$"):
            parse_answer_json(text, opened - 1)


def count_values(value):
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(len(value) - 1, 0) + sum(map(count_values, inner))


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", None), ("x", None), ("a: m:1", None), ("m:1", "1"), ("x\nm:1", "1"), ("m:1\nm:2\r\nbye\n", "2"),
        ("m:1\n m:2", "1"), (b"m:1\xff\nx", "1\udcff"), (b"x\r\nm:\r", ""), (b"am:", None), (b"m:", ""),
    ],
)  # fmt: skip
def test_rest_of_the_last_line_with_a_mark_is_read(output, line):
    assert find_last_line(output, "m:") == line


@pytest.mark.parametrize(
    ("output", "why"), [("", "$"), ("Welcome!\n", "$"), ("[1]\n", "$"), ('{"a": 1}\n{broken', ": Expecting property")]
)
def test_output_without_an_object_is_no_answer(output, why):
    with pytest.raises(UnusableAnswer, match=f"^it is no JSON{why}"):
        parse_last_object(output)
