"""Programs to which a user has given files of his own in the place of those that name resolution goes by.

Where users may have namespaces (user_namespaces(7)), anybody mounts over /etc/hosts for what he starts, and the host
does not see it. The kernel says of each process what is mounted where; a process that has the host's own mounts, as
nearly all have, costs one link that is read. Nothing is asked of what a user has mounted but the content of a regular
file on a disk: his FUSE may never answer.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Iterator, Mapping, Sequence

from ...finding import Finding, Verdict, judge
from ...host import ControlError, Host, Process, Unseen
from ...host.files import Files
from ...host.walking import REMOTE
from ...tuples import NamedTuple

RULE = "dns/private-view"
FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
# Whose views are looked at: accounts of people and, above them, those that containers give to users. Services of the
# system have views by design (PrivateTmp= and the like); systemd takes their passing accounts from the second range.
PEOPLE, PASSING, NOBODY = 1000, range(61184, 65520), 65534
MOST = 256  # views of one user; it takes a program for each
TABLE = 4 * 1024 * 1024  # bytes of a list of mounts; the kernel lets a user have 100,000 mounts
LARGEST = 1024 * 1024  # bytes of such a file that are compared


class Mounted(NamedTuple):
    """What is mounted somewhere."""

    device: str
    root: str  # which part of it
    type: str


Table = Mapping[str, Mounted]


def observe(host: Host, section: Mapping[str, Any]) -> Verdict:
    """Whether every user's programs see the host's files. It is reported and nothing is ended: what the program is, its
    own rules say.
    """
    found: dict[tuple[str, str], list[Process]] = {}
    unseen: list[str] = []
    table = parse(_table(host, "self"))
    for user, process in _views(host, unseen):
        try:
            files = _others(host, process, table)
        except (Unseen, ControlError) as error:
            if host.stat(f"/proc/{process.pid}") is not None:
                unseen.append(str(error))
        else:
            if files:
                found.setdefault((user, ", ".join(files)), []).append(process)
    told = [_finding(user, files, processes) for (user, files), processes in sorted(found.items())]
    return judge(RULE, section, told, unseen[0] if unseen else "")._replace(drifted=False)


def _finding(user: str, files: str, processes: Sequence[Process]) -> Finding:
    first, *others = processes
    more = f" and {len(others)} more" if others else ""
    detail = f"pid {first.pid}{more} sees another {files} than the host has"
    return Finding("process", first.exe.rpartition("/")[2], scope=f"user:{user}", path=first.exe, detail=detail)


def _views(host: Host, unseen: list[str]) -> Iterator[tuple[str, Process]]:
    """A process of every view that a user has, with the user's name; to `unseen` goes what could not be looked at."""
    processes, hidden = host.processes()
    ours = {_namespace(host, "self"), _namespace(host, "1")}
    seen: dict[str, set[tuple[str, str]]] = {}
    if hidden or not host.privileged:
        unseen.append("which files the programs of other users see is only shown to root")
    for process in processes:
        namespace = _namespace(host, str(process.pid))
        if not namespace or namespace in ours:
            continue
        user = host.owner(process)
        if user is None or user.uid < PEOPLE or user.uid in PASSING or user.uid == NOBODY:
            continue
        views = seen.setdefault(user.name, set())
        view = (namespace, _link(host, f"/proc/{process.pid}/root"))
        if view in views:
            continue
        views.add(view)
        if len(views) <= MOST:
            yield user.name, process
        elif len(views) == MOST + 1:
            unseen.append(f"{user.name} has more than {MOST} views of the file system: not all were looked at")


def _namespace(host: Host, pid: str) -> str:
    return _link(host, f"/proc/{pid}/ns/mnt")


def _link(host: Host, path: str) -> str:
    """What a link of /proc says; "" if it cannot be read, or the process has ended."""
    try:
        return os.readlink(host.root.rstrip("/") + path)
    except OSError:
        return ""


def _table(host: Host, pid: str) -> str:
    return os.fsdecode(host.read(f"/proc/{pid}/mountinfo", TABLE) or b"")


def parse(text: str) -> dict[str, Mounted]:
    """A list of mounts (proc_pid_mountinfo(5)) by mount point; of several at one the last, which lies on top."""
    found: dict[str, Mounted] = {}
    for line in text.split("\n"):
        fields = line.split(" ")
        if len(fields) > 6 and "-" in fields[6:-1]:
            kind = fields[fields.index("-", 6) + 1]
            place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8) & 0xFF), fields[4])
            found[place] = Mounted(fields[2], fields[3], kind)
    return found


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def _others(host: Host, process: Process, ours: Table) -> list[str]:
    """Those of the files that a process sees others of. One in a container is left out: that has files of its own, and
    programs of its own; but not one that runs a program of the host's behind another root.
    """
    its = parse(_table(host, str(process.pid)))
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
    known = host.stat(process.exe)
    return known is not None and os.path.samestat(running, known)


def _remote(path: str, table: Table) -> bool:
    return any(above in table and REMOTE.fullmatch(table[above].type) for above in _upwards(path))


def _differs(host: Host, process: Process, path: str, ours: Table, its: Table, inside: bool) -> bool:
    """Whether a process that opens a path gets something else than the host has there. A copy is as good: sandboxes
    make some. Behind another root, a sandbox that has no such file at all resolves nothing by it.
    """
    view = Files(f"{host.root.rstrip('/')}/proc/{process.pid}/root")
    for place in dict.fromkeys([path, host.target(path)]):  # /etc/resolv.conf may be a link of root's
        mine = [(above, ours.get(above), its.get(above)) for above in _upwards(place)]
        if not inside and all(left == right for _, left, right in mine):
            continue
        if any(right and left != right and REMOTE.fullmatch(right.type) for _, left, right in mine):
            return True
        if host.sees(process, place):
            continue
        try:
            there = view.stat(place)
            content = view.read(place, LARGEST) if there and stat.S_ISREG(there.st_mode) else None
        except (Unseen, ControlError):
            return True
        if content is None and not (inside and there is None):
            return host.stat(path) is not None
        if content is not None and content != host.read(path):
            return True
    return False
