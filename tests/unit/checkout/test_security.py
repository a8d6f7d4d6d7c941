"""SECURITY.md claims nothing that no test shows."""

import ast
import re

import pytest

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(project):
    """The rows of the tables below "cannot": what is claimed, and the cell that names its tests."""
    found, below = [], False
    for line in (project / "SECURITY.md").read_text().splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            below = below or cells[0] == "cannot"
            if below and cells[0] not in ("cannot", "---"):
                found.append((cells[0], cells[-1]))
        else:
            below = False
    return found


def functions_in(path):
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_cannot_names_a_test_that_is_there(project):
    assert len(rows(project)) >= 20
    for claim, cell in rows(project):
        named = NAMED.findall(cell)
        assert named, f"no test is named for: {claim}"
        for path, name in named:
            file = project / path
            assert file.is_file() and name in functions_in(file), f"{path}::{name} is not there, for: {claim}"


@pytest.mark.parametrize("attacker", ["host", "user", "controller", "repository"])
def test_each_attacker_has_a_section(project, attacker):
    headings = [line for line in (project / "SECURITY.md").read_text().splitlines() if line.startswith("## ")]
    assert any(attacker in heading for heading in headings)
