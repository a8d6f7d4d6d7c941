"""Where programs lie, and which of them only start others: what the watch's daemon and every observation share."""

from __future__ import annotations

SYSTEM_PREFIXES = ("/usr/", "/bin/", "/sbin/", "/lib")  # where only packages put anything: no portable app is there
LOCAL_PREFIX = "/usr/local/"  # but there
DELETED_SUFFIX = " (deleted)"  # behind the path that the kernel shows of a file that has none any more
MEMORY_PREFIX = "/memfd:"  # before the name of a file that never had one (memfd_create(2))
# How names of dynamic loaders begin; musl's is its C library, too.
LOADER_PREFIXES = ("ld-linux", "ld-musl", "ld64.so", "ld.so", "ld-2.", "libc.musl")
MUSL_LOADER = "libc.so"
EMULATOR_PREFIXES = ("qemu-", "box64", "box86", "FEX")  # of other processors: a program is data to them
MACHINE_PREFIX = "qemu-system-"  # whole machines: what they run is no program of this host


def is_system_place(path: str) -> bool:
    """Return whether only packages put files at a path."""
    return path.startswith(SYSTEM_PREFIXES) and not path.startswith(LOCAL_PREFIX)


def is_loader_name(name: str) -> bool:
    """Return whether a file of that name is a dynamic loader."""
    return name.startswith(LOADER_PREFIXES) or name == MUSL_LOADER


def is_starter_name(name: str) -> bool:
    """Return whether a program of that name starts another program, which it maps into its own process."""
    return is_loader_name(name) or is_emulator_name(name)


def is_emulator_name(name: str) -> bool:
    """Return whether a program of that name runs programs of another processor."""
    return name.startswith(EMULATOR_PREFIXES) and not name.startswith(MACHINE_PREFIX)
