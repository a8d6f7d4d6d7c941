"""Format `cidr`: lists of networks for firewalls and routers that fetch lists, by service and for all."""

from __future__ import annotations

from ..file_header import encode_lines, make_comment
from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport
from ..network_lists import (
    is_address_blocked,
    list_included_rules,
    list_left_out_networks,
    list_management_networks,
    list_network_services,
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a list of networks for each service, and a list for all services.

    Services of which only some ports are blocked are in a separate directory, and not in the list for all.
    """
    network_services = list_network_services(decision, excluded_networks=list_management_networks(decision))
    files = {}
    left_out = list(list_left_out_networks(decision, has_general_rules=False))
    for service in network_services:
        ports = ", ".join(map(str, service.ports))
        header_lines = [
            *make_comment(decision, "cidr"),
            f"# {service.id}: {f'TCP and UDP ports {ports} only' if ports else 'all ports'}",
        ]
        files[f"{'ports' if ports else 'networks'}/{service.id}.txt"] = encode_lines(
            [*header_lines, *service.list_prefixes()]
        )
        if ports:
            reason = "The list has no ports: whoever blocks its networks whole blocks more than hosts do."
            left_out.append(ExportOmission(f"firewall/{service.id}", f"ports {ports}", reason))
    all_lines = [line for service in network_services if not service.ports for line in service.list_prefixes()]
    files["networks.txt"] = encode_lines([*make_comment(decision, "cidr"), *dict.fromkeys(all_lines)])
    return RenderedExport(files, list_included_rules(network_services), left_out)


FORMAT = ExportFormat(
    name="cidr",
    purpose="firewalls and routers that fetch lists of networks",
    controls=("firewall",),
    render_export=render_export,
    main_files="networks.txt, networks/<service>.txt, ports/<service>.txt",
    is_blocked=is_address_blocked,
)
