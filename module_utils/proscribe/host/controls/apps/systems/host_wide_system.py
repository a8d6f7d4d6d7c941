"""Functions for package systems that install only for the whole host.

The files of these systems import the functions. package.PackageSystem describes what the functions return.
"""

from __future__ import annotations

from typing import AbstractSet, Sequence

from ....system import Host, User
from .package import Package


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    return ()  # the file scan does not search the directories of these systems, so it needs no list of them
