"""Installation and removal of the program for audits without root (audit_installer.py), on the host's side.

This module is short because it is part of the observing code of all hosts.
"""

from __future__ import annotations

import os
import sys

from .system import WRITTEN_BY, ControlError, Host

PROGRAM_PATH = "/usr/libexec/proscribe/observe"
PROGRAM_MODE = 0o700  # sudo runs the program as root; a user without read permission cannot lock it


def format_program(text: str) -> str:
    """Return the program as `install_program` takes it.

    The interpreter runs in UTF-8 mode whatever the caller's locale is. Otherwise names of files would differ.
    """
    return f" -ISXutf8\n# {WRITTEN_BY}\n{text}"


def install_program(host: Host, text: str) -> None:
    """Install the program on the host, or remove it if the text is empty. Raises ControlError, ObservationError."""
    status = host.find_entry(PROGRAM_PATH)
    if text:
        program = f"#!{find_interpreter()}{text}"
        if not status or status.st_mode & 0o7777 != PROGRAM_MODE or host.read_text(PROGRAM_PATH) != program:
            host.write_file(PROGRAM_PATH, program, PROGRAM_MODE)
    elif status:
        host.delete_file(PROGRAM_PATH)


def find_interpreter() -> str:
    """Return the path of the running Python, for which the stored code is compiled.

    Root will run that Python for a caller that may do nothing else. Raises ControlError if others can change a part of
    the path. A path with blanks or over 100 characters is refused too: the kernel would read another path.
    """
    path = part = os.path.realpath(sys.executable)
    while part:
        status = os.lstat(part)
        if status.st_uid or status.st_mode & 0o022 or len(path) > 100 or path.split() != [path]:
            raise ControlError(f"{part} is not root's alone")
        part = part.rpartition("/")[0]
    return path
