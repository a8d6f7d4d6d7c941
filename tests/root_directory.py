"""The directory of the tests' Debian roots: one for all checkouts of a machine, which only root can enter.

A root has whole programs, also some that the catalogue names. So it lies where no audit of this machine looks for
programs, and where no user can start one.
"""

import contextlib
from pathlib import Path

import machine

SHARED = Path("/var/cache/proscribe-tests")
IN_CHECKOUT = machine.CACHE / "roots"  # in a container
MOUNTS = Path("/proc/self/mountinfo")


def find_directory():
    """Return the directory of all roots: of a container, whose /var/cache is an overlay, one in the checkout."""
    types = {}
    with contextlib.suppress(OSError):  # no Linux
        for line in MOUNTS.read_text().splitlines():
            fields = line.split(" ")
            types[Path(fields[4])] = fields[fields.index("-") + 1]
    mounted = next((types[path] for path in (SHARED, *SHARED.parents) if path in types), "")
    return IN_CHECKOUT if mounted == "overlay" else SHARED


def make(directory):
    """Make a directory of roots, which nobody but root can enter: a user could start the programs in there."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)


def is_in_use(directory):
    """Return whether a host has a directory, or one below it, as a layer of its root, as far as this user sees."""
    name = str(directory).replace(" ", "\\040").encode()  # proc_pid_mountinfo(5)
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # the process has ended
            if name in mounts.read_bytes():
                return True
    return False
