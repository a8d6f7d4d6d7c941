"""JSON as hosts print it: read as it is meant, and every text that is none is one error of one short line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.wire.replies import parsing
from proscribe.wire.replies.parsing import last_line, last_object, parsed
from proscribe.wire.replies.shapes import Unusable


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "Expecting value", id="nothing"),
        pytest.param("{'a': 1}", "Expecting property name", id="not quite"),
        pytest.param('{"a": NaN}', "NaN is no number", id="no number"),
        pytest.param("[-Infinity]", "-Infinity is no number", id="no end of it"),
        pytest.param("9" * 5000, "Exceeds the limit", id="a number of more digits than Python reads"),
        pytest.param("[" * 200_000, "it is nested too deeply", id="deeper than the stack"),
        pytest.param('{"a":' * 200_000, "it is nested too deeply", id="the same of objects"),
    ],
)
def test_what_is_none_is_one_error_with_a_short_reason(text: str, why: str) -> None:
    """Whatever else came out of a hostile host's answer would end the task, and with it perhaps the run."""
    with pytest.raises(Unusable, match=f"^it is no JSON: {why}") as raised:
        parsed(text)
    assert len(str(raised.value)) <= len("it is no JSON: ") + 100 and "\n" not in str(raised.value)


SHAPES = {
    "lists": "[[]],",
    "mappings": "{},",
    "keys": '{"a":0},',
    "texts": '"ab",',
    "numbers": "1,",
    "texts with marks": '"[{,\\\\",',
    "texts that end late": '"\\\\\\"",',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_too_many_values_are_counted_and_never_made(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten such shapes of 16 MiB took up to 637 MB before they were refused."""
    made: list[str] = []
    monkeypatch.setattr(parsing.json, "loads", lambda text, **_: made.append(text))
    few = "[" + SHAPES[shape] * (parsing.MOST_VALUES // 4) + "0]"
    assert parsed(few) is None and made.pop() == few
    with pytest.raises(Unusable, match="^it has more than 250,000 values$"):
        parsed("[" + SHAPES[shape] * (parsing.MOST_VALUES + 1) + "0]")
    assert not made


@given(
    st.recursive(
        st.none() | st.text('ab,[{\\"', max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_as_many_values_are_counted_as_there_are(value: Any) -> None:
    """In texts there are none, whatever they hold."""
    text = json.dumps(value)
    opened = values_in(value)
    assert parsed(text, opened) == value
    if opened:
        with pytest.raises(Unusable, match="values$"):
            parsed(text, opened - 1)


def values_in(value: Any) -> int:
    """Commas and opened brackets of a value's JSON."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(len(value) - 1, 0) + sum(map(values_in, inner))


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", None), ("x", None), ("a: m:1", None), ("m:1", "1"), ("x\nm:1", "1"), ("m:1\nm:2\r\nbye\n", "2"),
        ("m:1\n m:2", "1"), (b"m:1\xff\nx", "1\udcff"), (b"x\r\nm:\r", ""), (b"am:", None), (b"m:", ""),
    ],
)  # fmt: skip
def test_what_follows_in_the_last_line_that_begins_so(output: str | bytes, line: str | None) -> None:
    assert last_line(output, "m:") == line


@pytest.mark.parametrize(
    ("output", "why"), [("", "$"), ("Welcome!\n", "$"), ("[1]\n", "$"), ('{"a": 1}\n{broken', ": Expecting property")]
)
def test_an_output_without_one_is_no_answer(output: str, why: str) -> None:
    with pytest.raises(Unusable, match=f"^it is no JSON{why}"):
        last_object(output)
