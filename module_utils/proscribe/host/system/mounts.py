"""Mounts of a host. They tell which paths are on network or FUSE file systems, where a read may hang."""

from __future__ import annotations

import os
from typing import Mapping

from ...base.lazy_patterns import compile_pattern
from ...base.named_tuple import NamedTuple
from .files import Files

# Network file systems: if the server is dead, a read may hang. A version number such as that of nfs4 is removed before
# the comparison. FUSE file systems, which a user's program serves, are recognised by the prefix of their type.
REMOTE_TYPES = frozenset(
    (
        *("nfs", "cifs", "smb", "smbfs", "9p", "afs", "autofs", "ceph", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "ocfs2"),
    )
)
# Prefix of the directories where running AppImages mount their archives, such as /tmp/.mount_QQaBcDeF (type2-runtime,
# src/runtime/runtime.c). These directories need no scan: Proscribe observes the AppImage file itself, and its running
# programs.
APPIMAGE_PREFIX = "/tmp/.mount_"
SUBVOLUME_LOOKUP = 0xD0009412  # BTRFS_IOC_INO_LOOKUP
SUBVOLUME_ROOT = 256  # the inode of the root of every subvolume
_OCTAL = compile_pattern(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """Mount of a file system."""

    type: str
    is_whole_disk: bool  # the root of a disk or of a btrfs subvolume is mounted, not a directory of it (bind mount)
    is_by_user: bool = False  # a FUSE file system that an ordinary user's program serves


def read_mounts(host: Files) -> Mapping[str, Mount]:
    """Return the mounts of this process, by mount point, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

    The read is not charged to a user's budget.
    """

    def parse_mount_table(path: str) -> Mapping[str, Mount]:
        return _parse_mounts(host.read_file(path) or b"")

    budget, host.budget = host.budget, None
    try:
        return host._read_once(parse_mount_table, "/proc/self/mountinfo")
    finally:
        host.budget = budget


def unescape_mount_point(field: str) -> str:
    """Decode a mount point from a line of the kernel's mount table.

    The kernel writes some characters, such as blanks, as octal numbers (proc_pid_mounts(5)).
    """
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8) & 0xFF), field) if "\\" in field else field


def _parse_mounts(content: bytes) -> dict[str, Mount]:
    """Parse the text of a mountinfo file. Return the mounts by mount point."""
    mounts_by_point: dict[str, Mount] = {}
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:]:
            file_system, source, *options = fields[fields.index("-", 6) + 1 :]
            # A btrfs subvolume counts as a disk. For a bind mount of a directory in the subvolume, the root field is
            # longer than the option subvol.
            is_whole_disk = fields[3] == "/" or (
                file_system == "btrfs" and f"subvol={fields[3]}" in ",".join(options).split(",")
            )
            is_by_user = file_system.startswith("fuse") and "user_id=0" not in ",".join(options).split(",")
            mounts_by_point[unescape_mount_point(fields[4])] = Mount(
                file_system, is_whole_disk and source.startswith("/dev/"), is_by_user
            )
    return mounts_by_point


def find_remote_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Return the type of the network or FUSE file system that contains a path; "" for a local file system.

    A file system at "/" counts as local.
    """
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and is_remote_type(mount_table[path].type) else ""


def find_user_mount_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Return the type of the FUSE file system that contains a path, if an ordinary user mounted it.

    Returns "" for any other file system.
    """
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and mount_table[path].is_by_user else ""


def is_remote_type(type_: str) -> bool:
    """Return whether a file system of this type is a network or FUSE file system."""
    return type_ in REMOTE_TYPES or type_.rstrip("0123456789") in REMOTE_TYPES or type_.startswith("fuse")


def is_appimage_mount(path: str) -> bool:
    """Return whether a path has the form of a directory where a running AppImage mounts its archive."""
    return path.rpartition("/")[0] == "/tmp" and path.startswith(APPIMAGE_PREFIX) and path != APPIMAGE_PREFIX


def explain_not_entered(path: str, type_: str) -> str:
    """Return the message that a path was not scanned because of its file system, `type_`."""
    return f"{path} is on a network or FUSE file system ({type_}), which is not entered"


def read_mount_id(descriptor: int) -> bytes:
    """Return the line with the mount id of an open file.

    Returns b"" if the kernel does not report it. Only the kernel is asked, and never the file system, so the call
    cannot hang (fdinfo in proc(5)).
    """
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
            return next((line for line in stream if line.startswith(b"mnt_id:")), b"")
    except OSError:
        return b""


def find_entry_on_mount(directory: int, name: str) -> os.stat_result | None:
    """Return the status of an entry in a directory; None if another file system is mounted at the entry.

    The status of a mounted file system is not read, because its server might never answer. A link is not followed.
    Raises OSError.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return os.fstat(descriptor) if read_mount_id(descriptor) == read_mount_id(directory) else None
    finally:
        os.close(descriptor)


def find_subvolume_id(directory: int) -> int:
    """Return the number of the btrfs subvolume that contains an open directory; 0 on other file systems.

    btrfs never reuses the number (BTRFS_IOC_INO_LOOKUP, linux/btrfs.h).
    """
    import fcntl

    answer = bytearray(4096)  # struct: subvolume (0 stands for that of the directory), inode, name
    answer[8:16] = SUBVOLUME_ROOT.to_bytes(8, "little")
    try:
        fcntl.ioctl(directory, SUBVOLUME_LOOKUP, answer)
    except OSError:
        return 0
    return int.from_bytes(answer[:8], "little")
