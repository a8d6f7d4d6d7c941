"""A package system that hosts know is known to the controller: its names are well formed, described, and sent."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from derived import app_routes, package_systems
from derived.package_systems import Found, declared
from derived.part import Part
from made import catalogue, service
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.plans.identifiers import PACKAGE_SYSTEMS
from proscribe.controller.compile.reading.grammar import PACKAGE_NAMES
from proscribe.controller.compile.reading.package_names import GUARDED, NAMES
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.systems.registry import OF_THE_HOST, ON_DEMAND, SYSTEMS


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


def test_the_controller_knows_what_each_declares() -> None:
    """How names are spelled, whose are guarded, and how what was removed is installed again."""
    all_ = [one.declared for one in declared()]
    spelled = {one.key: one.ids for one in all_ if one.ids}
    assert {key: (ids.pattern, ids.meaning) for key, ids in spelled.items()} == NAMES
    assert sorted({one.key for one in all_ if one.guarded}) == list(GUARDED)
    assert {
        one.name: (spelled[one.key].pattern, how.name, how.pin, dict(how.commands), dict(how.marks))
        for one in all_
        if (how := one.reinstall)
    } == COMMANDS


def test_hosts_look_for_what_each_declares() -> None:
    all_ = [one.declared for one in declared()]
    on_hosts = [(one.MANAGER, one.CATALOGUE_KEY, one.traces, one.by_name) for one in ON_DEMAND]
    assert on_hosts == [(one.name, one.key, tuple(one.traces), one.by_name) for one in all_ if one.traces]
    assert [one.MANAGER for one in OF_THE_HOST] == [one.name for one in all_ if one.of_the_host]


def test_nothing_else_is_sent() -> None:
    assert set(PACKAGE_SYSTEMS) == {one.declared.key for one in declared()}
    assert set(PACKAGE_NAMES) - set(PACKAGE_SYSTEMS) == {"winget", "choco", "appx"}


@pytest.mark.parametrize("part", [*package_systems.DERIVED, *app_routes.DERIVED], ids=lambda part: part.path)
def test_what_follows_from_what_they_declare_is_written(part: Part, project: Path) -> None:
    text = (project / part.path).read_text(encoding="utf-8")
    assert part.applied(text) == text
