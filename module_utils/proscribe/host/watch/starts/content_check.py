"""First check of the content of started files, for programs outside of the directories of packages.

A program contains marks of its maker, whatever its name is. The daemon must never wait for a disk, because a user may
have made the file system. So the daemon reads only content that the kernel holds in memory already. This is the case
for a program that was just written or started. The verifier checks all other files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base import elf

if TYPE_CHECKING:
    from .prefilter import Prefilter

NO_WAIT_FLAG = getattr(os, "RWF_NOWAIT", 0)


def may_be_restricted(descriptor: int, prefilter: Prefilter) -> bool:
    """Return whether an open file has a mark of a restricted program, or may start other programs.

    Returns True if the content cannot be read without waiting.
    """

    def read_content(offset: int, size: int) -> bytes:
        """Read a part of the file. Raises OSError if the kernel does not have the part in memory."""
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
