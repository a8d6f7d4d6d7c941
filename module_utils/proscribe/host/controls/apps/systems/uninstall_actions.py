"""Removal of packages one by one: a tool such as npm runs as the package's owner, and the result is checked."""

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
    """Return the actions that remove packages, and the packages that stay, each with the reason.

    `plan_package_removal` returns the action for a package, or the reason why it stays. An error that it raises is a
    reason too.
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

        The first choice is the host's tool of this `name`, then a tool at one of `root_paths`. For a package of root or
        the host, the tool must belong to root. The last choice is for a user's package: a tool of that user, which only
        that user runs. `user_paths` are absolute or below ~/.
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
        """Return whether a user's tool exists.

        Each path is checked only once, because the check needs a process.
        """
        key = path, user.name
        if key not in self.tool_presence:
            try:
                self.tool_presence[key] = ask_for_user(user, lambda: self.host.find_entry(path) is not None)
            # The path is behind the user's own link. The tool counts as present, because it runs as that user.
            except (ControlError, ObservationError):
                self.tool_presence[key] = True
        return self.tool_presence[key]


def explain_foreign_ownership(host: Host, package: Package, path: str, places: Sequence[str] = ()) -> str:
    """Explain why root does not remove a package of the host with its tool, or return "".

    The reason is that a package of the distribution owns `path`, a file of the package. Or users can change one of
    `places`, from which root's tool would load code. For a user's package the result is "", because its tool runs as
    that user.
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
    """Explain why the environment of a Python package (directory with a program and all it needs) stays, or return "".

    The environment may have been made for another package. Or the tool that removes environments is missing: `tool` is
    its path or "". `installer` is the name of that tool.
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
) -> ControlAction:
    """Return the action that removes a package by running the command `argv` as the owner of the package.

    `place` is the installation that has the package, for readers. `environment` has further environment variables.
    `removed_record` has the data to install the package again; None means a record made from `place`.
    `is_still_installed` returns a true value while the package is there; None means a check of the package's path.
    """
    apply = partial(
        _run_uninstall,
        host,
        package,
        argv,
        is_still_installed or partial(host.find_entry, package.path),
        environment or {},
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
) -> None:
    """Run the command that removes a package.

    Raises ControlError if it fails, or if the package still is there. The parameters are those of
    `make_uninstall_action`.
    """
    if not is_still_installed():
        return  # the package was removed together with another package
    host.read_command_output(argv, user=package.owner, environment=environment, timeout=UNINSTALL_TIMEOUT_SECONDS)
    if is_still_installed():  # the tool removed another installation, or a user's own tool only pretended
        raise ControlError(f"{argv[0]} ended well, and {package.id} is still there")
