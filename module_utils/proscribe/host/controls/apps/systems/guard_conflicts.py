"""Conflicts of the guard, an empty rpm package that Proscribe installs so that rpm refuses restricted packages.

rpm installs no package that conflicts with an installed package. The guard conflicts with each restricted package: with
all versions, or with all versions except the one that a waiver permits.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from ....system import STATE_DIRECTORY

GUARD_PACKAGE = "proscribe-guard"
# this file exists only while the guard is being installed
GUARD_PACKAGE_PATH = f"{STATE_DIRECTORY}/{GUARD_PACKAGE}.rpm"


class PackageConflict(NamedTuple):
    """Conflict of the guard with a package: with all versions, or with those before or after a version."""

    name: str  # name of the refused package
    sense: str = ""  # "<" for versions before `version`, ">" for versions after it; "" for all versions
    version: str = ""


def list_conflicts(names: Sequence[str], permitted_versions: Mapping[str, Sequence[str]]) -> Iterator[PackageConflict]:
    """Yield the conflicts that the guard (Proscribe's empty rpm package) has with the packages `names`.

    `permitted_versions` has, by package, the versions that waivers permit. One permitted version gives two conflicts:
    with earlier and with later versions. For two or more, the versions between them would have to be refused too. That
    needs their order, which only rpm knows. So such a package gets no conflict.
    """
    for name in names:
        versions = permitted_versions.get(name, ())
        if not versions:
            yield PackageConflict(name)
        elif len(versions) == 1:
            yield PackageConflict(name, "<", versions[0])
            yield PackageConflict(name, ">", versions[0])
