"""What follows from the code stands between marks of a document, and nothing else of the document changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from derived import programs
from derived.part import Part, StaleMarks

PROGRAM = '''\
"""What it does."""

import os
import sys

os.write(1, b"@TABLE@ {}")  # a comment
'''
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


def test_a_program_becomes_one_text_with_others_and_names_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "said.py").write_text(PROGRAM)
    (tmp_path / "all.sh").write_text("echo ${1-} @PLACE@\npython3 -c '\n@SAID@'\n")
    (tmp_path / "plain.sh").write_text("echo ${1-} $@\n")
    (tmp_path / "__init__.py").write_text("what was derived before")
    monkeypatch.setattr(programs, "FOLDER", tmp_path)
    made: dict[str, str] = {}
    exec(programs.module(), made)  # noqa: S102 - constants
    said = 'import os, sys\nos.write(1, b"nat {}")  # a comment\n'
    assert made["SAID"].format(table="nat") == said
    assert made["ALL"].format(table="nat", place="/opt") == f"echo ${{1-}} /opt\npython3 -c '\n{said}'\n"
    assert made["PLAIN"] == "echo ${1-} $@\n"


def test_the_check_writes_nothing_and_is_clean(project: Path):
    """In a checkout as it is committed; `./proscribe test lint` asks the same."""
    checked = subprocess.run(
        [sys.executable, "tests/derived", "--check"], cwd=project, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")
