"""What follows from the code stands between marks of a document, and nothing else of the document changes."""

import re
from typing import Annotated, NotRequired

import pytest
from derived.part import Part, StaleMarks, described
from derived.schemas import SCHEMAS, schema
from derived.schemas.service import shape_of as shape_of_kind
from derived.schemas.shapes import matching
from derived.schemas.typed import shape_of
from proscribe.base.typed_dict import TypedDict
from proscribe.controller.compile.catalogue.schema import BROWSERS
from proscribe.controller.compile.reading.document_schema import TextSchema
from proscribe.controller.compile.reading.grammar import check_domain
from proscribe.model.types.annotations import UNDOCUMENTED_KEY, Count, SchemaKeywords, State
from proscribe.model.vocabulary import STATES

ROWS = Part("docs/page.md", lambda: "| new |\n", "rows")
MARKED = "# Page\n\n<!-- derived: rows -->\n{}<!-- end of rows -->\nthe rest\n"


def test_only_what_stands_between_the_marks_changes():
    assert ROWS.applied(MARKED.format("| old |\n")) == MARKED.format("| new |\n")
    assert ROWS.applied(MARKED.format("")) == MARKED.format("| new |\n")
    assert ROWS._replace(name="").applied("anything") == "| new |\n"


@pytest.mark.parametrize(
    "document",
    ["# Page\n", MARKED.format("")[:30], MARKED.format("") * 2, "<!-- end of rows -->\n<!-- derived: rows -->\n"],
    ids=["none", "no end", "twice", "turned round"],
)
def test_a_document_without_its_marks_is_left_as_it_is(document):
    with pytest.raises(StaleMarks, match="derived: rows"):
        ROWS.applied(document)


def test_a_name_of_the_code_has_its_row_and_no_row_is_of_nothing():
    assert [*described(("b", "a", "c"), [("a, c", "x"), ("b", "y")])] == [("`b`", "y"), ("`a`, `c`", "x")]
    with pytest.raises(ValueError, match="lacks b, c"):
        [*described(("a", "b"), [("a", "x"), ("c", "y")])]


# -- schemas -----------------------------------------------------------------------------------------------------------


class Piece(TypedDict):
    name: Annotated[str, "What it is called"]
    hidden: NotRequired[Annotated[str, UNDOCUMENTED_KEY]]


class Whole(Piece, total=False):
    count: Annotated[Count | None, "How many"]
    state: Annotated[State, "How it is"] | None
    parts: Annotated[list[Piece], SchemaKeywords(maxItems=3)]
    either: int | str
    open: Annotated[dict[State, Piece], dict, "Anything"]


def test_a_type_has_its_schema():
    part = {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "What it is called"}},
        "required": ["name"],
    }
    properties = {
        **part["properties"],
        "count": {"type": ["integer", "null"], "minimum": 0, "description": "How many"},
        "state": {"enum": [*STATES, None], "description": "How it is"},
        "parts": {"type": "array", "items": part, "maxItems": 3},
        "either": {"type": ["integer", "string"]},
        "open": {"type": "object", "description": "Anything"},
    }
    assert shape_of(Whole) == {**part, "properties": properties}
    assert shape_of(dict[State, Count])["propertyNames"] == {"enum": [*STATES]}
    with pytest.raises(KeyError):
        shape_of(object)


def test_a_pattern_is_about_the_whole_text_in_every_dialect():
    """ECMA 262 has no \\Z, and with the flag `u` no escape of a character that needs none."""
    assert matching(re.compile(r"(?=.{3}\Z)a|b"))["pattern"] == "^(?:(?=.{3}$)a|b)$"

    def patterns(value):
        if isinstance(value, dict):
            yield from [value["pattern"]] if isinstance(value.get("pattern"), str) else ()
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                yield from patterns(one)

    found = [pattern for name in SCHEMAS for pattern in patterns(schema(name))]
    assert len(found) > 50
    assert {escape for pattern in found for escape in re.findall(r"\\.", pattern)} <= set(ECMA)


ECMA = (r"\d", r"\x", r"\s", r"\S", r"\.", r"\\", r"\{", r"\}", r"\[", r"\]")


def test_a_kind_that_has_no_shape_is_a_mistake():
    """So that a kind of key added later is not described as anything at all."""
    assert shape_of_kind(BROWSERS)["properties"]["browsers"]["minItems"] == 1
    assert shape_of_kind(TextSchema(check_domain))["description"].startswith("A host name in lower case")
    with pytest.raises(TypeError, match="no shape is known"):
        shape_of_kind(object())  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------------------
