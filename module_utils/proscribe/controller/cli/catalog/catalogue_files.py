"""Writing of a catalogue's files: each file is written completely or not at all."""

from __future__ import annotations

from pathlib import Path

from ....wire import installation
from ...files import write_file
from .. import CommandError


def require_own_catalogue(path: Path) -> None:
    """Raise CommandError for a path in the installed collection, whose files only its installer may write."""
    if installation.COLLECTION and path.resolve().is_relative_to(installation.PROJECT_DIRECTORY.resolve()):
        expected = "a catalogue of your own (--catalog DIR), or a checkout of the project"
        raise CommandError(f"{path} is in the collection, which its installer alone writes; expected {expected}")


def write_catalogue_file(path: Path, text: str) -> None:
    """Write the text of a catalogue's file, and create its directory if it is missing.

    Raises CommandError for a path in the installed collection, and if the file cannot be written.
    """
    require_own_catalogue(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
