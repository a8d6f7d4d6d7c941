"""How far the other controls of a host close a name, as the lists of browsers have to know it."""

from __future__ import annotations

from typing import AbstractSet, Protocol

OPEN, ALONE, WITH_ALL_BELOW = range(3)


class OtherControls(Protocol):
    """What the other controls close on a host (other_controls.py)."""

    @property
    def most(self) -> int:
        """How far they close a name at most."""

    @property
    def by_network(self) -> AbstractSet[str]:
        """The ids of the services whose networks they close."""

    def degree(self, host: str) -> int:
        """How far they close a name."""
