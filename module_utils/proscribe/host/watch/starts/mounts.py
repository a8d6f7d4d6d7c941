"""Which file systems starts of programs can be seen on, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os

from ....base.tuples import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"
# From which nothing is started.
VIRTUAL = frozenset(
    (
        *("proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "pstore"),
        *("bpf", "configfs", "hugetlbfs", "fusectl", "rpc_pipefs", "binfmt_misc", "nsfs", "efivarfs", "selinuxfs"),
        "autofs",  # what it stands for is a mount of its own, once somebody needs it
    )
)
# Those that another machine or a user's program answers for, as in system/mounts.py: opening a file may never end.
REMOTE = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "coda"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "ocfs2"),
    )
)
PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class Mounted(NamedTuple):
    """A place where a file system is mounted."""

    id: str
    device: str  # major:minor, which all mounts of a file system have in common
    point: str
    type: str

    @property
    def remote(self) -> bool:
        return self.type == "fuse" or self.type.startswith("fuse.") or self.type in REMOTE


def parsed(content: bytes) -> list[Mounted]:
    """The mounts in a mountinfo; lines that are none are left out."""
    found = []
    for line in os.fsdecode(content).split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:-1]:
            type_ = fields[fields.index("-", 6) + 1]
            found.append(Mounted(fields[0], fields[2], _plain(fields[4]), type_))
    return found


def _plain(escaped: str) -> str:
    """A path without the escapes of spaces and line ends in it."""
    first, *rest = escaped.split("\\")
    for piece in rest:
        number = piece[:3]
        octal = len(number) == 3 and all(digit in "01234567" for digit in number)
        first += chr(int(number, 8) & 0xFF) + piece[3:] if octal else "\\" + piece
    return first


def seen_on(mounted: list[Mounted]) -> tuple[list[Mounted], list[Mounted]]:
    """The mounts by which each file system can be marked, those that hang below no other's word; and the remote ones,
    which cannot.
    """
    remote = [one for one in mounted if one.remote]
    below = tuple(f"{one.point}/" for one in remote if one.point != "/")
    local = [one for one in mounted if not one.remote and one.type not in VIRTUAL and not one.point.startswith(below)]
    return local, remote


def opened(one: Mounted) -> int:
    """A descriptor of the directory that a file system is mounted on. Raises OSError, also where something else is
    there by now: then nobody knows who answers.
    """
    descriptor = os.open(one.point, PLACE)
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as stream:
        if b"mnt_id:\t%s\n" % one.id.encode() in stream.read():
            return descriptor
    os.close(descriptor)
    raise OSError(f"{one.point} is another mount by now")
