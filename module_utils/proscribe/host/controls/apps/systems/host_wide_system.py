"""Functions of package systems that install for the whole host alone. Their files import these functions."""

from __future__ import annotations

from typing import AbstractSet, Sequence

from ....system import Host, User
from .package import Package


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    return ()  # the file scan does not reach their directories
