"""Python programs that pipx installed, each with its own environment; what comes along inside one is seen too."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Mapping, Sequence

from ....system import Host, Process, User
from ...base import Action
from ..blocks.parts import BlockPart
from .declaration import Declared, Reinstall
from .each_place import check_each, joined
from .package import Package
from .site_packages import directories, distributions

MANAGER = "pipx"
CATALOGUE_KEY = "pip"
DATABASE_FILES: tuple[str, ...] = ()
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
        for environment in host.list(place):
            for directory in directories(host, f"{place}/{environment}/lib"):
                yield from distributions(host, directory, ids, MANAGER, owner, environment)

    found, unseen = check_each(owned_directories(host, owner) if ids else (), check)
    return found, joined(unseen)


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return lambda process: ""  # as in pip.py


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    from . import pip_removal

    return pip_removal.pipx_removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    return True  # Python is wherever this runs, and anybody installs with it


def gated(host: Host) -> bool:
    return False


def block_parts(
    ids: AbstractSet[str],
    contact: str,
    permitted: Mapping[str, Sequence[str]] = {},
    paths: Sequence[str] = (),
    messages: Sequence[str] = (),
) -> tuple[BlockPart, ...]:
    return ()


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
