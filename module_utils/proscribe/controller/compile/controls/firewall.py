"""The part of plans for the control `firewall`: identifiers of services, and settings."""

from __future__ import annotations

from collections.abc import Sequence

from ....model.types.plan import ControlIdentifiers, ControlSettings, FirewallIdentifiers
from ..catalogue.catalogue_loader import Service
from ..reading.networks import merge_networks
from ..restrictions import Restrictions
from .compiler import ControlCompiler

# Public DNS resolvers are blocked on these ports only, because the same machines have other uses, too.
RESOLVER_PORTS = (53, 443, 853)


def _list_identifiers(service: Service) -> ControlIdentifiers:
    return {"networks": merge_networks(service.networks), "ports": _list_ports(service)} if service.networks else {}


def _list_ports(service: Service) -> list[int]:
    """Return the ports on which a service's networks are blocked; [] for all ports."""
    return list(RESOLVER_PORTS) if service.service_class == "encrypted_dns" else []


def _add_feed_values(service: Service, identifiers: ControlIdentifiers, values: Sequence[str]) -> ControlIdentifiers:
    return {"networks": merge_networks([*service.networks, *values]), "ports": _list_ports(service)}


def _make_settings(restrictions: Restrictions, is_upcoming: bool) -> ControlSettings:
    """Return the settings of the firewall.

    If the ban is not yet in force (`is_upcoming`), they block nothing.
    """
    optional_settings: ControlSettings = {}  # few organisations set these: plans without them keep their digest
    if restrictions.firewall_nat64:
        optional_settings["nat64"] = list(restrictions.firewall_nat64)
    if restrictions.firewall_local_ssh and not is_upcoming:
        optional_settings["local_ssh"] = restrictions.firewall_local_ssh
    return {
        **optional_settings,
        "dns_over_tls": "unmanaged" if is_upcoming else "blocked",
        "quic": "unmanaged" if is_upcoming else restrictions.firewall_quic,
        "log": restrictions.firewall_log,
        "confirm_within": restrictions.firewall_confirm_within,
        "rules": [] if is_upcoming else list(restrictions.firewall_rules),
        "management": list(restrictions.management),
        "force_dns": restrictions.dns_force and restrictions.controls["dns"] == "enforce" and not is_upcoming,
    }


COMPILER = ControlCompiler(
    list_identifiers=_list_identifiers,
    make_settings=_make_settings,
    identifier_types=(FirewallIdentifiers,),
    feed_kind="networks",
    add_feed_values=_add_feed_values,
)
