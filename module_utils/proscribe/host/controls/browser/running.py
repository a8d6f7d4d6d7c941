"""Browsers that run: is what they go by the policy that lies on the disk?"""

from __future__ import annotations

import time
from typing import Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import Finding
from ...system import Host, Process
from .places import Place

# Chromium and its relatives read their folder again within seconds; these read their file once, at the start.
READ_ONCE = ("firefox", "thunderbird")
# But some do not notice what changes in the first seconds after their start (156: in the second and third). They see it
# when they look again, every 15 minutes (tried; kReloadInterval of Chromium's async_policy_loader.cc).
DEAF, RECHECK_AFTER = 4, 15 * 60  # seconds
# Programs of flatpaks and snaps have a file system of their own by design; what reaches into it is the place's path.
PACKED = ("/app/", "/snap/")

# By this file at the top of their root, Firefox and its relatives know that they are in a flatpak (tried on 153). Then
# they read the policies that their user has put in there.
FLATPAK = ".flatpak-info"


class Seen(NamedTuple):
    """What keeps browsers from the policy of their place, and why some could not be checked."""

    findings: Sequence[Finding]
    unseen: str = ""


def check_running(host: Host, places: Sequence[Place]) -> Seen:
    """Check the browsers that run. Without the policy of its place is one that started before that was written, or
    whose user gave it another view of the file system.
    """
    processes, hidden = host.list_processes()
    unseen = f"{hidden} processes of other users are only seen by root" if hidden else ""
    return Seen(list(_without_policy(host, places, processes)), unseen)


def _without_policy(host: Host, places: Sequence[Place], processes: Iterable[Process]) -> Iterator[Finding]:
    by_program: dict[str, list[Place]] = {}
    for place in places:
        for program in place.programs:
            by_program.setdefault(program, []).append(place)
    mine = [process for process in processes if process.exe.rpartition("/")[2] in by_program]
    numbers = {process.pid: process.exe for process in mine}
    for process in mine:
        if numbers.get(host.read_parent_pid(process)) == process.exe:
            continue  # one of the browser's own helpers, which live in closed rooms
        detail = _detail(host, process, by_program[process.exe.rpartition("/")[2]])
        if detail:
            owner = host.find_process_owner(process)
            scope = f"user:{owner.name}" if owner else ""
            program = process.exe.rpartition("/")[2]
            yield Finding("process", program, scope=scope, path=process.exe, detail=f"pid {process.pid}, {detail}")


def _detail(host: Host, process: Process, places: Sequence[Place]) -> str:
    """What is wrong with a running browser; it may read any one of some places, by its packaging."""
    there = [place for place in places if host.find_entry(place.path) is not None]
    if not there:
        return ""  # reported by the place itself
    packed = process.exe.startswith(PACKED)
    seen: Mapping[str, bool | None] = {place.path: packed or _sees(host, process, place) for place in there}
    if hidden := [path for path, known in seen.items() if known is False]:  # it may be the one that it reads
        return f"it sees another {hidden[0]} than the host has"
    once = next((place.path for place in there if place.family in READ_ONCE), "")
    if once and not packed and host.read_file_in_root(process, FLATPAK, 1):
        return f"its user has given it a {FLATPAK}, so that it reads its policies below /app instead of {once}"
    started = host.read_start_time(process)
    for place in there:
        file = host.find_entry(place.path)
        if not (seen[place.path] and file and started):
            continue
        # The time of a change of anything of the file, as its mode: no program can set it back, unlike that of writing.
        before = file.st_ctime - started
        if place.family in READ_ONCE and before > 1:
            return f"started {host.format_start_time(process)}, before {place.path} was written: restart it"
        if place.family not in READ_ONCE and 0 <= before < DEAF and time.time() - file.st_ctime < RECHECK_AFTER:
            return (
                f"started {host.format_start_time(process)}, as {place.path} was written: it may see that only"
                f" {RECHECK_AFTER // 60} minutes later: restart it"
            )
    return ""


def _sees(host: Host, process: Process, place: Place) -> bool | None:
    """Whether a browser has the host's policy, and where it reads all files of a folder, that very folder: a user may
    mount one of his own that has our file in it.
    """
    seen = host.can_see_host_file(process, place.path)
    return (
        host.can_see_host_file(process, place.path.rpartition("/")[0])
        if seen and place.family not in READ_ONCE
        else seen
    )
