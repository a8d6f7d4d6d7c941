"""Python programs that pipx installed, each with its own environment; what comes along inside one is seen too."""

from __future__ import annotations

from typing import AbstractSet, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .declaration import Declared, Reinstall
from .each_place import check_each, summarise_reasons
from .package import Package
from .site_packages import directories, distributions
from .without_block import DATABASE_FILES as DATABASE_FILES
from .without_block import block_parts as block_parts
from .without_block import gated as gated
from .without_block import programs as programs
from .without_block import there as there

MANAGER = "pipx"
CATALOGUE_KEY = "pip"
SYSTEM = "/opt/pipx"
PERSONAL = ("/.local/share/pipx", "/.local/pipx")  # below a home; the latter until pipx 1.3


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _installed(host, ids, None)


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _installed(host, ids, user)


def owned_directories(host: Host, user: User | None) -> Sequence[str]:
    return [f"{place}/venvs" for place in ([user.home + place for place in PERSONAL] if user else [SYSTEM])]


def _installed(host: Host, ids: AbstractSet[str], owner: User | None) -> tuple[list[Package], str]:
    def check(place: str) -> Iterator[Package]:
        for environment in host.list_directory(place):
            for directory in directories(host, f"{place}/{environment}/lib"):
                yield from distributions(host, directory, ids, MANAGER, owner, environment)

    found, unseen = check_each(owned_directories(host, owner) if ids else (), check)
    return found, summarise_reasons(unseen)


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pip_removal

    return pip_removal.pipx_removal(host, packages)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=None,
        reinstall=Reinstall(
            {
                "": "env PIPX_HOME={place} {tool} install {name}",
                "system": "env PIPX_HOME={place} PIPX_BIN_DIR=/usr/local/bin {tool} install {name}",
            },
            pin="==",
        ),
        guarded=False,
    ),
)
