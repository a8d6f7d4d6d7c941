"""What follows from the code stands between marks of a document, and nothing else of the document changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from derived.part import Part, StaleMarks

ROWS = Part("docs/page.md", lambda: "| new |\n", "rows")
MARKED = "# Page\n\n<!-- derived: rows -->\n{}<!-- end of rows -->\nthe rest\n"


def test_only_what_stands_between_the_marks_changes():
    assert ROWS.applied(MARKED.format("| old |\n")) == MARKED.format("| new |\n")
    assert ROWS.applied(MARKED.format("")) == MARKED.format("| new |\n")
    assert ROWS._replace(name="").applied("anything") == "| new |\n"


@pytest.mark.parametrize(
    "document",
    [
        "# Page\n",
        MARKED.format("")[:30],
        MARKED.format("") * 2,
        "<!-- end of rows -->\n<!-- derived: rows -->\n",
    ],
    ids=["none", "no end", "twice", "turned round"],
)
def test_a_document_without_its_marks_is_left_as_it_is(document: str):
    with pytest.raises(StaleMarks, match="derived: rows"):
        ROWS.applied(document)


def test_the_check_writes_nothing_and_is_clean(project: Path):
    """In a checkout as it is committed; `./proscribe test lint` asks the same."""
    checked = subprocess.run(
        [sys.executable, "tests/derived", "--check"], cwd=project, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")
