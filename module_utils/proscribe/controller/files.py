"""Files that are written: each error names its file, also that of a full disk."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def name_file_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in an error of the block that names none. The system names files that it cannot open, and none
    that it cannot write.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


class NamedFile(io.FileIO):
    """An open file for writing, whose errors name it. Several may be open at once, so a block cannot name them."""

    def __init__(self, descriptor: int, path: str | os.PathLike[str]) -> None:
        super().__init__(descriptor, "w")
        self._path = os.fspath(path)

    def write(self, data: Any) -> int:
        """Write what there is room for; returns the number of bytes. Raises OSError."""
        with name_file_in_errors(self._path):
            return super().write(data)


def open_named_file(descriptor: int, path: str | os.PathLike[str]) -> TextIO:
    """Open a descriptor for writing text in UTF-8, with the name of its file in errors."""
    return io.TextIOWrapper(io.BufferedWriter(NamedFile(descriptor, path)), encoding="utf-8")
