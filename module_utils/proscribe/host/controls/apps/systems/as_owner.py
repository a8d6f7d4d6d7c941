"""The removal of packages, each with a tool of its owner's and as its owner, until it is gone."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from .....model.removed import RemovedPackage
from ....system import ControlError, Host, ObservationError, User
from ...base import ControlAction
from ..file_owner import find_owning_package
from .as_removed import as_removed
from .package import Package, on_behalf
from .site_packages import normal

LIMIT = 300  # seconds


def removals(
    packages: Sequence[Package], one: Callable[[Package], ControlAction | str]
) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """What removes some packages, and which are not removed. Of each, `one` returns the action or a reason; the error
    that it raises is a reason, too.
    """
    actions: list[ControlAction] = []
    refused: list[tuple[Package, str]] = []
    for package in packages:
        try:
            done = one(package)
        except (ControlError, ObservationError) as error:
            done = str(error)
        if isinstance(done, str):
            refused.append((package, done))
        else:
            actions.append(done)
    return actions, refused


class OwnTools:
    """The tools of one removal. None is run to choose it: a user's own may not answer, and the host's lock is held."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.has_tool: dict[tuple[str, str], bool] = {}

    def of(self, package: Package, name: str, common: Sequence[str] = (), own: Sequence[str] = ()) -> str:
        """The tool that removes a package: the host's own, one at another place of root's (`common`), or one of its
        owner's (`own`, below ~/), which only he runs. "" for none.
        """
        for path in (self.host.find_tool(name) or "" if name else "", *common):
            try:
                seen = self.host.find_entry(path) if path else None
            except (ControlError, ObservationError):  # behind a link of a user's
                continue
            if seen and (package.owner or not seen.st_uid):
                return path
        if user := package.owner:
            paths = (user.home + path[1:] if path[0] == "~" else path for path in own)
            return next((path for path in paths if self._has_tool(path, user)), "")
        return ""

    def _has_tool(self, path: str, user: User) -> bool:
        key = path, user.name
        if key not in self.has_tool:
            try:
                self.has_tool[key] = on_behalf(user, lambda: self.host.find_entry(path) is not None)
            except (ControlError, ObservationError):  # behind a link of the user's, whose own rights count when it runs
                self.has_tool[key] = True
        return self.has_tool[key]


def others_have(host: Host, package: Package, path: str, places: Sequence[str] = ()) -> str:
    """Why root does not remove a package of the host: a package of the distribution has `path`, or users may change one
    of the places out of which the tool is run. "" for no reason, and for a user's own package.
    """
    if package.owner:
        return ""
    if whose := find_owning_package(host, path):
        return f"it belongs to {whose}"
    for place in dict.fromkeys(places):
        seen = host.find_entry(place)
        if open_ := host.find_changeable_part(place) or (
            place if seen and host.describe_write_access(place, seen) else ""
        ):
            return f"users may write to {open_}, and root runs nothing of theirs"
    return ""


def not_whole(package: Package, tool: str, by: str) -> str:
    """Why the environment of a Python package is not removed: it is another one's, or its `tool` is not there. "" for
    no reason. `by` is what has installed it.
    """
    environment = package.handles[0]
    if normal(environment) != normal(package.id):
        return f"it came along with {environment!r}, which {by} installed and nothing restricts"
    return "" if tool else f"{by} itself is not installed on this host"


def uninstall(
    host: Host,
    package: Package,
    argv: Sequence[str],
    place: str,
    environment: Mapping[str, str] | None = None,
    gone: RemovedPackage | None = None,
    still: Callable[[], object] | None = None,
    why_not: Callable[[], str] = lambda: "",
) -> ControlAction:
    """The action that runs a tool as the owner of a package; `place` is where it is installed, for people.

    `gone` is what it takes to install it there again, where that is more than the place. `still` asks whether it is
    there, where its path does not say it. `why_not` asks the tool just before for a reason against it; "" for none.
    """
    apply = partial(
        _run, host, package, argv, still or partial(host.find_entry, package.path), environment or {}, why_not
    )
    subject = f"{package.id} ({package.scope}) from {place}"
    gone = gone or as_removed(package, package.id, tool=argv[0], place=place)
    return ControlAction("remove", subject, apply, f"{package.id} {package.version}\n", removed_packages=(gone,))


def _run(
    host: Host,
    package: Package,
    argv: Sequence[str],
    still: Callable[[], object],
    environment: Mapping[str, str],
    why_not: Callable[[], str],
) -> None:
    if not still():
        return  # it went along with another one
    if reason := why_not():
        raise ControlError(reason)
    host.read_command_output(argv, user=package.owner, environment=environment, timeout=LIMIT)
    if still():  # another copy came first, or a user's own tool only said that it did it
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
