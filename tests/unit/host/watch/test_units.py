"""The units that keep a host in line: which there are, and what systemd takes away from them."""

from __future__ import annotations

import configparser

import pytest
from proscribe.host.watch import units

TEXTS = units.texts(300)
SERVICES = [name for name in TEXTS if name.endswith(".service")]
FIXED = {
    "RestrictRealtime": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
}


def read(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit: by section and setting, all that it says."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in TEXTS[name].splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def test_what_is_installed_is_what_is_removed():
    assert set(units.ALL) == set(TEXTS)
    assert set(units.ENABLED) == {name for name in TEXTS if "Install" in read(name)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_has_to(name):
    service = read(name)["Service"]
    assert {key: service.get(key) for key in FIXED} == {key: [value] for key, value in FIXED.items()}
    assert service["RestrictAddressFamilies"] and service["SystemCallFilter"] and service["CapabilityBoundingSet"]


def test_what_runs_all_the_time_gains_no_right_and_reaches_nobody():
    """An observation calls package managers; the daemon calls nothing but itself."""
    daemon = read(units.LAUNCHES)["Service"]
    for setting in ("NoNewPrivileges", "RestrictNamespaces", "RestrictSUIDSGID", "MemoryDenyWriteExecute"):
        assert daemon[setting] == ["yes"]
    assert daemon["IPAddressDeny"] == ["any"]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("right", ["CAP_SYS_BOOT", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG"])
def test_no_service_has_the_right_to(name, right):
    """A set that begins with ~ takes away what it names, another one leaves nothing else."""
    sets = read(name)["Service"]["CapabilityBoundingSet"]
    assert (right in " ".join(sets).replace("~", "").split()) == sets[0].startswith("~")


@pytest.mark.parametrize(("every", "first", "spread"), [(30, "30", "3"), (60, "60", "6"), (3600, "60", "360")])
def test_hosts_begin_soon_and_not_together(every, first, spread):
    parser = configparser.ConfigParser()
    parser.read_string(units.texts(every)[units.TIMER])
    timer = parser["Timer"]
    assert (timer["OnActiveSec"], timer["OnUnitActiveSec"], timer["RandomizedDelaySec"]) == (first, str(every), spread)
