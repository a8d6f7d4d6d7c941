"""What removes a package with the tool of its owner, and looks whether it is gone."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from ...host import ControlError, Host, Unseen
from ..base import Action
from .package import Package

LIMIT = 300  # seconds


def tool_of(host: Host, package: Package, name: str, common: Sequence[str] = (), own: Sequence[str] = ()) -> str:
    """The tool that removes a package: the host's own, one at another place of root's (`common`), or one of its owner's
    (`own`), which only he runs. "" for none.
    """
    for path in (host.tool(name) or "", *common):
        try:
            seen = host.stat(path) if path else None
            if seen and (package.owner or not seen.st_uid):
                return path
        except (ControlError, Unseen):  # behind a link of a user's
            continue
    for path in own if package.owner else ():
        try:
            if host.run([path, "--version"], user=package.owner).rc == 0:
                return path
        except ControlError:
            continue
    return ""


def remove(
    host: Host,
    package: Package,
    argv: Sequence[str],
    place: str,
    still: Callable[[], object],
    environment: Mapping[str, str] | None = None,
) -> Action:
    """The action that runs a tool as the owner of a package; `place` is where it is installed, for people."""
    apply = partial(_run, host, package, argv, still, environment or {})
    subject = f"{package.id} ({package.scope}) from {place}"
    user = package.owner.name if package.owner and package.owner.uid else ""
    return Action("remove", subject, apply, f"{package.id} {package.version}\n", user=user)


def _run(
    host: Host, package: Package, argv: Sequence[str], still: Callable[[], object], environment: Mapping[str, str]
) -> None:
    host.must(argv, user=package.owner, environment=environment, timeout=LIMIT)
    if still():  # a user's own tool may only say that it did it
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
