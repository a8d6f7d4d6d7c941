"""What the guard package conflicts with: the names that are refused, or all versions of one but a permitted one."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .....base.tuples import NamedTuple
from ....system import STATE_DIRECTORY

GUARD_PACKAGE = "proscribe-guard"
GUARD_PACKAGE_PATH = f"{STATE_DIRECTORY}/{GUARD_PACKAGE}.rpm"  # only while it is being installed


class PackageConflict(NamedTuple):
    """What the guard does not stand beside: every version of a package, or those before or after one."""

    name: str
    sense: str = ""  # <, >
    version: str = ""


def list_conflicts(names: Sequence[str], permitted_versions: Mapping[str, Sequence[str]]) -> Iterator[PackageConflict]:
    """Of a package with several permitted versions, which only rpm can order, none is refused."""
    for name in names:
        versions = permitted_versions.get(name, ())
        if not versions:
            yield PackageConflict(name)
        elif len(versions) == 1:
            yield PackageConflict(name, "<", versions[0])
            yield PackageConflict(name, ">", versions[0])
