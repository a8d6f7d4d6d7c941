"""First check of the content of started files, for programs outside of the directories of packages.

Under any name, a program contains the mark of its maker. The daemon never waits for a disk, which a user may have made.
It reads only content that is in memory already, as of a program that was just written or started. The verifier does the
rest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base import elf

if TYPE_CHECKING:
    from .prefilter import Prefilter

NO_WAIT_FLAG = getattr(os, "RWF_NOWAIT", 0)


def may_be_restricted(descriptor: int, prefilter: Prefilter) -> bool:
    """Return whether an open file has a mark of the catalogue, or starts other programs; True if unknown."""

    def read_content(offset: int, size: int) -> bytes:
        piece = bytearray(max(0, min(size, elf.MAX_NAMES_BYTES)))
        view, length = memoryview(piece), 0
        while length < len(piece):
            number = os.preadv(descriptor, [view[length:]], offset + length, NO_WAIT_FLAG)
            if not number:
                break
            length += number
        return bytes(view[:length])

    try:
        binary = elf.read_elf(read_content)
        if binary is None:
            return False
        package = elf.read_go_package(read_content, binary)
    except (OSError, OverflowError):
        return True
    return prefilter.is_marked(package) or elf.may_start_programs(binary, package)
