"""The list of what the archives of Debian have of the catalogue: it has no name that the catalogue has lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.catalogue.loading import Catalogue


@pytest.fixture(scope="module")
def table(project: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((project / "tests/catalog/debian_packages.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def in_archives(table: dict[str, Any]) -> set[str]:
    return {name for suite in table["suites"].values() for names in suite.values() for name in names}


@pytest.fixture(scope="module")
def named(own_catalogue: Catalogue) -> set[str]:
    return {name for service in own_catalogue.services.values() for name in service.packages.get("apt", ())}


def test_the_catalogue_has_each_name_of_the_list(in_archives: set[str], named: set[str]) -> None:
    assert in_archives - named == set()


def test_what_an_exception_is_about_is_in_the_archives(table: dict[str, Any], in_archives: set[str]) -> None:
    assert {*table["apart"], *(name for stays in table["stays"].values() for name in stays)} <= in_archives


def test_no_entry_has_what_is_said_to_be_permitted(table: dict[str, Any], named: set[str]) -> None:
    assert table["dependents"].keys() & named == set()
    assert all(table["dependents"].values())


def test_the_lists_are_in_order(table: dict[str, Any]) -> None:
    lists = [list(table[key]) for key in ("apart", "dependents")]
    lists += [names for suite in table["suites"].values() for names in suite.values()]
    assert lists == [sorted(set(names)) for names in lists]
