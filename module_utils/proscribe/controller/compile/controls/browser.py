"""The part of plans for the control `browser`: identifiers of services, and settings."""

from __future__ import annotations

from ....model.types.plan import BrowserIdentifiers, ControlIdentifiers, ControlSettings, DomainIdentifiers
from ..catalogue.catalogue_loader import Service
from ..restrictions import Restrictions
from .compiler import ControlCompiler, convert_to_lists


def _list_identifiers(service: Service) -> ControlIdentifiers:
    """Return the sites and extensions that browsers block for a service; {} if it has none."""
    # Services of class encrypted_dns are left out: programs query such resolvers, but users do not open them as pages.
    # The DNS filter blocks their names, and a separate browser policy turns encrypted DNS off. The block lists of
    # browsers accept only a thousand names.
    domains = [] if service.service_class == "encrypted_dns" else list(service.domains)
    urls, extensions = list(service.urls), convert_to_lists(service.browser_extensions)
    if not domains and not urls and not extensions:
        return {}
    identifiers: ControlIdentifiers = {"domains": domains, "urls": urls, "allow": list(service.allow_domains)}
    return {**identifiers, "extensions": extensions} if extensions else identifiers


def _make_settings(restrictions: Restrictions, is_upcoming: bool) -> ControlSettings:
    """Return the settings of browser policies.

    If the ban is not yet in force (`is_upcoming`), they block nothing.
    """
    tenants = {provider: list(names) for provider, names in restrictions.tenants.items() if names and not is_upcoming}
    return {
        "browsers": {} if is_upcoming else dict(restrictions.browser_settings),
        "extensions_allowed": [] if is_upcoming else list(restrictions.browser_extensions_allowed),
        "tenants": tenants,
    }


COMPILER = ControlCompiler(
    list_identifiers=_list_identifiers,
    make_settings=_make_settings,
    identifier_types=(
        DomainIdentifiers,
        BrowserIdentifiers,
    ),
)
