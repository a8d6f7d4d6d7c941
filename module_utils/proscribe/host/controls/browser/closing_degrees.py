"""Degrees in which the other controls of a host close a name, for the choice of names in browsers' lists."""

from __future__ import annotations

from typing import AbstractSet, Protocol

NAME_OPEN, NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW = range(3)


class OtherControls(Protocol):
    """The other controls of a host (host_controls.py)."""

    @property
    def highest_degree(self) -> int:
        """Highest degree in which the other controls close a name."""

    @property
    def network_service_ids(self) -> AbstractSet[str]:
        """Ids of the services whose networks the other controls close."""

    def measure_degree(self, host: str) -> int:
        """Return the degree in which the other controls close a name."""
