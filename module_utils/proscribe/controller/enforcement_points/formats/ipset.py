"""Format `ipset`: sets for `ipset restore`, by service and IP version.

A set of all sets serves a single rule of iptables.

Each set is filled beside the current one and then swapped with it, so the ban is never interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ..format_declaration import ExportDecision, ExportFormat, RenderedExport
from ..network_lists import (
    NetworkService,
    is_address_blocked,
    list_included_rules,
    list_left_out_networks,
    list_management_networks,
    list_network_services,
)
from ..text_template import render_template

TEMPLATE = """\
{{ header() }}
{% for subject, name, set_type, entries in sets %}
# {{ subject }}
create {{ name }} {{ set_type }} -exist
create {{ name }}_new {{ set_type }} -exist
flush {{ name }}_new
{% for entry in entries %}
add {{ name }}_new {{ entry }}
{% endfor %}
swap {{ name }}_new {{ name }}
destroy {{ name }}_new
{% endfor %}
"""
ALL_SET_NAME = "proscribe"
# The kernel allows 31 characters (IPSET_MAXNAMELEN); "p4_" and "_new" are added.
MAX_ID_LENGTH = 24
IP_FAMILIES = ((4, "inet"), (6, "inet6"))


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the file with the sets of networks for `ipset restore`. A comment above each set names its service."""
    network_services = list_network_services(decision, excluded_networks=list_management_networks(decision))
    sets: list[tuple[str, str, str, list[str]]] = []  # subject, name, type and entries of each
    for service in network_services:
        for version, family in IP_FAMILIES:
            entries = list(_iterate_set_entries(service, version))
            if entries:
                name = f"p{version}_{_shorten_service_id(service.id)}"
                set_type = f"hash:net,port family {family}" if service.ports else f"hash:net family {family}"
                sets.append((service.id, name, f"{set_type} maxelem {_compute_set_size(entries)}", entries))
    sets.append(("all of them", ALL_SET_NAME, "list:set size 1024", [name for _, name, _, _ in sets]))
    return RenderedExport(
        {"proscribe.ipset": render_template(TEMPLATE, decision, "ipset", sets=sets)},
        list_included_rules(network_services),
        tuple(list_left_out_networks(decision, has_general_rules=False)),
    )


def _iterate_set_entries(service: NetworkService, version: int) -> Iterator[str]:
    for network in service.list_networks(version):
        if service.ports:
            yield from (f"{network},{protocol}:{port}" for port in service.ports for protocol in ("tcp", "udp"))
        else:
            yield network


def _compute_set_size(entries: list[str]) -> int:
    """Return the capacity of a set: a power of two with room for more entries, equal for most services.

    `create -exist` refuses an existing set of another capacity.
    """
    return max(65536, 1 << len(entries).bit_length())


def _shorten_service_id(service_id: str) -> str:
    if len(service_id) <= MAX_ID_LENGTH:
        return service_id
    return f"{service_id[: MAX_ID_LENGTH - 9]}_{hashlib.sha256(service_id.encode()).hexdigest()[:8]}"


FORMAT = ExportFormat(
    name="ipset",
    purpose="a Linux router with iptables or firewalld",
    controls=("firewall",),
    render_export=render_export,
    tested_with="ipset restore and iptables",
    main_files="proscribe.ipset",
    is_blocked=is_address_blocked,
)
