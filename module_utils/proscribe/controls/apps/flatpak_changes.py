"""Flatpak apps taken off a host by flatpak itself: a user's own as that user, so that root does nothing in a home."""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ...host import Host
from ..base import Action
from .package import Package

LIMIT = 300  # seconds


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """An action for each app and installation. The user's data in ~/.var/app stays, and so do runtimes."""
    if not host.tool("flatpak"):
        return [], [(package, "flatpak itself is not installed on this host") for package in packages]
    return [
        Action(
            "remove",
            f"{package.id} ({package.scope})",
            partial(_uninstall, host, package),
            "".join(f"{handle}\n" for handle in package.handles),
        )
        for package in packages
    ], []


def _uninstall(host: Host, package: Package) -> None:
    where = "--user" if package.owner else "--system"
    argv = ["flatpak", "uninstall", where, "--assumeyes", "--noninteractive", *package.handles]
    host.must(argv, user=package.owner, timeout=LIMIT)
