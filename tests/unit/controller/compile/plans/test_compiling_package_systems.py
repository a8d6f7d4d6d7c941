"""A package system that hosts know is known to the controller: its names are well formed, described, and sent."""

from __future__ import annotations

from derived.package_systems import declared
from proscribe.controller.compile.plans.identifiers import PACKAGE_SYSTEMS
from proscribe.controller.compile.reading.grammar import PACKAGE_NAMES
from proscribe.host.controls.apps.systems.registry import SYSTEMS


def test_the_list_of_hosts_has_every_file() -> None:
    assert [(system.MANAGER, system.CATALOGUE_KEY) for system in SYSTEMS] == [
        (one.declared.name, one.declared.key) for one in declared()
    ]


def test_nothing_else_is_sent() -> None:
    assert set(PACKAGE_SYSTEMS) == {one.declared.key for one in declared()}
    assert set(PACKAGE_NAMES) - set(PACKAGE_SYSTEMS) == {"winget", "choco", "appx"}
