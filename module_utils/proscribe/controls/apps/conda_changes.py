"""Packages taken out of environments of conda by conda, mamba or micromamba, each as the owner of the environment.

Removing one takes along what needs it, and some tools what it needed. So each is simulated first (`--dry-run --json`),
and refused where more would go.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Sequence

from ...host import ControlError, Host
from ..base import Action
from .as_owner import LIMIT, remove, tool_of
from .conda import META
from .owners import owner
from .package import Package

TOOLS = ("conda", "mamba", "micromamba")
ENVIRONMENT = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
SHOWN = 5  # of what would go as well


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    for package in packages:
        prefix = package.handles[0]
        root = prefix.partition("/envs/")[0]
        if not package.owner and (whose := owner(host, package.path)):
            refused.append((package, f"it belongs to {whose}"))
        elif not package.owner and (place := _others(host, root, prefix)):
            refused.append((package, f"users may write to {place}, and root runs nothing of theirs"))
        elif tool := _tool(host, package, root):
            argv = [tool, "remove", "--prefix", prefix, "--yes", "--offline"]
            if reason := _more(host, package, argv):
                refused.append((package, reason))
            else:
                still = partial(host.stat, package.path)
                actions.append(remove(host, package, [*argv, package.id], prefix, still, ENVIRONMENT))
        else:
            refused.append((package, "neither conda, mamba nor micromamba is there to remove it with"))
    return actions, refused


def _tool(host: Host, package: Package, root: str) -> str:
    own = [f"{root}/bin/{name}" for name in TOOLS[:2]]
    home = package.owner.home if package.owner else ""
    own += [f"{home}/.local/bin/micromamba", f"{home}/bin/micromamba"]
    for name in TOOLS:
        if tool := tool_of(host, package, name, own[:2] if not package.owner else (), own):
            return tool
    return ""


def _others(host: Host, root: str, prefix: str) -> str:
    """Which part of an installation for all users is not root's alone; "" if all is."""
    for place in dict.fromkeys([root, f"{root}/bin", f"{root}/lib", prefix, f"{prefix}/{META}"]):
        seen = host.stat(place)
        if seen and (seen.st_uid or seen.st_mode & 0o022):
            return place
    return ""


def _more(host: Host, package: Package, argv: Sequence[str]) -> str:
    """What else would go or come, as the tool itself says; "" if it is this package alone."""
    try:
        result = host.run(
            [*argv, "--dry-run", "--json", package.id], user=package.owner, environment=ENVIRONMENT, timeout=LIMIT
        )
    except ControlError as error:
        return str(error)
    gone, come = parse(result.out)
    if result.rc or package.id not in gone:
        return f"{argv[0]} does not say what its removal would take along"
    others = [name for name in dict.fromkeys(gone) if name != package.id]
    if others or come:
        shown = ", ".join([*others, *(f"{name} (changed)" for name in come)][:SHOWN])
        return f"it would take along {shown}"
    return ""


def parse(answer: str) -> tuple[list[str], list[str]]:
    """The names of what a dry run would unlink and link, out of its JSON, which lines for people may precede."""
    try:
        said: Any = json.loads(answer[answer.index("{") :])
    except (ValueError, RecursionError):
        return [], []
    actions = said.get("actions") if isinstance(said, dict) else None
    return _names(actions, "UNLINK"), _names(actions, "LINK")


def _names(actions: Any, key: str) -> list[str]:
    listed = actions.get(key) if isinstance(actions, dict) else None
    rows = listed if isinstance(listed, list) else []
    return [str(row.get("name", "?")) if isinstance(row, dict) else "?" for row in rows]
