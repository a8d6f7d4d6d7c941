"""Text that comes early and stands late: kept beside the export until its place is reached."""

from __future__ import annotations

import shutil
import tempfile
from typing import TextIO

FEW = 1 << 20  # characters that are kept in memory


class Spool(tempfile.SpooledTemporaryFile[str]):
    """Pieces of text, in memory while they are few and then in a temporary file without a name."""

    def __init__(self) -> None:
        super().__init__(FEW, "w+", encoding="utf-8", newline="")
        self.pieces = 0

    def add(self, piece: str, separator: str = "") -> None:
        """Keep a piece, with the separator before all but the first one."""
        self.write(separator + piece if self.pieces else piece)
        self.pieces += 1

    def pour(self, stream: TextIO) -> None:
        """Write all pieces to the stream; nothing can be added any more."""
        with self:
            self.seek(0)
            shutil.copyfileobj(self, stream)
