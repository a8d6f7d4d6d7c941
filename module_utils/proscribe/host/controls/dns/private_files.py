"""Files that a program sees in place of the host's files for name resolution, by the kernel's list of mounts.

A file on a user's mount is read only if it is a regular file on a disk. A FUSE file system of a user may never answer.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, Mapping

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host, ObservationError, Process
from ...system.files import Files
from ...system.mounts import is_remote_type, unescape_mount_point

RESOLUTION_FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
MAX_TABLE_BYTES = 4 * 1024 * 1024  # limit for a list of mounts; the kernel lets a user have 100,000 mounts
MAX_COMPARED_BYTES = 1024 * 1024  # a larger file of a process counts as different from the host's file


class FilesystemMount(NamedTuple):
    """Mounted filesystem."""

    device: str
    root: str  # mounted part of the filesystem
    filesystem_type: str


MountTable = Mapping[str, FilesystemMount]


def read_mounts(host: Host, pid: str) -> dict[str, FilesystemMount]:
    """Return the mounts of a process (`pid`, or "self") by mount point.

    Raises ObservationError, and ControlError if the list is too long.
    """
    return parse_mounts(os.fsdecode(host.read_file(f"/proc/{pid}/mountinfo", MAX_TABLE_BYTES) or b""))


def parse_mounts(text: str) -> dict[str, FilesystemMount]:
    """Parse a list of mounts (proc_pid_mountinfo(5)) by mount point.

    If several mounts have the same mount point, the last mount counts.
    """
    mounts: dict[str, FilesystemMount] = {}
    for line in text.split("\n"):
        # [2] is the device, [3] the root, [4] the mount point. After optional fields and "-", the type follows.
        fields = line.split(" ")
        if len(fields) > 6 and "-" in fields[6:-1]:
            filesystem_type = fields[fields.index("-", 6) + 1]
            mounts[unescape_mount_point(fields[4])] = FilesystemMount(fields[2], fields[3], filesystem_type)
    return mounts


def _iterate_parents(path: str) -> Iterator[str]:
    """Yield a path, then each directory above it up to "/"."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def list_differing_files(host: Host, process: Process, host_mounts: MountTable) -> list[str]:
    """Return those of RESOLUTION_FILES that have another content for a process than for the host.

    `host_mounts` are the mounts of the host by mount point. A process in a container is left out: a container has its
    own files and programs. A process that runs a program of the host, but with another root directory, is checked.
    Raises ObservationError and ControlError.
    """
    process_mounts = read_mounts(host, str(process.pid))
    has_other_root = process_mounts.get("/") != host_mounts.get("/")
    if not process_mounts or (has_other_root and not _is_host_program(host, process, process_mounts)):
        return []
    return [
        path
        for path in RESOLUTION_FILES
        if _is_differing_file(host, process, path, host_mounts, process_mounts, has_other_root)
    ]


def _is_host_program(host: Host, process: Process, process_mounts: MountTable) -> bool:
    """Return whether a process with another root directory runs a program file of the host.

    The file has to be the same as the host's file at that path. A program on a remote mount does not count, because it
    is not examined.
    """
    if _is_remote_path(process.exe, process_mounts):
        return False
    try:
        running_status = os.stat(f"{host.root.rstrip('/')}/proc/{process.pid}/exe")
    except OSError:
        return False
    host_status = host.find_entry(process.exe)
    return host_status is not None and os.path.samestat(running_status, host_status)


def _is_remote_path(path: str, table: MountTable) -> bool:
    """Return whether a path is on or below a mount whose file system may not answer (network, FUSE)."""
    return any(parent in table and is_remote_type(table[parent].filesystem_type) for parent in _iterate_parents(path))


def _is_differing_file(
    host: Host, process: Process, path: str, host_mounts: MountTable, process_mounts: MountTable, has_other_root: bool
) -> bool:
    """Return whether a process that opens a path gets another content than the host has there.

    A copy with the same content is fine: sandboxes make such copies. With `has_other_root`, a missing file is fine too:
    that sandbox does not use it for name resolution.
    """
    process_files = Files(f"{host.root.rstrip('/')}/proc/{process.pid}/root")
    # /etc/resolv.conf may be a link that root made, so its target is checked too
    for path_or_target in dict.fromkeys([path, host.resolve_link(path)]):
        mounts_along_path = [
            (parent, host_mounts.get(parent), process_mounts.get(parent)) for parent in _iterate_parents(path_or_target)
        ]
        # With the same mounts on the way to the path, the process sees the host's file.
        if not has_other_root and all(
            host_mount == process_mount for _, host_mount, process_mount in mounts_along_path
        ):
            continue
        # A file on such a file system is not read, because the read may never end. So it counts as different.
        if any(
            process_mount and host_mount != process_mount and is_remote_type(process_mount.filesystem_type)
            for _, host_mount, process_mount in mounts_along_path
        ):
            return True
        if host.can_see_host_file(process, path_or_target):
            continue
        try:
            status = process_files.find_entry(path_or_target)
            process_content = (
                process_files.read_file(path_or_target, MAX_COMPARED_BYTES)
                if status and stat.S_ISREG(status.st_mode)
                else None
            )
        except (ObservationError, ControlError):
            return True
        # Something other than a readable file counts as different, unless the host has nothing there either.
        if process_content is None and not (has_other_root and status is None):
            return host.find_entry(path) is not None
        if process_content is not None and process_content != host.read_file(path):
            return True
    return False
