"""Readers that are made from types: each kind of value, with its limits and its name in errors."""

import re
from typing import Annotated, NotRequired

import pytest
from proscribe.base.typed_dict import TypedDict
from proscribe.model.types.annotations import CONTROLLER_KEY, AnswerKeywords, Count, Line, Moment, SchemaKeywords, Token
from proscribe.wire.answers.typed_reader import read_keys, read_typed
from proscribe.wire.answers.value_readers import UnusableAnswer


class Feather(TypedDict):
    colour: Annotated[str, SchemaKeywords(enum=("brown", "white"))]


class Owl(TypedDict):
    name: Token
    call: Annotated[Line, "What it says", AnswerKeywords(maxLength=5)]
    seen: NotRequired[Moment]
    nest: NotRequired[Feather]
    feathers: Annotated[list[Feather], AnswerKeywords(item="a feather", maxItems=2, default=())]
    friends: Annotated[list[Token], AnswerKeywords(is_cut=True, maxItems=2, default=())]
    groups: Annotated[list[Feather], AnswerKeywords(is_cut=True, maxItems=1, default=())]
    mice: Annotated[dict[Annotated[Token, AnswerKeywords(label="a field")], Count], AnswerKeywords(default={})]
    ring: Annotated[str, AnswerKeywords(pattern=re.compile("[0-9]{2}"), noun="number of a ring")]
    mate: Annotated[Token | None, AnswerKeywords(nullable=False)]
    keeper: Annotated[Token, CONTROLLER_KEY]


class Unclear(TypedDict):
    text: str


BROWN = {"colour": "brown"}
OWL = {"name": "Ada", "call": "hoo", "ring": "07", "mate": "Bo"}
EMPTY = {"feathers": [], "friends": [], "groups": [], "mice": {}}


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, {}),
        ({"keeper": "me", "other": 1}, {}),
        ({"seen": None, "nest": None}, {}),
        ({"name": "\x1b" * 51}, {"name": "\\x1b" * 49 + "\\..."}),
        ({"call": "hoo hoo"}, {"call": "ho..."}),
        ({"feathers": [BROWN, {**BROWN, "more": 1}]}, {"feathers": [BROWN, BROWN]}),
        ({"friends": ["Bo", "Cy", "Di"]}, {"friends": ["Bo", "Cy"]}),
        ({"groups": [BROWN, "no feather"]}, {"groups": [BROWN]}),
        ({"mice": {"north": 2}}, {"mice": {"north": 2}}),
    ],
)
def test_mapping_is_read_by_its_type(changes, result):
    assert read_typed(Owl, {**OWL, **changes}, "an owl") == {**OWL, **EMPTY, **result}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "owl.name is no text"),
        ({"mate": None}, "owl.mate is no text"),
        ({"seen": "now"}, "owl.seen is 'now', no UTC time such as 2026-11-25T08:00:00Z"),
        ({"nest": {}}, "a NoneType is no owl.nest.colour"),
        ({"feathers": [BROWN] * 3}, "owl.feathers has 3 items, 2 are the most"),
        ({"feathers": ["x"]}, "a feather is no mapping"),
        ({"feathers": [{"colour": "red"}]}, "'red' is no colour"),
        ({"friends": ["Bo", "Cy", 7]}, "owl.friends is no text"),
        ({"mice": {7: 2}}, "a field is no text"),
        ({"mice": {"north": -1}}, "owl.mice is no count"),
        ({"ring": "7"}, "'7' is no number of a ring"),
    ],
)
def test_value_of_another_type_is_refused(changes, message):
    with pytest.raises(UnusableAnswer) as wrong:
        read_typed(Owl, {**OWL, **changes}, "an owl", "owl.")
    assert str(wrong.value) == message


def test_only_named_keys_are_read():
    assert read_keys(Owl, {**OWL, "feathers": "x"}, "name", "mice", "seen") == {"name": "Ada", "mice": {}}


def test_text_without_a_kind_has_no_reader():
    with pytest.raises(KeyError):
        read_typed(Unclear, {"text": "x"}, "it")
