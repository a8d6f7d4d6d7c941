"""Whether a package system is there to be asked, and which directories are its own, of the host and of a user."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.systems.registry import SYSTEMS
from proscribe.host.system import Host

BY_NAME = {system.MANAGER: system for system in SYSTEMS}
# By system: a file that shows that the host has it, and one that shows that a user has.
OF_HOST = [
    ("dpkg", "/var/lib/dpkg/status"),
    ("pacman", "/var/lib/pacman/local/ALPM_DB_VERSION"),
    *(
        ("rpm", f"{place}/{file}")
        for place in ("/var/lib/rpm", "/usr/lib/sysimage/rpm")
        for file in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
    ),
    ("snap", "/var/lib/snapd/snaps/a_1.snap"),
    ("flatpak", "/usr/bin/flatpak"),
    ("flatpak", "/var/lib/flatpak/repo/config"),
    ("npm", "/usr/bin/npm"),
    ("npm", "/usr/local/lib/node_modules/a/package.json"),
]
OF_USER = [
    ("flatpak", "/home/alice/.local/share/flatpak/repo/config"),
    ("npm", "/home/alice/.npm-global/lib/node_modules/a/package.json"),
]


@pytest.mark.parametrize(("name", "file"), [*OF_HOST, *OF_USER])
def test_a_system_is_there_where_its_files_are(root: Path, name: str, file: str) -> None:
    system, host = BY_NAME[name], Host(str(root))
    if name == "rpm":  # whose folder alone is no database
        (root / file[1:]).parent.mkdir(parents=True)
    assert (system.there(host, None), system.there(host, ALICE)) == (False, False)
    put(root, file, mode=0o755)
    again = Host(str(root))
    assert (system.there(again, None), system.there(again, ALICE)) == ((name, file) in OF_HOST, (name, file) in OF_USER)


@pytest.mark.parametrize("name", ["pip", "pipx", "uv"])
def test_pythons_are_wherever_this_runs(root: Path, name: str) -> None:
    host = Host(str(root))
    assert BY_NAME[name].there(host, None) and BY_NAME[name].there(host, ALICE)


@pytest.mark.parametrize(
    ("name", "files", "of_host", "of_alice"),
    [
        ("dpkg", [], [], []),
        ("flatpak", [], ["/var/lib/flatpak"], ["/home/alice/.local/share/flatpak"]),
        (
            "npm",
            ["/home/alice/.nvm/versions/node/v22.1.0/bin/node"],
            ["/usr/lib/node_modules", "/usr/local/lib/node_modules"],
            ["/home/alice/.npm-global/lib/node_modules", "/home/alice/.nvm/versions/node/v22.1.0/lib/node_modules"],
        ),
        (
            "pip",
            [
                "/usr/local/lib/python3.13/dist-packages/a.py",
                "/home/alice/.local/lib/python3.13/site-packages/a.py",
                "/home/bob/.local/lib/python3.13/site-packages/a.py",
            ],
            ["/usr/local/lib/python3.13/dist-packages"],
            ["/home/alice/.local/lib/python3.13/site-packages"],
        ),
        (
            "pipx",
            [],
            ["/opt/pipx/venvs"],
            ["/home/alice/.local/share/pipx/venvs", "/home/alice/.local/pipx/venvs"],
        ),
        ("uv", [], [], ["/home/alice/.local/share/uv/tools"]),
    ],
)
def test_the_file_scan_takes_nothing_out_of_what_is_a_systems_own(
    root: Path, name: str, files: list[str], of_host: list[str], of_alice: list[str]
) -> None:
    for file in files:
        put(root, file)
    host, system = Host(str(root)), BY_NAME[name]
    assert set(of_host) <= set(system.owned_directories(host, None))
    assert set(of_alice) <= set(system.owned_directories(host, ALICE))
    every = {*system.owned_directories(host, None), *system.owned_directories(host, ALICE)}
    assert not [path for path in every if "bob" in path]
    assert bool(of_host) == bool(system.owned_directories(host, None))
