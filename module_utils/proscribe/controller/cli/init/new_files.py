"""A directory of new files, created completely or not at all, without overwriting anything."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...report.text.wording import summarise_names
from .. import CommandError
from ..atomic_file import write_file_atomically

MAX_NAMED_FILES = 3


def refuse_existing(directory: Path, names: Iterable[str]) -> None:
    """Raise CommandError for files that exist already, and for a link or file in place of a directory."""
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
    """Yield a new directory on the file system of `directory`, and delete it at the end. Raises CommandError."""
    parent = directory if directory.is_dir() else directory.parent
    if not parent.is_dir() or (os.path.lexists(directory) and not directory.is_dir()):
        raise CommandError(f"DIR: found {str(directory)!r}, expected a directory, or a new name in one")
    with tempfile.TemporaryDirectory(dir=parent, prefix=".proscribe-init-") as temporary_directory:
        staging_directory = Path(temporary_directory, directory.name)
        staging_directory.mkdir(mode=0o755)
        yield staging_directory


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, and make scripts executable."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file_atomically(path, content)
        if content.startswith(b"#!"):
            path.chmod(0o755)


def move_files(staging_directory: Path, directory: Path) -> None:
    """Move a directory to its target, completely or not at all. Raises CommandError.

    A new target is created in one step. In an existing directory, files are added one by one. If a file cannot be
    added, all are removed again.
    """
    if not directory.is_dir():
        os.rename(staging_directory, directory)
        return
    placed_paths: list[Path] = []
    try:
        for path in sorted(staging_directory.rglob("*")):
            target = directory / path.relative_to(staging_directory)
            if path.is_file():
                os.link(path, target)  # unlike a rename, a link never replaces a file
            elif target.is_dir() and not target.is_symlink():
                continue
            else:
                target.mkdir()
            placed_paths.append(target)
    except BaseException as error:
        for target in reversed(placed_paths):
            with contextlib.suppress(OSError):  # another program has added files
                target.rmdir() if target.is_dir() else target.unlink()
        if isinstance(error, OSError):
            raise CommandError(f"{error.filename2 or error.filename}: {error.strerror}; nothing was written") from None
        raise
