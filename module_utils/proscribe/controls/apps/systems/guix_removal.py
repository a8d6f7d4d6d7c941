"""Packages taken out of profiles of Guix by Guix, each as the owner of the profile.

It takes out the entries of that very name and nothing that they need (guix/profiles.scm, manifest-remove).
"""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import Host
from ...base import Action
from . import guix
from .as_owner import Tools, remove
from .package import Package

ROOTS_OWN = f"{guix.PROFILES}/root/current-guix/bin/guix"


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    tools = Tools(host)
    for package in packages:
        profile, kind = package.handles
        own = f"{package.owner.home}/.config/guix/current/bin/guix" if package.owner else ""
        tool = tools.of(package, "guix", [ROOTS_OWN], [own])
        if kind == "home":
            refused.append(
                (package, "the configuration of its user's home lists it (guix home): he takes it out there")
            )
        elif not tool:
            refused.append((package, "guix itself is not installed on this host"))
        else:
            argv = [tool, "package", f"--profile={profile}", f"--remove={package.id}"]
            actions.append(remove(host, package, argv, profile, partial(_there, host, package)))
    return actions, refused


def _there(host: Host, package: Package) -> bool:
    found, _ = guix.query_of(host, package.owner, {package.id}) if package.owner else ([], "")
    return any(one.handles[0] == package.handles[0] for one in found)
