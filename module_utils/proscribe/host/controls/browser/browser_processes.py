"""Check that running browsers apply the policy that is on the disk."""

from __future__ import annotations

import time
from typing import Iterable, Iterator, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import Finding
from ...system import Host, Process
from .policy_places import PolicyPlace

# Programs of these families read their policy file only when they start. Chromium and its relatives reread their folder
# within seconds.
READ_ONCE_FAMILIES = ("firefox", "thunderbird")
# Some relatives of Chromium miss a change in the first seconds after their start (156: in the second and third). They
# notice it at their next check, every 15 minutes (tried; kReloadInterval of Chromium's async_policy_loader.cc).
UNNOTICED_SECONDS, RECHECK_SECONDS = 4, 15 * 60
# Paths of programs in flatpaks and snaps. By design, these have a file system of their own, in which the path of the
# policy file exists. So their view of the file is not compared with the host's.
PACKAGED_PREFIXES = ("/app/", "/snap/")

# With this file in its root directory, Firefox (and any relative) assumes that it runs in a flatpak (tried on 153).
# Then it reads policies below /app, where its user may have put any file.
FLATPAK_INFO_FILE = ".flatpak-info"


class BrowserCheck(NamedTuple):
    """Findings about browsers that their policy does not reach, and the reason for missing checks ("": none)."""

    findings: Sequence[Finding]
    unseen_reason: str = ""


def check_running(host: Host, places: Sequence[PolicyPlace]) -> BrowserCheck:
    """Check that the running browsers apply the policy of their place.

    A browser lacks the policy if it started before the policy was written. Its user may also have given it another view
    of the file system.
    """
    processes, hidden_count = host.list_processes()
    unseen_reason = f"{hidden_count} processes of other users are only seen by root" if hidden_count else ""
    return BrowserCheck(list(_find_unmanaged(host, places, processes)), unseen_reason)


def _find_unmanaged(host: Host, places: Sequence[PolicyPlace], processes: Iterable[Process]) -> Iterator[Finding]:
    """Yield a finding for each running browser that does not apply the policy of its place."""
    # by name of a program: the places whose policy it may read
    places_by_program: dict[str, list[PolicyPlace]] = {}
    for place in places:
        for program in place.programs:
            places_by_program.setdefault(program, []).append(place)
    browser_processes = [process for process in processes if process.exe.rpartition("/")[2] in places_by_program]
    programs_by_pid = {process.pid: process.exe for process in browser_processes}
    for process in browser_processes:
        if programs_by_pid.get(host.read_parent_pid(process)) == process.exe:
            continue  # a helper process of the browser, whose sandbox hides files
        detail = _explain_unmanaged(host, process, places_by_program[process.exe.rpartition("/")[2]])
        if detail:
            user = host.find_process_owner(process)
            scope = f"user:{user.name}" if user else ""
            program = process.exe.rpartition("/")[2]
            yield Finding("process", program, scope=scope, path=process.exe, detail=f"pid {process.pid}, {detail}")


def _explain_unmanaged(host: Host, process: Process, places: Sequence[PolicyPlace]) -> str:
    """Return why a running browser does not apply its policy; "" if it does.

    `places` are all places that a program of this name may read. The browser's packaging decides which of them it
    reads.
    """
    present_places = [place for place in places if host.find_entry(place.path) is not None]
    if not present_places:
        return ""  # a missing policy file is reported by the verdict on the place
    is_packaged = process.exe.startswith(PACKAGED_PREFIXES)
    visible_by_path: Mapping[str, bool | None] = {
        place.path: is_packaged or _has_policy_view(host, process, place) for place in present_places
    }
    # One hidden path is enough, because the browser may read that path. None (unknown) does not count.
    if hidden_paths := [path for path, is_visible in visible_by_path.items() if is_visible is False]:
        return f"it sees another {hidden_paths[0]} than the host has"
    read_once_path = next((place.path for place in present_places if place.family in READ_ONCE_FAMILIES), "")
    if read_once_path and not is_packaged and host.read_file_in_root(process, FLATPAK_INFO_FILE, 1):
        return (
            f"its user has given it a {FLATPAK_INFO_FILE}, so that it reads its policies below /app instead of "
            f"{read_once_path}"
        )
    start_time = host.read_start_time(process)
    for place in present_places:
        status = host.find_entry(place.path)
        if not (visible_by_path[place.path] and status and start_time):
            continue
        # ctime (last change of the inode) is used, because no program can set it back, unlike mtime.
        seconds_after_start = status.st_ctime - start_time
        if place.family in READ_ONCE_FAMILIES and seconds_after_start > 1:
            return f"started {host.format_start_time(process)}, before {place.path} was written: restart it"
        if (
            place.family not in READ_ONCE_FAMILIES
            and 0 <= seconds_after_start < UNNOTICED_SECONDS
            and time.time() - status.st_ctime < RECHECK_SECONDS
        ):
            return (
                f"started {host.format_start_time(process)}, as {place.path} was written: it may see that only"
                f" {RECHECK_SECONDS // 60} minutes later: restart it"
            )
    return ""


def _has_policy_view(host: Host, process: Process, place: PolicyPlace) -> bool | None:
    """Return whether a browser sees the host's policy file. None if this cannot be checked.

    For a browser that reads all files of a folder, the folder has to be the host's too. Otherwise a user could mount
    another folder that has Proscribe's file and other files.
    """
    is_visible = host.can_see_host_file(process, place.path)
    return (
        host.can_see_host_file(process, place.path.rpartition("/")[0])
        if is_visible and place.family not in READ_ONCE_FAMILIES
        else is_visible
    )
