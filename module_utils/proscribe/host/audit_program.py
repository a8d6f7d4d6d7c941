"""The host's side of the program for audits without root (stored_audit.py): installed, and removed.

It is part of the observing code of all hosts, so it is short.
"""

from __future__ import annotations

import os
import sys

from .system import WRITTEN_BY, ControlError, Host

PROGRAM = "/usr/libexec/proscribe/observe"
MODE = 0o700  # sudo runs it as root; who cannot read it cannot lock it either


def installable(text: str) -> str:
    """The program as `install` takes it. UTF-8 whatever the caller's locale is: else names of files would be others."""
    return f" -ISXutf8\n# {WRITTEN_BY}\n{text}"


def install(host: Host, text: str) -> None:
    """Have the program on the host; with an empty text, none. Raises ControlError, Unseen."""
    seen = host.stat(PROGRAM)
    if text:
        whole = f"#!{interpreter()}{text}"
        if not seen or seen.st_mode & 0o7777 != MODE or host.text(PROGRAM) != whole:
            host.write(PROGRAM, whole, MODE)
    elif seen:
        host.delete(PROGRAM)


def interpreter() -> str:
    """The path of the Python that runs this, for which the stored code is compiled. Root will run it for a caller that
    may do nothing else. Raises ControlError where others could change it, or the kernel would read another path.
    """
    path = found = os.path.realpath(sys.executable)
    while found:
        seen = os.lstat(found)
        if seen.st_uid or seen.st_mode & 0o022 or len(path) > 100 or path.split() != [path]:
            raise ControlError(f"{found} is not root's alone")
        found = found.rpartition("/")[0]
    return path
