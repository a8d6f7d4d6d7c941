"""Where a part of a variable was written, as Ansible remembers it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from proscribe.controller.compile.inventory.places import Origin, paths_of, place_within, set_in

VARIABLES = """\
proscribe_controls:
  apps: enforce
  dns:
    - audit
    - wrong
proscribe_zone: desks
proscribe_end_grace: 5
"""


@pytest.mark.parametrize(
    ("variable", "steps", "wrong", "line"),
    [
        pytest.param("proscribe_controls", "", None, 1, id="the variable, at its name"),
        pytest.param("proscribe_controls", ".apps", None, 2, id="a key"),
        pytest.param("proscribe_controls", ".dns[1]", None, 5, id="an item by its number"),
        pytest.param("proscribe_controls", ".dns", "wrong", 5, id="an item that is wrong"),
        pytest.param("proscribe_controls", ".dns[7]", None, 4, id="an item that is not there: its list"),
        pytest.param("proscribe_controls", ".browser", None, 1, id="a key that is not there: its mapping"),
        pytest.param("proscribe_zone", "[2]", None, 6, id="a text has no items, though it has letters"),
        pytest.param("proscribe_end_grace", "[0]", None, 7, id="a number has no items"),
        pytest.param("proscribe_zone", ".apps", None, 6, id="a text has no keys"),
    ],
)
def test_the_nearest_place_that_is_known(tmp_path: Path, variable: str, steps: str, wrong: object, line: int) -> None:
    file = tmp_path / "all.yml"
    file.write_text(VARIABLES)
    values = DataLoader().load_from_file(str(file))
    (key,) = (key for key in values if key == variable)
    assert place_within(key, values[variable], steps, wrong) == f"{file}:{line}"


X = "proscribe_x"
OF_ALL, OF_GROUP, OF_HOST = (
    "all: {{vars: {}}}",
    "all: {{children: {{web: {{vars: {}}}}}}}",
    "all: {{hosts: {{h1: {}}}}}",
)
# Where one variable can stand, the place with the last word last; in an inventory, with what is around it there.
PLACES = {
    "fleet/1.yml": OF_ALL,
    "fleet/2.yml": OF_GROUP,
    "fleet/group_vars/all.yml": "{}",
    "second/group_vars/all.yml": "{}",
    "play/group_vars/all.yml": "{}",
    "fleet/group_vars/web.yml": "{}",
    "second/group_vars/web.yml": "{}",
    "play/group_vars/web.yml": "{}",
    "fleet/3.yml": OF_HOST,
    "fleet/host_vars/h1.yml": "{}",
    "second/host_vars/h1.yml": "{}",
    "play/host_vars/h1.yml": "{}",
    "extra.yml": "{}",
}
HOSTS = "all: {children: {web: {hosts: {h1: , h2: }}, other: {hosts: {h2: }}}}"


@pytest.mark.skipif(Origin is None, reason="Ansible says where since 2.19")
@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(PLACES), ("fleet/1.yml", "extra.yml")])
def test_the_place_with_the_last_word_is_named(one: str, other: str, tmp_path: Path) -> None:
    loader = DataLoader()
    files = {"fleet/hosts.yml": HOSTS, "second/hosts.yml": "all: {}", "play/play.yml": "[]"}
    files |= {place: PLACES[place].format(f"{{{X}: {place}}}") for place in (one, other)}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"---\n{text}\n")
    loader.set_basedir(str(tmp_path / "play"))
    inventory = InventoryManager(loader=loader, sources=[str(tmp_path / name) for name in ("fleet", "second")])
    variables = VariableManager(loader=loader, inventory=inventory)
    if other == "extra.yml":
        variables._extra_vars = loader.load_from_file(str(tmp_path / other))
    hostvars = HostVars(inventory, variables, loader)
    assert hostvars.raw_get("h1")[X] == other, "as Ansible has it"
    assert set_in(hostvars, "h1", X) == f"{tmp_path}/{other}:2"
    assert set_in(hostvars, "h1", "proscribe_y") == set_in(hostvars, "nobody", X) == ""


def test_a_source_with_a_comma_is_a_path_where_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a, b").mkdir()
    sources = [str(tmp_path / name) for name in ("a, b", "c, d", "e")]
    assert paths_of(["web1,", *sources]) == [tmp_path / "a, b", tmp_path / "e"]
