"""What is mounted on a host: which file systems may never answer, and whether two things are on the same mount."""

from __future__ import annotations

import os
from typing import Mapping

from ...base.patterns import compile_pattern
from ...base.tuples import NamedTuple
from .files import Files

# File systems whose answers come from another machine or from a user's own program (FUSE): they may never come. The
# number of a version is not in it (nfs4).
REMOTE_TYPES = frozenset(
    (
        *("nfs", "cifs", "smb", "smbfs", "9p", "afs", "autofs", "ceph", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "ocfs2"),
    )
)
# Where an AppImage that runs has its own archive mounted (type2-runtime, src/runtime/runtime.c: /tmp/.mount_QQaBcDeF).
# Nothing new is in there: the AppImage is a file of its own, and what runs out of it is seen running.
APPIMAGE_PREFIX = "/tmp/.mount_"
SUBVOLUME_LOOKUP = 0xD0009412
SUBVOLUME_ROOT = 256  # the inode of the root of every subvolume
_OCTAL = compile_pattern(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A place where a file system is mounted."""

    type: str
    is_whole_disk: bool  # a disk or a subvolume of its own from its root on, and no second view of something
    is_by_user: bool = False  # a user's own program answers for it (FUSE)


def read_mounts(host: Files) -> Mapping[str, Mount]:
    """By mount point, from /proc/self/mountinfo (proc_pid_mountinfo(5)). Nobody pays for that list."""

    def parse_mount_table(path: str) -> Mapping[str, Mount]:
        return _parse_mounts(host.read_file(path) or b"")

    budget, host.budget = host.budget, None
    try:
        return host._read_once(parse_mount_table, "/proc/self/mountinfo")
    finally:
        host.budget = budget


def unescape_mount_point(field: str) -> str:
    """A mount point out of its field in a table of mounts, where some characters are in octal (proc_pid_mounts(5))."""
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8) & 0xFF), field) if "\\" in field else field


def _parse_mounts(content: bytes) -> dict[str, Mount]:
    mounts_by_point: dict[str, Mount] = {}
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:]:
            file_system, source, *options = fields[fields.index("-", 6) + 1 :]
            # A subvolume of btrfs is a disk of its own. Of a directory in it that is mounted again, the root is longer.
            is_whole_disk = fields[3] == "/" or (
                file_system == "btrfs" and f"subvol={fields[3]}" in ",".join(options).split(",")
            )
            is_by_user = file_system.startswith("fuse") and "user_id=0" not in ",".join(options).split(",")
            mounts_by_point[unescape_mount_point(fields[4])] = Mount(
                file_system, is_whole_disk and source.startswith("/dev/"), is_by_user
            )
    return mounts_by_point


def find_remote_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Which file system of another machine, or of a user's program, a path is on; "" for none. "/" never counts."""
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and is_remote_type(mount_table[path].type) else ""


def find_user_mount_type(path: str, mount_table: Mapping[str, Mount]) -> str:
    """Which FUSE file system of a user's own a path is on; "" for none."""
    while path and path not in mount_table:
        path = path.rpartition("/")[0]
    return mount_table[path].type if path and mount_table[path].is_by_user else ""


def is_remote_type(type_: str) -> bool:
    """Whether a type of file system is one of these."""
    return type_ in REMOTE_TYPES or type_.rstrip("0123456789") in REMOTE_TYPES or type_.startswith("fuse")


def is_appimage_mount(path: str) -> bool:
    """Whether an AppImage may be mounted there."""
    return path.rpartition("/")[0] == "/tmp" and path.startswith(APPIMAGE_PREFIX) and path != APPIMAGE_PREFIX


def explain_not_entered(path: str, type_: str) -> str:
    """Why a path on such a file system was not scanned."""
    return f"{path} is on a network or FUSE file system ({type_}), which is not entered"


def read_mount_id(descriptor: int) -> bytes:
    """The mount of an open file, from the kernel alone (fdinfo in proc(5)); b"" if it does not say."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
            return next((line for line in stream if line.startswith(b"mnt_id:")), b"")
    except OSError:
        return b""


def find_entry_on_mount(directory: int, name: str) -> os.stat_result | None:
    """The entry of a name in a directory (a link is itself); None where something else is mounted, which is not
    read: its server might never answer. Raises OSError.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return os.fstat(descriptor) if read_mount_id(descriptor) == read_mount_id(directory) else None
    finally:
        os.close(descriptor)


def find_subvolume_id(directory: int) -> int:
    """The number of the btrfs subvolume that an open directory is in; 0 on another file system. btrfs never gives it
    to another subvolume (BTRFS_IOC_INO_LOOKUP, linux/btrfs.h).
    """
    import fcntl

    answer = bytearray(4096)  # which subvolume (0: that of the directory), which inode, its name
    answer[8:16] = SUBVOLUME_ROOT.to_bytes(8, "little")
    try:
        fcntl.ioctl(directory, SUBVOLUME_LOOKUP, answer)
    except OSError:
        return 0
    return int.from_bytes(answer[:8], "little")
