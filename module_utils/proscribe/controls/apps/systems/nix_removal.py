"""Packages taken out of profiles of Nix by Nix, each as the owner of the profile.

Both of its tools take a store path for a package of a profile, and that is exact: a name would be a pattern to
`nix-env`, and was one to `nix profile` before 2.20. What a profile loses stays in the store until it is collected.
"""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import Host
from ...base import Action
from . import nix
from .as_owner import Tools, remove
from .package import Package

DEFAULT = "/nix/var/nix/profiles/default"  # where an installation for all users has Nix itself
# The new command line has to be asked for; nothing is fetched.
ENVIRONMENT = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    tools = Tools(host)
    for package in packages:
        profile, kind, own = package.handles
        name = "nix" if kind == "profile" else "nix-env"
        if own:
            refused.append((package, f"{own} stands for /nix, and Nix removes it only in its user's view of the disk"))
            continue
        his = f"{package.owner.home}/.nix-profile/bin/{name}" if package.owner else ""
        tool = tools.of(package, name, [f"{DEFAULT}/bin/{name}"], [his])
        if not tool:
            refused.append((package, f"{name} is not installed on this host"))
            continue
        command = ["profile", "remove", "--profile", profile] if kind == "profile" else ["--profile", profile, "-e"]
        argv = [tool, *command, package.path]
        actions.append(remove(host, package, argv, profile, partial(_there, host, package), ENVIRONMENT))
    return actions, refused


def _there(host: Host, package: Package) -> bool:
    ids = {package.id}
    found, _ = nix.query_of(host, package.owner, ids) if package.owner else nix.query(host, ids)
    return any(one.path == package.path and one.handles[0] == package.handles[0] for one in found)
