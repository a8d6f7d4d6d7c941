"""Package systems that few hosts have.

A host loads the Python file of such a system only if the system is present there. No such system checks a policy before
an installation. So Proscribe has no install block for any of them.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Protocol, Sequence

from ....system import ControlError, Host, ObservationError, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart
from .package import InstallBlock, Package


class PackageSystemCore(Protocol):
    """Functions in the file of a package system that few hosts have, as package.PackageSystem describes them."""

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]: ...

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]: ...

    def list_owned_directories(self, host: Host, user: User | None) -> Sequence[str]: ...

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """Make the function that returns the restricted package of a running program: its id, or ""."""

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]: ...


class OnDemandSystem:
    """Package system whose file is loaded only if the system is present (see package.PackageSystem).

    The system is present if one of its `traces` exists: paths of the host, or paths below a home (`~/`).
    """

    DATABASE_FILES: tuple[str, ...] = ()

    def __init__(
        self,
        manager: str,
        key: str,
        load_system: Callable[[], PackageSystemCore],
        traces: Sequence[str],
        has_named_directories: bool = False,
    ) -> None:
        self.MANAGER = manager
        self.CATALOGUE_KEY = key
        self.load_system = load_system
        self.traces = traces
        self.has_named_directories = (
            # whether packages of a user are also outside the home, in a host directory with the user's name
            has_named_directories
        )

    def is_present(self, host: Host, user: User | None) -> bool:
        """Return whether a trace of the system exists: a path of the host or, if `user` is given, below the home.

        Paths of the host count for a user too. A path that cannot be checked counts as existing.
        """
        homes = [user.home] if user else []
        for trace in self.traces:
            for path in [home + trace[1:] for home in homes] if trace[0] == "~" else [trace]:
                try:
                    if host.find_entry(path) is not None:
                        return True
                except (ObservationError, ControlError):
                    return True  # counts as present: the query for packages then meets the same error and reports it
        return False

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self.load_system().find_packages(host, ids) if ids and self.is_present(host, None) else ([], "")

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return (
            self.load_system().find_user_packages(host, user, ids) if ids and self.is_present(host, user) else ([], "")
        )

    def list_owned_directories(self, host: Host, user: User | None) -> Sequence[str]:
        return self.load_system().list_owned_directories(host, user) if self.is_present(host, user) else ()

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """Make the function that returns the restricted package of a running program: its id, or ""."""
        # a user's packages in `packages` count too, although the host does not have the system
        if ids and (packages or self.is_present(host, None)):
            return self.load_system().make_program_matcher(host, ids, packages)
        return lambda process: ""

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        return self.load_system().plan_removal(host, packages)

    def is_block_applicable(self, host: Host) -> bool:
        return False

    def make_block_parts(self, block: InstallBlock) -> tuple[BlockPart, ...]:
        return ()
