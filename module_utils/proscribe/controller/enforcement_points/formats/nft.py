"""Format `nft`: an nftables table for a router that refuses to forward the traffic that hosts refuse to send.

A separate table can be replaced in a single transaction, and leaves the router's own rules alone. It only refuses: an
accept in it ends the chain of this table, and other tables still judge the packet.
"""

from __future__ import annotations

from ....host.controls.firewall.rule_syntax import (
    format_block,
    format_number_match,
    make_network_sets,
    make_refusing_chain,
)
from ....host.controls.firewall.ruleset import make_general_matches
from ....model.types.plan import Plan
from ..file_header import encode_lines, make_comment
from ..format_declaration import ExportDecision, ExportFormat, RenderedExport
from ..network_lists import (
    FIREWALL_CONTROL,
    NetworkService,
    is_address_blocked,
    list_included_rules,
    list_left_out_networks,
    list_management_networks,
    list_network_services,
)

TABLE_NAME = "proscribe_forward"
TABLE_COMMENT = "Written by Proscribe, export nft."


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the file for `nft -f`. If the plan blocks nothing, the file removes the table."""
    section = decision.plan["controls"][FIREWALL_CONTROL]
    is_logged = bool(section["settings"].get("log"))
    network_services = list_network_services(decision)
    general_matches = make_general_matches(section)
    table_blocks: list[str] = []
    rules: list[str] = []
    management_service = NetworkService("", list_management_networks(decision), ())
    for match, block in make_network_sets(
        [*management_service.list_networks(4), *management_service.list_networks(6)], "management-nets"
    ):
        table_blocks.append(block)
        rules.append(f"{match} accept")
    for rule, match in general_matches.items():
        table_blocks += make_refusing_chain(f"-{rule}", is_logged)
        rules.append(f"{match} jump refuse-{rule}")
    for service in network_services:
        table_blocks += make_refusing_chain(f"_{service.id}", is_logged)
        for match, block in make_network_sets(
            [*service.list_networks(4), *service.list_networks(6)], f"nets_{service.id}"
        ):
            table_blocks.append(block)
            rules.append(f"{match} {_make_port_match(service)}jump refuse_{service.id}")
    lines = [*make_comment(decision, "nft"), f"table inet {TABLE_NAME}", f"delete table inet {TABLE_NAME}"]
    if network_services or general_matches:
        hook_lines = ["type filter hook forward priority filter - 10; policy accept;", *rules]
        lines += [
            f"table inet {TABLE_NAME} {{",
            f'\tcomment "{TABLE_COMMENT}"',
            *table_blocks,
            format_block("chain forward", hook_lines),
            "}",
        ]
    included_rules = [
        *list_included_rules(network_services),
        *(f"{FIREWALL_CONTROL}/{rule}" for rule in general_matches),
    ]
    return RenderedExport(
        {"proscribe.nft": encode_lines(lines)},
        included_rules,
        tuple(list_left_out_networks(decision, has_general_rules=True)),
    )


def _make_port_match(service: NetworkService) -> str:
    return f"meta l4proto {{ tcp, udp }} th dport {format_number_match(service.ports)} " if service.ports else ""


def _is_address_blocked(plan: Plan, host: str, port: int | None = None) -> bool | None:
    return is_address_blocked(plan, host, port, has_general_rules=True)


FORMAT = ExportFormat(
    name="nft",
    purpose="a Linux router with nftables: a table of its own for what is forwarded",
    controls=("firewall",),
    render_export=render_export,
    tested_with="nft -c and the kernel",
    main_files="proscribe.nft",
    is_blocked=_is_address_blocked,
)
