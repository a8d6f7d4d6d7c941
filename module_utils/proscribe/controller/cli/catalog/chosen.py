"""The catalogue that a subcommand is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.loading import Catalogue, Service
from ...policy_errors import close_to
from .. import Refused


class Chosen(NamedTuple):
    """The directories of a catalogue, the project's own first, and what they hold."""

    directories: Sequence[Path]
    catalogue: Catalogue

    def service(self, id_: str) -> Service:
        """A service by its id. Raises Refused for one that is not there."""
        services = self.catalogue.services
        if id_ not in services:
            raise Refused(f"there is no service {id_!r} in this catalogue{close_to(id_, services)}")
        return services[id_]
