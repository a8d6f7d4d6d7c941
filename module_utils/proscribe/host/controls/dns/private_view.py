"""Programs to which a user has given files of his own in the place of those that name resolution goes by.

Where users may have namespaces (user_namespaces(7)), anybody mounts over /etc/hosts for what he starts, and the host
does not see it. A process that has the host's own mounts, as nearly all have, costs one link that is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError, Process

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection
    from .other_files import Table

RULE = "dns/private-view"
# Whose views are checked: accounts of users and, above them, those that containers give to users. Services of the
# system have views by design (PrivateTmp= and the like); systemd takes their passing accounts from the second range.
FIRST_USER, PASSING, NOBODY = 1000, range(61184, 65520), 65534
MOST = 256  # views of one user; it takes a program for each


def observe(host: Host, section: PlanSection) -> RuleVerdict:
    """Whether every user's programs see the host's files. It is reported and nothing is ended: what the program is, its
    own rules say.
    """
    found: dict[tuple[str, str], list[Process]] = {}
    unseen: list[str] = []
    ours: Table | None = None
    for user, process in _views(host, unseen):
        from .other_files import mounted, others  # only a host where somebody has such a view pays for it

        try:
            ours = mounted(host, "self") if ours is None else ours
            files = others(host, process, ours)
        except (ObservationError, ControlError) as error:
            if host.find_entry(f"/proc/{process.pid}") is not None:
                unseen.append(str(error))
        else:
            if files:
                found.setdefault((user, ", ".join(files)), []).append(process)
    findings = [_finding(user, files, processes) for (user, files), processes in sorted(found.items())]
    return judge_rule(RULE, {"mode": section["mode"]}, findings, unseen[0] if unseen else "")._replace(drifted=False)


def _finding(user: str, files: str, processes: Sequence[Process]) -> Finding:
    first, *others = processes
    more = f" and {len(others)} more" if others else ""
    detail = f"pid {first.pid}{more} sees another {files} than the host has"
    return Finding("process", first.exe.rpartition("/")[2], scope=f"user:{user}", path=first.exe, detail=detail)


def _views(host: Host, unseen: list[str]) -> Iterator[tuple[str, Process]]:
    """A process of every view that a user has, with the user's name; to `unseen` goes what could not be checked."""
    processes, hidden = host.list_processes()
    ours = {_namespace(host, "self"), _namespace(host, "1")}
    seen: dict[str, set[tuple[str, str]]] = {}
    if hidden or not host.privileged:
        unseen.append("which files the programs of other users see is only shown to root")
    for process in processes:
        namespace = _namespace(host, str(process.pid))
        if not namespace or namespace in ours:
            continue
        uid = host.find_process_uid(process)
        if uid < FIRST_USER or uid in PASSING or uid == NOBODY:
            continue
        user = host.find_account(uid)
        views = seen.setdefault(user.name, set())
        view = (namespace, _link(host, f"/proc/{process.pid}/root"))
        if view in views:
            continue
        views.add(view)
        if len(views) <= MOST:
            yield user.name, process
        elif len(views) == MOST + 1:
            unseen.append(f"{user.name} has more than {MOST} views of the file system: not all were checked")


def _namespace(host: Host, pid: str) -> str:
    return _link(host, f"/proc/{pid}/ns/mnt")


def _link(host: Host, path: str) -> str:
    """What a link of /proc says; "" if it cannot be read, or the process has ended."""
    try:
        return os.readlink(host.root.rstrip("/") + path)
    except OSError:
        return ""
