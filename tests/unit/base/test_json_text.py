"""JSON without the module json, as far as values are plain: letter for letter what that writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
def test_it_is_what_json_writes(value: object) -> None:
    assert json_text.written(value) == json.dumps(value)


TEXTS = st.one_of(
    VALUES.map(json.dumps),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.text(),
    st.text('[]{}",:0123456789eE+-. \\nrtu\t\n\ufeff\x00tfalsNIy', max_size=30),
)


def outcome(read: Callable[[str | bytes], object], text: str | bytes) -> str:
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


@given(TEXTS)
@example("[NaN, Infinity, -Infinity]")
def test_it_reads_what_json_reads(text: str) -> None:
    assert outcome(json_text.from_json, text) == outcome(json.loads, text)


@given(
    st.binary(max_size=30)
    | st.builds(
        str.encode, TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]), st.just("surrogatepass")
    )
)
def test_it_reads_the_bytes_that_json_reads(content: bytes) -> None:
    assert outcome(json_text.from_json, content) == outcome(json.loads, content)


@given(VALUES)
def test_an_answer_is_one_line_that_no_name_in_it_can_end(value: object) -> None:
    """What begins a line is the controller's mark of an answer (loader.MARK)."""
    assert len(json_text.written(value).splitlines()) == 1


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, b"bytes"])
def test_what_json_cannot_write_is_an_error_here_too(value: object) -> None:
    with pytest.raises(TypeError):
        json_text.written(value)


class Text(str):
    """As Ansible's own kinds of texts."""


@pytest.mark.parametrize(
    ("given_", "text"), [(Text('a"b'), '"a\\"b"'), ([Text("a")], '["a"]'), ({Text("a"): 1}, '{"a": 1}')]
)
def test_a_kind_of_text_is_a_text(given_: object, text: str) -> None:
    assert json_text.written(given_) == text


ROWS = [
    ({"changed": False, "record": {"rules": [], "n": -5, "at": "2026-11-27T08:00:00Z", "last": None}}, False),
    ((True, [], {}, ""), False),
    (["a"] * 999, False),
    (["a"] * 1000, True),
    ("/home/josé", False),
    ({"size": 1.5}, True),
    ({"a": 1, 2: "b"}, True),
    ({str(number): "" for number in range(999)}, False),
    ({str(number): "" for number in range(1000)}, True),
    (("a",) * 1000, True),
    (None, False),
]


@pytest.mark.parametrize(("value", "loads"), ROWS, ids=range(len(ROWS)))
def test_only_what_is_not_plain_is_asked_for(monkeypatch: pytest.MonkeyPatch, value: object, loads: bool) -> None:
    passed: list[object] = []
    monkeypatch.setattr(json_text, "to_json", lambda value: passed.append(value) or json.dumps(value))
    assert json_text.written(value) == json.dumps(value)
    assert bool(passed) is loads


@pytest.mark.parametrize(
    ("text", "options", "by_json"),
    [
        ('{"a": [1, null, "é"]}', {}, False),
        (" [NaN]\r\n\t", {}, False),
        (b'{"a": 2.5}\n', {}, False),
        ('"\xed\xa0\x80"'.encode("latin-1"), {}, False),  # half a character, which json reads, too
        ("[1] x", {}, True),
        ("[1", {}, True),
        ("", {}, True),
        ("[1]".encode("utf-16"), {}, True),
        ("[1]", {"parse_int": str}, True),
    ],
)
def test_only_what_is_not_read_at_once_is_left_to_json(
    monkeypatch: pytest.MonkeyPatch, text: str | bytes, options: Any, by_json: bool
) -> None:
    loads, left = json.loads, []
    monkeypatch.setattr(json, "loads", lambda text, **options: left.append(options) or loads(text, **options))
    said = outcome(lambda text: json_text.from_json(text, **options), text)
    assert said == outcome(lambda text: loads(text, **options), text)
    assert left == [options] * by_json


@pytest.mark.parametrize(("value", "loads"), ROWS, ids=range(len(ROWS)))
def test_only_what_is_not_plain_loads_it(value: object, loads: bool) -> None:
    path = str(Path(proscribe.__file__).parents[1])
    code = LOADED.replace("{value}", repr(value))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads}\n"
