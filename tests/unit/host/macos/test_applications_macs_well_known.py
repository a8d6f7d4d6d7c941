"""Fourteen well-known programs on a Mac, wherever an application can lie: each is named, and none is compliant."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from made_mac import RUNNING, Mac
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.macos.observing import record_of
from proscribe.host.system import Host, Unseen
from proscribe.model.finding import NONCOMPLIANT, UNKNOWN
from proscribe.model.plan import sealed
from proscribe.wire.replies import record as replies
from well_known import WELL_KNOWN, WellKnown

SERVICES = {one.service for one in WELL_KNOWN}


@pytest.fixture(scope="module")
def plan(own_catalogue: Catalogue) -> dict[str, Any]:
    """What the project's own catalogue says of the fourteen."""
    chosen = {"proscribe_categories": [], "proscribe_services_include": sorted(SERVICES)}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    return sealed({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


def rules(host: Host, plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules that are not plainly compliant, by service."""
    made = record_of(host, plan, ["apps"])  # type: ignore[arg-type]
    return {str(rule["rule"]).partition("/")[2]: dict(rule) for rule in replies.taken(made)["rules"]}


PLACES = {
    "installed": "/Applications/{}.app",
    "installed in a folder": "/Applications/Work/2026/{}.app",
    "installed by a user": "/Users/alice/Applications/{}.app",
    "running from elsewhere": "/Users/alice/Downloads/{}.app",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("one", WELL_KNOWN, ids=lambda one: one.service)
def test_each_program_is_named_and_never_compliant(
    tmp_path: Path, plan: dict[str, Any], one: WellKnown, place: str
) -> None:
    mac, path = Mac(tmp_path), PLACES[place].format("another name")
    mac.bundle(path, one.bundle)
    if place.startswith("running"):
        mac.running = (*RUNNING, f"  700   501 {path}/Contents/MacOS/x")
    found = rules(mac.host, plan)
    rule = found.pop(one.service)
    assert (rule["state"], [finding["path"] for finding in rule["findings"]]) == (NONCOMPLIANT, [path])
    assert not SERVICES & found.keys()


@pytest.mark.parametrize("closed", ["/Applications", "/Users", "/Users/alice/Applications", "ps"])
def test_where_not_all_can_be_seen_none_is_compliant(tmp_path: Path, plan: dict[str, Any], closed: str) -> None:
    mac = Mac(tmp_path)

    class Closed(Host):
        def list(self, path: str) -> list[str]:
            if path == closed:
                raise Unseen(f"{path} cannot be read")
            return super().list(path)

    mac.running = () if closed == "ps" else RUNNING
    found = rules(Closed(str(mac.root), mac.host._run), plan)
    assert {found[service]["state"] for service in SERVICES} == {UNKNOWN}
    assert all(found[service]["reason"] for service in SERVICES)


def test_without_any_of_them_a_mac_is_compliant(tmp_path: Path, plan: dict[str, Any]) -> None:
    assert not SERVICES & rules(Mac(tmp_path).host, plan).keys()
