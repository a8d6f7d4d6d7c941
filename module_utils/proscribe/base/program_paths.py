"""Directories of programs, and names of programs that only start others. For the watch and observations."""

from __future__ import annotations

SYSTEM_PREFIXES = ("/usr/", "/bin/", "/sbin/", "/lib")  # only packages put files there, so no portable app is there
LOCAL_PREFIX = "/usr/local/"  # directory below /usr in which users' own programs may be
DELETED_SUFFIX = " (deleted)"  # the kernel appends it to the path of a deleted file
MEMORY_PREFIX = "/memfd:"  # the kernel puts it before the name of a file in memory (memfd_create(2))
# The beginnings of the names of dynamic loaders. The loader of musl is also its C library.
LOADER_PREFIXES = ("ld-linux", "ld-musl", "ld64.so", "ld.so", "ld-2.", "libc.musl")
MUSL_LOADER = "libc.so"
EMULATOR_PREFIXES = ("qemu-", "box64", "box86", "FEX")  # emulators of other processors: a program is data to them
MACHINE_PREFIX = "qemu-system-"  # emulators of whole machines: their programs are not programs of this host


def is_system_place(path: str) -> bool:
    """Return whether only packages put files at a path."""
    return path.startswith(SYSTEM_PREFIXES) and not path.startswith(LOCAL_PREFIX)


def is_loader_name(name: str) -> bool:
    """Return whether a file with this name is a dynamic loader."""
    return name.startswith(LOADER_PREFIXES) or name == MUSL_LOADER


def is_starter_name(name: str) -> bool:
    """Return whether a program with this name maps another program into its own process and starts it."""
    return is_loader_name(name) or is_emulator_name(name)


def is_emulator_name(name: str) -> bool:
    """Return whether a program with this name runs programs for another processor."""
    return name.startswith(EMULATOR_PREFIXES) and not name.startswith(MACHINE_PREFIX)
