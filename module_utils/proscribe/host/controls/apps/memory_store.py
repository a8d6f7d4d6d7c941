"""Memory files: data that an observation of apps saves, so that the next observation has less to read.

Only root may write them. A file that others could have written is not used. The format is Python's `marshal`, which is
read ten times as fast as JSON, and without loading a module.
"""

from __future__ import annotations

import binascii
import marshal
import os
from typing import Any, Mapping

from ...system import ControlError, Host, ObservationError
from ...system.file_reader import MAX_FILE_BYTES

MEMORY_DIRECTORY = "/var/lib/proscribe/apps"
# largest memory file; the limits of the file scan keep the memory of each user below this size
MAX_MEMORY_BYTES = 16 * 1024 * 1024
MARSHAL_VERSION = 2
# errors of `read_memory`, and of code that uses a damaged memory; the caller then works without memory
UNREADABLE_ERRORS = (ObservationError, ControlError, ValueError, EOFError, KeyError, TypeError)


def format_memory(stored: Mapping[str, object]) -> str:
    """Return the text of a memory file: `marshal` in base64."""
    return binascii.b2a_base64(marshal.dumps(dict(stored), MARSHAL_VERSION), newline=False).decode("ascii")


def read_memory(host: Host, path: str) -> Any:
    """Return the memory in a file, or None if the file is missing or not trusted.

    A file that other users than root could have written is not trusted: `marshal` is not safe against hostile data.
    Raises ValueError, EOFError and TypeError for a damaged file.
    """
    status = host.find_entry(path)
    if status is None or host.describe_write_access(path, status, trusted_uids=(os.geteuid(),)):
        return None
    return marshal.loads(binascii.a2b_base64(host.read_file(path, MAX_FILE_BYTES) or b""))


def write_memory(host: Host, path: str, text: str) -> None:
    """Write a memory file for root alone.

    Do nothing if the file has this text already, or the text is too large.
    """
    content = text.encode()
    if len(content) <= MAX_MEMORY_BYTES and host.read_file(path) != content:
        host.write_file(path, content, 0o600)
