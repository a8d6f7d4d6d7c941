"""What systemd's files say of a unit. A call of systemctl costs as much as Python's start."""

from __future__ import annotations

from typing import Iterable

from .files import Files
from .processes import Processes
from .types import Process

MASK_TARGET = "/dev/null"
SYSTEMD_RUNS_PATH = "/run/systemd/system"  # sd_booted(3)
INVOCATIONS_PREFIX = "/run/systemd/units/invocation"  # for journald: a link for each unit that has started processes
# Where systemd loads units from: what is in the first counts (systemd.unit(5), `systemd-analyze unit-paths`).
UNIT_DIRECTORIES = (
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
CONFINEMENT = """\
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
UNIT_DIRECTORY = "/etc/systemd/system"  # Where units of ours are.
# Where somebody could put a unit of the same name, or a part of one, in front of ours or beside it (systemd.unit(5)).
DIRECTORIES_BEFORE_OURS = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"),
    "/run/systemd/system",
)
DIRECTORIES_BESIDE_OURS = (UNIT_DIRECTORY, *DIRECTORIES_BEFORE_OURS)
DIRECTORIES_BEHIND_OURS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system")  # hundreds of units, of packages
UNIT_PREFIX = "proscribe-"  # what is in `proscribe-.timer.d` is part of every timer whose name begins so.
# The directory of all control groups, and that of systemd's own hierarchy beside others (cgroups(7)).
CONTROL_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
_STOPPED_STATES = ("T", "t")  # states in proc_pid_stat(5): by a signal, by a tracer


def is_masked(host: Files, path: str) -> bool:
    """Whether a unit's file is a mask."""
    return host.resolve_link(path) == MASK_TARGET


def is_evidently_active(host: Files, name: str) -> bool:
    """Whether it shows without systemctl that a service is active. Only for a host that systemd runs.

    systemd notes the invocation of what it starts, and deletes that once the unit is inactive or has failed
    (unit_notify in systemd's src/core/unit.c). Of a unit without processes, a timer, it notes none.
    """
    return host.find_entry(f"{INVOCATIONS_PREFIX}:{name}") is not None


def find_main_process(host: Processes, name: str) -> int:
    """The number of the main process of a service that is active, where that shows without systemctl; else 0.

    It is the process that has the service's name, was started by systemd, and is in the service's own control group.
    Nobody but root can put one there. Who is not root does not see all of that.
    """
    if not host.privileged or host.find_entry(SYSTEMD_RUNS_PATH) is None or not is_evidently_active(host, name):
        return 0
    program = "/" + name.rpartition(".")[0]
    slice_path = _read_control_group(host, 1).removesuffix("/init.scope") + "/system.slice/"
    pids = [
        process.pid
        for process in host.list_processes()[0]
        if process.exe.endswith(program)
        and host.read_parent_pid(process) == 1
        and _read_control_group(host, process.pid) == slice_path + name
    ]
    return pids[0] if len(pids) == 1 else 0


def _read_control_group(host: Processes, pid: int) -> str:
    """The control group of a process in the unified hierarchy (cgroups(7)); "" where there is none."""
    lines = host.read_process_file(pid, "cgroup").split("\n")
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def is_evidently_absent(host: Files, name: str) -> bool:
    """Whether it shows without systemctl that a unit neither runs nor is to be started."""
    if not host.privileged or host.find_entry(SYSTEMD_RUNS_PATH) is None or is_evidently_active(host, name):
        return False
    return not any(host.find_entry(f"{folder}/{name}") for folder in UNIT_DIRECTORIES)


def find_foreign_files(host: Files, names: Iterable[str]) -> dict[str, list[str]]:
    """Files that somebody put before or beside units, by the unit."""
    foreign_files: dict[str, list[str]] = {}
    drop_ins_by_unit = {name: (f"{name}.d", f"{UNIT_PREFIX}.{name.rpartition('.')[2]}.d") for name in names}
    for folder in (*DIRECTORIES_BESIDE_OURS, *DIRECTORIES_BEHIND_OURS):
        names_there = set(host.list_directory(folder)) if folder in DIRECTORIES_BESIDE_OURS else None
        for name, drop_in_names in drop_ins_by_unit.items():
            paths = (
                [f"{folder}/{name}"]
                if names_there and folder in DIRECTORIES_BEFORE_OURS and name in names_there
                else []
            )
            for drop_in_name in drop_in_names:
                if (
                    names_there is None
                    and host.find_entry(f"{folder}/{drop_in_name}")
                    or names_there
                    and drop_in_name in names_there
                ):
                    paths += [
                        f"{folder}/{drop_in_name}/{file_name}"
                        for file_name in host.list_directory(f"{folder}/{drop_in_name}")
                    ]
            if paths:
                foreign_files.setdefault(name, []).extend(paths)
    return foreign_files


def is_suspended(host: Processes, name: str) -> bool:
    """Whether a process of a service is stopped, or all of them are frozen: then it is active, and does nothing."""
    own_group = _read_control_group(host, 1).removesuffix("/init.scope")  # a container's, or ""
    for hierarchy in CONTROL_GROUPS:
        group = f"{hierarchy}{own_group}/system.slice/{name}"
        pids = (host.read_text(f"{group}/cgroup.procs") or "").split()
        if pids:
            frozen = "frozen 1" in (host.read_text(f"{group}/cgroup.events") or "")
            return frozen or any(host.read_process_state(Process(int(pid), "")) in _STOPPED_STATES for pid in pids)
    return False


def list_drop_ins(host: Files, name: str) -> list[str]:
    """The drop-ins of a unit in the order in which they are read: by their names, each from the first place that has
    it, masks among them.
    """
    stem, _, unit_type = name.rpartition(".")
    drop_in_names = [
        f"{name}.d",
        *(f"{stem[: index + 1]}.{unit_type}.d" for index in range(len(stem) - 2, 0, -1) if stem[index] == "-"),
    ]
    folders = [f"{folder}/{drop_in_name}" for folder in UNIT_DIRECTORIES for drop_in_name in drop_in_names]
    folders += [f"{folder}/{unit_type}.d" for folder in UNIT_DIRECTORIES]
    files = {
        file_name: f"{folder}/{file_name}" for folder in reversed(folders) for file_name in host.list_directory(folder)
    }
    return [files[file_name] for file_name in sorted(files) if file_name.endswith(".conf")]


def read_unit_text(host: Files, path: str) -> str | None:
    """The text of a unit's file, "" for a unit that is masked (systemctl(1): a link to nowhere; an empty file is the
    same), None where there is none. Raises as `Files.read`.
    """
    return "" if is_masked(host, path) else host.read_text(path)
