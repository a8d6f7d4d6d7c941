"""The files of what observations of apps remember: root's alone, and used only where nobody else can have written them.

They are in the form of `marshal`, which is read ten times as fast as JSON, and without loading anything.
"""

from __future__ import annotations

import binascii
import marshal
import os
from typing import Any, Mapping

from ...system import ControlError, Host, ObservationError
from ...system.reading import MAX_FILE_BYTES

MEMORY_DIRECTORY = "/var/lib/proscribe/apps"
MAX_MEMORY_BYTES = 16 * 1024 * 1024  # bytes of one; of a user's, file_scan.ROOM keeps it below that
MARSHAL_VERSION = 2  # the version of marshal's format
UNREADABLE_ERRORS = (ObservationError, ControlError, ValueError, EOFError, KeyError, TypeError)


def format_memory(stored: Mapping[str, object]) -> str:
    return binascii.b2a_base64(marshal.dumps(dict(stored), MARSHAL_VERSION), newline=False).decode("ascii")


def read_memory(host: Host, path: str) -> Any:
    """What was saved; None for nothing, and for what others than root could have written, for whom `marshal` is not
    made. Raises ValueError, EOFError and TypeError for what is damaged.
    """
    status = host.find_entry(path)
    if status is None or host.describe_write_access(path, status, trusted_uids=(os.geteuid(),)):
        return None
    return marshal.loads(binascii.a2b_base64(host.read_file(path, MAX_FILE_BYTES) or b""))


def write_memory(host: Host, path: str, text: str) -> None:
    content = text.encode()
    if len(content) <= MAX_MEMORY_BYTES and host.read_file(path) != content:
        host.write_file(path, content, 0o600)
