"""Conflicts of the guard package: refused names, or all versions of a name except a permitted version."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from ....system import STATE_DIRECTORY

GUARD_PACKAGE = "proscribe-guard"
GUARD_PACKAGE_PATH = f"{STATE_DIRECTORY}/{GUARD_PACKAGE}.rpm"  # exists only during the installation


class PackageConflict(NamedTuple):
    """Conflict of the guard with every version of a package, or with the versions before or after a version."""

    name: str
    sense: str = ""  # <, >
    version: str = ""


def list_conflicts(names: Sequence[str], permitted_versions: Mapping[str, Sequence[str]]) -> Iterator[PackageConflict]:
    """Yield the conflicts for some names.

    Only rpm can order versions. So a package with several permitted versions gets no conflict.
    """
    for name in names:
        versions = permitted_versions.get(name, ())
        if not versions:
            yield PackageConflict(name)
        elif len(versions) == 1:
            yield PackageConflict(name, "<", versions[0])
            yield PackageConflict(name, ">", versions[0])
