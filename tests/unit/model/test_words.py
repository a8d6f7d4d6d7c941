"""The words and limits of documents are those of the schemas that are published for whoever reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from proscribe.model import words


def below(value: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from below(inner)


@pytest.fixture(scope="module")
def parts(project: Path) -> list[dict[str, Any]]:
    files = sorted((project / "docs/schema").glob("*.json"))
    return [part for file in files for part in below(json.loads(file.read_text(encoding="utf-8")))]


@pytest.mark.parametrize(
    "name",
    ["STATES", "CONTROLS", "RUN_MODES", "CONTROL_MODES", "RESTRICTED", "SERVICE_MODES", "REQUEST_ANSWERS"]
    + ["POINT_STATES", "EVENT_STATES", "BETWEEN_RUNS", "FACILITIES", "SENT", "OUTLOOKS"],
)
def test_what_a_document_can_say_is_listed(parts: list[dict[str, Any]], name: str) -> None:
    assert [*getattr(words, name)] in [part["enum"] for part in parts if "enum" in part]


@pytest.mark.parametrize("name", [name for name in vars(words) if name.endswith("_SCHEMA")])
def test_each_document_is_called_as_its_schema_says(parts: list[dict[str, Any]], name: str) -> None:
    named = {*(part.get("const") for part in parts if isinstance(part.get("const"), str))}
    named |= {one for part in parts for one in part.get("enum", ()) if len(part["enum"]) == 1}
    assert getattr(words, name) in named


@pytest.mark.parametrize("name", [name for name in vars(words) if name.startswith(("MOST_", "LONGEST_"))])
def test_how_much_there_may_be_is_said(parts: list[dict[str, Any]], name: str) -> None:
    bounds = {part[key] for part in parts for key in ("maxItems", "maxLength", "maxProperties") if key in part}
    assert getattr(words, name) in bounds


def test_what_is_beside_the_controls_follows_them(parts: list[dict[str, Any]]) -> None:
    listed = [part["enum"] for part in parts if "enum" in part]
    assert [*words.CONTROLS, *words.BESIDE] in listed
    assert [*words.STATES, *words.BESIDE_STATES] == [*words.EVENT_STATES]


def test_what_else_a_document_can_say_is_described(parts: list[dict[str, Any]]) -> None:
    described = [part["description"] for part in parts if isinstance(part.get("description"), str)]
    *others, last = words.WAIVER_STATUSES
    assert f"{last}, or why it waives nothing: {', '.join(others)}" in described
    assert ", ".join(words.UNEXPECTED) in described and ", ".join(words.QUARANTINED_KINDS) in described
    assert [*words.PLATFORM] in [[*part["properties"]] for part in parts if "properties" in part]
