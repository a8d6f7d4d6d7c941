"""Format `adguard`: a filter list in the syntax of AdGuard's DNS filtering.

An exception takes precedence over every rule, however close the rule is. The modifier $important makes a rule take
precedence over exceptions. So a blocking rule below an exception is important, and an exception below this rule is an
important exception. Nothing takes precedence over an important exception. So an important exception with a blocked name
below it cannot be expressed, and the name stays blocked.
"""

from __future__ import annotations

from ....host.controls.dns.names_to_block import find_covering_name
from ..dns_names import collect_dns_names, group_names_by_depth, is_name_blocked
from ..file_header import encode_lines, make_comment
from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport

IMPORTANT_MODIFIER = "$important"


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the filter list with the blocked names, and exceptions for the open names below these."""
    exported_names = collect_dns_names(decision)
    blocked_names, open_names = frozenset(exported_names.blocked_names), frozenset(exported_names.open_names)
    depth_by_name = {
        name: level_number
        for level_number, level_names in enumerate(
            group_names_by_depth([*exported_names.blocked_names, *exported_names.open_names])
        )
        for name in level_names
    }
    nested_names = {
        covering_name
        for name in exported_names.blocked_names
        if (covering_name := find_covering_name(name.partition(".")[2], open_names))
    }
    lines, left_out = [], list(exported_names.left_out)
    for name in exported_names.blocked_names:
        lines.append(f"||{name}^{IMPORTANT_MODIFIER if depth_by_name[name] else ''}")
    for name in exported_names.open_names:
        if depth_by_name[name] == 1:
            lines.append(f"@@||{name}^")
        elif name in nested_names:
            reason = "What is blocked below it could not be blocked again, so all of it stays blocked."
            left_out.append(
                ExportOmission("", f"name {name}, open below {find_covering_name(name, blocked_names)}", reason)
            )
        else:
            lines.append(f"@@||{name}^{IMPORTANT_MODIFIER}")
    return RenderedExport(
        {"proscribe.txt": encode_lines([*make_comment(decision, "adguard", "!"), *lines])},
        exported_names.included_rules,
        left_out,
    )


FORMAT = ExportFormat(
    name="adguard",
    purpose="AdGuard Home, AdGuard DNS and what reads their filter lists",
    controls=("dns",),
    render_export=render_export,
    main_files="proscribe.txt",
    is_blocked=is_name_blocked,
)
