"""Text that comes early and stands late: kept beside the export until its place is reached."""

from __future__ import annotations

import shutil
import tempfile
from typing import TextIO

MAX_MEMORY_CHARACTERS = 1 << 20  # characters that are kept in memory


class TextSpool(tempfile.SpooledTemporaryFile[str]):
    """Pieces of text, in memory while they are few and then in a temporary file without a name."""

    def __init__(self) -> None:
        super().__init__(MAX_MEMORY_CHARACTERS, "w+", encoding="utf-8", newline="")
        self.piece_count = 0

    def add_piece(self, piece: str, separator: str = "") -> None:
        """Keep a piece, with the separator before all but the first one."""
        self.write(separator + piece if self.piece_count else piece)
        self.piece_count += 1

    def write_pieces(self, stream: TextIO) -> None:
        """Write all pieces to the stream; nothing can be added any more."""
        with self:
            self.seek(0)
            shutil.copyfileobj(self, stream)
