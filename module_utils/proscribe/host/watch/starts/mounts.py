"""Which file systems starts of programs can be seen on, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

from ....base.tuples import NamedTuple

MOUNTINFO_PATH = "/proc/self/mountinfo"
# From which nothing is started.
VIRTUAL_TYPES = frozenset(
    (
        *("proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "pstore"),
        *("bpf", "configfs", "hugetlbfs", "fusectl", "rpc_pipefs", "binfmt_misc", "nsfs", "efivarfs", "selinuxfs"),
        "autofs",  # what it stands for is a mount of its own, once somebody needs it
    )
)
# Those that another machine or a user's program answers for, as in system/mounts.py: opening a file may never end.
REMOTE_TYPES = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "coda"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "ocfs2"),
    )
)
PLACE_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class MountEntry(NamedTuple):
    """A place where a file system is mounted."""

    id: str
    device: str  # major:minor, which all mounts of a file system have in common
    point: str
    type: str

    @property
    def is_remote(self) -> bool:
        return self.type == "fuse" or self.type.startswith("fuse.") or self.type in REMOTE_TYPES


def parse_mounts(content: bytes) -> list[MountEntry]:
    """The mounts in a mountinfo; lines that are none are left out."""
    entries = []
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:-1]:
            file_system = fields[fields.index("-", 6) + 1]
            entries.append(MountEntry(fields[0], fields[2], _unescape_path(fields[4]), file_system))
    return entries


def _unescape_path(escaped: str) -> str:
    """A path without the escapes of spaces and line ends in it."""
    path, *pieces = escaped.split("\\")
    for piece in pieces:
        digits = piece[:3]
        octal = len(digits) == 3 and all(digit in "01234567" for digit in digits)
        path += chr(int(digits, 8) & 0xFF) + piece[3:] if octal else "\\" + piece
    return path


def split_by_origin(entries: list[MountEntry]) -> tuple[list[MountEntry], list[MountEntry]]:
    """The mounts by which each file system can be marked, those that hang below no other's word; and the remote ones,
    which cannot.
    """
    remote_entries = [entry for entry in entries if entry.is_remote]
    remote_prefixes = tuple(f"{entry.point}/" for entry in remote_entries if entry.point != "/")
    local_entries = [
        entry
        for entry in entries
        if not entry.is_remote and entry.type not in VIRTUAL_TYPES and not entry.point.startswith(remote_prefixes)
    ]
    return local_entries, remote_entries


def open_mount_point(entry: MountEntry) -> int:
    """A descriptor of the directory that a file system is mounted on. Raises OSError, also where something else is
    there by now: then nobody knows who answers.
    """
    descriptor = os.open(entry.point, PLACE_FLAGS)
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
        if b"mnt_id:\t%s\n" % entry.id.encode() in stream.read():
            return descriptor
    os.close(descriptor)
    raise OSError(f"{entry.point} is another mount by now")
