"""Common parts of the DNS formats: minimal lists of names to block, and of names that stay open below them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ...host.controls.dns.effect_test import EXPORT_WITNESS_NAME
from ...host.controls.dns.filter_text import ResolverLanguage
from ...host.controls.dns.names_to_block import collect_section_names, find_covering_name, sort_valid_names
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import Plan, PlanSection
from .file_header import encode_lines, make_comment, make_witness_text
from .format_declaration import ExportDecision, ExportOmission, RenderedExport

DNS_CONTROL = "dns"


class ExportedDnsNames(NamedTuple):
    """The DNS names of an export. For any name, the closest listed name at or above it decides."""

    blocked_names: tuple[str, ...]  # names that block themselves and all names below, up to an open name
    open_names: tuple[str, ...]  # names below a blocked name that open themselves and all names below
    included_rules: tuple[str, ...]
    left_out: tuple[ExportOmission, ...]


def collect_dns_names(
    decision: ExportDecision, *, with_canaries: bool = True, is_exact: bool = False
) -> ExportedDnsNames:
    """Return the DNS names that an export blocks and leaves open.

    Raises ControlError for an invalid name. `is_exact` is True for a point that can only block a name without the names
    below it. Then every blocked name is listed. Canaries are names that need the answer NXDOMAIN. They are left out if
    `with_canaries` is False, for a point that cannot give this answer.
    """
    section = decision.plan["controls"][DNS_CONTROL]
    desired_names = collect_section_names(section, {}, canaries=with_canaries)
    blocked_names, open_names = (
        set(sort_valid_names(desired_names.blocked_names)),
        set(sort_valid_names(desired_names.open_names)),
    )
    left_out = [
        ExportOmission(
            f"{DNS_CONTROL}/{service_id}", "the service", "Each of its names is a waived or permitted service's too."
        )
        for service_id, service_names in sorted(desired_names.names_by_service.items())
        if not service_names and section["services"][service_id]["domains"]
    ]
    if not with_canaries:
        left_out += _list_left_out_canaries(section)
    return ExportedDnsNames(
        tuple(
            sort_valid_names(
                blocked_names
                if is_exact
                else (name for name in blocked_names if not _is_redundant(name, blocked_names, open_names))
            )
        ),
        tuple(sort_valid_names(name for name in open_names if not _is_redundant(name, open_names, blocked_names))),
        tuple(
            f"{DNS_CONTROL}/{service_id}"
            for service_id, service_names in sorted(desired_names.names_by_service.items())
            if service_names
        ),
        tuple(left_out),
    )


def render_resolver_export(format_: str, language: ResolverLanguage, decision: ExportDecision) -> RenderedExport:
    """Return the configuration file for a resolver, in the syntax `language`.

    The resolver also answers the query for a witness name with the digest of the plan that it enforces.
    """
    exported_names = collect_dns_names(decision)
    lines = [*make_comment(decision, format_, language.comment_mark), *language.head_lines]
    lines += language.make_lines(exported_names.blocked_names, exported_names.open_names)
    lines += language.make_witness_lines(EXPORT_WITNESS_NAME, make_witness_text(decision), "")
    return RenderedExport(
        {"proscribe.conf": encode_lines(lines)}, exported_names.included_rules, exported_names.left_out
    )


def group_names_by_depth(names: Iterable[str]) -> list[list[str]]:
    """Return names in levels: the first level has no listed name above it, the next level has one, and so on.

    Within a level no name is below another name.
    """
    all_names = frozenset(names)
    depth: dict[str, int] = {}
    names_by_depth: list[list[str]] = []
    for name in sorted(all_names, key=lambda sorted_name: (sorted_name.count("."), sorted_name)):
        covering_name = find_covering_name(name.partition(".")[2], all_names)
        depth[name] = depth[covering_name] + 1 if covering_name else 0
        names_by_depth.extend([] for _ in range(depth[name] + 1 - len(names_by_depth)))
        names_by_depth[depth[name]].append(name)
    return names_by_depth


def is_name_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Return True if the DNS section of a plan blocks a name.

    `port` is not used.
    """
    section = plan["controls"].get(DNS_CONTROL)
    if section is None:
        return False
    desired_names = collect_section_names(section, {}, canaries=True)
    blocked_names = desired_names.blocked_names
    return find_covering_name(host, blocked_names | desired_names.open_names) in blocked_names


def is_exact_name_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Return True if a point that blocks only listed names, not the names below them, blocks `host`.

    `port` is not used.
    """
    section = plan["controls"].get(DNS_CONTROL)
    return section is not None and host in collect_section_names(section, {}, canaries=False).blocked_names


def _is_redundant(name: str, same_names: Collection[str], opposite_names: Collection[str]) -> bool:
    """Return True if a name need not be listed, because the closest listed name above it decides the same.

    `same_names` are the listed names that decide the same, such as all blocked names; `opposite_names` are the others.
    """
    parent = name.partition(".")[2]
    while parent:
        if parent in opposite_names:
            return False
        if parent in same_names:
            return True
        parent = parent.partition(".")[2]
    return False


def _list_left_out_canaries(section: PlanSection) -> list[ExportOmission]:
    """Return a report entry for each name that needs the answer NXDOMAIN, which the format cannot give."""
    return [
        ExportOmission(
            f"{DNS_CONTROL}/{service_id}",
            f"name {name}",
            "It has to be answered with NXDOMAIN, which this format has not.",
        )
        for service_id, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES
        for name in sort_valid_names(set(entry.get("canaries", ())) - set(entry["domains"]))
    ]
