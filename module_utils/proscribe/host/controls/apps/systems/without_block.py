"""What package systems answer that nothing can keep from installing, and whose programs nothing names.

Whoever may write somewhere may install there. What runs is an interpreter, and nothing that can be trusted says which
package it runs. Such a system's file imports these answers as its own.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....system import Host, Process, User
from ..blocks.parts import BlockPart
from .package import InstallBlock, Package

DATABASE_FILES: tuple[str, ...] = ()


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""


def is_present(host: Host, user: User | None) -> bool:
    return True  # Python is wherever this runs, and anybody installs with it


def is_block_applicable(host: Host) -> bool:
    return False


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    return ()
