"""A file for the user of a command, written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from . import CommandError


def write_file_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file in the same directory and rename it. Raises CommandError."""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".new-", delete=False) as temporary_file:
            try:
                temporary_file.write(content)
                temporary_file.flush()
                os.fsync(temporary_file.fileno())
                os.chmod(temporary_file.name, 0o644)
                os.replace(temporary_file.name, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary_file.name)
                raise
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
