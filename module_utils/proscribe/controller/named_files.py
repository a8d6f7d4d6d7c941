"""Functions to write files so that each error names the file. This includes errors of a full disk."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def name_file_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the file's path to an OSError of the `with` body that names no file.

    The system names a file that cannot be opened, but not a file that cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


class NamedFile(io.FileIO):
    """An open file for writing. Each error of a write names the file.

    If several files are open at once, `name_file_in_errors` around the code could not tell which file failed.
    """

    def __init__(self, descriptor: int, path: str | os.PathLike[str]) -> None:
        super().__init__(descriptor, "w")
        self._path = os.fspath(path)

    def write(self, data: Any) -> int:
        """Write as many bytes as there is room for, and return their number. Raises OSError."""
        with name_file_in_errors(self._path):
            return super().write(data)


def open_named_file(descriptor: int, path: str | os.PathLike[str]) -> TextIO:
    """Return a UTF-8 text file for an open descriptor. Errors of a write name `path`."""
    return io.TextIOWrapper(io.BufferedWriter(NamedFile(descriptor, path)), encoding="utf-8")
