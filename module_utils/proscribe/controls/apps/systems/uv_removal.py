"""Tools of uv taken off a host by uv, each as the one who installed it."""

from __future__ import annotations

from functools import partial
from typing import Sequence

from ....host import Host
from ...base import Action
from .as_owner import Tools, remove
from .package import Package
from .site_packages import normal

# No configuration of a project, no network: what is removed is what lies there.
ENVIRONMENT = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """Whole environments, where the restricted package is what uv was asked for."""
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    tools = Tools(host)
    for package in packages:
        tool, home = package.handles[0], package.owner.home if package.owner else ""
        uv = tools.of(package, "uv", own=[f"{home}/.local/bin/uv", f"{home}/.cargo/bin/uv"])
        if normal(tool) != normal(package.id):
            refused.append((package, f"it came along with {tool!r}, which uv installed and nothing restricts"))
        elif not uv:
            refused.append((package, "uv itself is not installed on this host"))
        else:
            environment = package.path.partition("/lib/")[0]
            place = environment.rpartition("/")[0]
            argv = [uv, "tool", "uninstall", tool]
            variables = {**ENVIRONMENT, "UV_TOOL_DIR": place}
            still = partial(host.stat, package.path)
            actions.append(remove(host, package, argv, environment, still, variables))
    return actions, refused
