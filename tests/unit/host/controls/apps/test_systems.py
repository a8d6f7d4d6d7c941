"""What each package system reads on a host that has nothing of it, and which directories are its own there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from made_users import ALICE, tree
from proscribe.host.controls.apps.systems.registry import ON_DEMAND, SYSTEMS
from proscribe.host.system import Host


class Noted(Host):
    """A host that notes what is read of it, but for what says which users there are."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.paths: list[str] = []

    def note(self, path: str) -> None:
        if not path.startswith("/etc/passwd") and path not in ("/home", "/home/alice", "/home/bob"):
            self.paths.append(path)

    def list(self, path: str) -> list[str]:
        self.note(path)
        return super().list(path)

    def stat(self, path: str) -> Any:
        self.note(path)
        return super().stat(path)

    def read(self, path: str, *limit: int) -> bytes | None:
        self.note(path)
        return super().read(path, *limit)


class Places(NamedTuple):
    """What is a package system's own, and what it reads: of the host, and of a user."""

    own: list[str] = []
    read: list[str] = []
    own_of_user: list[str] = []
    read_of_user: list[str] = []


def at_home(*paths: str) -> list[str]:
    return [f"/home/alice/{path}" for path in paths]


def conda(*above: str) -> Iterator[str]:
    kinds = ("conda", "miniconda", "miniconda3", "anaconda", "anaconda3", "miniforge", "miniforge3", "mambaforge")
    yield from (f"{folder}{kind}" for folder in above for kind in kinds)


def brew(room: str) -> Places:
    common = ["/home/linuxbrew/.linuxbrew"]
    own = at_home(f".linuxbrew/{room}", f"homebrew/{room}")
    return Places([], common, own, [*common, *own])


NODE = [f"{prefix}/lib/node_modules" for prefix in ("/usr", "/usr/local")]
OWN_NODE = at_home(*(f"{prefix}/lib/node_modules" for prefix in (".local", ".npm-global", ".npm-packages")))
PYTHONS = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"]
RPM = [
    f"{folder}/{name}"
    for folder in ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
    for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
]
CONDA = [*conda("/opt/", "/usr/local/")]
OWN_CONDA = at_home(".conda", ".pixi", "micromamba", ".local/share/mamba", *conda(""))
NIX = "/nix/var/nix/profiles"
PIPX = at_home(".local/share/pipx/venvs", ".local/pipx/venvs")
PLACES = {
    "dpkg": Places(read=["/var/lib/dpkg/status"]),
    "flatpak": Places(
        ["/var/lib/flatpak"],
        ["/etc/flatpak/installations.d", "/var/lib/flatpak/app"],
        at_home(".local/share/flatpak"),
        at_home(".local/share/flatpak/app"),
    ),
    "pacman": Places(read=["/var/lib/pacman/local"]),
    "rpm": Places(read=RPM),
    "snap": Places(read=["/var/lib/snapd/snaps"]),
    "npm": Places(NODE, NODE, OWN_NODE, [*at_home(".nvm/versions/node", ".npmrc"), *OWN_NODE]),
    "pip": Places([], PYTHONS * 2, [], at_home(".pyenv/versions", ".local/lib")),
    "pipx": Places(["/opt/pipx/venvs"], ["/opt/pipx/venvs"], PIPX, PIPX),
    "uv": Places([], [], at_home(".local/share/uv/tools"), at_home(".local/bin", ".local/share/uv/tools")),
    "brew": brew("Cellar"),
    "brew_cask": brew("Caskroom"),
    "conda": Places(
        [],
        [f"{path}/{name}" for name in ("envs", "conda-meta") for path in CONDA],
        [],
        [
            *(f"{path}/envs" for path in OWN_CONDA),
            *at_home(".conda/environments.txt"),
            *(f"{path}/conda-meta" for path in OWN_CONDA),
        ],
    ),
    "guix": Places([], [], [], [*at_home(".guix-extra-profiles"), "/var/guix/profiles/per-user/alice"]),
    "nix": Places(
        [],
        [NIX, f"{NIX}/per-user/root"],
        at_home(".local/share/nix/root/nix/store", ".nix/store", ".nix-portable/nix/store"),
        [*at_home(".local/state/nix/profiles"), f"{NIX}/per-user/alice"],
    ),
    "waydroid": Places([], [], at_home(".local/share/waydroid"), at_home(".local/share/waydroid/data/data")),
}
ANSWERS: dict[str, Any] = {system.MANAGER: system for system in SYSTEMS}
ANSWERS |= {system.MANAGER: system.inner() for system in ON_DEMAND}  # without asking first whether it is there


@pytest.mark.parametrize("name", PLACES)
def test_what_a_package_system_reads_and_what_is_its_own(tmp_path: Path, name: str) -> None:
    system, root = ANSWERS[name], str(tree(tmp_path))
    host, home = Noted(root), Noted(root)
    assert system.query(host, {"owl"}) == system.query_of(home, ALICE, {"owl"}) == ([], "")
    own = [list(system.owned_directories(Host(root), user)) for user in (None, ALICE)]
    assert Places(own[0], host.paths, own[1], home.paths) == PLACES[name]
    unused = Noted(root)
    assert system.query(unused, set()) == system.query_of(unused, ALICE, set()) == ([], "")
    assert unused.paths == [], "where nothing is to be found, nothing is read"
