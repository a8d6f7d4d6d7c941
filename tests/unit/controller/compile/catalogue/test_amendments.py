"""Amendments of entries by an organisation."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_catalogue import GOOD, Made, errors_of
from proscribe.controller.compile.catalogue.amendments import Origins, amended
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.reading.yaml_file import read_yaml

OURS = "ours"
BASE = GOOD.replace(
    "sources: [a test]\n",
    "front_doors: [parrot.example]\nunverified:\n  domains: [parrot.test.example]\n  packages: {apt: [parrot-beta]}\n"
    "checked: 2026-01-02\nsources: [a test]\n",
)


@pytest.fixture
def made(tmp_path):
    made = Made(tmp_path)
    made(BASE)
    return made


def write_amendment(made: Made, text: str, name: str = "amends/parrot.yml") -> list[Path]:
    return [made.root / "catalog", made(f"---\namends: parrot\n{text}sources: [our desk]\n", name, OURS)]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("add: {domains: [parrot.example]}\n", "add.domains[0]", "that parrot does not have yet"),
        ("add: {domains: [parrot.test.example]}\n", "add.domains[0]", "it under accept"),
        ("remove: {domains: [parrot.exampl]}\n", "remove.domains[0]", "did you mean 'parrot.example'"),
        ("accept: {domains: [owl.example]}\n", "accept.domains[0]", "a value that parrot has under unverified"),
        ("add: {domains: [google.com]}\n", "add.domains[0]", "google.com carries search"),
        ("add: {packages: {apt: [dpkg]}}\n", "add.packages.apt[0]", "that a host can do without"),
        ("remove: {domains: [parrot.example]}\n", "front_doors[0]", "an address that the entry blocks"),
        ("add: {notes: [x]}\n", "add.notes", "a known key"),
        ("enforce: 'yes'\n", "enforce", "one of true, false"),
    ],
)
def test_a_mistake_names_the_place_in_the_file_that_made_it(made, text, key, expected):
    (error,) = errors_of(*write_amendment(made, text))
    assert (error.key, expected in error.expected) == (key, True)
    assert ("amends/parrot.yml" in error.where) is (key != "front_doors[0]")


def test_amendment_names_an_existing_service_as_its_file_does(made):
    folders = [made.root / "catalog", made("---\namends: parot\nsources: [x]\n", "amends/parot.yml", OURS)]
    (error,) = errors_of(*folders)
    assert (error.key, error.expected) == ("amends", "the id of a service, did you mean 'parrot'?")
    (made.root / OURS / "amends/parot.yml").unlink()
    (error,) = errors_of(*write_amendment(made, "enforce: 'false'\n", "amends/owl.yml"))
    assert (error.key, error.expected) == ("amends", "owl, the name of its file")


def test_amendment_changes_the_version_of_the_catalogue(made):
    alone = load([made.root / "catalog"]).version
    assert load(write_amendment(made, "enforce: 'false'\n")).version != alone


def test_amendment_cannot_remove_all_identifiers(made):
    remove = "remove: {domains: [parrot.example.com, parrot.example], packages: {apt: [parrot]},"
    remove += " front_doors: [parrot.example]}\n"
    assert errors_of(*write_amendment(made, remove + "accept: {packages: {apt: [parrot-beta]}}\n")) == []
    made(GOOD.replace("sources:", "front_doors: [parrot.example]\nsources:"))
    (error,) = errors_of(*write_amendment(made, remove))
    assert "at least one key that identifies the service" in error.expected


ENTRY_DATA: dict[str, Any] = yaml.safe_load("""
id: parrot
notes: ""
audience: consumer
enforce: "true"
programs: private
domains: [a.example, b.example]
packages: {apt: [parrot], rpm: [parrot]}
markers: {go: [x.example/y]}
decided: [{names: [n.example], as: shared, why: x}]
compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-01-02"}]
unverified: {domains: [u.example], packages: {apt: [parrot-beta], snap: [parrot]}, notes: of these}
sources: [a test, another]
""")
AMENDMENT = """
amends: parrot
accept: {domains: [u.example, v.example], packages: {snap: [parrot]}}
add: {domains: [c.example, a.example], urls: [d.example/x], packages: {apt: [parrot-beta, parrot-x]}}
remove: {domains: [b.example, zebra], packages: {rpm: [parrot]}, markers: {go: [x.example/y]}}
audience: both
enforce: "false"
programs: both
checked: "2026-11-01"
networks_checked: "2026-11-02"
networks_note: new
checked_accepted: {day: "2026-11-01"}
decided: [{names: [m.example], as: refused, why: y}]
compared: [{with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
notes: not taken
sources: [another, our desk]
"""


def test_amendment_changes_values_and_origins(tmp_path):
    before = copy.deepcopy(ENTRY_DATA)
    (tmp_path / "earlier.yml").write_text("amends: parrot\n")
    (tmp_path / "ours.yml").write_text(AMENDMENT)
    earlier, ours = read_yaml(tmp_path / "earlier.yml"), read_yaml(tmp_path / "ours.yml")
    origins: Origins = {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "b.example"): (earlier, ("add", "domains", 1)),
    }
    found, mistakes = amended(ENTRY_DATA, origins, ours)
    assert found.data == yaml.safe_load("""
        id: parrot
        notes: ""
        audience: both
        enforce: "false"
        programs: both
        domains: [a.example, u.example, c.example]
        urls: [d.example/x]
        packages: {apt: [parrot, parrot-x], snap: [parrot]}
        decided: [{names: [n.example], as: shared, why: x}, {names: [m.example], as: refused, why: y}]
        compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
        unverified: {packages: {apt: [parrot-beta]}, notes: of these}
        checked: "2026-11-01"
        networks_checked: "2026-11-02"
        networks_note: new
        checked_accepted: {day: "2026-11-01"}
        sources: [a test, another, our desk]
        """)
    assert found.origins == {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "u.example"): (ours, ("accept", "domains", 0)),
        (("packages", "snap"), "parrot"): (ours, ("accept", "packages", "snap", 0)),
        (("domains",), "c.example"): (ours, ("add", "domains", 0)),
        (("urls",), "d.example/x"): (ours, ("add", "urls", 0)),
        (("packages", "apt"), "parrot-x"): (ours, ("add", "packages", "apt", 1)),
    }
    assert mistakes == [
        (("accept", "domains", 1), "v.example", "a value that parrot has under unverified"),
        (("add", "domains", 1), "a.example", "a value that parrot does not have yet"),
        (("add", "packages", "apt", 0), "parrot-beta", "it under accept: parrot has it under unverified"),
        (("remove", "domains", 1), "zebra", "a value that parrot has"),
    ]
    assert before == ENTRY_DATA and len(origins) == 2
