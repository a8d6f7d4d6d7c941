"""The host's side of the program for audits without root (stored_audit.py): installed, and removed.

It is part of the observing code of all hosts, so it is short.
"""

from __future__ import annotations

import os
import sys

from .system import WRITTEN_BY, ControlError, Host

PROGRAM_PATH = "/usr/libexec/proscribe/observe"
PROGRAM_MODE = 0o700  # sudo runs it as root; who cannot read it cannot lock it either


def format_program(text: str) -> str:
    """The program as `install_program` takes it. UTF-8 whatever the caller's locale is: else names of files would be others."""
    return f" -ISXutf8\n# {WRITTEN_BY}\n{text}"


def install_program(host: Host, text: str) -> None:
    """Have the program on the host; with an empty text, none. Raises ControlError, Unseen."""
    status = host.find_entry(PROGRAM_PATH)
    if text:
        program = f"#!{find_interpreter()}{text}"
        if not status or status.st_mode & 0o7777 != PROGRAM_MODE or host.read_text(PROGRAM_PATH) != program:
            host.write_file(PROGRAM_PATH, program, PROGRAM_MODE)
    elif status:
        host.delete_file(PROGRAM_PATH)


def find_interpreter() -> str:
    """The path of the Python that runs this, for which the stored code is compiled. Root will run it for a caller that
    may do nothing else. Raises ControlError where others could change it, or the kernel would read another path.
    """
    path = part = os.path.realpath(sys.executable)
    while part:
        status = os.lstat(part)
        if status.st_uid or status.st_mode & 0o022 or len(path) > 100 or path.split() != [path]:
            raise ControlError(f"{part} is not root's alone")
        part = part.rpartition("/")[0]
    return path
