"""Snaps, which are always the whole host's: from the directory where snapd keeps them, in detail from snapd itself.

snapd removes a snap after a snapshot of its users' data that no retention takes away.
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Any, Callable, Sequence

from .....base.json_text import parse_json
from .....base.patterns import compile_pattern
from ....system import Host, Process, User
from ...base import ControlAction
from ..blocks.contact import format_contact
from ..blocks.parts import BlockPart
from ..blocks.polkit import make_polkit_rule
from .as_removed import make_removed_record
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .for_the_host import find_user_packages as find_user_packages
from .for_the_host import list_owned_directories as list_owned_directories
from .package import InstallBlock, Package

MANAGER = "snap"
CATALOGUE_KEY = "snap"
DATABASE_FILES: tuple[str, ...] = ()
# A file for every installed revision, mounted at /snap/<name>/<revision>; `snap try` leaves a link to a directory.
SNAP_DIRECTORY = "/var/lib/snapd/snaps"
SNAPD_SOCKET = "/run/snapd.socket"  # anybody may ask here what is installed
SNAP_FILE_PATTERN = compile_pattern(r"(([a-z0-9-]+)(?:_[a-z0-9]+)?)_(x?[0-9]+)\.snap")
MOUNT_PATTERN = compile_pattern(r"(?:/var/lib/snapd)?/snap/([a-z0-9-]+)(?:_[a-z0-9]+)?/")
CONTROL_GROUP_PATTERN = compile_pattern(r"/snap\.([a-z0-9-]+)(?:_[a-z0-9]+)?\.")


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """snapd is asked only where there is something to ask about, and what it does not answer is known in short."""
    instances: dict[str, list[str]] = {}
    for file in host.list_directory(SNAP_DIRECTORY) if ids else ():
        if file.partition("_")[0] not in ids:
            continue
        name, instance, revision = parse_snap_file(file)
        if name in ids:
            instances.setdefault(instance, []).append(revision)
    versions = parse_snaps(_query_snapd(host)) if instances else {}
    return [
        Package(
            MANAGER,
            instance.partition("_")[0],
            versions.get(instance) or f"revision {max(revisions, key=_parse_revision)}",
            (instance,),
            path=f"{SNAP_DIRECTORY}/{instance}_{max(revisions, key=_parse_revision)}.snap",
        )
        for instance, revisions in sorted(instances.items())
    ], ""


def parse_snap_file(file: str) -> tuple[str, str, str]:
    """Name, instance and revision out of `<name>[_<key>]_<revision>.snap`; empty for another file."""
    match = SNAP_FILE_PATTERN.fullmatch(file)
    return (match[2], match[1], match[3]) if match else ("", "", "")


def _parse_revision(revision: str) -> int:
    return int(revision.lstrip("x"))


def _query_snapd(host: Host) -> bytes:
    return host.request_resource(SNAPD_SOCKET, "/v2/snaps", timeout=10) or b""


def parse_snaps(answer: bytes, field: str = "version") -> dict[str, str]:
    """A field of every installed snap, by its instance; what is not understood is left out (snapd REST API)."""
    try:
        reply: Any = parse_json(answer)
    except (ValueError, RecursionError):
        return {}
    result = reply.get("result") if isinstance(reply, dict) else None
    snaps = [snap for snap in result if isinstance(snap, dict)] if isinstance(result, list) else []
    pairs = [(snap.get("name"), snap.get(field)) for snap in snaps]
    return {name: text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """By the snap's mount, if the program comes from the very file there, or by the control group that snapd gave it:
    an interpreter of the base snap has only that. snapd itself ends the programs of a snap that it removes.
    """
    present_ids = {package.id for package in packages}

    def find_snap(process: Process) -> str:
        mounted = MOUNT_PATTERN.match(process.exe)
        if mounted and mounted[1] in present_ids and host.can_see_host_file(process, process.exe):
            return mounted[1]
        group = CONTROL_GROUP_PATTERN.search(host.read_text(f"/proc/{process.pid}/cgroup") or "")
        return group[1] if group and group[1] in present_ids else ""

    return find_snap if present_ids else lambda process: ""


def is_present(host: Host, user: User | None) -> bool:
    return user is None and host.find_entry(SNAP_DIRECTORY) is not None


def is_block_applicable(host: Host) -> bool:
    return host.find_tool("snap") is not None


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    """snapd does not pass to polkit what a user wants to change, so users neither install nor remove any snap.
    Nor do they log in to its store: for who has, it does not ask polkit any more.
    """
    return (
        make_polkit_rule(
            "snap",
            f"Only root manages snaps here; ask {format_contact(block.contact)}",
            '["io.snapcraft.snapd.manage", "io.snapcraft.snapd.login"].indexOf(action.id) >= 0',
        ),
    )


# -- removal

REMOVAL_TIMEOUT_SECONDS = 600  # seconds; what users keep in a snap may be large


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """snapd removes the one snap that it is asked for, and refuses one that others need."""
    if not host.find_tool("snap"):
        return [], [(package, "snap itself is not installed on this host") for package in packages]
    answer = _query_snapd(host)
    channels = parse_snaps(answer, "tracking-channel")
    confinements = {
        name: confinement
        for name, confinement in parse_snaps(answer, "confinement").items()
        if confinement == "classic"
    }
    return [
        ControlAction(
            "remove",
            f"{package.handles[0]} ({package.scope})",
            partial(_remove_snap, host, package.handles[0]),
            f"{package.handles[0]} {package.version}\n",
            removed_packages=(
                make_removed_record(
                    package, how=confinements.get(package.handles[0], ""), source=channels.get(package.handles[0], "")
                ),
            ),
        )
        for package in packages
    ], []


def _remove_snap(host: Host, instance: str) -> None:
    """snapd takes ~/snap/<name> away with the snap. Its own snapshot of it is kept for 31 days, or not made if an
    administrator said so (snapshots.automatic.retention). One that was asked for is kept until somebody forgets it.
    """
    host.read_command_output(["snap", "save", instance], timeout=REMOVAL_TIMEOUT_SECONDS)
    host.read_command_output(["snap", "remove", instance], timeout=REMOVAL_TIMEOUT_SECONDS)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"(?=.{2,40}\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*",
            meaning="a snap name: lower case letters, digits, single hyphens",
            source="snapd, naming/validate.go",
            valid_example="telegram-desktop",
            invalid_examples=("Telegram",),
        ),
        reinstall=ReinstallCommands(
            {
                "": "snap install --channel={source} {name}",
                "classic": "snap install --classic --channel={source} {name}",
            },
            name_pattern="{id}(?:_[a-z0-9]{1,10})?",
        ),
        routes=(
            InstallRoute(
                route="snaps",
                detection=CoverageClaim(
                    "snapd, and the folder of snaps where it is down",
                    "integration/test_apps_real_snap::test_a_snap_on_its_whole_way",
                ),
                removal=CoverageClaim(
                    "snapd, which keeps a snapshot of the data",
                    "integration/test_apps_real_snap::test_a_snap_on_its_whole_way",
                ),
                prevention=CoverageClaim(
                    "polkit: users manage no snaps at all",
                    "unit/host/controls/apps/test_blocks::test_snapd_is_managed_by_root_alone",
                ),
                remaining_gap=(
                    "root: no snap can be kept out by its name alone; an account for which root has run `snap login`: "
                    "snapd asks polkit nothing then"
                ),
            ),
        ),
        is_host_wide=True,
        is_guarded=False,
    ),
)
