"""What removes a package with the tool of its owner, and checks whether it is gone."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from .....model.removed import Removed
from ....system import ControlError, Host, Unseen, User
from ...base import Action
from .as_removed import as_removed
from .package import Package

LIMIT = 300  # seconds
PATIENCE = 10  # until a user's tool has to say which version it is


class OwnTools:
    """The tools of one removal: what was read once about one is not read again, since a user's own may not answer."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.runs: dict[tuple[str, str], bool] = {}

    def of(self, package: Package, name: str, common: Sequence[str] = (), own: Sequence[str] = ()) -> str:
        """The tool that removes a package: the host's own, one at another place of root's (`common`), or one of its
        owner's (`own`), which only he runs. "" for none.
        """
        for path in (self.host.tool(name) or "" if name else "", *common):
            try:
                seen = self.host.stat(path) if path else None
            except (ControlError, Unseen):  # behind a link of a user's
                continue
            if seen and (package.owner or not seen.st_uid):
                return path
        return next((path for path in own if package.owner and self._runs(path, package.owner)), "")

    def _runs(self, path: str, user: User) -> bool:
        key = path, user.name
        if key not in self.runs:
            try:
                self.runs[key] = self.host.run([path, "--version"], user=user, timeout=PATIENCE).rc == 0
            except ControlError:
                self.runs[key] = False
        return self.runs[key]


def uninstall(
    host: Host,
    package: Package,
    argv: Sequence[str],
    place: str,
    still: Callable[[], object],
    environment: Mapping[str, str] | None = None,
    gone: Removed | None = None,
) -> Action:
    """The action that runs a tool as the owner of a package; `place` is where it is installed, for people, and `gone`
    what it takes to install it there again, where that is more than the place.
    """
    apply = partial(_run, host, package, argv, still, environment or {})
    subject = f"{package.id} ({package.scope}) from {place}"
    gone = gone or as_removed(package, package.id, tool=argv[0], place=place)
    return Action("remove", subject, apply, f"{package.id} {package.version}\n", takes=(gone,))


def _run(
    host: Host, package: Package, argv: Sequence[str], still: Callable[[], object], environment: Mapping[str, str]
) -> None:
    if not still():
        return  # it went along with another one
    host.must(argv, user=package.owner, environment=environment, timeout=LIMIT)
    if still():  # a user's own tool may only say that it did it
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
