"""Programs to which a user gave other files in place of the host's files for name resolution.

If users may have namespaces (user_namespaces(7)), any user can mount a file over /etc/hosts for the user's own
programs. The host does not see that mount. Nearly every process has the same mounts as the host. To check such a
process, it is enough to read a single link.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError, Process

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection
    from .private_files import MountTable

PRIVATE_VIEW_RULE = "dns/private-view"
# Accounts from FIRST_USER_UID on are checked: those of users, and the higher uids that containers give to users.
# Services of the system have other mounts by design (PrivateTmp= and others). systemd takes their transient accounts
# from DYNAMIC_USER_UIDS.
FIRST_USER_UID, DYNAMIC_USER_UIDS, NOBODY_UID = 1000, range(61184, 65520), 65534
MAX_VIEWS_PER_USER = 256  # for each user; a user needs a running program for each view


def observe_private_views(host: Host, section: PlanSection) -> RuleVerdict:
    """Check that the programs of every user see the host's files for name resolution.

    A difference is only reported. No program is ended for it, because other rules judge the program itself. So it is no
    drift.
    """
    processes_by_view: dict[tuple[str, str], list[Process]] = {}
    unseen_reasons: list[str] = []
    host_mounts: MountTable | None = None
    for user_name, process in _iterate_views(host, unseen_reasons):
        from .private_files import (  # only a host with such a view needs this import
            list_differing_files,
            read_mounts,
        )

        try:
            host_mounts = read_mounts(host, "self") if host_mounts is None else host_mounts
            files = list_differing_files(host, process, host_mounts)
        except (ObservationError, ControlError) as error:
            # a process that has ended meanwhile needs no check
            if host.find_entry(f"/proc/{process.pid}") is not None:
                unseen_reasons.append(str(error))
        else:
            if files:
                processes_by_view.setdefault((user_name, ", ".join(files)), []).append(process)
    findings = [
        _make_view_finding(user_name, files, processes)
        for (user_name, files), processes in sorted(processes_by_view.items())
    ]
    return judge_rule(
        PRIVATE_VIEW_RULE, {"mode": section["mode"]}, findings, unseen_reasons[0] if unseen_reasons else ""
    )._replace(drifted=False)


def _make_view_finding(user: str, files: str, processes: Sequence[Process]) -> Finding:
    """Return the finding for a user's programs that see other files than the host has.

    `files` are the paths, joined by commas. The finding names the first of `processes`, and counts the others.
    """
    first_process, *other_processes = processes
    count_note = f" and {len(other_processes)} more" if other_processes else ""
    detail = f"pid {first_process.pid}{count_note} sees another {files} than the host has"
    return Finding(
        "process", first_process.exe.rpartition("/")[2], scope=f"user:{user}", path=first_process.exe, detail=detail
    )


def _iterate_views(host: Host, unseen_reasons: list[str]) -> Iterator[tuple[str, Process]]:
    """Yield (user name, process) once for each view of the file system that a user's programs have.

    A view is a mount namespace other than the host's, with a root directory. Reasons for missing checks are added to
    `unseen_reasons`.
    """
    processes, hidden_count = host.list_processes()
    host_namespaces = {_read_namespace(host, "self"), _read_namespace(host, "1")}
    views_by_user: dict[str, set[tuple[str, str]]] = {}
    if hidden_count or not host.privileged:
        unseen_reasons.append("which files the programs of other users see is only shown to root")
    for process in processes:
        namespace = _read_namespace(host, str(process.pid))
        if not namespace or namespace in host_namespaces:
            continue
        uid = host.find_process_uid(process)
        if uid < FIRST_USER_UID or uid in DYNAMIC_USER_UIDS or uid == NOBODY_UID:
            continue
        user = host.find_account(uid)
        views = views_by_user.setdefault(user.name, set())
        view = (namespace, _read_proc_link(host, f"/proc/{process.pid}/root"))
        if view in views:
            continue
        views.add(view)
        if len(views) <= MAX_VIEWS_PER_USER:
            yield user.name, process
        elif len(views) == MAX_VIEWS_PER_USER + 1:
            unseen_reasons.append(
                f"{user.name} has more than {MAX_VIEWS_PER_USER} views of the file system: not all were checked"
            )


def _read_namespace(host: Host, pid: str) -> str:
    """Return the id of a process's mount namespace; "" if it cannot be read. `pid` may be "self"."""
    return _read_proc_link(host, f"/proc/{pid}/ns/mnt")


def _read_proc_link(host: Host, path: str) -> str:
    """Return the target of a link of /proc; "" if it cannot be read, or the process has ended."""
    try:
        return os.readlink(host.root.rstrip("/") + path)
    except OSError:
        return ""
