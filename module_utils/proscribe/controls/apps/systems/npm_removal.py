"""Packages of npm taken off a host by npm, each as the one whose prefix it is in."""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import ControlError, Host
from ....host.tools import TOOL_PATH
from ...base import Action
from ..file_owner import owner
from .package import Package, there

LIMIT = 300  # seconds
# Scripts of packages are not run: root would run them with all of root's rights. The rest keeps npm off the network.
OPTIONS = ["--ignore-scripts", "--offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """npm takes along only what lies inside the package's own directory."""
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    for package in packages:
        tool = _npm(host, package)
        if not package.owner and (whose := owner(host, f"{package.path}/package.json")):
            refused.append((package, f"it belongs to {whose}"))
        elif not tool:
            refused.append((package, "npm itself is not installed on this host"))
        else:
            subject = f"{package.id} ({package.scope}) from {package.handles[0]}"
            apply = partial(_uninstall, host, package, tool)
            actions.append(Action("remove", subject, apply, f"{package.id} {package.version}\n"))
    return actions, refused


def _npm(host: Host, package: Package) -> str:
    """The prefix's own npm, where a user has a whole Node there, else the host's; "" if there is none."""
    own = f"{package.handles[0]}/bin/npm"
    return own if package.owner and there(host, package.owner, own) else host.tool("npm") or ""


def _uninstall(host: Host, package: Package, tool: str) -> None:
    prefix = package.handles[0]
    # Its own directory first, since npm is a script that looks for its Node. For root that one is no user's.
    environment = {"PATH": f"{prefix}/bin:{TOOL_PATH}" if package.owner else TOOL_PATH}
    argv = [tool, "uninstall", "--global", "--prefix", prefix, *OPTIONS, package.id]
    host.must(argv, user=package.owner, environment=environment, timeout=LIMIT)
    if host.stat(package.path):
        raise ControlError(f"npm ended well, and {package.path} is still there")
