"""An organisation's own file changes an entry, and the entry keeps its id."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_catalogue import GOOD, Made, errors_of

OURS = "ours"
BASE = GOOD.replace(
    "sources: [a test]\n",
    "front_doors: [parrot.example]\nunverified:\n  domains: [parrot.test.example]\n  packages: {apt: [parrot-beta]}\n"
    "checked: 2026-01-02\nsources: [a test]\n",
)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made(BASE)
    return made


def amend(made: Made, text: str, name: str = "amends/parrot.yml") -> list[Path]:
    return [made.root / "catalog", made(f"---\namends: parrot\n{text}sources: [our desk]\n", name, OURS)]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("add: {domains: [parrot.example]}\n", "add.domains[0]", "that parrot does not have yet"),
        ("add: {domains: [parrot.test.example]}\n", "add.domains[0]", "it under accept"),
        ("remove: {domains: [parrot.exampl]}\n", "remove.domains[0]", "did you mean 'parrot.example'"),
        ("accept: {domains: [owl.example]}\n", "accept.domains[0]", "a value that parrot has under unverified"),
        ("add: {domains: [google.com]}\n", "add.domains[0]", "google.com carries search"),
        ("add: {domains: ['x y']}\n", "add.domains[0]", "a host name"),
        ("add: {packages: {apt: [dpkg]}}\n", "add.packages.apt[0]", "that a host can do without"),
        ("remove: {domains: [parrot.example]}\n", "front_doors[0]", "an address that the entry blocks"),
        ("add: {notes: [x]}\n", "add.notes", "a known key"),
        ("enforce: 'yes'\n", "enforce", "one of true, false"),
    ],
)
def test_a_mistake_names_the_place_in_the_file_that_made_it(made: Made, text: str, key: str, expected: str) -> None:
    (error,) = errors_of(*amend(made, text))
    assert (error.key, expected in error.expected) == (key, True)
    assert ("amends/parrot.yml" in error.where) is (key != "front_doors[0]")


def test_what_is_amended_is_there_and_the_file_has_its_name(made: Made) -> None:
    folders = [made.root / "catalog", made("---\namends: parot\nsources: [x]\n", "amends/parot.yml", OURS)]
    (error,) = errors_of(*folders)
    assert (error.key, error.expected) == ("amends", "the id of a service, did you mean 'parrot'?")
    (made.root / OURS / "amends/parot.yml").unlink()
    (error,) = errors_of(*amend(made, "enforce: 'false'\n", "amends/owl.yml"))
    assert (error.key, error.expected) == ("amends", "owl, the name of its file")


def test_what_identifies_a_service_cannot_all_be_removed(made: Made) -> None:
    remove = "remove: {domains: [parrot.example.com, parrot.example], packages: {apt: [parrot]},"
    remove += " front_doors: [parrot.example]}\n"
    assert errors_of(*amend(made, remove + "accept: {packages: {apt: [parrot-beta]}}\n")) == []
    made(GOOD.replace("sources:", "front_doors: [parrot.example]\nsources:"))
    (error,) = errors_of(*amend(made, remove))
    assert "at least one key that identifies the service" in error.expected
