"""The identifiers of a service that each control searches for or blocks, with the values of feeds. Pure."""

from __future__ import annotations

from ....model.types.plan import ControlIdentifiers
from ..catalogue.catalogue_loader import Catalogue, Service
from ..controls import COMPILERS
from ..controls.apps import list_app_identifiers
from ..restrictions.readers import ALL_FEEDS


def get_identifiers(
    catalogue: Catalogue, control: str, service: Service, feeds: str | tuple[str, ...]
) -> ControlIdentifiers:
    """Return the identifiers of a service that a control searches for or blocks.

    They include the values of the service's feeds (long lists in separate files). `feeds` has the ids of the selected
    feeds, or is ALL_FEEDS. Results are cached in the catalogue.
    """
    key = (control, service.id, feeds)
    if key not in catalogue.identifier_cache:
        compiler = COMPILERS[control]
        values = [
            feed_value
            for id_, feed in catalogue.feeds.items()
            if (feed.service, feed.kind) == (service.id, compiler.feed_kind) and (feeds == ALL_FEEDS or id_ in feeds)
            for feed_value in feed.values
        ]
        identifiers = compiler.list_identifiers(service)
        if values and compiler.add_feed_values:
            identifiers = compiler.add_feed_values(service, identifiers, values)
        catalogue.identifier_cache[key] = identifiers
    return catalogue.identifier_cache[key]


def list_blocking_controls(service: Service) -> list[str]:
    """Return the controls that have identifiers of a service, feeds left out."""
    return [control for control, compiler in COMPILERS.items() if compiler.list_identifiers(service)]


def remove_web_identifiers(identifiers: ControlIdentifiers) -> ControlIdentifiers:
    """Return a service's identifiers for the control `apps` without its web addresses.

    Returns {} if only the service's names would remain.
    """
    remaining = identifiers.copy()
    remaining.pop("web_hosts", None)
    remaining.pop("web_allow", None)
    return remaining if any(content for key, content in remaining.items() if key != "names") else {}


def list_program_identifiers(service: Service) -> ControlIdentifiers:
    """Return the identifiers of a service's programs; {} for a service that has only web pages."""
    return remove_web_identifiers(list_app_identifiers(service))
