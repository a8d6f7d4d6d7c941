"""The host's side of the program for audits without root (stored_audit.py): installed, and removed."""

from __future__ import annotations

import os
import stat
import sys

from .host import WRITTEN_BY, ControlError, Host

PROGRAM = "/usr/libexec/proscribe/observe"
MODE = 0o700  # sudo runs it as root; who cannot read it cannot lock it either
LONGEST = 100  # bytes of the interpreter's path: old kernels read 128 of the first line


def install(host: Host, text: str) -> None:
    """Have the program with this text on the host; with an empty one, none. Raises ControlError, Unseen."""
    if not text:
        remove(host)
        return
    # UTF-8 whatever the caller's locale is: by another one, names of files would be other names.
    whole = f"#!{interpreter()} -ISXutf8\n# {WRITTEN_BY}\n{text}"
    seen = host.stat(PROGRAM)
    if seen is None or stat.S_IMODE(seen.st_mode) != MODE or host.text(PROGRAM) != whole:
        host.write(PROGRAM, whole, MODE)


def remove(host: Host) -> None:
    """Remove it, with what a killed `install` left. Raises ControlError."""
    if host.stat(PROGRAM) or host.unfinished(PROGRAM):
        host.delete(PROGRAM)


def interpreter() -> str:
    """The path of the Python that runs this, for which the stored code is compiled; root will run it for a caller that
    may do nothing else. Raises ControlError where others could change it.
    """
    path = found = os.path.realpath(sys.executable)
    while True:
        seen = os.lstat(found)
        if seen.st_uid or seen.st_mode & 0o022:
            raise ControlError(f"{found} can be changed by others than root, and root would run {path}")
        if found == "/":
            break
        found = os.path.dirname(found)
    if len(os.fsencode(path)) > LONGEST or set(path) & set(" \t\n"):
        raise ControlError(f"{path} cannot stand in the first line of a program")
    return path
