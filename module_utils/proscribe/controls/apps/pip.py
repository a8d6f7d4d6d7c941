"""Python packages that pip installed for the whole host, or a user for himself; pip is not asked to see them."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Mapping, Sequence

from ...host import Host, Process, User
from ..base import Action
from .gate_parts import GatePart
from .package import Package
from .site_packages import directories, distributions
from .survey import survey, told

MANAGER = "pip"
CATALOGUE_KEY = "pip"
DATABASE_FILES: tuple[str, ...] = ()
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64")
PERSONAL = "/.local/lib"  # below a home
PYENV = "/.pyenv/versions"  # whole Pythons


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    def look(place: tuple[str, User | None]) -> Iterator[Package]:
        for directory in directories(host, place[0]):
            yield from distributions(host, directory, ids, MANAGER, place[1])

    found, unseen = survey(_libraries(host) if ids else (), look)
    return found, told(unseen)


def _libraries(host: Host) -> Iterator[tuple[str, User | None]]:
    for library in dict.fromkeys(map(host.target, SYSTEM)):  # lib64 may be a link to lib
        yield library, None
    for user in host.users():
        yield user.home + PERSONAL, user
        versions, _ = survey([user.home + PYENV], host.list)  # who hides it from root hides it from this question only
        for version in versions:
            yield f"{user.home}{PYENV}/{version}/lib", user


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""  # what runs is Python, and nothing that can be trusted says which package it runs


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    from . import pip_changes

    return pip_changes.removal(host, packages)


def gated(host: Host) -> bool:
    return False


def gate(
    ids: AbstractSet[str], contact: str, permitted: Mapping[str, Sequence[str]] = {}, paths: Sequence[str] = ()
) -> tuple[GatePart, ...]:
    return ()  # pip has none, and whoever may write somewhere may install there
