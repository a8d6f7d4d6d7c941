"""What a path of a policy may mean: beside the inventory first, then in the project; and never two folders at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.inventory.policy_folders import (
    catalogue_folders,
    folder_of_new_waivers,
    folders_of_registers,
    folders_of_waivers,
    places_of,
)
from proscribe.controller.compile.restrictions import Restrictions, read_restrictions
from proscribe.controller.policy_errors import PolicyErrors


class Made:
    """A project with two inventories, of which the first names the hosts, and folders in them."""

    def __init__(self, root: Path, *there: str) -> None:
        self.root = root
        for folder in ("project", "fleet", "second", *there):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "fleet/hosts.yml").touch()
        self.host = self.named("h1")

    def named(self, name: str) -> HostVariables:
        return HostVariables(name, {}, {}, str(self.root / "fleet"))

    def question(self, **more: Any) -> Question:
        folders = {key: self.root / folder for key, folder in more.items()}
        sources = [str(self.root / "fleet/hosts.yml"), str(self.root / "second")]
        return Question(self.root / "project", "audit", "audit", sources, "", [], [self.host], {}, **folders)

    def shown(self, folders: list[Path] | tuple[Path, ...]) -> list[str]:
        return [str(folder.relative_to(self.root)) for folder in folders]


def restrictions(**values: Any) -> Restrictions:
    return read_restrictions({f"proscribe_{name}": value for name, value in values.items()}, str)


def test_an_absolute_path_means_one_place(tmp_path: Path) -> None:
    made = Made(tmp_path)
    assert places_of("/own", made.question(), made.host) == [Path("/own")]


ONE = "a path that is one folder, not both {0}/{1} and {0}/{2}: rename one of them, or name the one that is meant by"
NONE = "a directory with <category>/<id>.yml files: {0}/fleet/own or {0}/second/own or {0}/project/own"


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["fleet/own"], ["project/catalog", "fleet/own"]),
        (["second/own"], ["project/catalog", "second/own"]),
        (["project/own"], ["project/catalog", "project/own"]),
        (["fleet/own", "second/own"], ["project/catalog", "fleet/own"]),
        (["fleet/own", "project/own"], ONE.replace("{1}", "fleet/own").replace("{2}", "project/own")),
        ([], NONE),
    ],
)
def test_an_organisations_own_catalogue(there: list[str], found: list[str] | str, tmp_path: Path) -> None:
    made = Made(tmp_path, *there)
    own = restrictions(catalog_dirs=["own"])
    if isinstance(found, list):
        assert made.shown(catalogue_folders(made.question(), made.host, own)) == found
        return
    with pytest.raises(PolicyErrors) as wrong:
        catalogue_folders(made.question(), made.host, own)
    (error,) = wrong.value.errors
    assert (error.where, error.key, error.value) == ("host h1", "proscribe_catalog_dirs", "own")
    assert error.expected.startswith(found.format(tmp_path))


def test_a_catalogue_in_the_place_of_the_projects_own(tmp_path: Path) -> None:
    made = Made(tmp_path, "fleet/ours", "project/more")
    own = restrictions(catalog="ours", catalog_dirs=["more"])
    assert made.shown(catalogue_folders(made.question(), made.host, own)) == ["fleet/ours", "project/more"]
    with pytest.raises(PolicyErrors, match="proscribe_catalog: found 'nosuch', expected a directory with <category>"):
        catalogue_folders(made.question(), made.host, restrictions(catalog="nosuch"))


def test_folders_of_waivers_and_the_registers_beside_them(tmp_path: Path) -> None:
    made = Made(tmp_path, "second/waivers", "project/department/waivers")
    (tmp_path / "project/again").symlink_to("department/waivers")
    question = made.question()
    question.hosts.extend(map(made.named, ("h2", "h3", "h4")))
    named = {"h1": "department/waivers", "h2": "again", "h3": ""}  # and of h4 nothing is known
    own = {name: restrictions(waivers_dir=folder) for name, folder in named.items()}
    department = "project/department"
    assert made.shown(folders_of_waivers(question, own)) == [f"{department}/waivers", "second/waivers"]
    assert made.shown(folders_of_registers(question, own)) == [department, "fleet", "second"]
    assert folder_of_new_waivers(question, own) == tmp_path / department / "waivers"
    assert folder_of_new_waivers(question, {}) == tmp_path / "fleet/waivers", "which is not there yet"
    with pytest.raises(
        PolicyErrors, match="proscribe_waivers_dir: found 'x', expected a directory with <id>.yml files"
    ):
        folders_of_waivers(question, {"h2": restrictions(waivers_dir="x")})


def test_where_nothing_says_which_there_is_no_folder_of_new_waivers(tmp_path: Path) -> None:
    question = Question(tmp_path, "audit", "audit", ["h1,"], "", [], [], {})
    assert folder_of_new_waivers(question, {}) is None
    assert folders_of_waivers(question, {}) == folders_of_registers(question, {}) == []
