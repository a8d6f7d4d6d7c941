"""The removal of packages, each with a tool of its owner's and as its owner, until it is gone."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from .....model.removed import RemovedPackage
from ....system import ControlError, Host, ObservationError, User
from ...base import ControlAction
from ..file_owner import find_owning_package
from .as_removed import make_removed_record
from .package import Package, ask_for_user
from .site_packages import normalise_name

UNINSTALL_TIMEOUT_SECONDS = 300  # seconds


def plan_package_removals(
    packages: Sequence[Package], plan_package_removal: Callable[[Package], ControlAction | str]
) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """What removes some packages, and which are not removed. Of each, `plan_package_removal` returns the action or a reason; the error
    that it raises is a reason, too.
    """
    actions: list[ControlAction] = []
    refusals: list[tuple[Package, str]] = []
    for package in packages:
        try:
            outcome = plan_package_removal(package)
        except (ControlError, ObservationError) as error:
            outcome = str(error)
        if isinstance(outcome, str):
            refusals.append((package, outcome))
        else:
            actions.append(outcome)
    return actions, refusals


class PackageTools:
    """The tools of one removal. None is run to choose it: a user's own may not answer, and the host's lock is held."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.tool_presence: dict[tuple[str, str], bool] = {}

    def find_tool(
        self, package: Package, name: str, root_paths: Sequence[str] = (), user_paths: Sequence[str] = ()
    ) -> str:
        """The tool that removes a package: the host's own, one at another place of root's (`root_paths`), or one of its
        owner's (`user_paths`, below ~/), which only he runs. "" for none.
        """
        for path in (self.host.find_tool(name) or "" if name else "", *root_paths):
            try:
                status = self.host.find_entry(path) if path else None
            except (ControlError, ObservationError):  # behind a link of a user's
                continue
            if status and (package.owner or not status.st_uid):
                return path
        if user := package.owner:
            paths = (user.home + path[1:] if path[0] == "~" else path for path in user_paths)
            return next((path for path in paths if self._has_user_tool(path, user)), "")
        return ""

    def _has_user_tool(self, path: str, user: User) -> bool:
        key = path, user.name
        if key not in self.tool_presence:
            try:
                self.tool_presence[key] = ask_for_user(user, lambda: self.host.find_entry(path) is not None)
            except (ControlError, ObservationError):  # behind a link of the user's, whose own rights count when it runs
                self.tool_presence[key] = True
        return self.tool_presence[key]


def explain_foreign_ownership(host: Host, package: Package, path: str, places: Sequence[str] = ()) -> str:
    """Why root does not remove a package of the host: a package of the distribution has `path`, or users may change one
    of the places out of which the tool is run. "" for no reason, and for a user's own package.
    """
    if package.owner:
        return ""
    if package_owner := find_owning_package(host, path):
        return f"it belongs to {package_owner}"
    for place in dict.fromkeys(places):
        status = host.find_entry(place)
        if open_path := host.find_changeable_part(place) or (
            place if status and host.describe_write_access(place, status) else ""
        ):
            return f"users may write to {open_path}, and root runs nothing of theirs"
    return ""


def explain_environment_refusal(package: Package, tool: str, installer: str) -> str:
    """Why the environment of a Python package is not removed: it is another one's, or its `tool` is not there. "" for
    no reason. `installer` is what has installed it.
    """
    environment = package.handles[0]
    if normalise_name(environment) != normalise_name(package.id):
        return f"it came along with {environment!r}, which {installer} installed and nothing restricts"
    return "" if tool else f"{installer} itself is not installed on this host"


def make_uninstall_action(
    host: Host,
    package: Package,
    argv: Sequence[str],
    place: str,
    environment: Mapping[str, str] | None = None,
    removed_record: RemovedPackage | None = None,
    is_still_installed: Callable[[], object] | None = None,
    find_objection: Callable[[], str] = lambda: "",
) -> ControlAction:
    """The action that runs a tool as the owner of a package; `place` is where it is installed, for people.

    `removed_record` is what it takes to install it there again, where that is more than the place. `is_still_installed` asks whether it is
    there, where its path does not say it. `find_objection` asks the tool just before for a reason against it; "" for none.
    """
    apply = partial(
        _run_uninstall,
        host,
        package,
        argv,
        is_still_installed or partial(host.find_entry, package.path),
        environment or {},
        find_objection,
    )
    subject = f"{package.id} ({package.scope}) from {place}"
    removed_record = removed_record or make_removed_record(package, package.id, tool=argv[0], place=place)
    return ControlAction(
        "remove", subject, apply, f"{package.id} {package.version}\n", removed_packages=(removed_record,)
    )


def _run_uninstall(
    host: Host,
    package: Package,
    argv: Sequence[str],
    is_still_installed: Callable[[], object],
    environment: Mapping[str, str],
    find_objection: Callable[[], str],
) -> None:
    if not is_still_installed():
        return  # it went along with another one
    if reason := find_objection():
        raise ControlError(reason)
    host.read_command_output(argv, user=package.owner, environment=environment, timeout=UNINSTALL_TIMEOUT_SECONDS)
    if is_still_installed():  # another copy came first, or a user's own tool only said that it did it
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
