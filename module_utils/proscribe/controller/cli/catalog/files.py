"""Files of a catalogue, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from ....wire import installation
from .. import Refused
from ..whole_file import write_whole


def require_own(path: Path) -> None:
    """Raises Refused for what is in a collection."""
    if installation.COLLECTION and path.resolve().is_relative_to(installation.PROJECT_DIRECTORY.resolve()):
        expected = "a catalogue of your own (--catalog DIR), or a checkout of the project"
        raise Refused(f"{path} is in the collection, which its installer alone writes; expected {expected}")


def write(path: Path, text: str) -> None:
    """Write a file of a catalogue, and the folder that it is in. Raises Refused."""
    require_own(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    write_whole(path, text.encode())
