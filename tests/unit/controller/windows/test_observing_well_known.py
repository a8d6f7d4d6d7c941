"""Fourteen well-known programs on a Windows host, however one can be there: each is named, or unknown with a reason
that names it. None is compliant, and none of the others is hit.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.windows import observing
from proscribe.controller.windows.command import APP_PACKAGES, SHELL, STARTED
from proscribe.model.finding import NONCOMPLIANT, UNKNOWN
from proscribe.model.plan import sealed
from proscribe.wire.replies import results
from well_known import WELL_KNOWN, WellKnown
from windows_answers import (
    ALICE,
    BOB,
    Registered,
    answered,
    app_package,
    app_path,
    device_package,
    installed,
    package_of_all,
    started,
    started_lately,
)

ELSEWHERE = "D:\\Portable"


def with_key(one: WellKnown, hive: str = "HKLM") -> Registered:
    said = {"DisplayName": one.name, "Publisher": one.publisher, "InstallLocation": one.folder}
    return installed(one.key, hive, **said, UninstallString=f"{one.folder}\\uninstall.exe")


class Presence(NamedTuple):
    """How a program is on a host, whether that is certain, and what names it."""

    values: Callable[[WellKnown], Registered]
    state: str = NONCOMPLIANT
    names: Callable[[WellKnown], str] = lambda one: one.name
    runs: bool = False
    away: bool = False  # of a user who is not logged in


def _family(one: WellKnown) -> str:
    return one.package.partition("_")[0]


def _image(one: WellKnown) -> str:
    return one.image


def _from_the_desktop(one: WellKnown) -> Registered:
    return started(f"{ELSEWHERE}\\{one.image}", one.name, one.publisher)


SERVICES = {one.service for one in WELL_KNOWN}
PRESENCES = {
    "installed for the machine": Presence(with_key),
    "installed for a user": Presence(lambda one: with_key(one, f"HKU\\{ALICE}")),
    "running": Presence(lambda one: {}, names=_image, runs=True),
    "app of a user": Presence(lambda one: app_package(one.package), names=_family),
    "app of a user who is not logged in": Presence(lambda one: device_package(one.package), names=_family, away=True),
    "app that each new user gets": Presence(lambda one: package_of_all(one.package), names=_family),
    "app that waits for a user": Presence(lambda one: package_of_all(one.package, BOB), names=_family, away=True),
    "path of its own": Presence(lambda one: app_path(one.image, path=f"{ELSEWHERE}\\{one.image}"), names=_image),
    "portable, started from the desktop": Presence(_from_the_desktop, UNKNOWN),
    "portable, run by a user who is not logged in": Presence(
        lambda one: started_lately(f"\\Device\\HarddiskVolume3\\{one.image}", BOB),
        *(UNKNOWN, _image, False, True),
    ),
    "portable, running": Presence(_from_the_desktop, names=_image, runs=True),
}


@pytest.fixture(scope="module")
def plan(own_catalogue: Catalogue) -> dict[str, Any]:
    """What the project's own catalogue says of the fourteen."""
    chosen = {"proscribe_categories": [], "proscribe_services_include": sorted(SERVICES)}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    enforced = {id_ for id_, one in compiled["controls"]["apps"]["services"].items() if one["mode"] == "enforce"}
    assert enforced == SERVICES and len(SERVICES) == 14
    return sealed({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


def rules(plan: Mapping[str, Any], values: Registered, **named: Any) -> dict[str, dict[str, Any]]:
    """The rules that are not plainly compliant, by service."""
    said = answered(values, code_page=["65001"], **named)
    made = observing.observe(plan, said, ["apps"], time.monotonic())  # type: ignore[arg-type]
    record = results.observation(observing.answered(made, "never"))["record"]
    return {str(rule["rule"]).partition("/")[2]: dict(rule) for rule in record["rules"]}


@pytest.mark.parametrize("name", PRESENCES)
@pytest.mark.parametrize("one", WELL_KNOWN, ids=lambda one: one.service)
def test_each_program_is_named_or_unknown_and_never_compliant(plan: dict[str, Any], one: WellKnown, name: str) -> None:
    presence = PRESENCES[name]
    tasks = [("System", 4), *[(one.image, 7)] * presence.runs]
    found = rules(plan, presence.values(one), tasks=tasks, profiles=(ALICE, BOB) if presence.away else (ALICE,))
    rule = found.pop(one.service)
    entry = plan["controls"]["apps"]["services"][one.service]
    doubtful = name.startswith("app ") and not entry.get("windows_packages", {}).get("appx")
    assert rule["state"] == (UNKNOWN if doubtful else presence.state)
    assert presence.names(one) in [finding["id"] for finding in rule["findings"]]
    assert rule["reason"] if rule["state"] == UNKNOWN else True
    others = [found[service] for service in SERVICES & found.keys()]
    assert {other["state"] for other in others} <= ({UNKNOWN} if presence.away else set())
    assert all(other["findings"] == [] for other in others)


@pytest.mark.parametrize("name", ["installed for a user", "app of a user", "portable, started from the desktop"])
@pytest.mark.parametrize(
    "named",
    [
        {"profiles": (ALICE, BOB)},
        {"refused": [f"HKU\\{ALICE}\\{key}" for key in ("Software", APP_PACKAGES, SHELL, STARTED)]},
        {"refused": [f"HKU\\{ALICE}\\{STARTED}"]},
        {"refused": ["HKU"]},
        {"architecture": ["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"]},
        {"tasks": ()},
    ],
)
def test_where_not_all_can_be_seen_none_is_compliant(plan: dict[str, Any], name: str, named: dict[str, Any]) -> None:
    """Whether one of them is there or not: what was not observed is unknown."""
    for values in ({}, *(PRESENCES[name].values(one) for one in WELL_KNOWN)):
        found = rules(plan, values, **named)
        states = {one.service: found[one.service]["state"] for one in WELL_KNOWN}
        assert set(states.values()) <= {UNKNOWN, NONCOMPLIANT}
        assert all(found[service]["reason"] for service, state in states.items() if state == UNKNOWN)


def test_without_any_of_them_a_host_is_compliant(plan: dict[str, Any]) -> None:
    assert not SERVICES & rules(plan, {}).keys()
