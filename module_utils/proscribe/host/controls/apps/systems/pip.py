"""Python packages that pip installed for the whole host, or a user for himself; pip is not asked to see them."""

from __future__ import annotations

from typing import AbstractSet, Iterable, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .site_packages import directories, distributions
from .without_block import DATABASE_FILES as DATABASE_FILES
from .without_block import block_parts as block_parts
from .without_block import gated as gated
from .without_block import programs as programs
from .without_block import there as there

MANAGER = "pip"
CATALOGUE_KEY = "pip"
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64")
PERSONAL = "/.local/lib"  # below a home
PYENV = "/.pyenv/versions"  # whole Pythons


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    libraries = dict.fromkeys(map(host.resolve_link, SYSTEM)) if ids else ()  # lib64 may be a link to lib
    found, unseen = _installed(host, ids, libraries, None)
    return found, summarise_reasons(unseen)


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids:
        return [], ""
    libraries, unseen = _libraries(host, user)
    found, more = _installed(host, ids, libraries, user)
    return found, summarise_reasons(unseen + more)


def owned_directories(host: Host, user: User | None) -> Sequence[str]:
    libraries = _libraries(host, user)[0] if user else SYSTEM
    return check_each(libraries, lambda library: directories(host, library))[0]


def _installed(
    host: Host, ids: AbstractSet[str], libraries: Iterable[str], owner: User | None
) -> tuple[list[Package], list[str]]:
    def check(library: str) -> Iterator[Package]:
        for directory in directories(host, library):
            yield from distributions(host, directory, ids, MANAGER, owner)

    return check_each(libraries, check)


def _libraries(host: Host, user: User) -> tuple[list[str], list[str]]:
    """Where a user may have installed, and why that is not all."""
    versions, unseen = check_each([user.home + PYENV], host.list_directory)
    return [user.home + PERSONAL, *(f"{user.home}{PYENV}/{version}/lib" for version in versions)], unseen


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pip_removal

    return pip_removal.removal(host, packages)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
            meaning="a PyPI name: letters, digits, . _ -",
            source="PEP 508",
            good="Telethon",
            bad=("-x", "a/b"),
        ),
        reinstall=Reinstall(
            {
                "": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install {names}",
                "user": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install --user {names}",
            },
            pin="==",
        ),
        routes=(
            Route(
                route="pip and pipx",
                seen=Claim(
                    "the host's and every user's installed distributions",
                    "integration/test_apps_real_pip::test_pip_packages_of_host_and_user_are_seen_and_removed",
                ),
                removed=Claim(
                    "pip or pipx itself, as the owner",
                    "integration/test_apps_real_pip::test_environments_of_pipx",
                ),
                prevented=None,
                left="neither asks anybody; virtual environments that a user makes are not looked into",
            ),
        ),
        guarded=False,
    ),
)
