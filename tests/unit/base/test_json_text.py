"""JSON of plain values without the module json: the same text, letter for letter."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import proscribe
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from proscribe.base import json_text

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('ab/. "\\\n\x7fé\ud800', max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)
LOADED = """\
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.base.json_text import written
written({value})
print("json" in sys.modules)
"""


@given(VALUES)
def test_value_is_written_as_json_writes_it(value):
    assert json_text.written(value) == json.dumps(value)


TEXTS = st.one_of(
    VALUES.map(json.dumps),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.text(),
    st.text('[]{}",:0123456789eE+-. \\nrtu\t\n\ufeff\x00tfalsNIy', max_size=30),
)


def describe_outcome(read: Callable[[str | bytes], object], text: str | bytes) -> str:
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


@given(TEXTS)
@example("[NaN, Infinity, -Infinity]")
def test_text_is_read_as_json_reads_it(text):
    assert describe_outcome(json_text.from_json, text) == describe_outcome(json.loads, text)


@given(
    st.binary(max_size=30)
    | st.builds(
        str.encode, TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]), st.just("surrogatepass")
    )
)
def test_bytes_are_read_as_json_reads_them(content):
    assert describe_outcome(json_text.from_json, content) == describe_outcome(json.loads, content)


@given(VALUES)
def test_answer_is_one_line_that_no_name_in_it_can_end(value):
    assert len(json_text.written(value).splitlines()) == 1


ROWS = [
    ({"changed": False, "record": {"rules": [], "n": -5, "at": "2026-11-27T08:00:00Z", "last": None}}, False),
    (["a"] * 999, False),
    (["a"] * 1000, True),
    ("/home/josé", False),
    ({"size": 1.5}, True),
    ({"a": 1, 2: "b"}, True),
    ({str(number): "" for number in range(999)}, False),
    ({str(number): "" for number in range(1000)}, True),
    (("a",) * 1000, True),
]


@pytest.mark.parametrize(("value", "loads"), ROWS, ids=range(len(ROWS)))
def test_module_json_is_loaded_for_values_that_are_not_plain(value, loads):
    path = str(Path(proscribe.__file__).parents[1])
    code = LOADED.replace("{value}", repr(value))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads}\n"
