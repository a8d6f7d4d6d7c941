"""Where a part of a variable was written, as Ansible remembers it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from proscribe.controller.compile.inventory.places import place_within

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
