"""Flatpak apps: the system's, and every user's own, read from the directories that flatpak deploys them in."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Mapping, Sequence

from ...host import ControlError, Host, Process, Unseen, User
from ..base import Action
from .gate_parts import GatePart
from .package import Package

MANAGER = "flatpak"
CATALOGUE_KEY = "flatpak"
SYSTEM = "/var/lib/flatpak/app"
PERSONAL = "/.local/share/flatpak/app"  # below a home


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """A user's home is the user's word: whatever is odd in one is unseen there, and hides nothing of anybody else."""
    packages: list[Package] = []
    unseen: list[str] = []
    for directory, owner in _installations(host) if ids else ():
        try:
            present = sorted(ids & set(host.list(directory)))
        except (Unseen, ControlError) as error:
            unseen.append(str(error))
            continue
        for id_ in present:
            path = f"{directory}/{id_}"
            try:
                if handles := tuple(_deployed(host, path, id_)):
                    packages.append(Package(MANAGER, id_, "", handles, owner, path))
            except (Unseen, ControlError) as error:
                unseen.append(str(error))
    more = f" (and {len(unseen) - 1} more)" if len(unseen) > 1 else ""
    return packages, unseen[0] + more if unseen else ""


def _installations(host: Host) -> Iterator[tuple[str, User | None]]:
    yield SYSTEM, None
    for user in host.users():
        yield user.home + PERSONAL, user


def _deployed(host: Host, path: str, id_: str) -> Iterator[str]:
    """The full names of an app's deployed branches: those with an `active` link in `<path>/<arch>/<branch>/`."""
    for arch in host.list(path):
        if arch == "current":  # a link to the branch that is started when none is named
            continue
        for branch in host.list(f"{path}/{arch}"):
            if "active" in host.list(f"{path}/{arch}/{branch}"):
                yield f"app/{id_}/{arch}/{branch}"


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Flatpak puts a file in the root of each sandbox that says whose it is. That holds where the control group's name
    does not: without a systemd user session there is none. Apps that were removed while they ran are known by it too.
    """

    def program(process: Process) -> str:
        name = parse(host.read_inside(process, ".flatpak-info").decode("utf-8", "replace"))
        return name if name in ids else ""

    return program if ids else lambda process: ""


def parse(info: str) -> str:
    """The application's id in a `.flatpak-info`; "" if there is none (flatpak-metadata(5))."""
    group = ""
    for line in info.splitlines():
        if line.startswith("["):
            group = line.strip()
        elif group == "[Application]" and line.startswith("name="):
            return line[len("name=") :].strip()
    return ""


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    from . import flatpak_changes

    return flatpak_changes.removal(host, packages)


def gated(host: Host) -> bool:
    return host.tool("flatpak") is not None


def gate(ids: AbstractSet[str], contact: str, permitted: Mapping[str, Sequence[str]] = {}) -> tuple[GatePart, ...]:
    return ()  # `flatpak mask` does not stop an installation by name, and a user's own installation asks nobody
