"""Removal of packages: each is uninstalled by a tool that runs as the package's owner, with a check of the result."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from .....model.removal_record import RemovedPackage
from ....system import ControlError, Host, ObservationError, User
from ...base import ControlAction
from ..owning_package import find_owning_package
from .package import Package, ask_for_user
from .removed_record import make_removed_record
from .site_packages import normalise_name

UNINSTALL_TIMEOUT_SECONDS = 300


def plan_package_removals(
    packages: Sequence[Package], plan_package_removal: Callable[[Package], ControlAction | str]
) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the removal actions of packages, and the packages that are not removed, with the reasons.

    `plan_package_removal` returns the action for a package, or a reason. An error that it raises is a reason too.
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
    """Search for the tools that uninstall packages.

    The search runs no tool: a user's own tool may never answer, and this run holds the host's lock meanwhile.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.tool_presence: dict[tuple[str, str], bool] = {}

    def find_tool(
        self, package: Package, name: str, root_paths: Sequence[str] = (), user_paths: Sequence[str] = ()
    ) -> str:
        """Return the path of the tool that removes a package, or "".

        The first choice is the host's own tool, then a tool at root's other places (`root_paths`). The last choice is a
        tool of the package's owner (`user_paths`, below ~/), which only the owner runs.
        """
        for path in (self.host.find_tool(name) or "" if name else "", *root_paths):
            try:
                status = self.host.find_entry(path) if path else None
            except (ControlError, ObservationError):  # the path is behind a user's link
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
            # The path is behind the user's own link. The tool counts as present, because it runs as that user.
            except (ControlError, ObservationError):
                self.tool_presence[key] = True
        return self.tool_presence[key]


def explain_foreign_ownership(host: Host, package: Package, path: str, places: Sequence[str] = ()) -> str:
    """Explain why root does not remove a package of the host, or return "".

    A reason is a package of the distribution that owns `path`. Another reason is that users can change one of `places`,
    where the tool runs from. For a user's own package there is no such reason.
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
    """Explain why the environment of a Python package is not removed, or return "".

    The reason is that the environment belongs to another package, or that its `tool` is missing. `installer` is the
    program that installed the environment.
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
    """Return the action that runs a tool as the owner of a package. `place` describes the installation for readers.

    `removed_record` has the data for a new installation, if `place` is not enough. `is_still_installed` checks for the
    package, if its path is not enough. `find_objection` asks the tool just before the removal for a reason against it;
    "" means none.
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
        return  # the package was removed together with another package
    if reason := find_objection():
        raise ControlError(reason)
    host.read_command_output(argv, user=package.owner, environment=environment, timeout=UNINSTALL_TIMEOUT_SECONDS)
    if is_still_installed():  # the tool removed another installation, or a user's own tool only pretended
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
