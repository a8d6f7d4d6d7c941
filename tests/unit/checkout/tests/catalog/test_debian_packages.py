"""The list of what the archives of Debian have of the catalogue: it has no name that the catalogue has lost."""

import pytest
import yaml


@pytest.fixture(scope="module")
def table(project):
    return yaml.safe_load((project / "tests/catalog/debian_packages.yml").read_text())


@pytest.fixture(scope="module")
def in_archives(table):
    return {name for suite in table["suites"].values() for names in suite.values() for name in names}


@pytest.fixture(scope="module")
def named(own_catalogue):
    return {name for service in own_catalogue.services.values() for name in service.packages.get("apt", ())}


def test_the_catalogue_has_each_name_of_the_list(in_archives, named):
    assert in_archives - named == set()


def test_what_an_exception_is_about_is_in_the_archives(table, in_archives):
    assert {*table["apart"], *(name for stays in table["stays"].values() for name in stays)} <= in_archives


def test_no_entry_has_what_is_said_to_be_permitted(table, named):
    assert table["dependents"].keys() & named == set() and all(table["dependents"].values())
