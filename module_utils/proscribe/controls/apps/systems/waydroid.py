"""Android apps that a user has in Waydroid: each has a directory of its data there. Waydroid is not asked.

Only Android itself takes an app away, while its user's session runs; so it is reported, and its launcher goes
(launchers.py).
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....host import Host, Process, User
from ...base import Action
from .each_place import survey, told
from .package import Package
from .traces import WAYDROID

MANAGER = "waydroid"
DATA = "/data/data"  # below it


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    place = user.home + WAYDROID[1:] + DATA
    found, unseen = survey([place] if ids else (), host.list)
    there = [name for name in found if name in ids]
    return [Package(MANAGER, name, "", (), user, f"{place}/{name}") for name in there], told(unseen)


def trees(host: Host, user: User | None) -> list[str]:
    return [user.home + WAYDROID[1:]] if user else []


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""  # what runs is Android's own starter of apps, in a container


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    why = "only Android takes it away: its user runs `waydroid app remove {}` in a session of his"
    return [], [(package, why.format(package.id)) for package in packages]
