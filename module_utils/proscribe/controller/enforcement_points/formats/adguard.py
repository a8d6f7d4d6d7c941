"""Format `adguard`: a filter list in the syntax of AdGuard's DNS filtering.

An exception takes precedence over every rule, however close the rule is. The modifier $important makes a rule take
precedence over exceptions. So a blocking rule below an exception is important, and an exception below this rule is an
important exception. Nothing takes precedence over an important exception. So an important exception with a blocked name
below it cannot be expressed, and the name stays blocked.
"""

from __future__ import annotations

from ....host.controls.dns.names_to_block import find_covering_name
from ..allow_and_block_lists import NESTED_REASON
from ..dns_names import collect_dns_names, group_names_by_depth, is_name_blocked
from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport
from ..text_template import render_template

TEMPLATE = """\
{{ header("!") }}
{% for name in names.blocked_names %}
||{{ name }}^{{ "$important" if depth_by_name[name] else "" }}
{% endfor %}
{% for name in names.open_names if name not in omission_by_name %}
@@||{{ name }}^{{ "$important" if depth_by_name[name] != 1 else "" }}
{% endfor %}
"""


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the filter list with the blocked names, and exceptions for the open names below these."""
    names = collect_dns_names(decision)
    blocked_names, open_names = frozenset(names.blocked_names), frozenset(names.open_names)
    depth_by_name = {
        name: level_number
        for level_number, level_names in enumerate(group_names_by_depth([*names.blocked_names, *names.open_names]))
        for name in level_names
    }
    nested_names = {
        covering_name
        for name in names.blocked_names
        if (covering_name := find_covering_name(name.partition(".")[2], open_names))
    }
    omission_by_name = {
        name: ExportOmission("", f"name {name}, open below {find_covering_name(name, blocked_names)}", NESTED_REASON)
        for name in names.open_names
        if depth_by_name[name] != 1 and name in nested_names
    }
    filter_list = render_template(
        TEMPLATE, decision, "adguard", names=names, depth_by_name=depth_by_name, omission_by_name=omission_by_name
    )
    left_out = [*names.left_out, *omission_by_name.values()]
    return RenderedExport({"proscribe.txt": filter_list}, names.included_rules, left_out)


FORMAT = ExportFormat(
    name="adguard",
    purpose="AdGuard Home, AdGuard DNS and what reads their filter lists",
    controls=("dns",),
    render_export=render_export,
    main_files="proscribe.txt",
    is_blocked=is_name_blocked,
)
