"""State of systemd units by the files of systemd. A call of systemctl costs as much as a start of Python."""

from __future__ import annotations

from typing import Iterable

from .files import Files
from .processes import Processes
from .types import Process

MASK_TARGET = "/dev/null"
SYSTEMD_RUNS_PATH = "/run/systemd/system"  # sd_booted(3)
INVOCATIONS_PREFIX = "/run/systemd/units/invocation"  # links for journald, for each unit that has started processes
# Directories that systemd loads units from. An earlier directory has priority (systemd.unit(5), `systemd-analyze
# unit-paths`).
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

# Confinement of all units that run permanently, or at the start of the host. Each unit adds its own permissions.
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
UNIT_DIRECTORY = "/etc/systemd/system"  # directory of Proscribe's units
# Directories where another unit of the same name, or a drop-in, would override or extend a unit of Proscribe
# (systemd.unit(5)).
DIRECTORIES_BEFORE_OURS = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"),
    "/run/systemd/system",
)
DIRECTORIES_BESIDE_OURS = (UNIT_DIRECTORY, *DIRECTORIES_BEFORE_OURS)
# Packages have hundreds of units there.
DIRECTORIES_BEHIND_OURS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
UNIT_PREFIX = "proscribe-"  # drop-ins in `proscribe-.timer.d` apply to every timer whose name begins with this prefix
# The directory of all control groups, and the directories of systemd's own hierarchy beside others (cgroups(7)).
CONTROL_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
_STOPPED_STATES = ("T", "t")  # states in proc_pid_stat(5): stopped by a signal, stopped by a tracer


def is_masked(host: Files, path: str) -> bool:
    """Return whether a unit's file is a mask."""
    return host.resolve_link(path) == MASK_TARGET


def is_evidently_active(host: Files, name: str) -> bool:
    """Return whether a service is active, as far as files show it. Only for a host that systemd runs.

    systemd records the invocation of each unit that it starts. It deletes the record once the unit is inactive or has
    failed (unit_notify in systemd's src/core/unit.c). There is no record for a unit without processes, such as a timer.
    """
    return host.find_entry(f"{INVOCATIONS_PREFIX}:{name}") is not None


def find_main_process(host: Processes, name: str) -> int:
    """Return the number of an active service's main process, as far as files show it; else 0.

    The executable of the process has the service's name. systemd started the process, and the process is in the
    service's own control group. Only root can put a process there. An ordinary user cannot read all of these files, and
    gets 0.
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
    """Return the control group of a process in the unified hierarchy (cgroups(7)); "" for none."""
    lines = host.read_process_file(pid, "cgroup").split("\n")
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def is_evidently_absent(host: Files, name: str) -> bool:
    """Return whether files show that a unit neither runs nor exists.

    Always false for an ordinary user, and on a host without systemd.
    """
    if not host.privileged or host.find_entry(SYSTEMD_RUNS_PATH) is None or is_evidently_active(host, name):
        return False
    return not any(host.find_entry(f"{folder}/{name}") for folder in UNIT_DIRECTORIES)


def find_foreign_files(host: Files, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files that override or extend units of Proscribe, by unit."""
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
    """Return whether a process of a service is stopped, or the whole service is frozen.

    systemd still reports such a service as active, but it does nothing.
    """
    # The control group of a container; "" outside of containers.
    own_group = _read_control_group(host, 1).removesuffix("/init.scope")
    for hierarchy in CONTROL_GROUPS:
        group = f"{hierarchy}{own_group}/system.slice/{name}"
        pids = (host.read_text(f"{group}/cgroup.procs") or "").split()
        if pids:
            frozen = "frozen 1" in (host.read_text(f"{group}/cgroup.events") or "")
            return frozen or any(host.read_process_state(Process(int(pid), "")) in _STOPPED_STATES for pid in pids)
    return False


def list_drop_ins(host: Files, name: str) -> list[str]:
    """Return the drop-ins of a unit in the order in which systemd reads them: by their names.

    Each drop-in comes from the first directory that has its name. Masks are included.
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
    """Return the text of a unit's file; "" for a masked unit, None for a missing file.

    A mask is a link to /dev/null; an empty file has the same effect (systemctl(1)). Raises as `FileReader.read_file`
    does.
    """
    return "" if is_masked(host, path) else host.read_text(path)
