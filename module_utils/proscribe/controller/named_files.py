"""Writing of files with errors that name the file, including errors of a full disk."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def name_file_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the name of the file to errors of a block that have none.

    The system names a file that cannot be opened, but not a file that cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


class NamedFile(io.FileIO):
    """An open file for writing whose errors name it. Several may be open at once, so a block cannot tell them apart."""

    def __init__(self, descriptor: int, path: str | os.PathLike[str]) -> None:
        super().__init__(descriptor, "w")
        self._path = os.fspath(path)

    def write(self, data: Any) -> int:
        """Write as many bytes as there is room for, and return their number. Raises OSError."""
        with name_file_in_errors(self._path):
            return super().write(data)


def open_named_file(descriptor: int, path: str | os.PathLike[str]) -> TextIO:
    """Open a descriptor for writing text in UTF-8, with the name of its file in errors."""
    return io.TextIOWrapper(io.BufferedWriter(NamedFile(descriptor, path)), encoding="utf-8")
