"""Creation of a directory of new files: completely or not at all, without overwriting anything.

The files are first written into a staging directory, and then moved to their target.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...files import add_files, fill_directory
from ...report.text.wording import summarise_names
from .. import CommandError

MAX_NAMED_FILES = 3


def refuse_existing(directory: Path, names: Iterable[str]) -> None:
    """Raise CommandError if a new file exists already, or if a needed directory is a link or a file.

    `names` are the paths of the new files, relative to `directory`.
    """
    existing_paths = []
    for name in names:
        path = directory / name
        if os.path.lexists(path):
            existing_paths.append(str(path))
        for parent in list(path.parents)[: name.count("/")]:
            if os.path.lexists(parent) and (parent.is_symlink() or not parent.is_dir()):
                raise CommandError(f"{parent}: found a link or a file, expected a directory, or nothing")
    if existing_paths:
        raise CommandError(
            f"{summarise_names(existing_paths, MAX_NAMED_FILES)}: there already; nothing was written, since no file "
            f"is overwritten"
        )


@contextlib.contextmanager
def create_staging_directory(directory: Path) -> Iterator[Path]:
    """Yield a new empty directory on the file system of `directory`, and delete it after the `with` body.

    Raises CommandError if `directory` is a file, or if its parent does not exist.
    """
    parent = directory if directory.is_dir() else directory.parent
    if not parent.is_dir() or (os.path.lexists(directory) and not directory.is_dir()):
        raise CommandError(f"DIR: found {str(directory)!r}, expected a directory, or a new name in one")
    with tempfile.TemporaryDirectory(dir=parent, prefix=".proscribe-init-") as temporary_directory:
        staging_directory = Path(temporary_directory, directory.name)
        staging_directory.mkdir(mode=0o755)
        yield staging_directory


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a directory, by their relative paths, and make scripts (`#!`) executable."""
    fill_directory(directory, files)
    for name, content in files.items():
        if content.startswith(b"#!"):
            (directory / name).chmod(0o755)


def move_files(staging_directory: Path, directory: Path) -> None:
    """Move the files of the staging directory to `directory`, completely or not at all. Raises CommandError.

    Existing files are never replaced.
    """
    try:
        add_files(staging_directory, directory)
    except OSError as error:
        raise CommandError(f"{error.filename2 or error.filename}: {error.strerror}; nothing was written") from None
