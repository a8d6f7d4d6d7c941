"""Formulae and casks of Homebrew taken off a host by Homebrew, as the user whose it is: it refuses to run for root.

It refuses by itself to take away what another formula needs, and is told to leave what the formula needed.
"""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import Host
from ...base import Action
from .as_owner import Tools, remove
from .package import Package

# Homebrew's manual, "Environment".
ENVIRONMENT = {
    "HOMEBREW_NO_ANALYTICS": "1",
    "HOMEBREW_NO_AUTO_UPDATE": "1",
    "HOMEBREW_NO_AUTOREMOVE": "1",
    "HOMEBREW_NO_ENV_HINTS": "1",
    "HOMEBREW_NO_INSTALL_FROM_API": "1",
}
OPTIONS = {"brew": ("--formula", "--force"), "brew_cask": ("--cask",)}  # --force: every version of it


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    tools = Tools(host)
    for package in packages:
        prefix = package.handles[0]
        if not package.owner or not package.owner.uid:
            refused.append((package, f"{prefix} is root's, and Homebrew does not run for root"))
        elif tool := tools.of(package, "", own=[f"{prefix}/bin/brew"]):
            argv = [tool, "uninstall", *OPTIONS[package.manager], package.id]
            still = partial(host.stat, package.path)
            actions.append(remove(host, package, argv, prefix, still, ENVIRONMENT))
        else:
            refused.append((package, f"Homebrew's own brew is not in {prefix}/bin"))
    return actions, refused
