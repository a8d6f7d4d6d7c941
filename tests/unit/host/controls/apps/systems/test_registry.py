"""What each package system declares is what hosts ask and what the controller knows: names, traces, commands."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from derived.package_systems import Found, declared
from proscribe.controller.compile.reading.package_names import GUARDED, NAMES
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.host.controls.apps import systems
from proscribe.host.controls.apps.systems.registry import OF_THE_HOST, ON_DEMAND, SYSTEMS

ROWS: dict[str, Any] = {system.MANAGER: system for system in SYSTEMS}
ALL = [one.declared for one in declared()]
SPELLED = {one.key: one.ids for one in ALL if one.ids}


@pytest.mark.parametrize("one", declared(), ids=lambda one: one.file)
def test_hosts_ask_what_its_file_answers_wherever_it_leaves_traces(one: Found) -> None:
    row, system = ROWS[one.declared.name], one.declared
    file = importlib.import_module(f"{systems.__name__}.{one.file}")
    answers = getattr(file, system.answers) if system.answers else file
    assert (row.inner() if row in ON_DEMAND else row) is answers
    assert getattr(answers, "MANAGER", getattr(answers, "manager", "")) == row.MANAGER == system.name
    assert (row.CATALOGUE_KEY, row in OF_THE_HOST) == (system.key, system.of_the_host)
    assert (getattr(row, "traces", ()), getattr(row, "by_name", False)) == (tuple(system.traces), system.by_name)


@pytest.mark.parametrize("key", SPELLED)
def test_the_controller_spells_names_as_it_declares(key: str) -> None:
    ids = SPELLED[key]
    assert NAMES[key] == (ids.pattern, ids.meaning)
    assert re.fullmatch(ids.pattern, ids.good) and ids.bad
    assert not [bad for bad in ids.bad if not bad or re.fullmatch(ids.pattern, bad)]
    assert (key in GUARDED) is any(one.guarded for one in ALL if one.key == key)


@pytest.mark.parametrize("name", ROWS)
def test_the_controller_installs_again_as_it_declares(name: str) -> None:
    (system,) = [one for one in ALL if one.name == name]
    how, ids = system.reinstall, SPELLED[system.key]
    found = (ids.pattern, how.name, how.pin, dict(how.commands), dict(how.marks)) if how else None
    assert COMMANDS.get(name) == found


def test_nothing_else_is_known() -> None:
    assert NAMES.keys() == SPELLED.keys() and {*GUARDED} <= NAMES.keys()
    assert COMMANDS.keys() <= ROWS.keys() == {one.name for one in ALL}
