"""A service of which nothing is known that this host could have is no compliant one: there was nothing to look for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controls import apps
from proscribe.finding import Verdict
from test_apps import MadeHost, plan


@pytest.fixture
def host(tmp_path: Path) -> MadeHost:
    return MadeHost(tmp_path)


def seen(host: MadeHost, **known_by: Any) -> Verdict:
    (verdict,) = [one for one in apps.observe(host, plan(parrot=known_by)) if one.rule == "apps/parrot"]
    return verdict


def make(host: MadeHost, path: str) -> None:
    (Path(host.root) / path).mkdir(parents=True)


# (package systems that know it, what the host has of one)
SYSTEMS = [
    ({"pacman": ["parrot"]}, "var/lib/pacman/local"),
    ({"snap": ["parrot"]}, "var/lib/snapd/snaps"),
    ({"flatpak": ["org.parrot.Parrot"]}, "home/alice/.local/share/flatpak"),
    ({"npm": ["parrot"]}, "home/alice/.npm-global/lib/node_modules"),
    ({"android": ["org.parrot"]}, "home/alice/.local/share/waydroid"),
    ({"brew": ["parrot"]}, "home/linuxbrew/.linuxbrew"),
    ({"rpm": ["parrot"], "pacman": ["parrot"]}, "var/lib/pacman/local"),
]


@pytest.mark.parametrize(("packages", "place"), SYSTEMS, ids=["-".join(packages) for packages, _ in SYSTEMS])
def test_a_package_of_a_system_that_the_host_has_not_is_not_applicable(
    host: MadeHost, packages: dict[str, list[str]], place: str
) -> None:
    verdict = seen(host, packages=packages)
    assert verdict.state == "not_applicable"
    assert verdict.reason.startswith("nothing known to look for: this host has no ")
    make(host, place)
    assert seen(host, packages=packages).state == "compliant"


@pytest.mark.parametrize(
    "more",
    [
        {"processes": ["parrot"]},
        {"paths": ["/opt/parrot"]},
        {"desktop_files": ["parrot.desktop"]},
        {"web_hosts": ["parrot.example"]},
        {"packages": {"pip": ["parrot"]}},
    ],
    ids=["processes", "paths", "desktop files", "web hosts", "pip, which needs nothing"],
)
def test_what_else_can_be_looked_for_makes_it_compliant(host: MadeHost, more: dict[str, Any]) -> None:
    assert seen(host, **{"packages": {"pacman": ["parrot"]}, **more}).state == "compliant"


def test_a_home_that_cannot_be_looked_through_may_have_it(host: MadeHost) -> None:
    make(host, "home/alice/" + "d/" * 200)
    observed = apps.observe(host, plan(parrot={"packages": {"android": ["org.parrot"]}}, other={"processes": ["x"]}))
    assert {one.rule: one.state for one in observed}["apps/parrot"] == "unknown"
