"""Which files a program sees in the place of those that the host resolves names by, as the kernel says what is mounted.

Nothing is asked of what a user has mounted but the content of a regular file on a disk: his FUSE may never answer.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, Mapping

from ....base.tuples import NamedTuple
from ...system import ControlError, Host, ObservationError, Process
from ...system.files import Files
from ...system.mounts import is_remote_type, unescape_mount_point

FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
TABLE = 4 * 1024 * 1024  # bytes of a list of mounts; the kernel lets a user have 100,000 mounts
LARGEST = 1024 * 1024  # bytes of such a file that are compared


class Mounted(NamedTuple):
    """What is mounted somewhere."""

    device: str
    root: str  # which part of it
    type: str


Table = Mapping[str, Mounted]


def mounted(host: Host, pid: str) -> dict[str, Mounted]:
    """What a process has mounted where. Raises Unseen, ControlError: there is too much of it."""
    return parse(os.fsdecode(host.read_file(f"/proc/{pid}/mountinfo", TABLE) or b""))


def parse(text: str) -> dict[str, Mounted]:
    """A list of mounts (proc_pid_mountinfo(5)) by mount point; of several at one the last, which lies on top."""
    found: dict[str, Mounted] = {}
    for line in text.split("\n"):
        fields = line.split(" ")
        if len(fields) > 6 and "-" in fields[6:-1]:
            kind = fields[fields.index("-", 6) + 1]
            found[unescape_mount_point(fields[4])] = Mounted(fields[2], fields[3], kind)
    return found


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def others(host: Host, process: Process, ours: Table) -> list[str]:
    """Those of the files that a process sees others of. One in a container is left out: that has files of its own, and
    programs of its own; but not one that runs a program of the host's behind another root. Raises Unseen, ControlError.
    """
    its = mounted(host, str(process.pid))
    inside = its.get("/") != ours.get("/")
    if not its or (inside and not _hosts_own(host, process, its)):
        return []
    return [path for path in FILES if _differs(host, process, path, ours, its, inside)]


def _hosts_own(host: Host, process: Process, its: Table) -> bool:
    if _remote(process.exe, its):
        return False
    try:
        running = os.stat(f"{host.root.rstrip('/')}/proc/{process.pid}/exe")
    except OSError:
        return False
    known = host.find_entry(process.exe)
    return known is not None and os.path.samestat(running, known)


def _remote(path: str, table: Table) -> bool:
    return any(above in table and is_remote_type(table[above].type) for above in _upwards(path))


def _differs(host: Host, process: Process, path: str, ours: Table, its: Table, inside: bool) -> bool:
    """Whether a process that opens a path gets something else than the host has there. A copy is as good: sandboxes
    make some. Behind another root, a sandbox that has no such file at all resolves nothing by it.
    """
    view = Files(f"{host.root.rstrip('/')}/proc/{process.pid}/root")
    for place in dict.fromkeys([path, host.resolve_link(path)]):  # /etc/resolv.conf may be a link of root's
        mine = [(above, ours.get(above), its.get(above)) for above in _upwards(place)]
        if not inside and all(left == right for _, left, right in mine):
            continue
        if any(right and left != right and is_remote_type(right.type) for _, left, right in mine):
            return True
        if host.can_see_host_file(process, place):
            continue
        try:
            there = view.find_entry(place)
            content = view.read_file(place, LARGEST) if there and stat.S_ISREG(there.st_mode) else None
        except (ObservationError, ControlError):
            return True
        if content is None and not (inside and there is None):
            return host.find_entry(path) is not None
        if content is not None and content != host.read_file(path):
            return True
    return False
