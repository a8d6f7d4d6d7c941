"""Packages taken out of environments of conda by conda, mamba or micromamba, each as the owner of the environment.

Removing one takes along what needs it, and some tools what it needed. So each is simulated first (`--dry-run --json`),
and refused where more would go.
"""

from __future__ import annotations

import json
from functools import partial
from typing import AbstractSet, Any, Sequence

from ....host import ControlError, Host
from ...base import Action
from ..file_owner import owner
from .as_owner import Tools, remove
from .conda import META, roots
from .package import Package

TOOLS = ("conda", "mamba", "micromamba")
ENVIRONMENT = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
SHOWN = 5  # of what would go as well
PATIENCE = 60  # seconds until a simulation has to be there


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    actions: list[Action] = []
    refused: list[tuple[Package, str]] = []
    tools = Tools(host)
    silent = ""  # why a tool has not answered: then no more is asked of it
    for package in packages:
        prefix = package.handles[0]
        root = prefix.partition("/envs/")[0]
        if not package.owner and (whose := owner(host, package.path)):
            refused.append((package, f"it belongs to {whose}"))
        elif not package.owner and (place := _others(host, root, prefix)):
            refused.append((package, f"users may write to {place}, and root runs nothing of theirs"))
        elif tool := _tool(tools, package, root):
            argv = [tool, "remove", "--prefix", prefix, "--yes", "--offline"]
            try:
                reason = silent or _more(host, package, argv, {p.id for p in packages if p.handles[0] == prefix})
            except ControlError as error:
                reason = silent = str(error)
            if reason:
                refused.append((package, reason))
            else:
                still = partial(host.stat, package.path)
                actions.append(remove(host, package, [*argv, package.id], prefix, still, ENVIRONMENT))
        else:
            refused.append((package, "neither conda, mamba nor micromamba is there to remove it with"))
    return actions, refused


def _tool(tools: Tools, package: Package, root: str) -> str:
    home = package.owner.home if package.owner else ""
    below = [root, *roots(package.owner)] if package.owner else [root]
    for name in TOOLS:
        installed = [f"{place}/bin/{name}" for place in dict.fromkeys(below)]
        if package.owner:  # micromamba is a lone program, which lies where its user put it
            tool = tools.of(package, name, own=[*installed, f"{home}/.local/bin/{name}", f"{home}/bin/{name}"])
        else:
            tool = tools.of(package, name, installed)
        if tool:
            return tool
    return ""


def _others(host: Host, root: str, prefix: str) -> str:
    """Which part of an installation for all users is not root's alone; "" if all is."""
    for place in dict.fromkeys([root, f"{root}/bin", f"{root}/lib", prefix, f"{prefix}/{META}"]):
        seen = host.stat(place)
        if seen and (seen.st_uid or seen.st_mode & 0o022):
            return place
    return ""


def _more(host: Host, package: Package, argv: Sequence[str], going: AbstractSet[str]) -> str:
    """What else than packages that go anyway would go or come, as the tool itself says; "" for nothing. Raises
    ControlError.
    """
    argv = [*argv, "--dry-run", "--json", package.id]
    result = host.run(argv, user=package.owner, environment=ENVIRONMENT, timeout=PATIENCE)
    gone, come = parse(result.out)
    if result.rc or package.id not in gone:
        return f"{argv[0]} does not say what its removal would take along"
    others = [name for name in dict.fromkeys(gone) if name not in going]
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
