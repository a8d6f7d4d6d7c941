"""Files of a catalogue, written completely or not at all."""

from __future__ import annotations

from pathlib import Path

from ....wire import installation
from .. import CommandError
from ..atomic_file import write_file_atomically


def require_own_catalogue(path: Path) -> None:
    """Raise CommandError for a path in the installed collection."""
    if installation.COLLECTION and path.resolve().is_relative_to(installation.PROJECT_DIRECTORY.resolve()):
        expected = "a catalogue of your own (--catalog DIR), or a checkout of the project"
        raise CommandError(f"{path} is in the collection, which its installer alone writes; expected {expected}")


def write_catalogue_file(path: Path, text: str) -> None:
    """Write a file of a catalogue, and create its directory. Raises CommandError."""
    require_own_catalogue(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    write_file_atomically(path, text.encode())
