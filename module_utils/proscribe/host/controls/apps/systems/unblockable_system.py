"""Functions of package systems, such as pip, that can neither block installations nor identify running programs.

Every user who can write to a directory can install packages into it. The running program is an interpreter, and no
trustworthy fact identifies its package. The file of such a system imports these functions. package.PackageSystem
describes what they return.
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
    return True  # this program itself needs Python, and everybody can install with it


def is_block_applicable(host: Host) -> bool:
    return False


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    return ()
