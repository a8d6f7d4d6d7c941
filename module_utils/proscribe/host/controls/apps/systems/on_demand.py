"""Package systems that few hosts have: the file of each is compiled on a host only where something of it is there.

Nothing asks anybody before such a system installs, so none has an install block.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Protocol, Sequence

from ....system import ControlError, Host, ObservationError, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart
from .package import Block, Package


class Inner(Protocol):
    """The part of a package system that such a file has; see package.PackageSystem."""

    def query(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]: ...

    def query_of(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]: ...

    def owned_directories(self, host: Host, user: User | None) -> Sequence[str]: ...

    def programs(self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]: ...

    def removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]: ...


class OnDemand:
    """A package system, and the paths of which one is there wherever it is: of the host, or below a home (`~/`)."""

    DATABASE_FILES: tuple[str, ...] = ()

    def __init__(
        self, manager: str, key: str, inner: Callable[[], Inner], traces: Sequence[str], by_name: bool = False
    ) -> None:
        self.MANAGER = manager
        self.CATALOGUE_KEY = key
        self.inner = inner
        self.traces = traces
        self.by_name = by_name  # what a user has lies below his name in a place of the host's, not in his home alone

    def there(self, host: Host, user: User | None) -> bool:
        """Whether there is something to query, of the host or of a user."""
        homes = [user.home] if user else []
        for trace in self.traces:
            for path in [home + trace[1:] for home in homes] if trace[0] == "~" else [trace]:
                try:
                    if host.find_entry(path) is not None:
                        return True
                except (ObservationError, ControlError):
                    return True  # what cannot be seen is reported by the query
        return False

    def query(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self.inner().query(host, ids) if ids and self.there(host, None) else ([], "")

    def query_of(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self.inner().query_of(host, user, ids) if ids and self.there(host, user) else ([], "")

    def owned_directories(self, host: Host, user: User | None) -> Sequence[str]:
        return self.inner().owned_directories(host, user) if self.there(host, user) else ()

    def programs(self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
        if ids and (packages or self.there(host, None)):
            return self.inner().programs(host, ids, packages)
        return lambda process: ""

    def removal(self, host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        return self.inner().removal(host, packages)

    def gated(self, host: Host) -> bool:
        return False

    def block_parts(self, block: Block) -> tuple[BlockPart, ...]:
        return ()
