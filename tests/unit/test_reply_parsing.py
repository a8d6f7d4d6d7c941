"""JSON as hosts print it: read as it is meant, and every text that is none is one error of one short line."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.reply.parsing import last_object, parsed
from proscribe.reply.shapes import Unusable


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": [1, "x", null]}', {"a": [1, "x", None]}), ("1.5", 1.5), ('"é"', "é"), ("null", None)]
)
def test_what_is_json_is_read(text: str, value: Any) -> None:
    assert parsed(text) == value


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


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Welcome!\n{"a": 1}\r\nlogout\n', {"a": 1}),
        ('{"a": 1}\n{"a": 2}\n', {"a": 2}),
        ('[1]\n{"a": 1}\n "b"\n', {"a": 1}),
    ],
)
def test_the_last_object_is_the_answer_whatever_a_shell_prints_around_it(output: str, value: Any) -> None:
    assert last_object(output) == value


@pytest.mark.parametrize("output", ["", "Welcome!\n", "[1]\n", '{"a": 1}\n{broken'])
def test_an_output_without_one_is_no_answer(output: str) -> None:
    with pytest.raises(Unusable, match="^it is no JSON"):
        last_object(output)
