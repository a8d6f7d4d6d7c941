"""A plan's section on apps, turned around: what of it is looked for, removed, kept out and permitted."""

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


def test_enforced_names_are_those_that_nothing_permits():
    result = desired()
    assert result.restricted("dpkg") == {"owl", "birds", "elk", "ape", "bee"}
    assert (result.restricted("rpm"), result.restricted("flatpak")) == ({"elk"}, set())
    assert result.permitted("dpkg") == {"ape": ["1", "10", "2"]}
    assert result.closed_paths() == ["/opt/owl", "/opt/bee"]
    assert result.enforced([*SERVICES]) == ["owl", "elk", "gnu", "ape", "ant", "bee"]
    assert result.for_everybody([*SERVICES]) == ["owl", "elk", "ape", "ant", "bee"]


def test_finding_that_a_waiver_covers_belongs_to_the_others():
    of_alice = Finding("package", "ape", "npm", "3", "user:alice")
    assert desired().holders(["ape", "ant"], of_alice) == ["ape"]
    assert desired().holders(["ape", "ant"], of_alice._replace(scope="user:bob")) == ["ape", "ant"]
    present = {**SERVICES["ant"], "exceptions": [{"waiver": "w4", "paths": ["/opt/x"]}]}
    assert desired(ant=present, owl=SERVICES["owl"]).holders(["owl", "ant"], of_alice, "/opt/x") == ["ant"]


@pytest.mark.parametrize("key", ["processes", "paths", "desktop_files", "markers", "windows", "web_hosts", "copies"])
def test_a_service_is_known_by_its_packages_alone_where_nothing_else_is_named(key):
    sole: dict[str, Any] = {"packages": {"apt": ["a"], "rpm": ["a"], "pip": []}}
    result = desired(owl=sole, elk={**sole, key: ["x"]}, yak={})
    assert result.by_package_only == {"owl": ["dpkg", "rpm"], "yak": []}


def test_the_stamp_differs_for_other_names_and_not_for_another_order():
    def stamp(**services: Any) -> str:
        result = desired(**services)
        return result.stamp(Names(result.services))

    entry, other = {"packages": {"apt": ["a"]}, "processes": ["longer"]}, {"processes": ["other"]}
    assert stamp(a=entry, b=other) == stamp(b=other, a=entry)
    changes = ({}, {"packages": {"apt": ["b"]}}, {"packages": {"snap": ["a"]}}, {"processes": ["new"]})
    assert len({*(stamp(a={**entry, **change}) for change in changes), stamp(a=entry, b=other)}) == 5
