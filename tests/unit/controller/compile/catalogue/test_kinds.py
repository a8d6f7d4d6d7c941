"""What the keys of a file hold: texts, lists and mappings; and each mistake in one of them."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.compile.catalogue.kinds import Group, Kind, Listed, Text, listed, texts
from proscribe.controller.compile.reading.grammar import one_of

WORD = Text(one_of("owl", "crow"))
WORDS = Listed(WORD)
BIRD = Group({"name": WORD, "eats": WORDS}, required=("name",))
LIST = "a list with at least one item (leave the key out where there is none)"
AGAIN = "every item once; this one is a duplicate"


@pytest.mark.parametrize(
    ("kind", "value", "mistakes"),
    [
        (WORD, "owl", []),
        (WORD, "owel", [((), "owel", "one of owl, crow, did you mean 'owl'?")]),
        (WORD, 7, [((), 7, "one text")]),
        (WORDS, ["owl", "crow"], []),
        (WORDS, ["owl", "crow", "owl"], [((2,), "owl", AGAIN)]),
        (
            WORDS,
            ["x", "owl", "x"],
            [((0,), "x", "one of owl, crow"), ((2,), "x", "one of owl, crow"), ((2,), "x", AGAIN)],
        ),
        *((WORDS, value, [((), value, LIST)]) for value in ("owl", [], {}, None)),
        (BIRD, {"name": "owl", "eats": ["crow"]}, []),
        (BIRD, {"eats": ["crow"]}, [(("name",), None, "a value: this key is required")]),
        (BIRD, {}, [((), {}, "at least one key out of name, eats")]),
        *((BIRD, value, [((), value, "a mapping with keys out of name, eats")]) for value in ([], "owl", None)),
        (BIRD, {"name": "owl", "eat": "x"}, [(("eat",), "eat", "a known key, did you mean 'eats'?")]),
        (BIRD, {"name": "owl", "x": "x"}, [(("x",), "x", "a known key, one of name, eats")]),
        (BIRD, {"name": 7, "eats": ["owl", 7]}, [(("name",), 7, "one text"), (("eats", 1), 7, "one text")]),
        (Listed(BIRD), [{"name": "owl", "eats": ["crow"]}, {"name": "owl"}], []),
        (
            Listed(BIRD),
            [{"name": "owl", "eats": ["crow"]}, {"eats": ["crow"], "name": "owl"}],
            [((1,), {"eats": ["crow"], "name": "owl"}, AGAIN)],
        ),
    ],
)
def test_what_is_wrong_with_a_value(kind: Kind, value: object, mistakes: list[Any]) -> None:
    assert list(kind.check(value, ())) == mistakes
    assert list(kind.check(value, ("a", 3))) == [
        (("a", 3, *path), found, expected) for path, found, expected in mistakes
    ]


@pytest.mark.parametrize(
    ("value", "items", "words"),
    [
        (["a", 7], ["a", 7], ["a"]),
        (("a", "b"), ("a", "b"), ["a", "b"]),
        ("ab", (), []),
        ({"a": 1}, (), []),
        (None, (), []),
    ],
)
def test_a_list_of_an_entry_that_may_have_mistakes(value: object, items: object, words: list[str]) -> None:
    assert (listed({"key": value}, "key"), texts({"key": value}, "key")) == (items, words)
    assert (listed({}, "key"), texts({}, "key")) == ((), [])
