"""Mounts of a host: file systems that may never answer, and comparison of the mounts of two entries."""

from __future__ import annotations

import os
from typing import Mapping

from ...base.lazy_patterns import compile_pattern
from ...base.named_tuple import NamedTuple
from .files import Files

# File systems that another machine serves: an answer may never come. The names have no version number (nfs4). FUSE,
# which a user's own program serves, is recognised by its prefix.
REMOTE_TYPES = frozenset(
    (
        *("nfs", "cifs", "smb", "smbfs", "9p", "afs", "autofs", "ceph", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "ocfs2"),
    )
)
# Prefix of the mount points where running AppImages mount their own archives (type2-runtime, src/runtime/runtime.c:
# /tmp/.mount_QQaBcDeF). The mount points need no scan: the AppImage is observed as a file, and its programs while they
# run.
APPIMAGE_PREFIX = "/tmp/.mount_"
SUBVOLUME_LOOKUP = 0xD0009412
SUBVOLUME_ROOT = 256  # the inode of the root of every subvolume
_OCTAL = compile_pattern(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """Mount of a file system."""

    type: str
    is_whole_disk: bool  # a disk or a subvolume from its root on, and no second view of a directory
    is_by_user: bool = False  # a user's own program serves it (FUSE)


def read_mounts(host: Files) -> Mapping[str, Mount]:
    """Return the mounts by mount point, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

    The read does not count against a user's budget.
    """

    def parse_mount_table(path: str) -> Mapping[str, Mount]:
        return _parse_mounts(host.read_file(path) or b"")

    budget, host.budget = host.budget, None
    try:
        return host._read_once(parse_mount_table, "/proc/self/mountinfo")
    finally:
        host.budget = budget


def unescape_mount_point(field: str) -> str:
    """Return a mount point from its field in a table of mounts.

    Some characters of the field are in octal (proc_pid_mounts(5)).
    """
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8) & 0xFF), field) if "\\" in field else field


def _parse_mounts(content: bytes) -> dict[str, Mount]:
    mounts_by_point: dict[str, Mount] = {}
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:]:
            file_system, source, *options = fields[fields.index("-", 6) + 1 :]
            # A subvolume of btrfs counts as a disk. If a directory of the subvolume is mounted again, the mount has a
            # longer root.
            is_whole_disk = fields[3] == "/" or (
                file_system == "btrfs" and f"subvol={fields[3]}" in ",".join(options).split(",")
            )
            is_by_user = file_system.startswith("fuse") and "user_id=0" not in ",".join(options).split(",")
            mounts_by_point[unescape_mount_point(fields[4])] = Mount(
                file_system, is_whole_disk and source.startswith("/dev/"), is_by_user
            )
    return mounts_by_point


def find_remote_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Return the type of the remote or FUSE file system that a path is on; "" for none. "/" never counts."""
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and is_remote_type(mount_table[path].type) else ""


def find_user_mount_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Return the type of the user's own FUSE file system that a path is on; "" for none."""
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and mount_table[path].is_by_user else ""


def is_remote_type(type_: str) -> bool:
    """Return whether another machine or a user's program serves file systems of this type."""
    return type_ in REMOTE_TYPES or type_.rstrip("0123456789") in REMOTE_TYPES or type_.startswith("fuse")


def is_appimage_mount(path: str) -> bool:
    """Return whether a path may be the mount point of an AppImage."""
    return path.rpartition("/")[0] == "/tmp" and path.startswith(APPIMAGE_PREFIX) and path != APPIMAGE_PREFIX


def explain_not_entered(path: str, type_: str) -> str:
    """Return the reason why a path on a remote or FUSE file system was not scanned."""
    return f"{path} is on a network or FUSE file system ({type_}), which is not entered"


def read_mount_id(descriptor: int) -> bytes:
    """Return the line with the mount of an open file; b"" if the kernel does not report it.

    The kernel alone answers (fdinfo in proc(5)).
    """
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
            return next((line for line in stream if line.startswith(b"mnt_id:")), b"")
    except OSError:
        return b""


def find_entry_on_mount(directory: int, name: str) -> os.stat_result | None:
    """Return the status of an entry in a directory; None if another file system is mounted on the entry.

    A link is not followed. A mounted file system is not read, because its server might never answer. Raises OSError.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return os.fstat(descriptor) if read_mount_id(descriptor) == read_mount_id(directory) else None
    finally:
        os.close(descriptor)


def find_subvolume_id(directory: int) -> int:
    """Return the number of the btrfs subvolume of an open directory; 0 on another file system.

    btrfs never gives that number to another subvolume (BTRFS_IOC_INO_LOOKUP, linux/btrfs.h).
    """
    import fcntl

    answer = bytearray(4096)  # fields: subvolume (0: that of the directory), inode, name
    answer[8:16] = SUBVOLUME_ROOT.to_bytes(8, "little")
    try:
        fcntl.ioctl(directory, SUBVOLUME_LOOKUP, answer)
    except OSError:
        return 0
    return int.from_bytes(answer[:8], "little")
