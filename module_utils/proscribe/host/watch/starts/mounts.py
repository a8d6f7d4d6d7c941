"""File systems on which program starts can be noticed, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

from ....base.named_tuple import NamedTuple

MOUNTINFO_PATH = "/proc/self/mountinfo"
# File systems from which no program is started.
VIRTUAL_TYPES = frozenset(
    (
        *("proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "pstore"),
        *("bpf", "configfs", "hugetlbfs", "fusectl", "rpc_pipefs", "binfmt_misc", "nsfs", "efivarfs", "selinuxfs"),
        "autofs",  # a mount point for later: at its first use, the real file system becomes a separate mount
    )
)
# File systems that another machine or a user's program serves, as in system/mounts.py. Opening a file there may never
# end.
REMOTE_TYPES = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "coda"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "ocfs2"),
    )
)
PLACE_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class MountEntry(NamedTuple):
    """A mount of a file system: a line of /proc/self/mountinfo."""

    id: str  # the kernel's number of the mount
    device: str  # "major:minor" of the device: the same text for all mounts of one file system
    point: str  # the directory on which the file system is mounted
    type: str

    @property
    def is_remote(self) -> bool:
        return self.type == "fuse" or self.type.startswith("fuse.") or self.type in REMOTE_TYPES


def parse_mounts(content: bytes) -> list[MountEntry]:
    """Return the mounts in the content of /proc/self/mountinfo. Invalid lines are left out."""
    entries = []
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:-1]:
            file_system = fields[fields.index("-", 6) + 1]
            entries.append(MountEntry(fields[0], fields[2], _unescape_path(fields[4]), file_system))
    return entries


def _unescape_path(escaped: str) -> str:
    """Return a path of mountinfo with its octal escapes decoded, which stand for blanks and line ends."""
    path, *pieces = escaped.split("\\")
    for piece in pieces:
        digits = piece[:3]
        octal = len(digits) == 3 and all(digit in "01234567" for digit in digits)
        path += chr(int(digits, 8) & 0xFF) + piece[3:] if octal else "\\" + piece
    return path


def split_by_origin(entries: list[MountEntry]) -> tuple[list[MountEntry], list[MountEntry]]:
    """Return the local mounts, whose file systems can be marked, and the remote mounts, which cannot.

    Local mounts below a remote mount are left out: a path to them goes through the remote file system.
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
    """Return a descriptor of the directory on which a file system is mounted. Raises OSError.

    An OSError also means that another file system is mounted there by now, which may be a remote one.
    """
    descriptor = os.open(entry.point, PLACE_FLAGS)
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
        if b"mnt_id:\t%s\n" % entry.id.encode() in stream.read():
            return descriptor
    os.close(descriptor)
    raise OSError(f"{entry.point} is another mount by now")
