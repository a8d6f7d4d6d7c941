"""The part of plans for the control `dns`: identifiers of services, and settings."""

from __future__ import annotations

from collections.abc import Sequence

from ....model.types.plan import ControlIdentifiers, ControlSettings, DnsIdentifiers, DomainIdentifiers
from ..catalogue.catalogue_loader import Service
from ..restrictions import Restrictions
from .compiler import ControlCompiler, is_below


def _list_identifiers(service: Service) -> ControlIdentifiers:
    """Return the names that the DNS filter blocks for a service; {} if it has none.

    `canaries` are names that must get the answer NXDOMAIN: then programs switch off their own encrypted DNS.
    """
    # Hosts of web clients below a listed domain are included too: some DNS backends do not cover subdomains.
    below = [url for url in service.urls if "/" not in url and is_below(url, service.domains)]
    mail = [host for host in service.mail_hosts if host not in service.shared_domains]
    names = list(dict.fromkeys([*service.domains, *below, *mail]))
    canaries = list(service.nxdomain_canaries)
    if not names and not canaries:
        return {}
    identifiers: ControlIdentifiers = {"domains": names, "allow": list(service.allow_domains)}
    return {**identifiers, "canaries": canaries} if canaries else identifiers


def _add_feed_values(service: Service, identifiers: ControlIdentifiers, values: Sequence[str]) -> ControlIdentifiers:
    domains = list(dict.fromkeys([*identifiers.get("domains", ()), *values]))
    return {**identifiers, "allow": list(service.allow_domains), "domains": domains}


def _make_settings(restrictions: Restrictions, is_upcoming: bool) -> ControlSettings:
    return {"backend": restrictions.dns_backend, "upstreams": list(restrictions.dns_upstreams)}


COMPILER = ControlCompiler(
    list_identifiers=_list_identifiers,
    make_settings=_make_settings,
    identifier_types=(
        DomainIdentifiers,
        DnsIdentifiers,
    ),
    feed_kind="domains",
    add_feed_values=_add_feed_values,
)
