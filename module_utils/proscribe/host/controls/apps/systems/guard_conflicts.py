"""Conflicts of the guard package, an empty rpm package by which rpm refuses restricted packages.

A conflict refuses a package name, or all versions of a name except the version that a waiver permits.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from ....system import STATE_DIRECTORY

GUARD_PACKAGE = "proscribe-guard"
# this file exists only while the guard is being installed
GUARD_PACKAGE_PATH = f"{STATE_DIRECTORY}/{GUARD_PACKAGE}.rpm"


class PackageConflict(NamedTuple):
    """Conflict of the guard package with a package: all versions, or those before or after a version."""

    name: str
    sense: str = ""  # "<" for versions before `version`, ">" for versions after it; "" for all versions
    version: str = ""


def list_conflicts(names: Sequence[str], permitted_versions: Mapping[str, Sequence[str]]) -> Iterator[PackageConflict]:
    """Yield the guard's conflicts with the packages `names`.

    `permitted_versions` has the versions that waivers permit. Only rpm itself can order versions. So two or more
    permitted versions cannot be separated from the others, and such a package gets no conflict.
    """
    for name in names:
        versions = permitted_versions.get(name, ())
        if not versions:
            yield PackageConflict(name)
        elif len(versions) == 1:
            yield PackageConflict(name, "<", versions[0])
            yield PackageConflict(name, ">", versions[0])
