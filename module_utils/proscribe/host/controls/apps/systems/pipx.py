"""Python programs that pipx installed, each in an environment: a directory with the program and all that it needs.

Restricted packages that are only dependencies of the program in an environment are observed too.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .declaration import ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .site_packages import find_distributions, list_package_directories
from .unblockable_system import DATABASE_FILES as DATABASE_FILES
from .unblockable_system import is_block_applicable as is_block_applicable
from .unblockable_system import is_present as is_present
from .unblockable_system import make_block_parts as make_block_parts
from .unblockable_system import make_program_matcher as make_program_matcher

MANAGER = "pipx"
CATALOGUE_KEY = "pip"
SYSTEM_PIPX_HOME = "/opt/pipx"
PERSONAL_PIPX_HOMES = ("/.local/share/pipx", "/.local/pipx")  # below a home; pipx before 1.3 uses the second


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _find_installed(host, ids, None)


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _find_installed(host, ids, user)


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    """Return the directories with the environments of `user`, or of the host if `user` is None."""
    return [
        f"{place}/venvs"
        for place in ([user.home + place for place in PERSONAL_PIPX_HOMES] if user else [SYSTEM_PIPX_HOME])
    ]


def _find_installed(host: Host, ids: AbstractSet[str], owner: User | None) -> tuple[list[Package], str]:
    """Return the packages among `ids` in the environments of `owner`, and why some are unknown.

    If `owner` is None, the environments are the host's. The handle of a package is the name of its environment, the
    program for which pipx made the environment. The reason is "" if all could be checked.
    """

    def check_environments(place: str) -> Iterator[Package]:
        for environment in host.list_directory(place):
            for directory in list_package_directories(host, f"{place}/{environment}/lib"):
                yield from find_distributions(host, directory, ids, MANAGER, owner, environment)

    packages, gaps = check_each(list_owned_directories(host, owner) if ids else (), check_environments)
    return packages, summarise_reasons(gaps)


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pip_removal

    return pip_removal.plan_pipx_removal(host, packages)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=None,
        reinstall=ReinstallCommands(
            {
                "": "env PIPX_HOME={place} {tool} install {name}",
                "system": "env PIPX_HOME={place} PIPX_BIN_DIR=/usr/local/bin {tool} install {name}",
            },
            version_separator="==",
        ),
        is_guarded=False,
    ),
)
