"""Android apps that a user has in Waydroid: each has a directory of its data there. Waydroid is not asked.

Only Android itself takes an app away, while its user's session runs; so it is reported, and its launcher goes
(launchers.py).
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....system import Host, Process, User
from ...base import ControlAction
from .declaration import Claim, Declared, Ids, Route
from .each_place import check_each, summarise_reasons
from .package import Package

MANAGER = "waydroid"
HOME = "~/.local/share/waydroid"
TRACES = (HOME,)
DATA = "/data/data"  # below it


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    place = user.home + HOME[1:] + DATA
    found, unseen = check_each([place] if ids else (), host.list_directory)
    there = [name for name in found if name in ids]
    return [Package(MANAGER, name, "", (), user, f"{place}/{name}") for name in there], summarise_reasons(unseen)


def owned_directories(host: Host, user: User | None) -> list[str]:
    return [user.home + HOME[1:]] if user else []


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""  # what runs is Android's own starter of apps, in a container


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    why = "only Android takes it away: its user runs `waydroid app remove {}` in a session of his"
    return [], [(package, why.format(package.id)) for package in packages]


DECLARED = (
    Declared(
        name=MANAGER,
        key="android",
        ids=Ids(
            r"(?=.{3,255}\Z)[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+",
            "an Android application id such as org.example.app",
            'Android\'s <manifest>, "package"',
            "org.telegram.messenger",
            ("telegram", "org..x", "org.1x", "org.x/y", ".x"),
        ),
        reinstall=None,
        routes=(
            Route(
                route="waydroid: Android apps",
                seen=Claim(
                    "every user's apps, by their data; launchers, by the app's id",
                    "unit/host/controls/apps/test_systems_of_stores::test_an_android_app_is_seen_by_its_data_and_reported_with_who_can_remove_it",
                ),
                removed=Claim(
                    "the launcher is moved into the quarantine; the app stays, with who can remove it",
                    "unit/host/controls/apps/test_portable_launchers::test_container_launcher",
                ),
                prevented=None,
                left=(
                    "a store inside Android asks nobody, and what runs there is not recognised. Waydroid makes "
                    "the launcher again at its next start, if the app is still there. Not run: it needs "
                    "Android's images"
                ),
            ),
        ),
        traces=TRACES,
        guarded=False,
    ),
)
