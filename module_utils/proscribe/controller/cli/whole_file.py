"""A file that a command writes for its user: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from . import Refused


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it. Raises Refused."""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".new-", delete=False) as beside:
            try:
                beside.write(content)
                beside.flush()
                os.fsync(beside.fileno())
                os.chmod(beside.name, 0o644)
                os.replace(beside.name, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(beside.name)
                raise
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
