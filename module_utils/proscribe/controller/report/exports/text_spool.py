"""A store for text that is made early and written late, beside the export."""

from __future__ import annotations

import shutil
import tempfile
from typing import TextIO

MAX_MEMORY_CHARACTERS = 1 << 20  # most characters in memory; a longer text goes to a file


class TextSpool(tempfile.SpooledTemporaryFile[str]):
    """A store of text pieces: in memory while they are short, then in a temporary file without a name."""

    def __init__(self) -> None:
        super().__init__(MAX_MEMORY_CHARACTERS, "w+", encoding="utf-8", newline="")
        self.piece_count = 0

    def add_piece(self, piece: str, separator: str = "") -> None:
        """Add a piece of text.

        The separator is written before all pieces but the first.
        """
        self.write(separator + piece if self.piece_count else piece)
        self.piece_count += 1

    def write_pieces(self, stream: TextIO) -> None:
        """Write all pieces to the stream.

        No piece can be added afterwards.
        """
        with self:
            self.seek(0)
            shutil.copyfileobj(self, stream)
