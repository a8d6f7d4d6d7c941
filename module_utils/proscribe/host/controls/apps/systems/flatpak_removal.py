"""Changes for which Proscribe runs flatpak: removal of apps, and filters on remotes."""

from __future__ import annotations

from functools import partial
from typing import Callable, Sequence

from ....system import ControlError, Host, ObservationError
from ...base import ControlAction
from .flatpak_remotes import (
    DEFAULT_INSTALLATION,
    FILTER_DIRECTORY,
    ODD_NAME_PROBLEM,
    FlatpakRemote,
    find_former_filter,
    has_odd_name,
    is_own_filter,
    list_installations,
    list_remotes,
    make_filter_path,
)
from .package import Package, ask_for_user
from .removed_record import make_removed_record

UNINSTALL_TIMEOUT_SECONDS = 300


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return an action for each app of an installation, and the packages that stay, each with the reason.

    An action removes all branches (variants) of the app. An app of a user is removed as that user, so that root changes
    nothing in a home. The user's data in ~/.var/app stay, and so do runtimes, on which apps depend.
    """
    if not host.find_tool("flatpak"):
        return [], [(package, "flatpak itself is not installed on this host") for package in packages]
    names = {path: name for name, path in list_installations(host).items()}
    # key: app id, scope (system or user:NAME), name of the host installation ("" for a user's installation)
    branches_by_app: dict[tuple[str, str, str], list[Package]] = {}
    for package in packages:
        installation = "" if package.owner else names.get(package.path.partition("/app/")[0], DEFAULT_INSTALLATION)
        branches_by_app.setdefault((package.id, package.scope, installation), []).append(package)
    return [
        ControlAction(
            "remove",
            f"{id_} ({scope})"
            if installation in ("", DEFAULT_INSTALLATION)
            else f"{id_} ({scope}, installation {installation})",
            partial(_uninstall_branches, host, branches, installation),
            "".join(f"{handle} {branch.version}\n" for branch in branches for handle in branch.handles),
            removed_packages=[
                make_removed_record(branch, place=installation, source=_find_origin(host, branch))
                for branch in branches
            ],
        )
        for (id_, scope, installation), branches in branches_by_app.items()
    ], []


def _find_origin(host: Host, package: Package) -> str:
    """Return the name of the remote (repository) from which an app was installed, or "" if it is unknown.

    The name is the first text in the file `deploy` of the app.
    """

    def read_origin() -> str:
        # a directory of a deployed version has the 64 digits of flatpak's checksum (commit) as its name
        commits = [name for name in host.list_directory(package.path) if len(name) == 64]
        deployment = host.read_head(f"{package.path}/{commits[0]}/deploy", 256) if len(commits) == 1 else b""
        return deployment.partition(b"\0")[0].decode("ascii", "replace") if b"\0" in deployment else ""

    try:
        return ask_for_user(package.owner, read_origin)
    except (ControlError, ObservationError):
        return ""


def _uninstall_branches(host: Host, branches: Sequence[Package], installation: str) -> None:
    """Uninstall branches (variants) of one app.

    Raises ControlError. `installation` is the name of a host installation, or "" for the installation of the packages'
    owner.
    """
    installation_option = f"--installation={installation}" if installation else "--user"
    handles = [handle for branch in branches for handle in branch.handles]
    argv = ["flatpak", "uninstall", installation_option, "--assumeyes", "--noninteractive", *handles]
    host.read_command_output(argv, user=branches[0].owner, timeout=UNINSTALL_TIMEOUT_SECONDS)


def set_filters(
    host: Host, make_content: Callable[[Host, FlatpakRemote], str], find_opening: Callable[[Host, FlatpakRemote], str]
) -> None:
    """Write the filter file of each remote (repository of apps), then set it in the remote.

    Raises ControlError. The file is written first, because a remote denies everything while its filter file is missing.
    `make_content` returns the text of the file. `find_opening` returns the line of the administrator's filter that
    allows a restricted app, or "". Only the administrator can change such a line, or a remote whose name cannot be in a
    path. After all other remotes have their filters, a ControlError names these problems.
    """
    problems = []
    for remote in list_remotes(host):
        if has_odd_name(remote):
            problems.append(f"remote {remote.name!r} {ODD_NAME_PROBLEM}")
            continue
        content = make_content(host, remote)
        if line := find_opening(host, remote):
            problems.append(f"{find_former_filter(host, remote)} lets it in from {remote.name}, and goes first: {line}")
        if host.read_text(make_filter_path(remote)) != content:
            host.write_file(make_filter_path(remote), content)
        if remote.filter_path != make_filter_path(remote):
            _set_remote_filter(host, remote, make_filter_path(remote))
    if problems:
        raise ControlError(f"has to be changed by an administrator: {'; '.join(problems)}")


def remove_filters(host: Host) -> None:
    """Restore the administrator's filters of the remotes, then delete Proscribe's filter files.

    In this order, no remote ever names a filter file that is missing.
    """
    for remote in list_remotes(host):
        if is_own_filter(remote.filter_path):
            _set_remote_filter(host, remote, find_former_filter(host, remote))
    for installation in host.list_directory(FILTER_DIRECTORY):
        for file in host.list_directory(f"{FILTER_DIRECTORY}/{installation}"):
            host.delete_file(f"{FILTER_DIRECTORY}/{installation}/{file}")


def _set_remote_filter(host: Host, remote: FlatpakRemote, path: str) -> None:
    """Set the filter file at `path` in a remote, or no filter if `path` is ""."""
    setting = f"--filter={path}" if path else "--no-filter"
    host.read_command_output(
        ["flatpak", "remote-modify", f"--installation={remote.installation}", setting, "--", remote.name]
    )
