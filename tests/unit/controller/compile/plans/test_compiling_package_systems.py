"""A package system that hosts know is known to the controller: its names are well formed, described, and sent."""

from __future__ import annotations

import datetime

import pytest
from derived.package_systems import Found, declared
from made import catalogue, service
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.plans.identifiers import PACKAGE_SYSTEMS
from proscribe.controller.compile.reading.grammar import PACKAGE_NAMES
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.systems.registry import SYSTEMS


@pytest.mark.parametrize("one", declared(), ids=lambda one: one.declared.name)
def test_every_system_of_a_host_is_known_to_the_controller(one: Found) -> None:
    key = one.declared.key
    (ids,) = [other.declared.ids for other in declared() if other.declared.key == key and other.declared.ids]
    good = ids.good
    assert PACKAGE_NAMES[key](good) == "" and ids.bad and all(bad and PACKAGE_NAMES[key](bad) for bad in ids.bad)
    made = catalogue(service("telegram", packages={key: (good,)}))
    plan = compile_plan(made, read_restrictions({}, str), (), datetime.date(2026, 11, 25))
    desired = Desired(plan["controls"]["apps"])
    assert desired.packages[one.declared.name] == {good: ["telegram"]}


def test_the_list_of_hosts_has_every_file() -> None:
    assert [(system.MANAGER, system.CATALOGUE_KEY) for system in SYSTEMS] == [
        (one.declared.name, one.declared.key) for one in declared()
    ]


def test_nothing_else_is_sent() -> None:
    assert set(PACKAGE_SYSTEMS) == {one.declared.key for one in declared()}
    assert set(PACKAGE_NAMES) - set(PACKAGE_SYSTEMS) == {"winget", "choco", "appx"}
