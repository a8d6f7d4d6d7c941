"""The catalogue that a subcommand works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.catalogue_loader import Catalogue, Service
from ...policy_errors import propose_similar_names
from .. import CommandError


class LoadedCatalogue(NamedTuple):
    """The directories of a catalogue, the project's own first, and their content."""

    directories: Sequence[Path]
    catalogue: Catalogue

    def find_service(self, service_id: str) -> Service:
        """Return a service by its id. Raises CommandError for an unknown id."""
        services = self.catalogue.services
        if service_id not in services:
            raise CommandError(
                f"there is no service {service_id!r} in this catalogue{propose_similar_names(service_id, services)}"
            )
        return services[service_id]
