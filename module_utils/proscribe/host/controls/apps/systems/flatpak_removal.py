"""What flatpak itself changes: apps taken off a host, and filters set on remotes."""

from __future__ import annotations

from functools import partial
from typing import Callable, Sequence

from ....system import ControlError, Host, ObservationError
from ...base import ControlAction
from .as_removed import as_removed
from .flatpak_remotes import DEFAULT, DIRECTORY, ODD, Remote, former, installations, odd, ours, own_file, remotes
from .package import Package, on_behalf

LIMIT = 300  # seconds


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """An action for each app and installation: a user's own as that user, so that root does nothing in a home. The
    user's data in ~/.var/app stays, and so do runtimes.
    """
    if not host.find_tool("flatpak"):
        return [], [(package, "flatpak itself is not installed on this host") for package in packages]
    names = {path: name for name, path in installations(host).items()}
    grouped: dict[tuple[str, str, str], list[Package]] = {}
    for package in packages:
        installation = "" if package.owner else names.get(package.path.partition("/app/")[0], DEFAULT)
        grouped.setdefault((package.id, package.scope, installation), []).append(package)
    return [
        ControlAction(
            "remove",
            f"{id_} ({scope})" if installation in ("", DEFAULT) else f"{id_} ({scope}, installation {installation})",
            partial(_uninstall, host, branches, installation),
            "".join(f"{handle} {branch.version}\n" for branch in branches for handle in branch.handles),
            removed_packages=[
                as_removed(branch, place=installation, source=_origin(host, branch)) for branch in branches
            ],
        )
        for (id_, scope, installation), branches in grouped.items()
    ], []


def _origin(host: Host, package: Package) -> str:
    """The remote that an app came from: the first text of its deployment; "" if nobody knows."""

    def read() -> str:
        commits = [name for name in host.list_directory(package.path) if len(name) == 64]
        deployed = host.read_head(f"{package.path}/{commits[0]}/deploy", 256) if len(commits) == 1 else b""
        return deployed.partition(b"\0")[0].decode("ascii", "replace") if b"\0" in deployed else ""

    try:
        return on_behalf(package.owner, read)
    except (ControlError, ObservationError):
        return ""


def _uninstall(host: Host, branches: Sequence[Package], installation: str) -> None:
    where = f"--installation={installation}" if installation else "--user"
    handles = [handle for branch in branches for handle in branch.handles]
    argv = ["flatpak", "uninstall", where, "--assumeyes", "--noninteractive", *handles]
    host.read_command_output(argv, user=branches[0].owner, timeout=LIMIT)


def put_up(host: Host, content_of: Callable[[Host, Remote], str], undone_by: Callable[[Host, Remote], str]) -> None:
    """The files first: a remote whose filter is not there lets nothing in at all. `content_of` gives the filter of a
    remote, and `undone_by` the line of its former one that lets in what ours denies.
    """
    undone = []
    for remote in remotes(host):
        if odd(remote):
            undone.append(f"remote {remote.name!r} {ODD}")
            continue
        content = content_of(host, remote)
        if line := undone_by(host, remote):
            undone.append(f"{former(host, remote)} lets it in from {remote.name}, and goes first: {line}")
        if host.read_text(own_file(remote)) != content:
            host.write_file(own_file(remote), content)
        if remote.filter != own_file(remote):
            _modify(host, remote, own_file(remote))
    if undone:
        raise ControlError(f"has to be changed by an administrator: {'; '.join(undone)}")


def take_down(host: Host) -> None:
    """What a remote had before, then our files: no remote is without its filter's file for a moment."""
    for remote in remotes(host):
        if ours(remote.filter):
            _modify(host, remote, former(host, remote))
    for installation in host.list_directory(DIRECTORY):
        for file in host.list_directory(f"{DIRECTORY}/{installation}"):
            host.delete_file(f"{DIRECTORY}/{installation}/{file}")


def _modify(host: Host, remote: Remote, path: str) -> None:
    setting = f"--filter={path}" if path else "--no-filter"
    host.read_command_output(
        ["flatpak", "remote-modify", f"--installation={remote.installation}", setting, "--", remote.name]
    )
