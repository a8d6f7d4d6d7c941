"""Degrees to which the other controls of a host close a name.

NAME_OPEN: not at all. NAME_ALONE_CLOSED: the name, but not the names below it. NAME_CLOSED_WITH_ALL_BELOW: both. The
lists of browsers have limited room, so names with a high degree are the first that the lists omit.
"""

from __future__ import annotations

from typing import AbstractSet, Protocol

NAME_OPEN, NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW = range(3)


class OtherControls(Protocol):
    """Interface of the other controls of a host. HostControls in host_controls.py implements it."""

    @property
    def highest_degree(self) -> int:
        """Highest degree to which the other controls close any name."""

    @property
    def network_service_ids(self) -> AbstractSet[str]:
        """Ids of the services whose networks the other controls close."""

    def measure_degree(self, host: str) -> int:
        """Return the degree to which the other controls close a host name: one of the three constants."""
