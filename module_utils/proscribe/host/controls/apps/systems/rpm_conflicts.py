"""What the guard package conflicts with: the names that are refused, or all versions of one but a permitted one."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .....base.tuples import NamedTuple
from ....system import STATE_DIRECTORY

GUARD = "proscribe-guard"
PLACE = f"{STATE_DIRECTORY}/{GUARD}.rpm"  # only while it is being installed


class Conflict(NamedTuple):
    """What the guard does not stand beside: every version of a package, or those before or after one."""

    name: str
    sense: str = ""  # <, >
    version: str = ""


def conflicts(names: Sequence[str], permitted: Mapping[str, Sequence[str]]) -> Iterator[Conflict]:
    """Of a package with several permitted versions, which only rpm can order, none is refused."""
    for name in names:
        versions = permitted.get(name, ())
        if not versions:
            yield Conflict(name)
        elif len(versions) == 1:
            yield Conflict(name, "<", versions[0])
            yield Conflict(name, ">", versions[0])
