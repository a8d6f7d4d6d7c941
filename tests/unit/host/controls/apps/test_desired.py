"""A plan's section on apps, turned around: what of it is looked for, removed, kept out and permitted."""

from __future__ import annotations

from typing import Any

import pytest
from made_host import plan
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.portable.names import Names
from proscribe.model.finding import Finding

HERS = {"waiver": "w1", "users": ["alice"]}
VERSIONS = {"waiver": "w2", "versions": ["2", "10"]}
SERVICES: dict[str, Any] = {
    "owl": {"packages": {"apt": ["owl", "birds"]}, "paths": ["/opt/owl", "~/owl"], "processes": ["owl"]},
    "elk": {"packages": {"apt": ["elk", "birds"], "rpm": ["elk"]}, "paths": ["/opt/owl"], "processes": ["owl", "elk"]},
    "yak": {"packages": {"apt": ["yak"], "flatpak": ["org.yak"]}, "paths": ["/opt/yak"], "mode": "audit"},
    "emu": {"packages": {"apt": ["emu"]}, "paths": ["/opt/emu"], "mode": "waived"},
    "gnu": {"packages": {"apt": ["gnu", "emu"]}, "paths": ["/opt/gnu"], "only": {"users": ["bob"]}},
    "ape": {"packages": {"apt": ["ape"]}, "paths": ["/opt/ape"], "exceptions": [HERS, VERSIONS]},
    "ant": {"packages": {"apt": ["ape"]}, "paths": ["/opt/ant"], "exceptions": [{"waiver": "w3", "versions": ["1"]}]},
    "bee": {"packages": {"apt": ["bee"]}, "paths": ["/opt/bee"], "exceptions": [{**VERSIONS, "users": ["bob"]}, HERS]},
}


def desired(**services: Any) -> Desired:
    return Desired(plan(**(services or SERVICES))["controls"]["apps"])  # type: ignore[arg-type]


def test_what_enforcing_keeps_off_a_host() -> None:
    found = desired()
    assert found.restricted("dpkg") == {"owl", "birds", "elk", "ape", "bee"}
    assert (found.restricted("rpm"), found.restricted("flatpak")) == ({"elk"}, set())
    assert found.permitted("dpkg") == {"ape": ["1", "10", "2"]}
    assert found.closed_paths() == ["/opt/owl", "/opt/bee"]
    assert found.enforced([*SERVICES]) == ["owl", "elk", "gnu", "ape", "ant", "bee"]
    assert found.for_everybody([*SERVICES]) == ["owl", "elk", "ape", "ant", "bee"]


def test_whose_a_finding_is_where_a_waiver_covers_it_for_some() -> None:
    of_alice = Finding("package", "ape", "npm", "3", "user:alice")
    assert desired().holders(["ape", "ant"], of_alice) == ["ape"]
    assert desired().holders(["ape", "ant"], of_alice._replace(scope="user:bob")) == ["ape", "ant"]
    there = {**SERVICES["ant"], "exceptions": [{"waiver": "w4", "paths": ["/opt/x"]}]}
    assert desired(ant=there, owl=SERVICES["owl"]).holders(["owl", "ant"], of_alice, "/opt/x") == ["ant"]


@pytest.mark.parametrize("key", ["processes", "paths", "desktop_files", "markers", "windows", "web_hosts", "copies"])
def test_a_service_is_known_by_its_packages_alone_where_nothing_else_is_named(key: str) -> None:
    sole: dict[str, Any] = {"packages": {"apt": ["a"], "rpm": ["a"], "pip": []}}
    found = desired(owl=sole, elk={**sole, key: ["x"]}, yak={})
    assert found.by_package_only == {"owl": ["dpkg", "rpm"], "yak": []}


def test_the_stamp_differs_for_other_names_and_not_for_another_order() -> None:
    def stamp(**services: Any) -> str:
        found = desired(**services)
        return found.stamp(Names(found.services))

    one, two = {"packages": {"apt": ["a"]}, "processes": ["longer"]}, {"processes": ["other"]}
    assert stamp(a=one, b=two) == stamp(b=two, a=one)
    others = [{**one, "packages": {"apt": ["b"]}}, {**one, "packages": {"snap": ["a"]}}, {**one, "processes": ["new"]}]
    assert len({stamp(a=one), *(stamp(a=other) for other in others), stamp(a=one, b=two)}) == 5
