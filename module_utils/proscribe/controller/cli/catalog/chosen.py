"""The catalogue that a subcommand is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.loading import Catalogue, Service
from ...policy_errors import propose_similar_names
from .. import CommandError


class LoadedCatalogue(NamedTuple):
    """The directories of a catalogue, the project's own first, and what they hold."""

    directories: Sequence[Path]
    catalogue: Catalogue

    def find_service(self, service_id: str) -> Service:
        """A service by its id. Raises Refused for one that is not there."""
        services = self.catalogue.services
        if service_id not in services:
            raise CommandError(
                f"there is no service {service_id!r} in this catalogue{propose_similar_names(service_id, services)}"
            )
        return services[service_id]
