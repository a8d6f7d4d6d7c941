"""What was not observed does not count as compliant, and what vanishes during an observation is no evidence.

Each of these was a mistake that no test noticed. A service whose programs are known by name only counted as compliant
beside a home that was not scanned. Root's own home was never scanned. A program that ended between two reads of it
ended the observation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_host import MadeHost, plan
from proscribe.host.controls import apps
from proscribe.model.finding import Verdict

# -- of what nothing is known that this host could have: there was nothing to look for ---------------------------------


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
