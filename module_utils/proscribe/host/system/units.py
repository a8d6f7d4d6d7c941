"""What systemd's files say of a unit. A call of systemctl costs as much as Python's start."""

from __future__ import annotations

from typing import Iterable

from .files import Files
from .processes import Processes
from .types import Process

NOWHERE = "/dev/null"
SYSTEMD_RUNS = "/run/systemd/system"  # sd_booted(3)
INVOCATIONS = "/run/systemd/units/invocation"  # for journald: a link for each unit that has started processes
# Where systemd loads units from: what is in the first counts (systemd.unit(5), `systemd-analyze unit-paths`).
FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)

# What no unit needs that runs all the time, or at the start of the host: each may do what it names beside this.
CONFINED = """\
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
IPAddressDeny=any
"""
FOLDER = "/etc/systemd/system"  # Where units of ours are.
# Where somebody could put a unit of the same name, or a part of one, in front of ours or beside it (systemd.unit(5)).
BEFORE_OURS = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"),
    "/run/systemd/system",
)
BESIDE_OURS = (FOLDER, *BEFORE_OURS)
BEHIND_OURS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system")  # hundreds of units, of packages
OURS = "proscribe-"  # what is in `proscribe-.timer.d` is part of every timer whose name begins so.
# The directory of all control groups, and that of systemd's own hierarchy beside others (cgroups(7)).
CONTROL_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
_STOPPED = ("T", "t")  # states in proc_pid_stat(5): by a signal, by a tracer


def masked(host: Files, path: str) -> bool:
    """Whether a unit's file is a mask."""
    return host.target(path) == NOWHERE


def evidently_active(host: Files, name: str) -> bool:
    """Whether it shows without systemctl that a service is active. Only for a host that systemd runs.

    systemd notes the invocation of what it starts, and deletes that once the unit is inactive or has failed
    (unit_notify in systemd's src/core/unit.c). Of a unit without processes, a timer, it notes none.
    """
    return host.stat(f"{INVOCATIONS}:{name}") is not None


def main_process(host: Processes, name: str) -> int:
    """The number of the main process of a service that is active, where that shows without systemctl; else 0.

    It is the process that has the service's name, was started by systemd, and is in the service's own control group.
    Nobody but root can put one there. Who is not root does not see all of that.
    """
    if not host.privileged or host.stat(SYSTEMD_RUNS) is None or not evidently_active(host, name):
        return 0
    program = "/" + name.rpartition(".")[0]
    slice_ = _control_group(host, 1).removesuffix("/init.scope") + "/system.slice/"
    found = [
        process.pid
        for process in host.processes()[0]
        if process.exe.endswith(program)
        and host.parent(process) == 1
        and _control_group(host, process.pid) == slice_ + name
    ]
    return found[0] if len(found) == 1 else 0


def _control_group(host: Processes, pid: int) -> str:
    """The control group of a process in the unified hierarchy (cgroups(7)); "" where there is none."""
    lines = host.of_process(pid, "cgroup").split("\n")
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def evidently_absent(host: Files, name: str) -> bool:
    """Whether it shows without systemctl that a unit neither runs nor is to be started."""
    if not host.privileged or host.stat(SYSTEMD_RUNS) is None or evidently_active(host, name):
        return False
    return not any(host.stat(f"{folder}/{name}") for folder in FOLDERS)


def foreign_to(host: Files, names: Iterable[str]) -> dict[str, list[str]]:
    """Files that somebody put before or beside units, by the unit."""
    found: dict[str, list[str]] = {}
    parts = {name: (f"{name}.d", f"{OURS}.{name.rpartition('.')[2]}.d") for name in names}
    for folder in (*BESIDE_OURS, *BEHIND_OURS):
        there = set(host.list(folder)) if folder in BESIDE_OURS else None
        for name, beside in parts.items():
            foreign = [f"{folder}/{name}"] if there and folder in BEFORE_OURS and name in there else []
            for part in beside:
                if there is None and host.stat(f"{folder}/{part}") or there and part in there:
                    foreign += [f"{folder}/{part}/{one}" for one in host.list(f"{folder}/{part}")]
            if foreign:
                found.setdefault(name, []).extend(foreign)
    return found


def held(host: Processes, name: str) -> bool:
    """Whether a process of a service is stopped, or all of them are frozen: then it is active, and does nothing."""
    within = _control_group(host, 1).removesuffix("/init.scope")  # a container's, or ""
    for place in CONTROL_GROUPS:
        group = f"{place}{within}/system.slice/{name}"
        pids = (host.text(f"{group}/cgroup.procs") or "").split()
        if pids:
            frozen = "frozen 1" in (host.text(f"{group}/cgroup.events") or "")
            return frozen or any(host.state(Process(int(pid), "")) in _STOPPED for pid in pids)
    return False


def drop_ins(host: Files, name: str) -> list[str]:
    """The drop-ins of a unit in the order in which they are read: by their names, each from the first place that has
    it, masks among them.
    """
    stem, _, kind = name.rpartition(".")
    parts = [f"{name}.d", *(f"{stem[: at + 1]}.{kind}.d" for at in range(len(stem) - 2, 0, -1) if stem[at] == "-")]
    folders = [f"{folder}/{part}" for folder in FOLDERS for part in parts]
    folders += [f"{folder}/{kind}.d" for folder in FOLDERS]
    files = {one: f"{folder}/{one}" for folder in reversed(folders) for one in host.list(folder)}
    return [files[one] for one in sorted(files) if one.endswith(".conf")]


def unit_text(host: Files, path: str) -> str | None:
    """The text of a unit's file, "" for a unit that is masked (systemctl(1): a link to nowhere; an empty file is the
    same), None where there is none. Raises as `Files.read`.
    """
    return "" if masked(host, path) else host.text(path)
