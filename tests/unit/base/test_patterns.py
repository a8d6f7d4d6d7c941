"""Regular expressions that are compiled where they are first used."""

from __future__ import annotations

import re

import pytest
from proscribe.base import patterns
from unchanged_audit import printed


@pytest.mark.parametrize("name", ["IGNORECASE", "MULTILINE", "DOTALL", "ASCII"])
def test_the_flags_are_those_of_the_module(name: str) -> None:
    assert getattr(patterns, name) == int(getattr(re, name))


def test_a_pattern_is_what_the_module_makes_of_it() -> None:
    lines = patterns.pattern(r"^a(.)$", patterns.MULTILINE | patterns.IGNORECASE)
    assert lines.findall("ab\nAc\nd") == ["b", "c"]
    assert lines.sub(r"\1", "ab") == "b" and lines.fullmatch("x") is None
    assert patterns.pattern("a").flags == re.compile("a").flags
    assert lines.findall is lines.findall, "it is looked up once"
    assert patterns.pattern(rb"\d").search(b"a1")[0] == b"1"  # type: ignore[index]


def test_the_module_is_loaded_with_the_first_use() -> None:
    code = (
        "sys.modules['typing'] = type(sys)('typing'); sys.modules['typing'].__getattr__ = lambda name: None\n"
        "from proscribe.base.patterns import pattern\n"
        "made = pattern('a'); before = 're' in sys.modules; made.match('a'); print(before, 're' in sys.modules)\n"
    )
    assert printed(code) == ["False True"]
