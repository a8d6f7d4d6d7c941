"""The units of the watch, and the rights that systemd takes from them."""

import configparser

import pytest
from proscribe.host.watch import units

TEXTS = units.texts(300)
SERVICES = [name for name in TEXTS if name.endswith(".service")]
FIXED = {"RestrictRealtime": "yes", "LockPersonality": "yes", "SystemCallArchitectures": "native"}
FIXED |= {"SystemCallErrorNumber": "EPERM", "UMask": "0077"}


def read(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit: by section and setting, all that it says."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in TEXTS[name].splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_hardened(name):
    service = read(name)["Service"]
    assert {key: service.get(key) for key in FIXED} == {key: [value] for key, value in FIXED.items()}
    assert service["RestrictAddressFamilies"] and service["SystemCallFilter"] and service["CapabilityBoundingSet"]


def test_daemon_gains_no_right_and_reaches_no_address():
    """An observation calls package managers; the daemon calls nothing but itself."""
    daemon = read(units.LAUNCHES)["Service"]
    for setting in ("NoNewPrivileges", "RestrictNamespaces", "RestrictSUIDSGID", "MemoryDenyWriteExecute"):
        assert daemon[setting] == ["yes"]
    assert daemon["IPAddressDeny"] == ["any"]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("right", ["CAP_SYS_BOOT", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG"])
def test_service_lacks_dangerous_rights(name, right):
    """A set that begins with ~ takes away what it names, another one leaves nothing else."""
    sets = read(name)["Service"]["CapabilityBoundingSet"]
    assert (right in " ".join(sets).replace("~", "").split()) == sets[0].startswith("~")


@pytest.mark.parametrize(("every", "first", "spread"), [(30, "30", "3"), (3600, "60", "360")])
def test_timer_begins_soon_and_spreads_hosts(every, first, spread):
    parser = configparser.ConfigParser()
    parser.read_string(units.texts(every)[units.TIMER])
    timer = parser["Timer"]
    assert (timer["OnActiveSec"], timer["OnUnitActiveSec"], timer["RandomizedDelaySec"]) == (first, str(every), spread)
