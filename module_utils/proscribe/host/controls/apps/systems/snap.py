"""Snaps, which are always installed for the whole host: from the directory of snapd, with details from snapd itself.

Before snapd removes a snap, it makes a snapshot of the users' data in the snap, which no retention deletes.
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Any, Callable, Sequence

from .....base.json_text import parse_json
from .....base.lazy_patterns import compile_pattern
from ....system import Host, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart
from ..blocks.polkit import make_polkit_rule
from ..blocks.refusal_text import format_contact
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .host_wide_system import find_user_packages as find_user_packages
from .host_wide_system import list_owned_directories as list_owned_directories
from .package import InstallBlock, Package
from .removed_record import make_removed_record

MANAGER = "snap"
CATALOGUE_KEY = "snap"
DATABASE_FILES: tuple[str, ...] = ()
# Every installed revision has a file here, mounted at /snap/<name>/<revision>. `snap try` creates a link to a
# directory.
SNAP_DIRECTORY = "/var/lib/snapd/snaps"
SNAPD_SOCKET = "/run/snapd.socket"  # every user may query the installed snaps here
SNAP_FILE_PATTERN = compile_pattern(r"(([a-z0-9-]+)(?:_[a-z0-9]+)?)_(x?[0-9]+)\.snap")
MOUNT_PATTERN = compile_pattern(r"(?:/var/lib/snapd)?/snap/([a-z0-9-]+)(?:_[a-z0-9]+)?/")
CONTROL_GROUP_PATTERN = compile_pattern(r"/snap\.([a-z0-9-]+)(?:_[a-z0-9]+)?\.")


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the snaps among `ids` that are installed, and "", the reason why some are unknown (never here).

    snapd is queried only if such a snap is present. Without an answer of snapd, the revision replaces the version.
    """
    # by instance: its revisions. A snap can be installed several times, as instances <name> and <name>_<key>.
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
    """Return (name, instance, revision) from the file name of a snap, or ("", "", "") for another file.

    The file name is `<name>_<revision>.snap`, or `<name>_<key>_<revision>.snap` for a further instance `<name>_<key>`.
    """
    match = SNAP_FILE_PATTERN.fullmatch(file)
    return (match[2], match[1], match[3]) if match else ("", "", "")


def _parse_revision(revision: str) -> int:
    """Return the number of a revision.

    The x before it marks a snap that does not come from the store.
    """
    return int(revision.lstrip("x"))


def _query_snapd(host: Host) -> bytes:
    """Return snapd's answer about the installed snaps (JSON), or b"" without an answer."""
    return host.request_resource(SNAPD_SOCKET, "/v2/snaps", timeout=10) or b""


def parse_snaps(answer: bytes, field: str = "version") -> dict[str, str]:
    """Return, by instance of an installed snap, the value of a field in snapd's answer (REST API).

    Invalid parts of the answer are left out.
    """
    try:
        reply: Any = parse_json(answer)
    except (ValueError, RecursionError):
        return {}
    result = reply.get("result") if isinstance(reply, dict) else None
    snaps = [snap for snap in result if isinstance(snap, dict)] if isinstance(result, list) else []
    pairs = [(snap.get("name"), snap.get(field)) for snap in snaps]
    return {name: text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that returns the restricted snap of a running program, or "".

    A program below /snap/<name> belongs to that snap, if the host has this file at this path. A snap may also run an
    interpreter of another snap, its base. That process is identified by the name of its control group, which snapd
    gives it. When snapd removes a snap, it ends the programs of the snap.
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
    """Return the polkit rule by which users neither install nor remove any snap, nor log in to the snap store.

    snapd does not tell polkit which snap a user wants to install, so the rule cannot refuse single snaps. For a user
    who is logged in to the store, snapd does not ask polkit any more. So the rule refuses the login too.
    """
    return (
        make_polkit_rule(
            "snap",
            f"Only root manages snaps here; ask {format_contact(block.contact)}",
            '["io.snapcraft.snapd.manage", "io.snapcraft.snapd.login"].indexOf(action.id) >= 0',
        ),
    )


# -- removal

REMOVAL_TIMEOUT_SECONDS = 600  # the users' data in a snap may be large


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove snaps, and the snaps that stay, each with the reason.

    snapd removes only the given snap, and refuses if other snaps need it. The record of a snap has what its new
    installation needs: the channel, and "classic" if the snap runs without a sandbox.
    """
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
    """Remove a snap, after snapd has saved the users' data in it as a snapshot.

    Raises ControlError. snapd deletes ~/snap/<name> with the snap. Its automatic snapshot is deleted after 31 days, or
    is never made if an administrator disabled it (snapshots.automatic.retention). A requested snapshot remains until
    somebody deletes it.
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
