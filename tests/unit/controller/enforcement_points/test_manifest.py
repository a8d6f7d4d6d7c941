"""The manifest of an export: what is read of it again, and what its files may be called; and the head of each file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made_export import AT
from proscribe.controller.enforcement_points import manifest
from proscribe.model.words import EXPORT_SCHEMA

EMPTY: dict[str, Any] = {"schema": EXPORT_SCHEMA, "files": []}
NOTHING = manifest.Earlier("", "", None, "", None, {})


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (EMPTY, NOTHING),
        ({**EMPTY, "format": None, "group": None, "plan": None, "at": None, "valid_until": None}, NOTHING),
        ({**EMPTY, "files": [{"path": "a.txt"}]}, NOTHING._replace(files={"a.txt": ""})),
        ({**EMPTY, "valid_until": "2026-11-27T08:00:00Z"}, NOTHING._replace(valid_until=AT)),
        ({**EMPTY, "schema": "proscribe/plan/1"}, None),
        ({"schema": EXPORT_SCHEMA}, None),
        ({**EMPTY, "files": ["a.txt"]}, None),
        ({**EMPTY, "files": [{"path": "../a"}]}, None),
        ({**EMPTY, "at": "yesterday"}, None),
        ([], None),
    ],
)
def test_what_is_none_of_ours_is_not_read(document: Any, read: manifest.Earlier | None) -> None:
    assert manifest.read(json.dumps(document).encode()) == read
