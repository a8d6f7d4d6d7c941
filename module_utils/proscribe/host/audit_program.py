"""Installation and removal of the program by which an account without root audits a host.

The controller's side is in audit_installer.py. This module is short because every host receives it with the observing
code.
"""

from __future__ import annotations

import os
import sys

from .system import WRITTEN_BY, ControlError, Host

PROGRAM_PATH = "/usr/libexec/proscribe/observe"
PROGRAM_MODE = 0o700  # sudo runs the program as root. Only root may read it, so no user can take a file lock on it.


def format_program(text: str) -> str:
    """Return the program `text` with the beginning that `install_program` takes.

    Only `#!` and the path of the Python are still missing at the beginning; `install_program` adds them.

    The options select the interpreter's UTF-8 mode, whatever the caller's locale is. Otherwise file names would be
    decoded differently for different callers.
    """
    return f" -ISXutf8\n# {WRITTEN_BY}\n{text}"


def install_program(host: Host, text: str) -> None:
    """Install the program for audits on the host, or remove the program if `text` is empty.

    `text` is the result of `format_program`. Raises ControlError and ObservationError.
    """
    status = host.find_entry(PROGRAM_PATH)
    if text:
        program = f"#!{find_interpreter()}{text}"
        # a program that is already installed stays, so a compliant host is not changed
        if not status or status.st_mode & 0o7777 != PROGRAM_MODE or host.read_text(PROGRAM_PATH) != program:
            host.write_file(PROGRAM_PATH, program, PROGRAM_MODE)
    elif status:
        host.delete_file(PROGRAM_PATH)


def find_interpreter() -> str:
    """Return the path of the running Python, for which Proscribe's code on this host is compiled.

    Root will run that Python for accounts that have no other right. Raises ControlError if accounts other than root can
    change a part of the path. A path with blanks or over 100 characters is refused too: the kernel would read another
    path.
    """
    path = part = os.path.realpath(sys.executable)
    while part:
        status = os.lstat(part)
        if status.st_uid or status.st_mode & 0o022 or len(path) > 100 or path.split() != [path]:
            raise ControlError(f"{part} is not root's alone")
        part = part.rpartition("/")[0]
    return path
