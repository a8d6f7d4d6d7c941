"""A directory of new files: whole, or not at all, and never over what is there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...report.text.wording import some
from .. import Refused
from ..whole_file import write_whole

MOST_NAMED = 3  # of the files that are there


def refuse_existing(directory: Path, names: Iterable[str]) -> None:
    """Raises Refused for files that are there already, and for what is in the place of a directory."""
    there = []
    for name in names:
        path = directory / name
        if os.path.lexists(path):
            there.append(str(path))
        for above in list(path.parents)[: name.count("/")]:
            if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
                raise Refused(f"{above}: found a link or a file, expected a directory, or nothing")
    if there:
        raise Refused(f"{some(there, MOST_NAMED)}: there already; nothing was written, since no file is overwritten")


@contextlib.contextmanager
def beside(directory: Path) -> Iterator[Path]:
    """A new directory on the file system of another one, which is gone at the end. Raises Refused."""
    above = directory if directory.is_dir() else directory.parent
    if not above.is_dir() or (os.path.lexists(directory) and not directory.is_dir()):
        raise Refused(f"DIR: found {str(directory)!r}, expected a directory, or a new name in one")
    with tempfile.TemporaryDirectory(dir=above, prefix=".proscribe-init-") as made:
        inside = Path(made, directory.name)
        inside.mkdir(mode=0o755)
        yield inside


def fill(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write the files; a script can be run."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        if content.startswith(b"#!"):
            path.chmod(0o755)


def move(made: Path, directory: Path) -> None:
    """Put a directory in its place: in one step where nothing is there, else file by file, of which none stays if one
    cannot be put there. Raises Refused.
    """
    if not directory.is_dir():
        os.rename(made, directory)
        return
    placed: list[Path] = []
    try:
        for path in sorted(made.rglob("*")):
            target = directory / path.relative_to(made)
            if path.is_file():
                os.link(path, target)  # unlike a rename, it never replaces anything
            elif target.is_dir() and not target.is_symlink():
                continue
            else:
                target.mkdir()
            placed.append(target)
    except BaseException as error:
        for target in reversed(placed):
            with contextlib.suppress(OSError):  # somebody has put something there
                target.rmdir() if target.is_dir() else target.unlink()
        if isinstance(error, OSError):
            raise Refused(f"{error.filename2 or error.filename}: {error.strerror}; nothing was written") from None
        raise
