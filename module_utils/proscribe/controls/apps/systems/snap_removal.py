"""Snaps taken off a host by snapd, each after a snapshot of its users' data that no retention takes away."""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import Host
from ...base import Action
from .package import Package

LIMIT = 600  # seconds; what users keep in a snap may be large


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """snapd removes the one snap that it is asked for, and refuses one that others need."""
    if not host.tool("snap"):
        return [], [(package, "snap itself is not installed on this host") for package in packages]
    return [
        Action(
            "remove",
            f"{package.handles[0]} ({package.scope})",
            partial(_remove, host, package.handles[0]),
            f"{package.handles[0]} {package.version}\n",
        )
        for package in packages
    ], []


def _remove(host: Host, instance: str) -> None:
    """snapd takes ~/snap/<name> away with the snap. Its own snapshot of it is kept for 31 days, or not made at all if
    an administrator said so (snapshots.automatic.retention); one that was asked for is kept until somebody forgets it.
    """
    host.must(["snap", "save", instance], timeout=LIMIT)
    host.must(["snap", "remove", instance], timeout=LIMIT)
