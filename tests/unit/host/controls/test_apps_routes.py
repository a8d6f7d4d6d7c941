"""The table of installation routes: each claim in it names an existing test, and docs/coverage_data.md shows it."""

import importlib

import pytest
from derived.app_routes import HEAD, routes, table
from derived.other_routes import ROUTES as OTHERS
from derived.package_systems import declared
from proscribe.host.controls.apps import systems

ROUTES = routes()


def test_coverage_data_shows_the_table(project):
    assert table() in (project / "docs/coverage_data.md").read_text(encoding="utf-8")


def test_a_system_that_leaves_traces_has_no_install_block():
    """Its file is compiled only where something is installed, so it is never asked for one (on_demand_system.py)."""
    traced = [item for item in declared() if item.declared.traces]
    modules = {item.file: importlib.import_module(f"{systems.__name__}.{item.file}") for item in traced}
    assert [name for name, module in modules.items() if hasattr(module, "make_block_parts")] == []
    assert [route.route for item in traced for route in item.declared.routes if route.prevention] == []


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row.route[:20])
def test_claim_of_a_row_names_a_test(project, row):
    """Those of package systems: apps/test_systems.py."""
    for claim in filter(None, (row.detection, row.removal, row.prevention)):
        path, _, name = claim.test_name.partition("::")
        assert claim.statement and f"def {name}(" in (project / f"tests/{path}.py").read_text(encoding="utf-8")


def test_unseen_route_is_neither_removed_nor_silently_open():
    for row in ROUTES:
        assert row.detection or not (row.removed or row.prevention), row.route
        assert row.remaining_gap or (row.removed and row.prevention), row.route


def test_cells_do_not_break_the_table():
    rows = table().splitlines()
    assert len(rows) == len(ROUTES) + 2 and {row.count("|") for row in rows} == {len(HEAD) + 1}
