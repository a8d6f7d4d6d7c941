"""Python packages that pip installed for the whole host or for a user.

The observation reads directories; pip does not run.
"""

from __future__ import annotations

from typing import AbstractSet, Iterable, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .site_packages import find_distributions, list_package_directories
from .unblockable_system import DATABASE_FILES as DATABASE_FILES
from .unblockable_system import is_block_applicable as is_block_applicable
from .unblockable_system import is_present as is_present
from .unblockable_system import make_block_parts as make_block_parts
from .unblockable_system import make_program_matcher as make_program_matcher

MANAGER = "pip"
CATALOGUE_KEY = "pip"
SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64")
PERSONAL_LIBRARY = "/.local/lib"  # below a home
PYENV_VERSIONS = "/.pyenv/versions"  # below a home; each directory in it is a complete installation of Python by pyenv


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    # links are resolved, because lib64 may be a link to lib and would be checked twice
    libraries = dict.fromkeys(map(host.resolve_link, SYSTEM_LIBRARIES)) if ids else ()
    packages, gaps = _find_installed(host, ids, libraries, None)
    return packages, summarise_reasons(gaps)


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids:
        return [], ""
    libraries, gaps = _list_libraries(host, user)
    packages, package_gaps = _find_installed(host, ids, libraries, user)
    return packages, summarise_reasons(gaps + package_gaps)


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    """Return the directories in which pip keeps packages of `user`, or of the host if `user` is None.

    Directories that cannot be read are left out.
    """
    libraries = _list_libraries(host, user)[0] if user else SYSTEM_LIBRARIES
    return check_each(libraries, lambda library: list_package_directories(host, library))[0]


def _find_installed(
    host: Host, ids: AbstractSet[str], libraries: Iterable[str], owner: User | None
) -> tuple[list[Package], list[str]]:
    """Return the packages among `ids` below the `lib` directories `libraries`, and why some are unknown.

    There are no reasons ([]) if all could be checked. `owner` is the user of the packages; None is the whole host.
    """

    def check_library(library: str) -> Iterator[Package]:
        for directory in list_package_directories(host, library):
            yield from find_distributions(host, directory, ids, MANAGER, owner)

    return check_each(libraries, check_library)


def _list_libraries(host: Host, user: User) -> tuple[list[str], list[str]]:
    """Return the `lib` directories in which a user may have packages, and the reasons why some are unknown.

    The directories are ~/.local/lib and the `lib` of each Python that pyenv installed. They need not exist.
    """
    versions, gaps = check_each([user.home + PYENV_VERSIONS], host.list_directory)
    return [user.home + PERSONAL_LIBRARY, *(f"{user.home}{PYENV_VERSIONS}/{version}/lib" for version in versions)], gaps


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pip_removal

    return pip_removal.plan_removal(host, packages)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
            meaning="a PyPI name: letters, digits, . _ -",
            source="PEP 508",
            valid_example="Telethon",
            invalid_examples=("-x", "a/b"),
        ),
        reinstall=ReinstallCommands(
            {
                "": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install {names}",
                "user": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install --user {names}",
            },
            version_separator="==",
        ),
        routes=(
            InstallRoute(
                route="pip and pipx",
                detection=CoverageClaim(
                    "the host's and every user's installed distributions",
                    "integration/test_apps_real_pip::test_pip_packages_of_host_and_user_are_seen_and_removed",
                ),
                removal=CoverageClaim(
                    "pip or pipx itself, as the owner",
                    "integration/test_apps_real_pip::test_environments_of_pipx",
                ),
                prevention=None,
                remaining_gap="neither asks anybody; virtual environments that a user makes are not looked into",
            ),
        ),
        is_guarded=False,
    ),
)
