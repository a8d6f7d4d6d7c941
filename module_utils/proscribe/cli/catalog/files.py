"""Files of a catalogue, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ... import installation
from .. import Refused


def require_own(path: Path) -> None:
    """Raises Refused for what is in a collection."""
    if installation.COLLECTION and path.resolve().is_relative_to(installation.ROOT.resolve()):
        expected = "a catalogue of your own (--catalog DIR), or a checkout of the project"
        raise Refused(f"{path} is in the collection, which its installer alone writes; expected {expected}")


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and rename it. Raises Refused."""
    require_own(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".new-", delete=False, encoding="utf-8"
        ) as beside:
            try:
                beside.write(text)
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
