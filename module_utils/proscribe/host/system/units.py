"""State of systemd units, read from the files of systemd.

Calling systemctl takes as long as starting Python.
"""

from __future__ import annotations

from typing import Iterable

from .files import Files
from .processes import Processes
from .types import Process

MASK_TARGET = "/dev/null"
SYSTEMD_RUNS_PATH = "/run/systemd/system"  # exists if systemd runs the host (sd_booted(3))
# prefix of links that systemd makes for journald, one for each unit with processes
INVOCATIONS_PREFIX = "/run/systemd/units/invocation"
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

# Restrictions for all units of Proscribe that run permanently or at boot. Each unit adds further settings.
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
UNIT_DIRECTORY = "/etc/systemd/system"  # where Proscribe writes its units
# Directories with a higher priority than UNIT_DIRECTORY. A unit of the same name there would override a unit of
# Proscribe (systemd.unit(5)).
DIRECTORIES_BEFORE_OURS = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"),
    "/run/systemd/system",
)
DIRECTORIES_BESIDE_OURS = (UNIT_DIRECTORY, *DIRECTORIES_BEFORE_OURS)
# Directories with a lower priority. They are not listed, because packages have hundreds of units there.
DIRECTORIES_BEHIND_OURS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
UNIT_PREFIX = "proscribe-"  # drop-ins in `proscribe-.timer.d` apply to every timer whose name begins with this prefix
# Mount points of control groups: version 2 alone, and systemd's hierarchy beside those of version 1 (cgroups(7)).
CONTROL_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
# state letters of proc_pid_stat(5): T for stopped by a signal, t for stopped by a debugger
STOPPED_STATES = ("T", "t")


def is_masked(host: Files, path: str) -> bool:
    """Return whether the file of a unit is a link to /dev/null (a mask), which prevents its start."""
    return host.resolve_link(path) == MASK_TARGET


def is_evidently_active(host: Files, name: str) -> bool:
    """Return whether files show that a service is active. The host must run systemd.

    systemd makes a link for each unit that it starts. It deletes the link when the unit is inactive or has failed
    (unit_notify in systemd's src/core/unit.c). A unit without processes, such as a timer, has no link.
    """
    return host.find_entry(f"{INVOCATIONS_PREFIX}:{name}") is not None


def find_main_process(host: Processes, name: str) -> int:
    """Return the process id of a service's main process, as far as files show it; else 0.

    The executable must have the service's name. systemd must be the parent, and the process must be in the service's
    control group. Only root can put a process there. Returns 0 if this process is not root, because it cannot read all
    of these files.
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
    """Return the control group (version 2) of a process as in /proc/PID/cgroup; "" for none (cgroups(7))."""
    lines = host.read_process_file(pid, "cgroup").split("\n")
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def is_evidently_absent(host: Files, name: str) -> bool:
    """Return whether files show that a unit is not active and has no unit file.

    Returns False if this process is not root, or if the host does not run systemd.
    """
    if not host.privileged or host.find_entry(SYSTEMD_RUNS_PATH) is None or is_evidently_active(host, name):
        return False
    return not any(host.find_entry(f"{folder}/{name}") for folder in UNIT_DIRECTORIES)


def find_foreign_files(host: Files, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files of other programs that override or extend Proscribe's units: unit name to paths.

    A file overrides a unit from a directory with a higher priority. A drop-in extends a unit from any directory.
    """
    foreign_files: dict[str, list[str]] = {}
    drop_ins_by_unit = {name: (f"{name}.d", f"{UNIT_PREFIX}.{name.rpartition('.')[2]}.d") for name in names}
    for folder in (*DIRECTORIES_BESIDE_OURS, *DIRECTORIES_BEHIND_OURS):
        # None for a directory that is not listed: there, each drop-in is searched by its name
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
    """Return whether a process of a service is stopped, or the control group of the service is frozen.

    systemd still reports such a service as active, although it does not run.
    """
    # in a container, the control group of the container; "" on a host
    own_group = _read_control_group(host, 1).removesuffix("/init.scope")
    for hierarchy in CONTROL_GROUPS:
        group = f"{hierarchy}{own_group}/system.slice/{name}"
        pids = (host.read_text(f"{group}/cgroup.procs") or "").split()
        if pids:
            frozen = "frozen 1" in (host.read_text(f"{group}/cgroup.events") or "")
            return frozen or any(host.read_process_state(Process(int(pid), "")) in STOPPED_STATES for pid in pids)
    return False


def list_drop_ins(host: Files, name: str) -> list[str]:
    """Return the paths of a unit's drop-ins in the order in which systemd reads them: by file name.

    If several directories have a drop-in of the same name, only that of the directory with the highest priority counts.
    Masked drop-ins are included.
    """
    stem, _, unit_type = name.rpartition(".")
    # for `a-b.timer`: the drop-ins of `a-b.timer.d`, of `a-.timer.d` and of `timer.d` (systemd.unit(5))
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
    """Return the text of a unit file; "" for a masked unit, None for a missing file.

    A mask is a link to /dev/null; an empty file has the same effect (systemctl(1)). Raises the errors of
    `FileReader.read_file`.
    """
    return "" if is_masked(host, path) else host.read_text(path)
