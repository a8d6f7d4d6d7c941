"""The table of installation routes: each claim in it names a test that is there, and docs/coverage.md shows it."""

import ast
import importlib
from pathlib import Path

import pytest
from derived.app_routes import HEAD, routes, table
from derived.package_systems import declared
from proscribe.host.controls.apps import systems
from proscribe.host.controls.apps.systems.declaration import Route

ROUTES = routes()
# Where a package system's own name is not the word that people use for it.
WORDS = {"dpkg": "deb packages"}


def test_coverage_shows_the_table(project):
    assert table() in (project / "docs/coverage.md").read_text(encoding="utf-8")


def test_every_package_system_has_a_row():
    routes = " ".join(row.route for row in ROUTES)
    names = [WORDS.get(item.declared.name, item.declared.name) for item in declared()]
    assert [name for name in names if name not in routes] == []


def test_a_system_that_leaves_traces_has_no_install_block():
    """Its file is compiled only where something is installed, so nobody would ever ask it for one (on_demand.py)."""
    traced = [item for item in declared() if item.declared.traces]
    modules = {item.file: importlib.import_module(f"{systems.__name__}.{item.file}") for item in traced}
    assert [name for name, module in modules.items() if hasattr(module, "block_parts")] == []
    assert [route.route for item in traced for route in item.declared.routes if route.prevented] == []


def functions_in(path: Path) -> set[str]:
    parsed = ast.walk(ast.parse(path.read_text())) if path.is_file() else ()
    return {node.name for node in parsed if isinstance(node, ast.FunctionDef)}


def missing(project: Path, row: Route) -> list[str]:
    """The claims of a row for which there is no test."""
    wrong = []
    for column in ("seen", "removed", "prevented"):
        claim = getattr(row, column)
        file, _, name = claim.test.partition("::") if claim else ("", "", "")
        if claim and not (claim.text and name in functions_in(project / f"tests/{file}.py")):
            wrong.append(f"{row.route}: {column}: {claim.test}")
    return wrong


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.route[:20])
def test_claim_of_a_row_names_a_test(project, row):
    assert missing(project, row) == []


def test_unseen_route_is_neither_removed_nor_silently_open():
    for row in ROUTES:
        assert row.seen or not (row.removed or row.prevented), row.route
        assert row.left or (row.removed and row.prevented), row.route


def test_cells_do_not_break_the_table():
    rows = table().splitlines()
    assert len(rows) == len(ROUTES) + 2
    assert {row.count("|") for row in rows} == {len(HEAD) + 1}
