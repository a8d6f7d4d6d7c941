"""Android apps of a user in Waydroid: each has a directory with its data. The observation does not run Waydroid.

Only Android itself removes an app, while the user's session runs. So an app is reported, and its launcher moves into
the quarantine (launchers.py).
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....system import Host, Process, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons

MANAGER = "waydroid"
WAYDROID_DIRECTORY = "~/.local/share/waydroid"
TRACES = (WAYDROID_DIRECTORY,)
DATA_DIRECTORY = "/data/data"  # below WAYDROID_DIRECTORY


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    place = user.home + WAYDROID_DIRECTORY[1:] + DATA_DIRECTORY
    names, gaps = check_each([place] if ids else (), host.list_directory)
    present_names = [name for name in names if name in ids]
    return [Package(MANAGER, name, "", (), user, f"{place}/{name}") for name in present_names], summarise_reasons(gaps)


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    return [user.home + WAYDROID_DIRECTORY[1:]] if user else []


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""  # the running program is Android's own starter of apps, in a container


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    reason = "only Android takes it away: its user runs `waydroid app remove {}` in a session of his"
    return [], [(package, reason.format(package.id)) for package in packages]


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key="android",
        id_format=PackageIdFormat(
            r"(?=.{3,255}\Z)[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+",
            "an Android application id such as org.example.app",
            'Android\'s <manifest>, "package"',
            "org.telegram.messenger",
            ("telegram", "org..x", "org.1x", "org.x/y", ".x"),
        ),
        reinstall=None,
        routes=(
            InstallRoute(
                route="waydroid: Android apps",
                detection=CoverageClaim(
                    "every user's apps, by their data; launchers, by the app's id",
                    "unit/host/controls/apps/test_systems_of_stores::test_an_android_app_is_seen_by_its_data_and_reported_with_who_can_remove_it",
                ),
                removal=CoverageClaim(
                    "the launcher is moved into the quarantine; the app stays, with who can remove it",
                    "unit/host/controls/apps/test_portable_launchers::test_container_launcher",
                ),
                prevention=None,
                remaining_gap=(
                    "a store inside Android asks nobody, and what runs there is not recognised. Waydroid makes "
                    "the launcher again at its next start, if the app is still there. Not run: it needs "
                    "Android's images"
                ),
            ),
        ),
        traces=TRACES,
        is_guarded=False,
    ),
)
