"""What unit tests share."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.controller.compile.catalogue import catalogue_loader
from proscribe.controller.compile.catalogue.entry_files import CatalogueEntry
from proscribe.controller.policy_errors import PolicyError

OWN = Path(__file__).resolve().parents[2] / "catalog"


@pytest.fixture(scope="session", autouse=True)
def own_files_read_once():
    """No test changes a file of the project's own catalogue. To read and check them all takes a third of a second, and
    hundreds of tests load it, alone or with others. `catalogue.read_entries` is what they have of it.
    """
    read = catalogue_loader.read_entries

    @functools.cache
    def known() -> tuple[list[CatalogueEntry], list[PolicyError]]:
        errors: list[PolicyError] = []
        return list(read(OWN, 0, errors)), errors

    def read_entries(directory: Path, rank: int, errors: list[PolicyError]) -> Iterator[CatalogueEntry]:
        if (directory, rank) != (OWN, 0):
            yield from read(directory, rank, errors)
            return
        errors += known()[1]
        yield from known()[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue_loader, "read_entries", read_entries)
        yield
